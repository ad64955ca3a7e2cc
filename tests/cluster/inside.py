"""The first process inside the test cluster's namespaces.

It sets up mounts and networks, starts every daemon, reaps what is orphaned, and ends as soon as a daemon
ends or whoever started it is gone (its standard input is closed). With it ends everything inside.
"""

import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx

from tests.cluster.layout import (
    AZURE,
    DNS,
    ENDPOINTS,
    IMDS,
    LINKED,
    NODES,
    PODS,
    PRIVATE_ZONE,
    REGISTRIES,
    SERVICES,
    STORAGE,
    Layout,
    Node,
    kubernetes_bin,
)

PATIENCE = 120  # seconds for the API server, on a busy machine
POLL = 0.1


class Daemons:
    """The programs that must not end."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._names: dict[int, str] = {}

    def start(self, name: str, *argv: str, node: Node | None = None) -> None:
        """Start one, with its output in a file of its name, in a node's network where one is named."""
        prefix = [] if node is None else ["nsenter", f"--net=/run/netns/{node.name}"]
        log = self._layout.log(name if node is None else f"{name}-{node.name}")
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*prefix, *argv], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        self._names[process.pid] = log.stem

    def watch(self) -> str:
        """Reap whatever ends; the name of the first daemon that did."""
        while True:
            pid, status = os.wait()
            if pid in self._names:
                return f"{self._names[pid]} ended with {os.waitstatus_to_exitcode(status)}"


def main() -> None:
    """Run the cluster whose folder and index are the arguments."""
    layout = Layout(Path(sys.argv[1]), int(sys.argv[2]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _mount(layout)
    _connect_control_plane(layout)
    for node in NODES:
        _connect_node(node)
        _make_cgroup(f"{layout.cgroup}/{node.name}")
    daemons = Daemons(layout)
    _start_control_plane(layout, daemons)
    for node in NODES:
        daemons.start(
            "containerd", "containerd", "--config", str(layout.node(node) / "containerd.toml"), node=node
        )
        daemons.start("simulator", *_simulator("node", str(layout.state), node.name), node=node)
    _wait_for_api(layout)
    _start_controllers(layout, daemons)
    for node in NODES:
        _start_node(layout, node, daemons)
    (layout.state / "started").touch()
    ended = daemons.watch()
    (layout.state / "ended").write_text(ended)
    sys.exit(1)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _mount(layout: Layout) -> None:
    """Own runtime and log folders, and own answers to where names and certificates come from."""
    _do("mount -t tmpfs tmpfs /run")
    _do("mount -t tmpfs tmpfs /var/log")
    Path("/run/netns").mkdir()
    resolver = Path("/etc/resolv.conf").resolve()
    if not resolver.exists():
        # Some machines keep it in the runtime folder, which is empty now.
        resolver.parent.mkdir(parents=True, exist_ok=True)
        resolver.touch()
    _do(f"mount --bind {layout.state}/resolv.conf {resolver}")
    _do(f"mount --bind {layout.state}/trusted.crt /etc/ssl/certs/ca-certificates.crt")


def _connect_control_plane(layout: Layout) -> None:
    _do("ip link set lo up")
    for address in (DNS, AZURE):
        _do(f"ip address add {address}/32 dev lo")
    for network in (REGISTRIES, STORAGE, ENDPOINTS):
        _do(f"ip route add local {network} dev lo")
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(["ip", "link", "show", "uplink"], capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            sys.exit("the link to the host did not appear")
        time.sleep(POLL)
    _do(f"ip address add {layout.address}/30 dev uplink")
    _do("ip link set uplink up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _connect_node(node: Node) -> None:
    """A namespace with a link to the control plane, and the metadata service's address on its loopback."""
    _do(f"ip netns add {node.name}")
    _do(f"ip link add link{node.number} type veth peer name eth0 netns {node.name}")
    _do(f"ip address add {node.gateway}/30 dev link{node.number}")
    _do(f"ip link set link{node.number} up")
    _do(f"ip route add {node.pods} via {node.ip}")
    inside = f"ip -n {node.name}"
    _do(f"{inside} link set lo up")
    _do(f"{inside} address add {IMDS}/32 dev lo")
    _do(f"{inside} address add {node.ip}/30 dev eth0")
    _do(f"{inside} link set eth0 up")
    _do(f"{inside} route add default via {node.gateway}")
    # The redirect of AAD Pod Identity leads from a pod to the node's loopback.
    switches = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet"
    _run(["nsenter", f"--net=/run/netns/{node.name}", "sh", "-ec", switches])


def _make_cgroup(name: str) -> None:
    """Make a control group in every controller; cpuset ones start empty and are filled from their parent."""
    for root in cgroup_roots():
        folder = root
        for part in name.split("/"):
            parent, folder = folder, folder / part
            if (root / "cgroup.controllers").exists():
                available = (parent / "cgroup.controllers").read_text().split()
                enabled = " ".join(f"+{controller}" for controller in available)
                (parent / "cgroup.subtree_control").write_text(enabled)
            folder.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if (parent / file).exists() and not (root / "cgroup.controllers").exists():
                    (folder / file).write_text((parent / file).read_text())


def cgroup_roots() -> Iterator[Path]:
    """The machine's control group hierarchies: one with version 2, one a controller with version 1."""
    base = Path("/sys/fs/cgroup")
    if (base / "cgroup.controllers").exists():
        yield base
        return
    for folder in sorted(base.iterdir()):
        if folder.is_dir() and not folder.is_symlink() and (folder / "cgroup.procs").exists():
            yield folder


def _start_control_plane(layout: Layout, daemons: Daemons) -> None:
    state = layout.state
    daemons.start(
        "etcd",
        "etcd",
        "--data-dir=/run/etcd",
        "--unsafe-no-fsync",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
    )
    daemons.start(
        "dnsmasq",
        "dnsmasq",
        "--keep-in-foreground",
        "--log-facility=-",
        "--conf-file=/dev/null",
        "--user=root",
        "--pid-file=/run/dnsmasq.pid",
        "--no-hosts",
        "--no-resolv",
        "--bind-interfaces",
        f"--listen-address={DNS}",
        f"--addn-hosts={layout.hosts}",
        "--address=/#/",
        *(f"--cname={name}.azurecr.io,{name}.{PRIVATE_ZONE}" for name in LINKED),
    )
    daemons.start("mirror", "docker-registry", "serve", str(state / "mirror.json"))
    daemons.start("registry", "docker-registry", "serve", str(state / "registry.json"))
    daemons.start("azure", *_simulator("azure", str(state)))
    daemons.start("kube-apiserver", *_api_server(layout))


def _api_server(layout: Layout) -> list[str]:
    state = layout.state
    return [
        kubernetes_bin("kube-apiserver"),
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={layout.address}",
        "--secure-port=6443",
        f"--client-ca-file={state}/ca.crt",
        f"--tls-cert-file={state}/apiserver.crt",
        f"--tls-private-key-file={state}/apiserver.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-signing-key-file={state}/service-accounts.key",
        f"--service-account-key-file={state}/service-accounts.key",
        f"--service-cluster-ip-range={SERVICES}",
        f"--kubelet-client-certificate={state}/kubelet-client.crt",
        f"--kubelet-client-key={state}/kubelet-client.key",
        f"--kubelet-certificate-authority={state}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        "--allow-privileged=true",
        f"--audit-policy-file={state}/audit-policy.json",
        f"--audit-log-path={layout.audit_log}",
        # In one file: tests go on reading where they left off.
        "--audit-log-maxsize=100000",
    ]


def _start_controllers(layout: Layout, daemons: Daemons) -> None:
    state = layout.state
    daemons.start(
        "kube-controller-manager",
        kubernetes_bin("kube-controller-manager"),
        f"--kubeconfig={state}/controller-manager.kubeconfig",
        f"--service-account-private-key-file={state}/service-accounts.key",
        f"--root-ca-file={state}/ca.crt",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        # How soon a node that became ready loses its taint.
        "--node-monitor-period=1s",
    )
    daemons.start(
        "kube-scheduler",
        kubernetes_bin("kube-scheduler"),
        f"--kubeconfig={state}/scheduler.kubeconfig",
        "--leader-elect=false",
    )


def _start_node(layout: Layout, node: Node, daemons: Daemons) -> None:
    folder = layout.node(node)
    daemons.start(
        "kubelet",
        kubernetes_bin("kubelet"),
        f"--config={folder}/kubelet.json",
        f"--kubeconfig={folder}/{node.name}.kubeconfig",
        f"--hostname-override={node.name}",
        f"--node-ip={node.ip}",
        f"--root-dir={folder}/kubelet",
        f"--node-labels={','.join(f'{key}={value}' for key, value in node.labels.items())}",
        f"--image-credential-provider-config={folder}/credential-provider.json",
        f"--image-credential-provider-bin-dir={folder}/credential-provider",
        node=node,
    )
    daemons.start(
        "kube-proxy",
        kubernetes_bin("kube-proxy"),
        f"--kubeconfig={layout.state}/proxy.kubeconfig",
        f"--hostname-override={node.name}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={PODS}",
        # These sysctls are not writable everywhere.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        node=node,
    )


def _simulator(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.cluster.simulators", *arguments]


def _wait_for_api(layout: Layout) -> None:
    context = ssl.create_default_context(cafile=str(layout.state / "ca.crt"))
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{layout.server}/readyz", verify=context, timeout=5, trust_env=False).is_success:
                return
        if time.monotonic() > deadline:
            (layout.state / "ended").write_text(f"the API server was not ready after {PATIENCE} s")
            sys.exit(1)
        time.sleep(POLL)


def _do(command: str) -> None:
    _run(command.split())


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stderr.strip()}")


if __name__ == "__main__":
    main()
