"""Secrets stay in the vault: what leaves it holds handles, and a handle opens to the secret again."""

import base64
import json
import string
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.wire.vault import Vault

CLAIMS = st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.booleans(), max_size=4)
PLAIN = st.text(st.characters(blacklist_characters="<>"), max_size=40)
OPAQUE = st.text(st.characters(blacklist_categories=["Cs"]), min_size=8, max_size=40)
BASE64URL = string.ascii_letters + string.digits + "-_"


def segment(value: Any) -> str:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@st.composite
def jwts(draw: st.DrawFn) -> tuple[str, dict[str, Any], str]:
    """A token, its claims and its signature. The signature is long enough not to stand elsewhere by chance."""
    claims = draw(CLAIMS)
    signature = "zQ" + draw(st.text(BASE64URL, min_size=30, max_size=40))
    claims["aud"] = "https://example"
    return f"{segment({'alg': 'RS256'})}.{segment(claims)}.{signature}", claims, signature


@given(jwts(), PLAIN, PLAIN)
def test_a_jwt_anywhere_is_sealed_and_opens_again(
    token: tuple[str, dict[str, Any], str], before: str, after: str
) -> None:
    """Whatever stands around it, the signature does not leave, the claims do, and the text comes back."""
    value, claims, signature = token
    vault = Vault()
    text = f"{before} {value} {after}"
    sealed, secrets = vault.seal(text)
    assert signature not in sealed
    assert signature not in repr(secrets)
    assert claims in [secret.claims for secret in secrets]
    assert vault.open(sealed) == text


@given(OPAQUE, st.sampled_from(["access_token", "refresh_token", "id_token", "password", "client_secret"]))
def test_a_field_of_a_json_answer_is_sealed(value: str, name: str) -> None:
    """However its value is written, the field's answer is still JSON and opens again."""
    vault = Vault()
    text = json.dumps({"a": 1, name: value, "b": "c"})
    sealed, _ = vault.seal(text)
    assert json.loads(sealed)[name].startswith("<")
    assert json.dumps(value)[1:-1] not in sealed
    assert vault.open(sealed) == text


@given(jwts(), st.integers(1, 400))
def test_a_cut_answer_leaks_no_half_of_a_token(token: tuple[str, dict[str, Any], str], cut: int) -> None:
    """A body that was cut in the middle of a token shows no part of the signature."""
    value, _, signature = token
    text = json.dumps({"access_token": value})[:cut]
    sealed, _ = Vault().seal(text)
    shown = text.rpartition(".")[2] if text.count(".") > 1 else ""
    assert signature[:8] not in sealed
    assert len(shown) < 3 or shown.rstrip('"}') not in sealed


@given(OPAQUE, PLAIN)
def test_a_secret_once_seen_is_known_everywhere(value: str, around: str) -> None:
    """A secret that comes back in another place, as it is or as in a URL, is exchanged there too."""
    vault = Vault()
    handle = vault.keep(value).handle
    sealed, _ = vault.seal(f"{around} {value} {around} error={quote_plus(value)}")
    assert f" {value} " not in sealed
    assert handle in sealed
    assert sealed.count(handle) >= 2


@given(jwts(), PLAIN)
def test_sealing_twice_changes_nothing(token: tuple[str, dict[str, Any], str], around: str) -> None:
    """What is sealed is sealed."""
    vault = Vault()
    sealed, _ = vault.seal(f'{around}{{"access_token": "{token[0]}", "password": "hunter-22"}}')
    assert vault.seal(sealed)[0] == sealed


@given(st.text(BASE64URL, min_size=1, max_size=60))
def test_a_signed_url_keeps_its_place_and_hides_its_query(signature: str) -> None:
    """The redirect's target stays readable; its query is a handle."""
    vault = Vault()
    url = f"https://blob.example/layer?se=2030&sig=zQ{signature}"
    sealed = vault.seal_query(url)
    assert sealed.startswith("https://blob.example/layer?<query:")
    assert "se=2030" not in sealed
    assert vault.open(sealed) == url


def test_a_url_without_a_query_is_left_alone() -> None:
    """Nothing to hide, nothing changed."""
    assert Vault().seal_query("https://blob.example/layer") == "https://blob.example/layer"


def test_the_same_claims_with_another_signature_have_another_handle() -> None:
    """Two tokens that differ in the signature only are two secrets."""
    vault = Vault()
    body = f"{segment({'alg': 'none'})}.{segment({'a': 1})}"
    first, second = vault.keep(f"{body}.c2lnbmF0dXJlMQ"), vault.keep(f"{body}.c2lnbmF0dXJlMg")
    assert first != second
    assert vault.open(first.handle) != vault.open(second.handle)
    assert vault.keep(f"{body}.c2lnbmF0dXJlMQ") == first


def test_a_handle_of_another_run_does_not_open() -> None:
    """An unknown handle is an error, not a text that travels on."""
    with pytest.raises(KeyError):
        Vault().open("<jwt:abcdef012345>")


def test_odd_texts_take_no_time() -> None:
    """A body made to look like a token from everywhere is done with at once, and is not changed."""
    for text in ("eyJ" * 80_000, "eyJabcde." * 20_000, '"password":"' * 20_000, "." * 200_000):
        Vault().seal(text)


def test_the_same_signed_url_seen_twice_opens_to_itself() -> None:
    """A second redirect to a query that is known by now is sealed, and opens to the query again, not to a handle."""
    vault = Vault()
    url = "https://blob.example/layer?sig=0123456789abcdef&se=2030"
    first = vault.seal_query(vault.seal(url)[0])
    second = vault.seal_query(vault.seal(url)[0])
    assert vault.open(first) == vault.open(second) == url


def test_the_words_of_programs_hold_no_signed_link() -> None:
    """Wherever in JSON a kubelet tells of a redirect; other links, and what is no text, stay as they are."""
    vault = Vault()
    link = "https://blob.example/layer?se=2030&sig=0123456789abcdef%3D"
    told = {"events": [{"message": f'Get "{link}": EOF', "count": 2, "eventTime": None}]}
    sealed = vault.seal_words(told)
    assert "0123456789abcdef" not in json.dumps(sealed)
    assert vault.open(sealed["events"][0]["message"]) == f'Get "{link}": EOF'
    assert (sealed["events"][0]["count"], sealed["events"][0]["eventTime"]) == (2, None)
    plain = "https://reg.example/oauth2/token?scope=repository%3Aa%3Apull&service=reg.example: 401"
    assert vault.seal_words(plain) == plain
