"""The manifest of an image: from its tag to the manifest of each platform."""

from dataclasses import dataclass, field
from typing import Any

from acrcheck.api import Clock, Each, Looking, NotApplicableError, Response, Wire, fail
from acrcheck.azure import registry as acr
from acrcheck.azure.image import ImageReference
from acrcheck.facts import AccessToken, Claim, Manifest, Route

from .objects import mapping, mappings, number, text
from .sending import SENDING, Client, authorized

NO_TAG = fail("tag-unknown", "{host} has no {reference} in {repository}: {said}")
NO_REPOSITORY = fail("repository-unknown", "{host} has no repository {repository}: {said}")
PURGED = fail(
    "platform-manifest-unknown",
    "{host} names manifest {reference} in {repository} and does not have it: {said}",
)
LOCKED = fail("image-locked", "{host} does not give out {repository}:{reference}: {status} {said}")
MANIFEST_REFUSED = fail("manifest-refused", "{host} refused {repository}:{reference}: {status} {said}")
NO_PLATFORM = fail("platform-missing", "{image} has no manifest for {platform}, only for {platforms}")
NOT_AN_IMAGE = fail("manifest-not-an-image", "{image} is no container image: {said}")
CORRUPT = fail("blob-corrupt", "the {what} of {image} from {host} is not what its digest says")
SEES = (
    NO_TAG,
    NO_REPOSITORY,
    PURGED,
    LOCKED,
    MANIFEST_REFUSED,
    NO_PLATFORM,
    NOT_AN_IMAGE,
    CORRUPT,
    *SENDING,
)

Platform = tuple[str, str]
USUAL: Platform = ("linux", "amd64")
DEEPEST = 1
"""How many indexes may lie inside one another below the first."""
MOST_NESTED = 4
"""How many indexes that name no platform are looked into."""
OK, NOT_FOUND, LOCK = 200, 404, 405
NOT_SHIPPED = ("foreign", "nondistributable")
"""Words in the media type of layers that are elsewhere than in the registry."""


class ToldError(Exception):
    """What stands in the way has been told already."""


def need_image(route: Route) -> ImageReference:
    """Give the route's image. Raises NotApplicableError where none is known."""
    if route.image is None:
        raise NotApplicableError("no image of this registry is known: name one with --image")
    return route.image


def need_token(route: Route, tokens: Each[AccessToken]) -> AccessToken:
    """Give the route's token, or one that it shares. Raises NotApplicableError where the registry gave none."""
    wanted = Claim(route).subject
    for subject, token in tokens.items:
        if subject == wanted:
            return token
    raise NotApplicableError(f"no token for {wanted.name}", blocked_by="registry-scope")


def manifest(route: Route, tokens: Each[AccessToken], wire: Wire, clock: Clock) -> Looking[Manifest | None]:
    """The image is there, for the platform of each node."""
    token = need_token(route, tokens)
    reader = _Reader(need_image(route), token, Client(route.path, wire, clock))
    try:
        head = yield from reader.fetch("HEAD", reader.image.reference)
        digest = _digest(head.header("docker-content-digest")) or reader.image.digest
        top = yield from reader.fetch("GET", digest or reader.image.reference)
    except ToldError:
        return None
    if not acr.is_index(top):
        found, platforms = [(digest, top)], route.platforms
    else:
        found, platforms = (yield from _for_platforms(reader, digest, top, route)), ()
    images = []
    for name, answer in found:
        image = _image(name, answer, platforms)
        if image is None:
            yield NOT_AN_IMAGE(image=reader.image, said=acr.artifact_of(answer))
            return None
        images.append(image)
    return _all(images)


@dataclass(frozen=True, slots=True)
class _Reader:
    image: ImageReference
    token: AccessToken
    client: Client
    platforms: dict[str, None] = field(default_factory=dict)
    """The platforms that its indexes name."""

    def fetch(self, method: str, reference: str) -> Any:
        """Ask for a manifest. Raises ToldError after telling why there is none."""
        host = self.client.path.host
        request = acr.manifest_request(method, host, self.image.repository, reference)
        answer = yield from self.client.send(authorized(request, self.token), f"{method} manifest")
        if answer is None:
            raise ToldError
        if answer.status == OK:
            if _is_other(answer, reference):
                yield CORRUPT(what="manifest", image=self.image, host=host)
                raise ToldError
            return answer
        if method == "HEAD":
            # A HEAD has no body: only a GET can say which of the errors it is.
            return (yield from self.fetch("GET", reference))
        yield self._refused(answer, reference)
        raise ToldError

    def _refused(self, answer: Response, reference: str) -> Any:
        code, said = acr.error_of(answer)
        values = {"host": self.client.path.host, "repository": self.image.repository, "said": said}
        evidence = acr.evidence_of(answer)
        if answer.status == NOT_FOUND and code == "NAME_UNKNOWN":
            return NO_REPOSITORY(**values, evidence=evidence)
        if answer.status == NOT_FOUND:
            kind = NO_TAG if reference == self.image.reference else PURGED
            return kind(**values, reference=reference, evidence=evidence)
        locked = answer.status == LOCK or "operation is disallowed" in said.lower()
        kind = LOCKED if locked else MANIFEST_REFUSED
        return kind(**values, reference=reference, status=answer.status, evidence=evidence)


def _is_other(answer: Response, reference: str) -> bool:
    """Tell whether a manifest is not what its digest says: the one asked for, else the one it came with."""
    digest = reference if acr.is_digest(reference) else answer.header("docker-content-digest")
    known = answer.sha256 and answer.length and not answer.cut and digest.startswith("sha256:")
    return bool(known) and f"sha256:{answer.sha256}" != digest


def _for_platforms(reader: _Reader, digest: str, index: Response, route: Route) -> Any:
    """Give digest and manifest for each platform that is wanted; tells of those that are missing."""
    found: dict[str, Response] = {}
    missing = []
    for platform in route.platforms or (None,):
        try:
            chosen = yield from _choose(reader, (digest,), index, platform)
        except ToldError:
            continue
        if chosen is None:
            missing.append(platform or USUAL)
        else:
            found[chosen[0]] = chosen[1]
    for platform in missing:
        told = ", ".join(reader.platforms) or "none"
        yield NO_PLATFORM(image=reader.image, platform="/".join(platform), platforms=told)
    return list(found.items())


def _choose(reader: _Reader, above: tuple[str, ...], index: Response, platform: Platform | None) -> Any:
    """Choose an index's manifest for a platform, also out of indexes inside it; None where there is none."""
    entries = [(_platform(item), item) for item in mappings(index.json(), "manifests")]
    named = [(pair, item) for pair, item in entries if pair]
    reader.platforms.update(dict.fromkeys("/".join(pair) for pair, _ in named))
    named.sort(key=lambda entry: entry[0] != (platform or USUAL))
    chosen = [item for pair, item in named if platform is None or pair == platform][:1]
    nested = [item for pair, item in entries if not pair and text(item, "mediaType") in acr.INDEX_TYPES]
    for item in (*chosen, *nested[:MOST_NESTED]):
        digest = _digest(text(item, "digest"))
        if not digest:
            continue
        answer = None if digest in above else (yield from reader.fetch("GET", digest))
        if answer is not None and not acr.is_index(answer):
            return digest, answer
        if answer is None or len(above) > DEEPEST:
            said = "an index that leads back to itself" if answer is None else "indexes inside one another"
            yield NOT_AN_IMAGE(image=reader.image, said=said)
            raise ToldError
        found = yield from _choose(reader, (*above, digest), answer, platform)
        if found is not None:
            return found
    return None


def _platform(item: dict[str, Any]) -> Platform | None:
    """The platform of an index's entry; None where it names none, as attestations do."""
    pair = text(item, "platform", "os"), text(item, "platform", "architecture")
    return pair if all(pair) and "unknown" not in pair else None


def _digest(text: str) -> str:
    return text if acr.is_digest(text) else ""


def _image(digest: str, answer: Response, platforms: tuple[Platform, ...]) -> Manifest | None:
    """Read config and layers of an image's manifest; None where it is no image's."""
    body = answer.json() or {}
    config, layers = _blob(mapping(body, "config")), mappings(body, "layers")
    whole = isinstance(body.get("layers"), list) and all(_blob(layer)[0] for layer in layers)
    kind = text(body, "config", "mediaType")
    if not config[0] or not whole or (kind and kind not in acr.CONFIG_TYPES):
        return None
    here = [item for item in layers if not any(word in text(item, "mediaType") for word in NOT_SHIPPED)]
    return Manifest(digest, (config,), tuple(dict.fromkeys(_blob(layer) for layer in here)), platforms)


def _blob(descriptor: dict[str, Any]) -> tuple[str, int]:
    return _digest(text(descriptor, "digest")), number(descriptor, "size")


def _all(images: list[Manifest]) -> Manifest | None:
    """Put the manifests of an image's platforms together; what they share is there once."""
    if not images:
        return None
    configs = dict.fromkeys(config for image in images for config in image.configs)
    layers = dict.fromkeys(layer for image in images for layer in image.layers)
    return Manifest(images[0].digest, tuple(configs), tuple(layers), images[0].platforms)
