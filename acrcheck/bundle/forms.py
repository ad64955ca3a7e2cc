"""Secrets that are known by their own form, whatever stands around them.

Every rule has an anchor, a short text that must be there: it is looked for quickly, and only around it closely.

Public sources of the forms: Azure's identifiable keys and Entra's client secrets,
github.com/microsoft/security-utilities; JWTs, RFC 7519; PEM, RFC 7468; Coder's session tokens,
github.com/coder/coder coderd/apikey.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from acrcheck.bundle.names import is_random


class Found(NamedTuple):
    """A secret in a text: where, of what kind, and what it is where it stands encoded."""

    start: int
    end: int
    kind: str
    plain: str = ""


class Rule(NamedTuple):
    """A form that begins so many characters before its anchor, or with it. The secret is its first group."""

    kind: str
    anchor: str
    form: re.Pattern[str]
    before: int = 0


JWT = re.compile(r"eyJ[\w-]{4,}\.[\w-]{4,}(?:\.(?:[\w.-]*|<jwt:[0-9a-f]+>)?)?")
"""Of which all is kept but the signature."""
PEM = r"-----BEGIN ((?:[A-Z0-9]+ )*)PRIVATE KEY((?: BLOCK)?)-----"
RULES = (
    Rule("jwt", "eyJ", re.compile(r"eyJ[\w-]{4,}\.[\w-]{4,}\.([\w-]{4,}(?:\.[\w-]+){0,2})")),
    Rule(
        "private-key",
        "-----BEGIN ",
        re.compile(rf"({PEM}(?:[^\0]{{0,32768}}?-----END \2PRIVATE KEY\3-----|[^\0\"'<>]{{0,8192}}))"),
    ),
    Rule(
        "client-secret",
        "Q~",
        re.compile(r"(?<![\w~.-])([\w~.-]{3}[0-9]Q~[\w~.-]{31,34})(?![\w~-])"),
        before=4,
    ),
    Rule(
        "azure-key",
        "JQQJ9",
        re.compile(r"([A-Za-z0-9]{52}JQQJ9[9DH][A-Za-z0-9]{26,30}(?:[A-Za-z0-9]{2}==)?)"),
        before=52,
    ),
    Rule("refresh-token", ".A", re.compile(r"(?<![\w.])([01]\.A[\w-]{60,}(?:\.[\w-]+)*)"), before=1),
    Rule("jwk", '"d"', re.compile(r'"d"\s*:\s*"([\w-]{32,})"')),
    Rule("github-token", "gh", re.compile(r"(?<!\w)(gh[opsur]_\w{30,})")),
    Rule("github-token", "github_pat_", re.compile(r"(github_pat_\w{30,})")),
    Rule("gitlab-token", "glpat-", re.compile(r"(glpat-[\w-]{20,})")),
    Rule("docker-token", "dckr_pat_", re.compile(r"(dckr_pat_[\w-]{20,})")),
    Rule("slack-token", "xox", re.compile(r"(xox[abeoprs]-[\w-]{20,})")),
    Rule("aws-key", "AKIA", re.compile(r"(?<!\w)(AKIA[A-Z0-9]{16})(?!\w)")),
    Rule("vault-token", "hvs.", re.compile(r"(?<!\w)(hvs\.[\w-]{20,})")),
)
KEY_MARKS = ("+A", "ACDb", "AIoT", "APIM", "Az")
"""What Azure's keys of each service have before their checksum; most begin with `+A`: `+ACR` the registry's."""
KEY_LENGTHS = frozenset({43, 44, 51, 52, 54, 56, 86, 88})
KEY_START = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{33,76}$")
KEY_END = re.compile(r"[A-Za-z0-9+/]{5,6}={0,2}(?![A-Za-z0-9+/=])")
KEY_LAST = re.compile(r"(?:[A-Za-z0-9+/=\s\\]|-(?!-))+$")
PEM_END = re.compile(r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
LONGEST_KEY = 8192
USER_INFO = re.compile(
    r"://(?:[^\s/?#@:\"'<>\\]{0,256}:([^\s/?#\"'<>\\]{1,4096})|([^\s/?#@:\"'<>\\]{16,4096}))@"
)
ODD_USER_INFO = re.compile(
    r"://[^\s/?#@:\"'<>\\]{0,256}:((?!\d{1,5}[/?#])[^\s\"'<>\\@]{1,512})@(?=[\w.-]+(?::\d+)?(?:[/?\s\"'\\]|$))"
)
"""A password that holds what would have to be written with a percent sign."""
DATABASE = re.compile(r"(?<![\w/])[\w.+-]{1,64}:([^\s\"'@]{1,256})@(?:tcp|unix)\(")
SESSION = re.compile(r"[A-Za-z0-9]{10}-[A-Za-z0-9]{22}")


def known_forms(text: str) -> Iterator[Found]:
    """Find the secrets whose form is known."""
    for rule in RULES:
        for place in places(text, rule.anchor):
            if place >= rule.before and (match := rule.form.match(text, place - rule.before)):
                yield Found(*match.span(1), rule.kind)
    yield from _azure_keys(text)
    yield from _user_infos(text)
    yield from _last_parts(text)


def places(text: str, anchor: str) -> Iterator[int]:
    """Give every place of a short text."""
    place = text.find(anchor)
    while place >= 0:
        yield place
        place = text.find(anchor, place + 1)


def _azure_keys(text: str) -> Iterator[Found]:
    for mark in KEY_MARKS:
        for place in places(text, mark):
            start = KEY_START.search(text, max(0, place - 77), place)
            end = KEY_END.match(text, place + 4)
            if start and end and end.end() - start.start() in KEY_LENGTHS:
                yield Found(start.start(), end.end(), "azure-key")


def _user_infos(text: str) -> Iterator[Found]:
    """Find passwords in URLs, and tokens in place of a user name."""
    for place in places(text, "://"):
        if match := USER_INFO.match(text, place):
            group = 1 if match[1] else 2
            if group == 1 or is_random(match[2]):
                yield Found(*match.span(group), "url-password")
        elif match := ODD_USER_INFO.match(text, place):
            yield Found(*match.span(1), "url-password")
    for place in places(text, "@tcp("):
        line = text.rfind("\n", 0, place) + 1
        if match := DATABASE.search(text, max(line, place - 330)):
            yield Found(*match.span(1), "url-password")


def _last_parts(text: str) -> Iterator[Found]:
    """Find private keys of which only the end is there, as the last lines of a log have it."""
    for place in places(text, "-----END "):
        if PEM_END.match(text, place):
            start = max(text.rfind("-----", 0, place), place - LONGEST_KEY, 0)
            if (part := KEY_LAST.search(text, start, place)) and len(part[0].strip()) >= 16:  # noqa: PLR2004 - not a word
                yield Found(part.start(), place, "private-key")
