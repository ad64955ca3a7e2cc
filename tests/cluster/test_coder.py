"""Coder's own API on sockets in the cluster's network, beside a real control plane."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from acrcheck.lab.coder import TOKEN
from tests.cluster import coders, podidentity
from tests.cluster.harness import Cluster
from tests.cluster.parity import Twin, by_hand, in_the_lab, told
from tests.cluster.place import Place
from tests.cluster.product import Product, Run
from tests.cluster.scenarios import TAG

AT_ONCE = 4


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    """A control plane that is well."""
    podidentity.install(cluster)
    place = Place(cluster, "asked")
    place.healthy(replicas=2)
    yield place
    place.remove()


@pytest.fixture(scope="module")
def runs(product: Product, place: Place) -> dict[str, Run]:
    """One run for each deployment of Coder."""
    tokens = {scenario: world.session_token for scenario, world in coders.worlds().items()}

    def ask(scenario: str) -> Run:
        file = place.cluster.layout.state / f"{scenario}.token"
        file.write_text(tokens[scenario])
        url = coders.url(place.cluster.layout, scenario)
        flags = ("-n", place.namespace, "--image", TAG, "--coder-url", url, "--coder-token-file", str(file))
        trusted = coders.trusted(place.cluster.layout)
        return product.run(place.cluster, f"asked-{scenario}", *flags, trusted=trusted)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(coders.PORTS, pool.map(ask, coders.PORTS), strict=True))


@pytest.mark.parametrize("scenario", coders.PORTS)
def test_coder_is_told_of_as_in_the_lab(scenario: str, runs: dict[str, Run]) -> None:
    """The same causes with the same remedies, the same statuses; a login page and a certificate of its own too."""
    assert told(runs[scenario].report) == in_the_lab(Twin(scenario, (by_hand,)))


@pytest.mark.parametrize("scenario", coders.PORTS)
def test_the_session_token_is_nowhere(scenario: str, runs: dict[str, Run]) -> None:
    """Neither in what is printed nor in what is kept."""
    run = runs[scenario]
    assert TOKEN not in run.stdout + run.stderr + run.text + Path(run.tape).read_text(errors="replace")
