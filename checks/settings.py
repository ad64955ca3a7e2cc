"""How a registry is set up in Azure, where it does not give the image out and the identity may read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from acrcheck.api import (
    Each,
    Failure,
    Looking,
    NotApplicableError,
    Observation,
    Request,
    Target,
    Vantage,
    Wire,
    note,
)
from acrcheck.azure.arm import (
    is_registry_of,
    registries_request,
    registry_request,
    replications_request,
)
from acrcheck.azure.clouds import Cloud, cloud_of, is_acr
from acrcheck.facts import AccessToken, Image, Login, Manifest, Path

from .objects import mapping, mappings, number, text

MODES = {
    "AbacRepositoryPermissions": note(
        "role-mode-abac",
        "{host} judges by permissions on repositories (ABAC): AcrPull counts for nothing there",
    ),
    "LegacyRegistryPermissions": note(
        "role-mode-legacy", "{host} judges by roles on the registry: AcrPull counts there"
    ),
}
"""What a registry's role mode means, by its name in ARM."""
PUBLIC_OFF = note("registry-public-access-off", "{host} takes private endpoints only (publicNetworkAccess)")
FIREWALL = note("registry-firewall-on", "{host} lets in these addresses only: {rules}")
ENDPOINTS = note("registry-endpoints-approved", "{host} has {count} approved private endpoint(s)")
NO_ENDPOINT = note("registry-without-endpoint", "{host} has no private endpoint")
QUARANTINE = {
    "enabled": note(
        "registry-quarantine-on", "{host} gives out only what a scanner has let pass (quarantine)"
    ),
    "disabled": note("registry-quarantine-off", "{host} puts no image in quarantine"),
}
SOFT_DELETE = {
    "enabled": note("registry-soft-delete-on", "{host} keeps what is deleted for {days} days (soft delete)"),
    "disabled": note("registry-soft-delete-off", "{host} keeps nothing that is deleted"),
}
REPLICATED = note("registry-replicated", "{host} is in several regions: {regions}")
ONE_REGION = note("registry-in-one-region", "{host} is in one region: {regions}")
SEES = (
    *MODES.values(),
    PUBLIC_OFF,
    FIREWALL,
    ENDPOINTS,
    NO_ENDPOINT,
    *QUARANTINE.values(),
    *SOFT_DELETE.values(),
    REPLICATED,
    ONE_REGION,
)
OK = 200
MOST_SUBSCRIPTIONS = 5
MOST_RULES = 5


def settings(
    path: Path,
    tokens: Each[AccessToken],
    images: Each[Manifest],
    logins: Each[Login],
    wanted: Each[Image],
    wire: Wire,
    target: Target,
) -> Looking[None]:
    """Where the registry does not give the identity its image: how it is set up, if the identity may read that."""
    own = path.tokens
    if own is None or own.arm is None or not own.arm.token or not is_acr(path.host):
        raise NotApplicableError("the registry is not asked with a token that Azure Resource Manager takes")
    pulls = any(subject == path.as_identity for subject, _ in tokens.items)
    if any(subject == path.as_identity for subject, _ in images.items) or (pulls and path.image is None):
        raise NotApplicableError("the registry lets the identity pull")
    azure = _Azure(wire, own.vantage, target, path, own.arm.token)
    shown = {text(item, "subscriptionId"): None for login in logins for item in login.subscriptions}
    resource = azure.registry(list(shown)[:MOST_SUBSCRIPTIONS])
    if not resource:
        raise NotApplicableError("no subscription shows the registry to the identity")
    told = mapping(resource, "properties")
    if pulls:
        yield from _of_content(azure, resource, told)
        return
    access = tuple(_of_access(path.host, told))
    yield from access
    # Whom the registry lets in is known of each pull from it that failed, whoever tried it.
    for image in (item for item in wanted if item.reference and item.reference.host == path.host):
        yield from (seen.on(image.subject) for seen in access)


@dataclass(frozen=True, slots=True)
class _Azure:
    wire: Wire
    vantage: Vantage
    target: Target
    path: Path
    token: str

    @property
    def cloud(self) -> Cloud:
        """The registry's."""
        return cloud_of(self.target.cloud, self.path.host)

    def ask(self, request: Request) -> dict[str, Any]:
        """Give what ARM answers; empty where it gives nothing: that may be for want of a role."""
        answer = self.wire.request(self.vantage, request)
        return {} if isinstance(answer, Failure) or answer.status != OK else answer.json() or {}

    def registry(self, subscriptions: list[str]) -> dict[str, Any]:
        """Find the registry in these subscriptions; empty where none shows it."""
        for subscription in subscriptions:
            found = self.ask(registries_request(self.cloud, self.token, subscription))
            for name in (text(item, "id") for item in mappings(found, "value")):
                if not is_registry_of(name, self.path.host):
                    continue
                resource = self.ask(registry_request(self.cloud, self.token, name))
                if text(resource, "properties", "loginServer").lower() == self.path.host:
                    return {**resource, "id": name}
        return {}


def _of_access(host: str, told: dict[str, Any]) -> Iterator[Observation]:
    """Tell whom the registry lets in: by which roles, and from where."""
    mode = MODES.get(text(told, "roleAssignmentMode"))
    if mode:
        yield mode(host=host)
    if text(told, "publicNetworkAccess").lower() == "disabled":
        yield PUBLIC_OFF(host=host)
    elif text(told, "networkRuleSet", "defaultAction").lower() == "deny":
        rules = [text(rule, "value") for rule in mappings(told, "networkRuleSet", "ipRules")]
        said = ", ".join(rules[:MOST_RULES]) or "none"
        more = len(rules) - MOST_RULES
        yield FIREWALL(host=host, rules=f"{said} and {more} more" if more > 0 else said)
    endpoints = mappings(told, "privateEndpointConnections")
    states = [text(item, "properties", "privateLinkServiceConnectionState", "status") for item in endpoints]
    approved = sum(state.lower() == "approved" for state in states)
    if approved:
        yield ENDPOINTS(host=host, count=approved)
    elif isinstance(told.get("privateEndpointConnections"), list):
        yield NO_ENDPOINT(host=host)


def _of_content(azure: _Azure, resource: dict[str, Any], told: dict[str, Any]) -> Iterator[Observation]:
    """Tell what may hide an image that was pushed."""
    host = azure.path.host
    if kind := QUARANTINE.get(text(told, "policies", "quarantinePolicy", "status").lower()):
        yield kind(host=host)
    deleted = mapping(told, "policies", "softDeletePolicy")
    if kind := SOFT_DELETE.get(text(deleted, "status").lower()):
        on = kind is SOFT_DELETE["enabled"]
        yield kind(host=host, **({"days": number(deleted, "retentionDays")} if on else {}))
    answer = azure.ask(replications_request(azure.cloud, azure.token, text(resource, "id")))
    replicas = mappings(answer, "value")
    regions = {
        text(item, "location"): text(item, "properties", "status", "displayStatus") for item in replicas
    }
    regions = regions or {text(resource, "location"): ""}
    if isinstance(answer.get("value"), list):
        said = ", ".join(f"{region} ({status})" if status else region for region, status in regions.items())
        yield (REPLICATED if len(regions) > 1 else ONE_REGION)(host=host, regions=said)
