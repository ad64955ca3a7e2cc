"""The token endpoint: how it is asked, and who answered."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.azure.imds import HELD_AFTER, Spoken, listen, token_request
from acrcheck.wire.door import Failure, Response, Secret, Trouble

SERVER = ("server", "IMDS/150.870.65.1523")
NOT_FOUND = '{"error":"invalid_request","error_description":"Identity not found"}'
NO_HEADER = '{"error":"invalid_request","error_description":"Required metadata header not specified"}'


def answer(status: int, body: str, kind: str = "application/json", *headers: tuple[str, str]) -> Response:
    """An answer of that kind."""
    return Response(status, (("content-type", kind), *headers), body)


@given(st.text(), st.text(), st.text())
def test_whatever_is_asked_for_arrives_quoted(resource: str, client_id: str, resource_id: str) -> None:
    """Blanks, ampersands and quotes of a parameter stay in it."""
    request = token_request(resource, client_id, resource_id)
    query = parse_qs(urlsplit(request.url).query, keep_blank_values=True)
    expected = {"api-version": "2018-02-01", "resource": resource}
    expected |= {"client_id": client_id} if client_id else {}
    expected |= {"msi_res_id": resource_id} if resource_id else {}
    assert {key: value for key, (value,) in query.items()} == expected


def test_the_request_has_the_header_and_a_short_time() -> None:
    """NMI holds a hopeless request for 80 s: nobody waits for that."""
    request = token_request("https://management.core.windows.net/")
    assert (request.method, request.headers) == ("GET", (("Metadata", "true"),))
    assert request.seconds == HELD_AFTER < 10


@pytest.mark.parametrize(
    ("given", "who", "text"),
    [
        (answer(400, NOT_FOUND, "application/json; charset=utf-8", SERVER), "imds", "Identity not found"),
        (answer(400, NOT_FOUND), "imds", "Identity not found"),
        (
            answer(400, NO_HEADER, "application/json", SERVER),
            "imds",
            "Required metadata header not specified",
        ),
        (answer(400, NO_HEADER + "\n"), "nmi", "Required metadata header not specified"),
        (answer(400, '{"error": "bad"}', "application/json", SERVER), "imds", "bad"),
        (
            answer(404, "no azure identity found\n", "text/plain; charset=utf-8"),
            "nmi",
            "no azure identity found",
        ),
        (answer(404, "x", "Text/Plain"), "nmi", "x"),
        (answer(500, "oops", "text/plain", SERVER), "imds", "oops"),
        (answer(503, "upstream error", "text/plain", ("server", "envoy")), "proxy", "upstream error"),
        (answer(200, " <html>", "text/plain"), "proxy", "<html>"),
        (answer(403, "<html>", "text/html"), "proxy", "<html>"),
        (answer(200, "{}"), "proxy", "{}"),
        (answer(200, ""), "proxy", ""),
    ],
)
def test_who_answered_is_told_by_form_and_headers(given: Response, who: str, text: str) -> None:
    """NMI speaks plain text without Server header, IMDS JSON with one; anything else is a stranger."""
    assert listen(given) == Spoken(who, text, given.status)


@pytest.mark.parametrize(
    ("extra", "who"), [({}, "nmi"), ({"client_id": "x"}, "imds"), ({"ext_expires_in": "1"}, "imds")]
)
def test_a_token_tells_by_its_keys_who_gave_it(extra: dict[str, str], who: str) -> None:
    """NMI leaves out what IMDS adds."""
    secret = Secret("<jwt:1>", "jwt", {}, {"appid": "x"})
    body = json.dumps({"access_token": "<jwt:1>"} | extra)
    heard = listen(Response(200, (), body, (secret,)))
    assert heard == Spoken(who, status=200, token="<jwt:1>", claims={"appid": "x"})


@pytest.mark.parametrize("value", [None, "", 7, [], {}, True])
def test_an_odd_token_is_none(value: Any) -> None:
    """Null is no token called None."""
    assert listen(answer(200, json.dumps({"access_token": value}))).token == ""


def test_a_token_with_an_error_status_is_none() -> None:
    """Only 200 gives one."""
    assert listen(answer(403, '{"access_token": "x"}')).token == ""


def test_no_answer_is_nobodys() -> None:
    """With the tool's words and the kind of trouble."""
    assert listen(Failure(Trouble.REFUSED, "port 80")) == Spoken("nobody", "port 80", trouble=Trouble.REFUSED)


@given(st.integers(100, 599), st.text(), st.sampled_from(["text/plain", "application/json", "", "text/html"]))
def test_any_answer_is_heard(status: int, body: str, kind: str) -> None:
    """Binary, truncated or empty: never a crash, never a token."""
    heard = listen(answer(status, body, kind))
    assert heard.who in {"imds", "nmi", "proxy"}
    assert not heard.token
