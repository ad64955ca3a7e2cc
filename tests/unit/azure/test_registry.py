"""The registry's protocol, one request a step."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.azure.registry import (
    FIRST_BYTES,
    INDEX_TYPES,
    Challenge,
    basic_token_request,
    blob_request,
    challenge_request,
    correlation,
    error_of,
    exchange_request,
    granted,
    host_of,
    is_index,
    manifest_request,
    read_challenge,
    redirect,
    redirected_request,
    token_request,
)
from acrcheck.wire.door import Response

QUOTABLE = st.text(st.characters(blacklist_characters='"', blacklist_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def challenged(header: str) -> Challenge | None:
    """Read this header."""
    return read_challenge(Response(401, (("www-authenticate", header),)))


@given(
    QUOTABLE, QUOTABLE, st.sampled_from([",", ", ", " , "]), st.sampled_from(["Bearer", "bearer", "BEARER"])
)
def test_a_challenge_is_read_whatever_it_names(realm: str, service: str, comma: str, scheme: str) -> None:
    """Realm and service as they were put, with or without blanks after the comma."""
    header = f'{scheme} realm="{realm}"{comma}service="{service}",error="invalid_token"'
    assert challenged(header) == Challenge("bearer", realm, service)


@given(st.text())
def test_any_header_is_read_or_none(header: str) -> None:
    """Never a crash; only an empty one is none."""
    found = challenged(header)
    assert (found is None) is (not header.strip())
    assert found is None or found.scheme == found.scheme.lower()


def test_no_header_is_no_challenge() -> None:
    """A 401 without one."""
    assert read_challenge(Response(401)) is None


def test_the_first_question_carries_no_credential() -> None:
    """It is the challenge that is wanted."""
    request = challenge_request("acme.azurecr.io")
    assert (request.method, request.url, request.bearer, request.form) == (
        "GET",
        "https://acme.azurecr.io/v2/",
        "",
        (),
    )


@pytest.mark.parametrize(
    ("tenant", "keys"), [("t", ["grant_type", "service", "tenant", "access_token"]), ("", 3)]
)
def test_the_exchange_leaves_out_an_unknown_tenant(tenant: str, keys: Any) -> None:
    """An empty one would be refused."""
    names = [key for key, _ in exchange_request("h", "s", "<jwt:1>", tenant).form]
    assert names == keys if isinstance(keys, list) else "tenant" not in names


def test_the_access_token_is_asked_for_with_the_refresh_token() -> None:
    """As a form, never in the URL."""
    request = token_request("h", "s", "repository:x:pull", "<jwt:r>")
    assert request.url == "https://h/oauth2/token"
    assert ("refresh_token", "<jwt:r>") in request.form


def test_a_manifest_is_asked_for_in_all_types_a_runtime_takes() -> None:
    """Else a registry converts or refuses."""
    request = manifest_request("HEAD", "h", "a/b", "sha256:1")
    assert request.url == "https://h/v2/a/b/manifests/sha256:1"
    assert len(dict(request.headers)["Accept"].split(", ")) == 4


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, "bytes=0-0"),
        (FIRST_BYTES, f"bytes=0-{FIRST_BYTES - 1}"),
        (10**12, f"bytes=0-{FIRST_BYTES - 1}"),
        (0, None),
        (-1, None),
    ],
)
def test_only_the_first_bytes_of_a_blob_are_asked_for(size: int, expected: str | None) -> None:
    """At the registry as at the storage."""
    first = blob_request("h", "a/b", "sha256:1", size)
    then = redirected_request("https://s/x", size)
    assert dict(first.headers).get("Range") == dict(then.headers).get("Range") == expected
    assert first.digest
    assert then.digest


@given(JSON, st.text())
def test_any_access_list_is_read(access: Any, repository: str) -> None:
    """What is no list of entries grants nothing or what it names; never a crash."""
    assert isinstance(granted({"access": access}, repository), frozenset)


def test_only_the_repositorys_own_actions_are_granted() -> None:
    """Several entries add up."""
    entries = [
        {"type": "repository", "name": "a", "actions": ["pull"]},
        {"type": "repository", "name": "a", "actions": ["metadata_read"]},
        {"type": "repository", "name": "b", "actions": ["push"]},
        {"type": "repository", "name": "a", "actions": "delete"},
    ]
    assert granted({"access": entries}, "a") == {"pull", "metadata_read"}


@given(JSON, st.sampled_from(["", "text/html", *INDEX_TYPES]))
def test_any_body_is_an_index_or_not(body: Any, kind: str) -> None:
    """By type or by what it holds."""
    response = Response(200, (("content-type", kind.upper() + "; charset=utf-8"),), json.dumps(body))
    holds = isinstance(body, dict) and isinstance(body.get("manifests"), list)
    assert is_index(response) is (kind in INDEX_TYPES or holds)


@given(JSON | st.lists(st.fixed_dictionaries({}, optional={"code": JSON, "message": JSON})))
def test_any_error_has_a_code_and_words(errors: Any) -> None:
    """Texts in any case."""
    code, message = error_of(Response(400, (), json.dumps({"errors": errors})))
    assert isinstance(code, str)
    assert isinstance(message, str)


def test_the_words_of_no_registrys_error_are_shortened() -> None:
    """A page of a proxy."""
    assert error_of(Response(502, (), "<html>" + "x" * 999)) == ("", "<html>" + "x" * 154)


def test_the_correlation_id_is_azures() -> None:
    """Empty where there is none."""
    assert correlation(Response(401, (("x-ms-correlation-request-id", "c"),))) == "c"
    assert correlation(Response(401)) == ""


@given(st.text())
def test_any_redirect_leads_to_http_or_nowhere(location: str) -> None:
    """Never a crash, never a file; where it leads has a host."""
    target = redirect("https://acme.azurecr.io/v2/x", location)
    assert target == "" or target.startswith(("http://", "https://"))
    assert target == "" or host_of(target)


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://user:secret@blob.example:8443/x?<query:1>", "blob.example:8443"),
        ("/x", "acme.azurecr.io"),
        ("x", "acme.azurecr.io"),
        ("?<query:1>", "acme.azurecr.io"),
    ],
)
def test_the_host_of_a_redirect_is_shown_without_user(location: str, host: str) -> None:
    """With its port, and without what may be secret."""
    assert host_of(redirect("https://acme.azurecr.io/v2/x", location)) == host


def test_a_token_is_asked_for_with_name_and_password() -> None:
    """At the challenge's realm, which may have a query of its own; the password is not in the URL."""
    request = basic_token_request("https://h/token?a=1", "h", "repository:x:pull", ("puller", "<opaque:1>"))
    assert request.url == "https://h/token?a=1&service=h&scope=repository%3Ax%3Apull"
    assert request.basic == ("puller", "<opaque:1>")
