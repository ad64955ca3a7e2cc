"""The registry, step by step."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from acrcheck.api import (
    CannotLookError,
    Check,
    Clock,
    Connect,
    Each,
    Failure,
    Handshake,
    Kind,
    Looking,
    NotApplicableError,
    Observation,
    Resolve,
    Response,
    Subject,
    Target,
    Trouble,
    Wire,
    fail,
    note,
    warn,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.clouds import cloud_of, is_acr, near_acr
from acrcheck.azure.image import ImageReference
from acrcheck.facts import (
    AccessToken,
    Challenged,
    Claim,
    Credential,
    Keyring,
    Open,
    OwnToken,
    Path,
    RefreshToken,
    Resolution,
    Route,
    Trusted,
)

from . import asking, blobs, manifests, tags
from .manifests import need_image
from .objects import text
from .sending import SENDING, Client

UNRESOLVED = fail("registry-unresolved", "{host} does not resolve from {pod}{said}")
OTHERS_RESOLVE = note("other-names-resolve", "{other} resolves from {pod}")
NEAR_AZURE = note(
    "registry-name-near", "{host} is no name that Azure's registries have: perhaps {meant} is meant"
)
NONE_RESOLVE = note("no-name-resolves", "{other} does not resolve from {pod} either")
PRIVATE = note("registry-address-private", "{host} resolves to the private address {address}")
PUBLIC = note("registry-address-public", "{host} resolves to the public address {address}")
PRIVATE_LINK = note(
    "registry-has-private-endpoint", "{host} is an alias of {alias}: it has a private endpoint"
)
ONLY_IPV6 = note("registry-only-ipv6", "{host} has only addresses of IPv6: {address}")
FROM_HERE = note("asked-from-here", "{host} is asked from here, not from a pod")
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
OLD_TLS = fail("registry-tls-version", "{host} speaks no version of TLS that {pod} takes: {said}")
NO_CHALLENGE = fail(
    "registry-no-challenge", "{host} answered /v2/ with {status}, not with a registry's challenge: {said}"
)
LOGIN_PAGE = fail(
    "registry-login-page", "{host} answered /v2/ with {status} as a web page's host does: {said}"
)
NOT_ACR = fail(
    "registry-challenge-not-acr", "{host}'s challenge names realm {realm!r}, not ACR's /oauth2/token"
)
PLAIN_REALM = fail(
    "registry-realm-plain", "{host} sends credentials to {realm}, over plain HTTP: none was sent there"
)
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
NOT_AZURE = note(
    "registry-not-azure", "{host} is no Azure registry (it asks for {asks}): steps of ACR's own do not apply"
)
OPEN = note("registry-open", "{host} asks for no credential")
NOT_ASKED = warn(
    "credential-not-asked",
    "{host} asks for no credential: that it lets this one pull does not show that it is good",
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

ARM_TELLS = {
    acr.ADMIN: "whether the account is on: az acr show --name {username} --query adminUserEnabled",
    acr.PRINCIPAL: "until when its secrets are good: az ad app credential list --id {username} --query "
    "'[].endDateTime'; which roles it has: az role assignment list --all --assignee {username}",
    acr.SCOPED_TOKEN: "whether it is on, until when its passwords are good, and its scope map: "
    "az acr token show --registry {registry} --name {username}",
    acr.ENTRA_TOKEN: "which roles its identity has: az role assignment list --all --assignee OBJECT_ID",
}
"""What the registry does not say of a credential that it refused, by its kind."""

F = TypeVar("F")
OK, UNAUTHORIZED = 200, 401
OPEN_SCHEME = "none"
TLS_VERSION = ("protocol version", "unsupported protocol")
"""What OpenSSL says of a server that is too old for it."""
HTML = ("<!doctype html", "<html")


def dns(path: Path, wire: Wire, target: Target) -> Looking[Resolution | None]:
    """The registry's name resolves."""
    if not path.pod:
        yield FROM_HERE(host=path.host)
    answer = wire.resolve(path.vantage, Resolve(path.name))
    if isinstance(answer, Failure):
        asking.refuse_blind(answer, path.begins)
        yield UNRESOLVED(host=path.host, pod=path.begins, said=_resolver_says(answer, path.host))
        yield from _other_name(path, wire, target)
        if meant := near_acr(path.name):
            yield NEAR_AZURE(host=path.host, meant=meant)
        return None
    private = asking.is_private(answer.addresses)
    if answer.addresses and all(":" in address for address in answer.addresses):
        yield ONLY_IPV6(host=path.host, address=", ".join(answer.addresses))
    # A private address says something of an Azure registry only: another's may simply be in this network.
    if is_acr(path.name) or not private:
        yield (PRIVATE if private else PUBLIC)(
            host=path.host, address=", ".join(answer.addresses), evidence={"chain": list(answer.chain)}
        )
    alias = next((name for name in answer.chain if ".privatelink." in name), "")
    if alias:
        yield PRIVATE_LINK(host=path.host, alias=alias)
    return Resolution(answer.addresses, private)


def _resolver_says(answer: Failure, host: str) -> str:
    """Give what the resolver adds to the name's not resolving."""
    said = answer.detail.replace(f"{host} does not resolve", "").strip(" :")
    return f": {said}" if said else ""


def _other_name(path: Path, wire: Wire, target: Target) -> Iterator[Observation]:
    other = cloud_of(target.cloud, path.host).authority.removeprefix("https://")
    answer = wire.resolve(path.vantage, Resolve(other))
    yield (NONE_RESOLVE if isinstance(answer, Failure) else OTHERS_RESOLVE)(other=other, pod=path.begins)


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
        said = answer.detail or str(answer.trouble)
        kind = OLD_TLS if any(word in said.lower() for word in TLS_VERSION) else NO_HANDSHAKE
        yield kind(host=path.host, pod=path.begins, said=said)
        return None
    if not answer.problem:
        return Trusted(answer.issuer, answer.expires)
    problem, said = answer.problem.lower(), answer.problem[:160]
    evidence = {
        "subject": answer.subject,
        "issuer": answer.issuer,
        "expires": answer.expires,
        "names": list(answer.names),
    }
    if "expired" in problem or "not yet valid" in problem:
        said = f"{said} (expires {answer.expires})"
        yield CERTIFICATE_DATES(host=path.host, said=said, evidence=evidence)
    elif "subject name" in problem or "hostname" in problem or "does not match" in problem:
        names = ", ".join(answer.names) or answer.subject
        yield CERTIFICATE_NAME(host=path.host, names=names, said=said, evidence=evidence)
    else:
        issuer = answer.issuer or "unknown"
        yield UNTRUSTED(pod=path.begins, host=path.host, issuer=issuer, said=said, evidence=evidence)
    return None


def challenge(path: Path, trusted: Trusted, wire: Wire, clock: Clock) -> Looking[Challenged | None]:
    """`/v2/` answers with ACR's challenge, or another registry's."""
    del trusted
    request = acr.challenge_request(path.host)
    answer = yield from Client(path, wire, clock).send(request, "GET /v2/")
    if answer is None:
        return None
    found = acr.read_challenge(answer)
    # ACR gives 200 only to a credential: without one somebody else answers.
    if acr.is_open(answer) and not is_acr(path.host):
        yield NOT_AZURE(host=path.host, asks="no credential")
        return Challenged(path.host, "", OPEN_SCHEME)
    if answer.status != UNAUTHORIZED or found is None:
        yield _no_challenge(path, request.url, answer)
        return None
    realm = acr.redirect(request.url, found.realm) if found.realm and found.scheme == "bearer" else ""
    if realm.startswith("http:"):
        yield PLAIN_REALM(host=path.host, realm=realm)
        return None
    if not is_acr(path.host) and (found.scheme == "basic" or realm):
        yield NOT_AZURE(host=path.host, asks=found.realm or found.scheme)
    elif not acr.is_realm_of(realm, path.host):
        yield NOT_ACR(host=path.host, realm=found.realm or found.scheme)
        return None
    return Challenged(found.service or path.host, realm, found.scheme)


def _no_challenge(path: Path, asked: str, answer: Response) -> Observation:
    """Tell of what answered in a registry's place: a page for people, or something that leads to one, or neither."""
    location = answer.header("location")
    away = acr.redirect(asked, location)[: len(f"https://{path.host}/")] if location else ""
    html = "html" in answer.header("content-type") or answer.body.lstrip().lower().startswith(HTML)
    page = (answer.status == OK and html) or (
        answer.status in blobs.REDIRECTS and away != f"https://{path.host}/"
    )
    said = f"it leads to {location}" if location else answer.body.strip()
    values = {"host": path.host, "status": answer.status, "said": said[:120]}
    return (LOGIN_PAGE if page else NO_CHALLENGE)(**values, evidence=acr.evidence_of(answer))


def _own(path: Path) -> OwnToken:
    """Give the identity's tokens. Raises NotApplicableError where there are none, or none that is wanted."""
    if not path.identity:
        raise NotApplicableError(f"the pod identity is not for {path.host}")
    if not is_acr(path.host):
        raise NotApplicableError(f"{path.host} is no Azure registry: it takes no token of Entra's")
    if path.tokens is None:
        raise NotApplicableError("no token of the identity's own", blocked_by="token-identity")
    return path.tokens


def exchange(
    path: Path, challenged: Challenged, wire: Wire, target: Target, clock: Clock
) -> Looking[RefreshToken | None]:
    """The registry takes the identity's token, for both audiences."""
    own = _own(path)
    cloud = cloud_of(target.cloud, path.host)
    tenant, oid = str(own.claims.get("tid", "")), str(own.claims.get("oid", ""))
    given = {cloud.registry_audience: own.registry, cloud.arm_audience: own.arm}
    answers: dict[str, Response] = {}
    client = Client(path, wire, clock)
    for audience, spoken in given.items():
        if spoken is None or not spoken.token:
            continue
        request = acr.exchange_request(path.host, challenged.service, spoken.token, tenant)
        answer = yield from client.send(request, "POST /oauth2/exchange")
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
        values = {"host": path.host, "audiences": audiences, "oid": oid, "tenant": tenant, "said": said}
        yield REFUSED_BOTH(**values, evidence=acr.evidence_of(worst)).on(path.as_identity)
        return None
    yield EXCHANGED(host=path.host).on(path.as_identity)
    if cloud.arm_audience in answers and cloud.arm_audience not in taken:
        refused = ARM_REFUSED if path.coder else ARM_REFUSED_OTHER
        yield refused(host=path.host).on(path.as_identity)
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
    return Each(tuple((way.subject, way) for way in _sharing(ways)))


def _sharing(ways: list[Route]) -> list[Route]:
    """Have the routes to images of one repository, with the same credentials, share a token."""
    groups: dict[Any, list[Route]] = {}
    for way in ways:
        if way.credentials and way.image:
            key = way.path.subject, way.image.repository, way.credentials
            groups.setdefault(key, []).append(way)
    shared: dict[Subject, Subject] = {}
    for (path, repository, _), group in groups.items():
        if len(group) > 1:
            place = frozenset().union(*(way.subject.scope for way in group))
            name = f"{path.name.partition(' ')[0]} → {group[0].path.host}/{repository}"
            shared |= {way.subject: Subject(name, place) for way in group}
    return [replace(way, shared=shared.get(way.subject)) for way in ways]


def claims(ways: Each[Route]) -> Looking[Each[Claim]]:
    """Which tokens the ways take: one for each repository and its credentials."""
    found: dict[Subject, Claim] = {}
    for way in ways:
        claim = Claim(way)
        found.setdefault(claim.subject, claim)
    yield from ()
    return Each(tuple(found.items()))


def access(
    claim: Claim, challenged: Each[Challenged], refreshed: Each[RefreshToken], wire: Wire, clock: Clock
) -> Looking[AccessToken | None]:
    """The registry's token really grants pull and metadata_read on the image's repository."""
    route = claim.route
    image = need_image(route)
    asked = _on_path(challenged, route, "registry-challenge")
    client = Client(route.path, wire, clock)
    if asked.scheme == OPEN_SCHEME:
        yield (NOT_ASKED if route.credentials else OPEN)(host=route.path.host)
        return AccessToken("", frozenset({"pull"}))
    if route.credentials:
        taken: AccessToken | None = yield from _with_secrets(route, image, asked, client)
        return taken
    refresh = _on_path(refreshed, route, "registry-exchange")
    path = route.path
    scope = f"repository:{image.repository}:pull,metadata_read"
    oid = str(path.tokens.claims.get("oid", "")) if path.tokens else ""
    request = acr.token_request(path.host, asked.service, scope, refresh.handle)
    answer = yield from client.send(request, "POST /oauth2/token")
    if answer is None:
        return None
    token = _token(answer, path.host, image.repository)
    if token is None:
        said = acr.error_of(answer)[1]
        values = {"host": path.host, "scope": scope, "status": answer.status, "said": said, "oid": oid}
        yield TOKEN_REFUSED(**values, evidence=acr.evidence_of(answer))
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
    raise NotApplicableError(f"nothing is known of {route.path.subject.name}", blocked_by=check)


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


def _with_secrets(route: Route, image: ImageReference, asked: Challenged, client: Client) -> Any:
    """Try the pull secrets' credentials in turn, as the kubelet does: the first that grants pull is taken."""
    scope = f"repository:{image.repository}:pull"
    refused: list[Observation] = []
    for credential in route.credentials:
        token, verdict = yield from _try(client, image, asked, credential, scope)
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


def _try(client: Client, image: ImageReference, asked: Challenged, credential: Credential, scope: str) -> Any:
    """Ask for a token with one credential: gives it, or what the registry has against the credential."""
    host = client.path.host
    if asked.scheme == "basic":
        request = replace(acr.challenge_request(host), basic=(credential.username, credential.password))
    else:
        basic = credential.username, credential.password
        request = acr.basic_token_request(asked.realm, asked.service, scope, basic)
    answer = yield from client.send(request, f"GET {urlsplit(request.url).path}")
    if answer is None:
        return None, None
    values = {"host": host, "credential": str(credential)}
    values |= {"username": shlex.quote(credential.username), "secret": credential.secret}
    if asked.scheme == "basic" and answer.status == OK:
        return AccessToken(credential.password, frozenset({"pull"}), credential.username), None
    token = _token(answer, host, image.repository)
    if token is None:
        said = acr.error_of(answer)[1]
        kind = _refusal(credential, said)
        evidence = _arm_tells(credential, host) | acr.evidence_of(answer)
        return None, kind(**values, status=answer.status, said=said, evidence=evidence)
    if not token.pulls:
        values |= {"actions": token.granted, "repository": image.repository}
        return None, SECRET_WITHOUT_PULL(**values, evidence=_arm_tells(credential, host))
    return token, None


def _refusal(credential: Credential, said: str) -> Kind:
    """Which of a credential's refusals it is: by its kind, and by what ACR says of it."""
    if credential.kind == acr.PRINCIPAL:
        unknown = "not registered" in said
        return PRINCIPAL_UNKNOWN if unknown else PRINCIPAL_REFUSED
    return REFUSALS.get(credential.kind, NAME_REFUSED)


def _arm_tells(credential: Credential, host: str) -> dict[str, str]:
    """What a registry's refusal leaves open, and Azure itself would tell of a credential of this kind."""
    told = ARM_TELLS.get(credential.kind, "")
    registry = host.partition(".")[0]
    return {"azureKnows": told.format(username=credential.username, registry=registry)} if told else {}


REFUSALS = {acr.ADMIN: ADMIN_REFUSED, acr.ENTRA_TOKEN: ENTRA_TOKEN_REFUSED}


CHECKS = (
    Check(
        "registry-dns",
        "the registry's name resolves",
        dns,
        sees=(
            UNRESOLVED,
            OTHERS_RESOLVE,
            NONE_RESOLVE,
            NEAR_AZURE,
            PRIVATE,
            PUBLIC,
            PRIVATE_LINK,
            ONLY_IPV6,
            FROM_HERE,
        ),
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
        sees=(UNTRUSTED, CERTIFICATE_DATES, CERTIFICATE_NAME, NO_HANDSHAKE, OLD_TLS),
        each=Path,
        asks=asking.EXEC,
    ),
    Check(
        "registry-challenge",
        "it asks for a registry's token",
        challenge,
        sees=(NO_CHALLENGE, LOGIN_PAGE, NOT_ACR, NOT_AZURE, PLAIN_REALM, *SENDING),
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
    Check("registry-tokens", "the tokens that they take are known", claims),
    Check(
        "registry-scope",
        "it grants pull on the repository",
        access,
        sees=(TOKEN_REFUSED, NOT_GRANTED, NO_METADATA, GRANTED, OPEN, NOT_ASKED, *SECRETS_SEEN, *SENDING),
        each=Claim,
        asks=asking.EXEC,
    ),
    Check(
        "registry-manifest",
        "the image is there for the nodes' platforms",
        manifests.manifest,
        sees=manifests.SEES,
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-tag",
        "what it does not give out is nowhere in it",
        tags.tag,
        sees=tags.SEES,
        each=Route,
        asks=asking.EXEC,
        optional=True,
    ),
    Check(
        "registry-config",
        "its config can be downloaded",
        blobs.config,
        sees=blobs.CONFIG_SEES,
        each=Route,
        asks=asking.EXEC,
    ),
    Check(
        "registry-layer",
        "its layers can be downloaded",
        blobs.layer,
        sees=blobs.LAYER_SEES,
        each=Route,
        asks=asking.EXEC,
    ),
)
