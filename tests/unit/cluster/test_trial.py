"""A pull that is tried: what the pod is like, when none is made, and how its end is read."""

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from acrcheck.cluster.reader import NODES, PODS, Answer, Outcome, Pull, Resource
from acrcheck.cluster.trial import AT_ONCE, Trials, pulled, unfit
from acrcheck.model import Permission
from checks.trial import ASKS
from tests.unit.wire.test_probes import Small

IMAGE = "acme.azurecr.io/coder/coderd:1.44"
QUESTION = Pull(
    "coder",
    IMAGE,
    "node-1",
    secrets=("registry",),
    service_account="coder",
    tolerations=({"key": "pool", "operator": "Exists"},),
    security={"runAsUser": 1001, "privileged": True},
    seconds=20.0,
)
STARTED = {"terminated": {"reason": "StartError", "exitCode": 128, "message": "exec: no such file"}}
REFUSED = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}


def node(*conditions: str, pods: str = "110", **spec: Any) -> dict[str, Any]:
    """A node that is ready, with other conditions that are true of it."""
    listed = [{"type": name, "status": "True"} for name in ("Ready", *conditions)]
    status = {"conditions": listed, "allocatable": {"pods": pods}}
    return {"metadata": {"name": "node-1"}, "spec": spec, "status": status}


@dataclass
class Kubelet(Small):
    """A cluster of one node whose kubelet comes to an end at once. Remembers what was asked, and the pods."""

    objects: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"nodes": [node()]})
    state: dict[str, Any] = field(default_factory=lambda: STARTED)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Give a pod or a node."""
        self.asked.append(("get", resource.plural, *(() if namespace else ("all",))))
        return super().get(resource, name, namespace)

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """List what there is."""
        full = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        self.asked.append(("list", full, *(() if namespace else ("all",))))
        return super().list(resource, namespace, labels, metadata_only=metadata_only)

    def list_by_fields(self, resource: Resource, namespace: str, fields: str) -> Answer:
        """List the pods of a node, or the events of a pod."""
        assert fields.startswith(("spec.nodeName=node-1,", "involvedObject.name=acrcheck-"))
        return self.list(resource, namespace)

    def create_pod(self, namespace: str, body: dict[str, Any]) -> Answer:
        """Create a pod."""
        self.asked.append(("create", "pods"))
        self.made.append(body)
        return super().create_pod(namespace, body)

    def delete_pod(self, namespace: str, name: str) -> Answer:
        """Delete a pod."""
        self.asked.append(("delete", "pods"))
        return super().delete_pod(namespace, name)


def tried(world: Kubelet, question: Pull = QUESTION) -> Answer:
    """Try a pull, and see that no pod is left of it."""
    answer = Trials(world, world).try_pull(question)
    assert list(world.pods) == ["coderd-1"]
    return answer


def test_the_pod() -> None:
    """Bound to the node, always pulling, nobody's but ours, unprivileged, and with a command that no image has."""
    world = Kubelet()
    assert tried(world).body["pulled"] is True
    (pod,) = world.made
    assert pod["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "acrcheck"}
    assert "ownerReferences" not in pod["metadata"]
    spec = pod["spec"]
    assert spec["nodeName"] == "node-1"
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["serviceAccountName"] == "coder"
    assert spec["tolerations"] == [{"key": "pool", "operator": "Exists"}]
    assert (spec["restartPolicy"], spec["activeDeadlineSeconds"]) == ("Never", 300)
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    (container,) = spec["containers"]
    assert (container["image"], container["imagePullPolicy"]) == (IMAGE, "Always")
    assert container["command"][0].startswith(f"/{pod['metadata']['name']}/")
    security = container["securityContext"]
    assert (security["runAsUser"], security["runAsNonRoot"]) == (1001, True)
    assert security["allowPrivilegeEscalation"] is False
    assert "privileged" not in security


def test_it_asks_what_its_check_declares() -> None:
    """Whoever gives the permissions that the check names has given all that it takes."""
    world = Kubelet()
    tried(world)
    assert set(world.asked) == set(ASKS)


@pytest.mark.parametrize(
    ("state", "came"),
    [
        (REFUSED, False),
        ({"waiting": {"reason": "ImagePullBackOff"}}, False),
        ({"waiting": {"reason": "illegal base64 data at input byte 3"}}, False),
        (STARTED, True),
        ({"waiting": {"reason": "CreateContainerConfigError"}}, True),
        ({"running": {}}, True),
        ({"terminated": {"reason": "ContainerStatusUnknown"}}, None),
        ({"waiting": {"reason": "ContainerCreating"}}, None),
        ({}, None),
    ],
)
def test_how_its_end_is_read(state: dict[str, Any], came: object) -> None:
    """What comes after the pull proves it, what the kubelet waits for disproves it, anything else is neither."""
    assert pulled({"containerStatuses": [{"name": "pull", "state": state}]}) is came
    assert tried(Kubelet(state=state)).body["pulled"] is came


def test_it_ends_in_time() -> None:
    """A pod that comes to nothing is deleted at the end of its time, and its status is given."""
    answer = tried(Kubelet(state={"waiting": {"reason": "ContainerCreating"}}))
    assert answer.body["pulled"] is None
    assert 20 <= answer.body["seconds"] < 21
    assert answer.body["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (node("DiskPressure"), "DiskPressure"),
        (node("MemoryPressure"), "MemoryPressure"),
        (node(unschedulable=True), "cordoned"),
        ({"metadata": {"name": "node-1"}}, "not ready"),
        (node(taints=[{"key": "ToBeDeletedByClusterAutoscaler"}]), "Autoscaler"),
        (node(taints=[{"key": "node.kubernetes.io/network-unavailable"}]), "network-unavailable"),
        (node(pods="2"), "1 of 2 pods"),
    ],
)
def test_no_pod_on_a_node_that_it_might_harm(body: dict[str, Any], why: str) -> None:
    """Under pressure, cordoned, not ready or full: nothing is created, and the reason is given."""
    world = Kubelet(objects={"nodes": [body]})
    answer = tried(world)
    assert answer.outcome is Outcome.CONFLICT
    assert why in answer.detail
    assert world.made == []


def test_no_pod_where_something_would_select_it() -> None:
    """A disruption budget over all pods would count it."""
    world = Kubelet()
    world.objects["poddisruptionbudgets"] = [{"metadata": {"name": "all"}, "spec": {"selector": {}}}]
    answer = tried(world)
    assert (answer.outcome, world.made) == (Outcome.CONFLICT, [])
    assert "poddisruptionbudget/all" in answer.detail


def test_no_pod_that_could_not_be_deleted() -> None:
    """Who may create and not delete creates nothing."""

    class OneWay(Kubelet):
        def allowed(self, permission: Permission) -> Answer:
            """All but deleting."""
            return Answer(Outcome.OK, {"allowed": permission.verb != "delete", "reason": ""})

    world = OneWay()
    answer = tried(world)
    assert answer.permission == PODS.permission("delete", "coder")
    assert world.made == []


def test_what_cannot_be_read_is_an_answer() -> None:
    """An unknown node, and what the server refuses at the creation."""
    assert tried(Kubelet(objects={})).outcome is Outcome.ABSENT
    refusal = Answer(Outcome.INVALID, detail="exceeded quota")
    assert tried(Kubelet(refuse={"create": refusal})) == refusal


def test_the_pod_is_deleted_when_it_is_interrupted() -> None:
    """Whatever happens while it waits."""

    class Interrupted(Kubelet):
        def sleep(self, seconds: float) -> None:
            """Be interrupted."""
            raise KeyboardInterrupt(seconds)

    world = Interrupted(state={})
    with pytest.raises(KeyboardInterrupt):
        Trials(world, world).try_pull(QUESTION)
    assert list(world.pods) == ["coderd-1"]


def test_what_could_not_be_deleted_is_tried_again() -> None:
    """`close` deletes what is left, tells what it could not, and lets nothing be created afterwards."""
    world = Kubelet(refuse={"delete": Answer(Outcome.TIMEOUT)})
    trials = Trials(world, world)
    trials.try_pull(QUESTION)
    (left,) = trials.close()
    assert left.startswith("coder/acrcheck-")
    world.refuse.clear()
    assert trials.close() == ()
    assert list(world.pods) == ["coderd-1"]
    assert trials.try_pull(QUESTION).outcome is Outcome.ERROR


def test_so_many_at_once() -> None:
    """Of many pulls no more than three are under way."""
    under_way, most, lock = [0], [0], threading.Lock()
    together = threading.Barrier(AT_ONCE, timeout=30)

    class Counting(Kubelet):
        def create_pod(self, namespace: str, body: dict[str, Any]) -> Answer:
            """Count it in."""
            with lock:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            return super().create_pod(namespace, body)

        def list_by_fields(self, resource: Resource, namespace: str, fields: str) -> Answer:
            """Wait for the others before the end."""
            if resource.plural == "events":
                together.wait()
            return super().list_by_fields(resource, namespace, fields)

        def delete_pod(self, namespace: str, name: str) -> Answer:
            """Count it out."""
            with lock:
                under_way[0] -= 1
            return super().delete_pod(namespace, name)

    world = Counting()
    trials = Trials(world, world)
    workers = [threading.Thread(target=trials.try_pull, args=(QUESTION,)) for _ in range(3 * AT_ONCE)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert most[0] == AT_ONCE
    assert list(world.pods) == ["coderd-1"]


def test_a_node_that_is_well() -> None:
    """Nothing speaks against a ready node."""
    assert unfit(node()) == ""
    assert Kubelet().get(NODES, "node-1").ok
