"""Where results go: standard output, with colour and characters that the terminal can show."""

import codecs
import os
import sys
from collections.abc import Mapping
from typing import TextIO

import click

from acrcheck.errors import UsageError
from acrcheck.late import dataclass

UNSEEN_WIDTH = 100
"""The width of a page nobody's terminal bounds: a pipe, a file."""


@dataclass(frozen=True, slots=True)
class Look:
    """How text is shown."""

    width: int
    ascii: bool
    color: bool
    verbose: int


def look(color: str, *, ascii: bool, verbose: int, stream: TextIO | None = None) -> Look:  # noqa: A002 - the flag's own word
    """Decide how text is shown on a stream, standard output when none is given."""
    stream = sys.stdout if stream is None else stream
    plain = ascii or not speaks_unicode(stream, os.environ)
    return Look(_size()[0], plain, in_color(color, stream, os.environ), verbose)


def in_color(setting: str, stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Decide on colour: the flag, else a terminal that is not dumb, unless NO_COLOR is set (no-color.org)."""
    if setting != "auto":
        return setting == "always"
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def speaks_unicode(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether a stream and the locale are UTF-8.

    Python makes UTF-8 of the C locale (PEP 538 and 540); who asked for C meant ASCII all the same.
    """
    try:
        encoding = codecs.lookup(stream.encoding or "ascii").name
    except LookupError:
        return False
    names = [environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    chosen = next((name for name in names if name), "UTF-8")
    if not names[0] and chosen == "C.UTF-8" and names[2] in {"C", "POSIX"}:
        chosen = names[2]
    return encoding == "utf-8" and chosen.lower().replace("-", "").endswith("utf8")


def write(text: str, *, color: bool = False) -> None:
    """Write to standard output. Who stopped reading has seen enough. Raises UsageError where nobody can read."""
    try:
        click.echo(text, nl=False, color=color)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_the_rest()
    except OSError as error:
        _discard_the_rest()
        raise UsageError(
            f"standard output cannot be written: {error.strerror}",
            input="standard output",
            expected="a place with room for the report",
        ) from error


def _discard_the_rest() -> None:
    """Let Python's own flush at its end find nothing that could fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def page(text: str) -> None:
    """Write to standard output, through the pager when it is a terminal that is too low for it."""
    if sys.stdout.isatty() and text.count("\n") >= _size()[1]:
        click.echo_via_pager(text, color=False)
    else:
        write(text)


def _size() -> tuple[int, int]:
    """Give the terminal's columns and lines."""
    import shutil

    size = shutil.get_terminal_size((UNSEEN_WIDTH, 24))
    return size.columns, size.lines
