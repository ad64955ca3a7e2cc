"""The connections that are held open from here: what one question opened, the next one goes on with.

A run asks for a host's addresses, whether a connection opens, which certificate is served, and then sends its
requests: over one connection, as a client that pulls would.
"""

import ssl
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from urllib.request import getproxies

import httpcore
import httpx

STALE = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""What a connection that the server has closed meanwhile ends with."""
Place = tuple[str, int]


class Connections:
    """Opens connections and holds them open, until `close`. Safe for threads."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.context = context or ssl.create_default_context()
        self.context.set_alpn_protocols(["http/1.1"])
        self._lock = threading.Lock()
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._opened: dict[Place, list[httpcore.NetworkStream]] = defaultdict(list)
        self._secured: dict[Place, list[httpcore.NetworkStream]] = defaultdict(list)
        self._tcp = httpcore.SyncBackend()
        self._here = threading.local()
        self._client: httpx.Client | None = None

    def know(self, host: str, addresses: tuple[str, ...]) -> None:
        """Keep the addresses of a name, so that it is not resolved for every connection."""
        with self._lock:
            self._addresses[host] = addresses

    def open(self, host: str, port: int, seconds: float | None) -> str:
        """Open a connection, hold it, and give the address that it leads to. Raises what httpcore does."""
        stream = self._dial(host, port, seconds)
        with self._lock:
            self._opened[host, port].append(stream)
        return str(stream.get_extra_info("server_addr")[0])

    def secure(self, host: str, port: int, seconds: float, context: ssl.SSLContext | None = None) -> bytes:
        """Give the server's certificate in DER. Raises what httpcore does.

        The connection is held where the certificate is verified: with a context of the caller's own, it is not.
        """
        secured = self._shake(host, port, seconds, context or self.context)
        shown: bytes = secured.get_extra_info("socket").getpeercert(binary_form=True) or b""
        if context is not None:
            secured.close()
            return shown
        with self._lock:
            self._secured[host, port].append(secured)
        return shown

    def stream(self, method: str, url: str, seconds: float, **request: Any) -> httpx.Response:
        """Send a request and give the answer, its body still to come: the caller closes it.

        Where the server has closed a connection that was held, the request is sent again over a new one.
        Raises what httpx does; ValueError or ImportError for a proxy in the environment that cannot be used.
        """
        client = self._http()
        made = client.build_request(method, url, timeout=seconds, **request)
        self._here.fresh = False
        try:
            return client.send(made, stream=True)
        except STALE:
            if self._here.fresh:
                raise
            return client.send(made, stream=True)

    def _http(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                # Where a proxy stands between, no connection to the host itself is of use.
                own = None if {"https", "all"} & getproxies().keys() else {"https://": _Held(self)}
                self._client = httpx.Client(follow_redirects=False, verify=self.context, mounts=own)
            return self._client

    def close(self) -> None:
        """Close all that is held."""
        with self._lock:
            client, self._client = self._client, None
            streams = [
                stream for held in (self._opened, self._secured) for at in held.values() for stream in at
            ]
            self._opened.clear()
            self._secured.clear()
        for stream in streams:
            stream.close()
        if client is not None:
            client.close()

    def held(self, host: str, port: int, seconds: float | None) -> httpcore.NetworkStream:
        """Give a connection with TLS that is held, else one without, else a new one."""
        secured = self._take(self._secured, (host, port))
        if secured is not None:
            return _Secured(secured)
        return self._take(self._opened, (host, port)) or self._dial(host, port, seconds)

    def _shake(self, host: str, port: int, seconds: float, context: ssl.SSLContext) -> httpcore.NetworkStream:
        """Begin TLS on a connection that is held; on a new one where there is none, or the server has closed it."""
        held = self._take(self._opened, (host, port))
        if held is not None:
            try:
                return held.start_tls(context, host, seconds)
            except httpcore.ConnectError as error:
                if not isinstance(error.__cause__, ConnectionError):
                    raise
        return self._dial(host, port, seconds).start_tls(context, host, seconds)

    def _take(
        self, held: Mapping[Place, list[httpcore.NetworkStream]], at: Place
    ) -> httpcore.NetworkStream | None:
        with self._lock:
            streams = held.get(at)
            return streams.pop() if streams else None

    def _dial(self, host: str, port: int, seconds: float | None) -> httpcore.NetworkStream:
        """Open a connection to the first address that takes one."""
        self._here.fresh = True
        with self._lock:
            *others, last = self._addresses.get(host) or (host,)
        for address in others:
            try:
                return self._tcp.connect_tcp(address, port, seconds)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._tcp.connect_tcp(last, port, seconds)


class _Secured(httpcore.NetworkStream):
    """A connection whose TLS is there already."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Give the connection itself."""
        del ssl_context, server_hostname, timeout
        return self._stream


class _Backend(httpcore.NetworkBackend):
    """Where httpcore's pool gets its connections from."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Give a connection that is held, else a new one."""
        del local_address, socket_options
        return self._connections.held(host, port, timeout)


class _Held(httpx.HTTPTransport):
    """Sends requests of https over the connections that are held."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(verify=connections.context)
        # httpx has no parameter for it.
        self._pool = httpcore.ConnectionPool(connections.context, network_backend=_Backend(connections))
