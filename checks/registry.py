"""The registry, step by step, from inside the pod."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from acrcheck.api import (
    CannotLookError,
    Check,
    Connect,
    Each,
    Failure,
    Handshake,
    Looking,
    Maybe,
    NotApplicableError,
    Observation,
    Request,
    Resolve,
    Response,
    Target,
    Trouble,
    Vantage,
    Wire,
    fail,
    note,
    warn,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.clouds import cloud_of, is_acr
from acrcheck.azure.image import ImageReference, ImageReferenceError, parse_image
from acrcheck.facts import (
    AccessToken,
    Challenged,
    Manifest,
    Nodes,
    Open,
    OwnToken,
    Pod,
    RefreshToken,
    Resolution,
    Route,
    Tokens,
    Trusted,
    Workload,
)

from . import token as asking
from .objects import mapping, mappings, number, text

UNRESOLVED = fail("registry-unresolved", "{host} does not resolve from {pod}{said}")
OTHERS_RESOLVE = note("other-names-resolve", "{other} resolves from {pod}")
NONE_RESOLVE = note("no-name-resolves", "{other} does not resolve from {pod} either")
PRIVATE = note("registry-address-private", "{host} resolves to the private address {address}")
PUBLIC = note("registry-address-public", "{host} resolves to the public address {address}")
PRIVATE_LINK = note(
    "registry-has-private-endpoint", "{host} is an alias of {alias}: it has a private endpoint"
)
NO_CONNECTION = fail("registry-connect-timeout", "no connection from {pod} to {host}:443: {said}")
CONNECTION_REFUSED = fail("registry-connect-refused", "connection from {pod} to {host}:443 refused: {said}")
UNTRUSTED = fail(
    "registry-untrusted", "{pod} does not trust {host}'s certificate, issued by {issuer}: {said}"
)
CERTIFICATE_DATES = fail("registry-certificate-dates", "{host}'s certificate is not valid now: {said}")
CERTIFICATE_NAME = fail(
    "registry-certificate-name", "{host}'s certificate is for other names ({names}): {said}"
)
NO_HANDSHAKE = fail("registry-no-handshake", "no TLS with {host} from {pod}: {said}")
NO_CHALLENGE = fail(
    "registry-no-challenge", "{host} answered /v2/ with {status}, not with a registry's challenge: {said}"
)
NOT_ACR = fail(
    "registry-challenge-not-acr", "{host}'s challenge names realm {realm!r}, not ACR's /oauth2/token"
)
DENIED = fail("registry-ip-denied", "{host} answered 403: client {ip} is not allowed access", "said")
FORBIDDEN = fail("registry-forbidden", "{host} answered 403 without naming an address: {said}")
THROTTLED = fail("registry-throttled", "{host} answered 429 (retry after {after} s): {said}")
SERVER_ERROR = fail("registry-server-error", "{host} answered {status}: {said}")
LOST = fail("registry-lost", "{host} gave no answer to {step} from {pod}: {said}")
REFUSED_BOTH = fail(
    "exchange-refused",
    "{host} answered 401 at /oauth2/exchange to the token of object id {oid} ({audiences}; tenant {tenant})",
    "said",
)
ARM_REFUSED = fail(
    "arm-token-refused",
    "{host} takes the token for the registry's audience and refuses the one for ARM (401), which coderd asks for "
    "as far as is known (inferred)",
)
ARM_REFUSED_OTHER = warn(
    "arm-token-refused-elsewhere",
    "{host} refuses tokens for ARM (401) and takes those for the registry's audience",
)
EXCHANGED = note("exchange-ok", "{host} exchanged the identity's token")
TOKEN_REFUSED = fail(
    "access-token-refused", "{host} refused a token with scope {scope}: {status} {said}", "oid"
)
NOT_GRANTED = fail(
    "pull-not-granted", "{host}'s token grants {actions} on {repository}, not pull (object id {oid})"
)
NO_METADATA = warn(
    "metadata-not-granted", "the token grants pull on {repository} but not metadata_read: Coder lists tags"
)
GRANTED = note("pull-granted", "the token grants {actions} on {repository}")
NO_TAG = fail("tag-unknown", "{host} has no {reference} in {repository}: {said}")
NO_REPOSITORY = fail("repository-unknown", "{host} has no repository {repository}: {said}")
PURGED = fail(
    "platform-manifest-unknown",
    "{host} has the index of {repository} and not its manifest {reference}: {said}",
)
LOCKED = fail("image-locked", "{host} does not give out {repository}:{reference}: {status} {said}")
MANIFEST_REFUSED = fail("manifest-refused", "{host} refused {repository}:{reference}: {status} {said}")
NO_PLATFORM = fail("platform-missing", "{image} has no manifest for {platform}, only for {platforms}")
NOT_AN_IMAGE = fail("manifest-not-an-image", "{image} is no container image: {said}")
BLOB_UNREACHABLE = fail(
    "blob-unreachable", "the {what} of {image} is at {host}, which {pod} does not reach: {said}"
)
BLOB_REFUSED = fail("blob-refused", "{host} refused the {what} of {image}: {status} {said}")
BLOB_CORRUPT = fail("blob-corrupt", "the {what} of {image} from {host} is not what its digest says")
PULLED = note("blob-read", "{what}: {length} bytes from {host}")

IP = re.compile(r"client with IP '?(?:\\u0027)?([0-9a-fA-F.:]+)")
OK, PARTIAL, UNAUTHORIZED, NOT_FORBIDDEN, NOT_FOUND, LOCK, TOO_MANY = 200, 206, 401, 403, 404, 405, 429
SERVER = 500
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 3


def routes(
    pods: Each[Pod],
    asked: Each[Tokens],
    owned: Each[OwnToken],
    nodes: Maybe[Nodes],
    workload: Workload,
    target: Target,
) -> Looking[Each[Route]]:
    """Which registry and image, with which credential, from where: one pod on each node."""
    image = _image(workload, target)
    host = target.registry or (image.host if image else "")
    if not host:
        raise NotApplicableError("no registry is known: name one with --registry or --image")
    vantages = {subject: given.vantage for subject, given in asked.items}
    tokens = dict(owned.items)
    known = nodes.value.by_name if nodes.value else {}
    chosen: dict[str, Route] = {}
    for pod in sorted(pods, key=lambda pod: (pod.subject not in tokens, pod.name)):
        if pod.exec_problem or pod.node in chosen:
            continue
        node = known.get(pod.node)
        chosen[pod.node] = Route(
            pod=pod.name,
            node=pod.node,
            vantage=vantages.get(
                pod.subject, Vantage("exec", pod.namespace, pod.name, pod.container, pod.node)
            ),
            host=host,
            image=image,
            credential="pod identity",
            tokens=tokens.get(pod.subject),
            platform=(node.os, node.arch) if node else ("linux", "amd64"),
        )
    yield from ()
    return Each(tuple((route.subject, route) for _, route in sorted(chosen.items())))


def _image(workload: Workload, target: Target) -> ImageReference | None:
    """The image named, else the workload's own from the registry."""
    texts = [target.image] if target.image else []
    for field in ("containers", "initContainers"):
        texts += [text(item, "image") for item in mappings(workload.pod_spec, field)]
    for reference in texts:
        try:
            image = parse_image(reference)
        except ImageReferenceError:
            continue
        if (
            reference == target.image
            or image.host == target.registry
            or (not target.registry and is_acr(image.host))
        ):
            return image
    return None


def dns(route: Route, wire: Wire, target: Target) -> Looking[Resolution | None]:
    """The registry's name resolves."""
    answer = wire.resolve(route.vantage, Resolve(route.host))
    if isinstance(answer, Failure):
        asking.refuse_blind(answer, route.pod)
        yield UNRESOLVED(host=route.host, pod=route.pod, said=_resolver_says(answer, route.host))
        yield from _other_name(route, wire, target)
        return None
    private = bool(answer.addresses) and all(_is_private(address) for address in answer.addresses)
    yield (PRIVATE if private else PUBLIC)(
        host=route.host, address=", ".join(answer.addresses), evidence={"chain": list(answer.chain)}
    )
    alias = next((name for name in answer.chain if ".privatelink." in name), "")
    if alias:
        yield PRIVATE_LINK(host=route.host, alias=alias)
    return Resolution(answer.addresses, private)


def _resolver_says(answer: Failure, host: str) -> str:
    """Give what the resolver adds to the name's not resolving."""
    said = answer.detail.replace(f"{host} does not resolve", "").strip(" :")
    return f": {said}" if said else ""


def _other_name(route: Route, wire: Wire, target: Target) -> Iterator[Observation]:
    other = cloud_of(target.cloud, route.host).authority.removeprefix("https://")
    answer = wire.resolve(route.vantage, Resolve(other))
    yield (NONE_RESOLVE if isinstance(answer, Failure) else OTHERS_RESOLVE)(other=other, pod=route.pod)


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


def tcp(route: Route, resolved: Resolution, wire: Wire) -> Looking[Open | None]:
    """A connection to the registry opens."""
    del resolved
    answer = wire.connect(route.vantage, Connect(route.host, 443))
    if not isinstance(answer, Failure):
        return Open(answer.address)
    asking.refuse_blind(answer, route.pod)
    if answer.trouble is Trouble.REFUSED:
        yield CONNECTION_REFUSED(host=route.host, pod=route.pod, said=answer.detail)
    else:
        said = answer.detail or str(answer.trouble)
        yield NO_CONNECTION(host=route.host, pod=route.pod, said=said)
    return None


def tls(route: Route, opened: Open, wire: Wire) -> Looking[Trusted | None]:
    """The registry's certificate is trusted, and who signed it."""
    del opened
    answer = wire.handshake(route.vantage, Handshake(route.host))
    if isinstance(answer, Failure):
        asking.refuse_blind(answer, route.pod)
        yield NO_HANDSHAKE(host=route.host, pod=route.pod, said=answer.detail or str(answer.trouble))
        return None
    if not answer.problem:
        return Trusted(answer.issuer)
    problem = answer.problem.lower()
    said = answer.problem[:160]
    if "expired" in problem or "not yet valid" in problem:
        yield CERTIFICATE_DATES(host=route.host, said=f"{said} (expires {answer.expires})")
    elif "subject name" in problem or "hostname" in problem or "does not match" in problem:
        yield CERTIFICATE_NAME(host=route.host, names=", ".join(answer.names) or answer.subject, said=said)
    else:
        yield UNTRUSTED(pod=route.pod, host=route.host, issuer=answer.issuer or "unknown", said=said)
    return None


def _send(route: Route, wire: Wire, request: Request, step: str) -> Any:
    """Send a request; yields what the path itself went wrong with, and gives the response or None."""
    answer = wire.request(route.vantage, request)
    if isinstance(answer, Failure):
        asking.refuse_blind(answer, route.pod)
        yield LOST(host=route.host, pod=route.pod, step=step, said=f"{answer.trouble}: {answer.detail}"[:200])
        return None
    code, said = acr.error_of(answer)
    evidence = {"correlationId": acr.correlation(answer), "code": code}
    if answer.status == NOT_FORBIDDEN:
        ip = IP.search(said)
        if ip:
            yield DENIED(host=route.host, ip=ip[1], said=said, evidence=evidence)
        else:
            yield FORBIDDEN(host=route.host, said=said, evidence=evidence)
        return None
    if answer.status == TOO_MANY:
        after = answer.header("retry-after") or "?"
        yield THROTTLED(host=route.host, after=after, said=said, evidence=evidence)
        return None
    if answer.status >= SERVER:
        yield SERVER_ERROR(host=route.host, status=answer.status, said=said, evidence=evidence)
        return None
    return answer


SENDING = (LOST, DENIED, FORBIDDEN, THROTTLED, SERVER_ERROR)
"""What any request to the registry may meet on its way."""


def challenge(route: Route, trusted: Trusted, wire: Wire) -> Looking[Challenged | None]:
    """`/v2/` answers with ACR's challenge."""
    del trusted
    answer = yield from _send(route, wire, acr.challenge_request(route.host), "GET /v2/")
    if answer is None:
        return None
    found = acr.read_challenge(answer)
    if answer.status != UNAUTHORIZED or found is None:
        yield NO_CHALLENGE(host=route.host, status=answer.status, said=answer.body.strip()[:120])
        return None
    if found.scheme != "bearer" or not found.realm.endswith("/oauth2/token"):
        yield NOT_ACR(host=route.host, realm=found.realm or found.scheme)
        return None
    return Challenged(found.service or route.host)


def exchange(
    route: Route, challenged: Challenged, wire: Wire, target: Target, workload: Workload
) -> Looking[RefreshToken | None]:
    """The registry takes the identity's token, for both audiences."""
    own = route.tokens
    if own is None:
        raise NotApplicableError("no token of the identity's own", blocked_by="token-identity")
    cloud = cloud_of(target.cloud, route.host)
    tenant, oid = str(own.claims.get("tid", "")), str(own.claims.get("oid", ""))
    given = {cloud.registry_audience: own.registry, cloud.arm_audience: own.arm}
    answers: dict[str, Response] = {}
    for audience, spoken in given.items():
        if spoken is None or not spoken.token:
            continue
        request = acr.exchange_request(route.host, challenged.service, spoken.token, tenant)
        answer = yield from _send(route, wire, request, "POST /oauth2/exchange")
        if answer is None:
            return None
        answers[audience] = answer
    if not answers:
        raise NotApplicableError("no token for ARM or for the registry was given", blocked_by="token")
    taken = {audience: answer for audience, answer in answers.items() if answer.status == OK}
    if not taken:
        worst = next(iter(answers.values()))
        audiences = ", ".join(answers)
        said = acr.error_of(worst)[1]
        if worst.status != UNAUTHORIZED:
            raise CannotLookError(
                f"malformed: {route.host} answered the exchange with {worst.status}: {said}"
            )
        evidence = {"correlationId": acr.correlation(worst), "status": worst.status}
        yield REFUSED_BOTH(
            host=route.host, audiences=audiences, oid=oid, tenant=tenant, said=said, evidence=evidence
        )
        return None
    yield EXCHANGED(host=route.host)
    if cloud.arm_audience in answers and cloud.arm_audience not in taken:
        yield (ARM_REFUSED if workload.coder else ARM_REFUSED_OTHER)(host=route.host)
    token = text(next(iter(taken.values())).json(), "refresh_token")
    if not token:
        raise CannotLookError(f"malformed: {route.host} answered the exchange with 200 and no refresh_token")
    return RefreshToken(token)


def access(
    route: Route, challenged: Challenged, refresh: RefreshToken, wire: Wire
) -> Looking[AccessToken | None]:
    """The registry's token really grants pull and metadata_read on the image's repository."""
    image = _need_image(route)
    scope = f"repository:{image.repository}:pull,metadata_read"
    oid = str(route.tokens.claims.get("oid", "")) if route.tokens else ""
    request = acr.token_request(route.host, challenged.service, scope, refresh.handle)
    answer = yield from _send(route, wire, request, "POST /oauth2/token")
    if answer is None:
        return None
    handle = text(answer.json(), "access_token")
    if answer.status != OK or not handle:
        said = acr.error_of(answer)[1]
        yield TOKEN_REFUSED(host=route.host, scope=scope, status=answer.status, said=said, oid=oid)
        return None
    secret = answer.secret(handle)
    if secret is None or not secret.claims:
        raise CannotLookError(
            f"malformed: {route.host} gave an access token that does not say what it grants"
        )
    actions = acr.granted(secret.claims, image.repository)
    granted = ", ".join(sorted(actions)) or "nothing"
    if not actions & {"pull", "*"}:
        yield NOT_GRANTED(host=route.host, actions=granted, repository=image.repository, oid=oid)
        return None
    yield GRANTED(actions=granted, repository=image.repository)
    if not actions & {"metadata_read", "*"}:
        yield NO_METADATA(repository=image.repository)
    return AccessToken(handle, actions)


def _need_image(route: Route) -> ImageReference:
    if route.image is None:
        raise NotApplicableError("no image of this registry is known: name one with --image")
    return route.image


def manifest(route: Route, token: AccessToken, wire: Wire) -> Looking[Manifest | None]:
    """The image is there, for the node's platform."""
    image = _need_image(route)
    head = yield from _manifest(route, wire, token, "HEAD", image.reference)
    if head is None:
        return None
    answer = yield from _manifest(route, wire, token, "GET", image.reference)
    digest = head.header("docker-content-digest") or image.digest
    if answer is not None and acr.is_index(answer):
        digest = yield from _for_platform(answer, route)
        answer = (yield from _manifest(route, wire, token, "GET", digest)) if digest else None
    if answer is None:
        return None
    body = answer.json() or {}
    config, layers = _blob(mapping(body, "config")), mappings(body, "layers")
    whole = isinstance(body.get("layers"), list) and all(text(layer, "digest") for layer in layers)
    kind = text(body, "config", "mediaType")
    if not config[0] or not whole or (kind and kind not in acr.CONFIG_TYPES):
        said = kind or text(body, "mediaType") or answer.header("content-type") or "no config"
        yield NOT_AN_IMAGE(image=image, said=said)
        return None
    return Manifest(digest, config, tuple(_blob(layer) for layer in layers))


def _blob(descriptor: dict[str, Any]) -> tuple[str, int]:
    return text(descriptor, "digest"), number(descriptor, "size")


def _manifest(route: Route, wire: Wire, token: AccessToken, method: str, reference: str) -> Any:
    image = _need_image(route)
    request = acr.manifest_request(method, route.host, image.repository, reference, token.handle)
    answer = yield from _send(route, wire, request, f"{method} manifest")
    if answer is None or answer.status == OK:
        return answer
    if method == "HEAD":
        # A HEAD has no body: only a GET can say which of the errors it is.
        return (yield from _manifest(route, wire, token, "GET", reference))
    code, said = acr.error_of(answer)
    values = {"host": route.host, "repository": image.repository, "said": said}
    if answer.status == NOT_FOUND:
        if code == "NAME_UNKNOWN":
            yield NO_REPOSITORY(**values)
        else:
            yield (NO_TAG if reference == image.reference else PURGED)(**values, reference=reference)
    else:
        kind = LOCKED if answer.status == LOCK else MANIFEST_REFUSED
        yield kind(**values, reference=reference, status=answer.status)
    return None


def _for_platform(index: Response, route: Route) -> Any:
    """Choose the index's manifest for the node's platform; yields what is there instead."""
    wanted = route.platform
    found = []
    for item in mappings(index.json(), "manifests"):
        pair = (text(item, "platform", "os"), text(item, "platform", "architecture"))
        if pair == wanted and text(item, "digest"):
            return text(item, "digest")
        if pair != wanted and all(pair) and "unknown" not in pair:
            found.append("/".join(pair))
    yield NO_PLATFORM(image=route.image, platform="/".join(wanted), platforms=", ".join(found) or "none")
    return ""


def config(route: Route, token: AccessToken, found: Manifest, wire: Wire) -> Looking[None]:
    """The image's config is really downloaded, and is what its digest says."""
    yield from _download(route, token, wire, "config", found.config)


def layer(route: Route, token: AccessToken, found: Manifest, wire: Wire) -> Looking[None]:
    """The first bytes of the first layer are really downloaded, through the redirect."""
    if not found.layers:
        raise NotApplicableError("the image has no layer")
    yield from _download(route, token, wire, "first layer", found.layers[0])


def _download(route: Route, token: AccessToken, wire: Wire, what: str, blob: tuple[str, int]) -> Any:
    """Ask the registry, follow its redirects without the Authorization header, and look at the bytes."""
    image, (digest, size) = _need_image(route), blob
    request = acr.blob_request(route.host, image.repository, digest, token.handle, size)
    host, status = route.host, 0
    for _ in range(MOST_REDIRECTS):
        answer = wire.request(route.vantage, request)
        if isinstance(answer, Failure):
            asking.refuse_blind(answer, route.pod)
            said = f"{answer.trouble}: {answer.detail}"[:160]
            yield BLOB_UNREACHABLE(what=what, image=image, host=host, pod=route.pod, said=said)
            return
        location, status = answer.header("location"), answer.status
        if answer.status not in REDIRECTS or not location:
            yield from _bytes(answer, image, what, host, blob)
            return
        url = acr.redirect(request.url, location)
        if not url:
            said = f"its redirect leads to {location[:120]}"
            yield BLOB_REFUSED(what=what, image=image, host=host, status=status, said=said)
            return
        host, request = acr.host_of(url), acr.redirected_request(url, size)
    said = f"more than {MOST_REDIRECTS} redirects"
    yield BLOB_REFUSED(what=what, image=image, host=host, status=status, said=said)


def _bytes(
    answer: Response, image: ImageReference, what: str, host: str, blob: tuple[str, int]
) -> Iterator[Observation]:
    digest, size = blob
    if answer.status not in {OK, PARTIAL}:
        said = " ".join(answer.body.split())[:160]
        yield BLOB_REFUSED(what=what, image=image, host=host, status=answer.status, said=said)
    elif _is_other(answer, digest, size):
        yield BLOB_CORRUPT(what=what, image=image, host=host)
    else:
        yield PULLED(what=what, length=answer.length, host=host)


def _is_other(answer: Response, digest: str, size: int) -> bool:
    """Tell whether the bytes are not the blob's: by their digest where all of them came, else by their number."""
    if answer.cut or size <= 0:
        return False
    if answer.length == size:
        return digest.startswith("sha256:") and f"sha256:{answer.sha256}" != digest
    return answer.status == OK or answer.length != min(size, acr.FIRST_BYTES)


CHECKS = (
    Check("registry-routes", "registry, image and pods to ask from are known", routes),
    Check(
        "registry-dns",
        "the registry's name resolves",
        dns,
        sees=(UNRESOLVED, OTHERS_RESOLVE, NONE_RESOLVE, PRIVATE, PUBLIC, PRIVATE_LINK),
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-tcp",
        "a connection opens",
        tcp,
        sees=(NO_CONNECTION, CONNECTION_REFUSED),
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-tls",
        "its certificate is trusted",
        tls,
        sees=(UNTRUSTED, CERTIFICATE_DATES, CERTIFICATE_NAME, NO_HANDSHAKE),
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-challenge",
        "it asks for ACR's token",
        challenge,
        sees=(NO_CHALLENGE, NOT_ACR, *SENDING),
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-exchange",
        "it takes the identity's token",
        exchange,
        sees=(REFUSED_BOTH, ARM_REFUSED, ARM_REFUSED_OTHER, EXCHANGED, *SENDING),
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-scope",
        "it grants pull on the repository",
        access,
        sees=(TOKEN_REFUSED, NOT_GRANTED, NO_METADATA, GRANTED, *SENDING),
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-manifest",
        "the image is there for the node's platform",
        manifest,
        sees=(NO_TAG, NO_REPOSITORY, PURGED, LOCKED, MANIFEST_REFUSED, NO_PLATFORM, NOT_AN_IMAGE, *SENDING),
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-config",
        "its config can be downloaded",
        config,
        sees=(BLOB_UNREACHABLE, BLOB_REFUSED, BLOB_CORRUPT, PULLED),
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-layer",
        "its first layer can be downloaded",
        layer,
        sees=(BLOB_UNREACHABLE, BLOB_REFUSED, BLOB_CORRUPT, PULLED),
        each=Route,
        asks=asking.EXEC,
    ),
)
