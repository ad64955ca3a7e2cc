"""What Go's HTTP client says, in whose words containerd, docker, helm and the credential provider fail.

Sources: golang/go src/net/http/client.go, transport.go, src/net/net.go, dnsclient_unix.go, crypto/tls, crypto/x509.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from acrcheck.lab.path import Path, Place, StoppedError, host_of
from acrcheck.lab.world import World
from acrcheck.wire.door import Trouble

RESOLVER = "168.63.129.16:53"
FROM = "10.224.0.4:49152"
DIAL_SECONDS = 30.0
REDIRECTS = {301, 302, 303, 307, 308}
AWAITING = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
CONNECTING = (
    "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)"
)


class GoError(Exception):
    """An error as Go's `error` value prints it."""


@dataclass(frozen=True)
class Client:
    """Go's HTTP client on one machine.

    Attributes:
        place: where it runs.
        timeout: seconds of its `Client.Timeout`; 0 for none, when only the dialer's limit holds.
    """

    world: World
    place: Place
    timeout: float = 0.0

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and follow redirects. Raises GoError as `url.Error` prints it."""
        given = dict(headers or {})
        content = None
        if form is not None:
            content = urlencode(sorted(form.items())).encode()
            given["Content-Type"] = "application/x-www-form-urlencoded"
        response = self._once(method, url, given, content)
        if response.status_code not in REDIRECTS:
            return response
        target = urljoin(url, response.headers["location"])
        if host_of(target) != host_of(url):
            given.pop("Authorization", None)
        return self._once(method, target, given, None)

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> httpx.Response:
        request = httpx.Request(method, url, headers=headers, content=content)
        path = Path(self.world)
        seconds = self.timeout or DIAL_SECONDS
        try:
            self._proxied(path, url, seconds)
            response = path.send(self.place, request, seconds)
        except StoppedError as stopped:
            said = (
                self._distrust(path, host_of(url)) if stopped.objection else self._words(path, stopped, url)
            )
            raise GoError(f'{method.title()} "{url}": {said}') from stopped
        except GoError as error:
            raise GoError(f'{method.title()} "{url}": {error}') from error
        response.request = request
        return response

    def _proxied(self, path: Path, url: str, seconds: float) -> None:
        """Reach the proxy first where there is one. Raises GoError when it cannot be reached."""
        proxy = self.place.environment.get("https_proxy", "")
        if not proxy or urlsplit(url).scheme != "https":
            return
        host, _, port = proxy.partition(":")
        try:
            path.open(self.place, host, seconds)
        except StoppedError as stopped:
            dialled = self._dial(path, stopped.trouble, host, port)
            raise GoError(f"proxyconnect tcp: {dialled}") from stopped

    def _address(self, path: Path, host: str) -> str:
        try:
            return path.lookup(self.place, host)[0][0]
        except StoppedError:
            return ""

    def _words(self, path: Path, stopped: StoppedError, url: str) -> str:
        parts = urlsplit(url)
        host, port = parts.hostname or "", str(parts.port or (443 if parts.scheme == "https" else 80))
        if self.timeout and stopped.trouble in {Trouble.CONNECT_TIMEOUT, Trouble.TIMEOUT}:
            return CONNECTING if stopped.trouble is Trouble.CONNECT_TIMEOUT else AWAITING
        if stopped.trouble is Trouble.TIMEOUT:
            return "net/http: TLS handshake timeout"
        if stopped.trouble in {Trouble.TLS, Trouble.BROKEN}:
            return f"read tcp {FROM}->{self._address(path, host)}:{port}: read: connection reset by peer"
        return self._dial(path, stopped.trouble, host, port)

    def _dial(self, path: Path, trouble: Trouble, host: str, port: str) -> str:
        """What the dialer says. A name that is known did not resolve because nobody answered."""
        if trouble is Trouble.UNRESOLVED:
            lookup = f"dial tcp: lookup {host} on {RESOLVER}: "
            known = host.lower() in self.world.network.names
            return lookup + (f"read udp {FROM}->{RESOLVER}: i/o timeout" if known else "no such host")
        said = "connect: connection refused" if trouble is Trouble.REFUSED else "i/o timeout"
        return f"dial tcp {self._address(path, host)}:{port}: {said}"

    def _distrust(self, path: Path, host: str) -> str:
        """What it has against a certificate, or the server against the versions of TLS that it offers."""
        try:
            served, objection = path.secure(self.place, host, DIAL_SECONDS)
        except StoppedError:
            return "remote error: tls: protocol version not supported"
        if objection == "expired":
            now = f"{self.world.clock.now():%Y-%m-%dT%H:%M:%SZ}"
            ended = f"current time {now} is after {served.expires:%Y-%m-%dT%H:%M:%SZ}"
            problem = f"certificate has expired or is not yet valid: {ended}"
        elif objection == "name":
            problem = f"certificate is valid for {', '.join(served.names)}, not {host}"
        else:
            problem = "certificate signed by unknown authority"
        return f"tls: failed to verify certificate: x509: {problem}"


def status(response: httpx.Response) -> str:
    """The status line as Go's `Response.Status` has it."""
    return f"{response.status_code} {HTTPStatus(response.status_code).phrase}"


def at_node(world: World, node: str) -> Place:
    """The network of a node itself."""
    proxy = world.machine(node).proxy
    pod = {
        "metadata": {"name": node, "namespace": ""},
        "spec": {"nodeName": node, "hostNetwork": True},
        "status": {"podIP": "10.224.0.4"},
    }
    return Place(pod, {"https_proxy": proxy} if proxy else {})


def at_workstation(world: World) -> Place:
    """The network of the operator's workstation."""
    proxy = world.workstation.proxy
    return Place(None, {"https_proxy": proxy} if proxy else {})
