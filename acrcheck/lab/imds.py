"""The Azure Instance Metadata Service of one node, as a pod that reaches it directly sees it."""

import threading
import uuid
from collections import deque
from urllib.parse import parse_qsl

import httpx

from acrcheck.clock import Clock
from acrcheck.lab import entra, tokens
from acrcheck.lab.answers import JSON, Waiting, answer, compact, http_date
from acrcheck.lab.azure import ManagedIdentity, Source

SERVER = "IMDS/150.870.65.1854"
UNANSWERED_CONNECT = 130.0  # seconds until Linux gives up a connection that nobody answers
SECONDS = 1.0
LIMITS = {
    "identity": 20,
    "other": 5,
}  # requests a second and VM: learn.microsoft.com, instance-metadata-service
VERSIONS = ["2017-04-02", "2018-02-01", "2019-06-01", "2020-06-01", "2021-02-01", "2021-12-13", "2023-07-01"]
IDENTITY_PARAMETERS = ("client_id", "object_id", "msi_res_id", "mi_res_id")
MULTIPLE = (
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity "
    "in the token request"
)
THROTTLED = "Temporarily throttled, too many requests"


class RefusedError(Exception):
    """An answer that is an error: status, error code and description."""

    def __init__(self, status: int, description: str, error: str = "invalid_request") -> None:
        super().__init__(description)
        self.status = status
        self.error = error


class Imds:
    """The metadata service of a node.

    Sources: learn.microsoft.com "how-to-use-vm-token" and "instance-metadata-service", the swagger in
    azure-rest-api-specs, and answers captured in public issues. Not published, and so the lab's own
    choice: the bodies for X-Forwarded-For, repeated and contradicting parameters, 404, 405 and 410.

    Args:
        source: where the present state of Azure comes from.
        node: the name of the node it runs beside; it must exist in the state.
        clock: the time that tokens are issued at and requests are held by.
    """

    def __init__(self, source: Source, node: str, clock: Clock) -> None:
        self._source = source
        self._node = node
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: dict[str, deque[float]] = {kind: deque() for kind in LIMITS}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request.

        Raises:
            httpx.ConnectError: the service is stopped.
            httpx.ConnectTimeout: it is silent and the caller's limit is reached.
        """
        state = self._source().node(self._node).imds
        if state == "stopped":
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        if state == "silent":
            Waiting(request, self._clock, "connect").wait(UNANSWERED_CONNECT)
            raise httpx.ConnectTimeout("[Errno 110] Connection timed out", request=request)
        if state == "updating":
            return self._error(RefusedError(410, "The service is going through updates", "gone"))
        if state == "throttled" or self._too_fast(request.url.path):
            return self._error(RefusedError(429, THROTTLED))
        try:
            return self._route(request)
        except RefusedError as refused:
            return self._error(refused)

    def _too_fast(self, path: str) -> bool:
        kind = "identity" if path.lower().startswith("/metadata/identity") else "other"
        now = self._clock.monotonic()
        with self._lock:
            recent = self._recent[kind]
            while recent and recent[0] <= now - SECONDS:
                recent.popleft()
            if len(recent) >= LIMITS[kind]:
                return True
            recent.append(now)
        return False

    def _route(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("metadata") != "true":
            raise RefusedError(400, "Required metadata header not specified")
        if "x-forwarded-for" in request.headers:
            raise RefusedError(400, "Requests that contain an X-Forwarded-For header are not served")
        if request.method != "GET":
            raise RefusedError(405, f"Method {request.method} is not allowed", "method_not_allowed")
        path = request.url.path.rstrip("/").lower()
        if path == "/metadata/versions":
            return self._json(200, {"apiVersions": VERSIONS})
        if path == "/metadata/identity/oauth2/token":
            return self._token(_parameters(request))
        if path == "/metadata/identity/info":
            _api_version(_parameters(request))
            return self._json(200, {"tenantId": self._tenant()})
        if path == "/metadata/instance":
            return self._instance(_parameters(request))
        raise RefusedError(404, "Not found", "not_found")

    def _token(self, parameters: dict[str, str]) -> httpx.Response:
        _api_version(parameters)
        resource = parameters.get("resource")
        if not resource:
            raise RefusedError(400, "Required query variable 'resource' is missing")
        identity = self._identity(parameters)
        now = self._clock.now()
        if resource not in tokens.RESOURCES:
            said = entra.unknown_resource(resource, identity.tenant_id)
            ids = str(uuid.uuid4()), str(uuid.uuid4())
            text = entra.description(500011, said, f"{now:%Y-%m-%d %H:%M:%SZ}", *ids)
            raise RefusedError(400, text, "invalid_resource")
        claims = tokens.entra_claims(identity, resource, now)
        lifetime = str(claims["exp"] - int(now.timestamp()))
        document = {
            "access_token": tokens.encode(tokens.entra_signer(self._source()), claims),
            "client_id": identity.client_id,
            "expires_in": lifetime,
            "expires_on": str(claims["exp"]),
            "ext_expires_in": lifetime,
            "not_before": str(claims["nbf"]),
            "resource": resource,
            "token_type": "Bearer",
        }
        return self._json(200, document)

    def _identity(self, parameters: dict[str, str]) -> ManagedIdentity:
        azure = self._source()
        own = azure.system_assigned(self._node)
        assigned = azure.assigned(self._node)
        asked = [(key, parameters[key]) for key in IDENTITY_PARAMETERS if parameters.get(key)]
        if len(asked) > 1:
            raise RefusedError(400, "Only one of client_id, object_id and msi_res_id may be given")
        if asked:
            everyone = [*assigned, *([own] if own else [])]
            found = [i for i in everyone if _is(i, *asked[0])]
        else:
            found = [own] if own else assigned
        if len(found) > 1:
            raise RefusedError(400, MULTIPLE)
        if not found:
            raise RefusedError(400, "Identity not found")
        return found[0]

    def _instance(self, parameters: dict[str, str]) -> httpx.Response:
        if parameters.get("api-version") not in VERSIONS:
            message = (
                "Bad request. api-version is invalid or was not specified in the request. "
                "For more information refer to aka.ms/azureimds"
            )
            return self._json(400, {"error": message, "newest-versions": VERSIONS[:-4:-1]})
        azure = self._source()
        scale_set = azure.scale_set(azure.node(self._node).scale_set)
        machine = f"{scale_set.name}_0"
        resource_id = (
            f"/subscriptions/{scale_set.subscription_id}/resourceGroups/{scale_set.resource_group}"
            f"/providers/Microsoft.Compute/virtualMachineScaleSets/{scale_set.name}/virtualMachines/0"
        )
        compute = {
            "azEnvironment": "AzurePublicCloud",
            "location": scale_set.location,
            "name": machine,
            "osType": "Linux",
            "resourceGroupName": scale_set.resource_group,
            "resourceId": resource_id,
            "subscriptionId": scale_set.subscription_id,
            "vmScaleSetName": scale_set.name,
        }
        return self._json(200, {"compute": compute})

    def _tenant(self) -> str:
        azure = self._source()
        subscription = azure.scale_set(azure.node(self._node).scale_set).subscription_id
        return next((s.tenant_id for s in azure.subscriptions if s.id == subscription), "")

    def _error(self, refused: RefusedError) -> httpx.Response:
        return self._json(refused.status, {"error": refused.error, "error_description": str(refused)})

    def _json(self, status: int, document: object) -> httpx.Response:
        headers = [
            ("Content-Type", JSON),
            ("Server", SERVER),
            ("x-ms-request-id", str(uuid.uuid4())),
            http_date(self._clock.now()),
        ]
        return answer(status, headers, compact(document))


def _parameters(request: httpx.Request) -> dict[str, str]:
    pairs = parse_qsl(request.url.query.decode("ascii"), keep_blank_values=True)
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise RefusedError(400, "A query parameter is given more than once")
    return parameters


def _api_version(parameters: dict[str, str]) -> None:
    if not parameters.get("api-version"):
        raise RefusedError(400, "Required query variable 'api-version' is missing")


def _is(identity: ManagedIdentity, parameter: str, value: str) -> bool:
    known = {"client_id": identity.client_id, "object_id": identity.object_id}
    return known.get(parameter, identity.resource_id).lower() == value.lower()
