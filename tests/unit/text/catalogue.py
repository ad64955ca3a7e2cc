"""A few causes with signatures, made by hand, and the texts of programs that mean them."""

import io

from acrcheck.model import Cause, Decider, Signature
from acrcheck.text.diagnose import Diagnosis, diagnose

LAYERS = ("nmi", "identity", "dns", "network", "tls", "registry", "role", "image", "support")


def cause(name: str, layer: str, *signatures: Signature, **more: object) -> Cause:
    """Make a cause of which only the text matters."""
    values = {
        "seen": ("text",),
        "requires": (),
        "supports": (),
        "contradicts": (),
        "hides": (),
        "neighbours": (),
        "remedies": (),
        "decides": (),
        "links": (),
        **more,
    }
    return Cause(
        id=name,
        title=f"It is {name}",
        layer=layer,
        means=f"It means {name}.",
        prose="",
        place=f"{name}.md",
        signatures=signatures,
        **values,  # type: ignore[arg-type]  # the tests give each its type
    )


UNAUTHORIZED = "unauthorized: authentication required"
CAUSES = (
    cause(
        "identity-pending",
        "nmi",
        Signature(
            "getting assigned identities for pod … in CREATED state failed after … attempts",
            "nmi",
            decides=True,
        ),
    ),
    cause(
        "tag-gone",
        "image",
        Signature('manifest tagged by "…" is not found', "acr", decides=True),
        Signature(UNAUTHORIZED, "registry"),
    ),
    cause(
        "no-role",
        "role",
        Signature(UNAUTHORIZED, "registry", layer_reached=("dns", "network", "tls")),
        decides=(
            Decider(
                "the roles of the identity that pulls", "az role assignment list", ("tag-gone", "no-login")
            ),
        ),
    ),
    cause("no-login", "registry", Signature("failed to fetch anonymous token … 401", "containerd")),
    cause("dns", "dns", Signature("no such host", "dns"), Signature("lookup … on …: no such host", "dns")),
    cause("broken-resolver", "dns", Signature("lookup … connection refused", "dns", decides=True)),
    cause(
        "expired", "identity", Signature("AADSTS7000222", "entra", decides=True), neighbours=("wrong-secret",)
    ),
    cause(
        "wrong-secret",
        "identity",
        Signature("AADSTS7000215", "entra", decides=True),
        Signature('Response body: {"error":"invalid_client"', "entra"),
    ),
    cause("denied", "network", Signature("client with IP '…' is not allowed access", "acr", decides=True)),
    cause(
        "not-a-failure",
        "support",
        Signature("no clientID or resourceID in request. … has been matched with azure identity …", "nmi"),
    ),
)
TEXTS = {
    "identity-pending": (
        "nmi response failed with status code: 404, response body: getting assigned identities for pod"
        " shop/web-7d4b9 in CREATED state failed after 16 attempts, retry duration [5]s, error: <nil>."
    ),
    "tag-gone": (
        'Failed to pull image "demo.azurecr.io/web:v9": [rpc error: code = NotFound desc = failed to pull and unpack'
        ' image: manifest tagged by "v9" is not found, rpc error: code = Unknown desc = failed to authorize:'
        " failed to fetch anonymous token: unexpected status: 401 Unauthorized]"
    ),
    "expired": (
        'adal: Refresh request failed. Status Code = \'401\'. Response body: {"error":"invalid_client",'
        '"error_description":"AADSTS7000222: The provided client secret keys are expired."}'
    ),
    "denied": "denied: client with IP '192.0.2.7' is not allowed access. Refer https://aka.ms/acr/firewall",
    "broken-resolver": (
        "Get https://demo.azurecr.io/v2/: dial tcp: lookup demo.azurecr.io on [::1]:53: read: connection refused"
    ),
}


def named(text: str | bytes, causes: tuple[Cause, ...] = CAUSES) -> Diagnosis:
    """Diagnose a text with the causes above."""
    data = text if isinstance(text, bytes) else text.encode()
    return diagnose(io.BytesIO(data), causes, LAYERS)


def first(text: str | bytes) -> str:
    """Name the likeliest cause, or what is said in place of one."""
    found = named(text)
    return found.findings[0].cause.id if found.findings else found.said


def ids(text: str) -> list[str]:
    """Name the causes, likeliest first."""
    return [finding.cause.id for finding in named(text).findings]
