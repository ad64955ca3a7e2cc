"""What a text means, as a person reads it in a terminal."""

from collections.abc import Iterator, Sequence

from acrcheck.model import Finding
from acrcheck.report.page import Page

INDENT = 4
FEW = 2
"""The evidence for and what would decide, of each cause, unless more is asked for."""
MOST = 5
"""The causes that are told at length, unless more is asked for."""


def render(findings: Sequence[Finding], page: Page, *, verbose: int = 0) -> str:
    """Give the causes, most likely first, as text that ends with a line break."""
    shown = findings if verbose else findings[:MOST]
    told: set[tuple[str, str]] = set()
    lines = [line for finding in shown for line in _cause(finding, page, verbose, told)]
    if len(shown) < len(findings):
        left = ", ".join(finding.cause.id for finding in findings[len(shown) :])
        lines += page.prose(f"less likely: {left}", 0)
    return "\n".join(lines) + "\n"


def _cause(finding: Finding, page: Page, verbose: int, told: set[tuple[str, str]]) -> Iterator[str]:
    cause = finding.cause
    percent = f"{finding.confidence:.0%}"
    for line in page.prose(f"{percent:>4} {cause.id}: {cause.title}", 0):
        yield page.paint(line, bold=True)
    yield from page.prose(cause.means, INDENT, 0 if verbose else 2)
    observations = finding.observations if verbose else finding.observations[:FEW]
    for item in observations:
        yield from page.prose(
            f"line {item.values['line']}: {item.values['text']}", INDENT, 0 if verbose else 3
        )
        yield from page.prose(item.values["why"], INDENT + 2)
    if not observations:
        yield from page.prose("no text of its own is here, but what is here does not exclude it", INDENT)
    deciding = [item for item in finding.to_decide if item not in told]
    for evidence, command in deciding if verbose else deciding[:FEW]:
        told.add((evidence, command))
        yield from page.prose(f"to decide: {evidence}", INDENT)
        yield from page.command(command, INDENT + 2)
    yield from page.command(f"see: acrcheck explain {cause.id}", INDENT)
    yield ""
