"""Ephemeral containers: the network as the workload's own pod has it, where its image has no tools.

They can never be taken out of a pod's spec again. Each ends by its own time-limited command.
"""

from collections.abc import Callable

from acrcheck.clock import Clock
from acrcheck.cluster.hands import Hands
from acrcheck.cluster.reader import PODS
from acrcheck.wire import probe
from acrcheck.wire.door import Failure, Vantage
from acrcheck.wire.exec import refused


class DebugContainers:
    """Adds at most one ephemeral container to a pod. Made only with leave (`--allow debug-container`)."""

    def __init__(self, hands: Hands, clock: Clock) -> None:
        self._hands = hands
        self._clock = clock
        self._once = probe.Once(self._add)

    def place(self, vantage: Vantage, image: Callable[[], str]) -> Vantage | Failure:
        """Give the ephemeral container of a workload's pod as a vantage; add it the first time.

        `image` chooses; empty means the workload container's own.
        """
        return self._once.place(vantage, image)

    def _add(self, vantage: Vantage, image: Callable[[], str]) -> Vantage | Failure:
        answer = self._hands.get(PODS, vantage.pod, vantage.namespace)
        if not answer.ok:
            return refused(answer, vantage)
        like = probe.workload_container(answer.body, vantage.container)
        name = probe.new_name()
        wanted = probe.container(name, image() or str(like.get("image") or ""), like, answer.body)
        added = self._hands.add_ephemeral_container(vantage.namespace, vantage.pod, wanted)
        if not added.ok:
            return refused(added, vantage)
        where = (vantage.namespace, vantage.pod, name, "ephemeralContainerStatuses")
        failure = probe.wait_running(self._hands, self._clock, *where)
        return failure or Vantage("debug", vantage.namespace, vantage.pod, name, vantage.node)
