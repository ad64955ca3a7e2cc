"""Two runs compared: what broke, what mended, and what changed in what the checks that turned look at.

Results are matched by check and by what the subject is. A pod that both runs saw is matched with itself; the others
are one set on each side, as bad as its worst pod, since a rollout gives every pod another name.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from acrcheck.model import Status
from acrcheck.report.saved import Saved, Seen
from acrcheck.wiring import Wiring

WORST = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.PASS, Status.SKIP)
GOOD = frozenset({Status.PASS, Status.WARN})
PLACES = {"cluster": "cluster", "namespace": "namespace", "workload": "workload"}
"""What must be the same for a comparison to say anything, by its name in the reports' metadata."""
UNTOLD = frozenset({"startedAt", "finishedAt", "runId", "checks", "recordedAt", "recordedBy", *PLACES})
"""Metadata that differs in any two runs, or is warned of."""


class Turn(StrEnum):
    """How a check turned from one run to the next."""

    BROKE = "broke"
    UNCOVERED = "uncovered"
    """It fails, and the earlier run did not know whether it did."""
    LOST = "lost"
    """It was well, and is not known any more."""
    MENDED = "mended"
    WARNS = "warns"
    CALMED = "calmed"
    """It warned and does not any more."""
    SEEN = "seen"
    """It was not looked at, and is well."""
    UNSEEN = "unseen"
    """It is not looked at any more: something stands before it, or an input is missing."""
    NEW = "new"
    GONE = "gone"


COUNTED = frozenset({Turn.BROKE, Turn.UNCOVERED, Turn.LOST})


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a check saw otherwise: None where it was not seen at all."""

    check: str
    observation: str
    was: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Turned:
    """A check that turned, on one kind of subject. `before` and `after` are statuses; None where it was not run."""

    turn: Turn
    check: str
    title: str
    subject: str
    before: Status | None
    after: Status | None
    was: str
    now: str
    causes: tuple[str, ...]
    changes: tuple[Change, ...]
    counts: bool
    """True where it makes the comparison fail or inconclusive."""
    subjects: tuple[str, ...] = ()
    """All that turned so, where `subject` stands for several."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs differ in."""

    before: Saved
    after: Saved
    warnings: tuple[str, ...]
    """Why it may say nothing: another cluster, another workload."""
    inputs: tuple[Change, ...]
    """What the runs themselves were given."""
    turned: tuple[Turned, ...]
    upstream: tuple[Change, ...]
    """What changed in what the checks that turned rely on."""
    still: Mapping[Status, tuple[str, ...]]
    """The checks that came to the same, by status."""

    def of(self, *turns: Turn) -> tuple[Turned, ...]:
        """Give the checks that turned so."""
        return tuple(item for item in self.turned if item.turn in turns)

    @property
    def exit_code(self) -> int:
        """1 for a regression, 3 where it is not known whether there is one, else 0."""
        counted = {item.turn for item in self.turned if item.counts}
        if Turn.BROKE in counted:
            return 1
        return 3 if counted & {Turn.LOST, Turn.UNCOVERED} else 0


def compare(before: Saved, after: Saved, wiring: Wiring) -> Comparison:
    """Compare an earlier run with a later one; `wiring` says which checks rely on which, and which are optional."""
    pairs = list(_pairs(before.checks, after.checks))
    names = before.pods | after.pods
    optional = {item.check.id for item in wiring.checks if item.check.optional}
    turned = _together(
        made for pair in pairs if (made := _turned(*pair, before=before, names=names, optional=optional))
    )
    changed = {item.check for item in turned if item.turn not in {Turn.NEW, Turn.GONE}}
    still: dict[Status, dict[str, None]] = defaultdict(dict)
    for was, now in pairs:
        if was and now and worst(was) is worst(now):
            still[worst(now)][now[0].check] = None
    return Comparison(
        before=before,
        after=after,
        warnings=tuple(_warnings(before.metadata, after.metadata)),
        inputs=tuple(
            Change("", key, before.metadata.get(key), after.metadata.get(key))
            for key in dict.fromkeys((*before.metadata, *after.metadata))
            if key not in UNTOLD and before.metadata.get(key) != after.metadata.get(key)
        ),
        turned=tuple(sorted(turned, key=lambda item: list(Turn).index(item.turn))),
        upstream=tuple(
            change
            for name in _upstream(changed, wiring)
            for change in _changes(before.by_check(name), after.by_check(name), names)
        ),
        still={status: tuple(checks) for status, checks in still.items()},
    )


def worst(results: Iterable[Seen]) -> Status:
    """Give the status of the worst of some results."""
    return min((Status(item.status) for item in results), key=WORST.index)


Pair = tuple[tuple[Seen, ...], tuple[Seen, ...]]


def _pairs(before: Iterable[Seen], after: Iterable[Seen]) -> Iterator[Pair]:
    """Match results by check and kind of subject, in the later run's order; empty where there is no counterpart."""
    before, after = tuple(before), tuple(after)
    old_roles, new_roles = _roles(before), _roles(after)
    whole = {
        name
        for name in old_roles.keys() & new_roles.keys()
        if (old_roles[name] == {""}) != (new_roles[name] == {""})
    }
    old, new = _grouped(before, whole), _grouped(after, whole)
    for key in dict.fromkeys((*new, *old)):
        was, now = old.get(key, ()), new.get(key, ())
        both = {item.subject for item in was} & {item.subject for item in now}
        for subject in sorted(both):
            yield _about(was, {subject}), _about(now, {subject})
        rest = (
            tuple(item for item in was if item.subject not in both),
            tuple(item for item in now if item.subject not in both),
        )
        if any(rest):
            # A pod more or less is judged by how the whole set was.
            yield rest[0] or was, rest[1] or now


def _roles(results: Iterable[Seen]) -> dict[str, set[str]]:
    roles: dict[str, set[str]] = defaultdict(set)
    for item in results:
        roles[item.check].add(item.role)
    return roles


def _grouped(results: Iterable[Seen], whole: Collection[str]) -> dict[tuple[str, str], tuple[Seen, ...]]:
    """Group by check and kind of subject; checks that one of the runs had no subjects for, by check alone."""
    groups: dict[tuple[str, str], tuple[Seen, ...]] = {}
    for item in results:
        key = item.check, "" if item.check in whole else item.role
        groups[key] = (*groups.get(key, ()), item)
    return groups


def _about(results: Iterable[Seen], subjects: Collection[str]) -> tuple[Seen, ...]:
    return tuple(item for item in results if item.subject in subjects)


def _turned(
    was: tuple[Seen, ...],
    now: tuple[Seen, ...],
    *,
    before: Saved,
    names: Collection[str],
    optional: Collection[str],
) -> Turned | None:
    """Say how a check turned; None where it came to the same."""
    old, new = worst(was) if was else None, worst(now) if now else None
    turn = _turn(old, new)
    if turn is None:
        return None
    first = (now or was)[0]
    blockers = {item.blocked_by for item in was} - {""}
    hidden = any(worst(before.by_check(name) or was) is Status.FAIL for name in blockers)
    waived = all(item.waived for item in now if item.status == new)
    uncovered = turn is Turn.UNCOVERED and hidden
    return Turned(
        turn=turn,
        check=first.check,
        title=first.title,
        subject=first.role,
        before=old,
        after=new,
        was=_said(was, old),
        now=_said(now, new),
        causes=tuple(dict.fromkeys(name for item in now if item.status == new for name in item.causes)),
        changes=tuple(_changes(was, now, names)) if was and now else (),
        counts=turn in COUNTED
        and not waived
        and not uncovered
        and not (turn is Turn.LOST and first.check in optional),
        subjects=tuple(dict.fromkeys(item.subject for item in now or was if item.subject)),
    )


def _together(turned: Iterable[Turned]) -> tuple[Turned, ...]:
    """Put what turned alike on several pods together."""
    found: dict[object, Turned] = {}
    for item in turned:
        key = item.check, item.subject, item.turn, item.before, item.after, item.counts
        alike = found.get(key)
        found[key] = replace(alike, subjects=(*alike.subjects, *item.subjects)) if alike else item
    return tuple(found.values())


def _turn(old: Status | None, new: Status | None) -> Turn | None:
    if old is new:
        return None
    if new is Status.FAIL:
        return Turn.BROKE if old in GOOD else Turn.UNCOVERED
    if old is None or new is None:
        return Turn.GONE if new is None else Turn.NEW
    if new not in GOOD:
        return Turn.LOST if old in GOOD and new is Status.UNKNOWN else Turn.UNSEEN
    if old in GOOD:
        return Turn.WARNS if new is Status.WARN else Turn.CALMED
    return Turn.MENDED if old is Status.FAIL else Turn.SEEN


def _said(results: tuple[Seen, ...], status: Status | None) -> str:
    """Give what the first of the worst results said, and of how many."""
    telling = [item for item in results if item.status == status]
    if not telling:
        return ""
    said = telling[0].message or telling[0].reason
    return f"{said} ({len(telling)} of {len(results)})" if said and len(results) > 1 else said


def _upstream(turned: Collection[str], wiring: Wiring) -> tuple[str, ...]:
    """Name the checks that some rely on, directly or not, and that did not turn themselves; in the order shown."""
    found: set[str] = set()
    frontier = [name for name in turned if name in wiring.before]
    while frontier:
        more = wiring.before[frontier.pop()] - found
        found |= more
        frontier += more
    return tuple(item.check.id for item in wiring.checks if item.check.id in found - set(turned))


def _changes(was: Iterable[Seen], now: Iterable[Seen], names: Collection[str]) -> Iterator[Change]:
    """Tell what was seen otherwise, whatever the pods are called that it was seen of."""
    old, new = _observed(was, names), _observed(now, names)
    for name in dict.fromkeys((*old, *new)):
        lost = {key: item for key, item in old.get(name, {}).items() if key not in new.get(name, {})}
        came = {key: item for key, item in new.get(name, {}).items() if key not in old.get(name, {})}
        if lost or came:
            first, last = next(iter(lost.values()), None), next(iter(came.values()), None)
            yield Change((first or last or {}).get("check", ""), name, *_texts(first, last))


def _observed(results: Iterable[Seen], names: Collection[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Give observations by id, each once; which pod it was seen of makes no difference."""
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for result in results:
        for item in result.evidence:
            said = str((item.get("message"), item.get("values"), item.get("data")))
            for name in names:
                said = said.replace(name, "POD")
            found[str(item.get("id"))].setdefault(said, {**item, "check": result.check})
    return found


def _texts(was: dict[str, Any] | None, now: dict[str, Any] | None) -> tuple[str | None, str | None]:
    """Give both sentences; where they are the same, with what else differs."""
    texts = tuple(str(item["message"]) if item and item.get("message") else None for item in (was, now))
    if was is None or now is None or texts[0] != texts[1]:
        return texts[0], texts[1]
    sides = tuple({**(item.get("values") or {}), **(item.get("data") or {})} for item in (was, now))
    differ = [key for key in dict.fromkeys((*sides[0], *sides[1])) if sides[0].get(key) != sides[1].get(key)]
    told = [", ".join(f"{key}: {side.get(key)}" for key in differ) for side in sides]
    return f"{texts[0]} ({told[0]})", f"{texts[1]} ({told[1]})"


def _warnings(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for key, word in PLACES.items():
        old, new = before.get(key), after.get(key)
        if old and new and old != new:
            yield f"the runs are of another {word} each: {old}, then {new}"
    if not (before.get("cluster") and after.get("cluster")):
        old, new = before.get("context"), after.get("context")
        if old and new and old != new:
            yield f"the runs may be of another cluster each: context {old}, then {new}"
    if before.get("startedAt", "") > after.get("startedAt", "~"):
        yield (
            f"the first run is the later one ({before['startedAt']}, then {after['startedAt']}): "
            "are the two the other way round?"
        )
