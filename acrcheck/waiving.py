"""What a profile's waivers cover: such a result stays as it is and is told, and does not count."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase

from acrcheck.model import Level, Observation, Result, Status, Waived, Waiver

COVERED = {Status.FAIL: Level.FAIL, Status.WARN: Level.WARN}
"""The statuses that observations make, and which ones."""


def waive(
    results: Sequence[Result], waivers: Iterable[Waiver], today: date
) -> tuple[tuple[Result, ...], tuple[Waived, ...]]:
    """Give the results with the waivers that cover them, and what became of each waiver.

    What stands behind an unknown or failed result that is waived is covered with it.
    """
    waivers = tuple(waivers)
    holding = [waiver for waiver in waivers if waiver.expires >= today]
    seen = [replace(result, waivers=_covering(result, holding)) for result in results]
    given: dict[str, tuple[Waiver, ...]] = {}
    for name in {result.check.id for result in seen}:
        bad = [result for result in seen if result.check.id == name and _counts(result)]
        if bad and all(result.waivers for result in bad):
            given[name] = bad[0].waivers
    covered = tuple(
        replace(result, waivers=given.get(result.blocked_by, ()))
        if result.inconclusive and not result.waivers
        else result
        for result in seen
    )
    uses = tuple(
        Waived(waiver, waiver.expires < today, sum(waiver in result.waivers for result in covered))
        for waiver in waivers
    )
    return covered, uses


def _counts(result: Result) -> bool:
    return result.status in COVERED or result.status is Status.UNKNOWN or result.inconclusive


def _covering(result: Result, waivers: Iterable[Waiver]) -> tuple[Waiver, ...]:
    """Give the waivers that together cover all that is wrong with a result; none where something is left."""
    if not _counts(result):
        return ()
    whole = [
        item
        for item in waivers
        if item.check == result.check.id and not item.observation and _about(item, result.subject.name)
    ]
    if whole:
        return tuple(whole[:1])
    level = COVERED.get(result.status)
    bad = [item for item in result.observations if item.kind.level is level]
    found = [_of_observation(item, waivers) for item in bad]
    return tuple(dict.fromkeys(item for item in found if item)) if bad and all(found) else ()


def _of_observation(seen: Observation, waivers: Iterable[Waiver]) -> Waiver | None:
    for waiver in waivers:
        named = waiver.observation in {"", seen.id} and waiver.check in {"", seen.check}
        if named and _about(waiver, seen.subject.name):
            return waiver
    return None


def _about(waiver: Waiver, subject: str) -> bool:
    return not waiver.subject or fnmatchcase(subject, waiver.subject)
