"""Finds the secrets in a text, plain or in whatever encoding."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

from acrcheck.bundle import views
from acrcheck.bundle.forms import JWT, KEY_FILE, Found, known_forms, telling
from acrcheck.bundle.named import named_secrets
from acrcheck.bundle.names import TOKEN

DEPTH = 4
"""So many encodings, one in the other, are looked through."""
PAIR = re.compile(r"([A-Za-z0-9][\w.@+\\-]{0,127}):(\S{6,256})\s*")
NO_USERS = re.compile(
    r"(?:sha\d+|https?|oci|tcp|udp|urn|system|spiffe|repository|arn|registry|\d+|[0-9a-f]{2})", re.IGNORECASE
)
"""What stands before a colon and is no user name."""
HEX = re.compile(r"[0-9a-fA-F]+|[a-z/]+|[0-9/+-]+")
"""What is a digest, a path or a number rather than base64."""
QUOTES = frozenset("\"'")
BROKEN = frozenset(" \t\r\n\\")
WHOLE = re.compile(r"eyJ[\w.-]*$")
PARTS = re.compile(r"[A-Za-z0-9+]{16,}={0,2}")


def find(text: str, depth: int = 0) -> list[Found]:
    """Find the secrets in a text, in their order, none within another."""
    small = text.lower()
    if len(small) != len(text):
        small = "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)
    found = [*known_forms(text), *named_secrets(text, small), *_encoded(text, depth)]
    if depth < DEPTH:
        for view in (views.without_escapes(text, small), views.without_percent(text, small)):
            if view:
                found += _through(view, depth)
    return merged(found, text)


def _through(view: views.View, depth: int) -> Iterator[Found]:
    """Find what is in another reading of the text."""
    for item in find(view.text, depth + 1):
        plain = item.plain or view.text[item.start : item.end]
        yield Found(*view.span(item.start, item.end), item.kind, plain)


def _encoded(text: str, depth: int) -> Iterator[Found]:
    """Find base64 that holds secrets, and tokens that are known by where their dash is."""
    until = 0
    for match in views.runs(text):
        start, end = match.span()
        if start < until:
            continue
        run = match[0]
        if form := telling(run, text[max(0, start - 2) : start]):
            yield Found(start, end, form)
            continue
        until, more = views.joined(text, end) if text[end : end + 1] in BROKEN else (end, "")
        run += more
        if HEX.fullmatch(run):
            continue
        if KEY_FILE.match(run):
            yield Found(start, until, "private-key")
            continue
        if held := _held(run, depth):
            yield Found(start, until, *held)
        elif "/" in run or "-" in run or "_" in run:
            for part in PARTS.finditer(text, start, end):
                if part.span() != match.span() and (held := _held(part[0], depth)):
                    yield Found(*part.span(), *held)


def _held(run: str, depth: int) -> tuple[str, str] | None:
    """Give the kind of secret that base64 holds, and the secret; None when it holds none, or is none."""
    content = views.decoded(run)
    if content is None:
        return "unread", run
    if not content:
        return None
    pair = PAIR.fullmatch(content)
    if pair and not NO_USERS.fullmatch(pair[1]):
        return None if TOKEN.fullmatch(pair[2]) else ("basic", pair[2])
    inside = find(content, depth + 1) if depth < DEPTH else []
    if not inside:
        return None
    one = inside[0]
    return (one.kind, one.plain or content[one.start : one.end]) if len(inside) == 1 else (one.kind, run)


def merged(found: list[Found], text: str) -> list[Found]:
    """Put together what overlaps, and leave alone what redaction keeps or has written."""
    spans: list[Found] = []
    written = [match.span() for match in TOKEN.finditer(text)] if found and "<" in text else []
    for item in sorted(map(_without_escape(text), found), key=lambda item: (item.start, -item.end)):
        taken = text[item.start : item.end]
        if not TOKEN.sub("", taken).strip() or (item.kind != "jwt" and _is_jwt(text, item)):
            continue
        place = bisect_right(written, (item.start, len(text))) - 1
        if place >= 0 and item.end <= written[place][1]:
            continue
        if spans and item.start < spans[-1].end:
            last = spans[-1]
            same = (item.start, item.end) == (last.start, last.end)
            spans[-1] = item if same else Found(last.start, max(last.end, item.end), last.kind, last.plain)
        else:
            spans.append(item)
    return spans


def without(text: str, stead: Callable[[Found], str]) -> str:
    """Give a text with something else in each secret's stead; of a JWT nothing is left either."""
    pieces: list[str] = []
    last = 0
    for item in find(text):
        start = item.start
        if item.kind == "jwt" and (token := WHOLE.search(text, last, item.start)):
            start = token.start()
        pieces += (text[last:start], stead(item._replace(plain=item.plain or text[item.start : item.end])))
        last = item.end
    return "".join([*pieces, text[last:]])


def _without_escape(text: str) -> Callable[[Found], Found]:
    """Leave the backslash of a quotation mark to what is quoted."""

    def shortened(item: Found) -> Found:
        end = item.end
        if text[end : end + 1] in QUOTES:
            while end > item.start and text[end - 1] == "\\":
                end -= 1
        return item._replace(end=end)

    return shortened


def _is_jwt(text: str, item: Found) -> bool:
    """Tell whether what was found by its name is a JWT, of which another rule takes the signature."""
    token = JWT.match(text, item.start)
    return token is not None and not text[token.end() : item.end].strip(" .,;:|")
