"""The way from a place in a lab world to a host: names, connections, certificates, and who answers in the end."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import httpx

from acrcheck.cluster.reader import AZURE_IDENTITIES, PODS, Resource
from acrcheck.lab.answers import Handler
from acrcheck.lab.coder import HOST as CODER
from acrcheck.lab.coder import Coder, CoderApi
from acrcheck.lab.hosts import PublicHosts
from acrcheck.lab.imds import Imds
from acrcheck.lab.kube import KINDS, Json
from acrcheck.lab.nmi import Nmi, Settings
from acrcheck.lab.world import Canned, Certificate, Rule, World
from acrcheck.wire.door import Trouble
from acrcheck.wire.pace import IMDS

PLURALS: dict[str, Resource] = {
    resource.plural: resource for resource in KINDS.values() if resource.group == AZURE_IDENTITIES.group
}
INSPECTION = "C=US; O=Contoso; CN=Contoso TLS Inspection CA"
Objection = Literal["", "untrusted", "expired", "name", "version"]
SAYS: dict[type[Exception], Trouble] = {
    httpx.ConnectTimeout: Trouble.CONNECT_TIMEOUT,
    httpx.ReadTimeout: Trouble.TIMEOUT,
    httpx.ConnectError: Trouble.REFUSED,
    httpx.ReadError: Trouble.BROKEN,
}


class StoppedError(Exception):
    """A question went no further: why, and what the client held against a certificate, if it was that."""

    def __init__(self, trouble: Trouble, objection: Objection = "") -> None:
        super().__init__(str(trouble))
        self.trouble = trouble
        self.objection = objection


@dataclass(frozen=True)
class Place:
    """Where a question is put: on a node, in a pod, or (neither) on the operator's own machine."""

    pod: Json | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def node(self) -> str:
        """The node's name."""
        return str(self.pod["spec"]["nodeName"]) if self.pod else ""

    @property
    def names(self) -> frozenset[str]:
        """The words by which a rule may mean this place."""
        if self.pod is None:
            return frozenset({"", "local"})
        return frozenset({"", self.node, str(self.pod["metadata"]["name"])})


class Path:
    """All ways of one world. Safe for threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._imds = {
            node.name: Imds(lambda: world.azure, node.name, world.clock) for node in world.azure.nodes
        }
        self._hosts = PublicHosts(lambda: world.azure, world.clock)
        self._lock = threading.Lock()
        self._broken: set[tuple[str, str, str]] = set()
        """Requests that a flaky way has broken off already."""

    def lookup(self, place: Place, host: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Addresses and chain of names. Raises StoppedError for a name that does not resolve there."""
        known = self._world.network.names.get(host.lower())
        if host == IMDS:
            return (host,), ()
        if known is None or any(rule.effect == "unresolved" for rule in self._rules(place, host)):
            raise StoppedError(Trouble.UNRESOLVED)
        return known.addresses, known.chain

    def open(self, place: Place, host: str, seconds: float) -> str:
        """Open a connection and give the address. Raises StoppedError when none opens."""
        addresses, _ = self.lookup(place, host)
        effects = {rule.effect for rule in self._rules(place, host)}
        if "drop" in effects:
            self._world.clock.sleep(seconds)
            raise StoppedError(Trouble.CONNECT_TIMEOUT)
        if "refuse" in effects:
            raise StoppedError(Trouble.REFUSED)
        return addresses[0]

    def secure(self, place: Place, host: str, seconds: float) -> tuple[Certificate, Objection]:
        """The certificate served, and what the client holds against it. Raises StoppedError when there is none."""
        self.open(place, host, seconds)
        effects = {rule.effect for rule in self._rules(place, host)}
        if "reset" in effects:
            raise StoppedError(Trouble.TLS)
        if "old-tls" in effects:
            raise StoppedError(Trouble.TLS, "version")
        if "silent" in effects:
            self._world.clock.sleep(seconds)
            raise StoppedError(Trouble.TIMEOUT)
        network = self._world.network
        served = next((item for item in network.certificates if _covers(item, host)), None)
        served = served or (network.certificates[0] if network.certificates else Certificate((host,)))
        if "inspect" in effects:
            served = Certificate((host,), INSPECTION, served.expires)
        return served, _objection(served, host, network.trusted, self._world.clock.now())

    def send(self, place: Place, request: httpx.Request, seconds: float) -> httpx.Response:
        """Send a request to whoever answers for its host. Raises StoppedError when nobody does."""
        host = request.url.host
        request.extensions = {
            **request.extensions,
            "timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds),
        }
        handler = self._handler(place, request, seconds)
        try:
            return handler(request)
        except (httpx.TransportError, TimeoutError) as error:
            raise StoppedError(SAYS.get(type(error), Trouble.BROKEN)) from error
        finally:
            del host

    def _handler(self, place: Place, request: httpx.Request, seconds: float) -> Handler:
        host = request.url.host
        if host == IMDS:
            return self._metadata(place, request, seconds)
        if request.url.scheme == "https":
            _, objection = self.secure(place, host, seconds)
            if objection:
                raise StoppedError(Trouble.TLS, objection)
        self._break_off(place, request)
        request.extensions["server"] = self.open(place, host, seconds)
        request.extensions["client"] = self._world.network.egress
        canned = self._canned(request)
        if canned:
            return giving(canned)
        return (
            CoderApi(self._coder, self._world.clock.now)
            if host == CODER and self._world.coder
            else self._hosts
        )

    def _coder(self) -> Coder:
        return self._world.coder or Coder()

    def _break_off(self, place: Place, request: httpx.Request) -> None:
        """Raise StoppedError the first time that a flaky way is asked to carry this."""
        if not any(rule.effect == "flaky" for rule in self._rules(place, request.url.host)):
            return
        key = place.node, request.method, str(request.url)
        with self._lock:
            first = key not in self._broken
            self._broken.add(key)
        if first:
            raise StoppedError(Trouble.BROKEN)

    def _metadata(self, place: Place, request: httpx.Request, seconds: float) -> Handler:
        """Who answers at 169.254.169.254: a proxy, NMI of the node, IMDS of the node, or nobody."""
        world = self._world
        if place.pod is None:
            world.clock.sleep(seconds)
            raise StoppedError(Trouble.CONNECT_TIMEOUT)
        if through_proxy(place.environment):
            return giving(world.network.proxy)
        self.open(place, IMDS, seconds)
        shared = place.pod["spec"].get("hostNetwork")
        if not shared and any(cluster.imds_restricted for cluster in world.azure.clusters):
            world.clock.sleep(seconds)
            raise StoppedError(Trouble.CONNECT_TIMEOUT)
        request.extensions["client"] = place.pod["status"]["podIP"]
        node = world.kubernetes.get(KINDS["Node"], place.node)
        ebpf = node["metadata"]["labels"].get("kubernetes.azure.com/ebpf-host-routing") == "true"
        imds = self._imds[place.node]
        if shared or ebpf or place.node in world.missing_redirects:
            return imds
        found = world.nmi_on(place.node)
        if found is not None:
            view = _Objects(world, blind=place.node in world.blind_nmis)
            return Nmi(view, imds, world.clock, place.node, _settings(found))
        if place.node in world.leftover_redirects:
            raise StoppedError(Trouble.REFUSED)
        return imds

    def _rules(self, place: Place, host: str) -> list[Rule]:
        return [
            rule
            for rule in self._world.network.rules
            if rule.where in place.names and (rule.host == host or (rule.host == "*" and host != IMDS))
        ]

    def _canned(self, request: httpx.Request) -> Canned | None:
        target = f"{request.url.host}{request.url.path}"
        fitting = [key for key in self._world.network.answers if target.startswith(key)]
        return self._world.network.answers[max(fitting, key=len)] if fitting else None


class _Objects:
    """What NMI knows of the cluster; nothing when it has lost the API server."""

    def __init__(self, world: World, *, blind: bool) -> None:
        self._world = world
        self._blind = blind

    def pods_by_ip(self, address: str) -> list[Json]:
        """Pods that have this IP address."""
        if self._blind:
            return []
        pods = self._world.kubernetes.items(PODS)
        return [pod for pod in pods if pod["status"].get("podIP") == address]

    def listed(self, plural: str, namespace: str | None) -> list[Json]:
        """All objects of a kind of AAD Pod Identity's."""
        resource = PLURALS[plural]
        kubernetes = self._world.kubernetes
        return kubernetes.items(resource, namespace or "") if kubernetes.serves(resource) else []


def _settings(pod: Json) -> Settings:
    """Read what NMI's arguments decide, as its own flags are read."""
    words = pod["spec"]["containers"][0].get("args") or []
    mode: Literal["managed", "standard"] = "managed" if "--operation-mode=managed" in words else "standard"
    namespaced = any(word.lower() in {"--forcenamespaced", "--forcenamespaced=true"} for word in words)
    return Settings(mode, namespaced)


def through_proxy(environment: Mapping[str, str]) -> bool:
    """Whether curl sends a request for the metadata service to a proxy: only the variable in lower case counts."""
    if not environment.get("http_proxy"):
        return False
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return not {"*", IMDS} & {entry.strip() for entry in exempt.split(",")}


def giving(canned: Canned) -> Handler:
    """Somebody who answers everything alike."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = b"" if request.method == "HEAD" else canned.body.encode()
        return httpx.Response(canned.status, headers=list(canned.headers), content=body)

    return answer


def _covers(certificate: Certificate, host: str) -> bool:
    return any(
        name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])
        for name in certificate.names
    )


def _objection(served: Certificate, host: str, trusted: frozenset[str], now: datetime) -> Objection:
    if served.issuer not in trusted:
        return "untrusted"
    if served.expires <= now:
        return "expired"
    return "" if _covers(served, host) else "name"


def host_of(url: str) -> str:
    """The host name of a URL."""
    return urlsplit(url).hostname or ""
