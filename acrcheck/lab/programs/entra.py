"""What Entra refused, in the words of the client that had asked.

Sources: Azure/azure-cli 2.91.0 core/auth/util.py (aad_error_handler); Azure/azure-sdk-for-go sdk/azidentity/errors.go;
azure-workload-identity examples/msal-go/token_credential.go with microsoft-authentication-library-for-go
apps/internal/comm/comm.go; azure-sdk-for-net Azure.Identity as in Azure/AKS#4029 on GitHub; azure-sdk-for-python
azure/identity/_internal/aad_client_base.py and msal_credentials; go-autorest autorest/adal/token.go (0.9.23).
"""

import json
from datetime import datetime

import httpx

from acrcheck.lab.programs import go
from acrcheck.lab.programs.klog import header, quoted

RULE = "-" * 80
CERTIFICATE = (
    "The error may be caused by passing a service principal certificate with --password. "
    "Please note that --password no longer accepts a service principal certificate. "
    "To pass a service principal certificate, use --certificate instead."
)
WRONG_SECRET = 7000215
ANCHORS = {"WorkloadIdentityCredential": "workload", "ClientSecretCredential": "client-secret"}


def az(response: httpx.Response, tenant: str = "", scope: str = "") -> str:
    """`az login`, or another command that needed a token."""
    refusal = response.json()
    if WRONG_SECRET in refusal["error_codes"]:
        advice = CERTIFICATE
    else:
        words = ["az login"]
        words += ["--tenant", f'"{tenant}"'] if tenant else []
        words += ["--scope", f'"{scope}"'] if scope else []
        advice = (
            "Run the command below to authenticate interactively; additional arguments may be added as needed:\n"
            f"az logout\n{' '.join(words)}"
        )
    return f"ERROR: {refusal['error_description']}\n{advice}\n"


def azidentity(response: httpx.Response, credential: str = "WorkloadIdentityCredential") -> str:
    """Azure's library for Go."""
    url = response.request.url
    return (
        f"{credential} authentication failed. \n"
        f"{response.request.method} {url.scheme}://{url.host}{url.path}\n"
        f"{RULE}\nRESPONSE {response.status_code}: {go.status(response)}\n{RULE}\n"
        f"{json.dumps(response.json(), indent=2)}\n{RULE}\n"
        f"To troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot#{ANCHORS[credential]}\n"
    )


def msal_go(response: httpx.Response, moment: datetime) -> str:
    """The sample of Azure Workload Identity, which logs what MSAL for Go gave it."""
    said = (
        f"FromAssertion(): http call({response.request.url})(POST) error: "
        f"reply status code was {response.status_code}:\n{response.text}"
    )
    return f'{header("E", moment, "token_credential.go:62", 1)}"failed to acquire token" err={quoted(said)}\n'


def dotnet(response: httpx.Response) -> str:
    """Azure.Identity for .NET: the exception, and the one inside it."""
    refusal = response.json()
    return (
        "Azure.Identity.AuthenticationFailedException: ClientAssertionCredential authentication failed: "
        f"{refusal['error_description']}\n"
        f" ---> MSAL.NetCore.4.57.0.0.MsalServiceException:\nErrorCode: {refusal['error']}\n"
        f"Microsoft.Identity.Client.MsalServiceException: {refusal['error_description']}\n"
    )


def python(response: httpx.Response) -> str:
    """azure-identity for Python."""
    refusal = response.json()
    return (
        "azure.core.exceptions.ClientAuthenticationError: Microsoft Entra ID error "
        f"'({refusal['error']}) {refusal['error_description']}'\nContent: {response.text}\n"
    )


def adal(response: httpx.Response, wanted: str) -> str:
    """What go-autorest says of a request for which it got no token.

    Args:
        response: to the request for the token.
        wanted: the URL that the token was for.
    """
    return (
        f"azure.BearerAuthorizer#WithAuthorization: Failed to refresh the Token for request to {wanted}: "
        f"StatusCode={response.status_code} -- Original Error: adal: Refresh request failed. Status Code = "
        f"'{response.status_code}'. Response body: {response.text.rstrip()} Endpoint {response.request.url}"
    )
