"""Coder's own API: what is asked of it, and how its answers are read. Nothing here changes anything.

Sources: the last public SDK of version 1 (coder/coder-cli, coder-sdk) and its documentation (guides/api.md,
admin/audit.md); version 2's health endpoints (coder/coder, docs). Version 1's server is closed: what neither tells
is not read.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from acrcheck.late import dataclass
from acrcheck.wire.door import Request, Response

V1, V2 = "v1", "v2"
HEADERS = {V1: "Session-Token", V2: "Coder-Session-Token"}
"""The header that bears the session token, by the API's version."""
MANAGERS = frozenset({"site-admin", "site-manager"})
"""Site roles that see all registries and images; whoever has none sees what a member sees (guides/api.md)."""
AUDITORS = MANAGERS | {"site-auditor"}
"""Site roles that may read the audit log."""
FLAG = "azure auth aad"
"""What the audit log calls the switch for Azure registries (admin/audit.md)."""
STATES = frozenset({"enabled", "disabled"})
AUDIT_ENTRIES = 1000
ANSWER = 8_388_608
"""Bytes read of a list."""
KINDS = ("kind", "registry_kind", "type")
"""Fields that may hold the kind of a registry: which one it is, and its values, no public source says."""
OK, UNAUTHORIZED, FORBIDDEN = 200, 401, 403
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Flag:
    """What the audit log last says of the switch: None where its words do not tell."""

    enabled: bool | None
    said: str


def flag_name(version: str) -> str:
    """Name the switch as the interface of that version does; both names where the version is not known.

    Source: admin/registries/azure.md of the documentation's versions 1.26 to 1.44.
    """
    older, newer = "Azure Registry Authentication", "Azure Container Registry authentication"
    number = minor(version)
    if number is None:
        return f'"{newer}" (before 1.31: "{older}")'
    return f'"{newer if number > (1, 30) else older}"'


def minor(version: str) -> tuple[int, int] | None:
    """Give major and minor number of a version (`1.44.3`, `v2.20.0+abc`); None where it has none."""
    parts = version.removeprefix("v").split(".")[:2]
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() for part in parts):  # noqa: PLR2004 - major and minor
        return None
    return int(parts[0]), int(parts[1])


def release(version: str) -> str:
    """Give a version without what was built from where: `1.44.3` of `v1.44.3+0a1b2c3`."""
    return version.removeprefix("v").partition("+")[0].partition("-")[0]


def address_problem(url: str, *, token: bool) -> str:
    """Say what is wrong with the address of a Coder deployment; empty when nothing is.

    With a token it must not be plain HTTP, but to this machine or inside the cluster.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return str(error)
    problems = (
        (not url.isprintable() or " " in url, "it has a blank or a control character"),
        (parts.scheme not in PORTS, "it begins with neither https:// nor http://"),
        (not host, "it names no host"),
        (port == 0, "its port is 0"),
        (parts.username is not None, "it holds a user name: the session token is given apart"),
        (parts.path.strip("/") != "", f"it has a path ({parts.path}): only the part up to the host is meant"),
        (bool(parts.query or parts.fragment), "it has a query or a fragment"),
        (
            token and parts.scheme == "http" and not _is_near(host),
            "the session token would travel in clear text",
        ),
    )
    return next((why for wrong, why in problems if wrong), "")


def _is_near(host: str) -> bool:
    """Tell whether a host is this machine, or a Service as it is called inside a cluster."""
    return (
        host in {"localhost", "::1"}
        or host.startswith("127.")
        or host.endswith((".svc", ".svc.cluster.local"))
        or "." not in host
    )


def request(url: str, path: str, generation: str, token: str = "", **query: str | int) -> Request:
    """Ask for something of the API; `token` is a handle."""
    asked = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in query.items())
    headers = [("Accept", "application/json")]
    if token:
        headers.append((HEADERS[generation], token))
    return Request(
        "GET",
        url.rstrip("/") + path + (f"?{asked}" if asked else ""),
        headers=tuple(headers),
        seconds=15.0,
        limit=ANSWER,
    )


def version_of(answer: Response) -> str:
    """Give the version that `/api/private/version` or `/api/v2/buildinfo` tells; empty when it is none of theirs."""
    found = (answer.json() or {}).get("version") if answer.status == OK else None
    return found if isinstance(found, str) and minor(found) is not None else ""


def leads_to(answer: Response, asked: str) -> str:
    """Give where a redirect leads, without its query; empty when it is none."""
    where = answer.header("location")
    if answer.status not in REDIRECTS or not where:
        return ""
    try:
        parts = urlsplit(urljoin(asked, where))
    except ValueError:
        return where.partition("?")[0]
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def is_page(answer: Response) -> bool:
    """Tell whether an answer is a page for people."""
    return "html" in answer.header("content-type") or answer.body.lstrip()[:9].lower() in {
        "<!doctype",
        "<html>",
    }


def said(answer: Response) -> str:
    """Give an answer's status and, where it is one of the API's errors, its words.

    Version 1 says `{"error": {"msg", "code", "details"}}`, where the code is `verbose` or `precondition` more in the
    details; version 2 `{"message", "detail"}`.
    """
    body = answer.json() or {}
    error = _object(body.get("error")) or body
    details = _object(error.get("details"))
    words = [error.get("msg"), error.get("message"), error.get("detail")]
    words += [details.get(key) for key in ("verbose", "error", "message", "solution")]
    texts = dict.fromkeys(word.strip() for word in words if isinstance(word, str) and word.strip())
    return f"HTTP {answer.status}" + (f": {'; '.join(texts)[:300]}" if texts else "")


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(answer: Response) -> list[dict[str, Any]] | None:
    """Give the objects of a list; None when the answer is none."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else None


def kind_of(registry: dict[str, Any]) -> str:
    """Give a registry's kind as the API writes it; empty where no field looks like one."""
    return next(
        (str(registry[key]) for key in KINDS if isinstance(registry.get(key), str) and registry[key]), ""
    )


def last_word(answer: Response) -> Flag | None:
    """Read what the audit log last says of the switch for Azure registries; None where it says nothing of it.

    The documentation names action, target, field and the words `enabled` and `disabled`, and not how an entry is
    laid out. So an entry counts when its text has the field's name, and tells a state when only one of the two words
    stands in it, or when one stands for the new state.
    """
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    entries = [entry for entry in _entries(found) if FLAG in json.dumps(entry).lower()]
    if not entries:
        return None
    dated = [(time, entry) for entry in entries if (time := _time(entry))]
    # Where nothing says which entry is the newest, only what all agree on is known.
    newest = [max(dated, key=lambda pair: pair[0])[1]] if len(dated) == len(entries) else entries
    states = {_state(entry) for entry in newest}
    return Flag(states.pop() if len(states) == 1 else None, json.dumps(newest[0])[:300])


def _entries(found: object) -> list[dict[str, Any]]:
    """Give the entries of a log: the list itself, or the first list of objects in an object."""
    if isinstance(found, dict):
        lists = (value for value in found.values() if isinstance(value, list))
        found = next((value for value in lists if any(isinstance(item, dict) for item in value)), [])
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _time(entry: dict[str, Any]) -> str:
    """Give the time of an entry, in the one form in which times compare as texts; empty where it has none."""
    from datetime import UTC, datetime

    for value in entry.values():
        if isinstance(value, str) and value[:4].isdigit():
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                continue
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return ""


def _state(entry: dict[str, Any]) -> bool | None:
    """Give the state that an entry tells; None where it tells none."""
    about = list(_values(entry, FLAG)) or [entry]
    words = {word for word in _texts(about) if word in STATES}
    new = {word for word in _texts(list(_values(about, "new"))) if word in STATES}
    told = new or words
    return told == {"enabled"} if len(told) == 1 else None


def _values(value: object, wanted: str) -> Iterator[object]:
    """Give what stands under a key, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key.lower() == wanted:
                yield item
            else:
                yield from _values(item, wanted)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item, wanted)


def _texts(value: object) -> Iterator[str]:
    """Give the texts of a JSON value, in lower case."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value.strip().lower()
