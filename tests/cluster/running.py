"""Starting a cluster and ending it, so that nothing of it stays."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click
import httpx

from acrcheck.clock import SystemClock
from acrcheck.lab import tokens
from acrcheck.lab.azure import Azure
from acrcheck.lab.hosts import PublicHosts
from acrcheck.lab.rsa import RsaSigner
from tests.cluster import azure, config, images, inside
from tests.cluster.harness import (
    COMMAND_LIMIT,
    Cluster,
    ClusterError,
    Json,
    capture,
    must,
    wait_for,
    write_azure,
)
from tests.cluster.layout import (
    BACKEND_PORT,
    HELM_REPOSITORY_PORT,
    HERE,
    MIRROR_PORT,
    NODES,
    REPOSITORY,
    Layout,
    cache,
)

CLUSTERS = 16  # at most, side by side on one machine
START_LIMIT = 180  # seconds until both nodes are ready
STOP_LIMIT = 20


class Running:
    """A cluster and the process that holds it up; a context manager.

    The cluster ends with `stop`, with the end of this process, however it comes, and with the end of any of
    its own daemons.
    """

    def __init__(self, layout: Layout, lock: IO[str], process: subprocess.Popen[bytes]) -> None:
        self._layout = layout
        self._lock = lock
        self._process = process

    @classmethod
    def start(cls) -> "Running":
        """Start a cluster, and once more when that fails.

        Raises:
            ClusterError: it failed twice.
        """
        started = time.monotonic()
        try:
            running = cls._start()
        except ClusterError as error:
            say(f"the cluster did not start, trying once more: {error}")
            running = cls._start()
        say(f"both nodes are ready after {time.monotonic() - started:.1f} s")
        return running

    @classmethod
    def _start(cls) -> "Running":
        layout, lock = _new_layout()
        write_azure(layout, azure.healthy())
        signer = RsaSigner.generate(datetime.now(UTC))
        config.write(layout, azure_names(azure.healthy()), azure.kubelet_identity(), signer)
        config.write_registry(layout, azure.REGISTRY)
        running = cls(layout, lock, _launch(layout))
        try:
            running._await()
        except BaseException:
            running.stop(keep_logs=True)
            raise
        return running

    def _await(self) -> None:
        cluster = self._connect()
        try:
            wait_for(
                "the API server",
                lambda: self._alive() and (self._layout.state / "started").exists(),
                START_LIMIT,
            )
            with ThreadPoolExecutor(3) as pool:
                steps = (
                    lambda: _seed(cluster),
                    lambda: _add_helm_repository(cluster),
                    lambda: self._nodes(cluster),
                )
                for done in [pool.submit(step) for step in steps]:
                    done.result()
        except (TimeoutError, httpx.HTTPError, OSError) as error:
            raise ClusterError(f"{error}\n{tails(self._layout)}") from error

    def _nodes(self, cluster: Cluster) -> None:
        wait_for("ready nodes", lambda: self._alive() and _ready_nodes(cluster) == len(NODES), START_LIMIT)

    def _alive(self) -> bool:
        if self._process.poll() is None and not (self._layout.state / "ended").exists():
            return True
        ended = self._layout.state / "ended"
        reason = ended.read_text() if ended.exists() else "its first process ended"
        raise ClusterError(f"the cluster ended: {reason}\n{tails(self._layout)}")

    def _connect(self) -> Cluster:
        """Give the new namespaces their link to the host."""
        pid = _first_process(self._process)
        device = self._layout.device
        _ip("link", "add", device, "type", "veth", "peer", "name", "uplink", "netns", str(pid))
        _ip("address", "add", f"{self._layout.host_address}/30", "dev", device)
        _ip("link", "set", device, "up")
        known = {"index": self._layout.index, "pid": pid}
        (self._layout.state / "cluster.json").write_text(json.dumps(known))
        return Cluster.attach(self._layout.state)

    @property
    def cluster(self) -> Cluster:
        """What tests use."""
        return Cluster.attach(self._layout.state)

    def stop(self, *, keep_logs: bool = False) -> None:
        """End every process of the cluster and remove what it left: its folder and its control groups."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            # The first process ends when its input does, and only after everything else inside has.
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if keep_logs:
            kept = cache() / "log" / "cluster"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self._layout.state / "log", kept)
            say(f"the daemons' output is in {kept}")
        _remove(self._layout)
        self._lock.close()

    def __enter__(self) -> Cluster:
        return self.cluster

    def __exit__(self, *_: object) -> None:
        self.stop()


def azure_names(state: Azure) -> tuple[str, ...]:
    """The host names of a simulated Azure."""
    return tuple(PublicHosts(lambda: state, SystemClock()).names())


def _new_layout() -> tuple[Layout, IO[str]]:
    """A folder of its own, locked for as long as this process lives; what dead ones left is removed before."""
    runs = cache() / "run"
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / "lock").open("w") as everyone:
        fcntl.flock(everyone, fcntl.LOCK_EX)
        for index in range(CLUSTERS):
            layout = Layout(runs / str(index), index)
            lock = (runs / f"{index}.lock").open("w")
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(layout)
                if not Path("/sys/class/net", layout.device).exists():
                    layout.state.mkdir()
                    return layout, lock
            lock.close()
    raise ClusterError(f"{CLUSTERS} clusters are running already")


def is_held(state: Path) -> bool:
    """Whether a process is holding up the cluster in this folder."""
    with suppress(FileNotFoundError), state.with_suffix(".lock").open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _launch(layout: Layout) -> subprocess.Popen[bytes]:
    """Start the first process in new namespaces; it ends when this process, which holds its input, does."""
    unshare = ["unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child=KILL", "--mount-proc"]
    first = [sys.executable, "-m", inside.__name__, str(layout.state), str(layout.index)]
    with layout.log("inside").open("ab") as log:
        return subprocess.Popen(
            [*unshare, "--propagation", "private", *first],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            start_new_session=True,
        )


def _first_process(unshare: subprocess.Popen[bytes]) -> int:
    """The host's number of the process that unshare forked into the new namespaces."""
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
    wait_for(
        "the first process",
        lambda: unshare.poll() is not None or bool(children.read_text().split()),
        START_LIMIT,
    )
    if unshare.poll() is not None:
        raise ClusterError("unshare ended: are you root?")
    return int(children.read_text().split()[0])


def _remove(layout: Layout) -> None:
    shutil.rmtree(layout.state, ignore_errors=True)
    for root in inside.cgroup_roots():
        top = root / layout.cgroup
        folders = [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()


def _ready_nodes(cluster: Cluster) -> int:
    """How many nodes are ready and have lost the taint that keeps pods away from new ones."""
    done = cluster.kubectl("get", "nodes", "-o", "json", "--request-timeout=5s")
    nodes = json.loads(done.stdout)["items"] if done.returncode == 0 else []
    return sum(_is_ready(node) and not node["spec"].get("taints") for node in nodes)


def _is_ready(node: Json) -> bool:
    conditions = {c["type"]: c["status"] for c in node["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def _seed(cluster: Cluster) -> None:
    """Fill the mirror of the public registries, and the simulated registry with one image."""
    with httpx.Client(base_url=f"http://{cluster.layout.address}:{MIRROR_PORT}", trust_env=False) as mirror:
        images.push_all(mirror)
    token = push_token(cluster.layout, azure.IMAGE_REPOSITORY)
    base = f"http://{cluster.layout.address}:{BACKEND_PORT}"
    with httpx.Client(
        base_url=base, headers={"Authorization": f"Bearer {token}"}, trust_env=False
    ) as registry:
        images.push_one(registry, "pause", azure.IMAGE_REPOSITORY, azure.IMAGE_TAG)


def push_token(layout: Layout, repository: str) -> str:
    """A token that the distribution server behind the simulated registry takes for a push."""
    now = int(time.time())
    claims = {
        "iss": "Azure Container Registry",
        "aud": azure.REGISTRY,
        "sub": "seed",
        "jti": "seed",
        "iat": now,
        "nbf": now - 60,
        "exp": now + 600,
        "access": [{"type": "repository", "name": repository, "actions": ["pull", "push", "delete"]}],
    }
    return tokens.encode(token_signer(layout), claims)


def token_signer(layout: Layout) -> RsaSigner:
    """What the simulated registry signs access tokens with."""
    return RsaSigner((layout.state / "tokens.key").read_bytes(), (layout.state / "tokens.crt").read_bytes())


def _add_helm_repository(cluster: Cluster) -> None:
    """Package the chart, and make it known as `coder/coder` as the documentation has it."""
    folder = cluster.layout.state / "charts"
    must(cluster.helm("package", str(HERE / "chart" / "coder"), "--destination", str(folder)))
    must(cluster.helm("repo", "index", str(folder)))
    url = f"http://{cluster.layout.address}:{HELM_REPOSITORY_PORT}"
    must(cluster.helm("repo", "add", "coder", url))


def _ip(*arguments: str) -> None:
    must(capture(("ip", *arguments), None, COMMAND_LIMIT, dict(os.environ)))


def tails(layout: Layout, lines: int = 6) -> str:
    """The last lines of every daemon's output."""
    parts = []
    for log in sorted((layout.state / "log").glob("*.log")):
        end = log.read_text(errors="replace").splitlines()[-lines:]
        parts.append("\n".join([f"-- {log.stem}", *(line[:400] for line in end)]))
    return "\n".join(parts)


def say(message: str) -> None:
    """Progress, on standard error."""
    click.echo(f"[cluster] {message}", err=True)
