"""Azure Resource Manager, as far as logging in and looking at a registry ask for it."""

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx

from acrcheck.clock import Clock
from acrcheck.lab import tokens
from acrcheck.lab.answers import JSON, answer, bearer_of, compact, http_date
from acrcheck.lab.azure import Azure, Registry, Source, Subscription
from acrcheck.lab.providers import Providers, RefusedError, not_authorized

HOST = "management.azure.com"
IP_RULES = 200
"""How many a Premium registry can have: learn.microsoft.com container-registry-access-selected-networks."""
SOFT_DELETE_DAYS = 7
REGISTRY_TYPE = "Microsoft.ContainerRegistry/registries"
RESOURCES = re.compile(r"/subscriptions/(?P<subscription>[^/]+)/resources/?", re.IGNORECASE)
FILTER = re.compile(r"resourceType eq '(?P<type>[^']+)'(?: and name eq '(?P<name>[^']+)')?", re.IGNORECASE)


class Arm:
    """`GET /subscriptions`, the list of registries of a subscription, and one registry.

    Sources: the documented REST API (learn.microsoft.com/rest/api/resources); the messages are those
    captured in public issues, the order of the checks is the lab's own.

    Args:
        source: where the present state of Azure comes from.
        clock: the time by which tokens expire and roles take effect.
        page_size: subscriptions in one page.
    """

    def __init__(self, source: Source, clock: Clock, page_size: int = 100) -> None:
        self._source = source
        self._clock = clock
        self._page_size = page_size

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        try:
            return self._json(200, self._document(request))
        except RefusedError as refused:
            body = {"error": {"code": refused.code, "message": str(refused)}}
            extra = [self._challenge(refused)] if refused.status == httpx.codes.UNAUTHORIZED else []
            return self._json(refused.status, body, extra)

    def _document(self, request: httpx.Request) -> dict[str, Any]:
        azure = self._source()
        claims = self._claims(request, azure)
        if not request.url.params.get("api-version"):
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise RefusedError(400, "MissingApiVersionParameter", message)
        path = request.url.path.rstrip("/")
        if request.method == "GET" and path.lower() == "/subscriptions":
            return self._subscriptions(request, azure, claims)
        if request.method == "GET" and (match := RESOURCES.fullmatch(path)):
            return self._resources(request, azure, claims, match["subscription"])
        if (given := Providers(azure, self._clock, claims).answer(request, path)) is not None:
            return given
        whose, replications, _ = path.lower().partition("/replications")
        registry = next((r for r in azure.registries if r.resource_id.lower() == whose), None)
        if request.method in {"POST", "PATCH"}:
            return _changed(azure, request, path)
        if request.method != "GET" or registry is None:
            raise RefusedError(404, "ResourceNotFound", f"The Resource '{path.lstrip('/')}' was not found.")
        self._let_read(azure, registry, claims)
        return _replications(registry) if replications else _registry(registry)

    def _let_read(self, azure: Azure, registry: Registry, claims: tokens.Claims) -> None:
        if not azure.may_read(registry.resource_id, claims["oid"], self._clock.now()):
            action = f"{REGISTRY_TYPE}/read"
            message = not_authorized(claims["oid"], claims["oid"], action, registry.resource_id)
            raise RefusedError(403, "AuthorizationFailed", message)

    def _claims(self, request: httpx.Request, azure: Azure) -> tokens.Claims:
        if "authorization" not in request.headers:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise RefusedError(401, "AuthenticationFailed", message)
        token = bearer_of(request)
        if token is None:
            message = "Authentication failed. The 'Authorization' header is provided in an invalid format."
            raise RefusedError(401, "AuthenticationFailedInvalidHeader", message)
        claims = tokens.verified(tokens.entra_signer(azure), token)
        if claims is None:
            raise RefusedError(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if claims["aud"] not in tokens.ARM_AUDIENCES:
            raise RefusedError(401, "InvalidAuthenticationTokenAudience", _wrong_audience(claims["aud"]))
        now = self._clock.now()
        if tokens.expired(claims, now):
            expiry = _us_time(datetime.fromtimestamp(claims["exp"], UTC))
            message = f"The access token expiry UTC time '{expiry}' is earlier than current UTC time '{_us_time(now)}'."
            raise RefusedError(401, "ExpiredAuthenticationToken", message)
        return claims

    def _subscriptions(self, request: httpx.Request, azure: Azure, claims: tokens.Claims) -> dict[str, Any]:
        visible = [s for s in azure.subscriptions if self._sees(azure, claims, s)]
        skip = request.url.params.get("$skiptoken", "0")
        begin = int(skip) if skip.isdigit() else 0
        page = visible[begin : begin + self._page_size]
        document: dict[str, Any] = {"value": [_subscription(s) for s in page]}
        document["count"] = {"type": "Total", "value": len(page)}
        if begin + self._page_size < len(visible):
            query = request.url.params.set("$skiptoken", str(begin + self._page_size))
            document["nextLink"] = str(request.url.copy_with(params=query))
        return document

    def _sees(self, azure: Azure, claims: tokens.Claims, subscription: Subscription) -> bool:
        """Any role at, above or below a subscription makes it visible, within the token's tenant."""
        here = f"/subscriptions/{subscription.id}"
        roles = azure.assignments(claims["oid"], self._clock.now())
        related = any(r.covers(here) or f"{r.scope.lower()}/".startswith(f"{here.lower()}/") for r in roles)
        return related and subscription.tenant_id == claims["tid"]

    def _resources(
        self, request: httpx.Request, azure: Azure, claims: tokens.Claims, subscription: str
    ) -> dict[str, Any]:
        wanted = FILTER.fullmatch(request.url.params.get("$filter", ""))
        if wanted is None or wanted["type"].lower() != REGISTRY_TYPE.lower():
            return {"value": []}
        scope = f"/subscriptions/{subscription}/".lower()
        found = [
            r
            for r in azure.registries
            if r.resource_id.lower().startswith(scope)
            and (wanted["name"] is None or wanted["name"].lower() == r.name.lower())
            and azure.may_read(r.resource_id, claims["oid"], self._clock.now())
        ]
        keys = ("id", "name", "type", "location", "sku")
        return {"value": [{key: _registry(r)[key] for key in keys} for r in found]}

    def _challenge(self, refused: RefusedError) -> tuple[str, str]:
        tenants = self._source().tenants
        tenant = tenants[0].id if tenants else "common"
        authority = f"https://login.windows.net/{tenant}"
        value = (
            f'Bearer authorization_uri="{authority}", error="invalid_token", error_description="{refused}"'
        )
        return ("WWW-Authenticate", value)

    def _json(
        self, status: int, document: dict[str, Any], extra: list[tuple[str, str]] | None = None
    ) -> httpx.Response:
        headers = [
            ("Cache-Control", "no-cache"),
            ("Pragma", "no-cache"),
            ("Content-Type", JSON),
            ("Expires", "-1"),
            *(extra or []),
            ("x-ms-request-id", str(uuid.uuid4())),
            ("x-ms-correlation-request-id", str(uuid.uuid4())),
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
            ("X-Content-Type-Options", "nosniff"),
            http_date(self._clock.now()),
        ]
        return answer(status, headers, compact(document))


def _changed(azure: Azure, request: httpx.Request, path: str) -> dict[str, Any]:
    """Add IP rules to a registry, or have it build. Both are writing, and need a subscription that is enabled.

    Sources: learn.microsoft.com "subscription-disabled"; Azure/acr#518 and
    Azure-Samples/azure-search-openai-demo#2220 on GitHub.
    """
    registry = next((r for r in azure.registries if path.lower().startswith(r.resource_id.lower())), None)
    if registry is None:
        raise RefusedError(404, "ResourceNotFound", f"The Resource '{path.lstrip('/')}' was not found.")
    subscription = registry.resource_id.split("/")[2]
    if any(item.id == subscription and item.state == "Disabled" for item in azure.subscriptions):
        message = (
            f"The subscription '{subscription}' is disabled and therefore marked as read only. You cannot perform "
            "any write actions on this subscription until it is re-enabled."
        )
        raise RefusedError(409, "ReadOnlyDisabledSubscription", message)
    if path.lower().endswith("/schedulerun"):
        return _scheduled(registry, subscription)
    wanted = json.loads(request.content)["properties"].get("networkRuleSet", {}).get("ipRules", [])
    if len(wanted) > IP_RULES:
        message = (
            f"The requested feature IP rule exceeds allowed quota {IP_RULES} for the SKU {registry.sku}."
        )
        raise RefusedError(400, "BadRequest", message)
    registry.ip_rules = [item["value"] for item in wanted]
    return _registry(registry)


def _scheduled(registry: Registry, subscription: str) -> dict[str, Any]:
    if not registry.tasks_permitted:
        message = (
            f"ACR Tasks requests for the registry {registry.name} and {subscription} are not permitted. "
            "Please file an Azure support request at http://aka.ms/azuresupport for assistance."
        )
        raise RefusedError(400, "TasksOperationsNotAllowed", message)
    return {"properties": {"runId": "ca1", "status": "Queued"}}


def _subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription.id}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription.id,
        "tenantId": subscription.tenant_id,
        "displayName": subscription.name,
        "state": subscription.state,
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def _replications(registry: Registry) -> dict[str, Any]:
    """The regions that a registry is in, its own among them (azure-mgmt-containerregistry, ReplicationProperties)."""
    properties = {
        "provisioningState": "Succeeded",
        "status": {"displayStatus": "Ready"},
        "regionEndpointEnabled": True,
    }
    return {
        "value": [
            {
                "type": f"{REGISTRY_TYPE}/replications",
                "id": f"{registry.resource_id}/replications/{region}",
                "name": region,
                "location": region,
                "properties": properties,
            }
            for region in (registry.location, *registry.replicas)
            if registry.replicas
        ]
    }


def _registry(registry: Registry) -> dict[str, Any]:
    modes = {"rbac": "LegacyRegistryPermissions", "abac": "AbacRepositoryPermissions"}
    rules = {
        "defaultAction": "Deny" if registry.ip_rules else "Allow",
        "ipRules": [{"action": "Allow", "value": value} for value in registry.ip_rules],
    }
    properties = {
        "loginServer": registry.login_server,
        "creationDate": "2026-01-05T08:00:00.0000000Z",
        "provisioningState": "Succeeded",
        "adminUserEnabled": registry.admin_user_enabled,
        "networkRuleSet": rules,
        "policies": {
            "azureADAuthenticationAsArmPolicy": {"status": _switch(registry.arm_audience_enabled)},
            "quarantinePolicy": {"status": _switch(registry.quarantine)},
            "softDeletePolicy": {
                "status": _switch(bool(registry.soft_delete_days)),
                "retentionDays": registry.soft_delete_days or SOFT_DELETE_DAYS,
            },
        },
        "dataEndpointEnabled": registry.data_endpoint,
        "dataEndpointHostNames": [registry.data_host] if registry.data_endpoint else [],
        "publicNetworkAccess": _switch(registry.public_network_access).capitalize(),
        "privateEndpointConnections": [
            {"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}
            for _ in registry.private_endpoints
        ],
        "anonymousPullEnabled": registry.anonymous_pull,
        "roleAssignmentMode": modes[registry.role_mode],
    }
    return {
        "type": REGISTRY_TYPE,
        "id": registry.resource_id,
        "name": registry.name,
        "location": registry.location,
        "tags": {},
        "sku": {"name": registry.sku, "tier": registry.sku},
        "properties": properties,
    }


def _switch(on: bool) -> str:
    return "enabled" if on else "disabled"


def _wrong_audience(audience: str) -> str:
    allowed = ",".join(f"'{a}'" for a in tokens.ARM_AUDIENCES)
    return (
        f"The access token has been obtained for wrong audience or resource '{audience}'. "
        f"It should exactly match with one of the allowed audiences {allowed}."
    )


def _us_time(moment: datetime) -> str:
    hour = moment.hour % 12 or 12
    half = "AM" if moment.hour < 12 else "PM"  # noqa: PLR2004 - noon
    return f"{moment.month}/{moment.day}/{moment.year} {hour}:{moment:%M:%S} {half}"
