"""The terminal's page, and the lines under a failed check."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.model import Status
from acrcheck.report.block import INDENT, Part, share
from acrcheck.report.page import READABLE, WIDEST, Page

PAGE = Page(100, ascii=False, color=False)
WORDS = "many words " * 60
COMMAND = "kubectl " + "x" * 300


@given(text=st.text(), width=st.integers(20, 300), lines=st.integers(0, 5), plain=st.booleans())
def test_prose_keeps_to_the_page(text: str, width: int, lines: int, plain: bool) -> None:
    """Whatever the text: no line is too wide, and none holds what a terminal would obey."""
    page = Page(width, ascii=plain, color=False)

    for line in page.prose(text, INDENT, lines):
        assert len(line) <= min(width, WIDEST)
        assert line.isprintable()
        assert not plain or line.isascii()


@given(text=st.text(min_size=1), lines=st.integers(1, 4), width=st.integers(READABLE, 200))
def test_prose_is_shortened_to_its_lines(text: str, lines: int, width: int) -> None:
    """On a page of readable width a text takes no more lines than it is given."""
    assert len(Page(width, ascii=True, color=False).prose(text, INDENT, lines)) <= lines


def test_what_is_cut_says_so() -> None:
    """A shortened text ends with an ellipsis, a whole one does not."""
    assert PAGE.prose(WORDS, INDENT, 2)[-1].endswith("…")
    assert Page(100, ascii=True, color=False).prose(WORDS, INDENT, 2)[-1].endswith("...")
    assert PAGE.prose("short", INDENT, 2) == ["    short"]


@given(text=st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Zs"), codec="ascii")))
def test_a_command_is_as_it_was(text: str) -> None:
    """Nothing of it is wrapped, shortened or collapsed."""
    assert "".join(line.removeprefix("  ") for line in PAGE.command(text, 2)) == text


def test_a_command_of_several_lines_keeps_them() -> None:
    """A here-document is pasted as it is."""
    assert PAGE.command("a <<X\n\tb\nX", 2) == ["  a <<X", "      b", "  X"]


def test_typographic_marks_have_plain_forms() -> None:
    """In ASCII a dash is a dash, and what has no plain form is shown by its code."""
    assert Page(80, ascii=True, color=False).plain("“a” – b… → ü") == '"a" - b... -> \\xfc'


@pytest.mark.parametrize("status", list(Status))
def test_marks_are_as_wide_as_the_margin(status: Status) -> None:
    """Titles begin in one column, in colour or not."""
    for page in (PAGE, Page(80, ascii=True, color=False), Page(80, ascii=True, color=True)):
        assert len(click.unstyle(page.mark(status))) == page.margin


class TestParts:
    """Pieces that share a number of lines."""

    def test_the_text_of_a_command_is_never_lost(self) -> None:
        """With room it has lines of its own; without, it stands before the command."""
        part = Part("Do it.", COMMAND, "fix")

        assert list(part.show(PAGE, 1)) == [f"    fix: Do it: {COMMAND}"]
        assert list(part.show(PAGE, 2)) == ["    fix: Do it.", f"      {COMMAND}"]
        assert list(part.show(PAGE, 0)) == ["    fix: Do it.", f"      {COMMAND}"]

    def test_the_first_that_want_more_get_it(self) -> None:
        """Each has a line; what is left goes to the first."""
        parts = [Part(WORDS), Part("short"), Part(WORDS), Part("Do it.", COMMAND, "fix")]
        lines = list(share(PAGE, parts, 6))

        assert len(lines) == 6
        assert lines[2].endswith("…")
        assert lines[3] == "    short"
        assert lines[5] == f"    fix: Do it: {COMMAND}"

    def test_a_text_that_must_not_be_shortened_gets_room_first(self) -> None:
        """It has the lines it needs before others get more."""
        names = ", ".join(f"cause-{number}" for number in range(12))
        lines = list(share(PAGE, [Part(WORDS), Part(names, first=True)], 4))

        assert len(lines) == 4
        assert " ".join(line.strip() for line in lines[2:]) == names
