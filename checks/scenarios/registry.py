"""The way to the registry: names, connections, certificates, firewalls, and who answers."""

from datetime import timedelta

from acrcheck.lab import faults
from acrcheck.lab.faults import Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import HOST, ISSUER, REPOSITORY, TAG, Canned, Certificate, World

from .image import pull_only

PRIVATELINK = "labreg.privatelink.azurecr.io"
NETWORK = "the network is not the cluster's to change"
DENIED = ("firewall-ip-denied", "public-access-disabled", "private-endpoint-dns")


def _expired(world: World) -> None:
    past = world.clock.now() - timedelta(days=3)
    world.network.certificates.insert(0, Certificate(("*.azurecr.io",), ISSUER, past))


def _json(status: int, body: str, *headers: tuple[str, str]) -> Canned:
    return Canned(status, (("Content-Type", "application/json"), *headers), body)


_throttled = Faulty(
    faults.answers(
        HOST,
        _json(
            429,
            '{"errors":[{"code":"TOOMANYREQUESTS","message":"Too many requests. Please visit '
            'https://aka.ms/acr/skus#sku-feature-matrix to view limits of all service tiers."}]}',
            ("Retry-After", "30"),
        ),
    )
)
_other_registry = Faulty(
    faults.answers(
        f"{HOST}/v2/",
        _json(
            401,
            '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
            (
                "Www-Authenticate",
                'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
            ),
        ),
    )
)
SCENARIOS = (
    Scenario(
        "registry-misspelt",
        "registry-name-wrong",
        "the registry's name does not exist",
        Faulty(faults.target(image=f"labrge.azurecr.io/{REPOSITORY}:{TAG}")),
        unmended="only a person knows the name that was meant",
    ),
    Scenario(
        "registry-suffix-misspelt",
        "registry-name-wrong",
        "the domain of Azure's registries is misspelt",
        Faulty(faults.target(image=f"labreg.azureacr.io/{REPOSITORY}:{TAG}")),
        unmended="only a person can correct the reference",
    ),
    Scenario(
        "no-dns",
        "node-dns-broken",
        "no name resolves from the pods",
        Faulty(faults.rule("unresolved")),
        unmended=NETWORK,
    ),
    Scenario(
        "no-dns-on-node",
        "node-dns-broken",
        "no name resolves on one node",
        Faulty(faults.rule("unresolved", where=faults.WORKER_NODE)),
        unmended=NETWORK,
    ),
    Scenario(
        "egress-blocked",
        "egress-blocked",
        "the way to the registry is blocked",
        Faulty(faults.rule("drop", HOST)),
        unmended=NETWORK,
    ),
    Scenario(
        "all-egress-blocked",
        "egress-blocked",
        "every way out is blocked",
        Faulty(faults.rule("drop")),
        unmended=NETWORK,
    ),
    Scenario(
        "connection-refused",
        "egress-blocked",
        "connections to the registry are refused",
        Faulty(faults.rule("refuse", HOST)),
        unmended=NETWORK,
    ),
    Scenario(
        "connection-reset",
        "egress-blocked",
        "TLS with the registry is cut off",
        Faulty(faults.rule("reset", HOST)),
        unmended=NETWORK,
    ),
    Scenario(
        "private-endpoint-unreachable",
        "private-endpoint-unreachable",
        "the private endpoint cannot be reached",
        Faulty(faults.resolves(HOST, "10.225.0.5"), faults.rule("drop", HOST)),
        unmended=NETWORK,
    ),
    Scenario(
        "registry-firewall",
        "firewall-ip-denied",
        "the registry's firewall does not let the pods in",
        Faulty(faults.registry(ip_rules=["198.51.100.0/24"])),
        mended_by=("allow",),
    ),
    Scenario(
        "registry-firewall-unread",
        "firewall-ip-denied",
        "the same, and the identity may not see how the registry is set up",
        Faulty(faults.registry(ip_rules=["198.51.100.0/24"]), pull_only),
        among=DENIED[1:],
        mended_by=("allow",),
    ),
    Scenario(
        "public-access-disabled",
        "public-access-disabled",
        "the registry takes private endpoints only",
        Faulty(faults.registry(public_network_access=False)),
        unmended=NETWORK,
    ),
    Scenario(
        "public-access-disabled-unread",
        "public-access-disabled",
        "the same, and the identity may not see how the registry is set up",
        Faulty(faults.registry(public_network_access=False), pull_only),
        among=DENIED,
        unmended=NETWORK,
    ),
    Scenario(
        "tls-intercepted",
        "tls-untrusted-ca",
        "somebody on the way signs in the registry's name",
        Faulty(faults.rule("inspect", HOST)),
        unmended=NETWORK,
    ),
    Scenario(
        "all-tls-intercepted",
        "tls-untrusted-ca",
        "somebody on the way signs in everybody's name",
        Faulty(faults.rule("inspect")),
        unmended=NETWORK,
    ),
    Scenario(
        "certificate-expired",
        "tls-server-cert-expired",
        "the registry's certificate has run out",
        Faulty(_expired),
        unmended="the certificate is the registry's",
    ),
    Scenario(
        "privatelink-name",
        "privatelink-name-used",
        "the registry is called by its privatelink name",
        Faulty(
            faults.resolves(PRIVATELINK, "10.225.0.5"),
            faults.target(image=f"{PRIVATELINK}/{REPOSITORY}:{TAG}"),
        ),
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
        "registry-failing",
        "service-incident",
        "the registry answers 503",
        Faulty(
            faults.answers(
                HOST,
                Canned(
                    503,
                    (("Content-Type", "text/html"), ("Server", "openresty")),
                    "<html><head><title>503 Service Temporarily Unavailable</title></head></html>",
                ),
            )
        ),
        unmended="time mends it",
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
        "captive-portal",
        "a login page answers under the name",
        Faulty(
            faults.answers(HOST, Canned(200, (("Content-Type", "text/html"),), "<html>Please sign in</html>"))
        ),
        unmended=NETWORK,
    ),
    Scenario(
        "old-tls",
        "tls-too-old",
        "what answers under the name speaks an old TLS only",
        Faulty(faults.rule("old-tls", HOST)),
        unmended=NETWORK,
    ),
    Scenario(
        "plain-realm",
        "plain-http",
        "the challenge wants the credentials over plain HTTP",
        Faulty(
            faults.answers(
                f"{HOST}/v2/",
                _json(
                    401,
                    '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
                    ("Www-Authenticate", f'Bearer realm="http://{HOST}/oauth2/token",service="{HOST}"'),
                ),
            )
        ),
        unmended="the registry's address is its owner's to set",
    ),
    Scenario(
        "flaky",
        "network-unsteady",
        "each first request to the registry breaks off",
        Faulty(faults.rule("flaky", HOST)),
        unmended=NETWORK,
        exit_code=0,
    ),
    Scenario(
        "arm-refuses",
        "arm-refuses-token",
        "ARM refuses the identity's token",
        Faulty(
            faults.answers(
                "management.azure.com",
                _json(
                    401,
                    '{"error":{"code":"InvalidAuthenticationToken","message":"The access token is invalid."}}',
                ),
            )
        ),
        unmended="the identity, or the cloud, is another one",
    ),
)
