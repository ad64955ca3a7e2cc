"""The directory's token endpoint and discovery documents."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from acrcheck.lab import tokens
from acrcheck.lab.azure import Azure
from acrcheck.lab.clock import LabClock
from acrcheck.lab.directory import FederatedCredential
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
ISSUER, SUBJECT = "https://issuer/", "system:serviceaccount:coder:coder"
EXCHANGE = "api://AzureADTokenExchange"
START = LabClock().now()


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


def federated(**fields: Any) -> Azure:
    """A state in which the client's identity trusts one issuer, with these fields of the credential changed."""
    azure = worlds.azure()
    azure.identities[0].federated = [replace(FederatedCredential(ISSUER, SUBJECT), **fields)]
    return azure


def offer(azure: Azure, **claims: Any) -> httpx.Response:
    """Offer a token of the issuer in place of a secret."""
    begin = int(START.timestamp())
    given = {"iss": ISSUER, "sub": SUBJECT, "aud": [EXCHANGE], "nbf": begin, "exp": begin + 3600} | claims
    token = tokens.encode(tokens.HmacSigner(b"any"), given)
    form = FORM | {"client_assertion": token}
    return post(Entra(lambda: azure, LabClock()), f"{BASE}/{worlds.TENANT}/oauth2/v2.0/token", form)


@pytest.mark.parametrize(
    ("fields", "claims", "number", "said"),
    [
        (
            {"issuer": "https://issuer"},
            {},
            700211,
            "presented assertion issuer 'https://issuer/'. Check your",
        ),
        ({}, {"aud": ["api://X"]}, 700212, "presented assertion audience 'api://X'. Check your"),
        ({}, {"sub": "x"}, 700213, "presented assertion subject 'x'. Check your"),
        ({"effective_at": START + timedelta(1)}, {}, 700213, f"subject '{SUBJECT}'. Check your"),
        (
            {},
            {"sub": SUBJECT.upper()},
            7002138,
            "The subject matches with case-insensitive comparison, but not",
        ),
        (
            {},
            {"iss": "https://sts.windows.net/x/"},
            700222,
            "AAD-issued tokens may not be used for federated",
        ),
        (
            {},
            {"nbf": 0, "exp": 60},
            700024,
            "assertion valid from 1970-01-01T00:00:00.0000000Z, expiry time of assertion 1970-01-01T00:01:00.0000000Z.",
        ),
    ],
)
def test_what_does_not_federate(
    fields: dict[str, Any], claims: dict[str, Any], number: int, said: str
) -> None:
    """The part that differs has a number of its own and is repeated."""
    response = offer(federated(**fields), **claims)

    assert (response.status_code, response.json()["error_codes"]) == (401, [number])
    assert said in response.json()["error_description"]


def test_what_federates_is_exchanged() -> None:
    """For a token of the client's own."""
    claims = tokens.claims_of(offer(federated()).json()["access_token"])

    assert claims is not None
    assert (claims["oid"], claims["aud"]) == (worlds.PRINCIPAL, "https://containerregistry.azure.net")


def test_an_identity_that_trusts_nobody_says_so() -> None:
    """By its client id and its name."""
    text = offer(worlds.azure()).json()["error_description"]

    name = f"'{worlds.CLIENT}'(coder-acr)"
    assert text.startswith(
        f"AADSTS70025: The client {name} has no configured federated identity credentials."
    )


def test_an_issuer_must_be_reached() -> None:
    """Its keys are fetched only for a credential that fits."""
    azure = federated()
    azure.unreachable_issuers.append(ISSUER)

    assert (
        offer(azure).json()["error_description"].startswith("AADSTS50166: Request to External OIDC endpoint")
    )
    assert offer(azure, sub="x").json()["error_codes"] == [700213]


def test_a_resource_must_be_known() -> None:
    """In the directory that the token is asked of."""
    text = ask(scope="https://labreg.azurecr.io/.default").json()["error_description"]

    named = f"named https://labreg.azurecr.io was not found in the tenant named {worlds.TENANT}."
    assert text.startswith(f"AADSTS500011: The resource principal {named}")
