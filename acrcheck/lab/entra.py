"""The token endpoint of Entra, its discovery documents, and the errors that a wrong tenant or client meet."""

import re
import uuid
from typing import Any

import httpx

from acrcheck.clock import Clock
from acrcheck.lab import tokens
from acrcheck.lab.answers import JSON, answer, compact, first, form_of, http_date
from acrcheck.lab.azure import Azure, Source

HOST = "login.microsoftonline.com"
TOKEN = re.compile(r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token")
CONFIGURATION = re.compile(r"/(?P<tenant>[^/]+)/v2\.0/\.well-known/openid-configuration")
INSTANCE = "/common/discovery/instance"


class RefusedError(Exception):
    """An answer that is an error: status, error, AADSTS number and description."""

    def __init__(self, status: int, error: str, number: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.number = number


class Entra:
    """The directory as far as a client without a user asks it.

    It knows no secrets and no federated credentials: every client that exists is refused with the words
    for a client that has none configured.

    Sources: learn.microsoft.com "reference-error-codes" and "v2-oauth2-client-creds-grant-flow", with the
    texts captured in public issues of azure-workload-identity.

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
                self._token(form_of(request), self._tenant(match["tenant"], "invalid_request"))
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

    def _token(self, form: dict[str, list[str]], tenant: str) -> None:
        client = first(form.get("client_id", []))
        if first(form.get("grant_type", [])) != "client_credentials":
            description = "The request body must contain the following parameter: 'grant_type'."
            raise RefusedError(400, "invalid_request", 900144, description)
        if not _known(self._source(), client, tenant):
            description = (
                f"Application with identifier '{client}' was not found in the directory '{tenant}'. This can happen "
                "if the application has not been installed by the administrator of the tenant or consented to by "
                "any user in the tenant. You may have sent your authentication request to the wrong tenant."
            )
            raise RefusedError(400, "unauthorized_client", 700016, description)
        scope = first(form.get("scope", []))
        if not scope.endswith("/.default"):
            description = (
                f"The provided value for scope {scope} is not valid. Client credential flows must have a scope value "
                "with /.default suffixed to the resource identifier (application ID URI)."
            )
            raise RefusedError(400, "invalid_scope", 1002012, description)
        if assertion := first(form.get("client_assertion", [])):
            raise RefusedError(401, "invalid_client", 70021, _no_federation(assertion))
        if form.get("client_secret"):
            description = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client}'."
            )
            raise RefusedError(401, "invalid_client", 7000215, description)
        description = (
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        )
        raise RefusedError(401, "invalid_client", 7000218, description)

    def _refusal(self, refused: RefusedError) -> httpx.Response:
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        moment = f"{self._clock.now():%Y-%m-%d %H:%M:%SZ}"
        ids = f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"
        document = {
            "error": refused.error,
            "error_description": f"AADSTS{refused.number}: {refused} {ids}",
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


def _known(azure: Azure, client: str, tenant: str) -> bool:
    return any(
        i.client_id.lower() == client.lower() and i.tenant_id == tenant and not i.deleted
        for i in azure.identities
    )


def _no_federation(assertion: str) -> str:
    claims = tokens.claims_of(assertion) or {}
    return (
        "No matching federated identity record found for presented assertion. "
        f"Assertion Issuer: '{claims.get('iss', '')}'. Assertion Subject: '{claims.get('sub', '')}'. "
        f"Assertion Audience: '{claims.get('aud', '')}'."
    )


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
