"""The token endpoint at 169.254.169.254: how it is asked, and who answered.

NMI (aad-pod-identity, pkg/nmi/server/server.go) intercepts it for pods: its errors are `text/plain`. The real
IMDS (Azure Instance Metadata Service) answers errors as JSON. The same words from the one or the other
have different causes.
"""

from typing import Any
from urllib.parse import quote

from acrcheck.late import dataclass
from acrcheck.wire.door import Failure, Request, Response, Trouble

ADDRESS = "169.254.169.254"
API_VERSION = "2018-02-01"
HELD_AFTER = 5.0
"""Seconds to wait. NMI in standard mode holds a hopeless request for 80 s and more; a good one takes less than 2."""


def token_request(resource: str, client_id: str = "", resource_id: str = "") -> Request:
    """Make the documentation's request, properly quoted."""
    query = f"api-version={API_VERSION}"
    if client_id:
        query += f"&client_id={quote(client_id, safe='')}"
    if resource_id:
        query += f"&msi_res_id={quote(resource_id, safe='')}"
    query += f"&resource={quote(resource, safe='')}"
    url = f"http://{ADDRESS}/metadata/identity/oauth2/token?{query}"
    return Request("GET", url, headers=(("Metadata", "true"),), seconds=HELD_AFTER)


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer of the token endpoint, with who gave it.

    `who` is `imds`, `nmi`, `proxy` (or another web page) or `nobody`; `text` is the error's decisive words,
    empty when a token was given.
    """

    who: str
    text: str = ""
    status: int = 0
    token: str = ""
    claims: dict[str, Any] | None = None
    trouble: Trouble | None = None


def listen(answer: Response | Failure) -> Spoken:
    """Tell who answered and what was said."""
    if isinstance(answer, Failure):
        return Spoken("nobody", answer.detail, trouble=answer.trouble)
    body = answer.json()
    kind = answer.header("content-type").lower()
    given = body.get("access_token") if body else None
    if answer.status == 200 and body and given and isinstance(given, str):  # noqa: PLR2004 - HTTP's own number
        secret = answer.secret(given)
        who = "imds" if "client_id" in body or "ext_expires_in" in body else "nmi"
        return Spoken(who, status=200, token=given, claims=secret.claims if secret else None)
    server = answer.header("server")
    if body and "error" in body:
        text = str(body.get("error_description") or body["error"])
        # NMI's only JSON error is the missing Metadata header; it sends no Server header.
        return Spoken("imds" if server or "metadata header" not in text else "nmi", text, answer.status)
    if server.startswith("IMDS/"):
        return Spoken("imds", answer.body.strip()[:200], answer.status)
    if kind.startswith("text/plain") and not server and not _is_page(answer.body):
        return Spoken("nmi", answer.body.strip(), answer.status)
    return Spoken("proxy", answer.body.strip()[:200], answer.status)


def _is_page(body: str) -> bool:
    return body.lstrip()[:1] == "<"
