"""NMI and MIC: absent, crashing, twice, bypassed."""

from acrcheck.lab import faults
from acrcheck.lab.faults import SYSTEM_NODE, WORKER_NODE
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import World, healthy

BY_HAND = "somebody has to find out why, and mend it where the component is installed"


def _absent() -> World:
    return faults.broken(healthy(), faults.no_nmi(WORKER_NODE))


def _not_ready() -> World:
    return faults.broken(healthy(), faults.nmi_not_ready(WORKER_NODE))


def _crashing() -> World:
    return faults.broken(healthy(), faults.nmi_crashing(WORKER_NODE))


def _twice() -> World:
    return faults.broken(healthy(), faults.nmi_twice)


def _no_mic() -> World:
    return faults.broken(healthy(mode="standard"), faults.no_mic)


def _mic_down() -> World:
    return faults.broken(healthy(mode="standard"), faults.mic_crashing)


def _not_assigned() -> World:
    return faults.broken(healthy(mode="standard"), faults.mic_idle)


def _created() -> World:
    return faults.broken(healthy(mode="standard"), faults.mic_stuck)


def _ebpf() -> World:
    key = "kubernetes.azure.com/ebpf-host-routing"
    nodes = SYSTEM_NODE, WORKER_NODE
    return faults.broken(healthy(), faults.node_label(key, "true", *nodes), faults.unassigned(*faults.POOLS))


def _no_redirect() -> World:
    redirect = faults.missing_redirect(WORKER_NODE)
    return faults.broken(healthy(), redirect, faults.unassigned(*faults.POOLS[1:]))


def _host_network() -> World:
    fault = faults.pod_spec(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    return faults.broken(healthy(), fault, faults.unassigned(*faults.POOLS))


def _host_network_by_hand() -> World:
    fault = faults.pod_spec(hostNetwork=True)
    return faults.broken(healthy(helm=False), fault, faults.unassigned(*faults.POOLS))


def _windows() -> World:
    return faults.broken(healthy(), faults.windows, faults.unassigned(*faults.POOLS[1:]))


def _blind() -> World:
    return faults.broken(healthy(), faults.blind_nmi(WORKER_NODE))


SCENARIOS = (
    Scenario("nmi-absent", "nmi-down", "NMI has no pod on one node", _absent, unmended=BY_HAND),
    Scenario("nmi-not-ready", "nmi-down", "NMI is not ready on one node", _not_ready, unmended=BY_HAND),
    Scenario(
        "nmi-crash-looping",
        "nmi-crash-looping",
        "NMI crashes on one node, its redirect is left",
        _crashing,
        unmended=BY_HAND,
    ),
    Scenario(
        "nmi-twice",
        "nmi-installed-twice",
        "two installations of NMI",
        _twice,
        unmended=BY_HAND,
        beside=("nmi-crash-looping",),
    ),
    Scenario("mic-absent", "nmi-without-mic", "standard mode without MIC", _no_mic, unmended=BY_HAND),
    Scenario("mic-crashing", "mic-down", "MIC crashes", _mic_down, unmended=BY_HAND),
    Scenario(
        "not-assigned",
        "identity-assignment-pending",
        "standard mode: no AzureAssignedIdentity",
        _not_assigned,
        unmended=BY_HAND,
    ),
    Scenario(
        "assignment-created",
        "identity-assignment-pending",
        "standard mode: the AzureAssignedIdentity stays in Created",
        _created,
        unmended=BY_HAND,
    ),
    Scenario(
        "ebpf-routing",
        "nmi-bypassed-by-ebpf",
        "nodes with eBPF host routing",
        _ebpf,
        unmended="the pool, or the way of authenticating, has to change",
    ),
    Scenario(
        "redirect-missing",
        "nmi-redirect-missing",
        "NMI runs on a node and does not intercept",
        _no_redirect,
        among=("token-of-another-identity",),
        unmended=BY_HAND,
    ),
    Scenario(
        "host-network",
        "host-network-bypasses-nmi",
        "the pods use their node's network",
        _host_network,
        unmended="the change belongs into the values that Helm is given",
    ),
    Scenario(
        "host-network-by-hand",
        "host-network-bypasses-nmi",
        "the same, without Helm",
        _host_network_by_hand,
        mended_by=("own-network",),
    ),
    Scenario(
        "windows-node",
        "windows-node",
        "a pod on a Windows node",
        _windows,
        unmended="the workload belongs on Linux nodes",
    ),
    Scenario(
        "nmi-blind",
        "nmi-apiserver-unreachable",
        "NMI on one node has lost the API server",
        _blind,
        unmended=BY_HAND,
    ),
)
