"""The token endpoint of Entra, its discovery documents, and the errors that a wrong tenant or client meet."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from acrcheck.clock import Clock
from acrcheck.lab import tokens
from acrcheck.lab.answers import JSON, answer, compact, first, form_of, http_date
from acrcheck.lab.azure import Azure, ManagedIdentity, Source
from acrcheck.lab.directory import Application, User, known

HOST = "login.microsoftonline.com"
TOKEN = re.compile(r"/(?P<tenant>[^/]+)/oauth2/(?:v2\.0/)?token")
CONFIGURATION = re.compile(r"/(?P<tenant>[^/]+)/v2\.0/\.well-known/openid-configuration")
INSTANCE = "/common/discovery/instance"
OWN_ISSUERS = ("https://sts.windows.net/", f"https://{HOST}/")
INACTIVITY = timedelta(days=90)
"""After which a refresh token that nobody used ends: learn.microsoft.com "refresh-tokens"."""
LIFETIME = timedelta(hours=1)
CASE = "The subject matches with case-insensitive comparison, but not with case-sensitive comparison. "
Principal = ManagedIdentity | Application | User


class RefusedError(Exception):
    """An answer that is an error: status, error, AADSTS number and description."""

    def __init__(self, status: int, error: str, number: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.number = number


class Entra:
    """The directory as far as a client without a user asks it, and az for a person who has signed in.

    A token of another issuer is taken for what it says: its signature is not looked at.

    Sources: learn.microsoft.com "reference-error-codes" and "v2-oauth2-client-creds-grant-flow", with the
    texts captured in Azure/azure-workload-identity#642, #977, #1200, Azure/login#482, #517, Azure/azure-cli#23105,
    #31700 and Azure/aad-pod-identity#1075 on GitHub. The order of the checks is the lab's own.

    Args:
        source: where the present state of Azure comes from.
        clock: the time that errors carry.
    """

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._clock = clock

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        path = request.url.path
        try:
            if path == INSTANCE:
                return self._json(200, _instance(request))
            if match := CONFIGURATION.fullmatch(path):
                return self._json(200, _configuration(self._tenant(match["tenant"], "invalid_tenant")))
            if (match := TOKEN.fullmatch(path)) and request.method == "POST":
                tenant = self._tenant(match["tenant"], "invalid_request")
                return self._json(200, self._token(form_of(request), tenant))
        except RefusedError as refused:
            return self._refusal(refused)
        return answer(404, [("Content-Length", "0"), http_date(self._clock.now())])

    def _tenant(self, name: str, error: str) -> str:
        for tenant in self._source().tenants:
            if name.lower() in {tenant.id.lower(), tenant.domain.lower()}:
                return tenant.id
        description = (
            f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into "
            "the correct cloud. Check with your subscription administrator, this may happen if there are no "
            "active subscriptions for the tenant."
        )
        raise RefusedError(400, error, 90002, description)

    def _token(self, form: dict[str, list[str]], tenant: str) -> dict[str, Any]:
        azure, now = self._source(), self._clock.now()
        grant = first(form.get("grant_type", []))
        if grant not in {"refresh_token", "client_credentials"}:
            text = "The request body must contain the following parameter: 'grant_type'."
            raise RefusedError(400, "invalid_request", 900144, text)
        principal: Principal
        if grant == "refresh_token":
            principal = self._user(azure, first(form.get("refresh_token", [])))
            audience = _audience(form, tenant)
        else:
            principal = self._client(azure, first(form.get("client_id", [])), tenant)
            audience = _audience(form, tenant)
            _prove(azure, principal, form, now)
        if principal.object_id in next(t for t in azure.tenants if t.id == tenant).blocked:
            text = (
                "Access has been blocked by Conditional Access policies. The access policy does not allow token "
                "issuance."
            )
            raise RefusedError(400, "invalid_grant", 53003, text)
        claims = _claims(principal, audience, now)
        lifetime = claims["exp"] - int(now.timestamp())
        token = tokens.encode(tokens.entra_signer(azure), claims)
        return {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": token,
        }

    def _user(self, azure: Azure, token: str) -> User:
        """Whose refresh token it is; it ends when it has not been used for long."""
        claims = tokens.claims_of(token) or {}
        issued, now = datetime.fromtimestamp(claims["iat"], UTC), self._clock.now()
        if now - issued > INACTIVITY:
            text = (
                f"The refresh token has expired due to inactivity. The token was issued on {_precise(issued)} and was "
                f"inactive for {INACTIVITY.days}.00:00:00."
            )
            raise RefusedError(400, "invalid_grant", 700082, text)
        return next(user for user in azure.users if user.object_id == claims["oid"])

    def _client(self, azure: Azure, name: str, tenant: str) -> ManagedIdentity | Application:
        client = azure.client(name, tenant, self._clock.now())
        if client is None:
            text = (
                f"Application with identifier '{name}' was not found in the directory '{tenant}'. This can happen "
                "if the application has not been installed by the administrator of the tenant or consented to by "
                "any user in the tenant. You may have sent your authentication request to the wrong tenant."
            )
            raise RefusedError(400, "unauthorized_client", 700016, text)
        return client

    def _refusal(self, refused: RefusedError) -> httpx.Response:
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        moment = f"{self._clock.now():%Y-%m-%d %H:%M:%SZ}"
        document = {
            "error": refused.error,
            "error_description": description(refused.number, str(refused), moment, trace, correlation),
            "error_codes": [refused.number],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://{HOST}/error?code={refused.number}",
        }
        return self._json(refused.status, document)

    def _json(self, status: int, document: dict[str, Any]) -> httpx.Response:
        headers = [
            ("Cache-Control", "no-store, no-cache"),
            ("Pragma", "no-cache"),
            ("Content-Type", JSON),
            ("Expires", "-1"),
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
            ("X-Content-Type-Options", "nosniff"),
            ("x-ms-request-id", str(uuid.uuid4())),
            http_date(self._clock.now()),
        ]
        return answer(status, headers, compact(document))


def description(number: int, said: str, moment: str, trace: str, correlation: str) -> str:
    """An error as Entra describes it."""
    return f"AADSTS{number}: {said} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"


def unknown_resource(resource: str, tenant: str) -> str:
    """What Entra says of an audience for which it issues no tokens."""
    return (
        f"The resource principal named {resource} was not found in the tenant named {tenant}. "
        "This can happen if the application has not been installed by the administrator of the tenant or "
        "consented to by any user in the tenant. You might have sent your authentication request to the "
        "wrong tenant."
    )


def refresh_token(azure: Azure, user: User, issued: datetime) -> str:
    """What a person's command line keeps of a sign-in."""
    return tokens.encode(tokens.entra_signer(azure), {"oid": user.object_id, "iat": int(issued.timestamp())})


def _prove(
    azure: Azure, client: ManagedIdentity | Application, form: dict[str, list[str]], now: datetime
) -> None:
    """Look at what a client has to show for itself. Raises RefusedError."""
    if assertion := first(form.get("client_assertion", [])):
        _federate(azure, client, tokens.claims_of(assertion) or {}, now)
    elif secret := first(form.get("client_secret", [])):
        _check_secret(client, secret, now)
    else:
        text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        raise RefusedError(401, "invalid_client", 7000218, text)


def _federate(
    azure: Azure, client: ManagedIdentity | Application, claims: tokens.Claims, now: datetime
) -> None:
    """Look whether a token is one that the client trusts. Raises RefusedError."""
    issuer, subject = claims.get("iss", ""), claims.get("sub", "")
    audiences = [claims["aud"]] if isinstance(claims.get("aud"), str) else claims.get("aud", [])
    if issuer.startswith(OWN_ISSUERS):
        text = "AAD-issued tokens may not be used for federated identity flows."
        raise RefusedError(401, "invalid_client", 700222, text)
    if not client.federated:
        name = f"'{client.client_id}'({client.name})"
        text = f"The client {name} has no configured federated identity credentials."
        raise RefusedError(401, "invalid_client", 70025, text)
    found = [item for item in client.federated if item.issuer == issuer]
    if not found:
        raise _unmatched(700211, "issuer", issuer)
    found = [item for item in found if item.audience in audiences]
    if not found:
        raise _unmatched(700212, "audience", first(audiences))
    exact = [item for item in found if item.subject == subject and known(item.effective_at, now)]
    if not exact and any(
        item.subject.lower() == subject.lower() and item.subject != subject for item in found
    ):
        raise _unmatched(7002138, "subject", subject, CASE)
    if not exact:
        raise _unmatched(700213, "subject", subject)
    if issuer in azure.unreachable_issuers:
        raise RefusedError(400, "invalid_request", 50166, "Request to External OIDC endpoint failed.")
    if tokens.expired(claims, now):
        begin, end = (datetime.fromtimestamp(claims[key], UTC) for key in ("nbf", "exp"))
        text = (
            f"Client assertion is not within its valid time range. Current time: {_precise(now)}, assertion valid "
            f"from {_precise(begin)}, expiry time of assertion {_precise(end)}. Review the documentation at "
            "https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
        )
        raise RefusedError(401, "invalid_client", 700024, text)


def _unmatched(number: int, part: str, value: str, more: str = "") -> RefusedError:
    text = (
        f"No matching federated identity record found for presented assertion {part} '{value}'. {more}Check your "
        "federated identity credential Subject, Audience and Issuer against the presented assertion. "
        "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
    )
    return RefusedError(401, "invalid_client", number, text)


def _check_secret(client: ManagedIdentity | Application, secret: str, now: datetime) -> None:
    """Look whether it is a secret of the client's. Raises RefusedError."""
    secrets = client.secrets if isinstance(client, Application) else []
    found = [item for item in secrets if item.value == secret]
    if not found:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
            f"value, not the client secret ID, for a secret added to app '{client.client_id}'."
        )
        raise RefusedError(401, "invalid_client", 7000215, text)
    if all(item.ends <= now for item in found):
        text = (
            f"The provided client secret keys for app '{client.client_id}' are expired. Visit the Azure portal to "
            "create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials "
            "for added security: https://aka.ms/certCreds."
        )
        raise RefusedError(401, "invalid_client", 7000222, text)


def _audience(form: dict[str, list[str]], tenant: str) -> str:
    """What the token is wanted for: a scope, or a resource at the older endpoint. Raises RefusedError."""
    scope, resource = first(form.get("scope", [])), first(form.get("resource", []))
    if not resource and not scope.endswith("/.default"):
        text = (
            f"The provided value for scope {scope} is not valid. Client credential flows must have a scope value "
            "with /.default suffixed to the resource identifier (application ID URI)."
        )
        raise RefusedError(400, "invalid_scope", 1002012, text)
    audience = resource or scope.removesuffix("/.default")
    if audience not in tokens.RESOURCES:
        raise RefusedError(400, "invalid_resource", 500011, unknown_resource(audience, tenant))
    return audience


def _claims(principal: Principal, audience: str, now: datetime) -> tokens.Claims:
    who = {"unique_name": principal.name} if isinstance(principal, User) else {"appid": principal.client_id}
    return {
        "aud": audience,
        "iss": f"https://sts.windows.net/{principal.tenant_id}/",
        "nbf": int((now - tokens.BACKDATED).timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        **who,
        "oid": principal.object_id,
        "tid": principal.tenant_id,
    }


def _precise(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"


def _configuration(tenant: str) -> dict[str, Any]:
    base = f"https://{HOST}/{tenant}"
    return {
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "issuer": f"{base}/v2.0",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "tenant_region_scope": "NA",
        "cloud_instance_name": "microsoftonline.com",
    }


def _instance(request: httpx.Request) -> dict[str, Any]:
    """The metadata by which MSAL recognises the authority it was given."""
    asked = httpx.URL(request.url.params.get("authorization_endpoint", ""))
    tenant = asked.path.strip("/").partition("/")[0] or "common"
    names = [HOST, "login.windows.net", "login.microsoft.com", "sts.windows.net"]
    return {
        "tenant_discovery_endpoint": f"https://{HOST}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": HOST, "preferred_cache": "login.windows.net", "aliases": names}],
    }
