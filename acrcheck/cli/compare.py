"""`acrcheck compare`."""

import sys
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options
from acrcheck.cli.output import look, write

if TYPE_CHECKING:
    from acrcheck.catalogue import Checks
    from acrcheck.report.saved import Saved

HELP = """Say what changed from one run to a later one: what broke, what mended, and why.

BEFORE and AFTER are reports of `acrcheck run` as JSON (`-o json`, or `--report json=FILE`), or recordings, as
`acrcheck replay` takes them: these are checked by today's checks first. `-` is standard input.
Pods are matched by what they are of, since a rollout gives them other names.

\b
Examples:
  acrcheck run --report json=before.json
  acrcheck run --report json=after.json
  acrcheck compare before.json after.json
  acrcheck compare yesterday.tar.gz today.tar.gz

\b
Exit codes: 0 no regression, 1 something that was well fails, 2 usage, 3 it is not known whether something does.
"""


@click.command("compare", help=HELP, short_help="Say what changed between two runs.")
@click.argument("before", metavar="BEFORE", type=click.Path(allow_dash=True))
@click.argument("after", metavar="AFTER", type=click.Path(allow_dash=True))
@options.output("text", "json")
@options.presentation
def command(before: str, after: str, **given: Any) -> int:
    """Read two reports and say what turned."""
    from acrcheck.catalogue import builtin_dir, load_checks
    from acrcheck.compare import compare
    from acrcheck.errors import UsageError
    from acrcheck.run import wiring_of

    if before == after == "-":
        raise UsageError("standard input can be read once", input="- -", expected="`-` once")
    checks = load_checks(builtin_dir())
    comparison = compare(_saved(before, checks), _saved(after, checks), wiring_of(checks))
    if given["output"] == "json":
        from acrcheck.report import comparison_json

        write(comparison_json.render(comparison))
    else:
        from acrcheck.report import comparison_text
        from acrcheck.report.page import Page

        seen = look(given["color"], ascii=given["ascii"], verbose=given["verbose"])
        page = Page(seen.width, seen.ascii, seen.color)
        write(comparison_text.render(comparison, page, verbose=seen.verbose), color=seen.color)
    return comparison.exit_code


def _saved(path: str, checks: "Checks") -> "Saved":
    """Read a report, or make one of a recording."""
    from acrcheck.bundle.load import is_recording, load
    from acrcheck.report import saved

    if not is_recording(path, sys.stdin.buffer):
        return saved.load(path)
    from acrcheck.bundle.pack import replayed
    from acrcheck.catalogue import builtin_dir, load_causes
    from acrcheck.clock import SystemClock
    from acrcheck.report import json
    from acrcheck.target import Target

    recording = load(path, sys.stdin.buffer, Target(), SystemClock().now())
    report = replayed(recording, checks, load_causes(builtin_dir(), checks))
    return saved.read(json.render(report).encode(), path)
