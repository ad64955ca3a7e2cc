"""That what a run heard travels: replayed where there is no cluster, it says the same; and no secret is in it."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import minted, scenarios
from tests.cluster.harness import Cluster, Completed, Json
from tests.cluster.live import HEALTHY, Played
from tests.cluster.minted import SIGNATURE
from tests.cluster.place import Place
from tests.cluster.product import Product, Run
from tests.scenarios.test_scenarios import steady

NAMES = [HEALTHY, *(scenario.name for scenario in scenarios.ALL)]
PLACE = "dumped"
OPEN = {"unknown", "skip"}


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


@pytest.fixture(scope="module")
def dumped(
    cluster: Cluster, product: Product, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Completed, Path, Path]:
    """A workload whose label is missing: what `acrcheck bundle` says, its bundle, and kubectl's own dump."""
    place, folder = Place(cluster, PLACE), tmp_path_factory.mktemp("bundles")
    place.make_identity()
    place.bind()
    place.coderd(replicas=1)
    bundle, dump = folder / "bundle.tar.gz", folder / "dump"
    flags = ("--kubeconfig", str(cluster.kubeconfig), "-n", PLACE, "-o", "json")
    said = product.call(cluster, "bundle", str(bundle), *flags)
    cluster.kubectl(
        "cluster-info", "dump", "--namespaces", f"{PLACE},kube-system", "--output-directory", str(dump)
    )
    place.remove()
    return said, bundle, dump


def test_a_bundle_holds_what_a_second_engineer_asks_for(
    dumped: tuple[Completed, Path, Path], product: Product
) -> None:
    """Objects, events and logs of the real cluster beside the tape; it replays as the run was."""
    said, bundle, _ = dumped
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


def test_kubectls_own_dump_is_replayed(dumped: tuple[Completed, Path, Path], product: Product) -> None:
    """What it can answer is answered as the run was; all else is open."""
    said, _, dump = dumped
    done = product.offline("replay", str(dump), "-n", PLACE, "-o", "json")
    live_verdicts, found = verdicts(json.loads(said.stdout)), verdicts(json.loads(done.stdout))
    other = {
        key: (live_verdicts[key], status)
        for key, status in found.items()
        if key in live_verdicts
        and live_verdicts[key] not in OPEN
        and status not in {live_verdicts[key], *OPEN}
    }
    assert {key for key in other if key[0] not in {"api-server", "permissions"}} == set(), other
    assert found["workload", None] == "pass"
    assert found["pods", None] == "pass"


def verdicts(report: Json) -> dict[tuple[str, Any], str]:
    """The statuses by check and subject."""
    return {
        (check["id"], check["subject"]): check["status"]
        for category in report["categories"]
        for check in category["checks"]
    }
