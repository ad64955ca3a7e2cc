"""Causes that a run sees only beside others, which look the same from where it looks."""

from acrcheck.lab import faults
from acrcheck.lab.faults import SYSTEM_NODE, WORKER_NODE, Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import HOST, REGISTRY_ADDRESS

UNLINKED = (
    faults.registry(public_network_access=False, private_endpoints=["10.225.0.5"]),
    faults.resolves(
        HOST,
        REGISTRY_ADDRESS,
        chain=("labreg.privatelink.azurecr.io", "eus.fe.azcr.io", "eus-acr-reg.trafficmanager.net"),
    ),
)
"""The registry has a private endpoint, and the pods' DNS leads past it."""
DENIED = ("firewall-ip-denied", "public-access-disabled")
NETWORK = "the network is not the cluster's to change"

SCENARIOS = (
    Scenario(
        "private-endpoint-unlinked",
        "private-endpoint-dns",
        "the private endpoint's zone is not linked, and the image cannot show the chain of names",
        Faulty(*UNLINKED),
        among=DENIED,
        unmended=NETWORK,
    ),
    Scenario(
        "private-endpoint-unlinked-seen",
        "private-endpoint-dns",
        "the same, and nslookup shows the chain of names",
        Faulty(*UNLINKED, faults.tools("curl", "nslookup")),
        among=DENIED,
        unmended=NETWORK,
    ),
    Scenario(
        "imds-restricted",
        "imds-restricted-by-aks",
        "AKS keeps pods from the metadata service",
        Faulty(faults.imds_restricted),
        among=("imds-blocked-by-network-policy",),
        unmended="it takes effect with a new node image",
    ),
    Scenario(
        "imds-updating",
        "token-endpoint-unexpected-answer",
        "the metadata service says that it is being updated",
        Faulty(faults.missing_redirect(SYSTEM_NODE, WORKER_NODE), faults.imds("updating")),
        unmended="time mends it",
    ),
    Scenario(
        "node-identity-unnamed",
        "multiple-identities-no-client-id",
        "pods of the nodes' network ask for the nodes' identity, of which there are two",
        Faulty(
            faults.pod_spec(hostNetwork=True), faults.relabel(), faults.no_binding, faults.no_azure_identity
        ),
        among=("host-network-bypasses-nmi",),
        unmended="the run and the application have to be told the client id",
    ),
)
