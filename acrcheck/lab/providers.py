"""The resource providers behind ARM: scale sets, role assignments, and clusters, as far as somebody changes them.

Sources: learn.microsoft.com "role-based-access-control/troubleshooting" and "move-resources-tenant-not-authorized";
the texts captured in Azure/aad-pod-identity#515, #613, #676, #752, #959 and MicrosoftDocs/azure-docs#70457 on GitHub.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import httpx

from acrcheck.clock import Clock
from acrcheck.lab.answers import compact
from acrcheck.lab.azure import Azure, ManagedCluster, ScaleSet
from acrcheck.lab.roles import allows
from acrcheck.lab.tokens import Claims

ASSIGN = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
ROLES = "Microsoft.Authorization/roleAssignments"
SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"
RESOURCE = re.compile(
    r"(?P<group>/subscriptions/[^/]+/resourceGroups/(?P<group_name>[^/]+))"
    r"/providers/(?P<type>Microsoft\.\w+/\w+)/(?P<name>[^/]+)",
    re.IGNORECASE,
)
ASSIGNMENT = re.compile(rf"(?P<scope>/.+)/providers/{re.escape(ROLES)}/[0-9a-f-]+", re.IGNORECASE)
Json = dict[str, Any]


class RefusedError(Exception):
    """An answer that is an error: status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Providers:
    """What one caller asks of them."""

    azure: Azure
    clock: Clock
    claims: Claims

    def answer(self, request: httpx.Request, path: str) -> Json | None:
        """The document they give; None for a path that none of them has. Raises RefusedError."""
        if found := ASSIGNMENT.fullmatch(path):
            return self._assign_role(path, found["scope"], json.loads(request.content)["properties"])
        found = RESOURCE.fullmatch(path)
        if found is None:
            return None
        kind = found["type"].lower()
        if kind == "microsoft.compute/virtualmachines":
            raise RefusedError(404, "ResourceNotFound", _not_found(found))
        if kind == SCALE_SETS.lower():
            return self._scale_set(request, path, found)
        if kind == "microsoft.containerservice/managedclusters" and request.method == "PUT":
            return self._cluster(path, json.loads(request.content)["properties"])
        return None

    def _assign_role(self, path: str, scope: str, wanted: Json) -> Json:
        self._need(f"{ROLES}/write", scope, path)
        principal = wanted["principalId"].replace("-", "")
        someone = self.azure.principal(wanted["principalId"], self.clock.now())
        if someone is None and not wanted.get("principalType"):
            message = (
                f"Principal {principal} does not exist in the directory {self.claims['tid']}. Check that you have the "
                "correct principal ID. If you are creating this principal and then immediately assigning a role, this "
                "error might be related to a replication delay. In this case, set the role assignment principalType "
                "property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype"
            )
            raise RefusedError(400, "PrincipalNotFound", message)
        return {"id": path, "properties": {**wanted, "scope": scope}}

    def _scale_set(self, request: httpx.Request, path: str, found: re.Match[str]) -> Json:
        self._need(f"{SCALE_SETS}/{'read' if request.method == 'GET' else 'write'}", path)
        scale_set = next((s for s in self.azure.scale_sets if s.resource_id.lower() == path.lower()), None)
        if scale_set is None:
            raise RefusedError(404, "ResourceNotFound", _not_found(found))
        self.clock.sleep(scale_set.seconds)
        if request.method == "GET":
            return _as_json(scale_set)
        if request.method == "PUT":
            self._link_image(scale_set)
        self._link_identities(scale_set, json.loads(request.content)["identity"]["userAssignedIdentities"])
        return _as_json(scale_set)

    def _link_image(self, scale_set: ScaleSet) -> None:
        """Writing the whole scale set touches its image, which is another tenant's."""
        subscriptions = {item.id for item in self.azure.subscriptions}
        if scale_set.image_subscription in subscriptions:
            return
        message = (
            "The client has permission to perform action 'Microsoft.Compute/galleries/images/versions/read' on scope "
            f"'{scale_set.resource_id}', however the current tenant '{self.claims['tid']}' is not authorized to access "
            f"linked subscription '{scale_set.image_subscription}'."
        )
        raise RefusedError(403, "LinkedAuthorizationFailed", message)

    def _link_identities(self, scale_set: ScaleSet, wanted: Json) -> None:
        for resource_id in wanted:
            if not allows(self.azure, self.claims["oid"], ASSIGN, resource_id, self.clock.now()):
                message = (
                    f"The client '{self._client}' with object id '{self.claims['oid']}' has permission to perform "
                    f"action '{SCALE_SETS}/write' on scope '{scale_set.resource_id}'; however, it does not have "
                    f"permission to perform action '{ASSIGN}' on the linked scope(s) '{resource_id}' or the linked "
                    "scope(s) are invalid."
                )
                raise RefusedError(403, "LinkedAuthorizationFailed", message)
        if scale_set.throttled:
            said = (
                f"Request is temporarily throttled because resource {scale_set.resource_id} has issued too many "
                "requests. Retry after 20 seconds."
            )
            raise _identity_operation(scale_set, 429, "429", said)
        for resource_id in wanted:
            if self.azure.identity(resource_id) is None:
                said = f"Resource '{resource_id}' was not found."
                raise _identity_operation(scale_set, 400, "BadRequest", said)
        scale_set.identities += [item for item in wanted if item not in scale_set.identities]

    def _cluster(self, path: str, wanted: Json) -> Json:
        cluster = next((c for c in self.azure.clusters if c.resource_id.lower() == path.lower()), None)
        if cluster is None:
            return self._new_cluster(path, wanted["servicePrincipalProfile"]["clientId"])
        asked = wanted["identityProfile"]["kubeletidentity"]
        if asked["resourceId"].lower() != cluster.kubelet_identity.lower():
            before = self.azure.identity(cluster.kubelet_identity)
            old = ("", "", "") if before is None else (before.resource_id, before.client_id, before.object_id)
            message = (
                f"Change kubelet identity from {_identified(*old)} to "
                f"{_identified(asked['resourceId'], asked['clientId'], asked['objectId'])} is not allowed."
            )
            raise RefusedError(400, "BadRequest", message)
        return _cluster_as_json(cluster)

    def _new_cluster(self, path: str, client_id: str) -> Json:
        if self.azure.client(client_id, self.claims["tid"], self.clock.now()) is None:
            message = (
                f"Service principal clientID: {client_id} not found in Active Directory tenant {self.claims['tid']}, "
                "Please see https://aka.ms/aks-sp-help for more details."
            )
            raise RefusedError(400, "ServicePrincipalNotFound", message)
        return {"id": path}

    @property
    def _client(self) -> str:
        """How a message names the caller: a person by his name, a program by an id."""
        return str(self.claims.get("unique_name") or self.claims["oid"])

    def _need(self, action: str, scope: str, named: str = "") -> None:
        if not allows(self.azure, self.claims["oid"], action, scope, self.clock.now()):
            message = not_authorized(self._client, self.claims["oid"], action, named or scope)
            raise RefusedError(403, "AuthorizationFailed", message)


def not_authorized(client: str, principal: str, action: str, scope: str) -> str:
    """What ARM says of an action that no role allows."""
    return (
        f"The client '{client}' with object id '{principal}' does not have authorization to perform action "
        f"'{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
        "please refresh your credentials."
    )


def _identity_operation(scale_set: ScaleSet, status: int, code: str, said: str) -> RefusedError:
    inner = compact({"error": {"code": code, "message": said}})
    message = (
        f"Identity operation for resource '{scale_set.resource_id}' failed with error 'Failed to perform resource "
        f"identity operation. Status: '{code}'. Response: '{inner}'.'."
    )
    return RefusedError(status, "FailedIdentityOperation", message)


def _not_found(found: re.Match[str]) -> str:
    return (
        f"The Resource '{found['type']}/{found['name']}' under resource group '{found['group_name']}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )


def _identified(resource_id: str, client_id: str, object_id: str) -> str:
    return f"ResourceID:{resource_id} ClientID:{client_id} ObjectID:{object_id}"


def _as_json(scale_set: ScaleSet) -> Json:
    held: Json = {name: {} for name in scale_set.user_assigned()}
    identity = {"type": "UserAssigned", "userAssignedIdentities": held}
    return {"id": scale_set.resource_id, "name": scale_set.name, "identity": identity}


def _cluster_as_json(cluster: ManagedCluster) -> Json:
    return {"id": cluster.resource_id, "name": cluster.name, "identity": {"type": cluster.control_plane}}
