"""What a report says, whatever its form: shared by the renderers."""

from acrcheck.model import Finding, Level, Observation, Report, Result, Status


def telling(result: Result) -> tuple[Observation, ...]:
    """Give the observations that made the result what it is, the failing ones first; notes are left out."""
    seen = [observation for observation in result.observations if observation.kind.level is not Level.NOTE]
    return tuple(sorted(seen, key=lambda observation: observation.kind.level is not Level.FAIL))


def findings_for(result: Result, report: Report) -> tuple[Finding, ...]:
    """Give the findings that explain a result: by what was seen there, else because they hide its causes."""
    seen = telling(result)
    direct = [finding for finding in report.findings if any(item in finding.observations for item in seen)]
    if direct or result.status is not Status.FAIL:
        return tuple(direct)
    return tuple(finding for finding in report.findings if result.check.id in finding.explains)


def together(finding: Finding, report: Report) -> tuple[Finding, ...]:
    """Give a finding and those it shares its confidence with, in the report's order."""
    return tuple(
        other
        for other in report.findings
        if other is finding
        or (
            max(other.confidence, finding.confidence) < 1
            and (not other.behalf or not finding.behalf or other.behalf == finding.behalf)
            and (
                other.cause.id in finding.cause.neighbours
                or finding.cause.id in other.cause.neighbours
                or _trouble(other) == _trouble(finding)
            )
        )
    )


def _trouble(finding: Finding) -> list[Observation]:
    """Give what fails or warns by a cause."""
    return [item for item in finding.observations if item.kind.level is not Level.NOTE]


def is_waived(finding: Finding, report: Report) -> bool:
    """Tell whether all that was seen of a cause is waived."""
    waived = {(result.check.id, result.subject) for result in report.results if result.waivers}
    seen = _trouble(finding)
    return bool(waived and seen) and all((item.check, item.subject) in waived for item in seen)


def root_causes(report: Report) -> tuple[tuple[Finding, ...], ...]:
    """Give the causes of failures, each with those that are as likely instead of it."""
    groups: dict[tuple[str, ...], tuple[Finding, ...]] = {}
    for finding in report.findings:
        failing = any(observation.kind.level is Level.FAIL for observation in finding.observations)
        if failing and not is_waived(finding, report):
            group = together(finding, report)
            likeliest = max(other.confidence for other in group)
            likely = tuple(other for other in group if other.confidence == likeliest)
            groups.setdefault(tuple(other.cause.id for other in likely), likely)
    return tuple(groups.values())


def status(report: Report) -> str:
    """Give the run's outcome in one word, as bad as its worst part that counts."""
    if report.interrupted:
        return "interrupted"
    if report.expired or report.count(Status.FAIL):
        return "fail"
    if report.inconclusive:
        return "unknown"
    return "warn" if report.count(Status.WARN) else "pass"


def message(result: Result) -> str:
    """Say a result in one sentence: the first thing that tells, else why there is nothing to tell."""
    seen = telling(result)
    return seen[0].text if seen else result.reason
