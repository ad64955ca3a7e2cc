"""acr-credential-provider, which AKS gives its kubelets: the node's credential for a registry, or why there is none.

Sources: kubernetes-sigs/cloud-provider-azure cmd/acr-credential-provider/main.go,
pkg/credentialprovider/azure_credentials.go and azure_acr_helper.go (release 1.31).
"""

import re

import httpx

from acrcheck.lab.programs import azidentity, go
from acrcheck.lab.programs.containerd import PARAMETER, Credential
from acrcheck.lab.programs.klog import header
from acrcheck.lab.world import World

NAME = "acr-credential-provider"
REGISTRY = re.compile(r"[a-zA-Z0-9]+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)")
EMPTY = Credential("", "")
"""What it gives for every Azure registry, so that anonymous pulls stay possible."""
NULL_GUID = "00000000-0000-0000-0000-000000000000"
SECONDS = 60.0
AUDIENCE = "https://containerregistry.azure.net"


class FailedError(Exception):
    """It ended with code 1. The text is all that it printed."""


def credentials(world: World, node: str, image: str) -> dict[str, Credential]:
    """Credentials by host pattern; empty for an image that is on no Azure registry. Raises FailedError."""
    found = REGISTRY.search(image)
    if found is None:
        return {}
    host = found[0]
    principal = world.machine(node).service_principal
    if principal is not None:
        return {"*.azurecr.*": EMPTY, "*.azurecr.io": Credential(*principal)}
    try:
        password = refresh_token(world, node, host)
    except StepError as error:
        lines = (
            ("azure_credentials.go:217", f"{error.stage}: {error}"),
            ("azure_credentials.go:155", f"error getting credentials from ACR for {host}: {error}"),
            ("main.go:54", f"Error running acr credential provider: {error}"),
        )
        moment = world.clock.now()
        raise FailedError("".join(f"{header('E', moment, at)}{said}\n" for at, said in lines)) from error
    return {"*.azurecr.*": EMPTY, host: Credential(NULL_GUID, password)}


class StepError(Exception):
    """A step failed, with the words by which the step is logged, and the registry's answer if there was one."""

    def __init__(self, stage: str, text: str, answer: httpx.Response | None = None) -> None:
        super().__init__(text)
        self.stage = stage
        self.answer = answer


def refresh_token(world: World, node: str, host: str, audience: str = AUDIENCE) -> str:
    """Exchange a token of the node's identity at a registry. Raises StepError."""
    client = go.Client(world, go.at_node(world, node), timeout=SECONDS)
    token = _token(world, client, node, audience)
    return _exchange(client, _challenge(client, host), token)


def _token(world: World, client: go.Client, node: str, audience: str) -> str:
    identity = world.machine(node).identity
    if identity is None:
        kubelet = world.azure.scale_set(world.azure.node(node).scale_set).kubelet_identity
        found = world.azure.identity(kubelet) if kubelet else None
        identity = found.client_id if found else ""
    try:
        return azidentity.token(client, audience, identity)
    except azidentity.FailedError as error:
        raise StepError("Failed to ensure fresh service principal token", str(error)) from error


def _challenge(client: go.Client, host: str) -> dict[str, str]:
    url = f"https://{host}/v2/"
    stage = "failed to receive challenge"
    try:
        response = client.send("GET", url)
    except go.GoError as error:
        raise StepError(stage, f"error reaching registry endpoint {url}, error: {error}") from error
    if response.status_code != httpx.codes.UNAUTHORIZED:
        said = f"registry did not issue a valid AAD challenge, status: {response.status_code}"
        raise StepError(stage, said)
    return dict(PARAMETER.findall(response.headers["www-authenticate"]))


def _exchange(client: go.Client, challenge: dict[str, str], token: str) -> str:
    url = challenge["realm"].replace("/oauth2/token", "/oauth2/exchange")
    form = {
        "grant_type": "access_token_refresh_token",
        "service": challenge["service"],
        "access_token": token,
        "refresh_token": token,
    }
    stage = "failed to perform token exchange"
    try:
        response = client.send("POST", url, form=form)
    except go.GoError as error:
        raise StepError(stage, f"Www-Authenticate: failed to reach auth url {url}") from error
    if not response.is_success:
        said = f"Www-Authenticate: auth url {url} responded with status code {response.status_code}"
        raise StepError(stage, said, response)
    return str(response.json()["refresh_token"])
