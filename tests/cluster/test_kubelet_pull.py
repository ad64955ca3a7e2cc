"""Real pulls by real kubelets, tried with leave: what works, what fails, and that no pod stays."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.cluster import azure, podidentity
from tests.cluster.harness import Cluster, Json
from tests.cluster.place import IMAGE, LABEL, Place
from tests.cluster.product import Product, Run, operator
from tests.cluster.test_infrastructure import _refresh_token

OURS = "app.kubernetes.io/managed-by=acrcheck"
TAG = f"{IMAGE}:{azure.IMAGE_TAG}"
FLAGS = ("--allow", "probe-pod", "--only", "trial")


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    """A coderd that names a pull secret, which the registry takes."""
    podidentity.install(cluster)
    place = Place(cluster, "real-pull")
    place.healthy(imagePullSecrets=[{"name": "acr"}])
    place.kubectl(
        "create",
        "secret",
        "docker-registry",
        "acr",
        f"--docker-server={azure.REGISTRY}",
        "--docker-username=00000000-0000-0000-0000-000000000000",
        f"--docker-password={_refresh_token(cluster)}",
    )
    yield place
    place.remove()


def _run(product: Product, place: Place, image: str, *flags: str) -> tuple[list[Json], Run]:
    """Try the pulls of an image; the results for it."""
    name = f"pull-{abs(hash((image, *flags)))}"
    run = product.run(place.cluster, name, "-n", place.namespace, "--image", image, *FLAGS, *flags)
    found = [check for check in run.checks if check["id"] == "kubelet-pull"]
    return [check for check in found if image in check["subject"]], run


def _none_left(cluster: Cluster) -> None:
    assert cluster.get("pods", "-A", "-l", OURS)["items"] == []


def test_a_pull_that_works_and_what_was_created(product: Product, place: Place) -> None:
    """On both nodes, from an image without a shell too; by pods that nothing selects and in which nothing ran."""
    since = place.cluster.audit_log.stat().st_size
    results, run = _run(product, place, TAG)
    assert [check["status"] for check in results] == ["pass"] * len(results), run.text
    assert len(results) == len({check["subject"] for check in results}) >= 2
    _none_left(place.cluster)
    asked = _asked(place.cluster, since)
    created = [event["requestObject"] for event in asked if event["verb"] == "create"]
    tried = [pod for pod in created if pod["spec"]["containers"][0]["image"] == TAG]
    assert len(tried) == len(results)
    for pod in created:
        assert pod["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "acrcheck"}
        assert LABEL not in pod["metadata"]["labels"]
        assert pod["spec"]["nodeName"]
        assert pod["spec"]["imagePullSecrets"] == [{"name": "acr"}]
        assert pod["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    deleted = {event["objectRef"]["name"] for event in asked if event["verb"] == "delete"}
    assert deleted == {pod["metadata"]["name"] for pod in created}


def test_a_pull_that_fails_says_so_in_the_kubelets_words(product: Product, place: Place) -> None:
    """A tag that is not there: the cause that the words name, on each node."""
    missing = f"{IMAGE}:no-such-tag"
    results, run = _run(product, place, missing)
    assert [check["status"] for check in results] == ["fail"] * len(results), run.text
    assert len(results) >= 2
    assert "tag-not-found" in [cause["id"] for cause in run.causes]
    assert "not found" in run.text
    _none_left(place.cluster)


def test_ctrl_c_leaves_no_pod(product: Product, place: Place) -> None:
    """In the middle of a pull."""
    done = product.interrupted(place.cluster, "-n", place.namespace, "--image", TAG, *FLAGS, when=OURS)
    assert done.returncode in {0, 1, 130}, done.stderr
    _none_left(place.cluster)


def test_what_a_killed_run_leaves_is_found(product: Product, place: Place) -> None:
    """It could not delete anything any more: `cleanup` finds the pod by label and name, and deletes it."""
    unreachable = "10.255.255.1:5000/never/there:1"
    argv = product.command(place.cluster, "-n", place.namespace, "--image", unreachable, *FLAGS)
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=operator(place.cluster),
    ) as running:
        ours = ("pods", "-A", "-l", OURS)
        place.cluster.wait("a pod", lambda: bool(place.cluster.get(*ours)["items"]))
        running.kill()
    left = {pod["metadata"]["name"] for pod in place.cluster.get("pods", "-A", "-l", OURS)["items"]}
    flags = ("--kubeconfig", str(place.cluster.kubeconfig), "-o", "json", "--yes")
    cleaned = product.call(place.cluster, "cleanup", *flags)
    assert cleaned.returncode == 0, cleaned.stderr
    found = {item["pod"] for item in json.loads(cleaned.stdout)["leftovers"] if not item["container"]}
    assert left
    assert left <= found
    place.cluster.wait("the pods' end", lambda: not place.cluster.get("pods", "-A", "-l", OURS)["items"])


def test_nothing_is_pulled_on_a_cordoned_node(product: Product, place: Place) -> None:
    """Its pool is unknown, with the reason, and the other is tried."""
    node = place.cluster.get("nodes")["items"][0]["metadata"]["name"]
    place.kubectl("cordon", node)
    try:
        results, run = _run(product, place, TAG, "--timeout", "90s")
    finally:
        place.kubectl("uncordon", node)
    assert sorted(check["status"] for check in results) == ["pass", "unknown"], run.text
    assert f"{node}: it is cordoned" in run.text


def _asked(cluster: Cluster, since: int) -> list[Json]:
    """What acrcheck asked to be done with pods since then, by the audit log."""
    with cluster.audit_log.open() as log:
        log.seek(since)
        events = [json.loads(line) for line in log]
    return [
        event
        for event in events
        if event["verb"] in {"create", "delete"}
        and (event.get("objectRef") or {}).get("resource") == "pods"
        and "subresource" not in event["objectRef"]
        and str(event.get("userAgent", "")).startswith("acrcheck/")
    ]
