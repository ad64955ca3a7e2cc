"""The cluster for the tests of this folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import failing, pulls, scenarios, worlds
from tests.cluster.harness import Cluster
from tests.cluster.live import HEALTHY, Played, Stage
from tests.cluster.product import Product
from tests.cluster.provision import provision
from tests.cluster.running import Running
from tests.cluster.up import VARIABLE

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is in this folder needs the cluster."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster that the caller started, or one for this session alone."""
    state = os.environ.get(VARIABLE)
    if state:
        yield Cluster.attach(Path(state))
        return
    provision()
    with Running.start() as running:
        yield running


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """The installed wheel."""
    return Product.installed(tmp_path_factory.mktemp("product"))


@pytest.fixture(scope="session")
def played(cluster: Cluster, product: Product, request: pytest.FixtureRequest) -> Played:
    """Every scenario that a selected test needs, played once."""
    seen = (world.name for world in worlds.SEEN)
    altered = (world.name for world in worlds.ALTERED)
    known = {HEALTHY, *(scenario.name for scenario in scenarios.ALL), *seen, *altered}
    wanted: set[str] = set()
    for item in request.session.items:
        if "played" in getattr(item, "fixturenames", ()):
            named = getattr(item, "callspec", None)
            wanted |= known & set(named.params.values()) if named else known
    return Stage(cluster, product).play(wanted)


@pytest.fixture(scope="session")
def pulled(cluster: Cluster, product: Product, request: pytest.FixtureRequest) -> dict[str, failing.Outcome]:
    """Every failed pull that a selected test needs, played once."""
    known = {pull.name for pull in pulls.ALL}
    wanted: set[str] = set()
    for item in request.session.items:
        if "pulled" in getattr(item, "fixturenames", ()):
            named = getattr(item, "callspec", None)
            wanted |= known & set(named.params.values()) if named else known
    return failing.Stage(cluster, product).play(wanted)
