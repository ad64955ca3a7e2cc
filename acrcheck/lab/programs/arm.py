"""What ARM refused, in the words of az and of go-autorest; and az where it asks ARM for a person.

Sources: azure-core for Python azure/core/exceptions.py; go-autorest autorest/error.go and autorest/azure/azure.go
(14.2); Azure/azure-cli 2.91.0 core/_profile.py, core/auth/msal_credentials.py, command_modules/role/custom.py,
command_modules/acs/{_roleassignments,managed_cluster_decorator}.py; microsoft/knack for `ERROR:`.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from acrcheck.lab import entra as directory
from acrcheck.lab.azure import ManagedCluster, ManagedIdentity
from acrcheck.lab.path import Path
from acrcheck.lab.programs import entra, go
from acrcheck.lab.programs.klog import quoted
from acrcheck.lab.world import World

ARM = "https://management.azure.com"
SCOPE = "https://management.core.windows.net//.default"
AZ_CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
SECONDS = 60.0
Json = dict[str, Any]


class RefusedError(Exception):
    """The command ended. The text is what it printed."""


def az(response: httpx.Response) -> str:
    """What az prints for an answer of ARM."""
    error = response.json()["error"]
    code, message = error["code"], error["message"]
    return f"ERROR: ({code}) {message}\nCode: {code}\nMessage: {message}\n"


def service_error(response: httpx.Response) -> str:
    """go-autorest's azure.ServiceError."""
    error = response.json()["error"]
    return f"Code={quoted(error['code'])} Message={quoted(error['message'])}"


def request_error(response: httpx.Response) -> str:
    """go-autorest's azure.RequestError, for an answer that it understood."""
    return (
        f"autorest/azure: Service returned an error. Status={response.status_code} {service_error(response)}"
    )


@dataclass(frozen=True)
class SignedInAz:
    """az on the operator's workstation, for whoever has signed in there."""

    world: World

    def assign_role(self, object_id: str, kind: str = "") -> str:
        """`az role assignment create --assignee-object-id ID --role AcrPull --scope REGISTRY`."""
        return self._ended(lambda: self._assign(object_id, kind))

    def assign_role_to(self, assignee: str) -> str:
        """`az role assignment create --assignee ID --role AcrPull --scope REGISTRY`, which looks the id up."""
        now = self.world.clock.now()
        found = self.world.azure.client(assignee, self.world.azure.tenants[0].id, now)
        someone = found or self.world.azure.principal(assignee, now)
        if someone is None:
            return (
                f"ERROR: Cannot find user or service principal in graph database for '{assignee}'. If the assignee "
                "is an appId, make sure the corresponding service principal is created with "
                f"'az ad sp create --id {assignee}'.\n"
            )
        return self.assign_role(someone.object_id, "ServicePrincipal")

    def attach(self, object_id: str) -> str:
        """`az aks update --attach-acr`, which tries for a while and keeps the reasons to itself."""
        try:
            self._assign(object_id, "ServicePrincipal")
        except RefusedError:
            return (
                "ERROR: Could not create a role assignment for ACR. Are you an Owner on this subscription?\n"
            )
        return ""

    def change_kubelet_identity(self, identity: ManagedIdentity) -> str:
        """`az aks update --assign-kubelet-identity ID --yes`."""
        cluster = self.world.azure.clusters[0]
        if cluster.control_plane == "SystemAssigned":
            return (
                "ERROR: --assign-identity is not provided and the cluster identity type is not user assigned, "
                "cannot update kubelet identity\n"
            )
        asked = {"resourceId": identity.resource_id, "clientId": identity.client_id}
        asked["objectId"] = identity.object_id
        return self._ended(lambda: self._put_cluster(cluster, {"kubeletidentity": asked}))

    def create_cluster(self, client_id: str) -> str:
        """`az aks create --service-principal ID`, of a second cluster."""
        path = f"{self.world.azure.clusters[0].resource_id}-2?api-version=2025-10-01"
        body = {"properties": {"servicePrincipalProfile": {"clientId": client_id}}}
        return self._ended(lambda: self._send("PUT", path, body))

    def account(self) -> str:
        """`az account get-access-token`: nothing where there is one."""
        return self._ended(self._token)

    def _ended(self, work: Callable[[], object]) -> str:
        try:
            work()
        except RefusedError as refused:
            return str(refused)
        return ""

    def _assign(self, object_id: str, kind: str) -> None:
        registry = self.world.registry.resource_id
        name = uuid.uuid5(uuid.NAMESPACE_OID, f"{object_id} AcrPull {registry}")
        path = f"{registry}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01"
        properties = {"roleDefinitionId": ACR_PULL, "principalId": object_id}
        properties |= {"principalType": kind} if kind else {}
        self._send("PUT", path, {"properties": properties})

    def _put_cluster(self, cluster: ManagedCluster, profile: Json) -> None:
        body = {"properties": {"identityProfile": profile}}
        self._send("PUT", f"{cluster.resource_id}?api-version=2025-10-01", body)

    def _send(self, method: str, path: str, body: Json) -> None:
        headers = {"Authorization": f"Bearer {self._token()}"}
        request = httpx.Request(method, ARM + path, headers=headers, content=json.dumps(body))
        response = Path(self.world).send(go.at_workstation(self.world), request, SECONDS)
        if response.is_error:
            raise RefusedError(az(response))

    def _token(self) -> str:
        """A token for ARM. Raises RefusedError."""
        station = self.world.workstation
        if station.user is None or station.signed_in is None:
            raise RefusedError("ERROR: Please run 'az login' to setup account.\n")
        tenant = station.user.tenant_id
        form = {
            "client_id": AZ_CLIENT,
            "grant_type": "refresh_token",
            "scope": SCOPE,
            "refresh_token": directory.refresh_token(self.world.azure, station.user, station.signed_in),
        }
        url = f"https://{directory.HOST}/{tenant}/oauth2/v2.0/token"
        response = go.Client(self.world, go.at_workstation(self.world)).send("POST", url, form=form)
        if response.is_error:
            raise RefusedError(entra.az(response, tenant, SCOPE))
        return str(response.json()["access_token"])


def sign_in(world: World, client_id: str, secret: str, tenant: str) -> str:
    """`az login --service-principal`; nothing where it lets one in."""
    form = {
        "client_id": client_id,
        "grant_type": "client_credentials",
        "scope": SCOPE,
        "client_secret": secret,
    }
    url = f"https://{directory.HOST}/{tenant}/oauth2/v2.0/token"
    response = go.Client(world, go.at_workstation(world)).send("POST", url, form=form)
    return entra.az(response) if response.is_error else ""
