"""Between the tools and the door: questions with their secrets put in, answers with theirs taken out."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from acrcheck.cluster.hands import Executed
from acrcheck.wire.door import Failure, Request, Response, Secret, Trouble
from acrcheck.wire.vault import Vault

Run = Callable[[Sequence[str], bytes, float, int], Executed | Failure]
"""Runs a program: its words, its input, the seconds it may take, the bytes read of its output."""

MARGIN = 5.0
"""Seconds that starting a program in a container may take on top of its own time limit."""
HEADERS = 65_536
"""Bytes allowed for an answer's headers."""
_SIGNATURES = {"sig", "signature", "x-amz-signature", "x-goog-signature", "token", "code"}
SUCCESSES = range(200, 300)
_DROPPED = {"set-cookie", "set-cookie2", "authorization", "proxy-authorization", "cookie"}


@dataclass(frozen=True, slots=True)
class Raw:
    """An HTTP answer as it came. Holds secrets: it never leaves the wire.

    A body that was digested while it came is not in it: `sha256` and `length` are then set.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: bool = False
    sha256: str = ""
    length: int = 0


def no_tool(*names: str, detail: str = "") -> Failure:
    """Say that the tools which could show it are not there."""
    return Failure(Trouble.NO_TOOL, detail, tool=", ".join(names))


def open_request(question: Request, vault: Vault) -> Request:
    """Put the secrets in. Raises KeyError for a handle of another run, ValueError for a line break in a header."""
    headers = tuple((name, vault.open(value)) for name, value in question.headers)
    for name, value in headers:
        if not name.isprintable() or not value.isprintable():
            raise ValueError(f"header {name!r} holds a control character")
    url = vault.open(question.url)
    if not url.isprintable() or " " in url or urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError("no URL of http or https")
    if question.basic:
        # What a proxy may echo is the pair as it travels.
        vault.keep(_pair(question.basic[0], vault.open(question.basic[1])))
    return replace(
        question,
        url=url,
        headers=headers,
        bearer=vault.open(question.bearer),
        basic=(question.basic[0], vault.open(question.basic[1])) if question.basic else None,
        form=tuple((name, vault.open(value)) for name, value in question.form),
    )


def has_secret(opened: Request, question: Request) -> bool:
    """True when a request carries something that must not stand in a program's arguments."""
    return bool(question.bearer or question.basic or question.form) or opened != question


def authorization(opened: Request) -> list[tuple[str, str]]:
    """Give the Authorization header of an opened request, if it has one."""
    if opened.bearer:
        return [("Authorization", f"Bearer {opened.bearer}")]
    if opened.basic:
        return [("Authorization", f"Basic {_pair(*opened.basic)}")]
    return []


def _pair(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def form_body(opened: Request) -> bytes | None:
    """Give the form of an opened request as it is sent; None when it has none."""
    return urlencode(opened.form).encode() if opened.form else None


def parse_head(text: bytes) -> tuple[int, tuple[tuple[str, str], ...], bytes] | None:
    """Take the final status line and headers off an answer; None when it does not begin with HTTP's."""
    while True:
        head, gap, rest = _split_head(text)
        lines = head.decode("iso-8859-1").splitlines()
        words = lines[0].split(None, 2) if lines else []
        if not gap or len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():  # noqa: PLR2004 - version and status
            return None
        status = int(words[1])
        tunnel = len(words) > 2 and "connection established" in words[2].lower()  # noqa: PLR2004 - with a reason
        if status // 100 == 1 or (tunnel and rest.startswith(b"HTTP/")):
            text = rest  # an interim answer, or a proxy's word on the tunnel
            continue
        pairs = (line.partition(":") for line in lines[1:] if ":" in line)
        return status, tuple((name.strip(), value.strip()) for name, _, value in pairs), rest


def _split_head(text: bytes) -> tuple[bytes, bytes, bytes]:
    for gap in (b"\r\n\r\n", b"\n\n"):
        if gap in text[:HEADERS]:
            return text.partition(gap)
    return text, b"", b""


def seal_response(raw: Raw, question: Request, vault: Vault) -> Response:
    """Take the secrets out of an answer."""
    secrets: dict[str, Secret] = {}
    headers = []
    for name, value in raw.headers:
        key = name.lower()
        if key in _DROPPED:
            continue
        sealed, found = vault.seal(value)
        sealed = _seal_location(sealed, question.url, vault) if key == "location" else sealed
        secrets.update({secret.handle: secret for secret in found})
        headers.append((key, sealed))
    if question.digest and raw.status in SUCCESSES:
        text, sha256 = _kept(raw.body, question.keep), raw.sha256 or hashlib.sha256(raw.body).hexdigest()
    else:
        text, sha256 = raw.body.decode(errors="replace"), ""
    body, found = vault.seal(text)
    secrets.update({secret.handle: secret for secret in found})
    length = raw.length or len(raw.body)
    return Response(raw.status, tuple(headers), body, tuple(secrets.values()), length, sha256, cut=raw.cut)


def _kept(body: bytes, names: tuple[str, ...]) -> str:
    """Give the named fields of a JSON object as JSON; empty where none are wanted, or it is no object."""
    if not names:
        return ""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return (
        json.dumps({name: found[name] for name in names if name in found}) if isinstance(found, dict) else ""
    )


def _seal_location(value: str, asked: str, vault: Vault) -> str:
    """Seal the query of a redirect that leaves the host, or that is signed."""
    target = urlsplit(urljoin(asked, value))
    signed = {name.lower() for name, _ in parse_qsl(target.query, keep_blank_values=True)} & _SIGNATURES
    away = target.netloc.lower() != urlsplit(asked).netloc.lower()
    return vault.seal_query(value) if target.query and (signed or away) else value


def cut_body(raw: Raw, limit: int) -> Raw:
    """Keep no more of the body than was asked for."""
    return replace(raw, body=raw.body[:limit], cut=True) if len(raw.body) > limit else raw


def seal_failure(failure: Failure, vault: Vault) -> Failure:
    """Make sure that a program's own words hold no secret."""
    return replace(failure, detail=vault.seal(failure.detail)[0])
