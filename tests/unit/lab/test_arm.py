"""Azure Resource Manager's answers."""

from datetime import timedelta

import httpx
import pytest

from acrcheck.lab import tokens
from acrcheck.lab.arm import Arm
from acrcheck.lab.azure import Azure, RoleAssignment, Subscription
from acrcheck.lab.clock import LabClock
from tests.unit.lab import worlds
from tests.unit.lab.worlds import get

BASE = "https://management.azure.com"
SUBSCRIPTIONS = f"{BASE}/subscriptions?api-version=2022-12-01"


class Bench:
    """ARM in front of a world, asked by coderd's identity."""

    def __init__(self, page_size: int = 100) -> None:
        self.azure: Azure = worlds.azure()
        self.clock = LabClock()
        self.arm = Arm(lambda: self.azure, self.clock, page_size)

    def get(self, url: str = SUBSCRIPTIONS, resource: str = worlds.ARM_RESOURCE) -> httpx.Response:
        """Ask with a fresh token."""
        token = worlds.token(self.azure, self.clock, resource)
        return get(self.arm, url, {"Authorization": f"Bearer {token}"})


def test_a_role_on_a_registry_makes_the_subscription_visible() -> None:
    """With the fields that az login shows."""
    response = Bench().get()

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    (subscription,) = response.json()["value"]
    assert subscription["id"] == f"/subscriptions/{worlds.SUBSCRIPTION}"
    assert (subscription["tenantId"], subscription["displayName"]) == (worlds.TENANT, "Lab")
    assert (subscription["subscriptionId"], subscription["state"]) == (worlds.SUBSCRIPTION, "Enabled")
    assert "nextLink" not in response.json()


@pytest.mark.parametrize("audience", tokens.ARM_AUDIENCES)
def test_every_spelling_of_its_audience_is_accepted(audience: str) -> None:
    """Old name and new, with and without the final slash."""
    assert Bench().get(resource=audience).status_code == 200


def test_without_any_role_the_list_is_empty() -> None:
    """200, and no subscription; a role that is not yet in effect is none."""
    bench = Bench()
    bench.azure.roles[0].effective_at = bench.clock.now() + timedelta(minutes=1)

    assert bench.get().json()["value"] == []


def test_a_role_above_the_subscription_counts_and_another_tenant_does_not() -> None:
    """A management group's role reaches down; a token is for one tenant."""
    bench = Bench()
    bench.azure.roles = [RoleAssignment(worlds.PRINCIPAL, "Reader", "/")]
    bench.azure.subscriptions.append(Subscription("other", "Other", "another tenant"))

    assert [s["displayName"] for s in bench.get().json()["value"]] == ["Lab"]


def test_many_subscriptions_come_in_pages() -> None:
    """Following nextLink leads to each exactly once."""
    bench = Bench(page_size=2)
    bench.azure.roles = [RoleAssignment(worlds.PRINCIPAL, "Reader", "/")]
    bench.azure.subscriptions += [Subscription(f"s{i}", f"S{i}", worlds.TENANT) for i in range(4)]

    names, url = [], SUBSCRIPTIONS
    while url:
        page = bench.get(url).json()
        names += [s["displayName"] for s in page["value"]]
        url = page.get("nextLink", "")

    assert names == ["Lab", "S0", "S1", "S2", "S3"]


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an error."""
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"]


def test_a_missing_or_foreign_token_is_401() -> None:
    """Each with its own code, and with a challenge that names the authority."""
    bench = Bench()
    missing = get(bench.arm, SUBSCRIPTIONS)
    basic = get(bench.arm, SUBSCRIPTIONS, {"Authorization": "Basic abc"})
    forged = get(bench.arm, SUBSCRIPTIONS, {"Authorization": "Bearer abc"})

    message = "Authentication failed. The 'Authorization' header is missing."
    assert refusal(missing) == (401, "AuthenticationFailed", message)
    assert refusal(basic)[:2] == (401, "AuthenticationFailedInvalidHeader")
    assert refusal(forged) == (401, "InvalidAuthenticationToken", "The access token is invalid.")
    assert worlds.TENANT in missing.headers["www-authenticate"]


def test_a_token_for_the_registry_is_for_the_wrong_audience() -> None:
    """The message lists the right ones."""
    status, code, message = refusal(Bench().get(resource=worlds.ACR_RESOURCE))

    assert (status, code) == (401, "InvalidAuthenticationTokenAudience")
    assert message == (
        "The access token has been obtained for wrong audience or resource 'https://containerregistry.azure.net'. "
        "It should exactly match with one of the allowed audiences 'https://management.core.windows.net/',"
        "'https://management.core.windows.net','https://management.azure.com/','https://management.azure.com'."
    )


def test_an_expired_token_is_told_when_it_ended() -> None:
    """In the American way of writing time."""
    bench = Bench()
    token = worlds.token(bench.azure, bench.clock)
    bench.clock.sleep(28 * 3600)

    response = get(bench.arm, SUBSCRIPTIONS, {"Authorization": f"Bearer {token}"})

    message = (
        "The access token expiry UTC time '11/3/2026 9:00:00 AM' is earlier than "
        "current UTC time '11/3/2026 1:00:00 PM'."
    )
    assert refusal(response) == (401, "ExpiredAuthenticationToken", message)


def test_a_version_is_required() -> None:
    """400 without the api-version."""
    assert refusal(Bench().get(f"{BASE}/subscriptions"))[:2] == (400, "MissingApiVersionParameter")


def test_registries_are_listed_to_whom_may_read_them() -> None:
    """AcrPull alone cannot see the registry in ARM; Reader can, and gets its login server."""
    bench = Bench()
    listing = (
        f"{BASE}/subscriptions/{worlds.SUBSCRIPTION}/resources?api-version=2022-09-01"
        "&$filter=resourceType eq 'Microsoft.ContainerRegistry/registries'"
    )
    registry = f"{BASE}{worlds.REGISTRY}?api-version=2025-11-01"
    assert bench.get(listing).json() == {"value": []}
    assert refusal(bench.get(registry))[:2] == (403, "AuthorizationFailed")

    bench.azure.roles.append(RoleAssignment(worlds.PRINCIPAL, "Reader", worlds.REGISTRY))

    (item,) = bench.get(listing).json()["value"]
    assert (item["id"], item["name"]) == (worlds.REGISTRY, "labreg")
    assert item["type"] == "Microsoft.ContainerRegistry/registries"
    assert bench.get(f"{listing} and name eq 'labreg'").json()["value"] == [item]
    assert bench.get(f"{listing} and name eq 'other'").json()["value"] == []
    properties = bench.get(registry).json()["properties"]
    assert properties["loginServer"] == worlds.LOGIN
    assert properties["roleAssignmentMode"] == "LegacyRegistryPermissions"
    assert properties["policies"]["azureADAuthenticationAsArmPolicy"] == {"status": "enabled"}


def test_the_registrys_settings_show() -> None:
    """What decides over authentication and the network is readable in ARM."""
    bench = Bench()
    bench.azure.roles = [RoleAssignment(worlds.PRINCIPAL, "Reader", "/")]
    registry = bench.azure.registries[0]
    registry.role_mode, registry.arm_audience_enabled = "abac", False
    registry.public_network_access, registry.ip_rules, registry.data_endpoint = False, ["10.0.0.1"], True

    properties = bench.get(f"{BASE}{worlds.REGISTRY}?api-version=1").json()["properties"]

    assert properties["roleAssignmentMode"] == "AbacRepositoryPermissions"
    assert properties["policies"]["azureADAuthenticationAsArmPolicy"] == {"status": "disabled"}
    assert properties["publicNetworkAccess"] == "Disabled"
    assert properties["networkRuleSet"] == {
        "defaultAction": "Deny",
        "ipRules": [{"action": "Allow", "value": "10.0.0.1"}],
    }
    assert properties["dataEndpointHostNames"] == ["labreg.eastus.data.azurecr.io"]


def test_other_resources_do_not_exist() -> None:
    """404, and an empty list for other types."""
    bench = Bench()
    assert refusal(bench.get(f"{BASE}/nothing?api-version=1"))[:2] == (404, "ResourceNotFound")
    everything = f"{BASE}/subscriptions/{worlds.SUBSCRIPTION}/resources?api-version=1"
    assert bench.get(everything).json() == {"value": []}
