"""Coder's API as it is spoken: addresses, requests, versions, errors, and the audit log."""

import json
from typing import Any

import pytest

from acrcheck import coder
from acrcheck.wire.door import Response

DISABLED = {"action": "write", "target": "features", "field": "azure auth aad", "diff": "disabled"}
ENABLED = DISABLED | {"diff": "enabled"}
OTHER = DISABLED | {"field": "ecr auth irsa"}


def answer(body: Any, status: int = 200, kind: str = "application/json", **headers: str) -> Response:
    """An answer of the API."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(status, (("content-type", kind), *headers.items()), text)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("1.26.1", '"Azure Registry Authentication"'),
        ("1.30.4", '"Azure Registry Authentication"'),
        ("1.31.0", '"Azure Container Registry authentication"'),
        ("1.44.3", '"Azure Container Registry authentication"'),
        ("", '"Azure Container Registry authentication" (before 1.31: "Azure Registry Authentication")'),
        (
            "latest",
            '"Azure Container Registry authentication" (before 1.31: "Azure Registry Authentication")',
        ),
    ],
)
def test_the_switch_is_named_as_the_interface_of_that_version_does(version: str, name: str) -> None:
    """Who looks for it finds it under the words that stand there."""
    assert coder.flag_name(version) == name


@pytest.mark.parametrize(
    "url",
    [
        "https://coder.example.com",
        "https://coder.example.com/",
        "https://coder.example.com:8443",
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://coderd.coder.svc",
        "http://coderd.coder.svc.cluster.local:8080",
        "http://coderd",
    ],
)
def test_the_address_of_a_deployment_is_taken(url: str) -> None:
    """Plain HTTP only where nobody else listens: on this machine or inside the cluster."""
    assert coder.address_problem(url, token=True) == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("coder.example.com", "neither https"),
        ("ftp://coder.example.com", "neither https"),
        ("https://", "no host"),
        ("https:///x", "no host"),
        ("https://me:secret@coder.example.com", "a user name"),
        ("https://coder.example.com/manage/admin", "a path"),
        ("https://coder.example.com?x=1", "a query"),
        ("https://coder.example.com:http", "Port could not be cast"),
        ("https://coder.example.com:0", "its port is 0"),
        ("https://[::1", "Invalid IPv6"),
        ("https://coder .example.com", "a blank"),
        ("http://coder.example.com", "clear text"),
    ],
)
def test_what_cannot_be_an_address_is_said(url: str, why: str) -> None:
    """Each slip has its own words; a token does not travel in clear text."""
    assert why in coder.address_problem(url, token=True)


def test_without_a_token_plain_http_is_no_danger() -> None:
    """The version is no secret."""
    assert coder.address_problem("http://coder.example.com", token=False) == ""


def test_a_request_bears_the_token_in_the_header_of_its_version() -> None:
    """And never in the address."""
    asked = coder.request("https://c.example/", "/api/v0/registries", "v1", "<opaque:1>", org="a b&c")
    assert (asked.method, asked.url) == ("GET", "https://c.example/api/v0/registries?org=a%20b%26c")
    assert asked.headers == (("Accept", "application/json"), ("Session-Token", "<opaque:1>"))
    newer = coder.request("https://c.example", "/api/v2/debug/health", "v2", "<opaque:1>")
    assert newer.headers[1] == ("Coder-Session-Token", "<opaque:1>")
    assert coder.request("https://c.example", "/x", "v1").headers == (("Accept", "application/json"),)


@pytest.mark.parametrize(
    ("given", "version"),
    [
        (answer({"version": "1.26.1+abc"}), "1.26.1+abc"),
        (answer({"version": "v2.20.0"}), "v2.20.0"),
        (answer({"version": "1.26.1"}, status=500), ""),
        (answer({"version": 1}), ""),
        (answer({"version": "<html>"}), ""),
        (answer(["1.26.1"]), ""),
        (answer("<html>"), ""),
    ],
)
def test_a_version_is_one_or_nothing(given: Response, version: str) -> None:
    """What answers something else is not Coder."""
    assert coder.version_of(given) == version


@pytest.mark.parametrize(
    ("version", "release"),
    [("1.44.3", "1.44.3"), ("v2.20.0+0a1b", "2.20.0"), ("1.26.0-rc.1", "1.26.0"), ("", "")],
)
def test_a_release_is_a_version_without_its_build(version: str, release: str) -> None:
    """So that an image's tag and the API's version can be compared."""
    assert coder.release(version) == release


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (
            answer("", 302, location="https://login.example/start?rd=https://c.example/&sig=x"),
            "https://login.example/start",
        ),
        (answer("", 307, location="/login"), "https://c.example/login"),
        (answer("", 302), ""),
        (answer("", 200, location="/login"), ""),
        (answer("", 302, location="https://[bad?x=1"), "https://[bad"),
    ],
)
def test_a_redirect_is_told_without_its_query(given: Response, where: str) -> None:
    """A query may hold what is signed."""
    assert coder.leads_to(given, "https://c.example/api/private/version") == where


@pytest.mark.parametrize(
    ("given", "is_page"),
    [
        (answer("x", kind="text/html; charset=utf-8"), True),
        (answer("  <!DOCTYPE html>", kind=""), True),
        (answer({}), False),
    ],
)
def test_a_page_for_people_is_known(given: Response, is_page: bool) -> None:
    """By its type, or by how it begins."""
    assert coder.is_page(given) is is_page


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"error": {"msg": "no", "code": "verbose", "details": {"verbose": "not at all"}}},
            "HTTP 400: no; not at all",
        ),
        (
            {"error": {"msg": "no", "details": {"error": "e", "message": "m", "solution": "s"}}},
            "HTTP 400: no; e; m; s",
        ),
        ({"message": "Route not found.", "detail": ""}, "HTTP 400: Route not found."),
        ({"error": "text"}, "HTTP 400"),
        ({"error": {"msg": 7, "details": []}}, "HTTP 400"),
        ("<html>", "HTTP 400"),
        ([], "HTTP 400"),
    ],
)
def test_an_error_is_told_in_its_own_words(body: Any, words: str) -> None:
    """Those of both versions; of what is none the status alone."""
    assert coder.said(answer(body, 400)) == words


@pytest.mark.parametrize(
    ("registry", "kind"),
    [
        ({}, ""),
        ({"kind": "anything"}, "anything"),
        ({"registry_kind": "x"}, "x"),
        ({"type": "y", "kind": ""}, "y"),
        ({"kind": 3}, ""),
    ],
)
def test_a_kind_is_given_as_it_is_written(registry: dict[str, Any], kind: str) -> None:
    """No list of kinds is known, so none is assumed."""
    assert coder.kind_of(registry) == kind


@pytest.mark.parametrize(
    ("log", "enabled"),
    [
        ([DISABLED], False),
        ([ENABLED], True),
        ([ENABLED, ENABLED], True),
        ([ENABLED, DISABLED], None),
        ([ENABLED | {"time": "2026-01-01T00:00:00Z"}, DISABLED | {"time": "2026-02-01T00:00:00Z"}], False),
        (
            [ENABLED | {"time": "2026-03-01T00:00:00+02:00"}, DISABLED | {"time": "2026-02-01T00:00:00Z"}],
            True,
        ),
        ([ENABLED | {"at": "2026-03-01"}, DISABLED], None),
        ({"entries": [OTHER, DISABLED], "count": 2}, False),
        ([{"diff": {"Azure Auth AAD": {"old": "disabled", "new": "enabled"}}}], True),
        ([{"diff": {"azure auth aad": "enabled", "ecr auth irsa": "disabled"}}], True),
        ([{"diff": {"azure auth aad": ["disabled", "enabled"]}}], None),
        ([DISABLED | {"diff": "off"}], None),
    ],
)
def test_the_audit_logs_last_word_is_read_and_not_guessed(log: Any, enabled: bool | None) -> None:
    """How an entry is laid out is not public: what its words leave open stays open."""
    told = coder.last_word(answer(log))
    assert told is not None
    assert told.enabled is enabled
    assert told.said


@pytest.mark.parametrize("log", [[], {}, [OTHER], "x", "{", [1, None], {"a": [1]}, None])
def test_an_audit_log_that_does_not_name_the_switch_says_nothing(log: Any) -> None:
    """Nothing is not: off."""
    assert coder.last_word(answer(log)) is None


def test_a_long_entry_is_quoted_in_part() -> None:
    """A report is no log."""
    told = coder.last_word(answer([DISABLED | {"note": "x" * 5000}]))
    assert told is not None
    assert (told.enabled, len(told.said)) == (False, 300)


@pytest.mark.parametrize(
    ("body", "items"), [([{"a": 1}, 2], [{"a": 1}]), ({}, None), ("[", None), (None, None)]
)
def test_a_list_is_its_objects_or_none(body: Any, items: Any) -> None:
    """What is no list cannot be read as an empty one."""
    assert coder.items(answer(body)) == items
