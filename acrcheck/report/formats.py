"""The formats of a report, by the names that `-o` and `--report` have for them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acrcheck.model import Report

ENDINGS = {"text": "txt", "json": "json", "name": "names"}
"""Of each format, how its file in a bundle ends."""


def render(
    form: str,
    report: "Report",
    *,
    width: int,
    ascii: bool = False,  # noqa: A002 - the flag's own word
    color: bool = False,
    verbose: int = 0,
) -> str:
    """Give a report in a format; the look is that of `text`, the others have but one."""
    if form == "name":
        from acrcheck.report import names

        return names.render(report)
    if form == "json":
        from acrcheck.report import json

        return json.render(report)
    from acrcheck.report import terminal

    return terminal.render(report, width=width, ascii=ascii, color=color, verbose=verbose)
