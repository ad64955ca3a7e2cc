"""What a text means, as a person reads it in a terminal."""

from collections.abc import Iterator, Sequence

from acrcheck.model import Finding
from acrcheck.report.page import Page

INDENT = 4
FEW = 2
"""The evidence for and what would decide, of each cause, unless more is asked for."""
MOST = 5
"""The causes that are told at length, unless more is asked for."""

OPEN = 0.5
"""Where the likeliest of several causes is less likely than this, what would decide is said first."""
SEVERAL = 3


def render(findings: Sequence[Finding], page: Page, *, verbose: int = 0) -> str:
    """Give the causes, most likely first, as text that ends with a line break."""
    shown = findings if verbose else findings[:MOST]
    told: set[tuple[str, str]] = set()
    quoted: set[str] = set()
    lines = list(_open(findings, page, told))
    lines += [line for finding in shown for line in _cause(finding, page, verbose, told, quoted)]
    if len(shown) < len(findings):
        left = ", ".join(finding.cause.id for finding in findings[len(shown) :])
        lines += page.prose(f"less likely: {left}", 0)
    return "\n".join(lines) + "\n"


def _open(findings: Sequence[Finding], page: Page, told: set[tuple[str, str]]) -> Iterator[str]:
    """Where the text leaves several causes, say so, and the one question that tells the likeliest from the others."""
    if len(findings) < SEVERAL or findings[0].confidence >= OPEN:
        return
    for line in page.prose(f"the text alone does not decide: it leaves {len(findings)} causes", 0):
        yield page.paint(line, bold=True)
    for evidence, command in findings[0].to_decide[:1]:
        told.add((evidence, command))
        yield from page.prose(f"ask first: {evidence}", INDENT)
        yield from page.command(command, INDENT + 2)
    yield ""


def _cause(
    finding: Finding, page: Page, verbose: int, told: set[tuple[str, str]], quoted: set[str]
) -> Iterator[str]:
    cause = finding.cause
    percent = f"{finding.confidence:.0%}"
    for line in page.prose(f"{percent:>4} {cause.id}: {cause.title}", 0):
        yield page.paint(line, bold=True)
    yield from page.prose(cause.means, INDENT, 0 if verbose else 2)
    observations = finding.observations if verbose else finding.observations[:FEW]
    for item in observations:
        line = item.values["line"]
        if line in quoted and not verbose:
            yield from page.prose(f"line {line}: {item.values['why']}", INDENT)
            continue
        quoted.add(line)
        yield from page.prose(f"line {line}: {item.values['text']}", INDENT, 0 if verbose else 3)
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
