"""What becomes of errors."""

import json
from collections.abc import Callable
from typing import Any

import click
import pytest

from acrcheck.cli.errors import Session, guard
from acrcheck.errors import UsageError
from acrcheck.wiring import CatalogueError


def raising(error: BaseException) -> Callable[[], Any]:
    """Make a call that raises."""

    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("no such namespace"), 2, "acrcheck: no such namespace"),
        (click.UsageError("bad"), 2, "acrcheck: bad"),
        (click.ClickException("bad"), 2, "acrcheck: bad"),
        (click.Abort(), 130, "acrcheck: interrupted"),
        (KeyboardInterrupt(), 130, "acrcheck: interrupted"),
        (CatalogueError("a.md:3: no"), 4, "acrcheck: the knowledge cannot be loaded: a.md:3: no"),
        (ZeroDivisionError("by zero"), 4, "acrcheck: internal error: ZeroDivisionError: by zero"),
    ],
)
def test_an_error_is_a_message_and_a_code(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message goes to standard error, and there is no traceback."""
    assert guard(raising(error), Session()) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == message
    assert "Traceback" not in err


@pytest.mark.parametrize(("value", "code"), [(None, 0), (0, 0), (3, 3)])
def test_without_an_error_the_command_gives_the_code(value: int | None, code: int) -> None:
    """A command that says nothing is content."""
    assert guard(lambda: value, Session()) == code


def test_wrong_use_says_what_was_given_and_what_would_be_right(capsys: pytest.CaptureFixture[str]) -> None:
    """Input, expectation, near matches and remedy have a line each."""
    error = UsageError(
        "no such check", input="labl", expected="a check id", remedy="acrcheck list", candidates=["label"]
    )
    guard(raising(error), Session())

    assert capsys.readouterr().err.splitlines() == [
        "acrcheck: no such check",
        "  given:    labl",
        "  expected: a check id",
        "  near:     label",
        "  try:      acrcheck list",
    ]


def test_with_json_an_error_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output holds it, and nothing else."""
    guard(raising(UsageError("no", input="a", expected="b", remedy="c")), Session(json=True))

    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "apiVersion": "acrcheck/v1",
        "kind": "Error",
        "exitCode": 2,
        "message": "no",
        "input": "a",
        "expected": "b",
        "near": [],
        "remedy": "c",
    }


def test_very_verbose_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for it gets the traceback of a bug, before the message."""
    guard(raising(ZeroDivisionError()), Session(verbose=2))

    assert capsys.readouterr().err.startswith("Traceback")


def test_a_bug_says_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The message is enough to report it."""
    guard(raising(ZeroDivisionError()), Session())

    assert "given:    at cli/test_errors.py:" in capsys.readouterr().err


def test_a_message_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A server's words may be in it."""
    guard(raising(UsageError("\x1b[2J said\nit")), Session())

    assert capsys.readouterr().err == "acrcheck: ?[2J said it\n"


@pytest.mark.parametrize(
    ("args", "json_wanted", "verbose"),
    [
        (["run"], False, 0),
        (["run", "-o", "json", "-vv"], True, 2),
        (["run", "-ojson", "-v", "-v"], True, 2),
        (["run", "--output=json", "--verbose"], True, 1),
        (["run", "--output", "json", "-o", "text"], False, 0),
        (["run", "-o"], False, 0),
    ],
)
def test_the_format_is_known_before_the_arguments_are_read(
    args: list[str], json_wanted: bool, verbose: int
) -> None:
    """Even a call that cannot be read gets its error in the format it asked for."""
    assert Session.of(args) == Session(json_wanted, verbose)
