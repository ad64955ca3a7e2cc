"""The Azure side of the lab's state."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from acrcheck.lab.azure import (
    Azure,
    ManagedIdentity,
    Registry,
    RoleAssignment,
    StateFile,
    dump,
    load,
)
from acrcheck.lab.clock import LabClock
from tests.unit.lab import worlds

NOW = LabClock().now()
PULL = {"pull", "metadata_read"}


def test_the_state_survives_being_written_and_read() -> None:
    """Everything is the same after a round trip through JSON: identities, moments, bytes, nested objects."""
    azure = worlds.azure()
    azure.nodes[1].stale_identities = []
    azure.nodes[1].imds = "silent"
    azure.roles[0].effective_at = NOW
    azure.scale_sets[0].system_assigned = ManagedIdentity("own", "/x", "c", "o", worlds.TENANT)

    assert load(dump(azure)) == azure


def test_left_out_fields_have_their_defaults() -> None:
    """A state file need not name what is as usual."""
    azure = load('{"nodes": [{"name": "n", "scale_set": "s"}]}')

    assert azure.nodes[0].imds == "up"
    assert azure.registries == []


def test_an_unknown_field_is_refused() -> None:
    """A misspelt fault must not pass for no fault."""
    with pytest.raises(TypeError, match="imsd"):
        load('{"nodes": [{"name": "n", "scale_set": "s", "imsd": "stopped"}]}')


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    """Simulators in other processes see a change as soon as the file has been replaced."""
    path = tmp_path / "azure.json"
    path.write_text(dump(worlds.azure()))
    source = StateFile(path)
    assert source().node(worlds.NODE).imds == "up"

    changed = worlds.azure()
    changed.nodes[0].imds = "stopped"
    (tmp_path / "new").write_text(json.dumps(json.loads(dump(changed))))
    (tmp_path / "new").rename(path)

    assert source().node(worlds.NODE).imds == "stopped"
    assert source() is source()


def test_a_node_has_the_identities_of_its_scale_set() -> None:
    """The kubelet's identity is among them, and a deleted identity is not."""
    azure = worlds.azure()
    assert [i.client_id for i in azure.assigned(worlds.NODE)] == [worlds.KUBELET_CLIENT, worlds.CLIENT]

    azure.identities[0].deleted = True

    assert [i.client_id for i in azure.assigned(worlds.NODE)] == [worlds.KUBELET_CLIENT]


def test_a_stale_node_differs_from_its_neighbour() -> None:
    """Staleness belongs to one node of a scale set."""
    azure = worlds.azure()
    azure.nodes[0].stale_identities = [worlds.KUBELET]

    assert [i.client_id for i in azure.assigned("aks-pool1-0")] == [worlds.KUBELET_CLIENT]
    assert len(azure.assigned("aks-pool1-1")) == 2


@pytest.mark.parametrize(
    ("mode", "role", "actions"),
    [
        ("rbac", "AcrPull", PULL),
        ("rbac", "AcrPush", {"pull", "push", "metadata_read", "metadata_write"}),
        ("rbac", "Reader", PULL | {"deleted_read"}),
        ("rbac", "Container Registry Repository Reader", set()),
        ("abac", "AcrPull", set()),
        ("abac", "Owner", set()),
        ("abac", "Container Registry Repository Reader", PULL),
    ],
)
def test_the_role_mode_decides_which_roles_count(mode: str, role: str, actions: set[str]) -> None:
    """Registry-wide roles do nothing on an ABAC registry, repository roles nothing on an RBAC one."""
    azure = worlds.azure()
    azure.roles = [RoleAssignment(worlds.PRINCIPAL, role, worlds.REGISTRY)]
    registry = azure.registries[0]
    registry.role_mode = "abac" if mode == "abac" else "rbac"

    assert azure.repository_actions(registry, worlds.PRINCIPAL, worlds.IMAGE, NOW) == actions
    assert azure.has_registry_role(registry, worlds.PRINCIPAL, NOW) == bool(actions)


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (worlds.REGISTRY, True),
        (worlds.REGISTRY.upper(), True),
        (f"/subscriptions/{worlds.SUBSCRIPTION}", True),
        (f"/subscriptions/{worlds.SUBSCRIPTION}/resourceGroups/coder/", True),
        ("/", True),
        (f"{worlds.REGISTRY}2", False),
        (worlds.REGISTRY[:-1], False),
        (f"/subscriptions/{worlds.SUBSCRIPTION}/resourceGroups/nodes", False),
    ],
)
def test_a_role_covers_what_lies_below_its_scope(scope: str, covered: bool) -> None:
    """Scopes end at a path segment and ignore letter case."""
    assert RoleAssignment("p", "AcrPull", scope).covers(worlds.REGISTRY) is covered


def test_a_condition_limits_a_role_to_repositories() -> None:
    """By name or by prefix, whatever the letter case."""
    role = RoleAssignment("p", "x", "/", repositories=["coder/envbox", "team/*"])

    allowed = [
        n for n in ("coder/envbox", "Coder/EnvBox", "coder/other", "team/a/b") if role.allows_repository(n)
    ]

    assert allowed == ["coder/envbox", "Coder/EnvBox", "team/a/b"]


def test_a_role_counts_once_it_has_been_propagated() -> None:
    """Until its moment comes, an assignment might as well not exist."""
    azure = worlds.azure()
    azure.roles[0].effective_at = NOW + timedelta(minutes=10)
    registry = azure.registries[0]

    assert not azure.has_registry_role(registry, worlds.PRINCIPAL, NOW)
    assert azure.has_registry_role(registry, worlds.PRINCIPAL, NOW + timedelta(minutes=10))


def test_a_custom_role_allows_what_it_says() -> None:
    """Pulling without reading metadata is possible with a role of one's own."""
    azure = worlds.azure()
    azure.roles = [RoleAssignment(worlds.PRINCIPAL, "Puller", worlds.REGISTRY, actions=["pull"])]
    registry = azure.registries[0]

    assert azure.repository_actions(registry, worlds.PRINCIPAL, worlds.IMAGE, NOW) == {"pull"}
    assert not azure.may_list_catalog(registry, worlds.PRINCIPAL, NOW)


@pytest.mark.parametrize(
    ("rules", "public", "let_in"),
    [
        ([], True, True),
        (["203.0.113.0/24"], True, True),
        (["203.0.113.9"], True, True),
        (["198.51.100.1"], True, False),
        (["203.0.113.9"], False, False),
    ],
)
def test_the_firewall_lets_in_whom_a_rule_names(rules: list[str], public: bool, let_in: bool) -> None:
    """No rules let everybody in; public access switched off overrides them."""
    registry = Registry("r", "r.azurecr.io", "/r", "t", ip_rules=rules, public_network_access=public)

    assert registry.lets_in("203.0.113.9") is let_in


def test_a_private_endpoint_lets_everybody_in() -> None:
    """Whatever the firewall says; the public address still refuses."""
    registry = Registry(
        "r", "r.azurecr.io", "/r", "t", public_network_access=False, private_endpoints=["10.225.0.5"]
    )

    assert registry.lets_in("10.244.1.7", "10.225.0.5")
    assert not registry.lets_in("20.81.44.7", "20.62.128.13")


def test_an_unknown_node_is_an_error() -> None:
    """A simulator for a node that does not exist is a mistake of whoever set it up."""
    with pytest.raises(KeyError, match="nowhere"):
        Azure().node("nowhere")
