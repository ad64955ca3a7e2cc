"""Where secrets stay: answers leave it with handles, questions enter it with handles."""

import base64
import binascii
import hashlib
import json
import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from acrcheck.wire.door import Secret

JWT = re.compile(r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
RUN = re.compile(r"[A-Za-z0-9_.-]{12,}")
"""Where a JWT may stand. Looked for first, so that no text, however odd, takes more than linear time."""
TOKEN_FIELD = re.compile(
    r'("(?:access_token|refresh_token|id_token|password|client_secret)"\s*:\s*")'
    r'((?:[^"\\]|\\[\s\S])+\\?)("|\Z)'
)
"""A JSON field that holds a secret; also one that was cut off in its middle."""
SIGNED = re.compile(
    r"https?://[^\s\"'<>?]*\?[^\s\"'<>]*\b(?:sig|signature|x-amz-signature|x-goog-signature)=[^\s\"'<>]*",
    re.IGNORECASE,
)
"""A link in a text whose query is a signature: whoever has it may read what it leads to."""
HANDLE = re.compile(r"<(?:jwt|opaque|query):[0-9a-f]+>")
_SEGMENT = 4
SHORTEST = 8
"""Characters below which a known secret is not looked for in texts: it would be found in everything."""


class Vault:
    """Keeps the secrets of one run in memory, each under a handle. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, str] = {}
        self._secrets: dict[str, Secret] = {}
        self._handles: dict[str, str] = {}

    def seal(self, text: str) -> tuple[str, tuple[Secret, ...]]:
        """Exchange every secret in a text for its handle, and tell what may be known of each."""
        found: dict[str, Secret] = {}

        def keep(value: str, kind: str) -> str:
            secret = self._keep(value, kind)
            found[secret.handle] = secret
            return secret.handle

        def field(match: re.Match[str]) -> str:
            before, value, after = match.groups()
            if HANDLE.fullmatch(value):
                return match[0]
            return f"{before}{keep(value, 'jwt' if JWT.fullmatch(value) else 'opaque')}{after}"

        text = TOKEN_FIELD.sub(field, text)
        text = RUN.sub(lambda run: _exchange_jwts(run[0], keep), text)
        return self._exchange_known(text), tuple(found.values())

    def keep(self, value: str) -> Secret:
        """Keep a secret that was handed in rather than seen, and tell what may be known of it."""
        return self._keep(value, "jwt" if JWT.fullmatch(value) else "opaque")

    def seal_words(self, value: Any) -> Any:
        """Exchange the secrets in the words of programs that JSON holds, also the queries of signed links."""
        if isinstance(value, dict):
            return {key: self.seal_words(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.seal_words(item) for item in value]
        if not isinstance(value, str):
            return value
        return SIGNED.sub(lambda link: self.seal_query(link[0]), self.seal(value)[0])

    def seal_query(self, url: str) -> str:
        """Exchange the query of a signed URL (a redirect's Location) for a handle."""
        place, mark, query = url.partition("?")
        if not (mark and query):
            return url
        # What was sealed in it already is part of what is kept: a handle must not stand for another.
        return f"{place}?{self._keep(self.open(query), 'query').handle}"

    def open(self, text: str) -> str:
        """Put the secrets back where their handles stand. Raises KeyError for a handle not of this run."""
        return HANDLE.sub(lambda match: self._values[match[0]], text)

    def _exchange_known(self, text: str) -> str:
        """Exchange the secrets seen before, also as they stand in a URL. Handles stay."""
        with self._lock:
            held = [(value, handle) for value, handle in self._handles.items() if len(value) >= SHORTEST]
        forms = ((form, handle) for value, handle in held for form in (quote_plus(value), value))
        known = {form: handle for form, handle in forms if form in text}
        if not known:
            return text
        longest_first = sorted(known, key=len, reverse=True)
        pattern = "|".join([HANDLE.pattern, *(re.escape(value) for value in longest_first)])
        return re.sub(pattern, lambda match: known.get(match[0], match[0]), text)

    def _keep(self, value: str, kind: str) -> Secret:
        with self._lock:
            handle = self._handles.get(value)
            if handle is None:
                header, claims = _decode(value) if kind == "jwt" else ({}, {})
                # A JWT's claims are kept anyway, so a digest of them gives nothing away; of an opaque secret
                # even a digest would.
                name = (
                    hashlib.sha256(value.split(".")[1].encode()).hexdigest()[:12]
                    if kind == "jwt"
                    else f"{len(self._values) + 1:x}"
                )
                while f"<{kind}:{name}>" in self._values:  # same claims, another signature
                    name += "0"
                handle = f"<{kind}:{name}>"
                self._handles[value] = handle
                self._values[handle] = value
                self._secrets[handle] = Secret(handle, kind, header, claims)
            return self._secrets[handle]


def _exchange_jwts(run: str, keep: Callable[[str, str], str]) -> str:
    """Exchange the JWTs in a run of their characters."""
    parts = run.split(".")
    place = 0
    while place + 2 < len(parts):
        header, claims, signature = parts[place : place + 3]
        start = header.find("eyJ")
        if start < 0 or len(header) - start < _SEGMENT + 3 or len(claims) < _SEGMENT:
            place += 1
            continue
        token = f"{header[start:]}.{claims}.{signature}"
        parts[place : place + 3] = [header[:start] + keep(token, "jwt")]
        place += 1
    return ".".join(parts)


def _decode(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read header and claims of a JWT; what cannot be read is empty."""
    header, claims, _ = token.split(".", 2)
    return _segment(header), _segment(claims)


def _segment(text: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return value if isinstance(value, dict) else {}
