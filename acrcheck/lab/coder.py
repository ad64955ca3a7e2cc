"""A Coder of version 1, or of version 2, as far as public sources say what its API answers.

Sources: coder/coder-cli, coder-sdk (the last public SDK of version 1); coder/docs, guides/api.md and admin/audit.md;
coder/coder, docs of version 2's API. What they do not tell is not answered: there is no kind of a registry, no switch
that could be read, and no reason of a refusal. How an entry of the audit log is laid out is not public either: the
fields here are the columns of the documentation's table.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from acrcheck.lab.answers import JSON, answer, compact

HOST = "coder.lab.example"
URL = f"https://{HOST}"
TOKEN = "lab-CoderSession-9f27c1d85e304ab6"  # noqa: S105 - of the lab
ORGANIZATION = "5ea1b0c4-6d2f-4b8e-9a37-c81f20d6e459"
REGISTRY = "0d93f7a2-1c58-4e6b-8f04-7b2a96e5c3d1"
IMAGE_ID = "b74c2e90-83fa-4d15-a6c8-e05f19d7324b"
Json = dict[str, Any]


@dataclass
class Coder:
    """What there is in a Coder deployment.

    Attributes:
        version: as it says it.
        generation: `v1` or `v2`.
        token: the one session token that is good.
        roles: the site roles of whoever has it.
        registries: by their host, the names of the entries.
        refreshed: how long ago the digests of the images' tags were looked up.
        audit: the entries of the audit log, oldest first.
    """

    version: str = "1.44.3"
    generation: str = "v1"
    token: str = TOKEN
    roles: tuple[str, ...] = ("site-manager", "site-member")
    registries: dict[str, str] = field(default_factory=dict)
    repository: str = ""
    tags: tuple[str, ...] = ()
    refreshed: timedelta = timedelta(minutes=20)
    audit: list[Json] = field(default_factory=list)


def switched(word: str, at: datetime) -> Json:
    """The entry of the audit log about the switch for Azure registries: `enabled` or `disabled`."""
    return {
        "time": _stamp(at),
        "action": "write",
        "target": "features",
        "field": "azure auth aad",
        "diff": word,
    }


class CoderApi:
    """Answers as Coder's API does. It only reads: whatever is no GET is refused, and changes nothing.

    Args:
        source: where the present state comes from.
        now: the present moment.
    """

    def __init__(self, source: Callable[[], Coder], now: Callable[[], datetime]) -> None:
        self._source = source
        self._now = now

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        coder = self._source()
        if request.method != "GET":
            return _json(405, {})
        return self._v2(coder, request) if coder.generation == "v2" else self._v1(coder, request)

    def _v1(self, coder: Coder, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/private/version":
            return _json(200, {"version": coder.version})
        if not path.startswith("/api/v0/"):
            return _error(404)
        if request.headers.get("session-token") != coder.token:
            return _error(401)
        query = dict(request.url.params)
        answers: dict[str, Callable[[], Any]] = {
            "users/me": lambda: _user(coder),
            "orgs": lambda: [{"id": ORGANIZATION, "name": "default"}],
            "registries": lambda: self._registries(coder, query),
            "images": lambda: self._images(coder, query),
            f"images/{IMAGE_ID}/tags": lambda: self._tags(coder),
        }
        name = path.removeprefix("/api/v0/")
        if name == "audit":
            may = {"site-admin", "site-manager", "site-auditor"} & set(coder.roles)
            return _json(200, self._log(coder, query)) if may else _error(403)
        return _json(200, answers[name]()) if name in answers else _error(404)

    def _registries(self, coder: Coder, query: dict[str, str]) -> list[Json]:
        if query.get("org") != ORGANIZATION:
            return []
        made = _stamp(self._now() - timedelta(days=90))
        return [
            {
                "id": REGISTRY if not number else f"{REGISTRY[:-1]}{number}",
                "organization_id": ORGANIZATION,
                "friendly_name": name,
                "registry": host,
                "created_at": made,
                "updated_at": made,
            }
            for number, (host, name) in enumerate(coder.registries.items())
        ]

    def _images(self, coder: Coder, query: dict[str, str]) -> list[Json]:
        registries = self._registries(coder, query)
        if not (coder.repository and registries):
            return []
        tags = self._tags(coder)
        image = {"id": IMAGE_ID, "organization_id": ORGANIZATION, "repository": coder.repository}
        return [
            {
                **image,
                "registry": registries[0],
                "default_tag": tags[0] if tags else None,
                "deprecated": False,
            }
        ]

    def _tags(self, coder: Coder) -> list[Json]:
        at = _stamp(self._now() - coder.refreshed)
        return [
            {
                "image_id": IMAGE_ID,
                "tag": tag,
                "latest_hash": f"sha256:{number:064x}",
                "hash_last_updated_at": at,
            }
            for number, tag in enumerate(coder.tags, 1)
        ]

    def _log(self, coder: Coder, query: dict[str, str]) -> list[Json]:
        wanted = [entry for entry in coder.audit if query.get("action") in {None, entry["action"]}]
        return wanted[::-1][: int(query.get("limit", "10"))]

    def _v2(self, coder: Coder, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/healthz":
            return answer(200, [("Content-Type", "text/plain")], "OK")
        if path == "/api/v2/buildinfo":
            return _json(200, {"external_url": "https://github.com/coder/coder", "version": coder.version})
        if path != "/api/v2/debug/health":
            return _json(404, {"message": "Route not found."})
        if request.headers.get("coder-session-token") != coder.token:
            return _json(401, {"message": "", "detail": ""})
        if "owner" not in coder.roles:
            return _json(403, {"message": "", "detail": ""})
        return _json(200, {"healthy": True, "severity": "ok", "coder_version": coder.version})


def _user(coder: Coder) -> Json:
    return {
        "id": "3c1f7d84-29be-4a60-8d5e-f0b7261c9a43",
        "email": "oncall@lab.example",
        "username": "oncall",
        "roles": list(coder.roles),
        "login_type": "built-in",
    }


def _json(status: int, document: Any) -> httpx.Response:
    return answer(status, [("Content-Type", JSON)], compact(document))


def _error(status: int) -> httpx.Response:
    """The envelope of version 1's errors; its words are not public."""
    return _json(status, {"error": {"msg": "", "code": "", "details": None}})


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
