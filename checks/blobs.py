"""The blobs of an image, config and layers: at the registry, through the redirect, at their real host."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from acrcheck.api import (
    Clock,
    Each,
    Failure,
    Looking,
    NotApplicableError,
    Observation,
    Request,
    Resolve,
    Resolved,
    Response,
    Target,
    Trouble,
    Wire,
    fail,
    note,
    warn,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.clouds import is_acr, layer_host
from acrcheck.azure.image import ImageReference, place_of
from acrcheck.facts import AccessToken, Manifest, Resolution, Route

from .asking import is_private
from .manifests import CORRUPT, NO_PLATFORM, ToldError, need_image, need_token
from .objects import text
from .sending import REFUSING, TOO_MANY, Client, authorized, refusal

UNREACHABLE = fail(
    "blob-unreachable", "the {what} of {image} is at {host}, which {pod} does not reach (at {step}): {said}"
)
UNTRUSTED = fail(
    "blob-untrusted",
    "the {what} of {image} is at {host}, and {pod} does not trust the certificate served there: {said}",
)
REFUSED = fail("blob-refused", "{host} refused the {what} of {image}: {status} {said}")
UNKNOWN = fail("blob-unknown", "{host} lacks the {what} of {repository}, which its manifest names: {said}")
PLAIN = warn(
    "blob-plain-http", "{host} gives the {what} of {image} over plain HTTP, which anybody may change"
)
READ = note("blob-read", "{what}: {length} bytes from {host}")
AT_PRIVATE = note("blob-address-private", "{host} ({what}) resolves to the private address {address}")
AT_PUBLIC = note("blob-address-public", "{host} ({what}) resolves to the public address {address}")
NOT_PRIVATE = note(
    "data-endpoint-not-private",
    "{registry} is at a private address from there, and {host}, where its layers are, is not: {address}",
)
SEES = (UNREACHABLE, UNTRUSTED, REFUSED, UNKNOWN, CORRUPT, PLAIN, READ, *REFUSING)
CONFIG_SEES = (*SEES, NO_PLATFORM)
LAYER_SEES = (*SEES, AT_PRIVATE, AT_PUBLIC, NOT_PRIVATE)

STEPS = {
    Trouble.UNRESOLVED: "DNS",
    Trouble.CONNECT_TIMEOUT: "TCP",
    Trouble.REFUSED: "TCP",
    Trouble.UNREACHABLE: "TCP",
    Trouble.TLS: "TLS",
}
"""At which step a request stopped, by its trouble; HTTP where it got further."""
MOST_LAYERS = 20
MOST_REDIRECTS = 3
OK, PARTIAL, NOT_FOUND = 200, 206, 404
REDIRECTS = frozenset({301, 302, 303, 307, 308})


def config(
    route: Route, tokens: Each[AccessToken], found: Manifest, wire: Wire, clock: Clock
) -> Looking[None]:
    """The image's config is really downloaded, is what its digest says, and is for the nodes' platforms."""
    blobs = _Blobs(need_image(route), need_token(route, tokens), Client(route.path, wire, clock))
    for digest, size in found.configs:
        request = acr.config_request(route.path.host, blobs.image.repository, digest)
        try:
            host, answer = yield from blobs.download("config", request, (digest, size))
        except ToldError:
            return
        yield READ(what="config", length=answer.length, host=host)
        platform = text(answer.json(), "os"), text(answer.json(), "architecture")
        for wanted in found.platforms:
            if all(platform) and wanted != platform:
                asked, there = "/".join(wanted), "/".join(platform)
                yield NO_PLATFORM(image=blobs.image, platform=asked, platforms=there)


def layer(
    route: Route,
    tokens: Each[AccessToken],
    found: Manifest,
    resolved: Each[Resolution],
    wire: Wire,
    clock: Clock,
    target: Target,
) -> Looking[None]:
    """The first bytes of each layer are really downloaded, through the redirect: of the first twenty layers at most.

    In full, all of each layer is, and must be what its digest says.
    """
    if not found.layers:
        raise NotApplicableError("the image has no layer")
    client = Client(route.path, wire, clock)
    blobs = _Blobs(need_image(route), need_token(route, tokens), client)
    read: dict[str, list[int]] = {}
    try:
        for place, (digest, size) in enumerate(found.layers[: None if target.full else MOST_LAYERS], 1):
            ask = acr.whole_blob_request if target.full and size > 0 else acr.blob_request
            request = ask(route.path.host, blobs.image.repository, digest, size)
            what = f"layer {place} of {len(found.layers)}"
            host, answer = yield from blobs.download(what, request, (digest, size))
            read.setdefault(host, []).append(answer.length)
    except ToldError:
        # One that does not come is enough for the pull to fail, and others would wait as long.
        pass
    for host, lengths in read.items():
        yield READ(what=f"{len(lengths)} of {len(found.layers)} layers", length=sum(lengths), host=host)
    private = any(subject == route.path.subject and at.private for subject, at in resolved.items)
    for host in blobs.hosts:
        yield from _address(client, host, private=private and is_acr(route.path.name))


def _address(client: Client, host: str, *, private: bool) -> Iterator[Observation]:
    """Tell to which address the host of the layers resolves; a failure to is told by the download.

    Where the registry's own address is private, as through a private endpoint, that of its layers must be too.
    """
    answer = client.wire.resolve(client.path.vantage, Resolve(place_of(host)[0]))
    missing = isinstance(answer, Failure) and answer.trouble is Trouble.UNRESOLVED
    public = isinstance(answer, Resolved) and not is_private(answer.addresses)
    if private and (missing or public):
        said = "it does not resolve" if isinstance(answer, Failure) else ", ".join(answer.addresses)
        yield NOT_PRIVATE(registry=client.path.host, host=host, address=said)
    if not isinstance(answer, Failure):
        kind = AT_PRIVATE if is_private(answer.addresses) else AT_PUBLIC
        evidence = {"chain": list(answer.chain)}
        yield kind(host=host, what=layer_host(host), address=", ".join(answer.addresses), evidence=evidence)


@dataclass(frozen=True, slots=True)
class _Blobs:
    image: ImageReference
    token: AccessToken
    client: Client
    hosts: dict[str, None] = field(default_factory=dict)
    """Where the registry sent us."""

    def download(self, what: str, request: Request, blob: tuple[str, int]) -> Any:
        """Ask the registry, follow its redirects without the Authorization header, and look at the bytes.

        Gives the host they came from, and its answer. Raises ToldError after telling why they did not come.
        """
        request = authorized(request, self.token)
        for _ in range(1 + MOST_REDIRECTS):
            host = acr.host_of(request.url)
            answer = yield from self._ask(what, request, host)
            location = answer.header("location")
            if answer.status not in REDIRECTS or not location:
                yield from self._look(what, answer, host, blob)
                return host, answer
            url = acr.redirect(request.url, location)
            if not url:
                yield self._refused(what, host, answer, f"its redirect leads to {location[:120]}")
                raise ToldError
            request = acr.redirected(request, url)
            if acr.host_of(url) != self.client.path.host:
                self.hosts[acr.host_of(url)] = None
            if urlsplit(url).scheme == "http":
                yield PLAIN(what=what, image=self.image, host=acr.host_of(url))
        yield self._refused(what, host, answer, f"more than {MOST_REDIRECTS} redirects")
        raise ToldError

    def _ask(self, what: str, request: Request, host: str) -> Any:
        answer, tries = self.client.ask(request)
        if isinstance(answer, Failure):
            values = {
                "what": what,
                "image": self.image,
                "host": host,
                "pod": self.client.path.begins,
                "said": f"{answer.trouble}: {answer.detail}"[:160],
            }
            if answer.trouble is Trouble.TLS and "certificate" in answer.detail.lower():
                yield UNTRUSTED(**values, evidence=tries)
            else:
                yield UNREACHABLE(**values, step=STEPS.get(answer.trouble, "HTTP"), evidence=tries)
            raise ToldError
        # Elsewhere than at the registry a refusal is the storage's, in words of its own.
        if host == self.client.path.host or answer.status == TOO_MANY:
            refused = tuple(refusal(answer, self.client.path, host, tries))
            yield from refused
            if refused:
                raise ToldError
        if answer.status in {OK, PARTIAL}:
            yield from self.client.unsteady(host, f"GET {what}", tries)
        return answer

    def _look(self, what: str, answer: Response, host: str, blob: tuple[str, int]) -> Iterator[Observation]:
        """Look at what came. Raises ToldError after telling what is wrong with it."""
        said = " ".join((acr.error_of(answer)[1] or answer.body).split())[:160]
        if answer.status == NOT_FOUND:
            values = {"what": what, "repository": self.image.repository, "host": host, "said": said}
            yield UNKNOWN(**values, evidence=acr.evidence_of(answer))
        elif answer.status not in {OK, PARTIAL}:
            yield self._refused(what, host, answer, said)
        elif _is_other(answer, *blob):
            yield CORRUPT(what=what, image=self.image, host=host)
        else:
            return
        raise ToldError

    def _refused(self, what: str, host: str, answer: Response, said: str) -> Observation:
        values = {"what": what, "image": self.image, "host": host, "status": answer.status, "said": said}
        return REFUSED(**values, evidence=acr.evidence_of(answer))


def _is_other(answer: Response, digest: str, size: int) -> bool:
    """Tell whether the bytes are not the blob's: by their digest where all of them came, else by their number."""
    if answer.cut or size <= 0:
        return False
    if answer.length == size:
        return digest.startswith("sha256:") and f"sha256:{answer.sha256}" != digest
    return answer.status == OK or answer.length != min(size, acr.FIRST_BYTES)
