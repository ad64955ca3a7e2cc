"""The gate before an upgrade, on a release of a real helm; the upgrade; and what `compare` says of it afterwards."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from acrcheck.lab.azure import RoleAssignment
from tests.cluster import azure, images, podidentity
from tests.cluster.harness import Cluster, Json, must
from tests.cluster.layout import BACKEND_PORT, HERE
from tests.cluster.parity import Twin, in_the_lab, told
from tests.cluster.place import LABEL, Place
from tests.cluster.product import Product, Run
from tests.cluster.running import push_token
from tests.cluster.upgrades import FROM, GATES, SERVICE, SKIPPING, TO, Gate, values

AT_ONCE = 3
MISSING = "1.44.9"


@dataclass
class Site:
    """A namespace with a release, and what the gate said of it.

    Attributes:
        runs: by the gate's name.
    """

    place: Place
    runs: dict[str, Run] = field(default_factory=dict)


def push(cluster: Cluster, tag: str) -> None:
    """Push coderd's image into the registry under test."""
    bearer = {"Authorization": f"Bearer {push_token(cluster.layout, SERVICE)}"}
    base = f"http://{cluster.layout.address}:{BACKEND_PORT}"
    with httpx.Client(base_url=base, headers=bearer, trust_env=False) as registry:
        images.push_one(registry, "coderenvs/coder-service", SERVICE, tag)


def written(place: Place, name: str, given: Json) -> str:
    """A values file."""
    file = place.cluster.layout.state / f"{name}-values.yaml"
    file.write_text(json.dumps(given))
    return str(file)


@pytest.fixture(scope="module")
def site(cluster: Cluster) -> Iterator[Site]:
    """A release of an older chart, whose images the nodes pull from the registry under test."""
    podidentity.install(cluster)
    place = Place(cluster, "upgrade")
    place.make_identity()
    place.bind()
    before = cluster.azure
    with place.azure() as state:
        kubelet = azure.kubelet_identity().object_id
        state.roles.append(RoleAssignment(kubelet, "AcrPull", azure.REGISTRY_ID))
    for tag in (FROM, TO, SKIPPING):
        push(cluster, tag)
    packed = cluster.layout.state / "charts-before"
    chart = (str(HERE / "chart" / "coder"), "--version", FROM, "--app-version", FROM)
    must(cluster.helm("package", *chart, "--destination", str(packed)))
    file = written(place, "installed", values(place.selector, FROM))
    release = ("install", "coder", str(packed / f"coder-{FROM}.tgz"), "-n", place.namespace, "-f", file)
    must(cluster.helm(*release, "--wait", limit=180))
    yield Site(place)
    place.remove()
    cluster.set_azure(before)


def gate(product: Product, place: Place, name: str, given: Json, *flags: str) -> Run:
    """Run the gate with these values."""
    words = ("--profile", "pre-upgrade", "--values", written(place, name, given), *flags)
    return product.run(place.cluster, f"gate-{name}", "-n", place.namespace, *words)


@pytest.fixture(scope="module")
def looked(product: Product, site: Site) -> Site:
    """Every gate that is compared with the lab, run once."""

    def look(item: Gate) -> Run:
        return gate(product, site.place, item.scenario, item.given(site.place.selector), *item.words)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        site.runs = {item.scenario: run for item, run in zip(GATES, pool.map(look, GATES), strict=True)}
    return site


@pytest.mark.parametrize("item", GATES, ids=lambda item: item.scenario)
def test_the_gate_is_told_of_as_in_the_lab(item: Gate, looked: Site) -> None:
    """The same causes with the same remedies, the same statuses, the same exit code."""
    assert told(looked.runs[item.scenario].report) == in_the_lab(Twin(item.scenario, item.as_staged))


def causes(run: Run) -> list[str]:
    """The causes that a run names, but for the retirement that every world has."""
    return [item["id"] for item in run.causes if item["id"] != "pod-identity-unsupported"]


def seen(run: Run) -> list[str]:
    """What a run has seen."""
    return [item["id"] for check in run.checks for item in check["evidence"]]


def test_an_image_that_is_not_there_stops_the_upgrade(product: Product, site: Site) -> None:
    """A real kubelet was asked for it on each pool, with the right that the new pods would have."""
    given = values(site.place.selector, MISSING)
    run = gate(product, site.place, "no-image", given, *GATES[0].words)
    assert run.code == 1
    assert "kubelet-pull" in {check["id"] for check in run.with_status("fail")}
    assert causes(run)[:1] == ["tag-not-found"], causes(run)
    assert MISSING in run.stdout


def test_a_budget_that_allows_nothing_is_warned_of(product: Product, site: Site) -> None:
    """A drained node would wait; who wants that to stop the upgrade says so."""
    budget: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "coderd", "namespace": site.place.namespace},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"coder.deployment": "coderd"}}},
    }
    site.place.make(budget)
    path = ("get", "pdb", "coderd", "-o", "jsonpath={.status.expectedPods}")
    site.place.cluster.wait("the budget's count", lambda: site.place.kubectl(*path) == "2")
    words = ("--fail-on", "warn", "--only", "upgrade-disruption", "--to-chart", TO)
    run = gate(product, site.place, "budget", values(site.place.selector, TO), *words)
    site.place.kubectl("delete", "pdb", "coderd")
    assert run.code == 1
    assert "disruption-budget-blocks" in seen(run)


def test_what_an_upgrade_broke_is_told_afterwards(product: Product, site: Site) -> None:
    """The gate keeps its report; `compare` fails after an upgrade that lost the label, not after one with it."""
    place, cluster = site.place, site.place.cluster
    before = product.folder / "before.json"
    report = ("--report", f"json={before}")
    assert gate(product, place, "kept", values(place.selector, TO), *GATES[0].words, *report).code == 0
    for name, selector, code in (("worse", "", 1), ("well", place.selector, 0)):
        file = written(place, name, values(selector, TO))
        upgrade = ("upgrade", "coder", "coder/coder", "--version", TO, "-n", place.namespace, "-f", file)
        must(cluster.helm(*upgrade, "--wait", limit=180))
        place.settle()
        after = product.folder / f"{name}.json"
        product.run(cluster, f"after-{name}", "-n", place.namespace, "--report", f"json={after}")
        compared = product.call(cluster, "compare", str(before), str(after))
        assert compared.returncode == code, compared.stdout
        assert (LABEL in compared.stdout) is bool(code)
