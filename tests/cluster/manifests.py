"""The objects that tests put into the cluster: coderd by hand, and AAD Pod Identity as its manifests have it."""

from typing import Any

from acrcheck.lab.azure import ManagedIdentity

Json = dict[str, Any]

CODERD_IMAGE = "docker.io/coderenvs/coder-service:1.44.3"
BARE_IMAGE = "docker.io/coderenvs/coder-service:1.44.3-bare"
"""The same program and nothing else: no shell, no HTTP client."""
AZ_IMAGE = "mcr.microsoft.com/azure-cli:latest"
"""Debian with curl and python3; azure-cli itself is mounted into it, see `az_pod`."""
NMI_IMAGE = "mcr.microsoft.com/oss/azure/aad-pod-identity/nmi:v1.8.17"
MIC_IMAGE = "mcr.microsoft.com/oss/azure/aad-pod-identity/mic:v1.8.17"
GROUP = "aadpodidentity.k8s.io"
LABEL = "aadpodidbinding"


def namespace(name: str) -> Json:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def service_account(namespace: str, name: str) -> Json:
    """A service account."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}


def coderd(
    namespace: str,
    *,
    labels: dict[str, str] | None = None,
    replicas: int = 2,
    image: str = CODERD_IMAGE,
    env: dict[str, str] | None = None,
    **pod: Any,
) -> tuple[Json, Json]:
    """Coder's service account and Deployment, installed by hand: as the chart renders them, without Helm's labels.

    Args:
        namespace: where they go.
        labels: further labels of the pods.
        replicas: how many; they prefer different nodes.
        image: of coderd.
        env: environment variables of coderd.
        pod: further fields of the pod's spec, `hostNetwork=True` for one.
    """
    selector = {"coder.deployment": "coderd"}
    own = {
        "app": "coderd",
        "app.kubernetes.io/name": "coder",
        "app.kubernetes.io/component": "coderd",
        **selector,
    }
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": selector}}
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    spec = {
        "serviceAccountName": "coder",
        # Coder's own is 300 s; tests cannot wait so long.
        "terminationGracePeriodSeconds": 1,
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}},
        "containers": [_coderd_container(image, env or {})],
        **pod,
    }
    metadata = {"name": "coderd", "namespace": namespace, "labels": own}
    deployment = _workload("Deployment", metadata, selector, {**own, **(labels or {})}, spec)
    deployment["spec"]["replicas"] = replicas
    return service_account(namespace, "coder"), deployment


def _coderd_container(image: str, env: dict[str, str]) -> Json:
    health = {"httpGet": {"path": "/cem-healthz", "port": 8080}}
    return {
        "name": "coderd",
        "image": image,
        "imagePullPolicy": "Always",
        "command": ["coderd", "run"],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "ports": [{"name": "tcp-coderd", "containerPort": 8080}],
        "readinessProbe": {**health, "periodSeconds": 1},
        "livenessProbe": health,
        "securityContext": {
            "runAsUser": 1000,
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _workload(
    kind: str, metadata: Json, selector: dict[str, str], labels: dict[str, str], spec: Json
) -> Json:
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": selector}, "template": template},
    }


def pod(
    namespace: str,
    name: str,
    *,
    labels: dict[str, str] | None = None,
    image: str = AZ_IMAGE,
    command: tuple[str, ...] | None = ("sleep", "infinity"),
    **spec: Any,
) -> Json:
    """A pod of one container; without a command the image's own, and further fields of its spec by name."""
    container: Json = {"name": name, "image": image}
    if command is not None:
        container["command"] = list(command)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }


def az_pod(
    namespace: str, name: str, environment: str, *, labels: dict[str, str] | None = None, **spec: Any
) -> Json:
    """A pod in which `/az/bin/python -m azure.cli` is the real az; it trusts the simulated Azure.

    Args:
        namespace: where it goes.
        name: its name.
        environment: the host's path of az's virtual environment.
        labels: its labels.
        spec: further fields of its spec.
    """
    made = pod(namespace, name, labels=labels, **spec)
    made["spec"]["volumes"] = [
        {"name": "az", "hostPath": {"path": environment, "type": "Directory"}},
        {"name": "home", "emptyDir": {}},
    ]
    container = made["spec"]["containers"][0]
    container["volumeMounts"] = [
        {"name": "az", "mountPath": "/az", "readOnly": True},
        {"name": "home", "mountPath": "/home/az"},
    ]
    variables = {
        "HOME": "/home/az",
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt",
    }
    container["env"] = [{"name": key, "value": value} for key, value in variables.items()]
    return made


def azure_identity(namespace: str, identity: ManagedIdentity, *, client_id: str = "", name: str = "") -> Json:
    """An AzureIdentity for a managed identity; with another client id, or under another name, if one is given."""
    spec = {"type": 0, "resourceID": identity.resource_id, "clientID": client_id or identity.client_id}
    return _pod_identity("AzureIdentity", namespace, name or identity.name, spec)


def azure_identity_binding(namespace: str, name: str, identity: str, selector: str) -> Json:
    """An AzureIdentityBinding of the label's value `selector` to the AzureIdentity called `identity`."""
    return _pod_identity(
        "AzureIdentityBinding", namespace, name, {"azureIdentity": identity, "selector": selector}
    )


def azure_assigned_identity(
    namespace: str, pod: str, node: str, identity: Json, binding: Json, status: str
) -> Json:
    """What MIC writes for a pod: `status` is Created, Assigned, Unassigned or Failed."""
    name = f"{pod}-{namespace}-{identity['metadata']['name']}"
    spec = {
        "azureIdentityRef": identity,
        "azureBindingRef": binding,
        "pod": pod,
        "podNamespace": namespace,
        "nodename": node,
    }
    made = _pod_identity("AzureAssignedIdentity", "default", name, spec)
    # NMI looks only at those that carry its node's name as a label.
    made["metadata"]["labels"] = {"nodename": node}
    made["status"] = {"status": status, "availableReplicas": 1}
    return made


def azure_pod_identity_exception(namespace: str, name: str, labels: dict[str, str]) -> Json:
    """An AzurePodIdentityException for the pods that have these labels."""
    return _pod_identity("AzurePodIdentityException", namespace, name, {"podLabels": labels})


def _pod_identity(kind: str, namespace: str, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def nmi(
    namespace: str = "kube-system",
    *,
    mode: str = "managed",
    extra: tuple[str, ...] = (),
    node_selector: dict[str, str] | None = None,
) -> tuple[Json, Json]:
    """NMI's service account and DaemonSet, as the project's own manifests have them.

    Its container holds the redirect and the liveness answer; what answers behind it is simulated on the node.

    Args:
        namespace: `kube-system` in the managed-mode manifest, `default` in the other.
        mode: `managed` or `standard`.
        extra: further arguments of the program; one that it does not know makes it crash.
        node_selector: restricts it to some nodes.
    """
    account = service_account(namespace, "aad-pod-id-nmi-service-account")
    spec = {
        "serviceAccountName": account["metadata"]["name"],
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "terminationGracePeriodSeconds": 1,
        "nodeSelector": {"kubernetes.io/os": "linux", **(node_selector or {})},
        "tolerations": [{"operator": "Exists"}],
        "containers": [_nmi_container(mode, extra)],
        "volumes": [{"name": "host", "hostPath": {"path": "/", "type": "Directory"}}],
    }
    labels = {"component": "nmi", "tier": "node"}
    metadata = {"name": "nmi", "namespace": namespace, "labels": {**labels, "k8s-app": "aad-pod-id"}}
    return account, _workload("DaemonSet", metadata, labels, labels, spec)


def _nmi_container(mode: str, extra: tuple[str, ...]) -> Json:
    arguments = ["--node=$(NODENAME)", "--http-probe-port=8085"]
    if mode == "managed":
        arguments += ["--operation-mode=managed", "--forceNamespaced=true"]
    # SYS_CHROOT is for the node's iptables; the real image brings its own.
    capabilities = ["DAC_READ_SEARCH", "NET_ADMIN", "NET_RAW", "SYS_CHROOT"]
    return {
        "name": "nmi",
        "image": NMI_IMAGE,
        "args": [*arguments, *extra],
        "env": [{"name": "NODENAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": 8085},
            "initialDelaySeconds": 10,
            "periodSeconds": 5,
        },
        "securityContext": {"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": capabilities}},
        "volumeMounts": [{"name": "host", "mountPath": "/host"}],
    }


def mic(namespace: str = "default") -> tuple[Json, Json]:
    """MIC's service account and Deployment; it is alive and does nothing: tests make the assigned identities."""
    labels = {"component": "mic", "app": "mic"}
    account = service_account(namespace, "aad-pod-id-mic-service-account")
    container = {
        "name": "mic",
        "image": MIC_IMAGE,
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5},
    }
    spec = {
        "serviceAccountName": account["metadata"]["name"],
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    metadata = {
        "name": "mic",
        "namespace": namespace,
        "labels": {"component": "mic", "k8s-app": "aad-pod-id"},
    }
    deployment = _workload("Deployment", metadata, labels, labels, spec)
    deployment["spec"]["replicas"] = 2
    return account, deployment
