"""What is known of a recorded cluster: which questions it answers, and which it leaves open."""

from datetime import UTC, datetime
from typing import Any

import pytest

from acrcheck.bundle.store import Log, Store, lines_since, of_entries
from acrcheck.bundle.tape import Tape
from acrcheck.cluster import recorded as taped_cluster
from acrcheck.cluster.reader import DEPLOYMENTS, NAMESPACES, NODES, PODS, Answer, Outcome, Resource
from acrcheck.lab.clock import LabClock

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
KIND = ("", "pods")
NOT_SERVED = Answer(Outcome.NO_API, detail="404 page not found")


def item(name: str, namespace: str = "coder", **labels: str) -> dict[str, Any]:
    """An object."""
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


def names(answer: Answer) -> list[str]:
    """What an answer lists."""
    return [entry["metadata"]["name"] for entry in answer.items()]


@pytest.fixture
def store() -> Store:
    """All pods of `coder`, one of `blue`, no Deployment."""
    store = Store()
    store.listed(KIND, "coder", [item("a", app="x"), item("b", app="y")])
    store.add(KIND, item("c", "blue", app="x"))
    return store


def test_a_list_answers_narrower_questions(store: Store) -> None:
    """By label, by name, by metadata only."""
    assert names(store.list(PODS, "coder")) == ["a", "b"]
    assert names(store.list(PODS, "coder", "app in (x,z)")) == ["a"]
    assert store.list(PODS, "coder", metadata_only=True).items() == [
        {"metadata": item("a", app="x")["metadata"]},
        {"metadata": item("b", app="y")["metadata"]},
    ]
    assert store.get(PODS, "a", "coder").value() == item("a", app="x")


def test_what_a_whole_list_lacks_is_absent(store: Store) -> None:
    """Nothing else is."""
    assert store.get(PODS, "nosuch", "coder").outcome is Outcome.ABSENT
    assert store.get(PODS, "nosuch", "blue").outcome is Outcome.NOT_RECORDED
    assert store.get(DEPLOYMENTS, "nosuch", "coder").outcome is Outcome.NOT_RECORDED


def test_what_is_known_in_part_answers_while_it_fits(store: Store) -> None:
    """One object of a namespace is one; that there are no others is not known."""
    assert names(store.list(PODS, "blue", "app=x")) == ["c"]
    assert store.list(PODS, "blue", "app=z").outcome is Outcome.NOT_RECORDED


def test_some_namespaces_are_not_all(store: Store) -> None:
    """It says which ones are known, and that a narrower question may be answered."""
    answer = store.list(PODS)
    assert answer.outcome is Outcome.NOT_RECORDED
    assert answer.too_wide
    assert answer.detail == "only of blue, coder"


def test_all_namespaces_there_are_make_a_whole(store: Store) -> None:
    """Where the namespaces were listed, and each of them was read."""
    store.listed(("", "namespaces"), "", [{"metadata": {"name": "coder"}}, {"metadata": {"name": "blue"}}])
    assert store.list(PODS).outcome is Outcome.NOT_RECORDED
    store.listed(KIND, "blue", [])
    assert names(store.list(PODS)) == ["c", "a", "b"]
    assert store.get(NAMESPACES, "red").outcome is Outcome.ABSENT


def test_a_list_of_all_answers_each_namespace() -> None:
    """Also one that has none."""
    store = Store()
    store.listed(KIND, "", [item("a"), item("b", "blue")])
    assert names(store.list(PODS, "blue")) == ["b"]
    assert names(store.list(PODS, "red")) == []


def test_what_was_refused_stays_refused(store: Store) -> None:
    """With its permission; what is not served is not, in any namespace."""
    refused = Answer(Outcome.FORBIDDEN, permission=NODES.permission("list"))
    store.refused(("", "nodes"), "", refused)
    assert store.list(NODES) == refused
    store.refused(("apps", "deployments"), "", NOT_SERVED)
    assert store.list(DEPLOYMENTS, "coder") == NOT_SERVED
    assert store.get(DEPLOYMENTS, "a", "coder") == NOT_SERVED


def test_a_tape_fills_it() -> None:
    """Lists, single objects and refusals; a list by label or one that was cut is not whole."""
    bodies: dict[str, Any] = {
        "deployments": {"items": [item("d")], "metadata": {"remainingItemCount": 3}},
        "pods": {"items": [item("a", app="x")]},
        "nodes": {"items": [{"metadata": {"name": "n"}}]},
    }

    class Inner(Store):
        def list(self, resource: Resource, *_: Any, **__: Any) -> Answer:
            return Answer(Outcome.OK, bodies[resource.plural])

    tape = Tape()
    cluster = taped_cluster.recording(Inner(), tape, LabClock())
    cluster.list(DEPLOYMENTS, "coder")
    cluster.list(PODS, "coder", "app=x")
    cluster.list(NODES)
    store = of_entries(tape.entries)

    assert names(store.list(NODES)) == ["n"]
    assert store.get(NODES, "m").outcome is Outcome.ABSENT
    assert store.get(PODS, "a", "coder").ok
    for resource in (PODS, DEPLOYMENTS):
        assert store.get(resource, "nosuch", "coder").outcome is Outcome.NOT_RECORDED


LINES = ["2026-11-02T08:00:00Z old", "  at line 3", "2026-11-02T08:59:30.5Z new", "  more", "{}"]


def test_a_log_answers_for_the_time_asked() -> None:
    """From the first line of that time on; a line without a time belongs to the one before."""
    store = Store(now=NOW)
    store.logged("coder", "a", "c", Log("\n".join(LINES)))
    assert store.logs("coder", "a", "c", since=60, lines=10).body == "\n".join(LINES[2:]) + "\n"
    assert store.logs("coder", "a", "c", since=60, lines=1).body == "{}\n"
    assert store.logs("coder", "a", "c", since=10, lines=1).body == ""
    assert store.logs("coder", "a", "c", since=60, lines=1, previous=True).outcome is Outcome.NOT_RECORDED
    assert store.logs("coder", "b", "c", since=60, lines=1).outcome is Outcome.NOT_RECORDED


def test_a_log_that_does_not_reach_so_far_answers_nothing() -> None:
    """Neither by time nor by lines; and without times nobody knows which lines are meant."""
    store = Store(now=NOW)
    store.logged("coder", "a", "short", Log("\n".join(LINES), since=30))
    store.logged("coder", "a", "few", Log("\n".join(LINES[2:4]), lines=2))
    store.logged("coder", "a", "timeless", Log("something\nelse"))
    for container in ("short", "few", "timeless"):
        answer = store.logs("coder", "a", container, since=60, lines=100)
        assert answer.outcome is Outcome.NOT_RECORDED, container


@pytest.mark.parametrize(
    ("line", "recent"),
    [
        ("2026-11-02 08:59:59 text", True),
        ('{"ts":"2026-11-02T08:59:59.123Z","msg":"x"}', True),
        ("2026-11-02T10:59:59+02:00 text", True),
        ("2026-11-02T07:59:59Z text", False),
        ("I1102 08:59:59.000000 1 server.go:1] klog has no year", None),
        ("99-99-99", None),
    ],
)
def test_times_of_lines(line: str, recent: bool | None) -> None:
    """As programs write them."""
    found = lines_since([line], datetime(2026, 11, 2, 8, 30, tzinfo=UTC))
    assert (None if found is None else bool(found)) is recent
