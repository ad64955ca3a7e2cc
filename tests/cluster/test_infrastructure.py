"""That the test cluster is what it says it is: real nodes, real pods, and Azure behind its real names."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from acrcheck.lab import tokens
from acrcheck.lab.azure import RoleAssignment
from tests.cluster import azure, manifests, podidentity
from tests.cluster.harness import Cluster, Json
from tests.cluster.layout import NODES, az_environment

TOKEN = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
MANAGEMENT = "https://management.core.windows.net/"


@pytest.fixture
def nmi(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with AAD Pod Identity in managed mode, and an Azure in which all is well."""
    cluster.set_azure(azure.healthy())
    podidentity.install(cluster)
    yield cluster
    podidentity.remove(cluster)


@pytest.fixture
def unassigned(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with an Azure that has put no identity on any pool."""
    with cluster.changed_azure() as state:
        for scale_set in state.scale_sets:
            scale_set.identities = []
    yield cluster
    cluster.set_azure(azure.healthy())


def test_nodes_are_ready_in_their_pools(cluster: Cluster) -> None:
    """Each node names its pool, its scale set and its machine as AKS does."""
    seen = {
        item["metadata"]["name"]: (item["metadata"]["labels"]["agentpool"], item["spec"]["providerID"])
        for item in cluster.get("nodes")["items"]
    }
    assert seen == {node.name: (node.pool, node.provider_id) for node in NODES}


def test_helm_installs_and_upgrades_coderd_on_both_nodes(cluster: Cluster) -> None:
    """The chart's replicas run on both nodes, and an upgrade by `--reuse-values` reaches the pods."""
    release = ("coder", "coder/coder", "--version", "1.44.3", "-n", "helm")
    installed = cluster.helm(
        "install", *release, "--create-namespace", "--set", "coderd.replicas=2", "--wait"
    )
    assert installed.returncode == 0, installed.stderr
    assert {pod["spec"]["nodeName"] for pod in _pods(cluster, "helm")} == {node.name for node in NODES}
    label = "coderd.extraLabels.aadpodidbinding=coder"
    upgraded = cluster.helm("upgrade", *release, "--reuse-values", "--set-string", label, "--wait")
    assert upgraded.returncode == 0, upgraded.stderr
    cluster.rollout("deployment/coderd", "helm")
    assert {pod["metadata"]["labels"].get("aadpodidbinding") for pod in _pods(cluster, "helm")} == {"coder"}


def test_names_and_services_of_azure_answer_in_a_pod(cluster: Cluster) -> None:
    """The registry's challenge and ARM's refusal arrive over TLS that the image trusts; other names do not resolve."""
    _coderd(cluster, "names")
    challenge = _curl(cluster, "names", "https://labreg.azurecr.io/v2/", "-D", "-")
    assert 'Bearer realm="https://labreg.azurecr.io/oauth2/token",service="labreg.azurecr.io"' in challenge
    subscriptions = "https://management.azure.com/subscriptions?api-version=2022-12-01"
    assert "AuthenticationFailed" in _curl(cluster, "names", subscriptions)
    assert _exec(cluster, "names", "getent", "hosts", "nosuch.azurecr.io") == ""


@pytest.mark.usefixtures("nmi")
def test_a_pod_gets_its_token_through_nmi(cluster: Cluster) -> None:
    """Without label NMI refuses in its own words; with label and binding the token is the bound identity's."""
    _coderd(cluster, "unlabelled")
    refusal = _token(cluster, "unlabelled")
    assert refusal == "no azure identity found for request clientID \n"
    identity = azure.coder_identity()
    _coderd(cluster, "labelled", labels={"aadpodidbinding": "coder"})
    cluster.apply(
        manifests.azure_identity("labelled", identity),
        manifests.azure_identity_binding("labelled", "coder", identity.name, "coder"),
    )
    cluster.wait("NMI to know the binding", lambda: _token(cluster, "labelled").startswith("{"))
    answer = json.loads(_token(cluster, "labelled"))
    assert list(answer)[:2] == ["access_token", "refresh_token"]
    assert _claims(answer["access_token"])["appid"] == identity.client_id


def test_a_connection_older_than_the_redirect_goes_past_nmi(unassigned: Cluster) -> None:
    """What keeps its connection alive still hears IMDS when NMI has long taken over, until it is restarted."""
    client_id = azure.coder_identity().client_id
    _coderd(unassigned, "older", labels={"aadpodidbinding": "x"}, env={"KEEPALIVE_IDENTITY": client_id})
    podidentity.install(unassigned)
    assert _token(unassigned, "older").startswith("no azure identity found")
    refusal = '\\"error_description\\":\\"Identity not found\\"'
    assert all(refusal in log for log in _logged_since_asked(unassigned, "older"))
    unassigned.kubectl("rollout", "restart", "-n", "older", "deployment/coderd")
    unassigned.rollout("deployment/coderd", "older")
    assert all("no azure identity found" in log for log in _logged_since_asked(unassigned, "older"))
    podidentity.remove(unassigned)


def test_kubelet_pulls_from_the_registry_with_a_secret_and_not_without(cluster: Cluster) -> None:
    """The registry behind its front lets in who has a token, and refuses anonymous pulls as ACR does."""
    image = f"{azure.REGISTRY}/{azure.IMAGE_REPOSITORY}:{azure.IMAGE_TAG}"
    cluster.apply(manifests.namespace("pull"))
    secret = ("create", "secret", "docker-registry", "acr", "-n", "pull", f"--docker-server={azure.REGISTRY}")
    user = "--docker-username=00000000-0000-0000-0000-000000000000"
    made = cluster.kubectl(*secret, user, f"--docker-password={_refresh_token(cluster)}")
    assert made.returncode == 0, made.stderr
    with_secret = manifests.pod(
        "pull", "named", image=image, command=None, imagePullSecrets=[{"name": "acr"}]
    )
    cluster.apply(manifests.pod("pull", "anonymous", image=image, command=None), with_secret)
    cluster.wait("a refused pull", lambda: "failed to authorize" in _events(cluster, "pull"))
    assert "failed to fetch anonymous token: unexpected status: 401 Unauthorized" in _events(cluster, "pull")
    running = cluster.kubectl("wait", "-n", "pull", "pod/named", "--for=condition=Ready", "--timeout=60s")
    assert running.returncode == 0, running.stderr + _events(cluster, "pull")


def test_the_nodes_identity_pulls_where_it_has_a_role_and_not_where_it_has_none(cluster: Cluster) -> None:
    """The kubelet's credential provider gives what the registry gives for the node's identity; its words are logged."""
    image = f"{azure.REGISTRY}/{azure.IMAGE_REPOSITORY}:{azure.IMAGE_TAG}"
    cluster.apply(manifests.namespace("provider"))
    made = {node.name: manifests.pod("provider", node.pool, image=image, command=None) for node in NODES}
    for node, pod in made.items():
        pod["spec"] |= {"nodeName": node}
        pod["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    cluster.apply(*made.values())
    cluster.wait("two refused pulls", lambda: _events(cluster, "provider").count("failed to authorize") >= 2)
    address = f"https://{azure.REGISTRY}/oauth2/exchange"
    said = f"Www-Authenticate: auth url {address} responded with status code 401"
    assert all(said in cluster.layout.log(f"kubelet-{node.name}").read_text() for node in NODES)
    kubelet = azure.kubelet_identity()
    with cluster.changed_azure() as state:
        state.roles.append(RoleAssignment(kubelet.object_id, "AcrPull", azure.REGISTRY_ID))
    waiting = ("wait", "-n", "provider", "pod", "--all", "--for=condition=Ready", "--timeout=90s")
    running = cluster.kubectl(*waiting)
    cluster.set_azure(azure.healthy())
    assert running.returncode == 0, running.stderr + _events(cluster, "provider")


def test_the_audit_log_keeps_the_arguments_of_exec(cluster: Cluster) -> None:
    """What a command line gives away is found there: tests search it for secrets."""
    _coderd(cluster, "audit")
    _exec(cluster, "audit", "getent", "hosts", "canary.example")
    cluster.wait("the audit event", lambda: "canary.example" in cluster.audit_log.read_text())


def test_az_logs_in_from_a_pod(nmi: Cluster) -> None:
    """The real az, through the redirect, prints the documentation's block."""
    identity = azure.coder_identity()
    label = {"aadpodidbinding": "coder"}
    nmi.apply(
        manifests.namespace("az"),
        manifests.azure_identity("az", identity),
        manifests.azure_identity_binding("az", "coder", identity.name, "coder"),
        manifests.az_pod("az", "az", str(az_environment()), labels=label),
    )
    nmi.kubectl("wait", "-n", "az", "pod/az", "--for=condition=Ready", "--timeout=60s")
    login = ("login", "--identity", "--resource-id", identity.resource_id)
    done = nmi.kubectl("exec", "-n", "az", "az", "--", "/az/bin/python", "-m", "azure.cli", *login)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["user"]["name"] == "userAssignedIdentity"


def _coderd(cluster: Cluster, namespace: str, **options: Any) -> None:
    cluster.apply(manifests.namespace(namespace))
    cluster.apply(*manifests.coderd(namespace, **options))
    cluster.rollout("deployment/coderd", namespace)


def _pods(cluster: Cluster, namespace: str) -> list[Json]:
    listed: list[Json] = cluster.get("pods", "-n", namespace, "-l", "coder.deployment=coderd")["items"]
    return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]


def _exec(cluster: Cluster, namespace: str, *argv: str) -> str:
    # By its Deployment, kubectl may choose a pod that is going.
    pod = _pods(cluster, namespace)[0]["metadata"]["name"]
    return cluster.kubectl("exec", "-n", namespace, pod, "-c", "coderd", "--", *argv).stdout


def _curl(cluster: Cluster, namespace: str, url: str, *options: str) -> str:
    return _exec(cluster, namespace, "curl", "-sS", "-m", "5", *options, url)


def _token(cluster: Cluster, namespace: str) -> str:
    return _curl(cluster, namespace, f"{TOKEN}&resource={MANAGEMENT}", "-H", "Metadata: true")


def _claims(token: str) -> Json:
    part = token.split(".")[1]
    claims: Json = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _events(cluster: Cluster, namespace: str) -> str:
    return " ".join(event["message"] for event in cluster.get("events", "-n", namespace)["items"])


def _logged_since_asked(cluster: Cluster, namespace: str) -> list[str]:
    """What each pod that is there to stay logs from now on, until it has asked for a token at least once."""
    since = f"--since-time={datetime.now(UTC).isoformat()}"
    commands = [
        ("logs", "-n", namespace, pod["metadata"]["name"], since) for pod in _pods(cluster, namespace)
    ]

    def logged() -> list[str]:
        return [cluster.kubectl(*command).stdout for command in commands]

    cluster.wait("a line of each", lambda: all("azure token" in log for log in logged()))
    return logged()


def _refresh_token(cluster: Cluster) -> str:
    """What ACR gives for a token of coderd's identity, asked for beside the control plane."""
    entra = tokens.entra_signer(cluster.azure)
    claims = tokens.entra_claims(
        azure.coder_identity(), "https://containerregistry.azure.net", datetime.now(UTC)
    )
    form = f"grant_type=access_token&service={azure.REGISTRY}&access_token={tokens.encode(entra, claims)}"
    exchange = f"https://{azure.REGISTRY}/oauth2/exchange"
    answer = cluster.inside("/usr/bin/curl", "-sS", "-m", "5", "-d", "@-", exchange, stdin=form)
    token: str = json.loads(answer.stdout)["refresh_token"]
    return token
