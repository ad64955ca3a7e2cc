"""The registry's protocol, one request a step: challenge, exchange, token, manifest, blob.

Sources: github.com/Azure/acr docs/AAD-OAuth.md; github.com/opencontainers/distribution-spec.
"""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from acrcheck.azure.clouds import is_acr
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
ARTIFACTS = {
    "helm": "a Helm chart",
    "cosign": "a signature",
    "notary": "a signature",
    "in-toto": "an attestation",
    "spdx": "a software bill of materials",
    "cyclonedx": "a software bill of materials",
    "wasm": "a WebAssembly module",
    "policy": "a policy bundle",
}
"""What is stored beside images, by a word in its media type."""
SCHEMA_1 = "a manifest of the old schema 1, which containerd 2 no longer takes"
MANIFEST_FIELDS = (
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "fsLayers",
)
NEWEST = 10
"""How many of a repository's newest tags are asked for."""
CONFIG_FIELDS = ("os", "architecture")
MANIFEST_LIMIT = 4_194_304
"""The size in bytes that a registry should at least take (github.com/opencontainers/distribution-spec, pushing
manifests): clients refuse larger ones."""
SLOWEST = 1_000_000
"""Bytes a second below which the download of a layer is given up."""
FIRST_BYTES = 65_536
"""How much of a layer is downloaded to show that it can be."""
_OK = 200
NULL_GUID = "00000000-0000-0000-0000-000000000000"
"""The user name that says that the password is a token of ACR's."""
ADMIN = "registry admin account"
PRINCIPAL = "service principal"
ENTRA_TOKEN = "token of an Entra identity"  # noqa: S105 - the kind's name
SCOPED_TOKEN = "repository-scoped token"  # noqa: S105 - the kind's name
PERSON = "a person's name, which no registry takes"
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+")
_CORRELATION = re.compile(r" *CorrelationId: ([0-9a-fA-F-]{36})")
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
    """Read the WWW-Authenticate headers, of several the one for tokens; None when there is none.

    A blank after the comma is accepted.
    """
    found = []
    for name, value in response.headers:
        scheme, _, rest = value.strip().partition(" ")
        if name == "www-authenticate" and scheme:
            given = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
            found.append(Challenge(scheme.lower(), given.get("realm", ""), given.get("service", "")))
    return min(found, key=lambda challenge: challenge.scheme != "bearer", default=None)


def is_open(response: Response) -> bool:
    """Tell whether `/v2/` answered as a registry that asks for no credential, and not as some page with status 200."""
    version = response.header("docker-distribution-api-version")
    return response.status == _OK and (version.startswith("registry/2") or response.json() is not None)


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
    return Request(
        method,
        f"https://{host}/v2/{repository}/manifests/{reference}",
        headers=(("Accept", ", ".join(MANIFEST_TYPES)),),
        limit=MANIFEST_LIMIT,
        digest=True,
        keep=MANIFEST_FIELDS,
    )


def tag_request(host: str, repository: str, tag: str) -> Request:
    """Ask what the registry keeps of a tag (ACR's own API, as azure-cli's `acr/repository.py` does)."""
    return Request("GET", f"https://{host}/acr/v1/{repository}/_tags/{tag}")


def newest_tags_request(host: str, repository: str) -> Request:
    """Ask for the tags that were changed last."""
    query = f"n={NEWEST}&orderby=timedesc"
    return Request("GET", f"https://{host}/acr/v1/{repository}/_tags?{query}")


def kept_manifest_request(host: str, repository: str, digest: str) -> Request:
    """Ask what the registry keeps of a manifest: its locks, and whether it is in quarantine."""
    return Request("GET", f"https://{host}/acr/v1/{repository}/_manifests/{digest}")


def deleted_tags_request(host: str, repository: str) -> Request:
    """Ask for the tags that were deleted and can be restored (azure-cli `acr/manifest.py`)."""
    return Request("GET", f"https://{host}/acr/v1/_deleted/{repository}/_tags")


def config_request(host: str, repository: str, digest: str) -> Request:
    """Ask for an image's config whole, and of what it says only for which platform the image is."""
    url = f"https://{host}/v2/{repository}/blobs/{digest}"
    return Request("GET", url, digest=True, keep=CONFIG_FIELDS, limit=MANIFEST_LIMIT, seconds=20.0)


def blob_request(host: str, repository: str, digest: str, size: int) -> Request:
    """Ask for the first bytes of a blob at the registry, which answers with a redirect or the bytes."""
    url = f"https://{host}/v2/{repository}/blobs/{digest}"
    first = (("Range", f"bytes=0-{min(size, FIRST_BYTES) - 1}"),) if size > 0 else ()
    return Request("GET", url, headers=first, digest=True, limit=FIRST_BYTES, seconds=20.0)


def whole_blob_request(host: str, repository: str, digest: str, size: int) -> Request:
    """Ask for all of a blob, in the time that it takes at the slowest rate that is of use."""
    url = f"https://{host}/v2/{repository}/blobs/{digest}"
    return Request("GET", url, digest=True, limit=size, seconds=20.0 + size / SLOWEST)


def redirected(request: Request, location: str) -> Request:
    """Follow a blob's redirect: without the Authorization header, which the storage would refuse."""
    return replace(request, url=location, bearer="", basic=None)


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


def is_digest(text: str) -> bool:
    """Tell whether a text has the form of a digest, and so may stand in a path."""
    return _DIGEST.fullmatch(text) is not None


def artifact_of(response: Response) -> str:
    """Say what a manifest that is no image's is, as far as it tells."""
    if response.cut:
        return f"its manifest has more than {MANIFEST_LIMIT} bytes"
    body = response.json() or {}
    if body.get("schemaVersion") == 1:
        return SCHEMA_1
    config, kind = body.get("config"), response.header("content-type").partition(";")[0]
    inner = config.get("mediaType") if isinstance(config, dict) else None
    types = [str(item) for item in (body.get("artifactType"), inner, body.get("mediaType"), kind) if item]
    layers = [str(item.get("mediaType")) for item in _list(body.get("layers")) if isinstance(item, dict)]
    said = next((item for item in types if item not in {*MANIFEST_TYPES, *CONFIG_TYPES}), "")
    said = said or next(iter(types), "no config")
    names = (name for word, name in ARTIFACTS.items() if any(word in item for item in (*types, *layers)))
    name = next(names, "")
    if response.json() is None:
        said = f"{said}, which is no JSON object"
    return f"{name} ({said})" if name else said


def is_realm_of(realm: str, host: str) -> bool:
    """Tell whether a realm is the token service of this Azure registry, maybe under another of its names."""
    place = urlsplit(realm)
    name = place.hostname or ""
    same = is_acr(name) and name.partition(".")[0] == host.partition(".")[0]
    return same and place.scheme == "https" and place.path == "/oauth2/token"


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
    """Give code and message of a registry's error; the beginning of the body when it is no such error.

    The id of the request is left out of the message: `correlation` gives it.
    """
    body = response.json() or {}
    errors = body.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("code", "")), _CORRELATION.sub("", str(errors[0].get("message", "")))
    return "", response.body.strip()[:160]


def correlation(response: Response) -> str:
    """Give the id that Azure's support asks for: by its header, else in the message; empty when there is none."""
    told = _CORRELATION.search(response.body)
    return response.header("x-ms-correlation-request-id") or (told[1] if told else "")


def lacking(response: Response) -> str:
    """Name the actions that a registry's refusal says are missing (`detail[].Action`); empty when it names none."""
    errors = _list((response.json() or {}).get("errors"))
    details = [entry for error in errors if isinstance(error, dict) for entry in _list(error.get("detail"))]
    return ", ".join(
        f"{entry['Action']} on {entry.get('Type', '')} {entry.get('Name', '')}"
        for entry in details
        if isinstance(entry, dict) and entry.get("Action")
    )


def evidence_of(response: Response) -> dict[str, Any]:
    """Give what is worth quoting of a refusal, as far as it says it: what is of most use first."""
    found = {
        "lacking": lacking(response),
        "correlationId": correlation(response),
        "status": response.status,
        "code": error_of(response)[0],
    }
    return {name: value for name, value in found.items() if value}
