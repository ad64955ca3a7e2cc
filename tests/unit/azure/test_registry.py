"""The registry's protocol, one request a step."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.azure.registry import (
    FIRST_BYTES,
    INDEX_TYPES,
    SCHEMA_1,
    Challenge,
    artifact_of,
    basic_token_request,
    blob_request,
    challenge_request,
    correlation,
    error_of,
    evidence_of,
    exchange_request,
    granted,
    host_of,
    is_index,
    is_open,
    is_realm_of,
    manifest_request,
    read_challenge,
    redirect,
    redirected,
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
    then = redirected(replace(first, bearer="<jwt:1>", basic=("u", "<opaque:1>")), "https://s/x")
    assert dict(first.headers).get("Range") == dict(then.headers).get("Range") == expected
    assert first.digest
    assert then == replace(first, url="https://s/x")


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
    message = "no. CorrelationId: f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    body = json.dumps({"errors": [{"code": "DENIED", "message": message}]})
    assert correlation(Response(403, body=body)) == "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def test_a_refusal_says_what_is_lacking() -> None:
    """`detail[].Action` is the best hint that ACR gives; what it does not say is left out."""
    detail = [{"Type": "repository", "Name": "library/hello-world", "Action": "metadata_read"}, None, {}]
    body = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "no", "detail": detail}]})
    assert evidence_of(Response(401, body=body)) == {
        "status": 401,
        "code": "UNAUTHORIZED",
        "lacking": "metadata_read on repository library/hello-world",
    }


@given(JSON)
def test_any_error_is_read(body: Any) -> None:
    """Whatever a registry puts there: never a crash."""
    for odd in (body, {"errors": body}, {"errors": [{"detail": body}]}):
        assert evidence_of(Response(401, body=json.dumps(odd)))["status"] == 401


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (
            {"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}},
            "",
            "a Helm chart (application/vnd.cncf.helm.config.v1+json)",
        ),
        (
            {"layers": [{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json"}]},
            INDEX_TYPES[0],
            f"a signature ({INDEX_TYPES[0]})",
        ),
        (
            {"artifactType": "application/vnd.in-toto+json"},
            "",
            "an attestation (application/vnd.in-toto+json)",
        ),
        ({"artifactType": "application/vnd.acme"}, "", "application/vnd.acme"),
        ({"schemaVersion": 1, "fsLayers": []}, "", SCHEMA_1),
        ({}, "", "no config"),
        ([], "text/html; charset=utf-8", "text/html, which is no JSON object"),
    ],
)
def test_what_is_stored_beside_images_is_named(body: Any, kind: str, said: str) -> None:
    """A chart, a signature, an attestation, an old schema; else by its own media type."""
    assert artifact_of(Response(200, (("content-type", kind),), json.dumps(body))) == said


@given(JSON)
def test_any_manifest_is_named(body: Any) -> None:
    """Whatever is in its fields: never a crash."""
    for odd in (body, {"config": body, "layers": [body]}, {"config": {"mediaType": body}, "layers": body}):
        assert artifact_of(Response(200, body=json.dumps(odd)))


@pytest.mark.parametrize(
    ("response", "is_registry"),
    [
        (Response(200, (("docker-distribution-api-version", "registry/2.0"),), ""), True),
        (Response(200, (), "{}"), True),
        (Response(200, (), "<html>Log in</html>"), False),
        (Response(200, (), "[1]"), False),
        (Response(401, (("docker-distribution-api-version", "registry/2.0"),), ""), False),
    ],
)
def test_a_page_with_status_200_is_no_open_registry(response: Response, is_registry: bool) -> None:
    """By the header of its protocol, or by a JSON object as body."""
    assert is_open(response) is is_registry


def test_of_several_challenges_the_one_for_tokens_is_taken() -> None:
    """Some registries offer both."""
    headers = (("www-authenticate", 'Basic realm="x"'), ("www-authenticate", 'Bearer realm="https://h/t"'))
    assert read_challenge(Response(401, headers)) == Challenge("bearer", "https://h/t")


@pytest.mark.parametrize(
    ("realm", "own"),
    [
        ("https://acme.azurecr.io/oauth2/token", True),
        ("https://acme.eastus.geo.azurecr.io/oauth2/token", True),
        ("https://other.azurecr.io/oauth2/token", False),
        ("https://acme.example/oauth2/token", False),
        ("http://acme.azurecr.io/oauth2/token", False),
        ("https://acme.azurecr.io/other", False),
        ("", False),
    ],
)
def test_a_realm_is_the_registrys_own(realm: str, own: bool) -> None:
    """A password is sent nowhere else."""
    assert is_realm_of(realm, "acme.azurecr.io") is own


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
