"""What a bundle reads beside the run: what, how much of it, and what becomes of it when not all can be read."""

import json
from typing import Any

import pytest

from acrcheck.bundle.collect import Collector, Limits, cut, described, logs, pods_of
from acrcheck.bundle.contents import missing
from acrcheck.bundle.store import Store, of_entries
from acrcheck.bundle.tape import Tape
from acrcheck.catalogue import builtin_dir, load_checks
from acrcheck.cluster.reader import EVENTS, NODES, PODS, Answer, Outcome, Resource
from acrcheck.lab.clock import LabClock
from acrcheck.lab.cluster import LabCluster
from acrcheck.lab.world import Forbidden, World, healthy

LIMITS = Limits()


def collected(world: World, cluster: Any = None, *, seconds: float = 60.0) -> tuple[bool, Tape]:
    """Read for a bundle of a world."""
    tape = Tape()
    collector = Collector(cluster or LabCluster(world), tape, world.clock, LIMITS, seconds)
    return collector.collect("coder", "deployment/coderd"), tape


def pod(name: str, *, node: str = "n1", namespace: str = "coder", restarts: int = 0, **labels: str) -> Any:
    """A pod with one container and an init container."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "main"}], "initContainers": [{"name": "first"}]},
        "status": {"containerStatuses": [{"name": "main", "restartCount": restarts}]},
    }


def test_all_is_read_that_the_operator_may_see() -> None:
    """Objects of the namespaces concerned, nodes, and logs of the workload's pods and of NMI; nothing is missing."""
    whole, tape = collected(healthy())
    store = of_entries(tape.entries)
    read = {json.loads(entry.question)["path"] for entry in tape.entries}
    assert whole
    assert missing(tape.entries) == []
    assert store.list(EVENTS, "coder").ok
    assert store.list(EVENTS, "kube-system").ok
    assert store.list(NODES).items()
    assert any(path.startswith("coder/coderd-") for path in read)
    assert any(path.startswith("kube-system/nmi-") for path in read)
    assert not any("azure-workload-identity-system" in path for path in read)


def test_what_is_forbidden_is_missing_with_its_reason() -> None:
    """The rest is read all the same."""
    world = healthy()
    world.operator.forbidden.append(Forbidden("list", "events"))
    whole, tape = collected(world)
    lacking = {item["what"]: item for item in missing(tape.entries)}
    assert whole
    assert lacking["events of coder"]["outcome"] == "forbidden"
    assert "cannot list" in lacking["events of coder"]["why"]
    assert of_entries(tape.entries).list(PODS, "coder").ok


def test_when_time_is_up_nothing_more_is_asked() -> None:
    """What was not read is named, with why."""

    class Slow(LabCluster):
        def list(self, resource: Resource, *given: Any, **named: Any) -> Answer:
            world.clock.sleep(20)
            return super().list(resource, *given, **named)

    world = healthy()
    whole, tape = collected(world, Slow(world), seconds=30)
    lacking = missing(tape.entries)
    assert whole
    assert lacking
    assert {item["why"] for item in lacking} == {"no time was left to read it"}


def test_interrupted_it_keeps_what_came() -> None:
    """And says that it is not whole."""

    class Interrupted(LabCluster):
        def logs(self, *given: Any, **named: Any) -> Answer:
            raise KeyboardInterrupt

    world = healthy()
    whole, tape = collected(world, Interrupted(world))
    assert not whole
    assert {item["why"] for item in missing(tape.entries)} == {"interrupted"}
    assert of_entries(tape.entries).list(PODS, "coder").ok


def test_nothing_is_read_twice() -> None:
    """What the run has listed whole is known."""
    world = healthy()
    _, first = collected(world)
    known = of_entries(first.entries)
    again = Collector(LabCluster(world), first, world.clock, LIMITS, 60)
    before = len(first.entries)
    again.collect("coder", "deployment/coderd")
    read = [json.loads(entry.question) for entry in first.entries[before:]]
    assert known.list(PODS, "coder").ok
    assert {question["verb"] for question in read} <= {"logs"}


@pytest.fixture
def known() -> Store:
    """Pods of a workload on one node, of another one, and of what serves them."""
    store = Store()
    selector = {
        "spec": {"selector": {"matchLabels": {"app": "x"}}},
        "metadata": {"name": "d", "namespace": "coder"},
    }
    store.add(("apps", "deployments"), selector)
    for item in (
        pod("d-1", app="x", restarts=2),
        pod("other", app="y"),
        pod("nmi-a", namespace="kube-system"),
        pod("nmi-b", namespace="kube-system", node="n2"),
        pod("mic-a", namespace="kube-system", node="n2"),
        pod("coredns-a", namespace="kube-system"),
    ):
        store.add(("", "pods"), item)
    return store


def test_logs_are_of_the_workload_and_of_what_serves_it(known: Store) -> None:
    """NMI of its nodes only, MIC wherever it is; of the instance before where there was one."""
    assert [item["metadata"]["name"] for item in pods_of(known, "coder", "deployment/d")] == ["d-1"]
    assert [reading.name for reading in logs(known, "coder", "deployment/d", LIMITS)] == [
        "log of coder/d-1 first",
        "log of coder/d-1 main",
        "previous log of coder/d-1 main",
        "log of kube-system/mic-a first",
        "log of kube-system/mic-a main",
        "log of kube-system/nmi-a first",
        "log of kube-system/nmi-a main",
    ]


def test_a_workload_that_is_not_known_has_no_pods(known: Store) -> None:
    """Not all of its namespace."""
    assert pods_of(known, "coder", "deployment/nosuch") == []


def test_a_list_is_cut_and_says_by_how_much() -> None:
    """As the API says that a page is not the last; what is small or no list is as it was."""
    answer = Answer(Outcome.OK, {"metadata": {"resourceVersion": "7"}, "items": [{"a": "x" * 50}] * 10})
    part = cut(answer, 150)
    assert len(part.items()) == 2
    assert part.body["metadata"] == {"resourceVersion": "7", "remainingItemCount": 8}
    assert cut(answer, 10_000) is answer
    refused = Answer(Outcome.FORBIDDEN)
    assert cut(refused, 1) is refused


def test_a_cut_list_is_missing_in_part() -> None:
    """The bundle names it."""

    class Large(LabCluster):
        def list(self, resource: Resource, *given: Any, **named: Any) -> Answer:
            items = [{"metadata": {"name": str(number)}, "text": "x" * 1000} for number in range(9)]
            return Answer(Outcome.OK, {"items": items}) if resource == NODES else Answer(Outcome.NO_API)

    tape = Tape()
    Collector(Large(healthy()), tape, LabClock(), Limits(item_bytes=4000), 60).collect(
        "coder", "deployment/coderd"
    )
    assert missing(tape.entries) == [
        {"what": "nodes", "outcome": "truncated", "why": "6 more were too large to take along"}
    ]
    assert of_entries(tape.entries).get(NODES, "8").outcome is Outcome.NOT_RECORDED


def test_what_would_be_read_is_said() -> None:
    """What the checks ask, the lists and the logs, with their limits."""
    lines = described(load_checks(builtin_dir()), "coder", Limits(since=60, lines=5))
    assert "the checks: list pods in namespace coder" in lines
    assert "objects: list networkpolicies.networking.k8s.io in namespace kube-system" in lines
    assert [line for line in lines if "the last 5 lines of 60 s" in line]
