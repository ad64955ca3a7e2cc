"""A registry of Azure Container Registry: its front, with the token service and the content.

Sources: Azure/acr docs/AAD-OAuth.md and docs/Token-BasicAuth.md, the recorded sessions of the Azure SDKs'
container registry tests, and answers captured in public issues.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from acrcheck.azure.registry import MANIFEST_TYPES
from acrcheck.clock import Clock
from acrcheck.lab import tokens
from acrcheck.lab.answers import (
    JSON,
    Handler,
    answer,
    bearer_of,
    client_of,
    compact,
    first,
    form_of,
    http_date,
    without_body,
)
from acrcheck.lab.azure import Account, Azure, Manifest, Registry, Repository, Source
from acrcheck.lab.blobs import ISSUER, READS, blob_link

NULL_GUID = "00000000-0000-0000-0000-000000000000"
REFRESH_LIFETIME = timedelta(hours=3)
ACCESS_LIFETIME = timedelta(minutes=75)
LINK_LIFETIME = timedelta(minutes=20)
GRANTS = {"access_token", "access_token_refresh_token", "refresh_token"}
ANONYMOUS = Account("", "", ["pull", "metadata_read"])
UNAUTHORIZED = "authentication required, visit https://aka.ms/acr/authorization for more information."
DISALLOWED = (
    "The operation is disallowed on this registry, repository or image. View troubleshooting steps at "
    "https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation"
)
RESOURCE = re.compile(r"/v2/(?P<name>[a-z0-9][a-z0-9._/-]*)/(?P<kind>manifests|blobs|tags)/(?P<reference>.+)")
KEPT = re.compile(
    r"/acr/v1/(?P<deleted>_deleted/)?(?P<name>[a-z0-9][a-z0-9._/-]*)/_(?P<kind>tags|manifests)(?:/(?P<reference>.+))?"
)
"""What ACR says in its own API of what it keeps."""
CREATED = "2026-01-05T08:00:00.0000000Z"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
EXPOSED = ("Docker-Content-Digest", "WWW-Authenticate", "Link", "X-Ms-Correlation-Request-Id")
STRICT = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


class Scope(NamedTuple):
    """One thing to be allowed: `repository`, its name and an action; or `registry`, `catalog` and `*`."""

    type: str
    name: str
    action: str


class RefusedError(Exception):
    """An answer that is an error of the registry."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        detail: Any = None,
        extra: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.detail = detail
        self.extra = list(extra)


class RegistryFront:
    """The registry's login server.

    Not published, and so the lab's own choice: the bodies of 400 and of 404 outside of `/v2/`, and that the
    token endpoint grants a shorter list rather than refusing (`Registry.refuses_ungranted_scope` turns it).

    Args:
        source: where the present state of Azure comes from.
        login_server: which registry of the state this is.
        clock: the time by which tokens begin and expire.
        signer: signs access tokens; by default a key that only the lab itself recognises.
        backend: a real registry behind, which then holds the content; it must trust the signer.
    """

    def __init__(
        self,
        source: Source,
        login_server: str,
        clock: Clock,
        signer: tokens.Signer | None = None,
        backend: Handler | None = None,
    ) -> None:
        self._source = source
        self._login = login_server
        self._clock = clock
        self._signer = signer
        self._backend = backend

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; httpx.ConnectError when the state knows no such registry."""
        azure = self._source()
        registry = azure.registry(self._login)
        if registry is None:
            raise httpx.ConnectError("[Errno -2] Name or service not known", request=request)
        correlation = str(uuid.uuid4())
        token_service = request.url.path.startswith("/oauth2/")
        serve = self._token_service if token_service else self._content
        try:
            _let_in(registry, request, correlation)
            response = serve(azure, registry, request, correlation)
        except RefusedError as refused:
            error: dict[str, Any] = {"code": refused.code, "message": str(refused)}
            if refused.detail is not None:
                error["detail"] = refused.detail
            body = compact({"errors": [error]})
            if token_service:
                response = self._brief(refused.status, body, correlation)
            else:
                response = self._full(refused.status, body + "\n", correlation, refused.extra)
        return without_body(response) if request.method == "HEAD" else response

    # -- token service ----------------------------------------------------------------------------

    def _token_service(
        self, azure: Azure, registry: Registry, request: httpx.Request, correlation: str
    ) -> httpx.Response:
        if request.url.path == "/oauth2/exchange" and request.method == "POST":
            principal = self._exchanging(azure, registry, form_of(request), correlation)
            token = self._refresh_token(azure, registry, principal)
            return self._brief(200, compact({"refresh_token": token}), correlation)
        if request.url.path == "/oauth2/token" and request.method in {"POST", "GET"}:
            account = _account(request, registry, self._clock.now(), correlation)
            if account is None and registry.anonymous_pull and _shows_nothing(request):
                account = ANONYMOUS
            if account is not None:
                token = self._account_token(azure, registry, account, request)
            else:
                scopes, refresh_token = _asked_of_token_endpoint(request, registry, correlation)
                token = self._access_token(azure, registry, scopes, refresh_token, correlation)
            return self._brief(200, compact({"access_token": token}), correlation)
        return answer(404, [("Server", "openresty"), http_date(self._clock.now())])

    def _exchanging(
        self, azure: Azure, registry: Registry, form: dict[str, list[str]], correlation: str
    ) -> tokens.Claims:
        """The claims of the Entra token that is exchanged, once the registry accepts it."""
        if first(form.get("grant_type", [])) not in GRANTS:
            raise _bad_request("grant_type is missing or not supported", correlation)
        if first(form.get("service", [])).lower() != registry.login_server.lower():
            raise _bad_request("service is missing or another registry", correlation)
        token = first(form.get("access_token", [])) or first(form.get("refresh_token", []))
        if not token:
            raise _bad_request("access_token is missing", correlation)
        claims = tokens.verified(tokens.entra_signer(azure), token)
        now = self._clock.now()
        accepted = (
            claims is not None
            and not tokens.expired(claims, now)
            and claims["aud"] in _audiences(registry)
            and claims["tid"] == registry.tenant_id
            and first(form.get("tenant", [])) in {"", registry.tenant_id}
            and azure.has_registry_role(registry, claims["oid"], now)
        )
        if claims is None or not accepted:
            raise _unauthorized(correlation)
        return claims

    def _refresh_token(self, azure: Azure, registry: Registry, principal: tokens.Claims) -> str:
        now = self._clock.now()
        actions = sorted(azure.repository_actions(registry, principal["oid"], "", now))
        claims = {
            **self._claims(registry, principal["oid"], now, REFRESH_LIFETIME),
            "version": "1.0",
            "tenant": principal["tid"],
            "grant_type": "refresh_token",
            "permissions": {"actions": actions, "notActions": None},
            "roles": [],
        }
        return tokens.encode(tokens.entra_signer(azure), claims)

    def _access_token(
        self, azure: Azure, registry: Registry, scopes: list[str], refresh_token: str, correlation: str
    ) -> str:
        refresh = tokens.verified(tokens.entra_signer(azure), refresh_token)
        now = self._clock.now()
        if (
            refresh is None
            or refresh.get("grant_type") != "refresh_token"
            or refresh["aud"] != registry.login_server
            or tokens.expired(refresh, now)
            or not azure.has_registry_role(registry, refresh["sub"], now)
        ):
            raise _unauthorized(correlation)
        access = []
        for scope in scopes:
            granted = _granted(azure, registry, refresh["sub"], scope, now)
            if granted is None and registry.refuses_ungranted_scope:
                raise _unauthorized(correlation)
            if granted is not None:
                access.append(granted)
        return self._token_of(azure, registry, refresh["sub"], access)

    def _account_token(
        self, azure: Azure, registry: Registry, account: Account, request: httpx.Request
    ) -> str:
        access = []
        for scope in request.url.params.get_list("scope"):
            kind, _, rest = scope.partition(":")
            name, _, text = rest.rpartition(":")
            actions = [action for action in text.split(",") if action in account.actions]
            if actions and account.covers(name):
                access.append({"type": kind, "name": name, "actions": actions})
        return self._token_of(azure, registry, account.name, access)

    def _token_of(
        self, azure: Azure, registry: Registry, principal: str, access: list[dict[str, Any]]
    ) -> str:
        claims = {
            **self._claims(registry, principal, self._clock.now(), ACCESS_LIFETIME),
            "version": "1.0",
            "access": access,
            "roles": [],
            "grant_type": "access_token",
        }
        return tokens.encode(self._signer or tokens.entra_signer(azure), claims)

    def _claims(self, registry: Registry, principal: str, now: datetime, life: timedelta) -> tokens.Claims:
        moment = int(now.timestamp())
        return {
            "jti": str(uuid.uuid4()),
            "sub": principal,
            "nbf": moment,
            "exp": moment + int(life.total_seconds()),
            "iat": moment,
            "iss": ISSUER,
            "aud": registry.login_server,
        }

    # -- content ----------------------------------------------------------------------------------

    def _content(
        self, azure: Azure, registry: Registry, request: httpx.Request, correlation: str
    ) -> httpx.Response:
        path = request.url.path
        if path in {"/v2", "/v2/"}:
            self._authorize(azure, registry, request, None, correlation)
            return self._full(200, "{}", correlation)
        if (listed := self._listed(azure, registry, request, correlation)) is not None:
            return listed
        match = RESOURCE.fullmatch(path)
        if match is None:
            return answer(404, [("Server", "openresty"), http_date(self._clock.now())])
        action = "metadata_read" if match["kind"] == "tags" else "pull"
        if request.method not in READS:
            action = "delete" if request.method == "DELETE" else "push"
        self._authorize(azure, registry, request, Scope("repository", match["name"], action), correlation)
        if match["kind"] == "blobs" and request.method == "GET":
            return self._redirect(azure, registry, match["name"], match["reference"], correlation)
        if self._backend is not None:
            return self._from_backend(self._backend, request, match, correlation)
        return self._resource(registry, request, match, correlation)

    def _listed(
        self, azure: Azure, registry: Registry, request: httpx.Request, correlation: str
    ) -> httpx.Response | None:
        """The catalog, and what ACR's own API says of what it keeps; None where neither is asked for."""
        path = request.url.path
        if path == "/v2/_catalog":
            self._authorize(azure, registry, request, Scope("registry", "catalog", "*"), correlation)
            return self._catalog(registry, request, correlation)
        kept = KEPT.fullmatch(path) if request.method == "GET" else None
        if kept is None:
            return None
        action = "deleted_read" if kept["deleted"] else "metadata_read"
        self._authorize(azure, registry, request, Scope("repository", kept["name"], action), correlation)
        name = kept["name"]
        repository = registry.repositories.get(name)
        if self._backend is not None:
            repository = self._of_backend(self._backend, request, name)
        if repository is None:
            raise _name_unknown(name)
        head = {"registry": registry.login_server, "imageName": name}
        return self._full(200, compact({**head, **_attributes(repository, request, kept)}), correlation)

    def _catalog(self, registry: Registry, request: httpx.Request, correlation: str) -> httpx.Response:
        if self._backend is not None:
            return self._dressed(self._backend(request), correlation)
        return self._listing(request, {}, "repositories", sorted(registry.repositories), correlation)

    def _from_backend(
        self, backend: Handler, request: httpx.Request, match: re.Match[str], correlation: str
    ) -> httpx.Response:
        """The real registry's answer, but with ACR's words for what does not exist."""
        response = backend(request)
        if request.method not in READS or response.status_code != httpx.codes.NOT_FOUND:
            return self._dressed(response, correlation)
        token = {"Authorization": request.headers["authorization"]}
        tags = httpx.Request("GET", f"https://{self._login}/v2/{match['name']}/tags/list", headers=token)
        if backend(tags).status_code == httpx.codes.NOT_FOUND:
            raise _name_unknown(match["name"])
        if match["kind"] == "manifests":
            raise _manifest_unknown(match["name"], match["reference"])
        raise _blob_unknown(match["reference"])

    def _of_backend(self, backend: Handler, request: httpx.Request, name: str) -> Repository | None:
        """Give the tags that a real registry has in a repository; None where it has none of that name."""
        token = {"Authorization": request.headers["authorization"], "Accept": ", ".join(MANIFEST_TYPES)}
        base = f"https://{self._login}/v2/{name}"
        listed = backend(httpx.Request("GET", f"{base}/tags/list", headers=token))
        if listed.status_code != httpx.codes.OK:
            return None
        found = Repository()
        for tag in listed.json()["tags"] or ():
            head = backend(httpx.Request("HEAD", f"{base}/manifests/{tag}", headers=token))
            digest = head.headers.get("docker-content-digest", "")
            found.tags[tag] = digest
            found.manifests[digest] = Manifest(head.headers.get("content-type", ""), "")
        return found

    def _dressed(self, response: httpx.Response, correlation: str) -> httpx.Response:
        """Somebody else's answer with the headers that go with every answer of the front."""
        companions = self._companions(correlation)
        own = {name.lower() for name, _ in companions}
        raw = [(k.decode(), v.decode()) for k, v in response.headers.raw]
        theirs = [(k, v) for k, v in raw if k.lower() not in own]
        return httpx.Response(response.status_code, headers=[*companions, *theirs], content=response.read())

    def _resource(
        self, registry: Registry, request: httpx.Request, match: re.Match[str], correlation: str
    ) -> httpx.Response:
        if request.method not in READS:
            raise RefusedError(405, "UNSUPPORTED", "The operation is unsupported.", {})
        repository = registry.repositories.get(match["name"])
        if repository is None:
            raise _name_unknown(match["name"])
        if match["kind"] == "tags":
            names = sorted(repository.tags)
            return self._listing(request, {"name": match["name"]}, "tags", names, correlation)
        if match["kind"] == "manifests":
            return self._manifest(match["name"], repository, match["reference"], correlation)
        blob = registry.blobs.get(match["reference"])
        if blob is None:
            raise _blob_unknown(match["reference"])
        headers = [
            ("Content-Type", "application/octet-stream"),
            ("Docker-Content-Digest", match["reference"]),
        ]
        return self._with_body(headers, blob, correlation)

    def _manifest(
        self, name: str, repository: Repository, reference: str, correlation: str
    ) -> httpx.Response:
        digest = repository.tags.get(reference, reference)
        manifest = repository.manifests.get(digest)
        tagged = digest != reference
        hidden = digest in repository.behind or (tagged and digest in repository.quarantined)
        if manifest is None or hidden:
            raise _manifest_unknown(name, reference)
        if digest in repository.locked or digest in repository.quarantined:
            raise RefusedError(405, "REGISTRY_DISALLOWED_OPERATION", DISALLOWED, {})
        headers = [
            ("Content-Type", manifest.media_type),
            ("Docker-Content-Digest", digest),
            ("Etag", f'"{digest}"'),
        ]
        return self._with_body(headers, manifest.text.encode(), correlation)

    def _listing(
        self, request: httpx.Request, document: dict[str, Any], key: str, names: list[str], correlation: str
    ) -> httpx.Response:
        parameters = request.url.params
        rest = [n for n in names if n > parameters.get("last", "")]
        count = int(parameters["n"]) if parameters.get("n", "").isdigit() else len(rest)
        page = rest[:count]
        extra = []
        if len(page) < len(rest) and page:
            target = f"{request.url.path}?{urlencode({'last': page[-1], 'n': count, 'orderby': ''})}"
            extra = [("Link", f'<{target}>; rel="next"')]
        return self._full(200, compact({**document, key: page}) + "\n", correlation, extra)

    def _redirect(
        self, azure: Azure, registry: Registry, name: str, digest: str, correlation: str
    ) -> httpx.Response:
        if self._backend is None and name not in registry.repositories:
            raise _name_unknown(name)
        if self._backend is None and digest not in registry.blobs:
            raise _blob_unknown(digest)
        location = blob_link(azure, registry, name, digest, self._clock.now() + LINK_LIFETIME)
        headers = [("Docker-Content-Digest", digest), ("Location", location)]
        return self._full(307, "", correlation, headers)

    def _authorize(
        self, azure: Azure, registry: Registry, request: httpx.Request, wanted: Scope | None, correlation: str
    ) -> None:
        """Let a request through, or refuse it as the registry does.

        A null GUID with a refresh token as Basic is refused here like anything that is no access token.
        """
        if "authorization" not in request.headers:
            raise _challenge(registry, wanted, "", correlation)
        claims = tokens.verified(self._signer or tokens.entra_signer(azure), bearer_of(request) or "")
        valid = (
            claims is not None
            and claims.get("grant_type") == "access_token"
            and claims["aud"] == registry.login_server
            and not tokens.expired(claims, self._clock.now())
        )
        if claims is None or not valid:
            raise _challenge(registry, wanted, "invalid_token", correlation)
        if wanted is not None and not _holds(claims, wanted):
            raise _challenge(registry, wanted, "insufficient_scope", correlation)

    # -- answers ----------------------------------------------------------------------------------

    def _brief(self, status: int, body: str, correlation: str) -> httpx.Response:
        headers = [
            ("Server", "openresty"),
            http_date(self._clock.now()),
            ("Content-Type", JSON),
            ("X-Ms-Correlation-Request-Id", correlation),
            STRICT,
        ]
        return answer(status, headers, body)

    def _full(
        self, status: int, body: str, correlation: str, extra: Sequence[tuple[str, str]] = ()
    ) -> httpx.Response:
        return self._with_body([("Content-Type", JSON), *extra], body, correlation, status)

    def _with_body(
        self, headers: Sequence[tuple[str, str]], body: str | bytes, correlation: str, status: int = 200
    ) -> httpx.Response:
        return answer(status, [*self._companions(correlation), *headers], body)

    def _companions(self, correlation: str) -> list[tuple[str, str]]:
        return [
            ("Server", "openresty"),
            http_date(self._clock.now()),
            *(("Access-Control-Expose-Headers", name) for name in EXPOSED),
            ("Docker-Distribution-Api-Version", "registry/2.0"),
            STRICT,
            ("X-Content-Type-Options", "nosniff"),
            ("X-Ms-Correlation-Request-Id", correlation),
        ]


def _attributes(repository: Repository, request: httpx.Request, kept: re.Match[str]) -> dict[str, Any]:
    """What ACR's own API says of tags and manifests.

    Sources: the recordings of azure-sdk-for-js sdk/containerregistry; of what is deleted, azure-cli
    `acr/manifest.py`. Who may see what is deleted, and that a tag in quarantine is listed, is the lab's own choice.
    """
    name, reference = kept["name"], kept["reference"]
    if kept["deleted"]:
        gone = repository.deleted.items()
        return {"tags": [{"tag": tag, "digest": digest, "deletedAt": CREATED} for tag, digest in gone]}
    if kept["kind"] == "manifests":
        if reference not in repository.manifests:
            raise _manifest_unknown(name, str(reference))
        return {"manifest": _manifest_attributes(repository, str(reference))}
    tags = [_tag_attributes(tag, digest) for tag, digest in sorted(repository.tags.items())]
    if reference is None:
        count = request.url.params.get("n", "")
        return {"tags": tags[: int(count) if count.isdigit() else None]}
    for tag in tags:
        if tag["name"] == reference:
            return {"tag": tag}
    raise RefusedError(404, "TAG_UNKNOWN", "the specified tag does not exist", {"name": reference})


def _tag_attributes(tag: str, digest: str) -> dict[str, Any]:
    times = {"createdTime": CREATED, "lastUpdateTime": CREATED}
    return {"name": tag, "digest": digest, **times, "signed": False, "changeableAttributes": _switches()}


def _manifest_attributes(repository: Repository, digest: str) -> dict[str, Any]:
    tags = [tag for tag, tagged in repository.tags.items() if tagged == digest]
    state = "Quarantined" if digest in repository.quarantined else "Passed"
    switches = {**_switches(readable=digest not in repository.locked), "quarantineState": state}
    media_type = repository.manifests[digest].media_type
    times = {"createdTime": CREATED, "lastUpdateTime": CREATED}
    return {
        "digest": digest,
        **times,
        "mediaType": media_type,
        "tags": tags,
        "changeableAttributes": switches,
    }


def _switches(*, readable: bool = True) -> dict[str, bool]:
    return {"deleteEnabled": True, "writeEnabled": True, "readEnabled": readable, "listEnabled": True}


def _let_in(registry: Registry, request: httpx.Request, correlation: str) -> None:
    address = client_of(request)
    if not registry.lets_in(address, request.extensions.get("server", "")):
        message = (
            f"client with IP '{address}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access. "
            f"CorrelationId: {correlation}"
        )
        raise RefusedError(403, "DENIED", message)


def _audiences(registry: Registry) -> tuple[str, ...]:
    accepted = tokens.REGISTRY_AUDIENCES
    return accepted + tokens.ARM_AUDIENCES if registry.arm_audience_enabled else accepted


def _unauthorized(correlation: str) -> RefusedError:
    return RefusedError(401, "UNAUTHORIZED", f"{UNAUTHORIZED} CorrelationId: {correlation}")


def _bad_request(message: str, correlation: str) -> RefusedError:
    return RefusedError(400, "BAD_REQUEST", f"{message}. CorrelationId: {correlation}")


def _name_unknown(name: str) -> RefusedError:
    return RefusedError(404, "NAME_UNKNOWN", "repository name not known to registry", {"name": name})


def _manifest_unknown(name: str, reference: str) -> RefusedError:
    if reference.startswith("sha256:"):
        detail = {"Name": name, "Revision": reference}
        return RefusedError(404, "MANIFEST_UNKNOWN", f"manifest {reference} is not found", detail)
    message = f'manifest tagged by "{reference}" is not found'
    return RefusedError(404, "MANIFEST_UNKNOWN", message, {"Tag": reference})


def _blob_unknown(digest: str) -> RefusedError:
    return RefusedError(404, "BLOB_UNKNOWN", "blob unknown to registry", digest)


def _challenge(registry: Registry, wanted: Scope | None, error: str, correlation: str) -> RefusedError:
    """401 with the header in ACR's shape: no blank after a comma, and no scope on `/v2/` itself."""
    login = registry.login_server
    value = f'Bearer realm="https://{login}/oauth2/token",service="{login}"'
    detail = None
    if wanted is not None:
        value += f',scope="{wanted.type}:{wanted.name}:{wanted.action}"'
        detail = [{"Type": wanted.type, "Name": wanted.name, "Action": wanted.action}]
    if error:
        value += f',error="{error}"'
    message = f"{UNAUTHORIZED} CorrelationId: {correlation}"
    return RefusedError(401, "UNAUTHORIZED", message, detail, [("Www-Authenticate", value)])


def _asked_of_token_endpoint(
    request: httpx.Request, registry: Registry, correlation: str
) -> tuple[list[str], str]:
    """The scopes and the refresh token of a request, by form or by query and Basic."""
    if request.method == "POST":
        form = form_of(request)
        grant = first(form.get("grant_type", []))
        if grant == "password" and registry.refuses_password_form:
            raise _bad_request("grant_type password is not supported", correlation)
        if grant == "password":
            raise _unauthorized(correlation)
        if grant != "refresh_token":
            raise _bad_request("grant_type is missing or not supported", correlation)
        scopes, service = form.get("scope", []), first(form.get("service", []))
        token = first(form.get("refresh_token", []))
    else:
        scopes, service = request.url.params.get_list("scope"), request.url.params.get("service", "")
        user, token = _basic(request)
        if user != NULL_GUID:
            raise _unauthorized(correlation)
    if service.lower() != registry.login_server.lower():
        raise _bad_request("service is missing or another registry", correlation)
    return [scope for text in scopes for scope in text.split()], token


def _account(request: httpx.Request, registry: Registry, now: datetime, correlation: str) -> Account | None:
    """Whose name and password a request for a token carries; None when it carries a refresh token or nothing.

    The words are those of docker-login#46 and mindaro#45 on GitHub; what is asked first is the lab's own choice.
    """
    user, password = _basic(request) if request.method == "GET" else ("", "")
    if user in {"", NULL_GUID}:
        return None
    known = [item for item in registry.accounts if item.name == user]
    if user == registry.name and not registry.admin_user_enabled:
        known = []
    for item in known:
        if item.password == password and item.holds(now):
            return item
    if not GUID.fullmatch(user):
        raise _unauthorized(correlation)
    said = "Invalid clientid or client secret." if known else "Application not registered with AAD."
    raise RefusedError(401, "UNAUTHORIZED", said)


def _shows_nothing(request: httpx.Request) -> bool:
    return request.method == "GET" and "authorization" not in request.headers


def _basic(request: httpx.Request) -> tuple[str, str]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    try:
        text = base64.b64decode(value, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    user, _, password = text.partition(":")
    return user, password


def _granted(
    azure: Azure, registry: Registry, principal: str, scope: str, now: datetime
) -> dict[str, Any] | None:
    """What is granted of a scope, as the token's `access` list says it; None when nothing is."""
    kind, _, rest = scope.partition(":")
    name, _, text = rest.rpartition(":")
    asked = [action for action in text.split(",") if action]
    allowed: frozenset[str] = frozenset()
    if kind == "repository":
        allowed = azure.repository_actions(registry, principal, name, now)
    elif (kind, name) == ("registry", "catalog") and azure.may_list_catalog(registry, principal, now):
        allowed = frozenset({"*"})
    actions = [action for action in asked if action in allowed]
    return {"type": kind, "name": name, "actions": actions} if actions else None


def _holds(claims: tokens.Claims, wanted: Scope) -> bool:
    return any(
        (entry["type"], entry["name"]) == (wanted.type, wanted.name) and wanted.action in entry["actions"]
        for entry in claims.get("access", [])
    )
