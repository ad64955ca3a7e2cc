"""Pulls that are tried with leave: what the nodes' kubelets come to while nothing waits for an image."""

from acrcheck.lab import faults
from acrcheck.lab.faults import SYSTEM_NODE, WORKER_NODE, Faulty
from acrcheck.lab.machines import Machine
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.waiting import own_registry, pull_policy, pulls
from acrcheck.lab.world import HOST, OBJECT_ID, World

from .pulls import APPLICATION, REFUSED
from .waiting import KEPT, NOBODY, NODES_OWN, RESET, ROLLOUT, Waiting, disk_full, works_again

LEAVE = faults.target(image="", allow=frozenset({"probe-pod"}))
"""The workload's own images are tried, with leave for throw-away pods."""
UNAUTHORIZED = (
    "acrpull-ignored-abac",
    "role-propagation-delay",
    "role-on-wrong-principal",
    "tenant-mismatch",
)
"""What a refused exchange does not tell apart."""
NO_SUBSCRIPTION = ("no-subscription-visible",)
NODES_STATE = "a node's state is not acrcheck's to change"


def _coderd_may_not(world: World) -> None:
    """The pod identity has no role; the nodes' own has."""
    world.azure.roles[:] = [item for item in world.azure.roles if item.principal_id != OBJECT_ID]


def _nodes_may_not(world: World) -> None:
    """The nodes' own identity has no role; the pod identity has."""
    kubelet = world.azure.identities[1].object_id
    world.azure.roles[:] = [item for item in world.azure.roles if item.principal_id != kubelet]


def _principals(world: World) -> None:
    """The nodes pull with a service principal that has no role."""
    for node in (SYSTEM_NODE, WORKER_NODE):
        world.machines[node] = Machine(service_principal=(APPLICATION, "of last year"))


SCENARIOS = (
    Scenario(
        "both-identities-pull",
        "",
        "with leave: the nodes may pull, and coderd may",
        Waiting(own_registry, LEAVE),
        exit_code=0,
    ),
    Scenario(
        "nodes-pull-coderd-does-not",
        "no-acrpull-role",
        "with leave: the nodes may pull, and the pod identity has no role",
        Waiting(own_registry, _coderd_may_not, LEAVE),
        among=UNAUTHORIZED,
        beside=NO_SUBSCRIPTION,
        mended_by=("acrpull",),
    ),
    Scenario(
        "coderd-pulls-nodes-do-not",
        "registry-credential-not-sent",
        "with leave: the pod identity may pull, and the nodes' own has no role",
        Waiting(own_registry, _nodes_may_not, LEAVE),
        among=NOBODY,
        unmended=NODES_OWN,
    ),
    Scenario(
        "nodes-do-not-pull-what-they-have",
        "registry-credential-not-sent",
        "with leave: coderd runs from an image that its nodes have, and could not pull any more",
        Waiting(own_registry, pull_policy("IfNotPresent"), _nodes_may_not, LEAVE),
        among=NOBODY,
        beside=KEPT,
        unmended=NODES_OWN,
    ),
    Scenario(
        "neither-identity-pulls",
        "no-acrpull-role",
        "with leave: neither the pod identity nor what the nodes pull with has a role",
        Waiting(own_registry, _coderd_may_not, _principals, LEAVE),
        among=(*UNAUTHORIZED, *REFUSED),
        beside=NO_SUBSCRIPTION,
        unmended="of the two only the pod identity's role is given by a command that is complete",
    ),
    Scenario(
        "pull-fails-on-full-disk",
        "node-disk-full",
        "with leave: coderd runs, and the next pod would not get its image on one pool",
        Waiting(own_registry, disk_full, LEAVE),
        unmended=NODES_STATE,
    ),
    Scenario(
        "pull-not-tried-under-pressure",
        "",
        "with leave: the only node of a pool has too little disk, and nothing is pulled there",
        Faulty(own_registry, faults.node_condition("DiskPressure", "True", WORKER_NODE), LEAVE),
        unmended=NODES_STATE,
        exit_code=3,
    ),
    Scenario(
        "pull-works-for-a-throw-away-pod",
        "pull-retry-pending",
        "with leave: a pod waits without a pull secret, and its kubelet can pull now",
        Waiting(
            own_registry,
            faults.scale(3),
            faults.rule("reset", HOST, SYSTEM_NODE),
            pulls(SYSTEM_NODE),
            works_again,
            LEAVE,
        ),
        beside=(*ROLLOUT, *RESET),
        mended_by=("delete-pod",),
    ),
)
