"""Redaction: what leaves the machine holds no secret.

Where a secret was stands `<kind:hex>`. Equal secrets have equal digits within one bundle, because they are keyed by
a salt that is made anew for each and never kept; so "is it the same one?" can still be answered. Of a JWT all but the
signature is kept.
"""

import hashlib
import re
import secrets as randomness
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from acrcheck.bundle import structure
from acrcheck.bundle.forms import JWT, Found
from acrcheck.bundle.named import kind
from acrcheck.bundle.names import TOKEN, Strength, is_empty, is_random, strength
from acrcheck.bundle.secrets import find
from acrcheck.wire.door import Secret

DIGITS = 8
NUMBER = re.compile(r"\d+")
BEFORE_NUMBER = re.compile(r"\"\s*:\s*$")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is taken out besides secrets: addresses, names, and what matches the patterns (regular expressions)."""

    ips: bool = False
    names: bool = False
    patterns: tuple[str, ...] = ()


class Redactor:
    """Takes secrets out of all that a bundle is made of. Safe for threads."""

    def __init__(self, rules: Rules | None = None, salt: bytes | None = None) -> None:
        self.rules = rules or Rules()
        self._salt = salt or randomness.token_bytes(32)
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many secrets of each kind were taken out, by place. Never what they were."""
        with self._lock:
            return {place: dict(sorted(kinds.items())) for place, kinds in sorted(self._counts.items())}

    def text(self, text: str, place: str) -> str:
        """Redact a text."""
        return self._replaced(text, find(text), place)

    def stream(self, chunks: Iterable[str] | Iterable[bytes], place: str) -> Iterator[str]:
        """Redact a text that comes in pieces."""
        pieces = [piece.decode(errors="replace") if isinstance(piece, bytes) else piece for piece in chunks]
        yield self.text("".join(pieces), place)

    def name(self, name: str) -> str:
        """Redact the name of a file; what stands for a secret in it can stand in a file name."""
        pieces: list[str] = []
        last = 0
        for item in find(name):
            start = name.rfind("eyJ", last, item.start) if item.kind == "jwt" else item.start
            pieces += (name[last:start], self._token(item, name, "file names").strip("<>").replace(":", "-"))
            last = item.end
        return "".join([*pieces, name[last:]])

    def object(self, kubernetes_object: dict[str, Any], place: str) -> dict[str, Any]:
        """Redact an object of Kubernetes: first what its structure tells, then every text in it."""

        def hold(password: str) -> Secret:
            return Secret(self._taken("password", password, place), "password")

        redacted: dict[str, Any] = self.value(
            structure.bare(kubernetes_object, hold, lambda kind, value: self._taken(kind, value, place)),
            place,
        )
        return redacted

    def value(self, value: Any, place: str) -> Any:
        """Redact every text in a JSON value, also the names of fields."""
        if isinstance(value, str):
            return self.text(value, place)
        if isinstance(value, Mapping):
            return self._mapping(value, place)
        if isinstance(value, list | tuple):
            return self._items(value, place)
        return value

    def _mapping(self, value: Mapping[Any, Any], place: str) -> dict[str, Any]:
        named = value.get("name", value.get("key"))
        redacted = {}
        for key, item in value.items():
            name = named if key == "value" and isinstance(named, str) else str(key)
            redacted[self.text(str(key), place)] = self._under(name, item, place)
        return redacted

    def _under(self, name: str, item: Any, place: str) -> Any:
        """Redact what stands under a name."""
        if isinstance(item, str) and self._is_secret(name, item):
            return self._taken(kind(name), item, place)
        if isinstance(item, list | tuple) and all(isinstance(each, str) for each in item) and strength(name):
            return [self._under(name, each, place) for each in item]
        return self.value(item, place)

    def _is_secret(self, name: str, item: str) -> bool:
        sure = strength(name)
        if sure is Strength.NONE or is_empty(item) or JWT.fullmatch(item.strip()):
            return False
        if TOKEN.search(item) or (item.isdigit() and len(item) < 6):  # noqa: PLR2004 - a length, a port
            return False
        return sure is Strength.CERTAIN or is_random(item)

    def _items(self, value: list[Any] | tuple[Any, ...], place: str) -> list[Any]:
        """Redact a list: an argument after the flag that names it, the second of a pair after the first."""
        redacted, before = [], ""
        pair = len(value) == 2 and all(isinstance(item, str) for item in value)  # noqa: PLR2004 - a pair
        for item in value:
            flag = before.startswith("-") and "=" not in before
            if before and (flag or pair) and isinstance(item, str) and (flag or is_random(item)):
                redacted.append(self._under(before, item, place))
            else:
                redacted.append(self.value(item, place))
            before = item if isinstance(item, str) else ""
        return redacted

    def _replaced(self, text: str, found: Iterable[Found], place: str) -> str:
        pieces: list[str] = []
        last = 0
        for item in found:
            token = self._token(item, text, place)
            number = NUMBER.fullmatch(text, item.start, item.end)
            if number and BEFORE_NUMBER.search(text, max(0, item.start - 8), item.start):
                token = f'"{token}"'  # what was JSON stays JSON
            pieces += (text[last : item.start], token)
            last = item.end
        return "".join([*pieces, text[last:]]) if pieces else text

    def _token(self, item: Found, text: str, place: str) -> str:
        return self._taken(item.kind, item.plain or text[item.start : item.end], place)

    def _taken(self, kind: str, secret: str, place: str) -> str:
        """Give what stands in a secret's place, and count it."""
        if TOKEN.fullmatch(secret):
            return secret
        with self._lock:
            self._counts.setdefault(place, Counter())[kind] += 1
        return f"<{kind}:{self._digits(secret)}>"

    def _digits(self, secret: str) -> str:
        return hashlib.blake2b(
            secret.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=DIGITS // 2
        ).hexdigest()
