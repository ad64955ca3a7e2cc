"""Checks and causes explained: as Markdown, as text for a terminal, as plain values."""

import inspect
import re
import textwrap
from collections.abc import Iterable
from typing import Any

from acrcheck.catalogue import Checks
from acrcheck.model import Cause, Check, Remedy

CODE = "    "


def explain_check(check: Check, checks: Checks, causes: Iterable[Cause]) -> str:
    """Give a check as Markdown: what it looks at, what it can see, and what that may mean."""
    category = next(item.title for item in checks.categories if item.id == check.category)
    leads = {kind.id: [cause.id for cause in causes if kind.id in _speaking(cause)] for kind in check.sees}
    lines = [f"# {check.id}: {check.title}", "", inspect.getdoc(check.look) or "", ""]
    lines += [f"Category: {category}.", ""]
    if check.asks:
        leave = f" with `--allow {check.leave}`, and only then" if check.leave else ""
        lines += [f"Asks the API server{leave} to: {', '.join(' '.join(ask) for ask in check.asks)}.", ""]
    if check.each:
        lines += [f"Runs once for each {check.subject}.", ""]
    if check.sees:
        lines += ["## What it can see", ""]
    for kind in check.sees:
        lines += [f"- {kind.level}: {kind.text} (`{kind.id}`)"]
        lines += [f"  - leads to `{name}`" for name in leads[kind.id]]
    return "\n".join(lines).strip() + "\n"


def explain_cause(cause: Cause, checks: Checks) -> str:
    """Give a cause as Markdown: what it means, how it is known, its document, what mends it."""
    lines = [f"# {cause.id}: {cause.title}", "", cause.means, "", cause.prose, ""]
    if "run" in cause.seen:
        lines += ["## How a run knows it", ""]
    for group in cause.requires:
        lines += [f"- seen: {_kind(group[0], checks)}"] if len(group) == 1 else ["- seen, one of:"]
        lines += [f"  - {_kind(name, checks)}" for name in group if len(group) > 1]
    lines += [f"- speaks for it: {_kind(name, checks)}" for name in cause.supports]
    lines += [f"- speaks against it: {_kind(name, checks)}" for name in cause.contradicts]
    lines += _texts(cause)
    lines += _neighbours(cause)
    if cause.remedies:
        lines += ["", "## Remedies", ""]
    for remedy in cause.remedies:
        harmless = "" if remedy.changes else ", changes nothing"
        lines += [
            f"- {_shown(remedy.text)} ({remedy.who}{harmless}{_when(remedy)})",
            *_fenced(remedy.command),
        ]
    if cause.links:
        lines += ["", "## Links", "", *(f"- {link}" for link in cause.links)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _texts(cause: Cause) -> list[str]:
    """What programs print of it, which `acrcheck diagnose` finds in a text."""
    if not cause.signatures:
        return []
    lines = ["", "## What programs print", ""]
    for item in cause.signatures:
        told = " (decides it)" if item.decides else ""
        lines += [f"- {' '.join(filter(None, (item.program, item.versions)))}: “{item.text}”{told}"]
    return lines


def _neighbours(cause: Cause) -> list[str]:
    """Give the causes that look like it, and what tells them apart."""
    if not cause.neighbours:
        return []
    lines = ["", "## What looks like it", "", f"{', '.join(f'`{name}`' for name in cause.neighbours)}.", ""]
    for item in cause.decides:
        against = f" (against {', '.join(f'`{name}`' for name in item.between)})" if item.between else ""
        lines += [f"- {_shown(item.evidence)}{against}", *_fenced(item.command)]
    return lines


def _when(remedy: Remedy) -> str:
    """Say which observations a remedy wants, and which it does not."""
    named = [f"not `{name[1:]}`" if name.startswith("!") else f"`{name}`" for name in remedy.when]
    return f"; where a run sees {' and '.join(named)}" if named else ""


def _fenced(command: str) -> list[str]:
    if not command:
        return []
    return ["", "  ```sh", *textwrap.indent(_shown(command), "  ").splitlines(), "  ```", ""]


def _speaking(cause: Cause) -> set[str]:
    return {*cause.supports, *(name for group in cause.requires for name in group)}


def _kind(name: str, checks: Checks) -> str:
    owner = next((check.id for check in checks.checks if name in {kind.id for kind in check.sees}), "")
    return f"{checks.kinds[name].text} (`{name}`, seen by `{owner}`)" if name in checks.kinds else f"`{name}`"


def _shown(command: str) -> str:
    """Show a template's values as `VALUE`, harmless to a shell, and its doubled braces as the shell's own."""
    return re.sub(r"\{\{|\}\}|\{(\w+)\}", lambda m: m[1].upper() if m[1] else m[0][0], command)


def as_text(markdown: str, width: int) -> str:
    """Turn our Markdown into text: headings underlined, code indented, paragraphs wrapped."""
    lines: list[str] = []
    paragraph: list[str] = []
    code = False

    def close() -> None:
        if paragraph:
            first = paragraph[0]
            hang = len(first) - len(first.lstrip()) + (2 if first.lstrip().startswith("- ") else 0)
            lead = first[: len(first) - len(first.lstrip())]
            text = " ".join(line.strip() for line in paragraph)
            lines.extend(
                textwrap.wrap(
                    text,
                    width,
                    initial_indent=lead,
                    subsequent_indent=" " * hang,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
            paragraph.clear()

    for line in markdown.splitlines():
        if line.lstrip().startswith("```"):
            close()
            code = not code
        elif code:
            lines.append(CODE + line)
        elif heading := re.fullmatch(r"(#+) (.*)", line):
            close()
            lines += [heading[2], ("=" if heading[1] == "#" else "-") * len(heading[2])]
        elif not line.strip():
            close()
            lines.append("")
        else:
            if line.lstrip().startswith(("- ", "|", "> ")) or re.match(r"\s*\d+\. ", line):
                close()
            paragraph.append(line)
    close()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def check_values(check: Check, causes: Iterable[Cause]) -> dict[str, Any]:
    """Give a check as plain values."""
    return {
        "kind": "Check",
        "id": check.id,
        "category": check.category,
        "title": check.title,
        "text": inspect.getdoc(check.look) or "",
        "optional": check.optional,
        "asks": [" ".join(ask) for ask in check.asks],
        "sees": [{"id": kind.id, "level": str(kind.level), "text": kind.text} for kind in check.sees],
        "causes": [cause.id for cause in causes if _speaking(cause) & {kind.id for kind in check.sees}],
    }


def cause_values(cause: Cause) -> dict[str, Any]:
    """Give a cause as plain values; what a run fills in stands as `{value}`."""
    return {
        "kind": "Cause",
        "id": cause.id,
        "title": cause.title,
        "layer": cause.layer,
        "means": cause.means,
        "requires": [list(group) for group in cause.requires],
        "supports": list(cause.supports),
        "contradicts": list(cause.contradicts),
        "hides": list(cause.hides),
        "neighbours": list(cause.neighbours),
        "decides": [
            {"evidence": item.evidence, "command": item.command, "between": list(item.between)}
            for item in cause.decides
        ],
        "signatures": [
            {
                "program": item.program,
                "versions": item.versions,
                "text": item.text,
                "decides": item.decides,
                "source": item.source,
            }
            for item in cause.signatures
        ],
        "remedies": [
            {
                "id": item.id,
                "when": list(item.when),
                "text": item.text,
                "command": item.command,
                "changes": item.changes,
                "who": item.who,
            }
            for item in cause.remedies
        ],
        "links": list(cause.links),
        "text": cause.prose,
    }
