"""What waivers cover."""

from datetime import date
from typing import Any

import pytest

from acrcheck.model import Result, Status, Waiver
from acrcheck.waiving import waive
from tests.golden.reports import (
    API,
    DENIED,
    LABEL,
    NO_LABEL,
    NOT_FOUND,
    PODS,
    RETIRED,
    SUPPORT,
    TOKEN,
    came,
    report,
)

TODAY = date(2026, 11, 23)


def waiver(**more: Any) -> Waiver:
    """Make a waiver that holds until today."""
    return Waiver(**{"reason": "known", "expires": TODAY, **more})


def covered(results: list[Result], *waivers: Waiver) -> list[bool]:
    """Say of each result whether it is waived."""
    return [bool(result.waivers) for result in waive(results, waivers, TODAY)[0]]


NO_LABELS = [came(LABEL, Status.FAIL, NO_LABEL(pod=pod.name), subject=pod) for pod in PODS]
LOST = came(TOKEN, Status.UNKNOWN, reason="forbidden", inconclusive=True)


def test_a_check_is_waived_whatever_it_came_to() -> None:
    """Failed, warned or unknown; what passed has nothing to waive."""
    results = [NO_LABELS[0], LOST, came(SUPPORT, Status.WARN, RETIRED(version="1")), came(API, Status.PASS)]
    waivers = [waiver(check=result.check.id) for result in results]

    assert covered(results, *waivers) == [True, True, True, False]


def test_a_subject_is_a_pattern() -> None:
    """Names of pods change with every rollout: a pattern holds on."""
    assert covered(NO_LABELS, waiver(check="label", subject="pod/*-x2x9z")) == [True, False, False]


def test_an_observation_is_waived_only_where_it_is_all_that_is_wrong() -> None:
    """Something else that fails in the same check still counts."""
    both = came(TOKEN, Status.FAIL, NOT_FOUND(status=404), DENIED(status=401, client_id="x"))
    one = came(TOKEN, Status.FAIL, NOT_FOUND(status=404))

    assert covered([one, both], waiver(observation=NOT_FOUND.id)) == [True, False]
    assert covered([both], waiver(observation=NOT_FOUND.id), waiver(observation=DENIED.id)) == [True]
    assert covered([one], waiver(observation=NOT_FOUND.id, check="label")) == [False]


def test_what_stands_behind_a_waived_unknown_is_covered_with_it() -> None:
    """A skip behind an unknown is inconclusive like it, and nobody can do more about it."""
    behind = came(LABEL, Status.SKIP, blocked_by=TOKEN.id, inconclusive=True)

    assert covered([LOST, behind], waiver(check=TOKEN.id)) == [True, True]
    assert covered([LOST, behind]) == [False, False]
    assert covered([LOST, LOST, behind], waiver(check=LABEL.id)) == [False, False, True]


def test_on_its_last_day_a_waiver_holds_and_after_it_not() -> None:
    """The day after it covers nothing any more, and is said to have expired."""
    results = [NO_LABELS[0]]
    old = waiver(check="label", expires=date(2026, 11, 22))
    _, (use,) = waive(results, [old], TODAY)

    assert covered(results, waiver(check="label")) == [True]
    assert (use.expired, use.covers) == (True, 0)


def test_each_waiver_says_how_much_it_covers() -> None:
    """One that covers nothing can go, and is told."""
    _, uses = waive(NO_LABELS, [waiver(check="label"), waiver(check="token-arm")], TODAY)

    assert [use.covers for use in uses] == [3, 0]


@pytest.mark.parametrize(("waivers", "code"), [(["label"], 0), ([], 1)])
def test_what_is_waived_does_not_count(waivers: list[str], code: int) -> None:
    """The results stay as they are; only the exit code leaves them out."""
    results, uses = waive(NO_LABELS, [waiver(check=name) for name in waivers], TODAY)
    made = report(*results, waived=uses)

    assert made.exit_code == code
    assert all(result.status is Status.FAIL for result in made.results)


def test_an_unknown_that_is_waived_leaves_nothing_open() -> None:
    """A run that is not permitted to look can still be a gate, by somebody's word."""
    results, uses = waive([LOST], [waiver(check=TOKEN.id)], TODAY)

    assert report(LOST).exit_code == 3
    assert report(*results, waived=uses).exit_code == 0


def test_an_expired_waiver_fails_even_where_all_is_well() -> None:
    """A promise that was forgotten is found on the day it ends."""
    results, uses = waive([came(API, Status.PASS)], [waiver(check="label", expires=date(2026, 1, 1))], TODAY)

    assert report(*results, waived=uses).exit_code == 1
