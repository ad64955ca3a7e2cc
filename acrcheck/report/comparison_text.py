"""Two runs compared, as a person reads it in a terminal: what broke first, what stayed last."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from acrcheck.compare import Change, Comparison, Turn, Turned
from acrcheck.model import Status
from acrcheck.report.page import Page

INDENT = 4
FEW = 6
"""The changes told of one check, unless more is asked for."""
SECTIONS = (
    ("broke", (Turn.BROKE,), Status.FAIL),
    ("fails, and was not known before", (Turn.UNCOVERED,), Status.FAIL),
    ("not known any more", (Turn.LOST,), Status.UNKNOWN),
    ("mended", (Turn.MENDED,), Status.PASS),
    ("warns now", (Turn.WARNS,), Status.WARN),
)
"""What is told at length: how it turned, and the mark that stands before it."""
BRIEF = (
    ("warns no more", Turn.CALMED),
    ("looked at now, and well", Turn.SEEN),
    ("not looked at any more", Turn.UNSEEN),
    ("only in the later run", Turn.NEW),
    ("only in the earlier run", Turn.GONE),
)
STILL = ((Status.FAIL, "still fails"), (Status.UNKNOWN, "still unknown"), (Status.WARN, "still warns"))
VERDICTS = {
    0: "no regression",
    1: "a regression",
    3: "inconclusive: it is not known whether there is a regression",
}


def render(comparison: Comparison, page: Page, *, verbose: int = 0) -> str:
    """Give the comparison as text that ends with a line break."""
    return "\n".join(_Text(comparison, page, verbose).lines()) + "\n"


@dataclass(frozen=True, slots=True)
class _Text:
    comparison: Comparison
    page: Page
    verbose: int
    told: set[str] = field(default_factory=set)
    """The causes already named."""

    def lines(self) -> Iterator[str]:
        """Give the whole comparison, line by line."""
        for label, saved in (("before", self.comparison.before), ("after", self.comparison.after)):
            where = ("startedAt", "context", "namespace", "workload")
            said = " · ".join(saved.metadata[key] for key in where if saved.metadata.get(key))
            yield from (self.page.paint(line, dim=True) for line in self.page.prose(f"{label}: {said}", 0))
        yield ""
        for text in self.comparison.warnings:
            yield from self._marked(Status.WARN, text)
            yield ""
        for title, turns, mark in SECTIONS:
            yield from self._section(title, self.comparison.of(*turns), mark)
        changed = (*self.comparison.inputs, *self.comparison.upstream)
        if changed:
            yield from self._heading("Changed in what these look at")
            yield from self._changes(changed, 0, naming=True)
            yield ""
        yield from self._brief()
        yield self._last()

    def _heading(self, title: str) -> Iterator[str]:
        yield self.page.paint(title, bold=True)
        yield self.page.paint("-" * len(title), dim=True)

    def _marked(self, status: Status, text: str) -> Iterator[str]:
        first, *more = self.page.prose(text, self.page.margin)
        yield from [self.page.mark(status) + first[self.page.margin :], *more]

    def _section(self, title: str, turned: Sequence[Turned], mark: Status) -> Iterator[str]:
        if not turned:
            return
        yield from self._heading(title.capitalize())
        for item in turned:
            yield from self._marked(mark, f"{item.title}{_who(item)}  {item.check}: {_from_to(item)}")
            yield from self._told("was", item.was)
            yield from self._told("now", item.now)
            yield from self._changes(
                [change for change in item.changes if not _is_said(change, item)], INDENT
            )
            for name in item.causes:
                cause = self.comparison.after.causes.get(name, "")
                if name not in self.told:
                    yield from self.page.prose(f"cause: {cause}", INDENT)
                    yield from self.page.command(f"see: acrcheck explain {name}", INDENT)
                self.told.add(name)
        yield ""

    def _told(self, label: str, text: str) -> Iterator[str]:
        if text:
            yield from self.page.prose(f"{label}: {text}", INDENT, 0 if self.verbose else 3)

    def _changes(self, changes: Sequence[Change], indent: int, *, naming: bool = False) -> Iterator[str]:
        shown = changes if self.verbose else changes[:FEW]
        for item in shown:
            name = f"{item.check} {item.observation}".strip() if naming else item.observation
            if item.was is not None:
                yield from self.page.prose(f"- {name}: {item.was}", indent, 0 if self.verbose else 2)
            if item.now is not None:
                yield from self.page.prose(f"+ {name}: {item.now}", indent, 0 if self.verbose else 2)
        if len(shown) < len(changes):
            yield from self.page.prose(f"{len(changes) - len(shown)} more changes: -v shows them", indent)

    def _brief(self) -> Iterator[str]:
        for title, turn in BRIEF:
            names = dict.fromkeys(f"{item.check}{_how(item)}" for item in self.comparison.of(turn))
            if names:
                yield from self.page.prose(f"{title}: {', '.join(names)}", 0)
        for status, title in STILL:
            names = dict.fromkeys(self.comparison.still.get(status, ()))
            if names:
                yield from self.page.prose(f"{title}: {', '.join(names)}", 0)

    def _last(self) -> str:
        """Count, and give the verdict, in a form that a script may search for."""
        counts = [
            f"{count} {title}" for title, turns, _ in SECTIONS if (count := len(self.comparison.of(*turns)))
        ]
        said = ", ".join(counts) or "nothing that was looked at turned"
        return self.page.plain(f"{VERDICTS[self.comparison.exit_code]}: {said}")


def _is_said(change: Change, item: Turned) -> bool:
    """Tell whether a change only says again what the check itself said."""
    return any(
        text and said.startswith(text) for text, said in ((change.was, item.was), (change.now, item.now))
    )


def _how(item: Turned) -> str:
    """Say of a check that has no counterpart how it is, unless it is well."""
    there = item.after or item.before
    return f" ({there})" if item.turn in {Turn.NEW, Turn.GONE} and there is not Status.PASS else ""


def _from_to(item: Turned) -> str:
    return f"{item.before or 'not run'} → {item.after or 'not run'}"


def _who(item: Turned) -> str:
    """Say of what it is, where that tells more than the title."""
    if not item.subject:
        return ""
    if len(item.subjects) == 1:
        return f" ({item.subjects[0]})"
    kind, _, where = item.subject.partition(" ")
    return f" ({len(item.subjects)} {kind}s{f' {where}' if where else ''})"
