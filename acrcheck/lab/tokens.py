"""JSON Web Tokens as Entra and the registry issue them, signed with the lab's own keys."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from acrcheck.lab.azure import Azure, ManagedIdentity

Claims = dict[str, Any]

LIFETIME = timedelta(hours=24)  # of a managed identity's token
BACKDATED = timedelta(minutes=5)  # Entra lets a token begin a little earlier than it is issued

ARM_AUDIENCES = (
    "https://management.core.windows.net/",
    "https://management.core.windows.net",
    "https://management.azure.com/",
    "https://management.azure.com",
)
REGISTRY_AUDIENCES = ("https://containerregistry.azure.net", "https://containerregistry.azure.net/")
RESOURCES = frozenset({*ARM_AUDIENCES, *REGISTRY_AUDIENCES, "https://vault.azure.net"})
"""The audiences for which the lab's directory issues tokens."""


class Signer(Protocol):
    """A key, able to sign and to recognise its own signature."""

    def header(self) -> dict[str, Any]:
        """The token header that names the key and the algorithm."""

    def sign(self, data: bytes) -> bytes:
        """The signature over the data."""

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether this key made the signature."""


class HmacSigner:
    """HS256: for tokens that only the lab itself has to check."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def header(self) -> dict[str, Any]:
        """Names the algorithm, and the key by its hash."""
        digest = hashlib.sha256(b"kid:" + self._key).digest()[:20]
        return {"typ": "JWT", "alg": "HS256", "kid": _encode(digest)}

    def sign(self, data: bytes) -> bytes:
        """HMAC-SHA256."""
        return hmac.digest(self._key, data, "sha256")

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(self.sign(data), signature)


def encode(signer: Signer, claims: Claims) -> str:
    """A signed token of three parts."""
    data = f"{_part(signer.header())}.{_part(claims)}".encode("ascii")
    return f"{data.decode('ascii')}.{_encode(signer.sign(data))}"


def claims_of(token: str) -> Claims | None:
    """The claims of a token whoever signed it; None when it is no token."""
    try:
        _header, payload, _signature = token.split(".")
        claims = json.loads(_decode(payload))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def verified(signer: Signer, token: str) -> Claims | None:
    """The claims of a token that this key signed, expired or not; None for any other."""
    data, _, signature = token.rpartition(".")
    claims = claims_of(token)
    if claims is None:
        return None
    try:
        genuine = signer.verify(data.encode("ascii"), _decode(signature))
    except ValueError:
        return None
    return claims if genuine else None


def entra_signer(azure: Azure) -> HmacSigner:
    """The key of the simulated directory."""
    return HmacSigner(azure.token_key.encode())


def entra_claims(identity: ManagedIdentity, audience: str, now: datetime) -> Claims:
    """What Entra says of a managed identity in a version 1.0 access token.

    The resource id appears with a lower-case `resourcegroups`, as the real `xms_mirid` does.
    """
    begin = int((now - BACKDATED).timestamp())
    return {
        "aud": audience,
        "iss": f"https://sts.windows.net/{identity.tenant_id}/",
        "iat": begin,
        "nbf": begin,
        "exp": int((now + LIFETIME).timestamp()),
        "aio": "k2RgYGh",
        "appid": identity.client_id,
        "appidacr": "2",
        "idp": f"https://sts.windows.net/{identity.tenant_id}/",
        "idtyp": "app",
        "oid": identity.object_id,
        "rh": "0.lab.",
        "sub": identity.object_id,
        "tid": identity.tenant_id,
        "uti": _encode(hashlib.sha256(f"{identity.object_id}{audience}{now}".encode()).digest()[:16]),
        "ver": "1.0",
        "xms_mirid": identity.resource_id.replace("/resourceGroups/", "/resourcegroups/"),
    }


def expired(claims: Claims, now: datetime) -> bool:
    """Whether the token's time is over."""
    return datetime.fromtimestamp(int(claims.get("exp", 0)), UTC) <= now


def _part(document: dict[str, Any]) -> str:
    return _encode(json.dumps(document, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
