"""The way to the registry: names, connections, certificates, firewalls, and who answers."""

from dataclasses import replace
from datetime import timedelta

from acrcheck.lab import faults
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import HOST, ISSUER, REPOSITORY, TAG, Canned, Certificate, World, healthy

NETWORK = "the network is not the cluster's to change"
DENIED = ("firewall-ip-denied", "public-access-disabled", "private-endpoint-dns")


def _misspelt() -> World:
    world = healthy()
    world.target = replace(world.target, image=f"labrge.azurecr.io/{REPOSITORY}:{TAG}")
    return world


def _no_dns() -> World:
    return faults.broken(healthy(), faults.rule("unresolved"))


def _no_dns_on_node() -> World:
    return faults.broken(healthy(), faults.rule("unresolved", where=faults.WORKER_NODE))


def _blocked() -> World:
    return faults.broken(healthy(), faults.rule("drop", HOST))


def _all_blocked() -> World:
    return faults.broken(healthy(), faults.rule("drop"))


def _refused() -> World:
    return faults.broken(healthy(), faults.rule("refuse", HOST))


def _reset() -> World:
    return faults.broken(healthy(), faults.rule("reset", HOST))


def _private_unreachable() -> World:
    return faults.broken(healthy(), faults.resolves(HOST, "10.225.0.5"), faults.rule("drop", HOST))


def _firewall() -> World:
    world = healthy()
    world.registry.ip_rules = ["198.51.100.0/24"]
    return world


def _no_public_access() -> World:
    world = healthy()
    world.registry.public_network_access = False
    return world


def _inspected() -> World:
    return faults.broken(healthy(), faults.rule("inspect"))


def _inspected_registry() -> World:
    return faults.broken(healthy(), faults.rule("inspect", HOST))


def _expired() -> World:
    world = healthy()
    past = world.clock.now() - timedelta(days=3)
    world.network.certificates.insert(0, Certificate(("*.azurecr.io",), ISSUER, past))
    return world


def _privatelink() -> World:
    host = "labreg.privatelink.azurecr.io"
    world = faults.broken(healthy(), faults.resolves(host, "10.225.0.5"))
    world.target = replace(world.target, image=f"{host}/{REPOSITORY}:{TAG}")
    return world


def _answering(key: str, canned: Canned) -> World:
    world = healthy()
    world.network.answers[key] = canned
    return world


def _throttled() -> World:
    message = (
        "Too many requests. Please visit https://aka.ms/acr/skus#sku-feature-matrix to view limits of all "
        "service tiers."
    )
    body = f'{{"errors":[{{"code":"TOOMANYREQUESTS","message":"{message}"}}]}}'
    return _answering(HOST, Canned(429, (("Content-Type", "application/json"), ("Retry-After", "30")), body))


def _failing() -> World:
    body = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>"
    return _answering(HOST, Canned(503, (("Content-Type", "text/html"), ("Server", "openresty")), body))


def _other_registry() -> World:
    header = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"'
    body = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
    headers = (("Content-Type", "application/json"), ("Www-Authenticate", header))
    return _answering(f"{HOST}/v2/", Canned(401, headers, body))


def _web_page() -> World:
    return _answering(HOST, Canned(200, (("Content-Type", "text/html"),), "<html>Please sign in</html>"))


def _arm_refuses() -> World:
    body = '{"error":{"code":"InvalidAuthenticationToken","message":"The access token is invalid."}}'
    return _answering("management.azure.com", Canned(401, (("Content-Type", "application/json"),), body))


SCENARIOS = (
    Scenario(
        "registry-misspelt",
        "registry-name-wrong",
        "the registry's name does not exist",
        _misspelt,
        unmended="only a person knows the name that was meant",
    ),
    Scenario("no-dns", "node-dns-broken", "no name resolves from the pods", _no_dns, unmended=NETWORK),
    Scenario(
        "no-dns-on-node", "node-dns-broken", "no name resolves on one node", _no_dns_on_node, unmended=NETWORK
    ),
    Scenario(
        "egress-blocked", "egress-blocked", "the way to the registry is blocked", _blocked, unmended=NETWORK
    ),
    Scenario(
        "all-egress-blocked", "egress-blocked", "every way out is blocked", _all_blocked, unmended=NETWORK
    ),
    Scenario(
        "connection-refused",
        "egress-blocked",
        "connections to the registry are refused",
        _refused,
        unmended=NETWORK,
    ),
    Scenario(
        "connection-reset", "egress-blocked", "TLS with the registry is cut off", _reset, unmended=NETWORK
    ),
    Scenario(
        "private-endpoint-unreachable",
        "private-endpoint-unreachable",
        "the private endpoint cannot be reached",
        _private_unreachable,
        unmended=NETWORK,
    ),
    Scenario(
        "registry-firewall",
        "firewall-ip-denied",
        "the registry's firewall does not let the pods in",
        _firewall,
        among=DENIED[1:],
        mended_by=("allow",),
    ),
    Scenario(
        "public-access-disabled",
        "public-access-disabled",
        "the registry takes private endpoints only",
        _no_public_access,
        among=DENIED,
        unmended=NETWORK,
    ),
    Scenario(
        "tls-intercepted",
        "tls-untrusted-ca",
        "somebody on the way signs in the registry's name",
        _inspected_registry,
        unmended=NETWORK,
    ),
    Scenario(
        "all-tls-intercepted",
        "tls-untrusted-ca",
        "somebody on the way signs in everybody's name",
        _inspected,
        unmended=NETWORK,
    ),
    Scenario(
        "certificate-expired",
        "tls-server-cert-expired",
        "the registry's certificate has run out",
        _expired,
        unmended="the certificate is the registry's",
    ),
    Scenario(
        "privatelink-name",
        "privatelink-name-used",
        "the registry is called by its privatelink name",
        _privatelink,
        unmended="only a person can correct the reference",
    ),
    Scenario(
        "registry-throttled",
        "throttled",
        "the registry limits this client",
        _throttled,
        unmended="time mends it",
    ),
    Scenario(
        "registry-failing", "service-incident", "the registry answers 503", _failing, unmended="time mends it"
    ),
    Scenario(
        "other-registry",
        "not-an-azure-registry",
        "another registry answers under the name",
        _other_registry,
        unmended=NETWORK,
    ),
    Scenario(
        "web-page",
        "not-an-azure-registry",
        "a login page answers under the name",
        _web_page,
        unmended=NETWORK,
    ),
    Scenario(
        "arm-refuses",
        "arm-refuses-token",
        "ARM refuses the identity's token",
        _arm_refuses,
        unmended="the identity, or the cloud, is another one",
    ),
)
