"""What becomes of errors: a message and an exit code, never a traceback that nobody asked for."""

import os
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import click

from acrcheck.errors import UsageError
from acrcheck.late import dataclass

USAGE = 2
INTERNAL = 4
INTERRUPTED = 130
VERY_VERBOSE = 2


@dataclass(slots=True)
class Session:
    """What the error handler must know of a call, even of one that could not be read."""

    json: bool = False
    verbose: int = 0

    @classmethod
    def of(cls, args: Sequence[str]) -> "Session":
        """Guess from the bare arguments; the command puts it right once they are read."""
        texts = [*args, ""]
        json = os.environ.get("ACRCHECK_OUTPUT") == "json" and "run" in args
        for word, after in pairwise(texts):
            if word in {"-o", "--output"}:
                json = after == "json"
            elif word.startswith(("-o", "--output=")):
                json = word in {"-ojson", "-o=json", "--output=json"}
        short = [word for word in args if word.startswith("-v") and set(word[1:]) == {"v"}]
        return cls(json, sum(len(word) - 1 for word in short) + list(args).count("--verbose"))


def guard(call: Callable[[], Any], session: Session) -> int:
    """Call the command line and give the exit code; whatever it raises is told as it should be."""
    try:
        return int(call() or 0)
    except UsageError as error:
        return tell(error, USAGE, session)
    except click.UsageError as error:
        return tell(_ours(error), USAGE, session)
    except click.ClickException as error:
        return tell(UsageError(error.format_message()), USAGE, session)
    except (click.Abort, KeyboardInterrupt, EOFError):
        return tell(UsageError("interrupted"), INTERRUPTED, session)
    except Exception as error:  # noqa: BLE001 - the last handler: what comes here is a bug, and told as one
        return tell(_bug(error, session), INTERNAL, session)


def tell(error: UsageError, code: int, session: Session) -> int:
    """Print an error: as JSON on standard output where JSON is awaited, else on standard error."""
    if session.json:
        from acrcheck.report import json

        click.echo(json.dumps(json.error(code, error)), nl=False)
        return code
    lines = [f"acrcheck: {error.message}"]
    named = (
        ("given", error.input),
        ("expected", error.expected),
        ("near", ", ".join(error.near)),
        ("try", error.remedy),
    )
    lines += [f"  {label + ':':<10}{text}" for label, text in named if text]
    click.echo("\n".join(map(_harmless, lines)), err=True, color=False)
    return code


def _harmless(line: str) -> str:
    """Take out what a terminal would obey: the text may be what a server said."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(line.split("\n")))


def _ours(error: click.UsageError) -> UsageError:
    """Give click's own error the fields of ours."""
    usage = error.ctx.get_usage().removeprefix("Usage: ") if error.ctx else ""
    given, expected = "", usage
    if isinstance(error, click.BadParameter):
        given = getattr(error, "given", error.param.opts[-1] if error.param else "")
        expected = getattr(error, "expected", "")
    elif isinstance(error, click.NoSuchOption | click.BadOptionUsage):
        given = error.option_name
    return UsageError(
        error.format_message(),
        input=given,
        expected=expected,
        remedy=f"{error.ctx.command_path if error.ctx else 'acrcheck'} --help",
    )


def _bug(error: Exception, session: Session) -> UsageError:
    """Describe an error that should not have been, in a form that can be reported."""
    import platform
    import traceback

    from acrcheck.wiring import CatalogueError

    if session.verbose >= VERY_VERBOSE:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False, color=False)
    if isinstance(error, CatalogueError):
        return UsageError(
            f"the knowledge cannot be loaded: {error}", remedy="put the named file right, or install anew"
        )
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{'/'.join(frames[-1].filename.split('/')[-2:])}:{frames[-1].lineno}" if frames else "?"
    return UsageError(
        f"internal error: {type(error).__name__}: {error}",
        input=f"at {where}, Python {platform.python_version()} on {platform.system()}",
        expected="no such thing: this is a bug in acrcheck",
        remedy="report it with what the same command prints with -vv",
    )


def tolerate_odd_characters() -> None:
    """Let a locale that lacks a character print its code instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
