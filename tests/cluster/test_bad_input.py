"""Bad input on the real thing: a clear message and exit 2, or `unknown` in a report; never a traceback."""

import json
from pathlib import Path

import pytest

from tests.cluster import crds, manifests
from tests.cluster.harness import Cluster, Json
from tests.cluster.place import Place
from tests.cluster.product import Product


@pytest.fixture(scope="module")
def here(cluster: Cluster) -> Place:
    """A namespace with coderd, and one more like it beside it."""
    place = Place(cluster, "bad-input")
    cluster.apply(*crds.definitions())
    place.coderd(replicas=1)
    _, twin = manifests.coderd(place.namespace, replicas=0)
    twin["metadata"]["name"] = "coderd-canary"
    twin["spec"]["selector"]["matchLabels"]["twin"] = "yes"
    twin["spec"]["template"]["metadata"]["labels"]["twin"] = "yes"
    place.make(twin)
    return place


def _error(product: Product, cluster: Cluster, *flags: str, kubeconfig: Path | None = None) -> Json:
    """Run, in both forms; the error as JSON."""
    argv = product.command(cluster, *flags, kubeconfig=kubeconfig)[1:]
    text, machine = product.call(cluster, *argv), product.call(cluster, *argv, "-o", "json")
    for done in (text, machine):
        assert "Traceback" not in done.stdout + done.stderr
        assert done.returncode == 2, done.stdout + done.stderr
    assert text.stdout == ""
    assert text.stderr.startswith("acrcheck: ")
    error: Json = json.loads(machine.stdout)
    assert (error["kind"], error["exitCode"]) == ("Error", 2)
    return error


def test_two_candidates_are_listed(product: Product, here: Place) -> None:
    """Two workloads that look like coderd: which one is for the operator to say."""
    error = _error(product, here.cluster, "-n", here.namespace)
    assert "coderd" in error["message"]
    assert "coderd-canary" in error["message"]
    assert "--workload" in error["remedy"]


def test_an_unknown_workload_brings_near_ones(product: Product, here: Place) -> None:
    """A misspelt name."""
    error = _error(product, here.cluster, "-n", here.namespace, "--workload", "deployment/coder")
    assert error["input"] == "coder"
    assert "coderd" in error["near"]


def test_an_unknown_namespace_is_named(product: Product, here: Place) -> None:
    """A misspelt namespace, with the nearest ones."""
    error = _error(product, here.cluster, "-n", "bad-inputs")
    assert "bad-inputs" in error["message"] + error["input"]
    assert here.namespace in error["near"]


def test_an_unknown_namespace_of_a_named_workload_is_named(product: Product, here: Place) -> None:
    """The same with `--workload`."""
    error = _error(product, here.cluster, "-n", "bad-inputs", "--workload", "deployment/coderd")
    assert here.namespace in error["near"]


def test_an_unknown_context_brings_near_ones(product: Product, here: Place) -> None:
    """A misspelt context."""
    error = _error(product, here.cluster, "--context", "labb", "-n", here.namespace)
    assert "'lab'" in error["remedy"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"server": "https://127.0.0.1:1"}, "cannot be reached"),
        ({"certificate-authority": None}, "not trusted"),
    ],
)
def test_an_api_server_that_cannot_be_asked_is_unknown(
    product: Product, here: Place, tmp_path: Path, change: Json, words: str
) -> None:
    """Nothing is known, and the report says why."""
    config = _config(here.cluster)
    for key, value in change.items():
        config["clusters"][0]["cluster"].pop(key, None)
        if value is not None:
            config["clusters"][0]["cluster"][key] = value
    _unknown(product, here, tmp_path, config, words)


def test_a_refused_token_is_unknown(product: Product, here: Place, tmp_path: Path) -> None:
    """401 is the operator's own problem, not the workload's."""
    config = _config(here.cluster)
    config["users"][0]["user"] = {"token": "no-such-token"}
    _unknown(product, here, tmp_path, config, "nauthorized")


def test_pods_that_crash_cannot_be_asked(product: Product, here: Place) -> None:
    """In a container that does not run nothing can be run: what is known is told, the rest is unknown."""
    place = Place(here.cluster, "bad-input-crash")
    place.make(*manifests.coderd(place.namespace, replicas=1, labels={"aadpodidbinding": "coder"}))
    container = {"name": "coderd", "command": ["coderd-nosuch"]}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    place.kubectl("patch", "deployment/coderd", "-p", json.dumps(patch))
    place.kubectl("rollout", "pause", "deployment/coderd")
    place.kubectl("delete", "pods", "--all", "--wait")
    here.cluster.wait(
        "the failed start",
        lambda: (
            "RunContainerError" in place.kubectl("get", "pods")
            or "CrashLoopBackOff" in place.kubectl("get", "pods")
        ),
    )
    run = product.run(here.cluster, place.namespace, "-n", place.namespace)
    assert run.code == 1
    assert "workload-not-running" in {cause["id"] for cause in run.causes}
    assert "Traceback" not in run.text + run.stderr
    place.remove()


def _config(cluster: Cluster) -> Json:
    raw: Json = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json").stdout)
    return raw


def _unknown(product: Product, here: Place, folder: Path, config: Json, words: str) -> None:
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    run = product.run(here.cluster, "unreachable", "-n", here.namespace, kubeconfig=path)
    assert run.code == 3, run.text
    assert run.with_status("fail") == []
    first = next(check for check in run.checks if check["id"] == "api-server")
    assert first["status"] == "unknown"
    assert words in first["reason"]
    assert "Traceback" not in run.text + run.stderr
