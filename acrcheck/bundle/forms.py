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
    Rule("jwk", '"d"', re.compile(r'"d"\s*:\s*"([\w-]{32,})"')),
)
TELLING = (
    ("azure-key", re.compile(r"[A-Za-z0-9]{52}JQQJ9[9DH][A-Za-z0-9]{26,30}(?:==)?")),
    (
        "azure-key",
        re.compile(
            r"[A-Za-z0-9+/]{33,76}(?:\+A[A-Z][A-Za-z]|ACDb|AIoT|APIM|Az[A-Z][a-z])[A-Za-z0-9+/]{5,6}={0,2}"
        ),
    ),
    ("github-token", re.compile(r"gh[opsur]_\w{30,}")),
    ("github-token", re.compile(r"github_pat_\w{30,}")),
    ("gitlab-token", re.compile(r"glpat-[\w-]{20,}")),
    ("docker-token", re.compile(r"dckr_pat_[\w-]{20,}")),
    ("slack-token", re.compile(r"xox[abeoprs]-[\w-]{20,}")),
    ("aws-key", re.compile(r"AKIA[A-Z0-9]{16}")),
    ("session-token", re.compile(r"(?=[^-]*[A-Z])(?=[^-]*[a-z])(?=.*\d)[A-Za-z0-9]{10}-[A-Za-z0-9]{22}")),
)
"""What a run of letters, digits and a few signs is, if it has this form; Azure's keys have a mark at a fixed place."""
UNMARKED = {
    88: ("azure-key", re.compile(r"(?=[^+/]*[+/])(?=.*[A-Z])(?=.*[a-z])[A-Za-z0-9+/]{86}==")),
    52: (
        "registry-password",
        re.compile(r"(?=(?:[^A-Z]*[A-Z]){8})(?=(?:[^a-z]*[a-z]){8})(?=(?:\D*\d){3})[A-Za-z0-9]{52}"),
    ),
}
"""What a run of this length is if it has this form: account keys, and passwords of a registry's tokens."""
DIGEST_BEFORE = re.compile(r"\d[:=]")
"""As in `sha512:`."""
KEY_FILE = re.compile(r"MII.{3}IB(?:AAKC|ADAN|AzCC)[A-Za-z0-9+/]{32}")
"""How the base64 of a private key (PKCS #1 and #8) begins, and of one with its certificate (PKCS #12)."""
KEY_LENGTHS = frozenset({43, 44, 51, 52, 54, 56, 84, 86, 88, 90})
LONG = 60
"""Characters that a refresh token of Entra has at least."""
KEY_LAST = re.compile(r"(?:[A-Za-z0-9+/=\s\\]|-(?!-))+$")
PEM_END = re.compile(r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
WORD = re.compile(r"[\w-]*")
LONGEST_KEY = 8192
USER_INFO = re.compile(
    r"://(?:[^\s/?#@:\"'<>\\]{0,256}:([^\s/?#\"'<>\\]{1,4096})|([^\s/?#@:\"'<>\\]{16,4096}))@"
)
ODD_USER_INFO = re.compile(
    r"://[^\s/?#@:\"'<>\\]{0,256}:((?!\d{1,5}[/?#])[^\s\"'<>\\@]{1,512})@(?=[\w.-]+(?::\d+)?(?:[/?\s\"'\\]|$))"
)
"""A password that holds what would have to be written with a percent sign."""
DATABASE = re.compile(r"(?<![\w/])[\w.+-]{1,64}:([^\s\"'@]{1,256})@(?:tcp|unix)\(")


NAMED_HOST = re.compile(r"(?<![\w/:.-])[\w.+-]{1,64}:([^\s:@/\"'<>]{8,128})$")
"""A user's name and password before the sign that stands before a host, without a scheme."""
HOST = re.compile(r"[\w-]+\.[\w.-]*[a-z]")


def known_forms(text: str) -> Iterator[Found]:
    """Find the secrets whose form is known."""
    for rule in RULES:
        until = rule.before
        for place in places(text, rule.anchor):
            if place >= until:
                match = rule.form.match(text, place - rule.before)
                # What was gone through is not gone through again: a hostile text must not take more than linear time.
                until = match.end() if match else WORD.match(text, place).end()  # type: ignore[union-attr]
                if match:
                    yield Found(*match.span(1), rule.kind)
    yield from _user_infos(text)
    yield from _last_parts(text)


def places(text: str, anchor: str) -> Iterator[int]:
    """Give every place of a short text."""
    place = text.find(anchor)
    while place >= 0:
        yield place
        place = text.find(anchor, place + 1)


def telling(run: str, before: str) -> str:
    """Say what kind of secret a run is by its form; nothing when it has none. `before` are the characters before it."""
    if len(run) >= LONG and run[0] == "A" and before in {"0.", "1."}:
        return "refresh-token"
    if len(run) in UNMARKED and not DIGEST_BEFORE.fullmatch(before):
        kind, form = UNMARKED[len(run)]
        if form.fullmatch(run):
            return kind
    for kind, form in TELLING:
        if form.fullmatch(run) and (kind != "azure-key" or len(run) in KEY_LENGTHS):
            return kind
    return ""


def _user_infos(text: str) -> Iterator[Found]:
    """Find passwords in URLs, and tokens in place of a user name."""
    for place in places(text, "://"):
        if match := USER_INFO.match(text, place):
            group = 1 if match[1] else 2
            if group == 1 or is_random(match[2]):
                yield Found(*match.span(group), "url-password")
        elif match := ODD_USER_INFO.match(text, place):
            yield Found(*match.span(1), "url-password")
    yield from _before_hosts(text)


def _before_hosts(text: str) -> Iterator[Found]:
    """Find passwords before a host where there is no URL."""
    for place in places(text, "@"):
        if not HOST.match(text, place + 1):
            continue
        match = NAMED_HOST.search(text[max(0, place - 200) : place])
        if match and is_random(match[1]):
            yield Found(place - len(match[1]), place, "url-password")
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
