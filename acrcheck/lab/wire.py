"""The wire door to a lab world: the same answers, and the same troubles, as from real pods.

What the programs in an image can show is as in `acrcheck.wire.exec`; what they print are curl's, python3's and
getent's own words. Secrets are taken out by the live side's own code.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import httpx

from acrcheck.cluster.reader import PODS
from acrcheck.lab.cluster import container_state, forbidden, forbids
from acrcheck.lab.kube import Json
from acrcheck.lab.path import Objection, Path, Place, StoppedError, host_of
from acrcheck.lab.world import ALL_TOOLS, Certificate, World
from acrcheck.model import Permission
from acrcheck.wire import raw
from acrcheck.wire.door import (
    Connect,
    Connected,
    Failure,
    Handshake,
    Request,
    Resolve,
    Resolved,
    Response,
    Shaken,
    Trouble,
    Vantage,
)
from acrcheck.wire.exec import REMEDY, refused
from acrcheck.wire.pace import Pace
from acrcheck.wire.pod import probe_labels
from acrcheck.wire.probe import DOCUMENTED_IMAGE
from acrcheck.wire.vault import Vault

RESOLVERS = ("getent", "nslookup", "python3", "curl")
CONNECTORS = ("curl", "python3")
SHAKERS = ("curl", "python3", "openssl")
SENDERS = ("curl", "wget", "busybox-wget", "python3")
"""In the order in which the live side tries them."""
WORDS = {
    Trouble.UNRESOLVED: ("Could not resolve host: {host}", "gaierror: [Errno -2] Name or service not known"),
    Trouble.REFUSED: (
        "Failed to connect to {host} port {port} after 0 ms: Couldn't connect to server",
        "ConnectionRefusedError: [Errno 111] Connection refused",
    ),
    Trouble.CONNECT_TIMEOUT: ("Connection timed out after {ms} milliseconds", "TimeoutError: timed out"),
    Trouble.TIMEOUT: (
        "Operation timed out after {ms} milliseconds with 0 bytes received",
        "TimeoutError: timed out",
    ),
    Trouble.TLS: (
        "OpenSSL SSL_connect: Connection reset by peer in connection to {host}:{port} ",
        "ConnectionResetError: [Errno 104] Connection reset by peer",
    ),
    Trouble.BROKEN: (
        "Recv failure: Connection reset by peer",
        "ConnectionResetError: [Errno 104] Connection reset by peer",
    ),
}
"""What curl 7.88 and what python3 say."""
OBJECTIONS: dict[Objection, tuple[str, str]] = {
    "untrusted": (
        "SSL certificate problem: unable to get local issuer certificate",
        "unable to get local issuer certificate",
    ),
    "expired": ("SSL certificate problem: certificate has expired", "certificate has expired"),
    "name": (
        "SSL: no alternative certificate subject name matches target host name '{host}'",
        "Hostname mismatch, certificate is not valid for '{host}'.",
    ),
    "version": (
        "OpenSSL/3.0.15: error:0A00042E:SSL routines::tlsv1 alert protocol version",
        "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version",
    ),
}
ASKED = {
    "exec": ("create", "exec", ""),
    "debug": ("patch", "ephemeralcontainers", "debug-container"),
    "pod": ("create", "", "probe-pod"),
}
"""What a kind of vantage needs: the verb on pods, the subresource, and the leave to create something."""
ERROR = 400


class LabWire:
    """Implements the wire door over a world. Safe for threads."""

    def __init__(self, world: World, vault: Vault | None = None) -> None:
        self._world = world
        self._path = Path(world)
        self._vault = vault or Vault()
        self._pace = Pace(world.clock)
        self._lock = threading.Lock()
        self._probes: dict[tuple[str, str, str], Json] = {}

    def resolve(self, vantage: Vantage, question: Resolve) -> Resolved | Failure:
        """Resolve a name."""
        chosen = self._choose(vantage, RESOLVERS, "getent, nslookup, python3, curl")
        if isinstance(chosen, Failure):
            return chosen
        place, tool = chosen
        try:
            addresses, chain = self._path.lookup(place, question.host)
        except StoppedError as stopped:
            return _failure(stopped, tool, question.host, 0, question.seconds)
        return Resolved(addresses, chain if "nslookup" in self._tools(vantage, place) else ())

    def connect(self, vantage: Vantage, question: Connect) -> Connected | Failure:
        """Open a TCP connection and close it."""
        chosen = self._choose(vantage, CONNECTORS, "curl, python3")
        if isinstance(chosen, Failure):
            return chosen
        place, tool = chosen
        try:
            return Connected(self._path.open(place, question.host, question.seconds))
        except StoppedError as stopped:
            return _failure(stopped, tool, question.host, question.port, question.seconds)

    def handshake(self, vantage: Vantage, question: Handshake) -> Shaken | Failure:
        """Look at the certificate served."""
        chosen = self._choose(vantage, SHAKERS, "curl, python3, openssl")
        if isinstance(chosen, Failure):
            return chosen
        place, tool = chosen
        try:
            served, objection = self._path.secure(place, question.host, question.seconds)
        except StoppedError as stopped:
            return _failure(stopped, tool, question.host, question.port, question.seconds)
        return _shaken(served, objection, tool, question.host)

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Send one HTTP request."""
        opened = raw.open_request(question, self._vault)
        secret = raw.has_secret(opened, question)
        tools, names = (CONNECTORS, "curl, python3") if secret else (SENDERS, "curl, wget, python3")
        chosen = self._choose(vantage, tools, names)
        if isinstance(chosen, Failure):
            return chosen
        place, tool = chosen
        with self._pace.turn(place.node, host_of(opened.url)):
            try:
                answer = self._path.send(place, _made(opened), opened.seconds)
            except StoppedError as stopped:
                parts = urlsplit(opened.url)
                port = parts.port or (443 if parts.scheme == "https" else 80)
                return _failure(stopped, tool, parts.hostname or "", port, opened.seconds)
        if tool == "busybox-wget" and answer.status_code >= ERROR:
            detail = f"BusyBox wget got HTTP {answer.status_code} and hides what came with it"
            return Failure(Trouble.NO_TOOL, detail, tool=names, remedy=_leave(vantage))
        headers = tuple((name.decode(), value.decode()) for name, value in answer.headers.raw)
        came = raw.Raw(answer.status_code, headers, answer.read())
        return raw.seal_response(raw.cut_body(came, opened.limit), question, self._vault)

    def close(self) -> None:
        """Delete the pods that were made to ask from."""
        with self._lock:
            for pod in self._probes.values():
                metadata = pod["metadata"]
                self._world.kubernetes.remove(PODS, metadata["name"], metadata["namespace"])
            if self._probes:
                self._probes.clear()
                self._world.settle()

    def _choose(self, vantage: Vantage, tools: Sequence[str], names: str) -> tuple[Place, str] | Failure:
        """Find the place, and the first program there that can show what is asked."""
        place = self._place(vantage)
        if isinstance(place, Failure):
            return place
        held = self._tools(vantage, place)
        tool = next((name for name in tools if name in held), None)
        if tool is None:
            return Failure(Trouble.NO_TOOL, "", tool=names, remedy=_leave(vantage))
        return place, tool

    def _tools(self, vantage: Vantage, place: Place) -> frozenset[str]:
        """The programs of the image that is asked from: for what is created, as the live side chooses it."""
        if vantage.kind == "local":
            return ALL_TOOLS
        pod = self._world.kubernetes.find(PODS, vantage.pod, vantage.namespace) or place.pod or {}
        own = self._world.tools.get(_container(pod, vantage.container).get("image", ""), frozenset())
        if vantage.kind == "exec":
            return own
        if self._world.target.probe_image:
            return self._world.tools.get(self._world.target.probe_image, frozenset())
        return own if own & {"curl", "python3"} else self._world.tools[DOCUMENTED_IMAGE]

    def _place(self, vantage: Vantage) -> Place | Failure:
        if vantage.kind == "local":
            return Place()
        verb, subresource, leave = ASKED[vantage.kind]
        if leave and leave not in self._world.target.allow:
            detail = f"without leave nothing is created beside {vantage.namespace}/{vantage.pod}"
            return Failure(Trouble.NO_TOOL, detail, remedy=f"--allow {leave}")
        permission = Permission(verb, "pods", vantage.namespace, subresource=subresource)
        if forbids(self._world, permission):
            return refused(forbidden(permission), vantage)
        pod = self._world.kubernetes.find(PODS, vantage.pod, vantage.namespace)
        if pod is None:
            return Failure(Trouble.GONE, f'pods "{vantage.pod}" not found')
        if vantage.kind == "exec" and "running" not in container_state(pod, vantage.container):
            detail = f'container "{vantage.container}" of pod "{vantage.pod}" does not run'
            return Failure(Trouble.NOT_RUNNING, detail)
        entries = _container(pod, vantage.container).get("env") or ()
        environment = {str(entry["name"]): str(entry.get("value") or "") for entry in entries}
        return Place(self._probe(pod, vantage.node) if vantage.kind == "pod" else pod, environment)

    def _probe(self, like: Json, node: str) -> Json:
        """The short-lived pod on that node: of the other's labels it has only the binding's."""
        node = node or like["spec"]["nodeName"]
        key = like["metadata"]["namespace"], like["metadata"]["name"], node
        with self._lock:
            if key not in self._probes:
                metadata = {
                    "name": f"acrcheck-probe-{self._world.kubernetes.number()}",
                    "namespace": key[0],
                    "labels": probe_labels(like["metadata"].get("labels") or {}),
                }
                container = {"name": "probe", "image": DOCUMENTED_IMAGE}
                spec = {
                    "serviceAccountName": like["spec"].get("serviceAccountName"),
                    "containers": [container],
                }
                pod = self._world.kubernetes.run_pod(metadata, spec, node)
                self._probes[key] = pod
                self._world.settle()
            return self._probes[key]


def _leave(vantage: Vantage) -> str:
    return "" if vantage.kind == "pod" else REMEDY


def _container(pod: Json, name: str) -> Json:
    return next((item for item in pod["spec"]["containers"] if item["name"] == name), {})


def _made(opened: Request) -> httpx.Request:
    """The request as the program in the pod sends it."""
    body = raw.form_body(opened)
    headers = [*opened.headers, *raw.authorization(opened)]
    if body is not None:
        headers.append(("Content-Type", "application/x-www-form-urlencoded"))
    return httpx.Request(opened.method, opened.url, headers=headers, content=body)


def _failure(stopped: StoppedError, tool: str, host: str, port: int, seconds: float) -> Failure:
    """Say in the program's own words what stood in the way."""
    if tool in {"getent", "nslookup"}:
        return Failure(stopped.trouble, f"{host} does not resolve", tool)
    words = OBJECTIONS[stopped.objection] if stopped.objection else WORDS[stopped.trouble]
    text = words[tool == "python3"].format(host=host, port=port, ms=round(seconds * 1000) + 1)
    return Failure(stopped.trouble, text, tool)


def _shaken(served: Certificate, objection: Objection, tool: str, host: str) -> Shaken:
    problem = OBJECTIONS[objection][tool != "curl"].format(host=host) if objection else ""
    shown = Shaken(
        subject=f"CN={served.names[0]}",
        issuer=served.issuer,
        expires=f"{served.expires:%Y-%m-%dT%H:%M:%SZ}",
        names=served.names,
        problem=problem,
    )
    # curl names only the entry that matched, and none when it was told not to look.
    return replace(shown, names=()) if tool == "curl" and objection else shown
