"""The lab's Kubernetes: its store, its selectors, and its controllers."""

import pytest

from acrcheck.cluster.reader import DEPLOYMENTS, JOBS, NODES, PODS, REPLICASETS
from acrcheck.cluster.selectors import labels_match
from acrcheck.lab import objects
from acrcheck.lab.clock import LabClock
from acrcheck.lab.kube import Json, Kubernetes, merged


def cluster() -> Kubernetes:
    """Two nodes and nothing on them."""
    kubernetes = Kubernetes(LabClock())
    for number in (1, 2):
        kubernetes.put(objects.node(f"node{number}", number, "pool", "vmss", "sub", "group"))
    return kubernetes


def names(kubernetes: Kubernetes) -> list[str]:
    """The names of all pods."""
    return [pod["metadata"]["name"] for pod in kubernetes.items(PODS)]


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ("", {}, True),
        ("a=b", {"a": "b", "c": "d"}, True),
        ("a==b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a!=b", {}, True),
        ("a in (b, c),d", {"a": "c", "d": ""}, True),
        ("a in (b,c)", {}, False),
        ("a notin (b)", {}, True),
        ("a notin (b)", {"a": "b"}, False),
        ("!a", {"a": ""}, False),
        ("!a", {}, True),
        ("coder.deployment in (coderd,cemanager)", {"coder.deployment": "coderd"}, True),
    ],
)
def test_selectors(selector: str, labels: dict[str, str], matches: bool) -> None:
    """Equality-based and set-based requirements, joined by commas."""
    assert labels_match(selector)(labels) is matches


def test_a_malformed_selector_is_refused() -> None:
    """A set without its parentheses is no selector."""
    with pytest.raises(ValueError, match="unable to parse"):
        labels_match("a in b")


def test_merge_patches() -> None:
    """Objects are merged, everything else is replaced, null removes (RFC 7386)."""
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None, "e": 3}, "d": [2]}) == {
        "a": {"c": 2, "e": 3},
        "d": [2],
    }


def test_a_deployment_gets_its_pods_spread_over_the_nodes() -> None:
    """As many pods as replicas, on different nodes, ready, each with an address of its node's range."""
    kubernetes = cluster()
    kubernetes.put(objects.coderd("coder"))
    kubernetes.settle()
    pods = kubernetes.items(PODS)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node1", "node2"}
    assert all(pod["status"]["podIP"].startswith(f"10.244.{pod['spec']['nodeName'][-1]}.") for pod in pods)
    assert kubernetes.get(DEPLOYMENTS, "coderd", "coder")["status"]["readyReplicas"] == 2


def test_settling_twice_changes_nothing() -> None:
    """Controllers that have done their work leave pods and time alone."""
    kubernetes = cluster()
    kubernetes.put(objects.coderd("coder"))
    kubernetes.settle()
    before, moment = names(kubernetes), kubernetes.clock.now()
    kubernetes.settle()
    assert (names(kubernetes), kubernetes.clock.now()) == (before, moment)


def test_a_changed_template_replaces_the_pods() -> None:
    """New pods have the new label, other names and a later start; the old ReplicaSet is kept without pods."""
    kubernetes = cluster()
    kubernetes.put(objects.coderd("coder"))
    kubernetes.settle()
    before = {pod["metadata"]["name"]: pod["status"]["startTime"] for pod in kubernetes.items(PODS)}
    deployment = kubernetes.get(DEPLOYMENTS, "coderd", "coder")
    deployment["spec"]["template"]["metadata"]["labels"]["new"] = "yes"
    kubernetes.settle()
    pods = kubernetes.items(PODS)
    assert not before.keys() & set(names(kubernetes))
    assert all(pod["metadata"]["labels"]["new"] == "yes" for pod in pods)
    assert min(pod["status"]["startTime"] for pod in pods) > max(before.values())
    assert sorted(item["spec"]["replicas"] for item in kubernetes.items(REPLICASETS)) == [0, 2]


def test_a_deleted_pod_is_replaced_elsewhere_when_its_node_is_cordoned() -> None:
    """The ReplicaSet makes another pod, on a node that takes pods."""
    kubernetes = cluster()
    kubernetes.put(objects.coderd("coder"))
    kubernetes.settle()
    pod = next(item for item in kubernetes.items(PODS) if item["spec"]["nodeName"] == "node1")
    kubernetes.get(NODES, "node1")["spec"]["unschedulable"] = True
    kubernetes.remove(PODS, pod["metadata"]["name"], "coder")
    kubernetes.settle()
    assert [item["spec"]["nodeName"] for item in kubernetes.items(PODS)] == ["node2", "node2"]


def test_a_daemon_set_is_on_each_node_that_fits() -> None:
    """One pod a node, with the node's own address as it uses its network, and none where the selector forbids."""
    kubernetes = cluster()
    kubernetes.get(NODES, "node2")["metadata"]["labels"]["kubernetes.io/os"] = "windows"
    kubernetes.put(objects.nmi())
    kubernetes.settle()
    (pod,) = kubernetes.items(PODS)
    assert pod["spec"]["nodeName"] == "node1"
    assert pod["status"]["podIP"] == pod["status"]["hostIP"]


def test_replacing_an_object_counts_its_generations() -> None:
    """A changed specification is a new generation of the same object."""
    kubernetes = cluster()
    first = kubernetes.put(objects.coderd("coder"))
    second = kubernetes.put(objects.coderd("coder", replicas=3))
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert (first["metadata"]["generation"], second["metadata"]["generation"]) == (1, 2)


def test_custom_resources_are_served_when_they_are_defined() -> None:
    """Without the definition the API server knows no such resource."""
    kubernetes = cluster()
    assert kubernetes.served() == {}
    for definition in objects.definitions():
        kubernetes.put(definition)
    assert len(kubernetes.served()["aadpodidentity.k8s.io/v1"]) == 4


def put(kubernetes: Kubernetes, kind: str) -> Json:
    """Apply a workload of a kind, and let the controllers work."""
    item = kubernetes.put(objects.worker(kind, "default", "worker", "image", {}))
    kubernetes.settle()
    return item


def test_a_statefulset_numbers_its_pods_and_replaces_them_with_its_template() -> None:
    """The names stay, the pods are new ones."""
    kubernetes = cluster()
    item = put(kubernetes, "StatefulSet")
    assert names(kubernetes) == ["worker-0", "worker-1"]
    item["spec"]["template"]["metadata"]["labels"]["new"] = "yes"
    kubernetes.settle()
    assert names(kubernetes) == ["worker-0", "worker-1"]
    assert all(pod["metadata"]["labels"]["new"] == "yes" for pod in kubernetes.items(PODS))
    assert kubernetes.ended == {"worker-0", "worker-1"}


def test_a_statefulset_that_waits_for_deletion_keeps_its_pods() -> None:
    """With OnDelete a pod is of the newest template only after somebody has deleted it."""
    kubernetes = cluster()
    item = put(kubernetes, "StatefulSet")
    item["spec"] |= {"updateStrategy": {"type": "OnDelete"}}
    item["spec"]["template"]["metadata"]["labels"]["new"] = "yes"
    kubernetes.settle()
    assert item["status"]["updatedReplicas"] == 0
    kubernetes.remove(PODS, "worker-1", "default")
    kubernetes.settle()
    labels = {pod["metadata"]["name"]: pod["metadata"]["labels"] for pod in kubernetes.items(PODS)}
    assert "new" not in labels["worker-0"]
    assert labels["worker-1"]["new"] == "yes"
    assert item["status"]["updatedReplicas"] == 1


def test_a_daemonset_replaces_its_pods_with_its_template() -> None:
    """One pod a node, of the newest template."""
    kubernetes = cluster()
    item = put(kubernetes, "DaemonSet")
    before = names(kubernetes)
    item["spec"]["template"]["metadata"]["labels"]["new"] = "yes"
    kubernetes.settle()
    assert len(before) == len(names(kubernetes)) == 2
    assert not set(before) & set(names(kubernetes))


def test_a_job_has_its_pods_until_it_has_ended() -> None:
    """A deleted pod is replaced, by the label that the Job's selector means."""
    kubernetes = cluster()
    item = put(kubernetes, "Job")
    first = names(kubernetes)[0]
    assert kubernetes.remove(PODS, first, "default")
    kubernetes.settle()
    pods = kubernetes.items(PODS)
    assert len(pods) == item["status"]["active"] == 2
    selector = item["spec"]["selector"]["matchLabels"].items()
    assert all(selector <= pod["metadata"]["labels"].items() for pod in pods)


def test_a_cronjob_runs_one_job() -> None:
    """The Job is the CronJob's, and its pods are the Job's."""
    kubernetes = cluster()
    item = put(kubernetes, "CronJob")
    (job,) = kubernetes.items(JOBS)
    assert job["metadata"]["ownerReferences"][0]["uid"] == item["metadata"]["uid"]
    assert [entry["name"] for entry in item["status"]["active"]] == [job["metadata"]["name"]]
    assert {pod["metadata"]["labels"]["job-name"] for pod in kubernetes.items(PODS)} == {
        job["metadata"]["name"]
    }
