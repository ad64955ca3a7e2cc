"""Secrets that are known by the name they stand under: in JSON, YAML, headers, forms, arguments and sentences."""

import re
from collections.abc import Iterator

from acrcheck.bundle.forms import Found, places
from acrcheck.bundle.names import Strength, is_empty, is_random, strength

ANCHORS = (
    *("pass", "pwd", "secret", "token", "cred", "auth", "cookie", "sess", "key", "sig", "assertion", "conn"),
    "dockerc",
)
"""What every name of a secret has in it, in small letters."""
SIGN = re.compile(r"[a-z0-9_-]*+(?:[\"'`]?\s{0,8}[:=]|>|[\"']\s{0,8},|[\"']?\s{1,80}[\"']?value)")
"""What stands between a name and its value."""
SCHEMES = frozenset({"bearer", "basic", "negotiate"})
SHORT = 4
"""What is shorter than that is no credential."""
NAME = re.compile(r"[A-Za-z0-9_-]*")
QUOTED = r"\"(?:[^\"\\\0\n]|\\[\s\S])*+\"?|'[^'\n]*+'?|`[^`\n]*+`?"
BARE = (
    r"(?:(?![,;&]\s*[\"']?[\w.-]+[\"']?\s*[=:]|[,;.)\]}>|]*(?:\s|$)|[,)\]}]*\\+[\"'nrt])"
    r"[^\s\"'`<>\0])+"
)
"""Up to white space, a quotation mark, or what begins the next field."""
BLOCK = (
    r"[|>][1-9]?[+-]?[1-9]?[ \t]*\r?\n(?:[ \t]*\r?\n)*"
    r"(?:(?P<indent>[ \t]+)\S[^\n]*(?:\n(?:(?P=indent)[^\n]*|[ \t\r]*(?=\n)))*|\s*[^\n]+)"
)
"""A block of YAML: all lines that are indented as its first one."""
VALUE = rf"(?P<value>{QUOTED}|{BLOCK}|{BARE})"
FIELD = re.compile(
    r"[A-Za-z0-9_-]*+(?:"
    r"(?P<closed>[\"'`])?\s{0,8}(?P<sign>=>|:=|={1,2}|:)\s{0,80}[\[({]?"
    r"|[\"']?\s{0,80},?\s{0,80}[\"']?[vV]alue[\"']?\s{0,8}[:=]\s{0,8}"
    r"|(?P<pair>[\"']\s{0,8},\s{0,8})(?=[\"'])"
    r"|>(?=[^<>\n]{1,4096}</)"
    rf"){VALUE}"
)
ASSIGNED = re.compile(r"token=[A-Za-z0-9]{12,}", re.IGNORECASE)
"""As in a form or in the environment: nobody writes a word of that length there."""
FLAG = re.compile(rf"--?(?P<name>[\w-]+)[ \t]+(?![-|]){VALUE}")
SCHEME = re.compile(r"(?:bearer|basic|negotiate|digest|ntlm|token|sharedkey)\s+(?=\S)", re.IGNORECASE)
AUTHORIZATION = re.compile(
    r"authorization[\"'`]?\s{0,8}(?:=>|[:=,])\s{0,8}[\[(]*[\"'`]?(?:(?P<scheme>[A-Za-z]{4,22})[ \t]+)?"
    r"(?P<value>[^\s\"'`\]})\\<>]+)",
    re.IGNORECASE,
)
COOKIE = re.compile(
    r"(?:set-)?cookie2?[\"'`]?\s{0,8}(?:=>|[:=,])\s{0,8}[\[(]*[\"'`]?(?P<value>[^\s=;\"'`,]+=(?:(?!\\+[\"'nrt])[^\r\n\"'`\])}])+)",
    re.IGNORECASE,
)
SENT = re.compile(r"(?:bearer|basic)\s+(?P<value>[\w.~+/-]{8,}={0,2})", re.IGNORECASE)
WORD = r"(?P<value>(?:(?!\\+[\"'nrt])[^\s\"'<>])+)"
USER = rf"[ =]?[\"']?[^\s:\"'<>]{{1,128}}:{WORD}"
CURL = re.compile(rf"curl\b[^\n]{{0,1000}}?\s(?:-[a-zA-Z]{{0,8}}u|--user|--proxy-user){USER}")
CREDENTIALS = re.compile(rf"creds{USER}")
LITERAL = re.compile(rf"--from-literal[ =][\"']?[^\s=:\"'<>]{{1,253}}=[\"']?{WORD}")
LOGIN = re.compile(rf"login\b(?:[^\n]{{0,200}}?\s-p[ =]?|[ \t]+\S{{1,128}}\s+password[ \t]+)[\"']?{WORD}")
SHELL = re.compile(rf"(?:mysql|sshpass|sqlcmd)\w*\b[^\n]{{0,200}}?\s-[pP][ =]?[\"']?{WORD}")
MORE = re.compile(r"(?:[ \t]*\\?\r?\n[ \t>|]+[\w+/=.~-]+(?=[\s\"'\\,]|$))*")
"""A value that is broken goes on in lines that hold nothing else."""


def named_secrets(text: str, small: str) -> Iterator[Found]:
    """Find what stands under the name of a secret. `small` is the text in small letters."""
    until = 0
    for place in _spots(small):
        if place < until:
            continue
        start = place - _length(text[max(0, place - 64) : place][::-1])
        sure = strength(name := text[start : place + _length(text[place : place + 64])])
        if sure and (field := FIELD.match(text, place)):
            begin, until = _inside(field)
            if _fits(text, start, sure, field, text[begin:until]):
                yield Found(begin, until, kind(name))
    for place in places(text, "--"):
        if (flag := FLAG.match(text, place)) and _follows(flag["name"], flag["value"]):
            yield Found(*_inside(flag), kind(flag["name"]))
    yield from _headers(text, small)


def _length(text: str) -> int:
    """Give how many characters at the start of a text can be of a name."""
    name = NAME.match(text)
    return name.end() if name else 0


def _spots(small: str) -> list[int]:
    """Give the places, in their order, at which what may be the name of a secret has a value."""
    return sorted(
        {
            place
            for anchor in ANCHORS
            for place in places(small, anchor)
            if SIGN.match(small, place + len(anchor))
        }
    )


def _follows(name: str, value: str) -> bool:
    """Tell whether what follows a flag after a blank is its secret."""
    sure = strength(name)
    return bool(sure) and not is_empty(value) and (sure is Strength.CERTAIN or is_random(value))


def _inside(field: re.Match[str]) -> tuple[int, int]:
    """Give the place of a value without its quotation marks, a block's mark, or the scheme before a credential."""
    begin, end = field.span("value")
    value = field["value"]
    if value[0] in "\"'`":
        begin, end = begin + 1, end - (len(value) > 1 and value[-1] == value[0])
    elif value[0] in "|>" and "\n" in value:
        begin += len(value) - len(value.partition("\n")[2].lstrip())
    scheme = SCHEME.match(field.string, begin, end)
    return scheme.end() if scheme else begin, end


def _fits(text: str, start: int, sure: Strength, field: re.Match[str], value: str) -> bool:
    """Tell whether the value can be a secret for the way in which it stands under its name."""
    if is_empty(value):
        return False
    quoted = field["value"][0] in "\"'`"
    if sure is Strength.LIKELY or field["pair"]:
        return any(map(is_random, value.splitlines())) or (
            field["sign"] == "=" and bool(ASSIGNED.match(field[0]))
        )
    if value.isdigit() and len(value) < 6:  # noqa: PLR2004 - a length, a port, a number of seconds
        return False
    said = field["sign"] == ":" and not quoted and not field["closed"]
    if said and not _is_line(text, start, field.end("value")):
        return len(value) >= 6 and not value.isalpha()  # noqa: PLR2004 - after a colon words follow as often
    return True


def _is_line(text: str, start: int, end: int) -> bool:
    """Tell whether a name and its value are all of a line, as in YAML."""
    begin = text.rfind("\n", 0, start) + 1
    rest = text.find("\n", end)
    before, after = text[begin:start], text[end : rest if rest >= 0 else len(text)]
    return not before.strip(" \t-?") and not after.strip(" \t\r,")


def kind(name: str) -> str:
    """Say of what kind a secret is, from the name it stands under."""
    small = name.lower()
    for part, word in (("pass", "password"), ("pwd", "password"), ("token", "token"), ("cookie", "cookie")):
        if part in small:
            return word
    return (
        "signature" if small.endswith(("sig", "signature")) else "key" if small.endswith("key") else "secret"
    )


def _headers(text: str, small: str) -> Iterator[Found]:
    for place in places(small, "authorization"):
        if (match := AUTHORIZATION.match(text, place)) and _authorizes(match["scheme"] or "", match["value"]):
            yield Found(match.start("value"), _whole(text, match), "authorization")
    for place in places(small, "cookie"):
        if match := COOKIE.match(text, place):
            yield Found(*match.span("value"), "cookie")
    for anchor in ("bearer", "basic"):
        for place in places(small, anchor):
            if (match := SENT.match(text, place)) and is_random(match["value"]):
                yield Found(match.start("value"), _whole(text, match), anchor)
    yield from arguments(text)


def _authorizes(scheme: str, value: str) -> bool:
    if is_empty(value):
        return False
    return is_random(value) or (
        scheme.lower() in SCHEMES and "=" not in value.rstrip("=") and len(value) >= SHORT
    )


COMMANDS = (
    ("curl", CURL),
    ("creds", CREDENTIALS),
    ("login", LOGIN),
    ("mysql", SHELL),
    ("sshpass", SHELL),
    ("sqlcmd", SHELL),
    ("--from-literal", LITERAL),
)


def arguments(text: str) -> Iterator[Found]:
    """Find what programs take as a secret after a flag that does not say so, or for the flag's first letter."""
    for anchor, form in COMMANDS:
        for place in places(text, anchor):
            if (match := form.match(text, place)) and not is_empty(match["value"]):
                yield Found(*match.span("value"), "password")


def _whole(text: str, match: re.Match[str]) -> int:
    more = MORE.match(text, match.end("value"))
    return more.end() if more else match.end("value")
