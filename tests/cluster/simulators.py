"""The simulated Azure on sockets: one process beside the control plane, one on each node.

`python -m tests.cluster.simulators azure STATE` serves ARM, Entra and the registry on 443, the Helm repository, and
Coder's API; `… node STATE NAME` serves the node's metadata service and what stands behind its NMI.
"""

import json
import re
import socket
import ssl
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import httpx

from acrcheck.clock import SystemClock
from acrcheck.lab import serve
from acrcheck.lab.answers import Handler
from acrcheck.lab.azure import StateFile
from acrcheck.lab.hosts import PublicHosts
from acrcheck.lab.imds import Imds
from acrcheck.lab.nmi import Nmi, Settings
from acrcheck.lab.path import giving
from acrcheck.lab.rsa import RsaSigner
from acrcheck.lab.serve import Server, forward_to
from tests.cluster import azure, coders, front
from tests.cluster.layout import BACKEND_PORT, HELM_REPOSITORY_PORT, IMDS, NMI_PORT, Layout
from tests.cluster.minted import Minting
from tests.cluster.running import push_token

POLL = 0.1
EVERY_ADDRESS = "0.0.0.0"
REPOSITORY = re.compile(r"/v2/(.+)/(?:manifests|blobs|tags)/")
PREAMBLE_LIMIT = 65536


def main() -> None:
    """Serve for ever."""
    kind, state, *name = sys.argv[1:]
    known = Layout(Path(state), int(Path(state).name))
    if kind == "azure":
        serve_azure(known)
    else:
        serve_node(known, name[0])


def serve_azure(layout: Layout) -> None:
    """ARM, Entra and the registries by their real names, Coder's API, and the Helm repository in plain HTTP."""
    signer = RsaSigner((layout.state / "tokens.key").read_bytes(), (layout.state / "tokens.crt").read_bytes())
    backend = Shelves(layout, forward_to(f"http://{layout.address}:{BACKEND_PORT}"))
    hosts = PublicHosts(StateFile(layout.azure_state), SystemClock(), signer, backend)
    handler = Minting(Front(layout, hosts), layout.state, "azure")
    charts = layout.state / "charts"
    charts.mkdir(exist_ok=True)
    files = partial(SimpleHTTPRequestHandler, directory=str(charts))
    repository = ThreadingHTTPServer((layout.address, HELM_REPOSITORY_PORT), files)
    with ExitStack() as until:
        until.enter_context(Server(handler, EVERY_ADDRESS, 443, certificates(layout)))
        coders.serve(layout, until)
        repository.serve_forever()


def certificates(layout: Layout) -> ssl.SSLContext:
    """What is shown to a client: by the name that it asks for, the certificate of the way there."""
    contexts: dict[str, ssl.SSLContext] = {}
    for shown in get_args(front.Shown):
        contexts[shown] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[shown].load_cert_chain(layout.state / f"{shown}.crt", layout.state / f"{shown}.key")

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        way = front.read(layout.state).get(name or "")
        if way is not None:
            connection.context = contexts[way.certificate]

    contexts["azure"].sni_callback = choose
    return contexts["azure"]


class Front:
    """All of Azure, and in its place whoever stands in the way to a host."""

    def __init__(self, layout: Layout, hosts: PublicHosts) -> None:
        self._state = layout.state
        self._hosts = hosts

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        way = front.read(self._state).get(request.url.host)
        canned = way.canned(request.url.path) if way else None
        return (giving(canned) if canned else self._hosts)(request)


class Shelves:
    """The distribution server, on which each registry has its own shelf.

    It knows one registry only. What reaches it for another one was let through by that one's front, and is asked
    for with a token that it knows.
    """

    def __init__(self, layout: Layout, server: Handler) -> None:
        self._layout = layout
        self._server = server

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        host = request.url.host
        name = REPOSITORY.match(request.url.path)
        if host == azure.REGISTRY or name is None:
            return self._server(request)
        shelf = f"{host.partition('.')[0]}/{name[1]}"
        target = request.url.raw_path.replace(name[1].encode(), shelf.encode(), 1)
        headers = [(key, value) for key, value in request.headers.raw if key.lower() != b"authorization"]
        headers.append((b"Authorization", b"Bearer " + push_token(self._layout, shelf).encode()))
        url = request.url.copy_with(raw_path=target)
        return self._server(httpx.Request(request.method, url, headers=headers, content=request.read()))


def serve_node(layout: Layout, name: str) -> None:
    """The node's metadata service, listening unless it is stopped, and its NMI, reached through NMI's pod."""
    source = StateFile(layout.azure_state)
    nmi = PodNmi(layout, name)
    NmiServer(nmi).start()
    imds = Minting(Imds(source, name, SystemClock()), layout.state, name)
    server: Server | None = None
    while True:
        stopped = source().node(name).imds == "stopped"
        if stopped and server is not None:
            server.stop()
            server = None
        elif not stopped and server is None:
            server = Server(imds, IMDS, 80).start()
        time.sleep(POLL)


class ApiObjects:
    """What NMI reads from the API server."""

    def __init__(self, layout: Layout) -> None:
        context = ssl.create_default_context(cafile=str(layout.state / "ca.crt"))
        clients = layout.state / "clients"
        context.load_cert_chain(clients / "nmi.crt", clients / "nmi.key")
        self._client = httpx.Client(base_url=layout.server, verify=context, trust_env=False, timeout=10)

    def pods_by_ip(self, address: str) -> list[dict[str, Any]]:
        """Pods that have this IP address, in whatever phase."""
        return self._items("/api/v1/pods", {"fieldSelector": f"status.podIP={address}"})

    def listed(self, plural: str, namespace: str | None) -> list[dict[str, Any]]:
        """All objects of one of AAD Pod Identity's kinds; none while its definition is not installed."""
        place = f"namespaces/{namespace}/" if namespace else ""
        return self._items(f"/apis/aadpodidentity.k8s.io/v1/{place}{plural}", {})

    def _items(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        response = self._client.get(path, params=query)
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        items: list[dict[str, Any]] = response.raise_for_status().json()["items"]
        return items


class PodNmi:
    """NMI with the arguments of the pod through which a connection came."""

    def __init__(self, layout: Layout, node: str) -> None:
        self._objects = ApiObjects(layout)
        self._node = node
        # Through the node's own stack, so that a firewall rule there holds for NMI as well.
        self._imds = forward_to(f"http://{IMDS}", limit=30)
        self.arguments = threading.local()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as that NMI would."""
        settings = settings_of(getattr(self.arguments, "value", []))
        return Nmi(self._objects, self._imds, SystemClock(), self._node, settings)(request)


@dataclass(frozen=True)
class Preamble:
    """What NMI's pod puts ahead of a connection: who connected, and its own arguments."""

    client: str
    args: list[str]

    @classmethod
    def read(cls, connection: socket.socket) -> "Preamble":
        """Take the first line from a connection, and not a byte more.

        Raises:
            ConnectionError: the line did not come to an end.
        """
        line = bytearray()
        while not line.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte or len(line) > PREAMBLE_LIMIT:
                raise ConnectionError("no preamble")
            line += byte
        return cls(**json.loads(line))


class NmiServer(serve._Listener):
    """Where NMI's pod hands its connections on to."""

    def __init__(self, nmi: PodNmi) -> None:
        self._nmi = nmi
        super().__init__(("127.0.0.1", NMI_PORT), nmi, None)

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: from here on, the peer is NMI's caller."""
        preamble = Preamble.read(request)
        self._nmi.arguments.value = preamble.args
        super().finish_request(request, (preamble.client, client_address[1]))


def settings_of(arguments: list[str]) -> Settings:
    """What NMI makes of its arguments; each is `--name=value`, or `--name` for what is to be true."""
    given = {}
    for argument in arguments:
        name, equals, value = argument.lstrip("-").partition("=")
        given[name] = value if equals else "true"
    return Settings(
        mode="managed" if given.get("operation-mode") == "managed" else "standard",
        namespaced=given.get("forceNamespaced") == "true",
        block_instance_metadata=given.get("block-instance-metadata") == "true",
        metadata_header_required=given.get("metadata-header-required", "true") == "true",
        mic_namespace=given.get("MICNamespace", "default"),
    )


if __name__ == "__main__":
    main()
