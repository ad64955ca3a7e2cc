"""The registry's protocol, one request a step: challenge, exchange, token, manifest, blob.

Sources: github.com/Azure/acr docs/AAD-OAuth.md; github.com/opencontainers/distribution-spec.
"""

import re
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from acrcheck.late import dataclass
from acrcheck.wire.door import Request, Response

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEX_TYPES = MANIFEST_TYPES[:2]
CONFIG_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
"""What an image's config is; that of a chart or a signature is something else."""
FIRST_BYTES = 65_536
"""How much of a layer is downloaded to show that it can be."""
NULL_GUID = "00000000-0000-0000-0000-000000000000"
"""The user name that says that the password is a token of ACR's."""
ADMIN = "registry admin account"
PRINCIPAL = "service principal"
ENTRA_TOKEN = "token of an Entra identity"  # noqa: S105 - the kind's name
SCOPED_TOKEN = "repository-scoped token"  # noqa: S105 - the kind's name
PERSON = "a person's name, which no registry takes"
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry's 401 asks for."""

    scheme: str
    realm: str = ""
    service: str = ""


def challenge_request(host: str) -> Request:
    """Ask `/v2/` without any credential."""
    return Request("GET", f"https://{host}/v2/")


def read_challenge(response: Response) -> Challenge | None:
    """Read the WWW-Authenticate header; None when there is none. A blank after the comma is accepted."""
    scheme, _, rest = response.header("www-authenticate").strip().partition(" ")
    if not scheme:
        return None
    parameters = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
    return Challenge(scheme.lower(), parameters.get("realm", ""), parameters.get("service", ""))


def exchange_request(host: str, service: str, token: str, tenant: str) -> Request:
    """Exchange an Entra token for the registry's refresh token."""
    form = [("grant_type", "access_token"), ("service", service), ("access_token", token)]
    if tenant:
        form.insert(2, ("tenant", tenant))
    return Request("POST", f"https://{host}/oauth2/exchange", form=tuple(form), seconds=15.0)


def token_request(host: str, service: str, scope: str, refresh_token: str) -> Request:
    """Exchange the refresh token for an access token with this scope."""
    form = (
        ("grant_type", "refresh_token"),
        ("service", service),
        ("scope", scope),
        ("refresh_token", refresh_token),
    )
    return Request("POST", f"https://{host}/oauth2/token", form=form, seconds=15.0)


def basic_token_request(realm: str, service: str, scope: str, basic: tuple[str, str]) -> Request:
    """Ask for an access token with a user name and a password (by its handle), as docker and containerd do."""
    mark = "&" if "?" in realm else "?"
    query = urlencode({"service": service, "scope": scope})
    return Request("GET", f"{realm}{mark}{query}", basic=basic, seconds=15.0)


def kind_of(username: str, host: str) -> str:
    """Tell which of the documented kinds of credential a user name is of.

    Source: learn.microsoft.com/azure/container-registry/container-registry-authentication.
    """
    if username == NULL_GUID:
        return ENTRA_TOKEN
    if _GUID.fullmatch(username):
        return PRINCIPAL
    label = host.partition(".")[0]
    # A registry with a domain name label has a dash and a hash behind its name.
    if username.lower() in {label, label.rpartition("-")[0]} and username:
        return ADMIN
    return PERSON if "@" in username else SCOPED_TOKEN


def manifest_request(method: str, host: str, repository: str, reference: str) -> Request:
    """Ask for a manifest (GET) or only whether it is there (HEAD)."""
    url = f"https://{host}/v2/{repository}/manifests/{reference}"
    return Request(method, url, headers=(("Accept", ", ".join(MANIFEST_TYPES)),))


def blob_request(host: str, repository: str, digest: str, size: int) -> Request:
    """Ask for the first bytes of a blob at the registry, which answers with a redirect or the bytes."""
    url = f"https://{host}/v2/{repository}/blobs/{digest}"
    return Request("GET", url, headers=_range(size), digest=True, seconds=20.0)


def redirected_request(location: str, size: int) -> Request:
    """Follow a blob's redirect: without the Authorization header, which the storage would refuse."""
    return Request("GET", location, headers=_range(size), digest=True, seconds=20.0)


def _range(size: int) -> tuple[tuple[str, str], ...]:
    return (("Range", f"bytes=0-{min(size, FIRST_BYTES) - 1}"),) if size > 0 else ()


def granted(claims: dict[str, Any], repository: str) -> frozenset[str]:
    """Read which actions on a repository an access token's `access` list really grants."""
    actions: set[str] = set()
    for entry in _list(claims.get("access")):
        if isinstance(entry, dict) and entry.get("type") == "repository" and entry.get("name") == repository:
            actions |= {str(action) for action in _list(entry.get("actions"))}
    return frozenset(actions)


def is_index(response: Response) -> bool:
    """Tell whether a manifest is an index of manifests for platforms: by its media type, else by what it holds."""
    body = response.json() or {}
    kind = response.header("content-type").partition(";")[0].strip().lower()
    return (
        kind in INDEX_TYPES or body.get("mediaType") in INDEX_TYPES or isinstance(body.get("manifests"), list)
    )


def redirect(url: str, location: str) -> str:
    """Give the address a redirect leads to; empty when it is none that can be asked over HTTP."""
    try:
        target = urljoin(url, location)
        place = urlsplit(target)
    except ValueError:
        return ""
    return target if place.scheme in {"http", "https"} and place.hostname else ""


def host_of(url: str) -> str:
    """Give host and port of an address that `redirect` gave."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def error_of(response: Response) -> tuple[str, str]:
    """Give code and message of a registry's error; the beginning of the body when it is no such error."""
    body = response.json() or {}
    errors = body.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("code", "")), str(errors[0].get("message", ""))
    return "", response.body.strip()[:160]


def correlation(response: Response) -> str:
    """Give the id that Azure's support asks for; empty when the answer has none."""
    return response.header("x-ms-correlation-request-id")
