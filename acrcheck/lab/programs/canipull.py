"""canipull, the program that `az aks check-acr` runs on a node.

Source: Azure/aks-canipull main.go, pkg/authorizer and pkg/exitcode (v0.1.0).
"""

from acrcheck.lab.path import Path, StoppedError
from acrcheck.lab.programs import credential_provider, go
from acrcheck.lab.world import World

ARM = "https://management.azure.com/"
UNRESOLVED, REJECTED = 52, 60


def run(world: World, node: str, host: str) -> tuple[str, int]:
    """Check whether a node can log in to a registry: what is printed, and the exit code.

    Its image is given /etc/ssl/certs of the node, and the trusted certificates of Azure Linux are not there
    (Azure/AKS#3320).
    """
    stamp = f"[{world.clock.now():%Y-%m-%dT%H:%M:%SZ}] "
    try:
        _, chain = Path(world).lookup(go.at_node(world, node), host)
    except StoppedError:
        failed = f"Failed to resolve specified fqdn {host}: lookup {host} on {go.RESOLVER}: no such host"
        return f"{stamp}Checking host name resolution ({host}): FAILED\n{stamp}{failed}\n", UNRESOLVED
    lines = [
        f"Checking host name resolution ({host}): SUCCEEDED",
        f"Canonical name for ACR ({host}): {chain[-1]}.",
        f"ACR location: {chain[-1].split('.')[1]}",
        "Checking managed identity...",
        f"Kubelet managed identity client ID: {world.azure.identities[1].client_id}",
        "Validating managed identity existance: SUCCEEDED",
    ]
    problem = _exchange(world, node, host)
    if problem:
        lines += [
            "Validating image pull permission: FAILED",
            f"ACR {host} rejected token exchange: {problem}",
        ]
    else:
        lines += [
            "Validating image pull permission: SUCCEEDED",
            "",
            f"Your cluster can pull images from {host}!",
        ]
    return "".join(f"{stamp}{line}\n" for line in lines), REJECTED if problem else 0


def _exchange(world: World, node: str, host: str) -> str:
    """What is wrong with exchanging the node's token for ARM; empty when nothing is."""
    if world.machine(node).distribution == "AzureLinux":
        failed = f'Post "https://{host}/oauth2/exchange": x509: certificate signed by unknown authority'
        return f"failed to send token exchange request: {failed}"
    try:
        credential_provider.refresh_token(world, node, host, ARM)
    except credential_provider.StepError as error:
        if error.answer is None:
            return f"failed to send token exchange request: {error}"
        status, body = error.answer.status_code, error.answer.text
        return f"ACR token exchange endpoint returned error status: {status}. body: {body}"
    return ""
