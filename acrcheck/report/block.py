"""The lines under a failed check: pieces that share a number of lines, and commands that are never cut."""

from collections.abc import Iterator
from dataclasses import dataclass

from acrcheck.report.page import Page

INDENT = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One piece: a text that may be shortened, a command that may not, or both. `label` says what it is."""

    text: str = ""
    command: str = ""
    label: str = ""
    first: bool = False
    """True for a text that would say too little when shortened: it gets room before others."""

    @property
    def _said(self) -> str:
        return f"{self.label}: {self.text}" if self.label else self.text

    def granted(self, page: Page, left: int) -> int:
        """Count the lines it takes of those that are left, beyond the first: a command's text takes all or none."""
        wanted = self.most(page) - 1
        return max(0, min(left, wanted)) if not self.command or wanted <= left else 0

    def most(self, page: Page) -> int:
        """Count the lines it takes on a page of readable width when nothing is shortened."""
        texts = page.lines_of(self._said, INDENT) if self.text else 0
        return texts + (1 if self.command else 0)

    def show(self, page: Page, lines: int) -> Iterator[str]:
        """Give it in so many lines (0: as many as it takes).

        What is said of a command is never shortened, since it may be a caution: without room of its own it
        stands before the command, on a line that is too long to be wrapped anyway.
        """
        if not self.command:
            yield from page.prose(self._said, INDENT, lines)
        elif not self.text:
            yield from page.command(f"{self.label}: {self.command}", INDENT)
        elif lines and lines < self.most(page):
            said = page.plain(self._said).rstrip(".:")
            yield from page.command(f"{said}: {self.command}", INDENT)
        else:
            yield from page.prose(self._said, INDENT)
            yield from page.command(self.command, INDENT + 2)


def share(page: Page, parts: list[Part], lines: int) -> Iterator[str]:
    """Show the parts in so many lines: one for each, and what is left to the first that want more."""
    left = lines - len(parts)
    extra = {}
    for place in sorted(range(len(parts)), key=lambda place: not parts[place].first):
        extra[place] = parts[place].granted(page, left)
        left -= extra[place]
    for place, part in enumerate(parts):
        yield from part.show(page, 1 + extra[place])
