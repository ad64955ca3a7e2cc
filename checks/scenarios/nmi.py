"""NMI and MIC: absent, crashing, twice, bypassed."""

from acrcheck.lab import faults
from acrcheck.lab.faults import SYSTEM_NODE, WORKER_NODE, Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import WORKER_POOL

BY_HAND = "somebody has to find out why, and mend it where the component is installed"


SCENARIOS = (
    Scenario(
        "nmi-absent",
        "nmi-down",
        "NMI has no pod on one node",
        Faulty(faults.no_nmi(WORKER_NODE)),
        unmended=BY_HAND,
    ),
    Scenario(
        "nmi-not-ready",
        "nmi-down",
        "NMI is not ready on one node",
        Faulty(faults.nmi_not_ready(WORKER_NODE)),
        unmended=BY_HAND,
    ),
    Scenario(
        "nmi-crash-looping",
        "nmi-crash-looping",
        "NMI crashes on one node, its redirect is left",
        Faulty(faults.nmi_crashing(WORKER_NODE)),
        unmended=BY_HAND,
    ),
    Scenario(
        "nmi-twice",
        "nmi-installed-twice",
        "two installations of NMI",
        Faulty(faults.nmi_twice),
        unmended=BY_HAND,
        beside=("nmi-crash-looping",),
    ),
    Scenario(
        "mic-absent",
        "nmi-without-mic",
        "standard mode without MIC",
        Faulty(faults.no_mic, mode="standard"),
        unmended=BY_HAND,
    ),
    Scenario(
        "mic-crashing",
        "mic-down",
        "MIC crashes",
        Faulty(faults.mic_crashing, mode="standard"),
        unmended=BY_HAND,
    ),
    Scenario(
        "not-assigned",
        "identity-assignment-pending",
        "standard mode: no AzureAssignedIdentity",
        Faulty(faults.mic_idle, mode="standard"),
        unmended=BY_HAND,
    ),
    Scenario(
        "assignment-created",
        "identity-assignment-pending",
        "standard mode: the AzureAssignedIdentity stays in Created",
        Faulty(faults.mic_stuck, mode="standard"),
        unmended=BY_HAND,
    ),
    Scenario(
        "ebpf-routing",
        "nmi-bypassed-by-ebpf",
        "nodes with eBPF host routing",
        Faulty(
            faults.node_label("kubernetes.azure.com/ebpf-host-routing", "true", SYSTEM_NODE, WORKER_NODE),
            faults.unassigned(*faults.POOLS),
        ),
        unmended="the pool, or the way of authenticating, has to change",
    ),
    Scenario(
        "redirect-missing",
        "nmi-redirect-missing",
        "NMI runs on a node and does not intercept",
        Faulty(faults.missing_redirect(WORKER_NODE), faults.unassigned(WORKER_POOL)),
        among=("token-of-another-identity",),
        unmended=BY_HAND,
    ),
    Scenario(
        "host-network",
        "host-network-bypasses-nmi",
        "the pods use their node's network",
        Faulty(
            faults.pod_spec(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"),
            faults.unassigned(*faults.POOLS),
        ),
        unmended="the change belongs into the values that Helm is given",
    ),
    Scenario(
        "host-network-by-hand",
        "host-network-bypasses-nmi",
        "the same, without Helm",
        Faulty(faults.pod_spec(hostNetwork=True), faults.unassigned(*faults.POOLS), helm=False),
        mended_by=("own-network",),
    ),
    Scenario(
        "windows-node",
        "windows-node",
        "a pod on a Windows node",
        Faulty(faults.windows, faults.unassigned(WORKER_POOL)),
        unmended="the workload belongs on Linux nodes",
    ),
    Scenario(
        "nmi-blind",
        "nmi-apiserver-unreachable",
        "NMI on one node has lost the API server",
        Faulty(faults.blind_nmi(WORKER_NODE)),
        unmended=BY_HAND,
    ),
)
