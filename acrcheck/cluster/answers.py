"""From what the API server sent to an Answer: which status means what."""

import json
from typing import Any

from acrcheck.cluster.reader import Answer, Outcome
from acrcheck.model import Permission

_SHOWN = 300
_BY_STATUS = {
    400: Outcome.INVALID,
    401: Outcome.UNAUTHORIZED,
    403: Outcome.FORBIDDEN,
    409: Outcome.CONFLICT,
    410: Outcome.GONE,
    422: Outcome.INVALID,
    408: Outcome.TIMEOUT,
    504: Outcome.TIMEOUT,
}
NOT_SERVED = "404 page not found"
"""What the API server says, as plain text, of a path that it does not serve."""


def success(body: bytes) -> Answer:
    """Read a 2xx body, which must be a JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        return Answer(Outcome.MALFORMED, detail=f"no JSON ({error}): {shown(body)}")
    if not isinstance(value, dict):
        return Answer(Outcome.MALFORMED, detail=f"no JSON object: {shown(body)}")
    return Answer(Outcome.OK, value)


def refusal(status: int, body: bytes, permission: Permission | None) -> Answer:
    """Read an answer that is no 2xx. `permission` is what the question needed."""
    told = status_object(body)
    detail = str(told.get("message") or "") if told else shown(body)
    if told is None and status != 404 and looks_like_a_page(body):  # noqa: PLR2004 - the HTTP status
        return Answer(Outcome.MALFORMED, detail=f"HTTP {status} with a web page: {shown(body)}")
    if status == 404:  # noqa: PLR2004 - the HTTP status
        return _not_found(told, body)
    outcome = _BY_STATUS.get(status, Outcome.ERROR)
    if 300 <= status < 400:  # noqa: PLR2004 - the API server never redirects
        outcome = Outcome.MALFORMED
    detail = detail or f"HTTP {status}"
    return Answer(outcome, detail=detail, permission=permission if outcome is Outcome.FORBIDDEN else None)


def _not_found(told: dict[str, Any] | None, body: bytes) -> Answer:
    """Tell a missing object (a Status that names it) from a resource that is not served."""
    if told is None:
        if body.decode(errors="replace").strip() in {NOT_SERVED, ""}:
            return Answer(Outcome.NO_API, detail=NOT_SERVED)
        return Answer(Outcome.MALFORMED, detail=f"HTTP 404: {shown(body)}")
    details = told.get("details")
    named = isinstance(details, dict) and bool(details.get("name"))
    return Answer(Outcome.ABSENT if named else Outcome.NO_API, detail=str(told.get("message") or ""))


def status_object(body: bytes) -> dict[str, Any] | None:
    """Give the `Status` object that a body holds, None when it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.get("kind") == "Status" else None


def looks_like_a_page(body: bytes) -> bool:
    """True for HTML: a proxy, a login page, a portal."""
    start = body[:256].lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml"))


def shown(body: bytes) -> str:
    """Shorten a body for a sentence: one line, no control characters."""
    text = " ".join(body[: 4 * _SHOWN].decode(errors="replace").split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def log(content: bytes, most: int) -> Answer:
    """Give the whole lines at the end of a log, at most so many bytes; `detail` says when there was more."""
    if len(content) <= most:
        return Answer(Outcome.OK, content.decode(errors="replace"))
    kept = content[-most - 1 :].partition(b"\n")[2] or content[-most:]
    return Answer(
        Outcome.OK, kept.decode(errors="replace"), f"only the last {most >> 10} KiB of it were kept"
    )
