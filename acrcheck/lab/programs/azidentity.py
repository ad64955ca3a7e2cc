"""Azure's library for Go asking the metadata service for a managed identity's token.

Source: Azure/azure-sdk-for-go sdk/azidentity/{managed_identity_client,errors}.go.
"""

from urllib.parse import quote

import httpx

from acrcheck.lab.programs import go
from acrcheck.wire.pace import IMDS

URL = f"http://{IMDS}/metadata/identity/oauth2/token"
FAILED = "ManagedIdentityCredential authentication failed. "
RULE = "-" * 80


class FailedError(Exception):
    """There is no token. The text is the library's."""


def token(client: go.Client, audience: str, client_id: str = "") -> str:
    """A token for an audience, of the identity of that client id or of the only one. Raises FailedError."""
    url = f"{URL}?api-version=2018-02-01&resource={quote(audience, safe='')}"
    try:
        response = client.send(
            "GET", f"{url}&client_id={client_id}" if client_id else url, {"Metadata": "true"}
        )
    except go.GoError as error:
        raise FailedError(f"{FAILED}{error}") from error
    if not response.is_success:
        raise FailedError(_refused(response))
    return str(response.json()["access_token"])


def _refused(response: httpx.Response) -> str:
    lines = (
        FAILED,
        f"GET {URL}",
        RULE,
        f"RESPONSE {go.status(response)}",
        RULE,
        response.text,
        RULE,
        "To troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot#managed-id",
    )
    return "\n".join(lines)
