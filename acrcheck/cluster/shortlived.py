"""Pods of our own, which live no longer than the run: created only with leave, deleted on every way out."""

import atexit
import threading
from typing import Any

from acrcheck.cluster.hands import Hands
from acrcheck.cluster.reader import PODS, Answer, Outcome

LEAVE = "probe-pod"
"""What `--allow` must name before one is created."""
LIFETIME = 300
"""Seconds after which the cluster itself ends one (`activeDeadlineSeconds`)."""


class ShortLivedPods:
    """Creates pods and remembers them until they are gone. Safe for threads.

    `close` deletes what is left; it is also called when the interpreter ends.
    """

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._lock = threading.Lock()
        self._created: dict[tuple[str, str], None] = {}
        self._closed = False

    def create(self, namespace: str, body: dict[str, Any]) -> Answer:
        """Create a pod, unless everything is being taken away already, or it could not be deleted again."""
        permission = PODS.permission("delete", namespace)
        review = self._hands.allowed(permission)
        if review.ok and not review.body["allowed"]:
            return Answer(Outcome.FORBIDDEN, detail="what is created must be deleted", permission=permission)
        with self._lock:
            if self._closed:
                return Answer(Outcome.ERROR, detail="the run is over: no pod is created any more")
            # Noted before it is asked for: a creation whose answer is lost may still have happened.
            self._created[namespace, body["metadata"]["name"]] = None
            atexit.register(self.close)
            return self._hands.create_pod(namespace, body)

    def delete(self, namespace: str, name: str) -> None:
        """Delete one; where that fails, `close` tries again."""
        answer = self._hands.delete_pod(namespace, name)
        if answer.ok or answer.nothing:
            with self._lock:
                self._created.pop((namespace, name), None)

    def close(self) -> tuple[str, ...]:
        """Delete what was created. Gives the `namespace/name` of those that could not be deleted."""
        with self._lock:
            self._closed = True
            for namespace, name in tuple(self._created):
                answer = self._hands.delete_pod(namespace, name)
                if answer.ok or answer.nothing:
                    del self._created[namespace, name]
            left = tuple(f"{namespace}/{name}" for namespace, name in self._created)
        if not left:
            atexit.unregister(self.close)
        return left
