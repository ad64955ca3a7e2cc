"""The lab's Coder: it answers what public sources say, to whom it should."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from acrcheck.lab.coder import HOST, IMAGE_ID, ORGANIZATION, TOKEN, URL, Coder, CoderApi, switched

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def coder(**changed: Any) -> Coder:
    """A deployment with one registry, one image and one entry in its log."""
    made = {"registries": {"acme.azurecr.io": "acr"}, "repository": "x", "tags": ("1", "2")}
    return Coder(**{**made, "audit": [switched("enabled", NOW)], **changed})


def ask(
    path: str, token: str = TOKEN, method: str = "GET", header: str = "Session-Token", **changed: Any
) -> Any:
    """Ask for a path: the status and the JSON."""
    state = coder(**changed)
    headers = {header: token} if token else {}
    answer = CoderApi(lambda: state, lambda: NOW)(httpx.Request(method, f"{URL}{path}", headers=headers))
    return answer.status_code, answer.json() if "json" in answer.headers["content-type"] else answer.text


def test_the_version_is_anybodys() -> None:
    """The API tells it without a token."""
    assert ask("/api/private/version", token="") == (200, {"version": "1.44.3"})


@pytest.mark.parametrize("path", ["users/me", "orgs", "registries", "images", "audit", "nothing"])
@pytest.mark.parametrize("token", ["", "another"])
def test_without_a_good_token_nothing_is_told(path: str, token: str) -> None:
    """Not even whether there is such a thing."""
    status, body = ask(f"/api/v0/{path}", token=token)
    assert status == 401
    assert set(body["error"]) == {"msg", "code", "details"}


def test_registries_are_an_organizations_and_have_no_credentials() -> None:
    """Nor a kind: its field is not public."""
    assert ask("/api/v0/registries") == (200, [])
    _, (found,) = ask(f"/api/v0/registries?org={ORGANIZATION}")
    assert set(found) == {"id", "organization_id", "friendly_name", "registry", "created_at", "updated_at"}


def test_tags_tell_when_they_were_looked_up() -> None:
    """That is how Coder shows that it is let in."""
    _, (image,) = ask(f"/api/v0/images?org={ORGANIZATION}&workspaces=false", refreshed=timedelta(hours=3))
    assert (image["id"], image["registry"]["registry"]) == (IMAGE_ID, "acme.azurecr.io")
    _, tags = ask(f"/api/v0/images/{IMAGE_ID}/tags", refreshed=timedelta(hours=3))
    assert [(tag["tag"], tag["hash_last_updated_at"]) for tag in tags] == [
        ("1", "2026-11-02T06:00:00Z"),
        ("2", "2026-11-02T06:00:00Z"),
    ]


def test_without_registry_or_repository_there_is_no_image() -> None:
    """An image is of a registry."""
    assert ask(f"/api/v0/images?org={ORGANIZATION}", registries={})[1] == []
    assert ask(f"/api/v0/images?org={ORGANIZATION}", repository="")[1] == []


@pytest.mark.parametrize(
    ("role", "status"), [("site-manager", 200), ("site-auditor", 200), ("site-member", 403)]
)
def test_the_audit_log_is_for_managers_and_auditors(role: str, status: int) -> None:
    """A member is refused."""
    assert ask("/api/v0/audit?limit=10", roles=(role,))[0] == status


def test_the_audit_log_begins_with_the_newest_entry() -> None:
    """And ends with the limit."""
    log = [switched("enabled", NOW), switched("disabled", NOW)]
    assert [entry["diff"] for entry in ask("/api/v0/audit?limit=1", audit=log)[1]] == ["disabled"]
    assert ask("/api/v0/audit?action=read", audit=log)[1] == []


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_nothing_can_be_changed(method: str) -> None:
    """It is there to be looked at."""
    assert ask("/api/v0/registries", method=method)[0] == 405


def test_version_2_answers_as_version_2() -> None:
    """It has its own paths, header and health."""
    newer: dict[str, Any] = {"generation": "v2", "version": "v2.20.0", "roles": ("owner",)}
    assert ask("/healthz", **newer) == (200, "OK")
    assert ask("/api/v2/buildinfo", token="", **newer)[1]["version"] == "v2.20.0"
    assert ask("/api/private/version", **newer)[0] == 404
    assert ask("/api/v2/debug/health", **newer)[0] == 401
    assert ask("/api/v2/debug/health", header="Coder-Session-Token", **newer)[1]["severity"] == "ok"
    member = {**newer, "roles": ()}
    assert ask("/api/v2/debug/health", header="Coder-Session-Token", **member)[0] == 403


def test_its_address_is_its_host() -> None:
    """The scheme before it is secure."""
    assert f"https://{HOST}" == URL
