"""Pods without any HTTP client: nothing is created without leave, and with leave nothing stays."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.cluster import azure, manifests, podidentity
from tests.cluster.harness import Cluster, Json
from tests.cluster.layout import NODES, Node
from tests.cluster.live import Look
from tests.cluster.place import IMAGE, Place
from tests.cluster.product import Product, Run

PROBE = "app.kubernetes.io/managed-by=acrcheck"


@pytest.fixture(scope="module")
def bare(cluster: Cluster) -> Iterator[Place]:
    """Coderd from an image with nothing but coderd, behind a Service; all else is well."""
    podidentity.install(cluster)
    place = Place(cluster, "bare")
    place.healthy(image=manifests.BARE_IMAGE)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "coderd", "namespace": place.namespace},
        "spec": {"selector": {"coder.deployment": "coderd"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    place.make(service)
    yield place
    place.remove()


def _run(product: Product, place: Place, *flags: str) -> Run:
    return product.run(
        place.cluster, f"bare-{len(flags)}-{time.monotonic_ns()}", "-n", place.namespace, *flags
    )


def test_without_leave_it_is_unknown_and_names_the_flag(product: Product, bare: Place) -> None:
    """Nothing can be asked, nothing is created, and the report says what would open the view."""
    look = Look(bare.cluster)
    run = _run(product, bare)
    assert run.code == 3
    assert run.with_status("fail") == []
    tokens = [check for check in run.checks if check["id"] == "token"]
    assert {check["status"] for check in tokens} == {"unknown"}
    assert all("--allow" in str(check["remedy"]) for check in tokens)
    assert "--allow probe-pod" in run.text
    assert look.changed() == []


def test_a_throw_away_pod_takes_part_in_nothing_and_goes(product: Product, bare: Place) -> None:
    """Its answers are those of a pod labelled alike; no Service, no ReplicaSet takes it, and it is gone afterwards."""
    before = _belongings(bare)
    events = bare.cluster.audit_log.stat().st_size
    run = _run(product, bare, "--allow", "probe-pod", "--probe-image", manifests.AZ_IMAGE)
    assert run.code == 0, run.text
    assert {check["status"] for check in run.checks if check["id"] in {"token", "login"}} == {"pass"}
    assert _belongings(bare) == before
    _gone(bare)
    created = _created(bare.cluster, events)
    assert created
    for pod in created:
        labels, spec = pod["metadata"]["labels"], pod["spec"]
        assert "coder.deployment" not in labels
        assert labels["aadpodidbinding"] == bare.selector
        assert not pod["metadata"].get("ownerReferences")
        assert spec["activeDeadlineSeconds"] <= 600
        assert spec["serviceAccountName"] == "coder"
        for container in spec["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_an_ephemeral_container_sees_what_the_pod_sees(product: Product, bare: Place) -> None:
    """It stays in the pod's spec, ends by itself, and `cleanup` lists it."""
    run = _run(product, bare, "--allow", "debug-container", "--probe-image", manifests.AZ_IMAGE)
    assert run.code == 0, run.text
    assert {check["status"] for check in run.checks if check["id"] in {"token", "login"}} == {"pass"}
    assert "ephemeral" in run.text + run.stderr
    pods = bare.cluster.get("pods", "-n", bare.namespace, "-l", "coder.deployment=coderd")["items"]
    names = [item["name"] for pod in pods for item in pod["spec"].get("ephemeralContainers", ())]
    assert len(names) == len(pods)
    listed = product.call(bare.cluster, "cleanup", "--kubeconfig", str(bare.cluster.kubeconfig))
    assert listed.returncode == 0, listed.stderr
    assert all(name in listed.stdout for name in names)


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.pool)
def test_the_registry_is_asked_from_a_node_of_choice(product: Product, bare: Place, node: Node) -> None:
    """With the identity's token, from a throw-away pod on that node, down to the layers; the node is not changed."""
    flags = ("--only", "registry", "--image", f"{IMAGE}:{azure.IMAGE_TAG}", "--node", node.name)
    leave = ("--vantage", "probe-pod", "--allow", "probe-pod", "--probe-image", manifests.AZ_IMAGE)
    events = bare.cluster.audit_log.stat().st_size
    run = _run(product, bare, *flags, *leave)
    assert run.code == 0, run.text
    layers = [check for check in run.checks if check["id"] == "registry-layer"]
    assert [check["status"] for check in layers] == ["pass"]
    assert node.name in {pod["spec"]["nodeName"] for pod in _created(bare.cluster, events)}
    _gone(bare)


def test_the_registry_is_asked_from_here(product: Product, bare: Place) -> None:
    """Where acrcheck runs, which is not the cluster's network: that it does not get there is said of here."""
    flags = ("--only", "registry", "--image", f"{IMAGE}:{azure.IMAGE_TAG}", "--vantage", "here")
    look = Look(bare.cluster)
    run = _run(product, bare, *flags)
    assert run.code == 1, run.text
    names = [check for check in run.checks if check["id"] == "registry-dns"]
    assert [(check["status"], check["subject"]) for check in names] == [("fail", f"here → {azure.REGISTRY}")]
    assert look.changed() == []


def test_a_node_that_is_not_there_is_said_at_once(product: Product, bare: Place) -> None:
    """Nothing is created for it, and nothing is waited for."""
    flags = ("--only", "registry", "--image", f"{IMAGE}:{azure.IMAGE_TAG}", "--node", "no-such-node")
    events = bare.cluster.audit_log.stat().st_size
    run = _run(product, bare, *flags, "--vantage", "probe-pod", "--allow", "probe-pod")
    assert run.code == 3, run.text
    assert "there is no node no-such-node" in run.text
    chosen = [pod["spec"]["nodeName"] for pod in _created(bare.cluster, events)]
    assert "no-such-node" not in chosen


def test_ctrl_c_deletes_the_pod(product: Product, bare: Place) -> None:
    """The partial report, exit 130, and no pod."""
    flags = ("-n", bare.namespace, "--allow", "probe-pod", "--probe-image", manifests.AZ_IMAGE)
    done = product.interrupted(bare.cluster, *flags, when=PROBE)
    assert done.returncode == 130, done.stderr
    assert json.loads(done.stdout)["summary"]["exitCode"] == 130
    _gone(bare)


def test_the_deadline_deletes_the_pod(product: Product, bare: Place) -> None:
    """A pod that cannot start in time is deleted with the rest unknown."""
    flags = ("--allow", "probe-pod", "--probe-image", "docker.io/library/no-such-image:1", "--timeout", "8s")
    run = _run(product, bare, *flags)
    assert run.code == 3, run.text
    _gone(bare)


def _gone(place: Place) -> None:
    assert place.cluster.get("pods", "-A", "-l", PROBE)["items"] == []


def _belongings(place: Place) -> Json:
    """Endpoints and owners: what changes when a pod is taken for one of coderd's."""
    slices = place.cluster.get("endpointslices", "-n", place.namespace)["items"]
    sets = place.cluster.get("replicasets", "-n", place.namespace)["items"]
    pods = place.cluster.get("pods", "-n", place.namespace)["items"]
    return {
        "endpoints": {item["metadata"]["name"]: item["endpoints"] for item in slices},
        "sets": {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in sets},
        "owners": {
            item["metadata"]["name"]: item["metadata"].get("ownerReferences")
            for item in pods
            if item["metadata"].get("ownerReferences")
        },
    }


def _created(cluster: Cluster, since: int) -> list[Json]:
    """The pods that something else than kubectl and Kubernetes itself asked for since then."""
    with cluster.audit_log.open() as log:
        log.seek(since)
        events = [json.loads(line) for line in log]
    return [
        event["requestObject"]
        for event in events
        if event["verb"] == "create"
        and (event.get("objectRef") or {}).get("resource") == "pods"
        and "subresource" not in event["objectRef"]
        and not str(event.get("userAgent", "")).startswith(("kubectl/", "kube-"))
    ]
