"""One contract, two clusters: the lab's cluster door answers as the real API server does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acrcheck.clock import SystemClock
from acrcheck.cluster.kubeconfig import ConnectionFlags, connect
from acrcheck.cluster.live import LiveCluster
from acrcheck.cluster.reader import (
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
    Answer,
    Cluster,
    Outcome,
    Resource,
)
from acrcheck.lab import world as lab
from acrcheck.lab.cluster import LabCluster
from acrcheck.model import Permission
from tests.cluster import crds, place
from tests.cluster import harness as real
from tests.cluster.place import Place

NOWHERE = Resource("nowhere.example.com", "v1", "things")
UNSERVED = Resource("apps", "v1", "gadgets")


@dataclass(frozen=True)
class Side:
    """A cluster door and the namespace with coderd behind it.

    Attributes:
        limited: the door of an operator who may read pods, nodes and Deployments, and nothing else.
    """

    door: Cluster
    limited: Cluster
    namespace: str


def _lab_side() -> Side:
    world, other = lab.healthy(), lab.healthy()
    refused = (
        ("list", AZURE_IDENTITIES),
        ("get", AZURE_IDENTITIES),
        ("list", NAMESPACES),
        ("get", NAMESPACES),
    )
    other.operator.forbidden += [lab.Forbidden(verb, item.plural, item.group) for verb, item in refused]
    other.operator.forbidden += [
        lab.Forbidden("create", "pods", subresource="exec"),
        lab.Forbidden("get", "pods", subresource="log"),
    ]
    return Side(LabCluster(world), LabCluster(other), lab.NAMESPACE)


def _live(kubeconfig: Path) -> LiveCluster:
    clock = SystemClock()
    return LiveCluster(connect(ConnectionFlags(kubeconfig=str(kubeconfig)), clock, {}), clock)


@pytest.fixture(scope="module")
def real_side(cluster: real.Cluster) -> Iterator[Side]:
    """The real API server."""
    here = Place(cluster, "contract")
    cluster.apply(*crds.definitions())
    here.bind()
    here.coderd(labels=here.labels, replicas=2)
    config, _ = place.operator(here, *place.READING[:2])
    yield Side(_live(cluster.kubeconfig), _live(config), here.namespace)
    here.remove()


@pytest.fixture(params=["lab", "real"])
def side(request: pytest.FixtureRequest) -> Side:
    """Each of the two, one after the other."""
    found: Side = request.getfixturevalue("real_side") if request.param == "real" else _lab_side()
    return found


def test_an_object_is_given_whole(side: Side) -> None:
    """An object comes with kind, version and the metadata that every object has."""
    answer = side.door.get(DEPLOYMENTS, "coderd", side.namespace)
    assert answer.outcome is Outcome.OK
    assert (answer.body["apiVersion"], answer.body["kind"]) == ("apps/v1", "Deployment")
    assert {"name", "namespace", "uid", "resourceVersion", "generation"} <= answer.body["metadata"].keys()
    assert answer.body["status"]["observedGeneration"] == answer.body["metadata"]["generation"]


@pytest.mark.parametrize(
    ("ask", "outcome"),
    [
        (lambda door, ns: door.get(PODS, "nosuch", ns), Outcome.ABSENT),
        (lambda door, ns: door.get(AZURE_IDENTITIES, "nosuch", ns), Outcome.ABSENT),
        (lambda door, _: door.get(NODES, "nosuch"), Outcome.ABSENT),
        (lambda door, ns: door.get(NOWHERE, "nosuch", ns), Outcome.NO_API),
        (lambda door, ns: door.list(NOWHERE, ns), Outcome.NO_API),
        (lambda door, ns: door.list(UNSERVED, ns), Outcome.NO_API),
        (lambda door, _: door.path(NOWHERE.group_path), Outcome.NO_API),
    ],
)
def test_a_missing_object_is_not_a_missing_resource(
    side: Side, ask: Callable[[Cluster, str], Answer], outcome: Outcome
) -> None:
    """404 means two things, and the answers tell them apart."""
    answer = ask(side.door, side.namespace)
    assert answer.outcome is outcome, answer
    assert answer.detail


def test_a_namespace_that_is_not_there_holds_nothing(side: Side) -> None:
    """A list in it is empty, and no error."""
    answer = side.door.list(PODS, "no-such-namespace")
    assert (answer.outcome, answer.items()) == (Outcome.OK, [])


def test_a_group_says_what_it_serves(side: Side) -> None:
    """The resources of AAD Pod Identity, by their plural names."""
    answer = side.door.path(AZURE_IDENTITIES.group_path)
    names = {item["name"] for item in answer.value()["resources"]}
    assert {AZURE_IDENTITIES.plural, AZURE_IDENTITY_BINDINGS.plural} <= names


def test_the_version_is_told(side: Side) -> None:
    """As `kubectl version` shows it."""
    assert side.door.path("/version").value()["gitVersion"].startswith("v1.")


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("coder.deployment=coderd", 2),
        ("coder.deployment in (coderd,cemanager)", 2),
        ("coder.deployment notin (coderd)", 0),
        ("coder.deployment=coderd,aadpodidbinding", 2),
        ("coder.deployment=coderd,!aadpodidbinding", 0),
        ("coder.deployment=Coderd", 0),
    ],
)
def test_selectors(side: Side, selector: str, found: int) -> None:
    """Labels are compared letter by letter; `in`, presence and absence are understood."""
    assert len(side.door.list(PODS, side.namespace, selector).items()) == found


def test_a_malformed_selector_is_refused(side: Side) -> None:
    """As a question that is wrong, not as one without an answer."""
    assert side.door.list(PODS, side.namespace, "a in b").outcome is Outcome.INVALID


def test_items_of_a_list_have_no_kind_but_custom_ones(side: Side) -> None:
    """A list of a built-in kind leaves out kind and version of its items; custom objects bring theirs."""
    built_in = side.door.list(DEPLOYMENTS, side.namespace).items()
    custom = side.door.list(AZURE_IDENTITIES, side.namespace).items()
    assert [item.get("kind") for item in built_in] == [None]
    assert [item.get("kind") for item in custom] == ["AzureIdentity"]


def test_metadata_alone(side: Side) -> None:
    """Nothing but metadata comes, and all of it."""
    items = side.door.list(PODS, side.namespace, metadata_only=True).items()
    assert len(items) == 2
    for item in items:
        assert item.keys() <= {"apiVersion", "kind", "metadata"}
        assert item["metadata"]["labels"]["coder.deployment"] == "coderd"


def test_what_is_forbidden_names_the_permission(side: Side) -> None:
    """Whether or not there is such an object, and whatever the verb."""
    listed = side.limited.list(AZURE_IDENTITIES, side.namespace)
    got = side.limited.get(AZURE_IDENTITIES, "nosuch", side.namespace)
    everywhere = side.limited.list(AZURE_IDENTITIES)
    assert {answer.outcome for answer in (listed, got, everywhere)} == {Outcome.FORBIDDEN}
    assert listed.permission == AZURE_IDENTITIES.permission("list", side.namespace)
    assert got.permission == AZURE_IDENTITIES.permission("get", side.namespace)
    assert everywhere.permission == AZURE_IDENTITIES.permission("list")
    for answer in (listed, got, everywhere):
        assert "cannot" in answer.detail
        assert "azureidentities" in answer.detail
    assert side.limited.list(PODS, side.namespace).ok


@pytest.mark.parametrize(
    ("permission", "held"),
    [
        (PODS.permission("list"), True),
        (NODES.permission("get"), True),
        (Permission("create", "pods", "default", subresource="exec"), False),
        (AZURE_IDENTITIES.permission("list"), False),
    ],
)
def test_reviews_say_what_is_held(side: Side, permission: Permission, held: bool) -> None:
    """The caller's own rights, without trying them."""
    assert side.limited.allowed(permission).value()["allowed"] is held
    assert side.door.allowed(permission).value()["allowed"] is True


def test_logs(side: Side) -> None:
    """Text of a container that runs; a missing pod, a missing container and a missing right are answers."""
    pod = side.door.list(PODS, side.namespace, "coder.deployment=coderd").items()[0]["metadata"]["name"]
    ask: dict[str, Any] = {"since": 600, "lines": 10}
    said = side.door.logs(side.namespace, pod, "coderd", **ask)
    assert said.outcome is Outcome.OK
    assert isinstance(said.body, str)
    assert side.door.logs(side.namespace, "nosuch", "coderd", **ask).outcome is Outcome.ABSENT
    assert side.door.logs(side.namespace, pod, "nosuch", **ask).outcome is Outcome.INVALID
    refused = side.limited.logs(side.namespace, pod, "coderd", **ask)
    assert refused.outcome is Outcome.FORBIDDEN
    assert refused.permission == PODS.permission("get", side.namespace, "log")


def test_pages_are_joined(cluster: real.Cluster, real_side: Side) -> None:
    """More objects than one page holds come as one list, each of them once."""
    assert isinstance(real_side.door, LiveCluster)
    config_maps = Resource("", "v1", "configmaps")
    made = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"page-{number}",
                "namespace": real_side.namespace,
                "labels": {"page": "yes"},
            },
        }
        for number in range(510)
    ]
    cluster.apply(*made)
    items = real_side.door.list(config_maps, real_side.namespace, "page=yes", metadata_only=True).items()
    assert len({item["metadata"]["name"] for item in items}) == len(items) == 510
