"""The managed identity: not on the nodes, another one, roles."""

from datetime import timedelta

from acrcheck.lab import faults
from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import OBJECT_ID, REGISTRY_ID, WORKER_POOL, World, healthy

WRONG = "0d1f6d4e-98a4-4c6b-8f0a-55a1c3b2e7d9"
NOT_FOUND = ("wrong-client-id", "identity-not-assigned-to-vm", "identity-recreated-stale-on-vm")
REFUSED = (
    "no-acrpull-role",
    "acrpull-ignored-abac",
    "role-propagation-delay",
    "role-on-wrong-principal",
    "tenant-mismatch",
)
"""What the registry's 401 does not tell apart."""


def _wrong_client_id() -> World:
    return faults.broken(healthy(), faults.identity(clientID=WRONG))


def _one_pool() -> World:
    return faults.broken(healthy(), faults.third_node, faults.unassigned(WORKER_POOL))


def _one_pool_one_node() -> World:
    return faults.broken(healthy(), faults.unassigned(WORKER_POOL))


def _stale_node() -> World:
    return faults.broken(healthy(), faults.third_node, faults.stale_imds(faults.WORKER_NODE))


def _nowhere() -> World:
    return faults.broken(healthy(), faults.unassigned(*faults.POOLS))


def _recreated() -> World:
    return faults.broken(healthy(), faults.recreated)


def _kubelets() -> World:
    """NMI is not there, and the pods' own identity not on the nodes: IMDS hands out the kubelet's."""
    return faults.broken(healthy(), faults.no_nmi(), faults.unassigned(*faults.POOLS))


def _no_role() -> World:
    world = healthy()
    world.azure.roles = []
    return world


def _abac() -> World:
    world = healthy()
    world.registry.role_mode = "abac"
    return world


def _too_new() -> World:
    world = healthy()
    later = world.clock.now() + timedelta(minutes=8)
    world.azure.roles = [RoleAssignment(OBJECT_ID, "AcrPull", REGISTRY_ID, effective_at=later)]
    return world


def _to_the_kubelet() -> World:
    world = healthy()
    world.azure.roles = [RoleAssignment(world.azure.identities[1].object_id, "AcrPull", REGISTRY_ID)]
    return world


def _other_tenant() -> World:
    world = healthy()
    world.registry.tenant_id = "6d5b0c2e-1f77-4b9a-8a0e-3c4b9f1d2e60"
    return world


def _other_repository() -> World:
    world = healthy()
    world.registry.role_mode = "abac"
    role = "Container Registry Repository Reader"
    world.azure.roles = [RoleAssignment(OBJECT_ID, role, REGISTRY_ID, ["team/*"])]
    return world


def _no_metadata() -> World:
    world = healthy()
    world.azure.roles = [RoleAssignment(OBJECT_ID, "pull only", REGISTRY_ID, actions=["pull"])]
    return world


def _no_arm_audience() -> World:
    world = healthy()
    world.registry.arm_audience_enabled = False
    return world


def _no_subscription() -> World:
    world = healthy()
    world.azure.subscriptions = []
    return world


def _without(cause: str) -> tuple[str, ...]:
    return tuple(name for name in REFUSED if name != cause)


SCENARIOS = (
    Scenario(
        "client-id-wrong",
        "wrong-client-id",
        "the AzureIdentity has another identity's client id",
        _wrong_client_id,
        among=NOT_FOUND[1:],
        mended_by=("set-read",),
    ),
    Scenario(
        "identity-on-no-pool",
        "identity-not-assigned-to-vm",
        "the identity is on no scale set",
        _nowhere,
        among=NOT_FOUND,
        mended_by=("assign",),
    ),
    Scenario(
        "identity-recreated",
        "identity-recreated-stale-on-vm",
        "the identity was deleted and made anew",
        _recreated,
        among=NOT_FOUND,
        mended_by=("reassign", "set-read"),
    ),
    Scenario(
        "identity-missing-on-pool",
        "identity-missing-on-nodepool",
        "one pool lacks the identity",
        _one_pool,
        mended_by=("assign",),
    ),
    Scenario(
        "identity-missing-on-node",
        "identity-missing-on-nodepool",
        "one pool lacks it, and only one node of it is seen",
        _one_pool_one_node,
        among=("imds-stale-cache",),
        mended_by=("assign",),
    ),
    Scenario(
        "imds-stale",
        "imds-stale-cache",
        "IMDS on one node of two is not up to date",
        _stale_node,
        mended_by=("move",),
    ),
    Scenario(
        "kubelets-token",
        "token-of-another-identity",
        "no NMI: IMDS hands out the kubelet's identity",
        _kubelets,
        beside=("nmi-down",),
        unmended="NMI has to be installed again",
    ),
    Scenario(
        "no-role",
        "no-acrpull-role",
        "the identity has no role on the registry",
        _no_role,
        among=_without("no-acrpull-role"),
        beside=("no-subscription-visible",),
        mended_by=("acrpull",),
    ),
    Scenario(
        "abac-ignores-acrpull",
        "acrpull-ignored-abac",
        "AcrPull on a registry with repository permissions",
        _abac,
        among=_without("acrpull-ignored-abac"),
        mended_by=("reader",),
    ),
    Scenario(
        "role-too-new",
        "role-propagation-delay",
        "the role was given minutes ago",
        _too_new,
        among=_without("role-propagation-delay"),
        unmended="time mends it",
        beside=("no-subscription-visible",),
    ),
    Scenario(
        "role-for-the-kubelet",
        "role-on-wrong-principal",
        "the role was given to the kubelet's identity",
        _to_the_kubelet,
        among=_without("role-on-wrong-principal"),
        beside=("no-subscription-visible",),
        unmended="the same command as for a missing role mends it",
    ),
    Scenario(
        "other-tenant",
        "tenant-mismatch",
        "the registry is of another tenant",
        _other_tenant,
        among=_without("tenant-mismatch"),
        unmended="a managed identity does not leave its tenant",
    ),
    Scenario(
        "role-for-other-repositories",
        "acrpull-ignored-abac",
        "the role's condition names other repositories",
        _other_repository,
        among=("no-acrpull-role",),
        mended_by=("reader-scope",),
    ),
    Scenario(
        "no-metadata-read",
        "token-scope-insufficient",
        "the token may pull and not list tags",
        _no_metadata,
        unmended="the scope map or role is the registry owner's to change",
        exit_code=0,
    ),
    Scenario(
        "arm-audience-disabled",
        "arm-audience-disabled",
        "the registry refuses tokens for ARM",
        _no_arm_audience,
        mended_by=("enable",),
    ),
    Scenario(
        "no-subscription",
        "no-subscription-visible",
        "the identity sees no subscription",
        _no_subscription,
        unmended="nothing has to change",
        exit_code=0,
    ),
)
