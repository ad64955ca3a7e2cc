"""The handbook: every check and every cause explained, in one document or as one page each, with links between."""

import re
from collections.abc import Callable, Iterable, Mapping

from acrcheck.catalogue import Checks
from acrcheck.model import Cause
from acrcheck.report.explanation import explain_cause, explain_check

TITLE = "acrcheck's handbook"
INDEX = "index.md"

Address = Callable[[str, str], str]
"""From the kind of a page, `causes` or `checks`, and its id to the target of a link to it."""


def whole(checks: Checks, causes: Iterable[Cause], examples: Mapping[str, str]) -> str:
    """Give the handbook as one document. `examples` are what a demo of a cause shows, by the cause's id."""
    causes = tuple(causes)
    parts = [_index(checks, causes, lambda kind, name: f"#{kind}-{name}")]
    for (kind, name), text in _explained(checks, causes, examples).items():
        linked = _linked(text, checks, causes, lambda there, item: f"#{there}-{item}")
        parts.append(f'<a id="{kind}-{name}"></a>\n\n{_demoted(linked)}')
    return "\n".join(parts)


def pages(checks: Checks, causes: Iterable[Cause], examples: Mapping[str, str]) -> dict[str, str]:
    """Give the handbook as pages, by their names: an index, and one for each cause and each check."""
    causes = tuple(causes)
    found = {INDEX: _index(checks, causes, lambda kind, name: f"{kind}/{name}.md")}
    for (kind, name), text in _explained(checks, causes, examples).items():
        found[f"{kind}/{name}.md"] = _linked(
            text, checks, causes, lambda there, item: f"../{there}/{item}.md"
        )
    return found


def _explained(
    checks: Checks, causes: tuple[Cause, ...], examples: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    found = {("causes", cause.id): _with_example(cause, checks, examples) for cause in causes}
    return found | {("checks", check.id): explain_check(check, checks, causes) for check in checks.checks}


def _with_example(cause: Cause, checks: Checks, examples: Mapping[str, str]) -> str:
    text = explain_cause(cause, checks)
    if cause.id not in examples:
        return text
    return f"{text}\n## What acrcheck says of it\n\n```text\n{examples[cause.id].rstrip()}\n```\n"


def _index(checks: Checks, causes: tuple[Cause, ...], address: Address) -> str:
    lines = [f"# {TITLE}", "", "## Causes, by layer", ""]
    for layer in checks.layers:
        found = [cause for cause in causes if cause.layer == layer]
        lines += [f"### {layer}", ""] if found else []
        lines += [f"- [{cause.id}]({address('causes', cause.id)}): {cause.title}" for cause in found]
        lines += [""] if found else []
    lines += ["## Checks, in their order", ""]
    lines += [f"- [{check.id}]({address('checks', check.id)}): {check.title}" for check in checks.checks]
    return "\n".join(lines) + "\n"


def _linked(text: str, checks: Checks, causes: tuple[Cause, ...], address: Address) -> str:
    """Turn each id that stands as code into a link: of a check and a cause of one id, to the cause."""
    kinds = {check.id: "checks" for check in checks.checks} | {cause.id: "causes" for cause in causes}

    def link(match: re.Match[str]) -> str:
        name = match[1]
        return f"[{match[0]}]({address(kinds[name], name)})" if name in kinds else match[0]

    return _outside_code(text, lambda line: re.sub(r"`([a-z0-9-]+)`", link, line))


def _demoted(text: str) -> str:
    return _outside_code(text, lambda line: re.sub(r"^#", "##", line))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    code = False
    lines = []
    for line in text.splitlines():
        fence = line.lstrip().startswith("```")
        code ^= fence
        lines.append(line if code or fence else change(line))
    return "\n".join(lines) + "\n"
