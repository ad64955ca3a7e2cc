"""The managed identity: not on the nodes, another one, roles."""

from datetime import timedelta

from acrcheck.lab import faults
from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.faults import Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import GROUP, OBJECT_ID, REGISTRY_ID, WORKER_POOL, World

WRONG = "0d1f6d4e-98a4-4c6b-8f0a-55a1c3b2e7d9"
OTHER_TENANT = "6d5b0c2e-1f77-4b9a-8a0e-3c4b9f1d2e60"
OF_ANOTHER_REPOSITORY = RoleAssignment(
    OBJECT_ID, "Container Registry Repository Reader", REGISTRY_ID, ["team/*"]
)
PULL_ONLY = RoleAssignment(OBJECT_ID, "pull only", REGISTRY_ID, actions=["pull"])
NOT_FOUND = ("wrong-client-id", "identity-not-assigned-to-vm", "identity-recreated-stale-on-vm")
REFUSED = (
    "no-acrpull-role",
    "acrpull-ignored-abac",
    "role-propagation-delay",
    "role-on-wrong-principal",
    "tenant-mismatch",
)
"""What the registry's 401 does not tell apart."""


def _too_new(world: World) -> None:
    later = world.clock.now() + timedelta(minutes=8)
    world.azure.roles = [RoleAssignment(OBJECT_ID, "AcrPull", REGISTRY_ID, effective_at=later)]


def _to_the_kubelet(world: World) -> None:
    world.azure.roles = [RoleAssignment(world.azure.identities[1].object_id, "AcrPull", REGISTRY_ID)]


def _no_subscription(world: World) -> None:
    world.azure.subscriptions = []


def _without(cause: str) -> tuple[str, ...]:
    return tuple(name for name in REFUSED if name != cause)


SCENARIOS = (
    Scenario(
        "client-id-wrong",
        "wrong-client-id",
        "the AzureIdentity has another identity's client id",
        Faulty(faults.identity(clientID=WRONG)),
        among=NOT_FOUND[1:],
        mended_by=("set-read",),
    ),
    Scenario(
        "identity-on-no-pool",
        "identity-not-assigned-to-vm",
        "the identity is on no scale set",
        Faulty(faults.unassigned(*faults.POOLS)),
        among=NOT_FOUND,
        mended_by=("assign",),
    ),
    Scenario(
        "identity-recreated",
        "identity-recreated-stale-on-vm",
        "the identity was deleted and made anew",
        Faulty(faults.recreated),
        among=NOT_FOUND,
        mended_by=("reassign", "set-read"),
    ),
    Scenario(
        "identity-missing-on-pool",
        "identity-missing-on-nodepool",
        "one pool lacks the identity",
        Faulty(faults.third_node, faults.unassigned(WORKER_POOL)),
        mended_by=("assign",),
    ),
    Scenario(
        "identity-missing-on-node",
        "identity-missing-on-nodepool",
        "one pool lacks it, and only one node of it is seen",
        Faulty(faults.unassigned(WORKER_POOL)),
        among=("imds-stale-cache",),
        mended_by=("assign",),
    ),
    Scenario(
        "imds-stale",
        "imds-stale-cache",
        "IMDS on one node of two is not up to date",
        Faulty(faults.third_node, faults.stale_imds(faults.WORKER_NODE)),
        mended_by=("move",),
    ),
    Scenario(
        "kubelets-token",
        "token-of-another-identity",
        "no NMI: IMDS hands out the kubelet's identity",
        Faulty(faults.no_nmi(), faults.unassigned(*faults.POOLS)),
        among=("nmi-down",),
        unmended="NMI has to be installed again",
    ),
    Scenario(
        "no-role",
        "no-acrpull-role",
        "the identity has no role on the registry",
        Faulty(faults.roles()),
        among=_without("no-acrpull-role"),
        beside=("no-subscription-visible",),
        mended_by=("acrpull",),
    ),
    Scenario(
        "abac-ignores-acrpull",
        "acrpull-ignored-abac",
        "AcrPull on a registry with repository permissions",
        Faulty(faults.registry(role_mode="abac")),
        among=_without("acrpull-ignored-abac"),
        mended_by=("reader",),
    ),
    Scenario(
        "abac-read",
        "acrpull-ignored-abac",
        "AcrPull on a registry with repository permissions, whose mode the identity may read",
        Faulty(
            faults.registry(role_mode="abac"),
            faults.roles(
                RoleAssignment(OBJECT_ID, "AcrPull", REGISTRY_ID), RoleAssignment(OBJECT_ID, "Reader", GROUP)
            ),
        ),
        among=tuple(name for name in _without("acrpull-ignored-abac") if name != "no-acrpull-role"),
        mended_by=("reader",),
    ),
    Scenario(
        "role-too-new",
        "role-propagation-delay",
        "the role was given minutes ago",
        Faulty(_too_new),
        among=_without("role-propagation-delay"),
        unmended="time mends it",
        beside=("no-subscription-visible",),
    ),
    Scenario(
        "role-for-the-kubelet",
        "role-on-wrong-principal",
        "the role was given to the kubelet's identity",
        Faulty(_to_the_kubelet),
        among=_without("role-on-wrong-principal"),
        beside=("no-subscription-visible",),
        unmended="the same command as for a missing role mends it",
    ),
    Scenario(
        "other-tenant",
        "tenant-mismatch",
        "the registry is of another tenant",
        Faulty(faults.registry(tenant_id=OTHER_TENANT)),
        among=_without("tenant-mismatch"),
        unmended="a managed identity does not leave its tenant",
    ),
    Scenario(
        "role-for-other-repositories",
        "acrpull-ignored-abac",
        "the role's condition names other repositories",
        Faulty(faults.registry(role_mode="abac"), faults.roles(OF_ANOTHER_REPOSITORY)),
        among=("no-acrpull-role",),
        mended_by=("reader-scope",),
    ),
    Scenario(
        "no-metadata-read",
        "token-scope-insufficient",
        "the token may pull and not list tags",
        Faulty(faults.roles(PULL_ONLY)),
        unmended="the scope map or role is the registry owner's to change",
        exit_code=0,
    ),
    Scenario(
        "arm-audience-disabled",
        "arm-audience-disabled",
        "the registry refuses tokens for ARM",
        Faulty(faults.registry(arm_audience_enabled=False)),
        mended_by=("enable",),
    ),
    Scenario(
        "no-subscription",
        "no-subscription-visible",
        "the identity sees no subscription",
        Faulty(_no_subscription),
        unmended="nothing has to change",
        exit_code=0,
    ),
)
