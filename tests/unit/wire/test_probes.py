"""What is put beside a workload: only with leave, nobody's but our own, and taken away on every way out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from acrcheck.cluster.hands import Executed
from acrcheck.cluster.leftovers import Leftover, find_leftovers
from acrcheck.cluster.reader import NODES, PODS, REPLICASETS, Answer, Outcome, Pull, Resource
from acrcheck.cluster.selectors import NETWORK_POLICIES, POD_DISRUPTION_BUDGETS, SERVICES, matches
from acrcheck.model import Permission
from acrcheck.wire.door import Failure, Request, Response, Trouble, Vantage
from acrcheck.wire.live import LiveWire
from acrcheck.wire.pod import probe_labels
from acrcheck.wire.vault import Vault

BOTH = frozenset({"debug-container", "probe-pod"})
LABELS = {"app": "coderd", "coder.deployment": "coderd", "aadpodidbinding": "coder"}
QUESTION = Request("GET", "https://registry.example/v2/")


def workload() -> dict[str, Any]:
    """A pod of coderd."""
    return {
        "metadata": {"name": "coderd-1", "namespace": "coder", "labels": dict(LABELS)},
        "spec": {
            "nodeName": "node-1",
            "serviceAccountName": "coder",
            "tolerations": [{"key": "pool", "operator": "Exists"}],
            "imagePullSecrets": [{"name": "registry"}],
            "containers": [
                {
                    "name": "coderd",
                    "image": "coder:1",
                    "env": [
                        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
                        {"name": "CODER_PG_PASSWORD", "value": "very-secret"},
                        {"name": "NO_PROXY", "valueFrom": {"configMapKeyRef": {}}},
                    ],
                    "securityContext": {"runAsUser": 1001},
                }
            ],
        },
    }


@dataclass
class Small:
    """A cluster of a few objects in which containers start at once, and a clock that never waits."""

    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=lambda: {"coderd-1": workload()})
    programs: dict[str, set[str]] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=lambda: {"running": {}})
    refuse: dict[str, Answer] = field(default_factory=dict)
    ran: list[tuple[str, str, str]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def now(self) -> datetime:
        """A day."""
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.seconds += seconds

    def path(self, path: str) -> Answer:
        """Not asked."""
        return Answer(Outcome.NO_API, detail=path)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Give a pod, or a node."""
        if resource == NODES:
            nodes = self.objects.get("nodes", [])
            found = next((node for node in nodes if node["metadata"]["name"] == name), None)
            return Answer(Outcome.OK, found) if found else Answer(Outcome.ABSENT)
        assert (resource, namespace) == (PODS, "coder")
        return Answer(Outcome.OK, self.pods[name]) if name in self.pods else Answer(Outcome.ABSENT)

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """List what there is."""
        del namespace, labels, metadata_only
        if resource.plural in self.refuse:
            return self.refuse[resource.plural]
        listed = list(self.pods.values()) if resource == PODS else self.objects.get(resource.plural, [])
        return Answer(Outcome.OK, {"items": listed})

    def allowed(self, permission: Permission) -> Answer:
        """Not asked."""
        return Answer(Outcome.OK, {"allowed": True, "reason": permission.text})

    def logs(
        self, namespace: str, pod: str, container: str, *, since: int, lines: int, previous: bool = False
    ) -> Answer:
        """Not asked."""
        del namespace, pod, container, since, lines
        return Answer(Outcome.OK, "")

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        limit: int = 1_048_576,
    ) -> Executed | Answer:
        """Run what the container's image has: curl that answers 401."""
        del namespace, stdin, seconds, limit
        self.ran.append((pod, container, argv[0]))
        if argv[0] not in self.programs.get(container, {"curl"}):
            return Executed(127)
        return Executed(0, b"HTTP/1.1 401 Unauthorized\r\n\r\n{}")

    def try_pull(self, question: Pull) -> Answer:
        """Not asked."""
        return Answer(Outcome.INVALID, detail=question.image)

    def list_by_fields(self, resource: Resource, namespace: str, fields: str) -> Answer:
        """List the pods that are on a node, or the events of a pod."""
        del namespace, fields
        return self.list(resource)

    def create_pod(self, namespace: str, body: dict[str, Any]) -> Answer:
        """Create a pod, which starts at once."""
        if "create" in self.refuse:
            return self.refuse["create"]
        assert namespace == "coder"
        name = body["metadata"]["name"]
        container = body["spec"]["containers"][0]["name"]
        self.pods[name] = {
            **body,
            "status": {"containerStatuses": [{"name": container, "state": self.state}]},
        }
        return Answer(Outcome.OK, body)

    def delete_pod(self, namespace: str, name: str) -> Answer:
        """Delete a pod."""
        assert namespace == "coder"
        if "delete" in self.refuse:
            return self.refuse["delete"]
        self.deleted.append(name)
        return Answer(Outcome.OK if self.pods.pop(name, None) else Outcome.ABSENT, {})

    def add_ephemeral_container(self, namespace: str, pod: str, container: dict[str, Any]) -> Answer:
        """Add a container, which starts at once."""
        assert namespace == "coder"
        if "patch" in self.refuse:
            return self.refuse["patch"]
        self.pods[pod]["spec"].setdefault("ephemeralContainers", []).append(container)
        status = {"name": container["name"], "state": self.state}
        self.pods[pod].setdefault("status", {}).setdefault("ephemeralContainerStatuses", []).append(status)
        return Answer(Outcome.OK, self.pods[pod])


def beside(kind: str) -> Vantage:
    """A vantage beside the workload's pod."""
    return Vantage(kind, "coder", "coderd-1", "coderd", "node-1")


def ask(
    world: Small, kind: str, allow: frozenset[str] = BOTH, image: str = ""
) -> tuple[LiveWire, Response | Failure]:
    """Ask one question from there."""
    wire = LiveWire(world, Vault(), world, allow=allow, probe_image=image)
    return wire, wire.request(beside(kind), QUESTION)


def created(world: Small) -> dict[str, Any]:
    """The one pod that was created."""
    (pod,) = (pod for name, pod in world.pods.items() if name.startswith("acrcheck-"))
    return pod


@pytest.mark.parametrize(("kind", "leave"), [("debug", "debug-container"), ("pod", "probe-pod")])
def test_without_leave_nothing_is_created(kind: str, leave: str) -> None:
    """Without its flag a vantage cannot look, names the flag, and the cluster is as before."""
    world = Small()
    _, got = ask(world, kind, allow=BOTH - {leave})
    assert isinstance(got, Failure)
    assert (got.trouble, got.remedy) == (Trouble.NO_TOOL, f"--allow {leave}")
    assert world.pods == {"coderd-1": workload()}
    assert world.ran == []


def test_an_ephemeral_container() -> None:
    """It is unprivileged, ends by itself, has the workload's user and proxies, and none of its secrets."""
    world = Small()
    wire, got = ask(world, "debug")
    assert isinstance(got, Response)
    (container,) = world.pods["coderd-1"]["spec"]["ephemeralContainers"]
    assert container["name"].startswith("acrcheck-")
    assert container["image"] == "coder:1"
    assert container["command"] == ["sleep", "300"]
    assert container["env"] == [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]
    assert container["securityContext"]["runAsUser"] == 1001
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert world.ran[-1] == ("coderd-1", container["name"], "curl")
    wire.request(beside("debug"), QUESTION)
    assert len(world.pods["coderd-1"]["spec"]["ephemeralContainers"]) == 1, (
        "one container serves all questions"
    )
    assert wire.close() == ()


def test_a_short_lived_pod_and_its_end() -> None:
    """Same namespace, node and account; only the identity's labels and ours; gone after `close`."""
    world = Small()
    wire, got = ask(world, "pod")
    assert isinstance(got, Response)
    pod = created(world)
    assert pod["metadata"]["labels"] == {
        "aadpodidbinding": "coder",
        "app.kubernetes.io/managed-by": "acrcheck",
    }
    assert "ownerReferences" not in pod["metadata"]
    spec = pod["spec"]
    assert (spec["nodeName"], spec["serviceAccountName"], spec["restartPolicy"]) == (
        "node-1",
        "coder",
        "Never",
    )
    assert (spec["activeDeadlineSeconds"], spec["terminationGracePeriodSeconds"]) == (300, 0)
    assert spec["automountServiceAccountToken"] is False
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["tolerations"] == [{"key": "pool", "operator": "Exists"}]
    assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert "very-secret" not in json.dumps(pod)
    assert wire.close() == ()
    assert list(world.pods) == ["coderd-1"]
    again = wire.request(Vantage("pod", "coder", "coderd-1b", "coderd"), QUESTION)
    assert isinstance(again, Failure), "after the end nothing is created any more"


def test_a_short_lived_pod_on_a_node_of_choice() -> None:
    """Like the workload's pod, and elsewhere; another one than beside it."""
    world = Small({"nodes": [{"metadata": {"name": "node-2"}}]})
    wire = LiveWire(world, Vault(), world, allow=BOTH)
    for node in ("", "node-2"):
        assert isinstance(
            wire.request(Vantage("pod", "coder", "coderd-1", "coderd", node), QUESTION), Response
        )
    assert [body["spec"]["nodeName"] for name, body in world.pods.items() if name != "coderd-1"] == [
        "node-1",
        "node-2",
    ]
    wire.close()


def test_no_pod_is_created_for_a_node_that_is_not_there() -> None:
    """It would wait for nothing until its time is over: that the node is missing is said at once."""
    world = Small()
    wire = LiveWire(world, Vault(), world, allow=BOTH)
    got = wire.request(Vantage("pod", "coder", "coderd-1", "coderd", "node-3"), QUESTION)
    assert isinstance(got, Failure)
    assert (got.blind, got.detail) == (True, "there is no node node-3 for the throw-away pod")
    assert list(world.pods) == ["coderd-1"]


def test_the_image_has_a_client() -> None:
    """The workload's own image where it has one; else the documentation's; --probe-image before both."""
    for programs, image, expected in [
        ({"curl"}, "", "coder:1"),
        ({"python3"}, "", "coder:1"),
        (set[str](), "", "mcr.microsoft.com/azure-cli"),
        ({"curl"}, "mine:2", "mine:2"),
    ]:
        world = Small(programs={"coderd": programs})
        wire, _ = ask(world, "pod", image=image)
        assert created(world)["spec"]["containers"][0]["image"] == expected
        wire.close()


SELECTORS = [
    (SERVICES, {"selector": {"aadpodidbinding": "coder"}}, "service/x"),
    (REPLICASETS, {"selector": {"matchLabels": {"aadpodidbinding": "coder"}}}, "replicaset/x"),
    (
        POD_DISRUPTION_BUDGETS,
        {"selector": {"matchExpressions": [{"key": "aadpodidbinding", "operator": "Exists"}]}},
        "poddisruptionbudget/x",
    ),
    (POD_DISRUPTION_BUDGETS, {"selector": {}}, "poddisruptionbudget/x"),
    (
        NETWORK_POLICIES,
        {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}},
        "networkpolicy/x",
    ),
]


@pytest.mark.parametrize(("resource", "spec", "named"), SELECTORS)
def test_no_pod_where_something_would_select_it(resource: Resource, spec: dict[str, Any], named: str) -> None:
    """An object that would take the pod for its own is named, and no pod is created."""
    world = Small(objects={resource.plural: [{"metadata": {"name": "x"}, "spec": spec}]})
    _, got = ask(world, "pod")
    assert isinstance(got, Failure)
    assert named in got.detail
    assert list(world.pods) == ["coderd-1"]


def test_what_selects_the_workload_only_does_not_matter() -> None:
    """The workload's own Service, and policies that hold for the whole namespace, stand in nobody's way."""
    world = Small(
        objects={
            "services": [
                {"metadata": {"name": "coderd"}, "spec": {"selector": {"app": "coderd"}}},
                {"metadata": {"name": "outside"}, "spec": {"externalName": "example.com"}},
            ],
            "networkpolicies": [{"metadata": {"name": "default-deny"}, "spec": {"podSelector": {}}}],
        }
    )
    wire, got = ask(world, "pod")
    assert isinstance(got, Response)
    wire.close()


def test_what_cannot_be_excluded_is_not_risked() -> None:
    """Who may not list the selectors gets no pod, and the permission's name."""
    permission = Permission("list", "networkpolicies", "coder", "networking.k8s.io")
    world = Small(refuse={"networkpolicies": Answer(Outcome.FORBIDDEN, detail="no", permission=permission)})
    _, got = ask(world, "pod")
    assert isinstance(got, Failure)
    assert got.trouble is Trouble.FORBIDDEN
    assert got.permission == ("list", "networkpolicies.networking.k8s.io", "coder")
    assert list(world.pods) == ["coderd-1"]


@pytest.mark.parametrize("kind", ["debug", "pod"])
def test_a_container_that_does_not_start(kind: str) -> None:
    """An image that cannot be pulled is told at once, in the kubelet's words; the pod is still deleted."""
    world = Small(state={"waiting": {"reason": "ErrImagePull", "message": "not found"}})
    wire, got = ask(world, kind)
    assert isinstance(got, Failure)
    assert got.trouble is Trouble.NOT_RUNNING
    assert "ErrImagePull: not found" in got.detail
    wire.close()
    assert list(world.pods) == ["coderd-1"]


def test_a_container_that_never_starts() -> None:
    """Waiting has an end."""
    world = Small(state={"waiting": {"reason": "ContainerCreating"}})
    wire, got = ask(world, "pod")
    assert isinstance(got, Failure)
    assert "did not start within 60 s: ContainerCreating" in got.detail
    wire.close()


@pytest.mark.parametrize(("kind", "verb"), [("debug", "patch"), ("pod", "create")])
def test_what_the_server_refuses_is_told(kind: str, verb: str) -> None:
    """An admission refusal is told in its own words; a lost answer to a creation is still cleaned up after."""
    world = Small(
        refuse={verb: Answer(Outcome.INVALID, detail='admission webhook "policy" denied the request')}
    )
    wire, got = ask(world, kind)
    assert isinstance(got, Failure)
    assert "admission webhook" in got.detail
    wire.close()
    assert len(world.deleted) == (1 if kind == "pod" else 0)


def test_what_cannot_be_deleted_is_told() -> None:
    """`close` gives the pods that are left, and another call tries again."""
    world = Small()
    wire, _ = ask(world, "pod")
    name = created(world)["metadata"]["name"]
    world.refuse["delete"] = Answer(Outcome.TIMEOUT)
    assert wire.close() == (f"coder/{name}",)
    world.refuse.clear()
    assert wire.close() == ()


def test_leftovers_are_found_by_label_and_name() -> None:
    """Pods of ours and ephemeral containers of ours; nothing that only looks like it."""
    world = Small()
    wire, _ = ask(world, "pod")
    wire.request(beside("debug"), QUESTION)
    world.pods["helm"] = {
        "metadata": {
            "name": "other",
            "namespace": "coder",
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
        }
    }
    world.pods["fake"] = {"metadata": {"name": "acrcheck-x", "namespace": "coder", "labels": {}}}
    ours = created_name(world)
    container = world.pods["coderd-1"]["spec"]["ephemeralContainers"][0]["name"]
    assert find_leftovers(world, "coder") == (
        Leftover("coder", "coderd-1", container, running=True),
        Leftover("coder", ours),
    )
    assert [leftover.deletable for leftover in find_leftovers(world)] == [False, True]
    wire.close()


def created_name(world: Small) -> str:
    """The name of the pod with our label."""
    label = "app.kubernetes.io/managed-by"
    return next(
        name for name, pod in world.pods.items() if pod["metadata"]["labels"].get(label) == "acrcheck"
    )


def test_labels_of_a_probe() -> None:
    """Of the workload's labels only those that give it its identity."""
    assert probe_labels({**LABELS, "azure.workload.identity/use": "true"}) == {
        "aadpodidbinding": "coder",
        "azure.workload.identity/use": "true",
        "app.kubernetes.io/managed-by": "acrcheck",
    }


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Gt"}]}, True),
    ],
)
def test_label_selectors(selector: dict[str, Any], selected: bool) -> None:
    """Kubernetes' rules for matchLabels and matchExpressions; what is not known might select."""
    assert matches(selector, {"a": "1"}) is selected
