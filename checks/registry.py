"""The registry, step by step."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from acrcheck.api import (
    CannotLookError,
    Check,
    Connect,
    Each,
    Failure,
    Handshake,
    Kind,
    Looking,
    NotApplicableError,
    Observation,
    Request,
    Resolve,
    Response,
    Target,
    Trouble,
    Wire,
    fail,
    note,
    warn,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.clouds import cloud_of, is_acr
from acrcheck.azure.image import ImageReference
from acrcheck.facts import (
    AccessToken,
    Challenged,
    Credential,
    Keyring,
    Manifest,
    Open,
    OwnToken,
    Path,
    RefreshToken,
    Resolution,
    Route,
    Trusted,
)

from . import asking
from .objects import mapping, mappings, number, text

UNRESOLVED = fail("registry-unresolved", "{host} does not resolve from {pod}{said}")
OTHERS_RESOLVE = note("other-names-resolve", "{other} resolves from {pod}")
NONE_RESOLVE = note("no-name-resolves", "{other} does not resolve from {pod} either")
PRIVATE = note("registry-address-private", "{host} resolves to the private address {address}")
PUBLIC = note("registry-address-public", "{host} resolves to the public address {address}")
NO_CONNECTION = fail("registry-connect-timeout", "no connection from {pod} to {name}:{port}: {said}", "host")
CONNECTION_REFUSED = fail(
    "registry-connect-refused", "connection from {pod} to {name}:{port} refused: {said}", "host"
)
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
NOT_AZURE = note(
    "registry-not-azure", "{host} is no Azure registry (it asks for {asks}): steps of ACR's own do not apply"
)
SECRET_PULLS = note("pull-secret-grants", "{host} grants pull on {repository} to {credential}")
PASSED_OVER = note("pull-secret-passed-over", "passed over by the kubelet, which tries the next: {said}")
_REFUSED = "{host} refused {credential}: {status} {said}"
ADMIN_REFUSED = fail("admin-refused", _REFUSED, "username", "secret")
PRINCIPAL_REFUSED = fail("principal-refused", _REFUSED, "username", "secret")
PRINCIPAL_UNKNOWN = fail("principal-unknown", _REFUSED, "username", "secret")
ENTRA_TOKEN_REFUSED = fail("entra-token-refused", _REFUSED, "username", "secret")
NAME_REFUSED = fail("name-refused", _REFUSED, "username", "secret")
SECRET_WITHOUT_PULL = fail(
    "pull-secret-without-pull",
    "{host} grants {actions} on {repository} to {credential}, not pull",
    "username",
    "secret",
)
SECRETS_SEEN = (
    SECRET_PULLS,
    PASSED_OVER,
    ADMIN_REFUSED,
    PRINCIPAL_REFUSED,
    PRINCIPAL_UNKNOWN,
    ENTRA_TOKEN_REFUSED,
    NAME_REFUSED,
    SECRET_WITHOUT_PULL,
)
"""What a registry may say to a pull secret's credentials."""

IP = re.compile(r"client with IP '?(?:\\u0027)?([0-9a-fA-F.:]+)")
F = TypeVar("F")
OK, PARTIAL, UNAUTHORIZED, NOT_FORBIDDEN, NOT_FOUND, LOCK, TOO_MANY = 200, 206, 401, 403, 404, 405, 429
SERVER = 500
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 3


def dns(path: Path, wire: Wire, target: Target) -> Looking[Resolution | None]:
    """The registry's name resolves."""
    answer = wire.resolve(path.vantage, Resolve(path.name))
    if isinstance(answer, Failure):
        asking.refuse_blind(answer, path.begins)
        yield UNRESOLVED(host=path.host, pod=path.begins, said=_resolver_says(answer, path.host))
        yield from _other_name(path, wire, target)
        return None
    private = bool(answer.addresses) and all(_is_private(address) for address in answer.addresses)
    # A private address says something of an Azure registry only: another's may simply be in this network.
    if is_acr(path.name) or not private:
        yield (PRIVATE if private else PUBLIC)(
            host=path.host, address=", ".join(answer.addresses), evidence={"chain": list(answer.chain)}
        )
    return Resolution(answer.addresses, private)


def _resolver_says(answer: Failure, host: str) -> str:
    """Give what the resolver adds to the name's not resolving."""
    said = answer.detail.replace(f"{host} does not resolve", "").strip(" :")
    return f": {said}" if said else ""


def _other_name(path: Path, wire: Wire, target: Target) -> Iterator[Observation]:
    other = cloud_of(target.cloud, path.host).authority.removeprefix("https://")
    answer = wire.resolve(path.vantage, Resolve(other))
    yield (NONE_RESOLVE if isinstance(answer, Failure) else OTHERS_RESOLVE)(other=other, pod=path.begins)


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


def tcp(path: Path, resolved: Resolution, wire: Wire) -> Looking[Open | None]:
    """A connection to the registry opens."""
    del resolved
    answer = wire.connect(path.vantage, Connect(path.name, path.port))
    if not isinstance(answer, Failure):
        return Open(answer.address)
    asking.refuse_blind(answer, path.begins)
    said = answer.detail or str(answer.trouble)
    kind = CONNECTION_REFUSED if answer.trouble is Trouble.REFUSED else NO_CONNECTION
    yield kind(host=path.host, name=path.name, port=path.port, pod=path.begins, said=said)
    return None


def tls(path: Path, opened: Open, wire: Wire) -> Looking[Trusted | None]:
    """The registry's certificate is trusted, and who signed it."""
    del opened
    answer = wire.handshake(path.vantage, Handshake(path.name, path.port))
    if isinstance(answer, Failure):
        asking.refuse_blind(answer, path.begins)
        yield NO_HANDSHAKE(host=path.host, pod=path.begins, said=answer.detail or str(answer.trouble))
        return None
    if not answer.problem:
        return Trusted(answer.issuer)
    problem = answer.problem.lower()
    said = answer.problem[:160]
    if "expired" in problem or "not yet valid" in problem:
        yield CERTIFICATE_DATES(host=path.host, said=f"{said} (expires {answer.expires})")
    elif "subject name" in problem or "hostname" in problem or "does not match" in problem:
        yield CERTIFICATE_NAME(host=path.host, names=", ".join(answer.names) or answer.subject, said=said)
    else:
        yield UNTRUSTED(pod=path.begins, host=path.host, issuer=answer.issuer or "unknown", said=said)
    return None


def _send(path: Path, wire: Wire, request: Request, step: str) -> Any:
    """Send a request; yields what the path itself went wrong with, and gives the response or None."""
    answer = wire.request(path.vantage, request)
    if isinstance(answer, Failure):
        asking.refuse_blind(answer, path.begins)
        yield LOST(
            host=path.host, pod=path.begins, step=step, said=f"{answer.trouble}: {answer.detail}"[:200]
        )
        return None
    code, said = acr.error_of(answer)
    evidence = {"correlationId": acr.correlation(answer), "code": code}
    if answer.status == NOT_FORBIDDEN:
        ip = IP.search(said)
        if ip:
            yield DENIED(host=path.host, ip=ip[1], said=said, evidence=evidence)
        else:
            yield FORBIDDEN(host=path.host, said=said, evidence=evidence)
        return None
    if answer.status == TOO_MANY:
        after = answer.header("retry-after") or "?"
        yield THROTTLED(host=path.host, after=after, said=said, evidence=evidence)
        return None
    if answer.status >= SERVER:
        yield SERVER_ERROR(host=path.host, status=answer.status, said=said, evidence=evidence)
        return None
    return answer


SENDING = (LOST, DENIED, FORBIDDEN, THROTTLED, SERVER_ERROR)
"""What any request to the registry may meet on its way."""


def challenge(path: Path, trusted: Trusted, wire: Wire) -> Looking[Challenged | None]:
    """`/v2/` answers with ACR's challenge."""
    del trusted
    answer = yield from _send(path, wire, acr.challenge_request(path.host), "GET /v2/")
    if answer is None:
        return None
    found = acr.read_challenge(answer)
    if answer.status != UNAUTHORIZED or found is None:
        yield NO_CHALLENGE(host=path.host, status=answer.status, said=answer.body.strip()[:120])
        return None
    if not is_acr(path.host) and (found.scheme == "basic" or (found.scheme == "bearer" and found.realm)):
        yield NOT_AZURE(host=path.host, asks=found.realm or found.scheme)
    elif found.scheme != "bearer" or not found.realm.endswith("/oauth2/token"):
        yield NOT_ACR(host=path.host, realm=found.realm or found.scheme)
        return None
    return Challenged(found.service or path.host, found.realm, found.scheme)


def _own(path: Path) -> OwnToken:
    """Give the identity's tokens. Raises NotApplicableError where there are none, or none that is wanted."""
    if not path.identity:
        raise NotApplicableError(f"the pod identity is not for {path.host}")
    if not is_acr(path.host):
        raise NotApplicableError(f"{path.host} is no Azure registry: it takes no token of Entra's")
    if path.tokens is None:
        raise NotApplicableError("no token of the identity's own", blocked_by="token-identity")
    return path.tokens


def exchange(path: Path, challenged: Challenged, wire: Wire, target: Target) -> Looking[RefreshToken | None]:
    """The registry takes the identity's token, for both audiences."""
    own = _own(path)
    cloud = cloud_of(target.cloud, path.host)
    tenant, oid = str(own.claims.get("tid", "")), str(own.claims.get("oid", ""))
    given = {cloud.registry_audience: own.registry, cloud.arm_audience: own.arm}
    answers: dict[str, Response] = {}
    for audience, spoken in given.items():
        if spoken is None or not spoken.token:
            continue
        request = acr.exchange_request(path.host, challenged.service, spoken.token, tenant)
        answer = yield from _send(path, wire, request, "POST /oauth2/exchange")
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
            raise CannotLookError(f"malformed: {path.host} answered the exchange with {worst.status}: {said}")
        evidence = {"correlationId": acr.correlation(worst), "status": worst.status}
        yield REFUSED_BOTH(
            host=path.host, audiences=audiences, oid=oid, tenant=tenant, said=said, evidence=evidence
        )
        return None
    yield EXCHANGED(host=path.host)
    if cloud.arm_audience in answers and cloud.arm_audience not in taken:
        yield (ARM_REFUSED if path.coder else ARM_REFUSED_OTHER)(host=path.host)
    token = text(next(iter(taken.values())).json(), "refresh_token")
    if not token:
        raise CannotLookError(f"malformed: {path.host} answered the exchange with 200 and no refresh_token")
    return RefreshToken(token)


def routes(found: Each[Path], keyrings: Each[Keyring]) -> Looking[Each[Route]]:
    """Each way to an image: as the pod identity from each node, and with the pull secrets of each image."""
    ways = [Route(path, path.image) for path in found if path.identity]
    for ring in keyrings:
        wanted = ring.image.reference
        if ring.credentials and wanted:
            ways += [Route(path, wanted, ring.credentials) for path in found if path.host == wanted.host][:1]
    yield from ()
    return Each(tuple((way.subject, way) for way in ways))


def access(
    route: Route, challenged: Each[Challenged], refreshed: Each[RefreshToken], wire: Wire
) -> Looking[AccessToken | None]:
    """The registry's token really grants pull and metadata_read on the image's repository."""
    image = _need_image(route)
    asked = _on_path(challenged, route, "registry-challenge")
    if route.credentials:
        taken: AccessToken | None = yield from _with_secrets(route, image, asked, wire)
        return taken
    refresh = _on_path(refreshed, route, "registry-exchange")
    path = route.path
    scope = f"repository:{image.repository}:pull,metadata_read"
    oid = str(path.tokens.claims.get("oid", "")) if path.tokens else ""
    request = acr.token_request(path.host, asked.service, scope, refresh.handle)
    answer = yield from _send(path, wire, request, "POST /oauth2/token")
    if answer is None:
        return None
    token = _token(answer, path.host, image.repository)
    if token is None:
        said = acr.error_of(answer)[1]
        yield TOKEN_REFUSED(host=path.host, scope=scope, status=answer.status, said=said, oid=oid)
        return None
    if not token.pulls:
        yield NOT_GRANTED(host=path.host, actions=token.granted, repository=image.repository, oid=oid)
        return None
    yield GRANTED(actions=token.granted, repository=image.repository)
    if not token.actions & {"metadata_read", "*"}:
        yield NO_METADATA(repository=image.repository)
    return token


def _on_path(facts: Each[F], route: Route, check: str) -> F:
    """Give the fact of the route's path. Raises NotApplicableError, blocked by that check, where there is none."""
    for subject, fact in facts.items:
        if subject == route.path.subject:
            return fact
    raise NotApplicableError(f"nothing is known of {route.path.subject}", blocked_by=check)


def _token(answer: Response, host: str, repository: str) -> AccessToken | None:
    """Read the access token of an answer and what it grants; None where the answer is a refusal."""
    body = answer.json() or {}
    handle = text(body, "access_token") or text(body, "token")
    if answer.status != OK or not handle:
        return None
    secret = answer.secret(handle)
    if secret is not None and secret.claims:
        return AccessToken(handle, acr.granted(secret.claims, repository))
    if is_acr(host):
        raise CannotLookError(f"malformed: {host} gave an access token that does not say what it grants")
    return AccessToken(handle, frozenset({"pull"}))


def _with_secrets(route: Route, image: ImageReference, asked: Challenged, wire: Wire) -> Any:
    """Try the pull secrets' credentials in turn, as the kubelet does: the first that grants pull is taken."""
    scope = f"repository:{image.repository}:pull"
    refused: list[Observation] = []
    for credential in route.credentials:
        token, verdict = yield from _try(route, image, asked, credential, scope, wire)
        if token is not None:
            yield SECRET_PULLS(host=route.path.host, credential=str(credential), repository=image.repository)
            for observation in refused:
                yield PASSED_OVER(said=observation.text)
            return token
        if verdict is None:
            return None
        refused.append(verdict)
    yield from refused
    return None


def _try(
    route: Route, image: ImageReference, asked: Challenged, credential: Credential, scope: str, wire: Wire
) -> Any:
    """Ask for a token with one credential: gives it, or what the registry has against the credential."""
    host = route.path.host
    if asked.scheme == "basic":
        request = replace(acr.challenge_request(host), basic=(credential.username, credential.password))
    else:
        basic = credential.username, credential.password
        request = acr.basic_token_request(asked.realm, asked.service, scope, basic)
    answer = yield from _send(route.path, wire, request, f"GET {urlsplit(request.url).path}")
    if answer is None:
        return None, None
    values = {"host": host, "credential": str(credential)}
    values |= {"username": credential.username, "secret": credential.secret}
    if asked.scheme == "basic" and answer.status == OK:
        return AccessToken(credential.password, frozenset({"pull"}), credential.username), None
    token = _token(answer, host, image.repository)
    if token is None:
        said = acr.error_of(answer)[1]
        return None, _refusal(credential, said)(**values, status=answer.status, said=said)
    if not token.pulls:
        return None, SECRET_WITHOUT_PULL(**values, actions=token.granted, repository=image.repository)
    return token, None


def _refusal(credential: Credential, said: str) -> Kind:
    """Which of a credential's refusals it is: by its kind, and by what ACR says of it."""
    if credential.kind == acr.PRINCIPAL:
        unknown = "not registered" in said
        return PRINCIPAL_UNKNOWN if unknown else PRINCIPAL_REFUSED
    return REFUSALS.get(credential.kind, NAME_REFUSED)


REFUSALS = {acr.ADMIN: ADMIN_REFUSED, acr.ENTRA_TOKEN: ENTRA_TOKEN_REFUSED}


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


def _authorized(request: Request, token: AccessToken) -> Request:
    """Give the request with the token, or with name and password where the registry knows no tokens."""
    if token.username:
        return replace(request, basic=(token.username, token.handle))
    return replace(request, bearer=token.handle)


def _blob(descriptor: dict[str, Any]) -> tuple[str, int]:
    return text(descriptor, "digest"), number(descriptor, "size")


def _manifest(route: Route, wire: Wire, token: AccessToken, method: str, reference: str) -> Any:
    image = _need_image(route)
    request = acr.manifest_request(method, route.path.host, image.repository, reference)
    answer = yield from _send(route.path, wire, _authorized(request, token), f"{method} manifest")
    if answer is None or answer.status == OK:
        return answer
    if method == "HEAD":
        # A HEAD has no body: only a GET can say which of the errors it is.
        return (yield from _manifest(route, wire, token, "GET", reference))
    code, said = acr.error_of(answer)
    values = {"host": route.path.host, "repository": image.repository, "said": said}
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
    wanted = route.path.platform
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
    request = _authorized(acr.blob_request(route.path.host, image.repository, digest, size), token)
    host, status = route.path.host, 0
    for _ in range(MOST_REDIRECTS):
        answer = wire.request(route.path.vantage, request)
        if isinstance(answer, Failure):
            asking.refuse_blind(answer, route.path.begins)
            said = f"{answer.trouble}: {answer.detail}"[:160]
            yield BLOB_UNREACHABLE(what=what, image=image, host=host, pod=route.path.begins, said=said)
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
    Check(
        "registry-dns",
        "the registry's name resolves",
        dns,
        sees=(UNRESOLVED, OTHERS_RESOLVE, NONE_RESOLVE, PRIVATE, PUBLIC),
        each=Path,
        asks=asking.EXEC,
    ),
    Check(
        "registry-tcp",
        "a connection opens",
        tcp,
        sees=(NO_CONNECTION, CONNECTION_REFUSED),
        each=Path,
        asks=asking.EXEC,
    ),
    Check(
        "registry-tls",
        "its certificate is trusted",
        tls,
        sees=(UNTRUSTED, CERTIFICATE_DATES, CERTIFICATE_NAME, NO_HANDSHAKE),
        each=Path,
        asks=asking.EXEC,
    ),
    Check(
        "registry-challenge",
        "it asks for a registry's token",
        challenge,
        sees=(NO_CHALLENGE, NOT_ACR, NOT_AZURE, *SENDING),
        each=Path,
        asks=asking.EXEC,
    ),
    Check(
        "registry-exchange",
        "it takes the identity's token",
        exchange,
        sees=(REFUSED_BOTH, ARM_REFUSED, ARM_REFUSED_OTHER, EXCHANGED, *SENDING),
        each=Path,
        asks=asking.EXEC,
    ),
    Check("registry-routes", "the ways to pull its images are known", routes),
    Check(
        "registry-scope",
        "it grants pull on the repository",
        access,
        sees=(TOKEN_REFUSED, NOT_GRANTED, NO_METADATA, GRANTED, *SECRETS_SEEN, *SENDING),
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
