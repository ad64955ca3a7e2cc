"""What was seen in values: one block for each thing, where it stands first, as compilers write it."""

from acrcheck.model import Finding, Level, Observation, Report, Result, Status
from acrcheck.report.reading import findings_for

SHOWN = (Level.FAIL, Level.WARN)
MADE = "values-made"
"""What the pods get: it is told last, whatever was seen."""
RELEASE = "values-of-release"
"""Whose the values are, where they are from no file: it is told first, and how to mend them after all else."""


def render(report: Report, *, verbose: int = 0) -> str:
    """Give the text. What only was noted is shown with `verbose`, but for what the pods would get."""
    blocks: list[str] = []
    seen = [item for result in report.results for item in result.observations]
    made = [f"{item.text}\n" for item in seen if item.id == MADE]
    releases = [item for item in seen if item.id == RELEASE]
    for result in report.results:
        findings = findings_for(result, report)
        blocks += [
            _block(item, findings)
            for item in result.observations
            if item.kind.level in SHOWN or (verbose and item.id not in {MADE, RELEASE})
        ]
        if result.status is Status.UNKNOWN:
            blocks.append(_unknown(result, report))
    failed, warned = (_count(report, level) for level in SHOWN)
    summary = f"{failed} failed, {warned} warning{'s' * (warned != 1)}" if failed + warned else "sound"
    if failed + warned == 0 and any(result.status is Status.UNKNOWN for result in report.results):
        summary = "unknown"
    first = [f"{item.text}\n" for item in releases]
    mend = [_mend(item) for item in releases if failed + warned]
    return "\n".join([*first, *blocks, *made, *mend, f"{summary}\n"])


def _unknown(result: Result, report: Report) -> str:
    """Say why there is nothing to say, and what would help."""
    remedy = result.remedy or (result.permission.can_i(report.kubectl) if result.permission else "")
    return f"?: {result.check.title}: {result.reason}\n" + (f"  try: {remedy}\n" if remedy else "")


def _mend(item: Observation) -> str:
    return "".join(["to mend it:\n", *(f"  {line}\n" for line in item.evidence["mend"])])


def _count(report: Report, level: Level) -> int:
    return sum(item.kind.level is level for result in report.results for item in result.observations)


def _block(item: Observation, findings: tuple[Finding, ...]) -> str:
    lines = [_head(item)]
    finding = next((each for each in findings if item in each.observations), None)
    if finding:
        lines.append(f"  {finding.cause.means}")
    if instead := item.evidence.get("instead"):
        lines += ["  instead:", *(f"    {line}" for line in str(instead).splitlines())]
    if finding:
        lines.append(f"  see: acrcheck explain {finding.cause.id}")
    return "".join(f"{line}\n" for line in lines)


def _head(item: Observation) -> str:
    place, colon, rest = item.text.partition(": ")
    if item.kind.level is Level.NOTE or "place" not in item.values or not colon:
        return item.text
    return f"{place}: {item.kind.level}: {rest}"
