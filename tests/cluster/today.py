"""What today's tools say of a registry: the real `az acr check-health`, and the steps of `az aks check-acr`.

az runs in a pod that is labelled as coderd's are, with an identity that has Reader and AcrPull on every registry: so
does the person who is asked whether the registry is well. `az aks check-acr` runs a program on a node; a stand-in goes
that program's steps there, in its words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.cluster import azure, images, manifests
from tests.cluster.harness import Cluster, Completed, must
from tests.cluster.layout import NODES, az_environment

NAMESPACE = "today"
LIMIT = "60"
"""Seconds that az is given: it waits long for what does not answer."""
AZ = ("timeout", "-k", "1", LIMIT, "/az/bin/python", "-m", "azure.cli")
TIMED_OUT = 124
LAST = "Fetch access token"
"""The last step that is about the registry."""
STAMP = re.compile(r"^(?:WARNING: |ERROR: )?(?:\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?\]? )?")
VARYING = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\.?\")"), "…"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r":\d{4,5}->"), ":…->"),
    (re.compile(r"sha256:[0-9a-f]{64}"), "sha256:…"),
    (re.compile(r"/sha256/[0-9a-f]{2}/[0-9a-f]{64}/data\?[^\" ]*"), "/sha256/…"),
    (re.compile(r"current time \S+ is after [^\s,\]]+"), "current time … is after …"),
    (re.compile(r'(?<=": )[^"]*(?= \(Client\.Timeout exceeded)'), "context deadline exceeded"),
)
"""What differs from one run to the next: ids of requests, places in memory, ports, times, which of two limits that are
the same came first; and what bytes decide."""
ABSENT = (
    "Docker",
    "Helm",
    "DOCKER_COMMAND_ERROR",
    "HELM_COMMAND_ERROR",
    "Azure CLI version",
    "Please refer to",
)
"""Of check-health's lines, those about programs that a pod has not, and the last."""


@dataclass(frozen=True)
class Verdicts:
    """What the tools print of a registry, line by line, without what differs from one run to the next."""

    health: tuple[str, ...]
    aks: tuple[str, ...]


class Tools:
    """The tools, once they are made."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def make(self) -> None:
        """Put az into a pod, and log in."""
        identity = azure.coder_identity()
        labels = {manifests.LABEL: NAMESPACE}
        self._cluster.apply(
            manifests.namespace(NAMESPACE),
            manifests.azure_identity(NAMESPACE, identity),
            manifests.azure_identity_binding(NAMESPACE, "az", identity.name, NAMESPACE),
            manifests.az_pod(NAMESPACE, "az", str(az_environment()), labels=labels),
        )
        ready = ("wait", "-n", NAMESPACE, "pod/az", "--for=condition=Ready", "--timeout=90s")
        must(self._cluster.kubectl(*ready))
        must(self._az("login", "--identity", "--resource-id", identity.resource_id))

    def remove(self) -> None:
        """Take az's pod away again."""
        self._cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")

    def ask(self, registry: str, host: str) -> Verdicts:
        """Ask both about a registry."""
        health = self._az("acr", "check-health", "-n", registry, "--ignore-errors", "-y")
        said = [
            line for line in steady(health.stdout + health.stderr) if not any(word in line for word in ABSENT)
        ]
        if health.returncode == TIMED_OUT and not any(line.startswith(LAST) for line in said):
            said = [*said, f"(nothing more within {LIMIT} s)"]
        config = str(self._cluster.layout.azure_json(NODES[1]))
        aks = self._cluster.inside_node(NODES[1], str(images.programs() / "canipull"), config, host)
        return Verdicts(tuple(said), tuple(steady(aks.stdout + aks.stderr)))

    def _az(self, *arguments: str) -> Completed:
        return self._cluster.kubectl("exec", "-n", NAMESPACE, "az", "--", *AZ, *arguments)


def steady(text: str) -> Iterator[str]:
    """Give the lines of a text that say something, without what differs from one run to the next."""
    for line in text.splitlines():
        said = STAMP.sub("", line).strip()
        for pattern, word in VARYING:
            said = pattern.sub(word, said)
        if said and not said.startswith("command terminated with exit code"):
            yield said
