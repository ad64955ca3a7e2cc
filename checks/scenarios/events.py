"""Worlds that a run sees through, and what kubelet, az and curl print in them."""

from collections.abc import Callable
from dataclasses import replace

from acrcheck.lab import faults
from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.path import Place
from acrcheck.lab.programs import azidentity, curl, go
from acrcheck.lab.programs.az import Az
from acrcheck.lab.programs.credential_provider import AUDIENCE
from acrcheck.lab.programs.kubelet import Kubelet
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import CLIENT_ID, HOST, IMAGE, REGISTRY_ID, World

from . import binding, identity, image, metadata, nmi, registry

SHOWN = {
    item.id: item
    for module in (binding, identity, image, metadata, nmi, registry)
    for item in module.SCENARIOS
}
FORBIDDEN = ("firewall-ip-denied", "private-endpoint-dns", "public-access-disabled")
"""What a 403 does not tell apart."""
UNAUTHORIZED = (
    "no-acrpull-role",
    "role-on-wrong-principal",
    "role-propagation-delay",
    "acrpull-ignored-abac",
    "tenant-mismatch",
    "arm-audience-disabled",
    "cli-login-expired",
)
"""What a refused exchange does not tell apart."""
NOT_FOUND = (
    "identity-not-assigned-to-vm",
    "wrong-client-id",
    "identity-recreated-stale-on-vm",
    "imds-stale-cache",
    "identity-deleted",
)
"""What IMDS's `Identity not found` does not tell apart."""
NOBODY = ("nmi-down", "imds-unreachable", "imds-blocked-by-network-policy", "nmi-crash-looping")
"""What a connection to the metadata service that does not come about does not tell apart."""
NOT_BOUND = ("identity-not-bound", "binding-names-missing-identity", "wrong-client-id")
"""What NMI's `no azure identity found` does not tell apart."""
NOT_ASSIGNED = (
    "identity-not-bound",
    "binding-names-missing-identity",
    "mic-down",
    "nmi-without-mic",
    "identity-assignment-pending",
    "mic-missing-managed-identity-operator",
    "mic-missing-vm-contributor",
)
"""What NMI's failed attempts do not tell apart."""


def _events(world: World) -> str:
    return _pulled(world).describe()


def _journal(world: World) -> str:
    return _pulled(world).journal()


def _pulled(world: World) -> Kubelet:
    """The kubelet's identity may pull, as far as this world lets it."""
    kubelet = world.azure.identities[1]
    world.azure.roles.append(RoleAssignment(kubelet.object_id, "AcrPull", REGISTRY_ID))
    return Kubelet(world, faults.WORKER_NODE).start(world.target.image or IMAGE)


def _health(world: World) -> str:
    """What az says of the registry to the workload's own identity."""
    world.workstation.login = world.azure.identities[0]
    return Az(world).acr_check_health(HOST.partition(".")[0])


def _library(world: World) -> str:
    """What a program in the first pod says that asks by Azure's library for Go."""
    client = go.Client(world, Place(world.pods[0]))
    try:
        return azidentity.token(client, AUDIENCE, CLIENT_ID)
    except azidentity.FailedError as error:
        return f"{error}\n"


def _told(name: str, by: str, prints: Callable[[World], str], *among: str) -> Scenario:
    """What a program prints in the world of a scenario of a run."""
    known = SHOWN[name]
    title = f"{known.title}: {by}"
    return Scenario(f"{name}-text", known.cause, title, known.build, among=among, prints=prints)


def _pull(name: str, *among: str) -> Scenario:
    return _told(name, "the events of a pull", _events, *among)


def _token(name: str, *among: str) -> Scenario:
    return _told(name, "a token asked for by hand", curl.token, *among)


def _check(name: str, *among: str) -> Scenario:
    return _told(name, "az acr check-health", _health, *among)


SCENARIOS = (
    _pull("tag-missing"),
    _pull("repository-missing", "tag-not-found"),
    _pull("platform-missing"),
    _pull("manifest-purged"),
    _pull("image-locked"),
    _pull("not-an-image"),
    _pull("storage-blocked"),
    _pull("blob-corrupt"),
    _pull("registry-misspelt"),
    _pull("no-dns-on-node"),
    _pull("egress-blocked"),
    _pull("connection-refused"),
    _pull("private-endpoint-unreachable"),
    _pull("registry-firewall", *FORBIDDEN),
    _pull("public-access-disabled", *FORBIDDEN),
    _pull("tls-intercepted"),
    _pull("certificate-expired"),
    _pull("old-tls"),
    _pull("privatelink-name"),
    _pull("registry-throttled"),
    _pull("registry-failing"),
    _told("imds-throttled", "the kubelet's log", _journal),
    # The log says with which status the page came, and not that it is one.
    replace(_told("web-page", "the kubelet's log", _journal), cause="not-an-azure-registry"),
    _check("no-role", *UNAUTHORIZED),
    _check("abac-ignores-acrpull", *UNAUTHORIZED),
    _check("role-too-new", *UNAUTHORIZED),
    _check("role-for-the-kubelet", *UNAUTHORIZED),
    _check("other-tenant", *UNAUTHORIZED),
    _token("binding-missing", *NOT_BOUND),
    _token("binding-misspelt", *NOT_BOUND),
    _token("nmi-blind"),
    _token("client-id-wrong", *NOT_FOUND),
    _token("identity-on-no-pool", *NOT_FOUND),
    _token("identity-recreated", *NOT_FOUND),
    _token("imds-stale", *NOT_FOUND),
    _token("imds-stopped", "nmi-down"),
    _token("imds-silent", "imds-blocked-by-network-policy"),
    _told("nmi-not-ready", "a program with Azure's library for Go", _library, *NOBODY),
    _told("imds-blocked", "a program with Azure's library for Go", _library, *NOBODY),
    _token("mic-absent", *NOT_ASSIGNED),
    _token("not-assigned", *NOT_ASSIGNED),
    _token("assignment-created", *NOT_ASSIGNED),
)
