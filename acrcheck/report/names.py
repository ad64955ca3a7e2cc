"""The report as names, one a line: causes, root cause first, then what failed or is unknown without a cause."""

from acrcheck.model import Report, Status
from acrcheck.report.reading import findings_for


def render(report: Report) -> str:
    """Give `cause/ID` and `check/ID` lines, as `acrcheck explain` takes them; nothing when all is well."""
    names = [f"cause/{finding.cause.id}" for finding in report.findings]
    names += [
        f"check/{result.check.id}"
        for result in report.results
        if result.status in {Status.FAIL, Status.UNKNOWN} and not findings_for(result, report)
    ]
    return "".join(f"{name}\n" for name in dict.fromkeys(names))
