"""That what a run heard travels: replayed where there is no cluster, it says the same; and no secret is in it."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cluster import minted, podidentity, scenarios
from tests.cluster.harness import Cluster, Completed, Json, must
from tests.cluster.layout import NODES, support_bundle
from tests.cluster.live import HEALTHY, Played
from tests.cluster.minted import SIGNATURE
from tests.cluster.place import Place
from tests.cluster.product import Product, Run
from tests.scenarios.test_scenarios import steady

NAMES = [HEALTHY, *(scenario.name for scenario in scenarios.ALL)]
PLACE = "dumped"
OPEN = {"unknown", "skip"}
TROUBLESHOOT_API = "troubleshoot.sh/v1beta2"
COLLECT: Json = {
    "apiVersion": TROUBLESHOOT_API,
    "kind": "SupportBundle",
    "metadata": {"name": "coder"},
    "spec": {
        "collectors": [
            {"clusterInfo": {}},
            {"clusterResources": {"namespaces": [PLACE, "kube-system"]}},
            {"logs": {"name": "coderd", "namespace": PLACE, "selector": ["app=coderd"]}},
        ]
    },
}
"""What a vendor has its customers collect."""
ANALYZE: Json = {
    "apiVersion": TROUBLESHOOT_API,
    "kind": "Analyzer",
    "metadata": {"name": "ours"},
    "spec": {
        "analyzers": [
            {
                "clusterVersion": {
                    "outcomes": [{"pass": {"when": ">= 1.20.0", "message": "the version is there"}}]
                }
            },
            {
                "nodeResources": {
                    "outcomes": [{"pass": {"when": "count() >= 1", "message": "the nodes are there"}}]
                }
            },
            {
                "deploymentStatus": {
                    "name": "coderd",
                    "namespace": PLACE,
                    "outcomes": [{"pass": {"when": ">= 0", "message": "the Deployment is there"}}],
                }
            },
        ]
    },
}
needs_troubleshoot = pytest.mark.skipif(
    not support_bundle().exists(), reason="troubleshoot's support-bundle could not be built here"
)


def runs_of(played: Played, name: str) -> list[Run]:
    """The runs on one scenario's worlds."""
    if name == HEALTHY:
        assert played.rest is not None, played.trouble
        return [played.rest.run]
    return played.outcomes[name].runs


def compared(report: Json) -> Any:
    """What must be the same: all but times, and what only one of the two says of itself."""
    causes = [(cause["id"], cause["confidence"]) for cause in report["causes"]]
    return causes, steady({**report, "metadata": {}})


@pytest.fixture
def runs(request: pytest.FixtureRequest, played: Played) -> list[Run]:
    """What was run on the scenario of that name."""
    return runs_of(played, request.param)


@pytest.mark.parametrize("runs", NAMES, indirect=True)
def test_a_bundle_replays_as_the_run_was(
    runs: list[Run], cluster: Cluster, product: Product, tmp_path: Path
) -> None:
    """Without a kubeconfig: the same causes, verdicts, evidence and remedies. And no secret is in any of its files."""
    known = minted.signatures(cluster.layout.state)
    assert runs
    for number, run in enumerate(runs):
        bundle = tmp_path / f"{number}.tar.gz"
        product.offline("bundle", "--from", str(run.tape), str(bundle))
        again = product.offline("replay", str(bundle), "-o", "json")
        assert again.returncode == run.code, again.stderr
        assert compared(json.loads(again.stdout)) == compared(run.report)
        for name, content in files(bundle):
            assert not SIGNATURE.search(content), name
            assert not [signature for signature in known if signature in content], name


def files(bundle: Path) -> Iterator[tuple[str, str]]:
    """Every file of a bundle."""
    with tarfile.open(bundle) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content:
                yield member.name, content.read().decode()


class Dumped(NamedTuple):
    """What was written down of one workload: by acrcheck, which also said something, by kubectl and troubleshoot."""

    said: Completed
    bundle: Path
    dump: Path
    support: Path
    """Is there only where troubleshoot's command could be built."""


@pytest.fixture(scope="module")
def dumped(cluster: Cluster, product: Product, tmp_path_factory: pytest.TempPathFactory) -> Dumped:
    """A workload whose label is missing."""
    place, folder = Place(cluster, PLACE), tmp_path_factory.mktemp("bundles")
    if not all(podidentity.redirected(cluster, node) for node in NODES):
        podidentity.install(cluster)
    place.make_identity()
    place.bind()
    place.coderd(replicas=1)
    bundle, dump = folder / "bundle.tar.gz", folder / "dump"
    flags = ("--kubeconfig", str(cluster.kubeconfig), "-n", PLACE, "-o", "json")
    said = product.call(cluster, "bundle", str(bundle), *flags)
    cluster.kubectl(
        "cluster-info", "dump", "--namespaces", f"{PLACE},kube-system", "--output-directory", str(dump)
    )
    support = folder / "support.tar.gz"
    if support_bundle().exists():
        troubleshoot(cluster, folder, COLLECT, "--interactive=false", "--output", str(folder / "support"))
    place.remove()
    return Dumped(said, bundle, dump, support)


def troubleshoot(cluster: Cluster, folder: Path, spec: Json, *arguments: str) -> str:
    """Run troubleshoot's own command on a spec; what it prints."""
    file = folder / f"{spec['kind']}.json"
    file.write_text(json.dumps(spec))
    quiet = ("--auto-update=false", "--no-uri", "--load-cluster-specs=false")
    named = (
        [arguments[0], str(file), *arguments[1:]]
        if arguments[0] == "analyze"
        else [str(file), *quiet, *arguments]
    )
    return must(cluster.run(str(support_bundle()), *named)).stdout


def test_a_bundle_holds_what_a_second_engineer_asks_for(dumped: Dumped, product: Product) -> None:
    """Objects, events and logs of the real cluster beside the tape; it replays as the run was."""
    said, bundle, *_ = dumped
    assert said.returncode == 1, said.stderr
    held = {name.partition("/")[2]: content for name, content in files(bundle)}
    resources = "cluster-resources"
    for kind in ("pods", "events", "serviceaccounts", "deployments", "replicasets", "roles"):
        assert f"{resources}/{kind}/{PLACE}.json" in held
    assert json.loads(held[f"{resources}/nodes.json"])["items"]
    assert [name for name in held if name.startswith(f"{resources}/pods/logs/{PLACE}/coderd-")]
    assert "managedFields" not in held[f"{resources}/pods/{PLACE}.json"]
    again = product.offline("replay", str(bundle), "-o", "json")
    assert compared(json.loads(again.stdout)) == compared(json.loads(said.stdout))


def test_kubectls_own_dump_is_replayed(dumped: Dumped, product: Product) -> None:
    """What it can answer is answered as the run was; all else is open."""
    found = never_otherwise(
        dumped.said, product.offline("replay", str(dumped.dump), "-n", PLACE, "-o", "json")
    )
    assert found["workload", None] == "pass"
    assert found["pods", None] == "pass"


@needs_troubleshoot
def test_troubleshoots_own_bundle_is_replayed(dumped: Dumped, product: Product) -> None:
    """What it can answer is answered as the run was, the cause too; all else is open."""
    done = product.offline("replay", str(dumped.support), "-n", PLACE, "-o", "json")
    found = never_otherwise(dumped.said, done)
    assert found["workload", None] == "pass"
    assert found["pods", None] == "pass"
    causes = [[cause["id"] for cause in json.loads(each.stdout)["causes"]] for each in (dumped.said, done)]
    assert causes[0][:1] == causes[1][:1] == ["pod-label-missing"]


@needs_troubleshoot
def test_troubleshoots_own_analyze_opens_ours(dumped: Dumped, cluster: Cluster, tmp_path: Path) -> None:
    """It finds the version, the nodes and the Deployment where it looks for them."""
    arguments = ("analyze", "--bundle", str(dumped.bundle), "--output", "json", "--quiet")
    results = json.loads(troubleshoot(cluster, tmp_path, ANALYZE, *arguments))
    assert {item["Message"]: item["IsPass"] for item in results} == {
        "the version is there": True,
        "the nodes are there": True,
        "the Deployment is there": True,
    }


def never_otherwise(said: Completed, done: Completed) -> dict[tuple[str, Any], str]:
    """The verdicts of a replay of what another tool collected: each the run's, or open."""
    live_verdicts, found = verdicts(json.loads(said.stdout)), verdicts(json.loads(done.stdout))
    other = {
        key: (live_verdicts[key], status)
        for key, status in found.items()
        if key in live_verdicts
        and live_verdicts[key] not in OPEN
        and status not in {live_verdicts[key], *OPEN}
    }
    assert {key for key in other if key[0] not in {"api-server", "permissions"}} == set(), other
    return found


def verdicts(report: Json) -> dict[tuple[str, Any], str]:
    """The statuses by check and subject."""
    return {
        (check["id"], check["subject"]): check["status"]
        for category in report["categories"]
        for check in category["checks"]
    }
