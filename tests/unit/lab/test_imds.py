"""The metadata service of a node, row by row."""

import httpx
import pytest

from acrcheck.lab import tokens
from acrcheck.lab.azure import Azure, ManagedIdentity
from acrcheck.lab.clock import LabClock
from acrcheck.lab.imds import Imds
from tests.unit.lab import worlds
from tests.unit.lab.worlds import error, get

BASE = "http://169.254.169.254/metadata"
TOKEN = f"{BASE}/identity/oauth2/token?api-version=2018-02-01"
RESOURCE = "&resource=https%3A%2F%2Fmanagement.core.windows.net%2F"
METADATA = {"Metadata": "true"}
OTHER = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/other"


def imds(azure: Azure, clock: LabClock | None = None, node: str = worlds.NODE) -> Imds:
    """The service of a node in this world."""
    return Imds(lambda: azure, node, clock or LabClock())


def ask(azure: Azure, query: str = f"{RESOURCE}&client_id={worlds.CLIENT}") -> httpx.Response:
    """A token request as the documentation makes it."""
    return get(imds(azure), TOKEN + query, METADATA)


def test_success_has_the_services_own_keys_and_headers() -> None:
    """All values are text; `client_id` and `ext_expires_in` tell this service from NMI."""
    response = ask(worlds.azure())

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["server"].startswith("IMDS/")
    assert "x-ms-request-id" in response.headers
    document = response.json()
    assert list(document) == [
        "access_token",
        "client_id",
        "expires_in",
        "expires_on",
        "ext_expires_in",
        "not_before",
        "resource",
        "token_type",
    ]
    assert all(isinstance(value, str) for value in document.values())
    assert (document["client_id"], document["token_type"]) == (worlds.CLIENT, "Bearer")
    assert document["expires_in"] == document["ext_expires_in"] == "86400"
    claims = tokens.claims_of(document["access_token"])
    assert claims is not None
    assert (claims["aud"], claims["appid"]) == (document["resource"], worlds.CLIENT)


@pytest.mark.parametrize(
    "resource",
    [
        "https://management.core.windows.net/",
        "https://management.azure.com/",
        "https://management.azure.com",
        "https://containerregistry.azure.net",
    ],
)
def test_the_audience_is_the_resource_as_asked(resource: str) -> None:
    """With or without its final slash."""
    response = ask(worlds.azure(), f"&resource={resource}&client_id={worlds.CLIENT}")

    claims = tokens.claims_of(response.json()["access_token"])
    assert claims is not None
    assert claims["aud"] == response.json()["resource"] == resource


def test_the_metadata_header_is_required() -> None:
    """Exactly `true`; the body is 88 bytes."""
    for headers in ({}, {"Metadata": "True"}):
        response = get(imds(worlds.azure()), TOKEN + RESOURCE, headers)

        assert response.status_code == 400
        assert response.text == error("Required metadata header not specified")
        assert response.headers["content-length"] == "88"


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", error("Required query variable 'resource' is missing")),
        (f"{RESOURCE}&client_id=9999", error("Identity not found")),
        (f"{RESOURCE}&client_id=$CLIENTID", error("Identity not found")),
        (f"{RESOURCE}&msi_res_id={OTHER}", error("Identity not found")),
        (
            RESOURCE,
            error(
                "Multiple user assigned identities exist, please specify the clientId / resourceId "
                "of the identity in the token request"
            ),
        ),
    ],
)
def test_bad_requests_are_refused_in_its_own_words(query: str, body: str) -> None:
    """400 with a compact JSON object, no newline after it."""
    response = ask(worlds.azure(), query)

    assert (response.status_code, response.text) == (400, body)
    assert response.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "selector",
    [
        f"client_id={worlds.CLIENT.upper()}",
        f"object_id={worlds.PRINCIPAL}",
        f"msi_res_id={worlds.IDENTITY}",
        f"mi_res_id={worlds.IDENTITY.lower()}",
    ],
)
def test_an_identity_can_be_named_in_several_ways(selector: str) -> None:
    """By client id, object id or resource id, whatever the letter case."""
    assert ask(worlds.azure(), f"{RESOURCE}&{selector}").json()["client_id"] == worlds.CLIENT


def test_contradicting_and_repeated_parameters_are_refused() -> None:
    """Two selectors, or one parameter twice, are bad requests."""
    for query in (f"{RESOURCE}&client_id=a&object_id=b", f"{RESOURCE}{RESOURCE}"):
        assert ask(worlds.azure(), query).status_code == 400


def test_a_deleted_identity_is_not_found() -> None:
    """Deleting it in Azure ends its tokens even while it is still listed on the scale set."""
    azure = worlds.azure()
    azure.identities[0].deleted = True

    assert ask(azure).text == error("Identity not found")


def test_the_only_identity_answers_for_nobody_in_particular() -> None:
    """On a node with nothing but the kubelet's identity an unqualified request gets the kubelet's token."""
    azure = worlds.azure()
    azure.scale_sets[0].identities = []

    assert ask(azure, RESOURCE).json()["client_id"] == worlds.KUBELET_CLIENT


def test_the_system_assigned_identity_goes_first() -> None:
    """An unqualified request gets it however many user-assigned ones there are."""
    azure = worlds.azure()
    azure.scale_sets[0].system_assigned = ManagedIdentity("pool1", "/vmss", "own", "o", worlds.TENANT)

    assert ask(azure, RESOURCE).json()["client_id"] == "own"


def test_a_node_without_identities_finds_none() -> None:
    """Nor does the service mention that there are none at all."""
    azure = worlds.azure()
    azure.nodes[0].stale_identities = []

    assert ask(azure, RESOURCE).text == error("Identity not found")


def test_one_stale_node_of_two_does_not_know_the_identity() -> None:
    """The same request succeeds on the other node of the scale set."""
    azure = worlds.azure()
    azure.nodes[0].stale_identities = [worlds.KUBELET]
    query = f"{TOKEN}{RESOURCE}&client_id={worlds.CLIENT}"

    assert get(imds(azure), query, METADATA).text == error("Identity not found")
    assert get(imds(azure, node="aks-pool1-1"), query, METADATA).status_code == 200


def test_an_unknown_resource_is_entras_refusal() -> None:
    """`invalid_resource` with AADSTS500011."""
    response = ask(worlds.azure(), f"&resource=https://nowhere&client_id={worlds.CLIENT}")

    assert (response.status_code, response.json()["error"]) == (400, "invalid_resource")
    assert response.json()["error_description"].startswith(
        "AADSTS500011: The resource principal named https://nowhere was not found in the tenant"
    )


def test_proxied_requests_are_refused() -> None:
    """A request with X-Forwarded-For came through a proxy."""
    headers = METADATA | {"X-Forwarded-For": "10.0.0.1"}

    assert get(imds(worlds.azure()), TOKEN + RESOURCE, headers).status_code == 400


def test_only_get_and_only_known_paths() -> None:
    """405 for another method, 404 for another path, each as JSON."""
    service = imds(worlds.azure())
    posted = service(httpx.Request("POST", TOKEN + RESOURCE, headers=METADATA))

    assert posted.status_code == 405
    assert get(service, f"{BASE}/nothing", METADATA).status_code == 404
    assert "error" in posted.json()


def test_the_instance_endpoint_wants_a_version() -> None:
    """Its error names the newest ones; its answer names the scale set."""
    service = imds(worlds.azure())
    refused = get(service, f"{BASE}/instance", METADATA)
    answered = get(service, f"{BASE}/instance?api-version=2021-02-01&format=json", METADATA)

    assert refused.status_code == 400
    assert refused.text.startswith(
        '{"error":"Bad request. api-version is invalid or was not specified in the request. '
        'For more information refer to aka.ms/azureimds","newest-versions":["'
    )
    compute = answered.json()["compute"]
    assert (compute["vmScaleSetName"], compute["resourceGroupName"]) == ("pool1", "nodes")
    assert (compute["subscriptionId"], compute["azEnvironment"]) == (worlds.SUBSCRIPTION, "AzurePublicCloud")


def test_the_info_endpoint_says_the_tenant() -> None:
    """And nothing else."""
    response = get(imds(worlds.azure()), f"{BASE}/identity/info?api-version=2018-02-01", METADATA)

    assert response.json() == {"tenantId": worlds.TENANT}


def test_too_many_requests_a_second_are_throttled() -> None:
    """Twenty in the identity category, five elsewhere; a second later all is well again."""
    clock = LabClock()
    service = imds(worlds.azure(), clock)

    def statuses(url: str, count: int) -> list[int]:
        return [get(service, url, METADATA).status_code for _ in range(count)]

    assert statuses(f"{BASE}/versions", 6) == [200] * 5 + [429]
    assert statuses(f"{TOKEN}{RESOURCE}&client_id={worlds.CLIENT}", 21) == [200] * 20 + [429]
    clock.sleep(1)
    assert statuses(f"{BASE}/versions", 1) == [200]


def test_throttling_and_updating_can_be_switched_on() -> None:
    """429 in the service's words, and 410."""
    azure = worlds.azure()
    azure.nodes[0].imds = "throttled"
    throttled = ask(azure)
    azure.nodes[0].imds = "updating"

    assert (throttled.status_code, throttled.text) == (429, error("Temporarily throttled, too many requests"))
    assert ask(azure).status_code == 410


def test_a_stopped_service_refuses_and_a_silent_one_does_not_answer() -> None:
    """The first at once, the second when the caller's limit for connecting is reached."""
    azure, clock = worlds.azure(), LabClock()
    service = imds(azure, clock)
    azure.nodes[0].imds = "stopped"
    with pytest.raises(httpx.ConnectError):
        get(service, TOKEN, METADATA)
    assert clock.monotonic() == 0

    azure.nodes[0].imds = "silent"
    with pytest.raises(httpx.ConnectTimeout):
        get(service, TOKEN, METADATA, timeout={"connect": 5})
    assert clock.monotonic() == 5
