"""Every file that a new cluster's programs read: certificates, kubeconfigs and configurations."""

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from acrcheck.lab.azure import ManagedIdentity
from acrcheck.lab.rsa import RsaSigner
from tests.cluster import front, images, pki
from tests.cluster.layout import (
    AZURE,
    BACKEND_PORT,
    DNS,
    MIRROR_PORT,
    NODE_RESOURCE_GROUP,
    NODES,
    SERVICE_API,
    SUBSCRIPTION,
    Layout,
    Node,
    cache,
)

WILDCARDS = ("*.azurecr.io", "*.eastus.data.azurecr.io", "*.blob.core.windows.net", "*.contoso.example")
PROVIDER = "acr-credential-provider"
MIRRORED = ("docker.io", "mcr.microsoft.com", "registry.k8s.io")
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "RequestResponse", "resources": [{"group": "", "resources": ["pods/*"]}]},
        {"level": "Request"},
    ],
}


def write(layout: Layout, azure_names: tuple[str, ...], identity: ManagedIdentity, signer: RsaSigner) -> None:
    """Fill a new cluster's folder.

    Args:
        layout: the cluster.
        azure_names: the host names under which the simulated Azure is reached.
        identity: the nodes' own.
        signer: of the simulated registry's access tokens.
    """
    (layout.state / "log").mkdir(parents=True)
    authority = pki.Authority.new("kubernetes")
    (layout.state / "ca.crt").write_bytes(authority.pair.certificate)
    _write_control_plane(layout, authority)
    for node in NODES:
        _write_node(layout, node, authority, identity)
    _write_azure_certificates(layout, azure_names)
    (layout.state / "trusted.crt").write_bytes(images.trusted_certificates())
    pki.Pair(signer.certificate_pem, signer.key_pem).write(layout.state, "tokens")
    _json(layout.state / "mirror.json", _registry(layout, "mirror", MIRROR_PORT))
    (layout.state / "resolv.conf").write_text(f"nameserver {DNS}\noptions timeout:2 attempts:2\n")
    write_hosts(layout, azure_names)


def _write_azure_certificates(layout: Layout, names: tuple[str, ...]) -> None:
    """What Azure shows, what somebody on the way shows in its place, and one that has run out."""
    covered = (*names, *WILDCARDS)
    authority = pki.azure_authority(cache())
    authority.issue(names[0], "", covered).write(layout.state, "azure")
    authority.issue(WILDCARDS[0], "", covered, days=-3).write(layout.state, "expired")
    inspection = pki.Authority.new("Contoso TLS Inspection CA")
    inspection.issue(WILDCARDS[0], "Contoso", covered).write(layout.state, "intercepted")


def write_hosts(layout: Layout, names: tuple[str, ...]) -> None:
    """Decide which names the cluster's DNS server knows; it has to be told by a SIGHUP."""
    lines = [f"{SERVICE_API} kubernetes.default.svc kubernetes.default.svc.cluster.local"]
    ways = front.read(layout.state)
    addresses = {name: ways[name].address if name in ways else AZURE for name in (*names, *ways)}
    lines += [f"{address} {name}" for name, address in addresses.items() if address]
    layout.hosts.write_text("\n".join([*lines, ""]))


def write_registry(layout: Layout, login_server: str) -> None:
    """Configure the distribution server that stores what the simulated registry serves."""
    document = _registry(layout, "registry", BACKEND_PORT)
    document["auth"] = {
        "token": {
            "realm": f"https://{login_server}/oauth2/token",
            "service": login_server,
            "issuer": "Azure Container Registry",
            "rootcertbundle": str(layout.state / "tokens.crt"),
        }
    }
    _json(layout.state / "registry.json", document)


def _write_control_plane(layout: Layout, authority: pki.Authority) -> None:
    folder = layout.state
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "service-accounts.key").touch(mode=0o600)
    (folder / "service-accounts.key").write_bytes(private)
    service = (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    names = (layout.address, SERVICE_API, "127.0.0.1", "localhost")
    authority.issue("kube-apiserver", "", (*names, *service)).write(folder, "apiserver")
    authority.issue("kube-apiserver-kubelet-client", "system:masters").write(folder, "kubelet-client")
    clients = {
        "admin": ("kubernetes-admin", "system:masters"),
        "controller-manager": ("system:kube-controller-manager", ""),
        "scheduler": ("system:kube-scheduler", ""),
        "proxy": ("system:kube-proxy", ""),
        "nmi": ("nmi-simulator", "system:masters"),
    }
    for name, (user, group) in clients.items():
        _kubeconfig(layout, layout.state / f"{name}.kubeconfig", authority.issue(user, group))
    _json(folder / "audit-policy.json", AUDIT_POLICY)


def _kubeconfig(layout: Layout, path: Path, pair: pki.Pair) -> None:
    pair.write(layout.state / "clients", path.stem)
    cluster = {"server": layout.server, "certificate-authority": str(layout.state / "ca.crt")}
    user = {
        "client-certificate": str(layout.state / "clients" / f"{path.stem}.crt"),
        "client-key": str(layout.state / "clients" / f"{path.stem}.key"),
    }
    context = {"cluster": "lab", "user": path.stem}
    path.touch(mode=0o600)
    _json(
        path,
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": path.stem, "user": user}],
            "contexts": [{"name": "lab", "context": context}],
            "current-context": "lab",
        },
    )


def _write_node(layout: Layout, node: Node, authority: pki.Authority, identity: ManagedIdentity) -> None:
    folder = layout.node(node)
    for part in ("cni", "containerd", "kubelet", "certs.d", "credential-provider"):
        (folder / part).mkdir(parents=True)
    authority.issue(node.name, "system:nodes", (node.name, node.ip)).write(folder, "kubelet")
    user = authority.issue(f"system:node:{node.name}", "system:nodes")
    _kubeconfig(layout, folder / f"{node.name}.kubeconfig", user)
    _json(folder / "cni" / "10-bridge.conflist", _network(folder, node))
    (folder / "containerd.toml").write_text(_containerd(folder, node))
    _json(folder / "kubelet.json", _kubelet(layout, folder, node))
    _json(layout.azure_json(node), _azure_json(identity))
    _json(folder / "credential-provider.json", _provider(layout.azure_json(node)))
    (folder / "credential-provider" / PROVIDER).symlink_to(images.programs() / PROVIDER)
    for host in MIRRORED:
        (folder / "certs.d" / host).mkdir()
        url = f"http://{layout.address}:{MIRROR_PORT}"
        mirror = f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'
        (folder / "certs.d" / host / "hosts.toml").write_text(mirror)


def _network(folder: Path, node: Node) -> dict[str, Any]:
    ranges = [[{"subnet": node.pods}]]
    ipam = {
        "type": "host-local",
        "ranges": ranges,
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(folder / "ipam"),
    }
    # No masquerading: as with Azure CNI, a pod is seen under its own address.
    bridge = {
        "type": "bridge",
        "bridge": f"cni{node.number}",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": ipam,
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "azure", "plugins": [bridge, portmap]}


def _containerd(folder: Path, node: Node) -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{folder}/containerd"
state = "/run/{node.name}/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "/run/{node.name}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[{cri}]
  sandbox_image = "registry.k8s.io/pause:3.10"
  # Where CAP_SYS_RESOURCE is missing, nothing may lower its score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [{cri}.registry]
    config_path = "{folder}/certs.d"
  [{cri}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""


def _kubelet(layout: Layout, folder: Path, node: Node) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.ip,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "x509": {"clientCAFile": str(layout.state / "ca.crt")},
            "webhook": {"enabled": True},
            "anonymous": {"enabled": False},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(folder / "kubelet.crt"),
        "tlsPrivateKeyFile": str(folder / "kubelet.key"),
        "providerID": node.provider_id,
        "containerRuntimeEndpoint": f"unix:///run/{node.name}/containerd.sock",
        # Nodes on one machine that share a cgroup root kill each other's pods as orphans.
        "cgroupRoot": f"/{layout.cgroup}/{node.name}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "resolvConf": str(layout.state / "resolv.conf"),
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
    }


def _azure_json(identity: ManagedIdentity) -> dict[str, Any]:
    """A node's azure.json in a cluster with managed identities."""
    return {
        "cloud": "AzurePublicCloud",
        "tenantId": identity.tenant_id,
        "subscriptionId": SUBSCRIPTION,
        "resourceGroup": NODE_RESOURCE_GROUP,
        "location": "eastus",
        "vmType": "vmss",
        "aadClientId": "msi",
        "aadClientSecret": "msi",
        "useManagedIdentityExtension": True,
        "userAssignedIdentityID": identity.client_id,
    }


def _provider(azure_json: Path) -> dict[str, Any]:
    """The kubelet's configuration of the credential provider, as AKS has it."""
    provider = {
        "name": PROVIDER,
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "defaultCacheDuration": "10m",
        "matchImages": ["*.azurecr.io", "*.azurecr.cn", "*.azurecr.de", "*.azurecr.us"],
        "args": [str(azure_json)],
    }
    return {
        "apiVersion": "kubelet.config.k8s.io/v1",
        "kind": "CredentialProviderConfig",
        "providers": [provider],
    }


def _registry(layout: Layout, name: str, port: int) -> dict[str, Any]:
    """Configuration of docker-registry; it reads YAML, of which JSON is a part."""
    return {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": str(layout.state / name)},
            "delete": {"enabled": True},
        },
        "http": {
            "addr": f"{layout.address}:{port}",
            "secret": "one process, nothing to share",
            "relativeurls": True,
        },
    }


def _json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1))
