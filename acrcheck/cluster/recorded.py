"""The cluster door with a tape in it: recording what a live or simulated side answers, or answering from it."""

import dataclasses
from collections.abc import Callable, Mapping

from acrcheck.bundle.store import Store
from acrcheck.bundle.tape import NeverAskedError, Tape
from acrcheck.clock import Clock
from acrcheck.cluster.reader import Answer, Cluster, Pull, Resource
from acrcheck.model import Permission

DOOR = "cluster"
Asker = Callable[[Mapping[str, object], Callable[[Cluster], Answer]], Answer]


class TapedCluster:
    """Implements the cluster door: each verb becomes a question, which `ask` records or answers."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask

    def path(self, path: str) -> Answer:
        """Read a path that is no object."""
        return self._ask({"verb": "path", "path": path}, lambda inner: inner.path(path))

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Read one object."""
        question = {"verb": "get", "path": resource.path(namespace, name)}
        return self._ask(question, lambda inner: inner.get(resource, name, namespace))

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """Read all objects of a namespace, or of all."""
        question = {
            "verb": "list",
            "path": resource.path(namespace),
            "labels": labels,
            "metadataOnly": metadata_only,
        }
        return self._ask(
            question, lambda inner: inner.list(resource, namespace, labels, metadata_only=metadata_only)
        )

    def allowed(self, permission: Permission) -> Answer:
        """Ask whether the caller holds a permission."""
        question = {"verb": "allowed", "permission": dataclasses.asdict(permission)}
        return self._ask(question, lambda inner: inner.allowed(permission))

    def logs(
        self, namespace: str, pod: str, container: str, *, since: int, lines: int, previous: bool = False
    ) -> Answer:
        """Read the last lines of a container's log."""
        question: Mapping[str, object] = {
            "verb": "logs",
            "path": f"{namespace}/{pod}/{container}",
            "since": since,
            "lines": lines,
            **({"previous": True} if previous else {}),
        }
        return self._ask(
            question,
            lambda inner: inner.logs(namespace, pod, container, since=since, lines=lines, previous=previous),
        )

    def try_pull(self, question: Pull) -> Answer:
        """Have a node's kubelet pull an image."""
        asked = {"verb": "try_pull", "pull": dataclasses.asdict(question)}
        return self._ask(asked, lambda inner: inner.try_pull(question))


def recording(inner: Cluster, tape: Tape, clock: Clock) -> TapedCluster:
    """Give a door that passes every question on and keeps it with its answer."""

    def ask(question: Mapping[str, object], put: Callable[[Cluster], Answer]) -> Answer:
        answer: Answer = tape.record(clock, DOOR, question, lambda: put(inner))
        return answer

    return TapedCluster(ask)


def recorded(tape: Tape, store: Store | None = None) -> TapedCluster:
    """Give a door that answers from the tape, and what is not on it from the objects that are known."""
    known = store or Store()

    def ask(question: Mapping[str, object], put: Callable[[Cluster], Answer]) -> Answer:
        try:
            answer: Answer = tape.answer(DOOR, question)
        except NeverAskedError:
            return put(known)
        return answer

    return TapedCluster(ask)
