"""Worlds in which all is well: no check may fail, warn (but of retirement) or stay in the dark."""

from dataclasses import replace
from typing import Literal

from acrcheck.lab import faults
from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import CLIENT_ID, HOST, OBJECT_ID, REGISTRY_ID, World, healthy


def _several() -> World:
    """Two identities share the selector, and the run is told which one is meant."""
    world = faults.broken(healthy(), faults.second_identity)
    world.target = replace(world.target, identity_client_id=CLIENT_ID)
    return world


def _across_namespaces() -> World:
    """Standard mode serves pods of any namespace."""
    return faults.broken(healthy(mode="standard"), faults.move_objects)


def _private() -> World:
    """The registry's name leads to a private endpoint, and its data endpoint's too."""
    world = healthy()
    world.registry.data_endpoint = True
    chain = ("labreg.privatelink.azurecr.io",)
    faults.resolves(HOST, "10.225.0.5", chain=chain)(world)
    faults.resolves(world.registry.data_host, "10.225.0.4")(world)
    return world


def _abac() -> World:
    """The registry counts repository permissions, and the identity has the role for that."""
    world = healthy()
    world.registry.role_mode = "abac"
    world.azure.roles = [
        RoleAssignment(OBJECT_ID, "Container Registry Repository Reader", REGISTRY_ID, ["coder/*"]),
    ]
    return world


def _one_node_python() -> World:
    """The image has python3 and nothing else."""
    return faults.broken(healthy(), faults.tools("python3"))


def _allowed(leave: str, mode: Literal["managed", "standard"] = "managed") -> World:
    """The image has no program to ask with, and acrcheck may bring its own."""
    world = faults.broken(healthy(mode=mode), faults.tools())
    world.target = replace(world.target, allow=frozenset({leave}))
    return world


SCENARIOS = (
    Scenario(
        "healthy-debug-container",
        "",
        "a bare image, and leave for an ephemeral container",
        lambda: _allowed("debug-container"),
        exit_code=0,
    ),
    Scenario(
        "healthy-probe-pod",
        "",
        "a bare image, and leave for a short-lived pod",
        lambda: _allowed("probe-pod"),
        exit_code=0,
    ),
    Scenario(
        "healthy-probe-pod-standard",
        "",
        "the same in standard mode",
        lambda: _allowed("probe-pod", "standard"),
        exit_code=0,
    ),
    Scenario("healthy", "", "all is well, NMI in managed mode", healthy, exit_code=0),
    Scenario(
        "healthy-standard", "", "NMI and MIC in standard mode", lambda: healthy(mode="standard"), exit_code=0
    ),
    Scenario(
        "healthy-across-namespaces",
        "",
        "standard mode, objects in another namespace",
        _across_namespaces,
        exit_code=0,
    ),
    Scenario(
        "healthy-several-identities", "", "several identities, the one meant is named", _several, exit_code=0
    ),
    Scenario("healthy-private-endpoint", "", "the registry by its private endpoint", _private, exit_code=0),
    Scenario("healthy-abac", "", "a registry with repository permissions", _abac, exit_code=0),
    Scenario(
        "healthy-by-hand", "", "a Deployment that Helm did not make", lambda: healthy(helm=False), exit_code=0
    ),
    Scenario("healthy-one-replica", "", "one replica", lambda: healthy(replicas=1), exit_code=0),
    Scenario("healthy-ten-replicas", "", "ten replicas", lambda: healthy(replicas=10), exit_code=0),
    Scenario("healthy-python-only", "", "an image with python3 and no curl", _one_node_python, exit_code=0),
)
