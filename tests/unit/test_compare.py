"""Two runs compared."""

from collections.abc import Iterator
from typing import Any

import pytest

from acrcheck.compare import Comparison, Turn, compare
from acrcheck.facts import Workload
from acrcheck.model import Check, Observation
from acrcheck.report import json as report_json
from acrcheck.report.saved import Saved, Seen, read
from acrcheck.wiring import Looking, wire
from tests.golden.reports import denied, healthy, unlabelled


def workload() -> Looking[Workload]:
    """Stand in for the check that finds the workload."""
    yield from ()
    raise AssertionError("no check is run here")


def relying(found: Workload) -> Looking[None]:
    """Stand in for a check that takes the workload."""
    yield from ()


def looking() -> Iterator[Observation]:
    """Stand in for a check that nothing is known of."""
    yield from ()


WIRING = wire(
    (
        Check("workload", "the workload is found", workload),
        Check("token", "gets a token", relying),
        Check("guess", "may be unknown", relying, optional=True),
    ),
    frozenset(),
)
HERE = {"cluster": "https://a.example", "namespace": "coder", "workload": "deployment/coderd"}


def seen(check: str, status: str, subject: str = "", **more: Any) -> Seen:
    """Make a result as a kept report has it."""
    plain: dict[str, Any] = {
        "title": check,
        "category": "c",
        "message": "",
        "reason": "",
        "blocked_by": "",
        "causes": (),
        "evidence": (),
    }
    return Seen(**{"check": check, "status": status, "subject": subject, **plain, **more})


def saw(name: str, message: str, **values: str) -> dict[str, Any]:
    """Make an observation as a kept report has it."""
    return {"id": name, "message": message, "values": values, "data": {}}


def compared(before: list[Seen], after: list[Seen], **metadata: str) -> Comparison:
    """Compare two runs of the same workload; `metadata` is what the later one says otherwise."""
    return compare(Saved(HERE, tuple(before), {}), Saved({**HERE, **metadata}, tuple(after), {}), WIRING)


@pytest.mark.parametrize(
    ("was", "now", "turn", "code"),
    [
        ("pass", "fail", Turn.BROKE, 1),
        ("warn", "fail", Turn.BROKE, 1),
        ("pass", "unknown", Turn.LOST, 3),
        ("warn", "unknown", Turn.LOST, 3),
        ("unknown", "fail", Turn.UNCOVERED, 3),
        ("skip", "fail", Turn.UNCOVERED, 3),
        ("", "fail", Turn.UNCOVERED, 3),
        ("fail", "pass", Turn.MENDED, 0),
        ("fail", "warn", Turn.MENDED, 0),
        ("fail", "unknown", Turn.UNSEEN, 0),
        ("fail", "skip", Turn.UNSEEN, 0),
        ("pass", "warn", Turn.WARNS, 0),
        ("warn", "pass", Turn.CALMED, 0),
        ("unknown", "pass", Turn.SEEN, 0),
        ("", "pass", Turn.NEW, 0),
        ("fail", "", Turn.GONE, 0),
    ],
)
def test_each_turn_has_its_name_and_its_exit_code(was: str, now: str, turn: Turn, code: int) -> None:
    """Only what was well and fails is a regression; what was not known leaves it open."""
    found = compared([seen("token", was)] if was else [], [seen("token", now)] if now else [])

    assert [item.turn for item in found.turned] == [turn]
    assert found.exit_code == code


@pytest.mark.parametrize("status", ["pass", "warn", "fail", "unknown", "skip"])
def test_what_came_to_the_same_did_not_turn(status: str) -> None:
    """A check that still fails is no regression; it is named all the same."""
    found = compared([seen("token", status)], [seen("token", status)])

    assert not found.turned
    assert found.still == {status: ("token",)}
    assert found.exit_code == 0


def test_a_rollout_gives_pods_other_names() -> None:
    """Pods that only one run saw are compared as a set: the names say nothing."""
    before = [seen("token", "pass", f"pod/coderd-1-{end}") for end in "ab"]
    well = [seen("token", "pass", f"pod/coderd-2-{end}") for end in "cde"]
    broken = [*well[:2], seen("token", "fail", "pod/coderd-2-e", message="no token")]

    assert not compared(before, well).turned
    assert [item.turn for item in compared(before, broken).turned] == [Turn.BROKE]
    assert compared(before, broken).turned[0].now == "no token (1 of 3)"


def test_a_pod_that_both_saw_is_compared_with_itself() -> None:
    """That another pod was mended meanwhile does not hide that this one broke."""
    before = [seen("token", "fail", "pod/a"), seen("token", "pass", "pod/b")]
    after = [seen("token", "pass", "pod/a"), seen("token", "fail", "pod/b")]

    assert {(item.turn, item.subjects) for item in compared(before, after).turned} == {
        (Turn.BROKE, ("pod/b",)),
        (Turn.MENDED, ("pod/a",)),
    }


def test_a_pod_more_is_judged_by_what_the_others_were() -> None:
    """Where all pods were well, a new one that fails is a regression, and no new check."""
    before = [seen("token", "pass", "pod/a")]

    assert compared(before, [*before, seen("token", "fail", "pod/b")]).exit_code == 1
    assert not compared(before, [*before, seen("token", "pass", "pod/b")]).turned


def test_pods_that_turned_alike_are_told_once() -> None:
    """Three pods of one DaemonSet that broke are one thing to read."""
    pods = [f"pod/{end}" for end in "abc"]
    found = compared(
        [seen("token", "pass", pod) for pod in pods], [seen("token", "fail", pod) for pod in pods]
    )

    assert [item.subjects for item in found.turned] == [tuple(pods)]


def test_the_paths_of_renamed_pods_and_the_tags_of_images_are_the_same_subject() -> None:
    """What is asked of a registry is matched by the registry; an upgrade changes every tag."""
    before = [
        seen("token", "pass", "pod/a → r.azurecr.io"),
        seen("guess", "pass", "image r.azurecr.io:443/coder/envbox:1.43"),
    ]
    after = [
        seen("token", "fail", "pod/b → r.azurecr.io"),
        seen("guess", "fail", "image r.azurecr.io:443/coder/envbox@sha256:00"),
    ]

    assert [item.turn for item in compared(before, after).turned] == [Turn.BROKE, Turn.BROKE]
    assert {item.subject for item in compared(before, after).turned} == {
        "pod → r.azurecr.io",
        "image r.azurecr.io:443/coder/envbox",
    }


def test_a_check_that_found_nothing_to_look_at_is_compared_as_a_whole() -> None:
    """Where the pods were not found, what is asked of each is one result of no pod: it is lost, and not gone."""
    before = [seen("token", "pass", "pod/a"), seen("token", "pass", "pod/b")]

    assert [item.turn for item in compared(before, [seen("token", "unknown")]).turned] == [Turn.LOST]
    assert [item.turn for item in compared([seen("token", "unknown")], before).turned] == [Turn.SEEN]


def test_an_optional_check_may_be_lost() -> None:
    """As in a run, what is optional leaves nothing open."""
    assert compared([seen("guess", "pass")], [seen("guess", "unknown")]).exit_code == 0


def test_what_a_profile_waives_is_told_and_does_not_count() -> None:
    """That it broke is said; that it may be broken somebody has said."""
    found = compared([seen("token", "pass")], [seen("token", "fail", waived=True)])

    assert [item.turn for item in found.turned] == [Turn.BROKE]
    assert found.exit_code == 0


def test_a_failure_that_stood_behind_another_is_no_regression() -> None:
    """What was blocked by a failure may have been broken all the time."""
    before = [seen("workload", "fail"), seen("token", "skip", blocked_by="workload")]
    found = compared(before, [seen("workload", "pass"), seen("token", "fail")])

    assert [item.turn for item in found.turned] == [Turn.UNCOVERED, Turn.MENDED]
    assert found.exit_code == 0


def test_what_a_check_saw_otherwise_is_told() -> None:
    """Observations are compared whatever the pod they were seen of is called."""
    same = "pod {0} runs"
    before = [
        seen(
            "token",
            "pass",
            "pod/a-1",
            evidence=(saw("given", "given", exp="5"), saw("runs", same.format("a-1"), pod="a-1")),
        )
    ]
    after = [
        seen(
            "token",
            "fail",
            "pod/a-2",
            evidence=(saw("given", "given", exp="7"), saw("runs", same.format("a-2"), pod="a-2")),
        )
    ]
    changes = compared(before, after).turned[0].changes

    assert [(item.observation, item.was, item.now) for item in changes] == [
        ("given", "given (exp: 5)", "given (exp: 7)")
    ]


def test_what_changed_before_a_check_is_told_with_it() -> None:
    """The check that turned relies on another, which came to the same and saw something else."""
    before = [seen("workload", "pass", evidence=(saw("chart", "chart 1.43"),)), seen("token", "pass")]
    after = [seen("workload", "pass", evidence=(saw("chart", "chart 1.44"),)), seen("token", "fail")]

    assert [(item.check, item.was, item.now) for item in compared(before, after).upstream] == [
        ("workload", "chart 1.43", "chart 1.44")
    ]
    assert not compared(before, [after[0], seen("token", "pass")]).upstream


@pytest.mark.parametrize(
    ("key", "said"), [("cluster", "another cluster"), ("namespace", "another"), ("workload", "another")]
)
def test_runs_of_other_things_are_warned_of(key: str, said: str) -> None:
    """A comparison of two clusters says nothing, and is said to."""
    (warning,) = compared([], [], **{key: "other"}).warnings

    assert said in warning
    assert "other" in warning


def test_the_wrong_order_is_warned_of() -> None:
    """Two files are easily swapped."""
    early, late = (
        Saved({"startedAt": day}, (), {}) for day in ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")
    )

    assert not compare(early, late, WIRING).warnings
    assert "the other way round" in compare(late, early, WIRING).warnings[0]


@pytest.mark.parametrize("made", [healthy, unlabelled, denied])
def test_a_report_is_no_regression_against_itself(made: Any) -> None:
    """Nothing turns from a run to the same run."""
    saved = read(report_json.render(made()).encode(), "made")

    assert not compare(saved, saved, WIRING).turned
    assert compare(saved, saved, WIRING).exit_code == 0
