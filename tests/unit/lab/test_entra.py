"""The directory's token endpoint and discovery documents."""

from typing import Any

import httpx
import pytest

from acrcheck.lab import tokens
from acrcheck.lab.clock import LabClock
from acrcheck.lab.entra import Entra
from tests.unit.lab import worlds
from tests.unit.lab.worlds import get, post

BASE = "https://login.microsoftonline.com"
FORM = {
    "grant_type": "client_credentials",
    "client_id": worlds.CLIENT,
    "scope": "https://containerregistry.azure.net/.default",
}
ENTRA = Entra(worlds.azure, LabClock())


def ask(tenant: str = worlds.TENANT, **form: Any) -> httpx.Response:
    """A token request without a user."""
    return post(ENTRA, f"{BASE}/{tenant}/oauth2/v2.0/token", FORM | form)


@pytest.mark.parametrize(
    ("changes", "status", "error", "number", "begin"),
    [
        (
            {"tenant": "nowhere"},
            400,
            "invalid_request",
            90002,
            "Tenant 'nowhere' not found. Check to make sure",
        ),
        (
            {"client_id": "x"},
            400,
            "unauthorized_client",
            700016,
            "Application with identifier 'x' was not found",
        ),
        (
            {"scope": "https://a"},
            400,
            "invalid_scope",
            1002012,
            "The provided value for scope https://a is not",
        ),
        ({"client_secret": "s"}, 401, "invalid_client", 7000215, "Invalid client secret provided."),
        (
            {},
            401,
            "invalid_client",
            7000218,
            "The request body must contain the following parameter: 'client_a",
        ),
        (
            {"grant_type": ""},
            400,
            "invalid_request",
            900144,
            "The request body must contain the following param",
        ),
    ],
)
def test_refusals_name_their_aadsts_number(
    changes: dict[str, str], status: int, error: str, number: int, begin: str
) -> None:
    """In the description, in `error_codes` and in the address of the explanation."""
    response = ask(**changes)

    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.json()["error_codes"] == [number]
    assert response.json()["error_description"].startswith(f"AADSTS{number}: {begin}")
    assert response.json()["error_uri"] == f"https://login.microsoftonline.com/error?code={number}"
    assert {"timestamp", "trace_id", "correlation_id"} < response.json().keys()


def test_an_assertion_that_nothing_federates_is_repeated() -> None:
    """Issuer, subject and audience as they were presented."""
    claims = {"iss": "https://issuer/", "sub": "system:serviceaccount:coder:coder", "aud": "api://X"}

    response = ask(client_assertion=tokens.encode(tokens.HmacSigner(b"k"), claims))

    assert response.json()["error_description"].startswith(
        "AADSTS70021: No matching federated identity record found for presented assertion. "
        "Assertion Issuer: 'https://issuer/'. Assertion Subject: 'system:serviceaccount:coder:coder'. "
        "Assertion Audience: 'api://X'."
    )


def test_a_tenant_describes_itself() -> None:
    """By id or by domain; an unknown one is `invalid_tenant` here."""
    for name in (worlds.TENANT, "contoso.onmicrosoft.com"):
        document = get(ENTRA, f"{BASE}/{name}/v2.0/.well-known/openid-configuration").json()
        assert document["token_endpoint"] == f"{BASE}/{worlds.TENANT}/oauth2/v2.0/token"
        assert document["issuer"] == f"{BASE}/{worlds.TENANT}/v2.0"

    unknown = get(ENTRA, f"{BASE}/nowhere/v2.0/.well-known/openid-configuration")
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_tenant")


def test_msal_recognises_the_authority() -> None:
    """The instance metadata lists the authority's names."""
    authorize = f"{BASE}/{worlds.TENANT}/oauth2/v2.0/authorize"
    url = f"{BASE}/common/discovery/instance?api-version=1.1&authorization_endpoint={authorize}"

    document = get(ENTRA, url).json()

    assert "login.microsoftonline.com" in document["metadata"][0]["aliases"]
    assert (
        document["tenant_discovery_endpoint"]
        == f"{BASE}/{worlds.TENANT}/v2.0/.well-known/openid-configuration"
    )


def test_there_is_nothing_else() -> None:
    """404 elsewhere, and for GET on the token endpoint."""
    assert get(ENTRA, f"{BASE}/x").status_code == 404
    assert get(ENTRA, f"{BASE}/{worlds.TENANT}/oauth2/v2.0/token").status_code == 404
