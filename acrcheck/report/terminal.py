"""The report as a person reads it in a terminal: one line per check, six at most where one failed."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from acrcheck.model import Check, Finding, Level, Observation, Report, Result, Status, Step
from acrcheck.report.block import INDENT, Part, share
from acrcheck.report.page import Page
from acrcheck.report.reading import findings_for, is_waived, root_causes, telling, together

BLOCK = 6
"""The lines that may stand under a check, on a page of readable width, unless more is asked for."""
NARROW = 60
"""Under this width there are no columns: the id stands in brackets."""
QUOTED = 200
NEXT = 2
"""The root causes of which the end of a report says what to do first."""
UNSEEN = frozenset({Status.UNKNOWN, Status.SKIP})
ALL_SHOWN = "(-v shows all)"
"""Ends the names of causes of which some are only counted."""
SENTENCE = re.compile(r"[^.;]+[.;]?")
PROGRAMS = frozenset({"kubectl", "helm", "az", "acrcheck", "curl", "docker"})


def render(
    report: Report,
    *,
    width: int,
    ascii: bool,  # noqa: A002 - the flag's own word
    color: bool,
    verbose: int = 0,
) -> str:
    """Give the report as text that ends with a line break.

    `verbose` 1 shows every subject and all that was seen, 2 also the tracebacks of checks that crashed.
    """
    return "\n".join(_Terminal(report, Page(width, ascii, color), verbose).lines()) + "\n"


@dataclass(frozen=True, slots=True)
class _Row:
    """The results of one check that say the same."""

    check: Check
    results: tuple[Result, ...]
    total: int
    """How many results the check has in all."""

    @property
    def status(self) -> Status:
        return self.results[0].status

    @property
    def duration(self) -> float:
        return max(result.duration for result in self.results)

    @property
    def observations(self) -> tuple[Observation, ...]:
        return tuple(item for result in self.results for item in telling(result))

    @property
    def title(self) -> str:
        """The check's title, and which subjects it is about where there are several."""
        return self.check.title + self._who

    @property
    def _who(self) -> str:
        count = sum(bool(result.subject.name) for result in self.results)
        if self.total == 1 or not count:
            return ""
        some = "" if count == self.total else f" of {self.total}"
        return f" ({count}{some} {self.check.subject}s)"


@dataclass(slots=True)
class _Terminal:
    report: Report
    page: Page
    verbose: int
    told: set[tuple[str, str]] = field(default_factory=set)
    """The causes already printed."""
    reasons: dict[str, str] = field(default_factory=dict)
    """The reasons for not knowing already printed, with the check they were printed at."""
    widest: int = 0
    """The columns that the longest title takes."""
    listed: set[str] = field(default_factory=set)
    """The blocked checks already named."""

    def lines(self) -> Iterator[str]:
        """Give the whole report, line by line."""
        where = [
            f"{label}{self.report.metadata[key]}"
            for key, label in (
                ("recordedAt", "recorded "),
                ("context", "context "),
                ("namespace", "namespace "),
                ("workload", ""),
            )
            if self.report.metadata.get(key)
        ]
        if where:
            yield from (self.page.paint(line, dim=True) for line in self.page.prose(" · ".join(where), 0))
            yield ""
        shown = {
            title: [row for row in self._rows(category) if not self._stands_elsewhere(row)]
            for category, title in self.report.categories
        }
        self.widest = max((len(row.title) for rows in shown.values() for row in rows), default=0)
        for title, rows in shown.items():
            if rows:
                heading = self.page.prose(title, 0)
                yield from (self.page.paint(line, bold=True) for line in heading)
                yield self.page.paint("-" * max(map(len, heading)), dim=True)
                for row in rows:
                    yield from self._row(row)
                yield ""
        yield from self._rest()
        yield from self._waivers()
        if self.report.interrupted:
            yield from self.page.prose("interrupted: what had not finished is unknown", 0)
        causes = root_causes(self.report)
        yield from self._next(causes)
        yield self._last(causes)

    def _rows(self, category: str) -> list[_Row]:
        """Put the results of a category that say the same together."""
        results = [result for result in self.report.results if result.check.category == category]
        rows: dict[object, list[Result]] = {}
        for result in results:
            rows.setdefault(self._verdict(result), []).append(result)
        totals = {
            check: sum(1 for result in results if result.check.id == check)
            for check in {result.check.id for result in results}
        }
        return [_Row(same[0].check, tuple(same), totals[same[0].check.id]) for same in rows.values()]

    def _verdict(self, result: Result) -> object:
        kinds = tuple(item.id for item in telling(result))
        causes = tuple(finding.key for finding in findings_for(result, self.report))
        alone = result.subject.name if self.verbose else ""
        told = result.reason, result.blocked_by, result.waivers
        return result.check.id, result.status, told, kinds, causes, alone

    def _stands_elsewhere(self, row: _Row) -> bool:
        """Tell whether a blocked check is named under what blocks it."""
        blocker = row.results[0].blocked_by
        return (
            bool(blocker)
            and not self.verbose
            and any(
                result.check.id == blocker and result.status is not Status.PASS
                for result in self.report.results
            )
        )

    def _row(self, row: _Row) -> Iterator[str]:
        if row.results[0].waivers:
            yield from self._waived(row)
            return
        findings = findings_for(row.results[0], self.report)
        here = [finding for finding in findings if self._at_home(finding, row)]
        new = [finding for finding in here if finding.key not in self.told]
        first = row.results[0]
        explained = findings[0].cause.id if findings and not new else ""
        as_before = (
            self.reasons.get(first.reason, "") if not first.blocked_by and row.status in UNSEEN else ""
        )
        yield from self._title(row, _tail(row, explained, as_before))
        if row.status in UNSEEN and not first.blocked_by and not as_before:
            yield from self._reason(first)
        for finding in new:
            if finding.key not in self.told:
                yield from self._block(row.observations, finding)
        if not findings and row.status in {Status.FAIL, Status.WARN}:
            yield from self._unexplained(row)
        if self.verbose:
            yield from self._details(row)
        if row.status is not Status.PASS:
            yield from self._blocked({row.check.id, *(name for finding in new for name in finding.explains)})

    def _waived(self, row: _Row) -> Iterator[str]:
        """Tell what is wrong, and why it may be."""
        yield from self._title(row, "waived")
        yield from self.page.prose(_seen(row.observations) or row.results[0].reason, INDENT, 3)
        for waiver in row.results[0].waivers:
            yield from self.page.prose(f"waived until {waiver.expires}: {waiver.reason}", INDENT)
        if self.verbose:
            yield from self._details(row)

    def _at_home(self, finding: Finding, row: _Row) -> bool:
        """Tell whether a cause is told at this row: where something that it requires was seen first."""
        required = {name for group in finding.cause.requires for name in group}
        seen = [item for result in self._in_order for item in telling(result) if item in finding.observations]
        home = next((item for item in seen if item.id in required), seen[0] if seen else None)
        return (
            home is not None
            and home.check == row.check.id
            and any(item in finding.observations for item in row.observations)
        )

    @property
    def _in_order(self) -> list[Result]:
        """The results in the order in which they are shown, but for what is waived: no cause is told there."""
        order = [category for category, _ in self.report.categories]
        counting = [result for result in self.report.results if not result.waivers]
        return sorted(counting, key=lambda result: order.index(result.check.category))

    def _title(self, row: _Row, tail: str) -> Iterator[str]:
        """Give a check's own line: mark, title, id, and how long it took or what stands in its way."""
        mark, margin = self.page.mark(row.status), self.page.margin
        if self.page.columns < NARROW:
            note = "" if tail == _milliseconds(row.duration) else f", {tail}"
            first, *more = self.page.prose(f"{row.title} ({row.check.id}{note})", margin)
            yield from [mark + first[margin:], *more]
            return
        id_width = max(len(result.check.id) for result in self.report.results)
        room = min(self.widest, self.page.columns - margin - id_width - 11)
        first, *more = (line[margin:] for line in self.page.prose(row.title, margin))
        columns = f"{first:{room}}  ", f"{row.check.id:{id_width}} {tail:>8}"
        if margin + sum(map(len, columns)) > self.page.columns:
            columns = f"{first}  ", f"{row.check.id}  {tail}"
        if margin + sum(map(len, columns)) > self.page.columns or more:
            yield from [mark + first, *(" " * margin + line for line in more)]
            mark, columns = " " * INDENT, ("", f"{row.check.id}  {tail}")
        yield mark + columns[0] + self.page.paint(columns[1], dim=True)

    def _block(self, observations: tuple[Observation, ...], finding: Finding) -> Iterator[str]:
        """Tell a cause: what was seen, what it means, what would decide, what mends it."""
        group = together(finding, self.report)
        finding = group[0]
        self.told |= {other.key for other in group}
        explain = f"see: acrcheck explain {finding.cause.id}"
        its_own = tuple(item for item in observations if item in finding.observations)
        told = [Part(_seen(its_own)), *_meanings(group, self.verbose)]
        offers = _offers(finding, group, explain if len(group) > 1 and not self.verbose else "")
        if self.verbose:
            for part in [*told, *(part for _, part in offers), Part(explain)]:
                yield from part.show(self.page, 0)
            return
        see = self._named(group, BLOCK - len(told) - 1) if len(group) > 1 else Part(explain, first=True)
        room = BLOCK - len(told) - see.most(self.page)
        if room < len(offers) and not see.text.endswith(ALL_SHOWN):
            more = replace(see, text=f"{see.text} (-v shows {len(offers) - room} more)")
            see = more if more.most(self.page) == see.most(self.page) else see
        chosen = _chosen(offers, room)
        parts = [told[0], see, *told[1:], *chosen] if len(group) > 1 else [*told, *chosen, see]
        yield from share(self.page, parts, BLOCK)

    def _named(self, group: tuple[Finding, ...], lines: int) -> Part:
        """Name the causes that may be, the first as far as they fit: the others must not take what decides its line."""
        parts = [Part(_alike(group, count), first=True) for count in range(len(group), 0, -1)]
        return next((part for part in parts if part.most(self.page) <= lines), parts[-1])

    def _unexplained(self, row: _Row) -> Iterator[str]:
        """Tell a failure that no cause explains: all there is to say is what was seen."""
        yield from self.page.prose(_seen(row.observations) or row.results[0].reason, INDENT, 3)
        yield from self.page.prose(f"see: acrcheck explain {row.check.id}", INDENT)

    def _reason(self, result: Result) -> Iterator[str]:
        """Tell why a check knows nothing, and what would let it look."""
        self.reasons.setdefault(result.reason, result.check.id)
        yield from self.page.prose(result.reason, INDENT, 0 if self.verbose else 3)
        if result.permission:
            if result.permission.text not in result.reason:
                yield from self.page.prose(f"missing: {result.permission.text}", INDENT)
            yield from self.page.command(f"shown by: {result.permission.can_i(self.report.kubectl)}", INDENT)
        if result.remedy:
            program = result.remedy.partition(" ")[0]
            form = self.page.command if program in PROGRAMS else self.page.prose
            yield from form(f"to look: {result.remedy}", INDENT)

    def _details(self, row: _Row) -> Iterator[str]:
        """Give all that was seen, and with -vv where a check crashed."""
        for result in row.results:
            for item in result.observations:
                yield from self.page.prose(f"{item.kind.level} {item.id}: {item.text}", INDENT)
                for key, value in item.evidence.items():
                    yield from self.page.prose(f"{key}: {_text(value)}", INDENT + 2)
            if self.verbose > 1 and result.traceback:
                yield from self.page.command(result.traceback, INDENT)

    def _blocked(self, blockers: set[str]) -> Iterator[str]:
        """Name the checks that these block, each once."""
        blocked = dict.fromkeys(
            result.check.id
            for result in self.report.results
            if result.blocked_by in blockers and result.check.id not in self.listed
        )
        if blocked and not self.verbose:
            self.listed |= blocked.keys()
            indent = INDENT + self.page.margin
            first, *more = self.page.prose(f"blocked by it: {', '.join(blocked)}", indent)
            yield from [" " * INDENT + self.page.mark(Status.SKIP) + first[indent:], *more]

    def _rest(self) -> Iterator[str]:
        """Tell the causes that no line of a check has told."""
        for finding in self.report.findings:
            if finding.key not in self.told and not is_waived(finding, self.report):
                bad = any(item.kind.level is Level.FAIL for item in finding.observations)
                yield self.page.mark(Status.FAIL if bad else Status.WARN) + self.page.plain(
                    finding.cause.title
                )
                yield from self._block(finding.observations, finding)
                yield ""

    def _waivers(self) -> Iterator[str]:
        """Tell of the waivers that cover nothing: an expired one fails the run."""
        for item in self.report.waived:
            where = f"waiver of {item.waiver.what} at {item.waiver.place}"
            if item.expired:
                text = f"{where} has expired on {item.waiver.expires}: mend what it waives, or renew it"
                first, *more = self.page.prose(text, self.page.margin)
                yield from [self.page.mark(Status.FAIL) + first[self.page.margin :], *more]
                yield from self.page.prose(f"its reason was: {item.waiver.reason}", INDENT)
            elif not item.covers:
                text = f"{where} covers nothing: it can go"
                first, *more = self.page.prose(text, self.page.margin)
                yield from [self.page.mark(Status.WARN) + first[self.page.margin :], *more]

    def _next(self, causes: tuple[tuple[Finding, ...], ...]) -> Iterator[str]:
        """Say once more what to do first: where a report is long, its end is all that is on the screen."""
        for group in causes[:NEXT]:
            if parts := _first(_offers(group[0], group, "")):
                yield from self.page.prose(f"next, for {_alternatives(group)}:", 0)
                for part in parts:
                    yield from part.show(self.page, 0)

    def _last(self, groups: tuple[tuple[Finding, ...], ...]) -> str:
        """Count, and name the root cause, in a form that a script may search for."""
        report = self.report
        causes = ", ".join(" or ".join(finding.cause.id for finding in group) for group in groups)
        blocked = sum(1 for result in report.results if result.blocked_by and not result.waivers)
        warnings = report.count(Status.WARN)
        waived = sum(bool(result.waivers) for result in report.results)
        seconds = (report.finished - report.started).total_seconds()
        return (
            f"{report.count(Status.FAIL)} failed, {warnings} warning{'' if warnings == 1 else 's'}, "
            f"{report.count(Status.UNKNOWN)} unknown, {blocked} blocked"
            + (f" (root cause: {causes})" if causes else "")
            + (f", {waived} waived" if waived else "")
            + (f", waivers expired: {len(report.expired)}" if report.expired else "")
            + f", {report.count(Status.SKIP) - blocked} skipped, {report.count(Status.PASS)} passed"
            + f" in {seconds:.1f}s"
        )


def _tail(row: _Row, explained: str, as_before: str) -> str:
    """Say what stands after a check's id: what explains or blocks it, else how long it took."""
    if explained:
        return f"explained by {explained}"
    if row.results[0].blocked_by:
        return f"blocked by {row.results[0].blocked_by}"
    return f"as for {as_before}" if as_before else _milliseconds(row.duration)


def _alike(group: tuple[Finding, ...], count: int) -> str:
    """Name the first causes of those that share their confidence, and count the others."""
    same = len({finding.confidence for finding in group}) == 1
    names = [item.cause.id if same else f"{item.cause.id} {item.confidence:.2f}" for item in group[:count]]
    left = len(group) - count
    others = f", {_others(left)} {ALL_SHOWN}" if left else ""
    return f"could be{f', {group[0].confidence:.2f} each' if same else ''}: {', '.join(names)}{others}"


def _alternatives(group: tuple[Finding, ...]) -> str:
    """Name the first of the causes that may be, and count the others: the last line names them all."""
    left = len(group) - 1
    return group[0].cause.id + (f" {_others(left)}" if left else "")


def _others(count: int) -> str:
    return f"or {count} other{'s' if count > 1 else ''}"


def _meanings(group: tuple[Finding, ...], verbose: int) -> list[Part]:
    """Say what a cause means; of several that may be, what is true of each, and with -v which they are."""
    first, whose = group[0].cause.means, group[0].whose
    if len(group) == 1:
        return [Part(f"{first} {whose}".rstrip())]
    if verbose:
        return [Part(_alike(group, len(group))), Part(f"{first} {whose}".rstrip())]
    common = [
        sentence
        for sentence in SENTENCE.findall(first)
        if all(sentence in finding.cause.means for finding in group)
    ]
    common += [whose] if whose else []
    return [Part(" ".join(common))] if common else []


def _offers(finding: Finding, group: tuple[Finding, ...], explain: str) -> list[tuple[int, Part]]:
    """Give what would decide and the steps, the same command only once, each with its rank where room is short.

    What would decide goes first, then what mends, then what only looks. `explain` is said with the first.
    """
    only_if = f", if it is {finding.cause.id}" if len(group) > 1 else ""
    offers = [
        (3 if place else 0, Part(text, command, f"to decide ({explain})" if explain else "to decide"))
        for place, (text, command) in enumerate(finding.to_decide)
    ]
    known = {part.command for _, part in offers}
    for step in finding.steps:
        if not step.command or step.command not in known:
            known.add(step.command)
            offers.append((1 if step.changes else 2, _step(step, only_if)))
    return offers


def _chosen(offers: list[tuple[int, Part]], room: int) -> list[Part]:
    """Choose what to offer where there is not room for all; what is chosen stays in order."""
    best = sorted(range(len(offers)), key=lambda place: offers[place][0])[: max(room, 0)]
    return [offers[place][1] for place in sorted(best)]


def _first(offers: list[tuple[int, Part]]) -> list[Part]:
    """Choose what to do first: what decides, else what mends with what goes before it, else what looks."""
    order = [(rank, not part.command) for rank, part in offers]
    best = order.index(min(order)) if order else -1
    return [part for _, part in offers[: best + 1]]


def _step(step: Step, only_if: str) -> Part:
    """Say who may take a step, whether it changes anything, and if it only mends one of several causes."""
    if step.changes:
        return Part(step.text, step.command, f"fix ({step.who}{only_if})")
    if step.command:
        return Part(step.text, step.command, f"look ({step.who}, changes nothing)")
    return Part(step.text, label="note", first=True)


def _seen(observations: tuple[Observation, ...]) -> str:
    """Say what was seen, each kind of thing once, with the first piece of evidence quoted."""
    kinds: dict[str, Observation] = {}
    for item in observations:
        kinds.setdefault(item.id, item)
    texts = [item.text for item in kinds.values()]
    for item in kinds.values():
        for key, value in item.evidence.items():
            quoted = " ".join(_text(value).split())
            if quoted and quoted not in " ".join(texts):
                cut = quoted if len(quoted) <= QUOTED else quoted[:QUOTED].rstrip() + "…"
                return f'{"; ".join(texts)} ({key}: "{cut}")'
    return "; ".join(texts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.1f}s"
