"""The hosts that a registry's layers are downloaded from, and the signed links that lead there.

Sources: learn.microsoft.com on dedicated data endpoints and the registry's FAQ for what happens to a token
that is sent there, the documented errors of Azure Blob Storage.
"""

import base64
import hashlib
import hmac
import re
import uuid
from datetime import datetime
from urllib.parse import parse_qs, quote, urlencode

import httpx

from acrcheck.clock import Clock
from acrcheck.lab import tokens
from acrcheck.lab.answers import Handler, answer, first, http_date, without_body
from acrcheck.lab.azure import Azure, Registry, Source

ISSUER = "Azure Container Registry"
READS = {"GET", "HEAD"}


class BlobHost:
    """The hosts that layers are downloaded from, by signed links only.

    Args:
        source: where the present state of Azure comes from.
        clock: the time by which links expire.
        signer: as the registry's front has it; needed with a backend.
        backend: a real registry that holds the content.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        signer: tokens.Signer | None = None,
        backend: Handler | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._signer = signer
        self._backend = backend

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        azure = self._source()
        if "authorization" in request.headers:
            message = "Authentication information is not given in the correct format. Check the value of "
            return self._error(400, "InvalidAuthenticationInfo", message + "Authorization header.")
        link = parse_qs(request.url.query.decode("ascii"))
        digest, name = first(link.get("d", [])), first(link.get("r", []))
        registry = azure.registry(first(link.get("h", [])))
        if registry is None or not _link_holds(azure, link, self._clock.now()):
            message = (
                "Server failed to authenticate the request. Make sure the value of Authorization header is "
                "formed correctly including the signature."
            )
            return self._error(403, "AuthenticationFailed", message)
        if request.method not in READS:
            message = "The resource doesn't support specified Http Verb."
            return self._error(405, "UnsupportedHttpVerb", message)
        content = self._blob(azure, registry, name, digest)
        if content is None:
            return self._error(404, "BlobNotFound", "The specified blob does not exist.")
        response = self._ranged(request, digest, content)
        return without_body(response) if request.method == "HEAD" else response

    def _blob(self, azure: Azure, registry: Registry, name: str, digest: str) -> bytes | None:
        if self._backend is None:
            return registry.blobs.get(digest)
        now = int(self._clock.now().timestamp())
        claims = {
            "jti": str(uuid.uuid4()),
            "sub": "",
            "nbf": now,
            "exp": now + 60,
            "iat": now,
            "iss": ISSUER,
            "aud": registry.login_server,
            "access": [{"type": "repository", "name": name, "actions": ["pull"]}],
        }
        token = tokens.encode(self._signer or tokens.entra_signer(azure), claims)
        url = f"https://{registry.login_server}/v2/{name}/blobs/{digest}"
        response = self._backend(httpx.Request("GET", url, headers={"Authorization": f"Bearer {token}"}))
        return response.read() if response.is_success else None

    def _ranged(self, request: httpx.Request, digest: str, content: bytes) -> httpx.Response:
        headers = [
            ("Content-Type", "application/octet-stream"),
            ("Accept-Ranges", "bytes"),
            ("ETag", f'"0x{digest[7:22].upper()}"'),
            *self._companions(),
        ]
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if span is None:
            return answer(200, headers, content)
        begin, end = int(span[1]), min(int(span[2] or len(content)), len(content) - 1)
        if begin >= len(content):
            message = "The range specified is invalid for the current size of the resource."
            return self._error(416, "InvalidRange", message)
        headers.insert(0, ("Content-Range", f"bytes {begin}-{end}/{len(content)}"))
        return answer(206, headers, content[begin : end + 1])

    def _error(self, status: int, code: str, message: str) -> httpx.Response:
        request_id = str(uuid.uuid4())
        moment = f"{self._clock.now():%Y-%m-%dT%H:%M:%S.%f}0Z"
        body = (
            '\ufeff<?xml version="1.0" encoding="utf-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{message}\nRequestId:{request_id}\nTime:{moment}</Message></Error>"
        )
        headers = [("Content-Type", "application/xml"), ("x-ms-error-code", code), *self._companions()]
        return answer(status, headers, body)

    def _companions(self) -> list[tuple[str, str]]:
        return [
            ("Server", "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0"),
            ("x-ms-request-id", str(uuid.uuid4())),
            ("x-ms-version", "2018-03-28"),
            http_date(self._clock.now()),
        ]


def blob_link(azure: Azure, registry: Registry, name: str, digest: str, until: datetime) -> str:
    """A signed link to a blob, as the front redirects to it."""
    query = {
        "d": digest,
        "h": registry.login_server,
        "r": name,
        "se": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        "sp": "r",
        "spr": "https",
        "sr": "b",
        "sv": "2018-03-28",
    }
    query["sig"] = _link_signature(azure, query)
    hexadecimal = digest.partition(":")[2]
    path = f"/{quote(registry.name)}//docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"
    return f"https://{registry.data_host}{path}?{urlencode(query)}"


def _link_signature(azure: Azure, query: dict[str, str]) -> str:
    text = "\n".join(f"{key}={query[key]}" for key in sorted(query))
    digest = hmac.digest(
        hashlib.sha256(b"link:" + azure.token_key.encode()).digest(), text.encode(), "sha256"
    )
    return base64.b64encode(digest).decode("ascii")


def _link_holds(azure: Azure, link: dict[str, list[str]], now: datetime) -> bool:
    query = {key: first(values) for key, values in link.items()}
    signature = query.pop("sig", "")
    genuine = hmac.compare_digest(signature, _link_signature(azure, query))
    return genuine and f"{now:%Y-%m-%dT%H:%M:%SZ}" < query.get("se", "")
