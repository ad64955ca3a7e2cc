"""The terminal's page: marks, wrapping, shortening, colour, and nothing that could steer the terminal."""

import textwrap
from dataclasses import dataclass

from click import style

from acrcheck.model import Status

MARKS = {
    Status.PASS: "√",
    Status.WARN: "‼",
    Status.FAIL: "×",
    Status.UNKNOWN: "?",
    Status.SKIP: "-",
}
ASCII_MARKS = {
    Status.PASS: "[ok]",
    Status.WARN: "[warn]",
    Status.FAIL: "[FAIL]",
    Status.UNKNOWN: "[??]",
    Status.SKIP: "[skip]",
}
COLORS = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.FAIL: "red",
    Status.UNKNOWN: "magenta",
    Status.SKIP: "bright_black",
}
PLAIN = str.maketrans(
    {
        "…": "...",
        "–": "-",
        "—": "-",
        "→": "->",
        "“": '"',
        "”": '"',
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "×": "x",
        "·": "|",
        "≤": "<=",
        "≥": ">=",
    }
)
READABLE = 80
"""Texts are shortened as on a page at least this wide: a narrower one gets more lines, not less said."""
WIDEST = 120


@dataclass(frozen=True, slots=True)
class Page:
    """How wide, with which characters, in colour or not."""

    width: int
    ascii: bool
    color: bool

    @property
    def columns(self) -> int:
        """The columns used: lines much longer than this are hard to read."""
        return min(self.width, WIDEST)

    @property
    def margin(self) -> int:
        """The columns that a mark and the space after it take."""
        return max(map(len, ASCII_MARKS.values())) + 1 if self.ascii else 2

    def mark(self, status: Status) -> str:
        """Give the mark of a status, as wide as the margin."""
        mark = (ASCII_MARKS if self.ascii else MARKS)[status]
        return self.paint(mark, fg=COLORS[status]) + " " * (self.margin - len(mark))

    def paint(self, text: str, *, fg: str | None = None, bold: bool = False, dim: bool = False) -> str:
        """Colour a text, where there is colour."""
        return style(text, fg=fg, bold=bold or None, dim=dim or None) if self.color and text else text

    def plain(self, text: str) -> str:
        """Make one line of a text, with no character that a terminal could obey or not show."""
        return self._shown(" ".join(text.split()))

    def _shown(self, text: str) -> str:
        text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
        return text.translate(PLAIN).encode("ascii", "backslashreplace").decode() if self.ascii else text

    def command(self, text: str, indent: int) -> list[str]:
        """Give a command as it must be pasted: never wrapped, never shortened."""
        return [" " * indent + self._shown(line.expandtabs(4)) for line in text.splitlines()]

    def prose(self, text: str, indent: int, lines: int = 0) -> list[str]:
        """Wrap a text; with `lines`, shorten it to as many of them as a readable page would need."""
        text = self.plain(text)
        room = max(self.columns, READABLE) - indent
        wrapped = textwrap.wrap(text, room, break_on_hyphens=False)
        if lines and len(wrapped) > lines:
            more = "..." if self.ascii else "…"
            last = wrapped[lines - 1][: room - len(more)].rstrip()
            text = " ".join([*wrapped[: lines - 1], last + more])
        return textwrap.wrap(
            text,
            max(self.columns, indent + 16),
            initial_indent=" " * indent,
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )

    def lines_of(self, text: str, indent: int) -> int:
        """Count the lines that a text would take on a readable page."""
        return len(
            textwrap.wrap(self.plain(text), max(self.columns, READABLE) - indent, break_on_hyphens=False)
        )
