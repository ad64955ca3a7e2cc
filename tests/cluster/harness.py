"""A real Kubernetes with two nodes, in namespaces of its own: started, used and ended from a test."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acrcheck.lab.azure import Azure, dump, load
from tests.cluster import config
from tests.cluster.layout import (
    Layout,
    Node,
    helm_bin,
    kubernetes_bin,
)

Json = dict[str, Any]
Completed = subprocess.CompletedProcess[str]

COMMAND_LIMIT = 120
POLL = 0.1


class ClusterError(Exception):
    """The cluster did not start or has ended; the message has the end of the daemons' output."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster, as any process on the machine can use it.

    Attributes:
        layout: its folder and addresses.
        pid: the host's number of its first process.
    """

    layout: Layout
    pid: int

    @classmethod
    def attach(cls, state: Path) -> "Cluster":
        """The cluster in this folder, started by another process.

        Raises:
            FileNotFoundError: there is none.
        """
        known = json.loads((state / "cluster.json").read_text())
        return cls(Layout(state, known["index"]), known["pid"])

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, usable from the host."""
        return self.layout.kubeconfig

    @property
    def audit_log(self) -> Path:
        """What the API server was asked, one JSON event a line."""
        return self.layout.audit_log

    @property
    def environment(self) -> dict[str, str]:
        """The process's own environment, with kubectl and helm of this cluster ahead of others."""
        helm = self.layout.state / "helm"
        programs = f"{Path(kubernetes_bin('kubectl')).parent}:{Path(helm_bin()).parent}"
        return {
            **os.environ,
            "PATH": f"{programs}:{os.environ.get('PATH', '')}",
            "KUBECONFIG": str(self.kubeconfig),
            "HELM_CONFIG_HOME": str(helm / "config"),
            "HELM_CACHE_HOME": str(helm / "cache"),
            "HELM_DATA_HOME": str(helm / "data"),
        }

    def run(self, *argv: str, stdin: str | None = None, limit: float = COMMAND_LIMIT) -> Completed:
        """Run a command on the host, as an operator of this cluster would.

        Raises:
            subprocess.TimeoutExpired: it took longer than the limit, in seconds.
        """
        return capture(argv, stdin, limit, self.environment)

    def kubectl(self, *arguments: str, stdin: str | None = None, limit: float = COMMAND_LIMIT) -> Completed:
        """Run kubectl; its exit status is for the caller to look at."""
        return self.run(kubernetes_bin("kubectl"), *arguments, stdin=stdin, limit=limit)

    def helm(self, *arguments: str, limit: float = COMMAND_LIMIT) -> Completed:
        """Run helm; the repository `coder` with the chart coder 1.44.3 is known to it."""
        return self.run(helm_bin(), *arguments, limit=limit)

    def inside(self, *argv: str, stdin: str | None = None, limit: float = COMMAND_LIMIT) -> Completed:
        """Run a command beside the control plane; programs by absolute path."""
        enter = ("nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-u")
        return capture((*enter, *argv), stdin, limit, dict(os.environ))

    def inside_node(
        self, node: Node, *argv: str, stdin: str | None = None, limit: float = COMMAND_LIMIT
    ) -> Completed:
        """Run a command in a node's network."""
        return self.inside("nsenter", f"--net=/run/netns/{node.name}", *argv, stdin=stdin, limit=limit)

    def apply(self, *objects: Json) -> None:
        """Create or change objects with kubectl.

        Raises:
            ClusterError: kubectl refused them.
        """
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        must(self.kubectl("apply", "-f", "-", stdin=text))

    def get(self, *arguments: str) -> Json:
        """What `kubectl get … -o json` says.

        Raises:
            ClusterError: kubectl failed.
        """
        document: Json = json.loads(must(self.kubectl("get", *arguments, "-o", "json")).stdout)
        return document

    def wait(self, what: str, condition: Callable[[], bool], limit: float = 120, every: float = POLL) -> None:
        """Look until it holds, with so many seconds between two looks.

        Raises:
            TimeoutError: it did not within the limit, in seconds; `what` says what was waited for.
        """
        wait_for(what, condition, limit, every)

    def rollout(self, workload: str, namespace: str, limit: float = 120) -> None:
        """Wait until every pod of a workload is replaced and ready.

        Raises:
            ClusterError: it did not come to an end in time.
        """
        command = ("rollout", "status", workload, "-n", namespace, f"--timeout={limit:.0f}s")
        must(self.kubectl(*command, limit=limit + 10))

    @property
    def azure(self) -> Azure:
        """A copy of what the simulated Azure knows now."""
        return load(self.layout.azure_state.read_text())

    def set_azure(self, state: Azure) -> None:
        """Replace what the simulated Azure knows."""
        write_azure(self.layout, state)

    @contextmanager
    def changed_azure(self) -> Iterator[Azure]:
        """A copy to change; it takes effect at the end."""
        state = self.azure
        yield state
        self.set_azure(state)

    def set_names(self, names: tuple[str, ...]) -> None:
        """Decide which host names of Azure resolve inside the cluster."""
        config.write_hosts(self.layout, names)
        must(self.inside("/bin/sh", "-c", "kill -HUP $(cat /run/dnsmasq.pid)"))

    def ended(self) -> str | None:
        """Which daemon ended and took the cluster with it."""
        file = self.layout.state / "ended"
        return file.read_text() if file.exists() else None


def write_azure(layout: Layout, state: Azure) -> None:
    """Replace what the simulated Azure knows; its simulators see it with their next request."""
    part = layout.azure_state.with_suffix(".part")
    part.write_text(dump(state))
    part.replace(layout.azure_state)


def capture(argv: tuple[str, ...], stdin: str | None, limit: float, environment: dict[str, str]) -> Completed:
    """Run a command without ever asking the terminal for anything."""
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limit,
        env=environment,
        check=False,
        **given,
    )


def must(done: Completed) -> Completed:
    """The command, if it ended well.

    Raises:
        ClusterError: it did not; the message has its output.
    """
    if done.returncode:
        raise ClusterError(f"{' '.join(done.args)}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def wait_for(what: str, condition: Callable[[], bool], limit: float, every: float = POLL) -> None:
    """Look again and again until it holds.

    Raises:
        TimeoutError: it did not within the limit, in seconds.
    """
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit:.0f} s for {what}")
        time.sleep(every)
