"""What a bundle holds beside the run: what a second engineer asks for, put through the run's own doors."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from acrcheck.bundle.kinds import ROLE_BINDINGS, ROLES, WEBHOOKS
from acrcheck.bundle.store import EVERYWHERE, Kind, Store, of_entries
from acrcheck.bundle.tape import Tape
from acrcheck.catalogue import Checks
from acrcheck.clock import Clock
from acrcheck.cluster.reader import (
    AZURE_ASSIGNED_IDENTITIES,
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    AZURE_POD_IDENTITY_EXCEPTIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICE_ACCOUNTS,
    STATEFULSETS,
    Answer,
    Cluster,
    Outcome,
    Resource,
)
from acrcheck.cluster.recorded import TapedCluster, recording
from acrcheck.cluster.selectors import NETWORK_POLICIES, matches

SYSTEM = "kube-system"
WEBHOOK_NAMESPACE = "azure-workload-identity-system"
"""Where Azure Workload Identity's chart puts its webhook; the AKS add-on has it in kube-system."""
COMPONENTS = (
    "nmi",
    "mic",
    "azure-wi-webhook-controller-manager",
    "aad-pod-identity-nmi",
    "aad-pod-identity-mic",
)
"""How the pods begin that stand between a workload and its token (deploy/infra and charts of aad-pod-identity 1.8)."""
PER_NODE = ("nmi", "aad-pod-identity-nmi")
CLUSTER_WIDE = (
    NODES,
    NAMESPACES,
    WEBHOOKS,
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    AZURE_ASSIGNED_IDENTITIES,
    AZURE_POD_IDENTITY_EXCEPTIONS,
)
PER_NAMESPACE = (
    PODS,
    EVENTS,
    DEPLOYMENTS,
    STATEFULSETS,
    DAEMONSETS,
    REPLICASETS,
    SERVICE_ACCOUNTS,
    ROLES,
    ROLE_BINDINGS,
    NETWORK_POLICIES,
)
AT_ONCE = 4
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken of each thing."""

    since: int = 24 * 3600
    """Seconds that logs reach back."""
    lines: int = 2000
    """Of each log, the last ones."""
    item_bytes: int = 8 * 1024 * 1024
    """Of each list, as JSON."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing to read: its name, and the question."""

    name: str
    ask: Callable[[Cluster], Answer]


class Collector:
    """Puts the questions, each answer cut to what is allowed and kept on the tape.

    Args:
        cluster: the door itself.
        tape: of the run, which is over.
        clock: of the run.
        limits: how much is taken.
        seconds: after which nothing more is asked.
        tell: is told how many readings are done, of how many, and what is being read.
    """

    def __init__(
        self,
        cluster: Cluster,
        tape: Tape,
        clock: Clock,
        limits: Limits,
        seconds: float,
        tell: Callable[[int, int, str], None] = lambda *_: None,
    ) -> None:
        self._tape, self._clock, self._limits, self._tell = tape, clock, limits, tell
        self._ends = clock.monotonic() + seconds
        self._stopped = threading.Event()
        self._done: set[str] = set()
        self._cluster = recording(
            TapedCluster(lambda _, put: cut(put(cluster), limits.item_bytes)), tape, clock
        )

    def collect(self, namespace: str, workload: str) -> bool:
        """Read what belongs to a workload (`kind/name`). False when interrupted: what came until then is kept."""
        plans = (
            everywhere,
            lambda known: within(known, namespace),
            lambda known: logs(known, namespace, workload, self._limits),
        )
        for plan in plans:
            try:
                self._read(plan(of_entries(self._tape.entries)))
            except KeyboardInterrupt:
                # What is left is not read, and the tape says of each thing why.
                self._read(plan(of_entries(self._tape.entries)))
        return not self._stopped.is_set()

    def _read(self, readings: Iterable[Reading]) -> None:
        todo = tuple(reading for reading in readings if reading.name not in self._done)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for _ in pool.map(lambda item: self._one(item[0], item[1], len(todo)), enumerate(todo)):
                    pass
            except KeyboardInterrupt:
                self._stopped.set()
                raise

    def _one(self, number: int, reading: Reading, count: int) -> None:
        if self._stopped.is_set() or self._clock.monotonic() > self._ends:
            why = "interrupted" if self._stopped.is_set() else "no time was left to read it"
            silent = TapedCluster(lambda *_: Answer(Outcome.NOT_RECORDED, detail=why))
            reading.ask(recording(silent, self._tape, self._clock))
            return
        self._tell(number, count, reading.name)
        reading.ask(self._cluster)
        self._done.add(reading.name)


def everywhere(known: Store) -> Iterator[Reading]:
    """Give the lists of the whole cluster that are not known yet."""
    for resource in CLUSTER_WIDE:
        if EVERYWHERE not in known.namespaces_of(kind_of(resource)):
            yield Reading(resource.plural, partial(_list, resource, ""))


def within(known: Store, namespace: str) -> Iterator[Reading]:
    """Give the lists that are not known yet of the workload's namespace and of those of what serves it."""
    absent = known.get(NAMESPACES, WEBHOOK_NAMESPACE).nothing
    for where in dict.fromkeys(filter(None, (namespace, SYSTEM, "" if absent else WEBHOOK_NAMESPACE))):
        for resource in PER_NAMESPACE:
            if not {where, EVERYWHERE} & known.namespaces_of(kind_of(resource)):
                yield Reading(f"{resource.plural} of {where}", partial(_list, resource, where))


def logs(known: Store, namespace: str, workload: str, limits: Limits) -> Iterator[Reading]:
    """Give the logs of a workload's pods, and of what stands between them and their token."""
    own = pods_of(known, namespace, workload)
    nodes = {str(pod.get("spec", {}).get("nodeName")) for pod in own}
    for pod in (*own, *_components(known, nodes)):
        metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
        where, name = str(metadata.get("namespace", "")), str(metadata["name"])
        states = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
        restarted = {state.get("name") for state in states if state.get("restartCount")}
        for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
            inner = str(container.get("name"))
            place = f"log of {where}/{name} {inner}"
            yield Reading(place, partial(_log, limits, where, name, inner, previous=False))
            if inner in restarted:
                yield Reading(f"previous {place}", partial(_log, limits, where, name, inner, previous=True))


def pods_of(known: Store, namespace: str, workload: str) -> list[Json]:
    """Give the pods that a workload's selector takes; none where it is not known."""
    kind, _, name = workload.partition("/")
    held = {
        (item["metadata"].get("namespace"), item["metadata"]["name"]): item
        for item in known.objects(("apps", f"{kind}s"))
    }
    selector = (held.get((namespace, name), {}).get("spec") or {}).get("selector")
    return [
        pod
        for pod in known.objects(kind_of(PODS))
        if selector
        and pod["metadata"].get("namespace") == namespace
        and matches(selector, pod["metadata"].get("labels") or {})
    ]


def _components(known: Store, nodes: set[str]) -> list[Json]:
    found = []
    for pod in known.objects(kind_of(PODS)):
        name, node = str(pod["metadata"]["name"]), str((pod.get("spec") or {}).get("nodeName"))
        stem = next((stem for stem in COMPONENTS if name.startswith(f"{stem}-")), "")
        if stem and (stem not in PER_NODE or node in nodes):
            found.append(pod)
    return found


def cut(answer: Answer, most: int) -> Answer:
    """Leave out of a list what goes over its size; `remainingItemCount` says how many were left out, as in the API."""
    if not answer.ok or not isinstance(answer.body, dict) or not isinstance(answer.body.get("items"), list):
        return answer
    size, kept = 0, []
    for item in answer.body["items"]:
        size += len(json.dumps(item))
        if size > most:
            break
        kept.append(item)
    left = len(answer.body["items"]) - len(kept)
    if not left:
        return answer
    metadata = {**(answer.body.get("metadata") or {}), "remainingItemCount": left}
    return replace(answer, body={**answer.body, "metadata": metadata, "items": kept})


def kind_of(resource: Resource) -> Kind:
    """Give group and plural."""
    return resource.group, resource.plural


def _list(resource: Resource, namespace: str, cluster: Cluster) -> Answer:
    return cluster.list(resource, namespace)


def _log(
    limits: Limits, namespace: str, pod: str, container: str, cluster: Cluster, *, previous: bool
) -> Answer:
    return cluster.logs(namespace, pod, container, since=limits.since, lines=limits.lines, previous=previous)


def described(checks: Checks, namespace: str, limits: Limits) -> tuple[str, ...]:
    """Say what a bundle reads: what the checks ask, the lists, and the logs."""
    asks = dict.fromkeys(ask for check in checks.checks for ask in check.asks)
    lines = [f"the checks: {verb} {what} {_where(where, namespace)}" for verb, what, *where in asks]
    lines += [f"objects: list {_named(resource)} of all namespaces" for resource in CLUSTER_WIDE]
    lines += [
        f"objects: list {_named(resource)} in namespace {where}"
        for where in (namespace, SYSTEM, WEBHOOK_NAMESPACE)
        for resource in PER_NAMESPACE
    ]
    pods = (
        f"the workload's pods in namespace {namespace}",
        "NMI on their nodes",
        "MIC",
        "the webhook's pods",
    )
    lines += [
        f"logs: of {pod}, the last {limits.lines} lines of {limits.since} s, and of the instance before"
        for pod in pods
    ]
    return tuple(lines)


def _where(where: list[str], namespace: str) -> str:
    return "in all namespaces" if where else f"in namespace {namespace}"


def _named(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural
