"""Kubernetes objects as AKS, Coder's chart and AAD Pod Identity's manifests make them.

Sources: enterprise-helm templates/coderd.yaml (1.44.3); aad-pod-identity deploy/infra and
pkg/apis/aadpodidentity/v1/types.go (1.8.17).
"""

from typing import Any

from acrcheck.lab.azure import ManagedIdentity

Json = dict[str, Any]

CODERD_IMAGE = "docker.io/coderenvs/coder-service:1.44.3"
NMI_IMAGE = "mcr.microsoft.com/oss/azure/aad-pod-identity/nmi:v1.8.17"
MIC_IMAGE = "mcr.microsoft.com/oss/azure/aad-pod-identity/mic:v1.8.17"
GROUP = "aadpodidentity.k8s.io"
LABEL = "aadpodidbinding"
CHART_VERSION = "1.44.3"
HELM_LABELS = {
    "helm.sh/chart": f"coder-{CHART_VERSION}",
    "app.kubernetes.io/name": "coder",
    "app.kubernetes.io/part-of": "coder",
    "app.kubernetes.io/instance": "coder",
    "app.kubernetes.io/component": "coderd",
    "app.kubernetes.io/version": CHART_VERSION,
    "app.kubernetes.io/managed-by": "Helm",
}
SECURITY = {
    "runAsUser": 1000,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def namespace(name: str) -> Json:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def node(
    name: str, number: int, pool: str, scale_set: str, subscription: str, group: str, *, machine: int = 0
) -> Json:
    """A node of an AKS pool.

    Args:
        name: as AKS makes it of the scale set and the machine.
        number: its addresses are made of it.
        pool: the node pool.
        scale_set: the virtual machine scale set behind it.
        subscription: of the scale set.
        group: the node resource group.
        machine: the number of the machine in its scale set.
    """
    labels = {
        "agentpool": pool,
        "kubernetes.azure.com/agentpool": pool,
        "kubernetes.azure.com/cluster": group,
        "kubernetes.azure.com/mode": "system" if pool == "system" else "user",
        "kubernetes.azure.com/os-sku": "Ubuntu",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": "eastus",
        "topology.kubernetes.io/zone": "0",
    }
    provider = (
        f"azure:///subscriptions/{subscription}/resourceGroups/{group.lower()}/providers/Microsoft.Compute"
        f"/virtualMachineScaleSets/{scale_set}/virtualMachines/{machine}"
    )
    addresses = [
        {"type": "InternalIP", "address": f"10.224.0.{number + 3}"},
        {"type": "Hostname", "address": name},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": f"10.244.{number}.0/24", "providerID": provider},
        "status": {
            "addresses": addresses,
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": {
                "cpu": "3860m",
                "ephemeral-storage": "119703055367",
                "memory": "12880Mi",
                "pods": "110",
            },
            "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": "v1.36.3"},
        },
    }


def coderd(
    namespace: str, *, labels: dict[str, str] | None = None, replicas: int = 2, helm: bool = True, **pod: Any
) -> Json:
    """Coder's control plane, as its chart renders it, or the same applied by hand.

    Args:
        namespace: where it goes.
        labels: further labels of the pods (`coderd.extraLabels`).
        replicas: how many.
        helm: whether Helm put it there.
        pod: further fields of the pods' specification.
    """
    own = {**(HELM_LABELS if helm else {}), "app": "coderd", "coder.deployment": "coderd"}
    spec = {
        "serviceAccountName": "coder",
        "terminationGracePeriodSeconds": 300,
        "initContainers": [_coderd_container("migrations", "migrate", "up")],
        "containers": [_coderd_container("coderd", "run")],
        **pod,
    }
    metadata: Json = {"name": "coderd", "namespace": namespace, "labels": own}
    if helm:
        metadata["annotations"] = {
            "meta.helm.sh/release-name": "coder",
            "meta.helm.sh/release-namespace": namespace,
        }
    item = _workload("Deployment", metadata, {"coder.deployment": "coderd"}, {**own, **(labels or {})}, spec)
    item["spec"] |= {
        "replicas": replicas,
        "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
    }
    return item


def _coderd_container(name: str, *words: str) -> Json:
    container: Json = {
        "name": name,
        "image": CODERD_IMAGE,
        "imagePullPolicy": "Always",
        "command": ["coderd", *words],
        "env": [{"name": "CLUSTER_ADDRESS", "value": "https://kubernetes.default.svc"}],
        "securityContext": SECURITY,
    }
    if name == "coderd":
        health = {"httpGet": {"path": "/cem-healthz", "port": 8080}}
        container |= {"ports": [{"name": "tcp-coderd", "containerPort": 8080}], "readinessProbe": health}
        container["livenessProbe"] = health
    return container


def worker(kind: str, namespace: str, name: str, image: str, labels: dict[str, str]) -> Json:
    """A workload of any kind that is not Coder's, as kubectl applies it; `labels` are its pods'.

    Args:
        kind: Deployment, StatefulSet, DaemonSet, Job, CronJob or Pod.
        namespace: where it goes.
        name: its name.
        image: of its one container.
        labels: further labels of its pods.
    """
    own = {"app": name, **labels}
    spec: Json = {"serviceAccountName": "default", "containers": [{"name": name, "image": image, "env": []}]}
    metadata: Json = {"name": name, "namespace": namespace, "labels": {"app": name}}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": {**metadata, "labels": own}, "spec": spec}
    if kind in {"Job", "CronJob"}:
        template = {"metadata": {"labels": own}, "spec": {**spec, "restartPolicy": "Never"}}
        run: Json = {"parallelism": 2, "template": template}
        if kind == "CronJob":
            run = {"schedule": "0 3 * * *", "jobTemplate": {"spec": run}}
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": run}
    item = _workload(kind, metadata, {"app": name}, own, spec)
    item["spec"] |= {} if kind == "DaemonSet" else {"replicas": 2}
    return item


def autoscaler(namespace: str, name: str, kind: str) -> Json:
    """A HorizontalPodAutoscaler of a workload of that name."""
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5},
    }


def nmi(namespace: str = "kube-system", mode: str = "managed") -> Json:
    """NMI's DaemonSet: in kube-system and managed mode, as in the managed-mode manifest, or in standard mode."""
    arguments = ["--node=$(NODENAME)", "--http-probe-port=8085"]
    if mode == "managed":
        arguments += ["--operation-mode=managed", "--forceNamespaced"]
    container = {
        "name": "nmi",
        "image": NMI_IMAGE,
        "args": arguments,
        "env": [{"name": "NODENAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8085}},
        "securityContext": {
            "runAsUser": 0,
            "capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH", "NET_ADMIN", "NET_RAW"]},
        },
    }
    spec = {
        "serviceAccountName": "aad-pod-id-nmi-service-account",
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    labels = {"component": "nmi", "tier": "node"}
    metadata = {"name": "nmi", "namespace": namespace, "labels": {**labels, "k8s-app": "aad-pod-id"}}
    return _workload("DaemonSet", metadata, labels, labels, spec)


def mic(namespace: str = "default") -> Json:
    """MIC's Deployment, which standard mode needs."""
    labels = {"component": "mic", "app": "mic"}
    spec = {
        "serviceAccountName": "aad-pod-id-mic-service-account",
        "containers": [{"name": "mic", "image": MIC_IMAGE}],
    }
    metadata = {
        "name": "mic",
        "namespace": namespace,
        "labels": {"component": "mic", "k8s-app": "aad-pod-id"},
    }
    item = _workload("Deployment", metadata, labels, labels, spec)
    item["spec"]["replicas"] = 2
    return item


def _workload(
    kind: str, metadata: Json, selector: dict[str, str], labels: dict[str, str], spec: Json
) -> Json:
    template = {"metadata": {"labels": dict(labels)}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": selector}, "template": template},
    }


def azure_identity(namespace: str, identity: ManagedIdentity, name: str = "") -> Json:
    """An AzureIdentity for a managed identity, under its name or another."""
    spec = {"type": 0, "resourceID": identity.resource_id, "clientID": identity.client_id}
    return _pod_identity("AzureIdentity", namespace, name or identity.name, spec)


def binding(namespace: str, name: str, identity: str, selector: str) -> Json:
    """An AzureIdentityBinding of the label's value to the AzureIdentity of that name."""
    return _pod_identity(
        "AzureIdentityBinding", namespace, name, {"azureIdentity": identity, "selector": selector}
    )


def assigned(pod: Json, identity: Json, bound_by: Json, status: str) -> Json:
    """What MIC writes for a pod: an AzureAssignedIdentity in state Created or Assigned."""
    metadata = pod["metadata"]
    name = f"{metadata['name']}-{metadata['namespace']}-{identity['metadata']['name']}"
    spec = {
        "azureIdentityRef": identity,
        "azureBindingRef": bound_by,
        "pod": metadata["name"],
        "podNamespace": metadata["namespace"],
        "nodename": pod["spec"]["nodeName"],
    }
    item = _pod_identity("AzureAssignedIdentity", "default", name, spec)
    item["metadata"]["labels"] = {"nodename": pod["spec"]["nodeName"]}
    item["status"] = {"status": status, "availableReplicas": 1}
    return item


def exception(namespace: str, name: str, labels: dict[str, str]) -> Json:
    """An AzurePodIdentityException for the pods that have one of these labels."""
    return _pod_identity("AzurePodIdentityException", namespace, name, {"podLabels": labels})


def _pod_identity(kind: str, namespace: str, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def definitions() -> list[Json]:
    """The four custom resource definitions, as far as the API server's discovery shows them."""
    kinds = {
        "AzureIdentity": "azureidentities",
        "AzureIdentityBinding": "azureidentitybindings",
        "AzureAssignedIdentity": "azureassignedidentities",
        "AzurePodIdentityException": "azurepodidentityexceptions",
    }
    return [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "names": {
                    "kind": kind,
                    "listKind": f"{kind}List",
                    "plural": plural,
                    "singular": kind.lower(),
                },
                "scope": "Namespaced",
                "versions": [{"name": "v1", "served": True, "storage": True}],
            },
        }
        for kind, plural in kinds.items()
    ]
