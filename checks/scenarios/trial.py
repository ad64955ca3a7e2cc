"""Pulls that are tried with leave: what the nodes' kubelets come to while nothing waits for an image."""

from acrcheck.lab import faults
from acrcheck.lab.faults import SYSTEM_NODE, WORKER_NODE, Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.waiting import own_registry, pulls
from acrcheck.lab.world import HOST

from .waiting import RESET, ROLLOUT, Waiting, disk_full, works_again

LEAVE = faults.target(image="", allow=frozenset({"probe-pod"}))
"""The workload's own images are tried, with leave for throw-away pods."""
NODES_STATE = "a node's state is not acrcheck's to change"


SCENARIOS = (
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
