"""The inputs of a run."""

import pytest

from acrcheck.errors import UsageError
from acrcheck.target import Target


@pytest.mark.parametrize(
    ("target", "kubectl", "helm"),
    [
        (Target(), "kubectl", "helm"),
        (Target(context="aks-prod"), "kubectl --context aks-prod", "helm --kube-context aks-prod"),
        (
            Target(context="it's mine", kubeconfig="/home/me/my config"),
            "kubectl --kubeconfig '/home/me/my config' --context 'it'\"'\"'s mine'",
            "helm --kubeconfig '/home/me/my config' --kube-context 'it'\"'\"'s mine'",
        ),
    ],
)
def test_commands_name_where_they_act(target: Target, kubectl: str, helm: str) -> None:
    """Printed commands name context and kubeconfig, quoted for the shell, where these are not the default."""
    assert target.kubectl == kubectl
    assert target.helm == helm


@pytest.mark.parametrize(
    "target",
    [
        Target(),
        Target(registry="a.azurecr.io", image="a.azurecr.io/x:1"),
        Target(registry="a.azurecr.io", image="A.azurecr.io/x:1"),
        Target(image="docker.io/x"),
        Target(registry="localhost:5000"),
        Target(full=True),
        Target(full=True, vantage="local"),
        Target(vantage="pod", node="aks-1", allow=frozenset({"probe-pod"})),
        Target(identity_client_id="7A4F0C1E-52d3-4b68-9c3f-1d7be02a5f34"),
        Target(
            identity_resource_id="/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity"
            "/userAssignedIdentities/n"
        ),
    ],
)
def test_takes_what_can_be(target: Target) -> None:
    """Letter case of host names, GUIDs and resource ids does not matter."""
    target.refuse_malformed()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(image="a.azurecr.io/UPPER"), "not an image reference"),
        (Target(registry="https://a.azurecr.io"), "is no registry's host"),
        (Target(registry="acme"), "acme is no registry's host"),
        (Target(registry="a.azurecr.io", image="b.azurecr.io/x"), "the image is at b.azurecr.io"),
        (Target(registry="a.azurecr.io", image="coder/envbox:1"), "the image is at docker.io"),
        (Target(identity_client_id="coder-acr"), "coder-acr is no client id"),
        (Target(identity_resource_id="coder-acr"), "coder-acr is no resource id"),
        (Target(vantage="pod"), "without leave no probe pod is created"),
        (
            Target(vantage="debug", allow=frozenset({"probe-pod"})),
            "without leave no debug container is created",
        ),
        (Target(node="aks-1"), "only a throw-away pod can be on a node of your choice"),
        (Target(full=True, vantage="exec"), "layers are downloaded whole to here only"),
    ],
)
def test_refuses_what_cannot_be(target: Target, words: str) -> None:
    """Malformed or contradictory inputs are a usage error that says which."""
    with pytest.raises(UsageError, match=words):
        target.refuse_malformed()
