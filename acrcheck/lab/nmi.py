"""NMI 1.8.17 of AAD Pod Identity: it answers in the metadata service's place and asks it for the tokens.

Public sources: aad-pod-identity pkg/nmi/server/server.go, pkg/nmi/standard.go, pkg/nmi/managed.go,
pkg/auth/auth.go, and go-autorest autorest/adal for what it says of the metadata service.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from posixpath import normpath
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlencode

import httpx

from acrcheck.clock import Clock
from acrcheck.lab.answers import Handler, Waiting, answer, client_of, compact, http_date

Json = dict[str, Any]

IMDS = "http://169.254.169.254"
TEXT = "text/plain; charset=utf-8"
TOKEN_ROUTE = re.compile(r"/(?i:metadata)/identity/oauth2/token")
ODD_TOKEN_ROUTE = re.compile(r"/(?i:metadata)/identity.*oauth2.*token")
INSTANCE_ROUTE = re.compile(r"/(?i:metadata)/instance")

LOOK_INTERVAL = 5  # seconds: --find-identity-retry-interval
ATTEMPTS_FOR_CREATED = 16  # --retry-attempts-for-created
ATTEMPTS_FOR_ASSIGNED = 4  # --retry-attempts-for-assigned
POD_LOOKS = 5  # at its cache of pods
POD_LOOK_INTERVAL = 0.3
ADAL_PAUSES = (2, 6, 14, 30, 60)  # seconds, after each of adal's attempts
ADAL_RETRIED = {404, 408, 410, 429}
ADAL_DIAL_LIMIT = 30.0


class Objects(Protocol):
    """What NMI knows of the cluster, as JSON objects."""

    def pods_by_ip(self, address: str) -> list[Json]:
        """Pods that have this IP address, in whatever phase."""

    def listed(self, plural: str, namespace: str | None) -> list[Json]:
        """All `plural`.aadpodidentity.k8s.io of a namespace, or of all namespaces."""


@dataclass(frozen=True)
class Settings:
    """What NMI's arguments decide.

    Managed mode always is namespaced.
    """

    mode: Literal["managed", "standard"] = "managed"
    namespaced: bool = False
    set_retry_after: bool = False
    block_instance_metadata: bool = False
    metadata_header_required: bool = True
    mic_namespace: str = "default"


class Asked(NamedTuple):
    """The query parameters that NMI reads."""

    resource: str
    client_id: str
    resource_id: str


class FailedError(Exception):
    """A text answer that is an error."""

    def __init__(self, status: int, text: str, extra: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.extra = list(extra)


class NoIdentityError(Exception):
    """No identity of the pod can be used; the text is NMI's own."""


class TokenError(Exception):
    """No token could be had for an identity: adal's text, and whether somebody refused it."""

    def __init__(self, text: str, *, refused: bool) -> None:
        super().__init__(text)
        self.refused = refused


class UnreachableError(Exception):
    """The metadata service could not be reached, in Go's words."""


class Nmi:
    """The NMI pod of one node.

    It knows its callers by their IP address (`request.extensions["client"]`). Identities of the types
    1 and 2 are answered as if their Secret were missing: the lab keeps no Secrets here.

    Args:
        objects: the cluster's objects.
        imds: the metadata service of the same node.
        clock: time, which passes while a request is held.
        node: the node's name.
        settings: what its arguments decide.
    """

    def __init__(
        self, objects: Objects, imds: Handler, clock: Clock, node: str, settings: Settings | None = None
    ) -> None:
        self._objects = objects
        self._imds = imds
        self._clock = clock
        self._node = node
        self._settings = settings or Settings()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request.

        Raises:
            httpx.ReadTimeout: the caller's limit was reached while the request was held.
        """
        path = request.url.path
        if (cleaned := _cleaned(path)) != path:
            location = cleaned + (f"?{request.url.query.decode('ascii')}" if request.url.query else "")
            return answer(301, [("Location", location), self._date()])
        try:
            return self._route(request, path)
        except FailedError as failed:
            return self._text(failed.status, str(failed), failed.extra)

    def _route(self, request: httpx.Request, path: str) -> httpx.Response:
        if TOKEN_ROUTE.match(path):
            return self._token(request)
        if ODD_TOKEN_ROUTE.fullmatch(path):
            raise FailedError(400, "Invalid request")
        if path.startswith("/host/token"):
            return self._host_token(request)
        if self._settings.block_instance_metadata and INSTANCE_ROUTE.match(path):
            raise FailedError(403, "Request blocked by AAD Pod Identity NMI")
        return self._headless(request) or self._pass_on(request)

    def _headless(self, request: httpx.Request) -> httpx.Response | None:
        if not self._settings.metadata_header_required or request.headers.get("metadata") == "true":
            return None
        error = {"error": "invalid_request", "error_description": "Required metadata header not specified"}
        headers = [("Content-Type", "application/json; charset=utf-8"), self._date()]
        return answer(400, headers, compact(error) + "\n")

    # -- tokens -----------------------------------------------------------------------------------

    def _token(self, request: httpx.Request) -> httpx.Response:
        if (refused := self._headless(request)) is not None:
            return refused
        waiting = Waiting(request, self._clock)
        asked = _asked(request)
        address = _ipv4(client_of(request))
        if address is None:
            raise FailedError(500, "request remote address is empty")
        if not asked.resource:
            raise FailedError(400, "parameter resource cannot be empty")
        pod = self._pod(address, waiting)
        if self._excepted(pod):
            try:
                token = self._upstream(request, waiting, asked.client_id, asked.resource)
            except TokenError as error:
                text = f"failed to get service principal token, error: {error}"
                raise FailedError(403, text) from error
            return self._success(compact(token))
        identity = self._identity(pod["metadata"]["namespace"], pod["metadata"]["name"], asked, waiting, pod)
        return self._success(compact(self._token_for(request, waiting, identity, asked.resource)))

    def _host_token(self, request: httpx.Request) -> httpx.Response:
        namespace, name = request.headers.get("podns", ""), request.headers.get("podname", "")
        if not namespace or not name:
            raise FailedError(400, "missing 'podname' and 'podns' from request header")
        if client_of(request) != "127.0.0.1":
            raise FailedError(500, "request remote address is not from a host")
        asked = _asked(request)
        if not asked.resource:
            raise FailedError(400, "parameter resource cannot be empty")
        waiting = Waiting(request, self._clock)
        identity = self._identity(namespace, name, asked, waiting, None)
        token = self._token_for(request, waiting, identity, asked.resource)
        return self._success(compact({"token": token, "clientid": _spec(identity, "clientID")}))

    def _pod(self, address: str, waiting: Waiting) -> Json:
        for look in range(POD_LOOKS):
            if look:
                waiting.wait(POD_LOOK_INTERVAL)
            pods = [p for p in self._objects.pods_by_ip(address) if _runs_here(p, self._node)]
            if len(pods) == 1:
                return pods[0]
            if pods:
                names = " ".join(f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in pods)
                raise FailedError(500, f"failed to match pod IP {address} with [{names}]")
        raise FailedError(500, "pod list is empty")

    def _excepted(self, pod: Json) -> bool:
        labels = pod["metadata"].get("labels") or {}
        namespace = pod["metadata"]["namespace"]
        owners = pod["metadata"].get("ownerReferences") or []
        sets = [o["name"] for o in owners if o.get("kind") == "ReplicaSet"]
        if namespace == self._settings.mic_namespace and any(s.startswith("mic") for s in sets):
            return True  # whatever begins like MIC's own ReplicaSet gets a token without any binding
        for exception in self._objects.listed("azurepodidentityexceptions", namespace):
            wanted = exception.get("spec", {}).get("podLabels") or {}
            if any(key in labels and labels[key].lower() == value.lower() for key, value in wanted.items()):
                return True
        return False

    # -- which identity ---------------------------------------------------------------------------

    def _identity(self, namespace: str, name: str, asked: Asked, waiting: Waiting, pod: Json | None) -> Json:
        try:
            if self._settings.mode == "managed":
                return self._managed(namespace, name, asked, pod)
            return self._standard(namespace, name, asked, waiting)
        except NoIdentityError as none:
            if self._settings.set_retry_after:
                raise FailedError(503, str(none), [("Retry-After", "20")]) from none
            raise FailedError(404, str(none)) from none

    def _managed(self, namespace: str, name: str, asked: Asked, pod: Json | None) -> Json:
        if pod is None:
            raise NoIdentityError(f'failed to get pod {namespace}/{name}, error: pods "{name}" not found')
        label = (pod["metadata"].get("labels") or {}).get("aadpodidbinding", "")
        bindings = self._objects.listed("azureidentitybindings", namespace)
        names = {_spec(b, "azureIdentity") for b in bindings if _spec(b, "selector") == label}
        identities = self._objects.listed("azureidentities", namespace)
        return _picked([i for i in identities if i["metadata"]["name"] in names], asked)

    def _standard(self, namespace: str, name: str, asked: Asked, waiting: Waiting) -> Json:
        usable = self._wait_for_assigned(namespace, name, asked, waiting)
        identities = [i for i in usable if not self._is_namespaced(i) or _namespace(i) == namespace]
        if not identities and not asked.client_id and not asked.resource_id:
            raise FailedError(500, "runtime error: index out of range [0] with length 0")
        return _picked(identities, asked)

    def _wait_for_assigned(self, namespace: str, name: str, asked: Asked, waiting: Waiting) -> list[Json]:
        pod = f"{namespace}/{name}"
        total = ATTEMPTS_FOR_CREATED + ATTEMPTS_FOR_ASSIGNED
        for attempt in range(total):
            states = self._assigned_to(namespace, name)
            for usable in ("", "Assigned"):
                if any(_asked_for(i, asked) for i in states.get(usable, [])):
                    return states[usable]
            created = any(_asked_for(i, asked) for i in states.get("Created", []))
            if not created and attempt >= ATTEMPTS_FOR_CREATED:
                prefix = f"clientID in request: {redacted(asked.client_id)}, " if _names_one(asked) else ""
                raise NoIdentityError(prefix + _exhausted(pod, "CREATED", ATTEMPTS_FOR_CREATED))
            waiting.wait(LOOK_INTERVAL)
        raise NoIdentityError(_exhausted(pod, "ASSIGNED", total))

    def _assigned_to(self, namespace: str, name: str) -> dict[str, list[Json]]:
        """The identities assigned to a pod by the state of their assignment, as the node's cache has them."""
        states: dict[str, list[Json]] = {}
        for item in self._objects.listed("azureassignedidentities", None):
            on_node = (item["metadata"].get("labels") or {}).get("nodename") == self._node
            if on_node and (_spec(item, "podNamespace"), _spec(item, "pod")) == (namespace, name):
                state = (item.get("status") or {}).get("status", "")
                states.setdefault(state, []).append(item["spec"]["azureIdentityRef"])
        return states

    def _is_namespaced(self, identity: Json) -> bool:
        annotations = identity.get("metadata", {}).get("annotations") or {}
        behaviour: str = annotations.get("aadpodidentity.k8s.io/Behavior", "")
        return self._settings.namespaced or behaviour.lower() == "namespaced"

    # -- asking the metadata service ------------------------------------------------------------------

    def _token_for(self, request: httpx.Request, waiting: Waiting, identity: Json, resource: str) -> Json:
        try:
            _check_type(identity)
            return self._upstream(request, waiting, _spec(identity, "clientID"), resource)
        except TokenError as error:
            raise FailedError(403 if error.refused else 503, str(error)) from error

    def _upstream(self, request: httpx.Request, waiting: Waiting, client_id: str, resource: str) -> Json:
        """One token through adal, which tries five times where it believes that trying again helps."""
        query = {"api-version": "2018-02-01", "client_id": client_id, "resource": resource}
        if not client_id:
            del query["client_id"]
        url = f"{IMDS}/metadata/identity/oauth2/token?{urlencode(query)}"
        failure = TokenError("", refused=False)
        for pause in ADAL_PAUSES:
            try:
                response = self._ask(
                    request, waiting, httpx.Request("GET", url, headers={"Metadata": "true"})
                )
            except UnreachableError as error:
                text = f"adal: Failed to execute the refresh request. Error = 'Get \"{url}\": {error}'"
                failure = TokenError(text, refused=False)
            else:
                if response.status_code == httpx.codes.OK:
                    return _as_nmi_says(response.json())
                text = (
                    f"adal: Refresh request failed. Status Code = '{response.status_code}'. "
                    f"Response body: {response.text} Endpoint {url}"
                )
                failure = TokenError(text, refused=True)
                if response.status_code not in ADAL_RETRIED and not response.is_server_error:
                    raise failure
            waiting.wait(pause)
        raise failure

    def _ask(self, caller: httpx.Request, waiting: Waiting, request: httpx.Request) -> httpx.Response:
        """Ask the metadata service, for as long as both Go's dialer and the caller are willing to wait.

        Raises:
            UnreachableError: nothing listens there, or nobody answers.
        """
        left = waiting.left()
        limit = ADAL_DIAL_LIMIT if left is None else min(ADAL_DIAL_LIMIT, left)
        request.extensions["timeout"] = {"connect": limit, "read": left, "write": limit, "pool": limit}
        if "closed" in caller.extensions:
            request.extensions["closed"] = caller.extensions["closed"]
        try:
            response = self._imds(request)
            response.read()
        except httpx.ConnectTimeout:
            if waiting.left() == 0:
                waiting.give_up()
            raise UnreachableError("dial tcp 169.254.169.254:80: i/o timeout") from None
        except httpx.ConnectError:
            raise UnreachableError("dial tcp 169.254.169.254:80: connect: connection refused") from None
        return response

    def _pass_on(self, request: httpx.Request) -> httpx.Response:
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in {"host", "connection"}]
        target = request.url.raw_path.decode("ascii")
        upstream = httpx.Request(request.method, IMDS + target, headers=headers, content=request.read())
        try:
            return self._ask(request, Waiting(request, self._clock), upstream)
        except UnreachableError as error:
            verb = request.method.capitalize()
            raise FailedError(500, f'{verb} "http://169.254.169.254:80{target}": {error}') from error

    # -- answers --------------------------------------------------------------------------------------

    def _date(self) -> tuple[str, str]:
        return http_date(self._clock.now())

    def _success(self, body: str) -> httpx.Response:
        return answer(200, [("Content-Type", "application/json"), self._date()], body)

    def _text(self, status: int, text: str, extra: Sequence[tuple[str, str]] = ()) -> httpx.Response:
        headers = [("Content-Type", TEXT), *extra, ("X-Content-Type-Options", "nosniff"), self._date()]
        return answer(status, headers, text + "\n")


def redacted(identifier: str) -> str:
    """An id as NMI writes it: four characters at either end; short ones are written out.

    Source: aad-pod-identity pkg/utils/utils.go.
    """
    if len(identifier) < 8:  # noqa: PLR2004 - NMI's own bound, used nowhere else
        return identifier
    return f"{identifier[:4]}##### REDACTED #####{identifier[-4:]}"


def _asked(request: httpx.Request) -> Asked:
    parameters = request.url.params
    resource_id = parameters.get("msi_res_id") or parameters.get("mi_res_id", "")
    return Asked(parameters.get("resource", ""), parameters.get("client_id", ""), resource_id)


def _names_one(asked: Asked) -> bool:
    return bool(asked.client_id or asked.resource_id)


def _asked_for(identity: Json, asked: Asked) -> bool:
    """Whether an assignment is worth waiting for: letter case is no difference here."""
    if not _names_one(asked):
        return True
    ids = ((asked.client_id, "clientID"), (asked.resource_id, "resourceID"))
    return any(wanted and wanted.lower() == _spec(identity, key).lower() for wanted, key in ids)


def _picked(identities: list[Json], asked: Asked) -> Json:
    """The identity to use: here letter case counts."""
    for identity in identities:
        if not _names_one(asked):
            return identity
        ids = ((asked.client_id, "clientID"), (asked.resource_id, "resourceID"))
        if any(wanted and wanted == _spec(identity, key) for wanted, key in ids):
            return identity
    raise NoIdentityError(f"no azure identity found for request clientID {redacted(asked.client_id)}")


def _exhausted(pod: str, state: str, attempts: int) -> str:
    return (
        f"getting assigned identities for pod {pod} in {state} state failed after {attempts} attempts, "
        f"retry duration [{LOOK_INTERVAL}]s, error: <nil>. Check MIC pod logs for identity assignment errors"
    )


def _check_type(identity: Json) -> None:
    kind = identity.get("spec", {}).get("type", 0)
    if kind in {1, 2}:
        secret = identity["spec"].get("clientPassword") or {}
        name = secret.get("name", "")
        where = f"{secret.get('namespace', '')}/{name}"
        text = f'failed to get Kubernetes secret {where}, err: secrets "{name}" not found'
        raise TokenError(text, refused=False)
    if kind != 0:
        raise TokenError(f"unsupported identity type {kind}", refused=False)


def _as_nmi_says(token: Json) -> Json:
    keys = (
        "access_token",
        "refresh_token",
        "expires_in",
        "expires_on",
        "not_before",
        "resource",
        "token_type",
    )
    return {key: str(token.get(key, "")) for key in keys}


def _spec(item: Json, key: str) -> str:
    return str(item.get("spec", {}).get(key, ""))


def _namespace(item: Json) -> str:
    return str(item.get("metadata", {}).get("namespace", ""))


def _runs_here(pod: Json, node: str) -> bool:
    phase = pod.get("status", {}).get("phase")
    on_host = pod.get("spec", {}).get("hostNetwork", False)
    return phase in {"Pending", "Running"} and not on_host and pod["spec"].get("nodeName") == node


def _ipv4(address: str) -> str | None:
    try:
        return str(IPv4Address(address))
    except AddressValueError:
        return None


def _cleaned(path: str) -> str:
    """The path as gorilla/mux wants it: no doubled slashes, no dots, a final slash kept."""
    cleaned = normpath("/" + path.lstrip("/"))
    return cleaned if cleaned == "/" or not path.endswith("/") else cleaned + "/"
