"""The cluster door to a lab world."""

import dataclasses

from acrcheck.cluster.reader import (
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    DEPLOYMENTS,
    NODES,
    PODS,
    Cluster,
    Outcome,
)
from acrcheck.lab import faults
from acrcheck.lab.cluster import LabCluster
from acrcheck.lab.world import NAMESPACE, Forbidden, World, healthy
from acrcheck.model import Permission


def door(world: World) -> Cluster:
    """The door, as checks see it."""
    return LabCluster(world)


def test_the_version() -> None:
    """The path says a version of Kubernetes."""
    assert door(healthy()).path("/version").body["gitVersion"].startswith("v1.")


def test_a_group_is_served_or_it_is_no_api() -> None:
    """With the definitions there is a list of resources, without them a plain 404."""
    path = AZURE_IDENTITIES.group_path
    assert {item["name"] for item in door(healthy()).path(path).body["resources"]} >= {"azureidentities"}
    world = faults.broken(healthy(), faults.no_crds)
    assert door(world).path(path).outcome is Outcome.NO_API
    assert door(world).list(AZURE_IDENTITIES).outcome is Outcome.NO_API


def test_an_object_or_none() -> None:
    """A missing object is absent, in the API server's words."""
    cluster = door(healthy())
    assert cluster.get(DEPLOYMENTS, "coderd", NAMESPACE).body["metadata"]["name"] == "coderd"
    missing = cluster.get(DEPLOYMENTS, "coder", NAMESPACE)
    assert (missing.outcome, missing.detail) == (Outcome.ABSENT, 'deployments.apps "coder" not found')


def test_lists_by_namespace_and_labels() -> None:
    """A list is of one namespace or of all, and of those that the selector matches."""
    cluster = door(healthy())
    assert len(cluster.list(PODS, NAMESPACE).items()) == 2
    assert len(cluster.list(PODS, "", "component=nmi").items()) == 2
    assert cluster.list(PODS, NAMESPACE, "component=nmi").items() == []
    assert len(cluster.list(PODS, NAMESPACE, "coder.deployment in (coderd,cemanager)").items()) == 2


def test_items_of_built_in_kinds_have_no_kind() -> None:
    """As from the real API server; custom resources have one."""
    cluster = door(healthy())
    assert "kind" not in cluster.list(PODS).items()[0]
    assert cluster.list(AZURE_IDENTITY_BINDINGS).items()[0]["kind"] == "AzureIdentityBinding"


def test_metadata_only() -> None:
    """Only the metadata is given when no more is asked for."""
    (item, _) = door(healthy()).list(PODS, NAMESPACE, metadata_only=True).items()
    assert set(item) == {"apiVersion", "kind", "metadata"}


def test_answers_are_copies() -> None:
    """Whoever changes an answer changes no world."""
    world = healthy()
    door(world).get(DEPLOYMENTS, "coderd", NAMESPACE).body["metadata"].clear()
    door(world).list(PODS, NAMESPACE).items()[0].clear()
    assert world.kubernetes.dump() == healthy().kubernetes.dump()


def test_what_is_forbidden_is_forbidden_everywhere_it_is_asked() -> None:
    """A list and an access review agree, and the answer carries the permission that was missing."""
    world = healthy()
    world.operator.forbidden.append(Forbidden("get", "nodes"))
    permission = NODES.permission("get")
    answer = door(world).get(NODES, "any")
    assert (answer.outcome, answer.permission) == (Outcome.FORBIDDEN, permission)
    assert 'nodes is forbidden: User "operator" cannot get resource "nodes"' in answer.detail
    assert door(world).allowed(permission).body["allowed"] is False


def test_forbidden_over_all_namespaces_only() -> None:
    """What is allowed in a namespace stays allowed there."""
    world = healthy()
    world.operator.forbidden.append(Forbidden("list", "pods", elsewhere=True))
    assert door(world).list(PODS).outcome is Outcome.FORBIDDEN
    assert door(world).list(PODS, NAMESPACE).ok
    everywhere = Permission("list", "pods")
    assert [
        door(world).allowed(item).body["allowed"]
        for item in (everywhere, dataclasses.replace(everywhere, namespace=NAMESPACE))
    ] == [False, True]


def test_the_log_of_an_application_with_an_old_connection() -> None:
    """It says again and again what it is told, within the time that was asked for, and no more lines than asked."""
    world = faults.broken(healthy(), faults.old_connections)
    name = world.pods[0]["metadata"]["name"]
    text = door(world).logs(NAMESPACE, name, "coderd", since=600, lines=100).body
    assert text.count("Identity not found") == 9
    assert door(world).logs(NAMESPACE, name, "coderd", since=600, lines=2).body.count("\n") == 2
    assert door(healthy()).logs(NAMESPACE, name, "coderd", since=600, lines=100).body == ""


def test_logs_that_cannot_be_read() -> None:
    """No such pod, no permission, and a container that waits are three answers."""
    world = faults.broken(healthy(), faults.crash_workload)
    name = world.pods[0]["metadata"]["name"]
    cluster = door(world)
    assert cluster.logs(NAMESPACE, "gone", "coderd", since=1, lines=1).outcome is Outcome.ABSENT
    assert cluster.logs(NAMESPACE, name, "coderd", since=1, lines=1).outcome is Outcome.INVALID
    world.operator.forbidden.append(Forbidden("get", "pods", subresource="log"))
    assert cluster.logs(NAMESPACE, name, "coderd", since=1, lines=1).outcome is Outcome.FORBIDDEN
