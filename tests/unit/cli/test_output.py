"""Where results go."""

import io

import pytest

from acrcheck.cli.output import UNSEEN_WIDTH, in_color, look, speaks_unicode


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        """Say yes."""
        return True


def pipe(encoding: str = "utf-8") -> io.TextIOWrapper:
    """Make a stream that is none."""
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("setting", "stream", "environ", "colored"),
    [
        ("auto", Terminal(), {}, True),
        ("auto", pipe(), {}, False),
        ("auto", Terminal(), {"NO_COLOR": "1"}, False),
        ("auto", Terminal(), {"NO_COLOR": ""}, True),
        ("auto", Terminal(), {"TERM": "dumb"}, False),
        ("always", pipe(), {"NO_COLOR": "1", "TERM": "dumb"}, True),
        ("never", Terminal(), {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    setting: str, stream: io.TextIOWrapper, environ: dict[str, str], colored: bool
) -> None:
    """The flag decides; without it the terminal, NO_COLOR and TERM do."""
    assert in_color(setting, stream, environ) is colored


@pytest.mark.parametrize(
    ("encoding", "environ", "unicode"),
    [
        ("utf-8", {}, True),
        ("utf-8", {"LANG": "de_DE.UTF-8"}, True),
        ("utf-8", {"LC_ALL": "C.utf8", "LANG": "C"}, True),
        ("utf-8", {"LC_ALL": "C"}, False),
        ("utf-8", {"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, False),
        ("utf-8", {"LANG": "de_DE.ISO-8859-1"}, False),
        ("utf-8", {"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
        ("utf-8", {"LC_CTYPE": "C.UTF-8"}, True),
        ("iso-8859-1", {}, False),
        ("ascii", {"LANG": "de_DE.UTF-8"}, False),
    ],
)
def test_marks_are_for_utf_8(encoding: str, environ: dict[str, str], unicode: bool) -> None:
    """Stream and locale must both be UTF-8, the locale that Python itself made of C excepted."""
    assert speaks_unicode(pipe(encoding), environ) is unicode


def test_ascii_can_be_asked_for() -> None:
    """The flag goes before the locale."""
    assert look("auto", ascii=True, verbose=1, stream=pipe()).ascii


def test_a_pipe_has_a_width() -> None:
    """Where there is no terminal, lines are of a width that is good to read."""
    assert look("auto", ascii=False, verbose=0, stream=pipe()).width >= min(UNSEEN_WIDTH, 40)
