"""Pull secrets, as they may be seen."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.cluster.pullsecret import read_config, sealed
from acrcheck.wire.vault import Vault

HOST = "labreg.azurecr.io"
PASSWORD = "not-to-be-seen-1234"
JSON, CFG = "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"


def encoded(text: str) -> str:
    """Encode a text as base64."""
    return base64.b64encode(text.encode()).decode()


def seen(value: object, kind: str = JSON) -> dict[str, Any]:
    """Give what is seen of a Secret of a type whose field holds this JSON."""
    field = ".dockerconfigjson" if kind == JSON else ".dockercfg"
    text = value if isinstance(value, str) else json.dumps(value)
    secret = {"metadata": {"name": "pull"}, "type": kind, "data": {field: encoded(text)}}
    return sealed(secret, Vault().keep)


def entry(**fields: object) -> dict[str, Any]:
    """Give what is seen of the one entry of a Secret with these fields."""
    found: dict[str, Any] = seen({"auths": {HOST: fields}})["entries"][0]
    return found


def test_a_password_is_a_handle() -> None:
    """What is seen names host and user, and shows the password nowhere."""
    whole = seen({"auths": {HOST: {"username": "labreg", "password": PASSWORD}}})

    assert (whole["entries"][0]["key"], whole["entries"][0]["username"]) == (HOST, "labreg")
    assert whole["entries"][0]["password"].startswith("<opaque:")
    assert PASSWORD not in json.dumps(whole)
    assert encoded(PASSWORD) not in json.dumps(whole)
    assert whole["problem"] == ""


def test_the_older_form_has_no_auths() -> None:
    """Its hosts stand at the top."""
    assert seen({HOST: {"username": "u", "password": "p"}}, CFG)["entries"][0]["username"] == "u"


def test_a_secret_of_another_type_holds_no_credentials() -> None:
    """The kubelet skips it; only the lengths of its fields are told."""
    secret = {"metadata": {"name": "x"}, "type": "Opaque", "data": {"token": encoded(PASSWORD)}}

    assert sealed(secret, Vault().keep)["entries"] == []
    assert sealed(secret, Vault().keep)["fields"] == {"token": len(encoded(PASSWORD))}


def test_auth_wins() -> None:
    """Over a user name and password beside it, and says so."""
    found = entry(username="u", password="p", auth=encoded("other:secret"))

    assert found["username"] == "other"
    assert found["remarks"] == ["auth-disagrees"]
    assert entry(username="u", auth=encoded("u:p"))["remarks"] == []


@pytest.mark.parametrize(
    "auth", [encoded("user:pass"), encoded("user:pass").rstrip("="), encoded("user:pass") + "\n"]
)
def test_auth_may_be_unpadded_or_end_with_a_line_break(auth: str) -> None:
    """As the kubelet reads it."""
    assert entry(auth=auth)["username"] == "user"
    assert entry(auth=auth)["problem"] == ""


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        ("dXNlcjpwYXNz_-9", "illegal base64 data"),
        ("not base64!", "illegal base64 data"),
        (encoded("no colon"), "unable to parse auth field, must be formatted as base64(username:password)"),
    ],
)
def test_an_auth_that_cannot_be_read_is_told(auth: str, problem: str) -> None:
    """It makes the kubelet drop the whole keyring."""
    assert (
        problem
        in seen({"auths": {HOST: {"auth": auth}, "other.example": {"auth": encoded("u:p")}}})["problem"]
    )


def test_what_docker_writes_after_az_acr_login_has_no_password() -> None:
    """The kubelet does not read the identity token."""
    found = entry(auth=encoded("00000000-0000-0000-0000-000000000000:"), identitytoken="eyJ")

    assert found["password"] == ""
    assert found["remarks"] == ["identitytoken-ignored", "password-missing"]


def test_white_space_is_told() -> None:
    """A line break at the end of what was piped in is part of the password."""
    assert entry(username="u ", password="p\n")["remarks"] == ["username-white-space", "password-white-space"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "the field holds no JSON"),
        (encoded('{"auths":{}}'), "the field holds base64 of JSON: it was encoded twice"),
        ("[]", "the JSON is no object"),
        ('{"auths":[]}', "`auths` is no object"),
        ('{"auths":{"h":"x"}}', "an entry of `auths` is no object"),
        ('{"auths":{"h":{"username":1}}}', "`username` of an entry is no text"),
    ],
)
def test_says_which_layer_is_broken(text: str, problem: str) -> None:
    """JSON, its shape, an entry, a field."""
    assert seen(text)["problem"] == problem


def test_a_field_that_is_not_base64_is_told() -> None:
    """As a tape or a lab may hold it; the API server lets none in."""
    secret = {"metadata": {}, "type": JSON, "data": {".dockerconfigjson": "%%%"}}

    assert sealed(secret, Vault().keep)["problem"] == "the field is not base64"


def test_names_of_fields_have_no_letter_case() -> None:
    """As Go's JSON reads them."""
    assert seen({"Auths": {HOST: {"Username": "u", "PASSWORD": "p"}}})["entries"][0]["username"] == "u"


def test_a_user_in_the_key_is_left_out() -> None:
    """A key may be a URL with a password in it."""
    text = json.dumps(seen({"auths": {f"https://me:{PASSWORD}@{HOST}": {}}}))

    assert PASSWORD not in text


def test_reads_a_docker_configuration() -> None:
    """The same entries; a file that is none is refused."""
    assert (
        read_config(json.dumps({"auths": {HOST: {"auth": encoded("u:p")}}}), Vault().keep)[0]["username"]
        == "u"
    )
    with pytest.raises(ValueError, match="no JSON"):
        read_config("x", Vault().keep)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_content_is_too_odd(value: object) -> None:
    """Whatever stands there, it is read or said to be unreadable."""
    for kind in (JSON, CFG):
        found = seen({"auths": {HOST: value}} if kind == JSON else {HOST: value}, kind)
        assert found["problem"] or len(found["entries"]) == 1


TEXT = st.text(max_size=40)
GOOD = json.dumps(
    {"auths": {HOST: {"username": "labreg", "password": PASSWORD, "auth": encoded(f"labreg:{PASSWORD}")}}}
)


@given(
    st.dictionaries(st.sampled_from(["username", "password", "auth", "identitytoken", "Auth", "email"]), TEXT)
)
def test_no_field_is_too_odd(fields: dict[str, str]) -> None:
    """Any text may stand in any of them: one entry comes of it, or the words of what is wrong."""
    found = seen({"auths": {HOST: fields}})
    assert [item["key"] for item in found["entries"]] == [HOST]
    assert found["problem"] == found["entries"][0]["problem"]


@given(st.integers(0, len(GOOD)), st.integers(0, 8), TEXT)
def test_a_damaged_secret_is_read_or_told(place: int, lost: int, added: str) -> None:
    """Something is cut out of the JSON, or put into it: it never shows the password, and never fails."""
    found = seen(GOOD[:place] + added + GOOD[place + lost :])
    assert found["problem"] or len(found["entries"]) <= 1
    assert PASSWORD not in json.dumps(found)


@given(st.integers(0, len(encoded(GOOD))), st.integers(0, 8), TEXT)
def test_a_damaged_field_is_read_or_told(place: int, lost: int, added: str) -> None:
    """The same with its base64, as a copy from a terminal may damage it."""
    data = encoded(GOOD)
    field = data[:place] + added + data[place + lost :]
    found = sealed({"type": JSON, "data": {".dockerconfigjson": field}}, Vault().keep)
    assert found["problem"] or len(found["entries"]) <= 1
    assert PASSWORD not in json.dumps(found)
