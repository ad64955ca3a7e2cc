"""Redaction: what leaves the machine holds no secret.

Where a secret was stands `<kind:hex>`. Equal secrets have equal digits within one bundle, because they are keyed by
a salt that is made anew for each and never kept; so "is it the same one?" can still be answered. Of a JWT all but the
signature is kept.
"""

import base64
import hashlib
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acrcheck.bundle import structure, views, windows
from acrcheck.bundle.forms import JWT, Found
from acrcheck.bundle.named import arguments, kind
from acrcheck.bundle.names import TOKEN, Strength, is_empty, is_random, strength
from acrcheck.bundle.pseudonyms import Pseudonyms
from acrcheck.bundle.secrets import find, merged, without
from acrcheck.errors import UsageError
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
        self._salt = salt or os.urandom(32)
        self._patterns = [_compiled(pattern) for pattern in self.rules.patterns]
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}
        self._pseudonyms = Pseudonyms(self._salt, ips=self.rules.ips, names=self.rules.names)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many secrets of each kind were taken out, by place. Never what they were."""
        with self._lock:
            return {place: dict(sorted(kinds.items())) for place, kinds in sorted(self._counts.items())}

    @property
    def stand_ins(self) -> dict[str, list[str]]:
        """What stands in place of names and addresses, by kind. Never what it stands for."""
        return self._pseudonyms.given

    def learn(self, value: Any) -> None:
        """Take the names from an object or another JSON value before they are met in texts.

        Names are learned from every object that is redacted, too. Where all is at hand before the first text is
        redacted, as in a recording, learning first makes sure that no name is met too early.
        """
        self._pseudonyms.learn(value)

    def text(self, text: str, place: str) -> str:
        """Redact a text."""
        return self._replaced(text, self._find(text), place)

    def _find(self, text: str) -> list[Found]:
        found = find(text)
        if not self._patterns:
            return found
        own = [
            Found(*match.span(), "pattern") for pattern in self._patterns for match in pattern.finditer(text)
        ]
        return merged([*found, *own], text)

    def stream(self, chunks: Iterable[str] | Iterable[bytes], place: str) -> Iterator[str]:
        """Redact a text that comes in pieces, in memory that does not grow with it."""
        pieces = windows.decoded(chunks)
        return windows.replaced(pieces, self._find, lambda text, found: self._replaced(text, found, place))

    def name(self, name: str) -> str:
        """Redact the name of a file; what stands for a secret in it can stand in a file name."""

        def stead(item: Found) -> str:
            return self._taken(item.kind, item.plain, "file names").strip("<>").replace(":", "-")

        return self._renamed(without(name, stead), "file names")

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
        self.learn(value)
        return self._value(value, place)

    def _value(self, value: Any, place: str) -> Any:
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
        if type(item) is int and strength(name) is Strength.CERTAIN and self._is_secret(name, str(item)):
            return self._taken(kind(name), str(item), place)
        if isinstance(item, list | tuple) and all(isinstance(each, str) for each in item) and strength(name):
            return [self._under(name, each, place) for each in item]
        return self._value(item, place)

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
        if len(value) > 1 and all(isinstance(item, str) for item in value):
            value = self._without_arguments(value, place)
        pair = len(value) == 2 and all(isinstance(item, str) for item in value)  # noqa: PLR2004 - a pair
        for item in value:
            flag = before.startswith("-") and "=" not in before
            if before and (flag or pair) and isinstance(item, str) and (flag or is_random(item)):
                redacted.append(self._under(before, item, place))
            else:
                redacted.append(self._value(item, place))
            before = item if isinstance(item, str) else ""
        return redacted

    def _without_arguments(self, words: Sequence[str], place: str) -> list[str]:
        """Redact the words of a command line that are secrets because of the words before them."""
        found, at, redacted = list(arguments(" ".join(words))), 0, []
        for word in words:
            inside = [
                Found(item.start - at, item.end - at, item.kind)
                for item in found
                if at <= item.start and item.end <= at + len(word)
            ]
            redacted.append(self._replaced(word, merged(inside, word), place) if inside else word)
            at += len(word) + 1
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
        text = "".join([*pieces, text[last:]]) if pieces else text
        return self._renamed(text, place) if self.rules.ips or self.rules.names else text

    def _renamed(self, text: str, place: str) -> str:
        """Give a text, and the claims of the JWTs in it, with other names and addresses."""

        def count(kind: str) -> None:
            self._count(kind, place)

        def claims(token: re.Match[str]) -> str:
            header, payload, *rest = token[0].split(".", 2)
            plain = views.decoded(payload) or ""
            other = self._pseudonyms.replace(plain, count)
            if other == plain:
                return token[0]
            encoded = base64.urlsafe_b64encode(other.encode()).decode().rstrip("=")
            return ".".join([header, encoded, *rest])

        pieces: list[str] = []
        last = 0
        for token in JWT.finditer(text):
            pieces += (self._pseudonyms.replace(text[last : token.start()], count), claims(token))
            last = token.end()
        return "".join([*pieces, self._pseudonyms.replace(text[last:], count)])

    def _token(self, item: Found, text: str, place: str) -> str:
        return self._taken(item.kind, item.plain or text[item.start : item.end], place)

    def _taken(self, kind: str, secret: str, place: str) -> str:
        """Give what stands in a secret's place, and count it."""
        if TOKEN.fullmatch(secret):
            return secret
        self._count(kind, place)
        return f"<{kind}:{self._digits(secret)}>"

    def _count(self, kind: str, place: str) -> None:
        with self._lock:
            self._counts.setdefault(place, Counter())[kind] += 1

    def _digits(self, secret: str) -> str:
        return hashlib.blake2b(
            secret.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=DIGITS // 2
        ).hexdigest()


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"the pattern cannot be read: {error}",
            input=pattern,
            expected="a regular expression as Python's re reads it",
            remedy="put a backslash before each of . * + ? ( ) [ ] { } ^ $ | that is meant as it stands",
        ) from error
