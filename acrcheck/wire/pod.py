"""Short-lived pods: like the workload's, on its node, under its service account, but nobody's but our own."""

from collections.abc import Callable, Mapping
from typing import Any

from acrcheck.clock import Clock
from acrcheck.cluster.hands import Hands
from acrcheck.cluster.leftovers import MANAGED_BY, OWN
from acrcheck.cluster.reader import NODES, PODS, Answer
from acrcheck.cluster.selectors import selecting
from acrcheck.cluster.shortlived import LIFETIME, ShortLivedPods
from acrcheck.wire import probe
from acrcheck.wire.door import Failure, Trouble, Vantage
from acrcheck.wire.exec import refused

COPIED_LABELS = ("aadpodidbinding", "azure.workload.identity/use")
"""The labels that give a pod its identity. No other label of the workload is ever copied."""
_COPIED_FIELDS = ("tolerations", "imagePullSecrets", "dnsPolicy", "dnsConfig", "hostAliases")
_CONTAINER = "probe"


class ProbePods:
    """Creates at most one pod beside each of the workload's. Made only with leave (`--allow probe-pod`).

    `close` deletes them; it is also called when the interpreter ends.
    """

    def __init__(self, hands: Hands, clock: Clock) -> None:
        self._hands = hands
        self._clock = clock
        self._once = probe.Once(self._create)
        self._pods = ShortLivedPods(hands)

    def place(self, vantage: Vantage, image: Callable[[], str]) -> Vantage | Failure:
        """Give the pod beside a workload's pod as a vantage; create it the first time.

        `image` chooses; empty means the workload container's own.
        """
        return self._once.place(vantage, image)

    def close(self) -> tuple[str, ...]:
        """Delete what was created. Gives the `namespace/name` of those that could not be deleted."""
        return self._pods.close()

    def _create(self, vantage: Vantage, image: Callable[[], str]) -> Vantage | Failure:
        answer = self._hands.get(PODS, vantage.pod, vantage.namespace)
        if not answer.ok:
            return refused(answer, vantage)
        if failure := self._no_such_node(vantage, answer.body):
            return failure
        labels = probe_labels((answer.body.get("metadata") or {}).get("labels") or {})
        if failure := self._would_be_selected(vantage, labels):
            return failure
        name = probe.new_name()
        body = probe_pod(name, answer.body, labels, vantage.container, image())
        # The node that was chosen; it is the workload's pod's where none was.
        body["spec"]["nodeName"] = vantage.node or body["spec"]["nodeName"]
        created = self._pods.create(vantage.namespace, body)
        if not created.ok:
            return refused(created, vantage)
        where = (vantage.namespace, name, _CONTAINER, "containerStatuses")
        failure = probe.wait_running(self._hands, self._clock, *where)
        return failure or Vantage("pod", vantage.namespace, name, _CONTAINER, vantage.node)

    def _no_such_node(self, vantage: Vantage, workload: Mapping[str, Any]) -> Failure | None:
        """Refuse where the node that was chosen is not there: a pod for it would wait for nothing."""
        own = (workload.get("spec") or {}).get("nodeName")
        if vantage.node in {"", own} or not self._hands.get(NODES, vantage.node).nothing:
            return None
        return Failure(Trouble.NOT_RUNNING, f"there is no node {vantage.node} for the throw-away pod")

    def _would_be_selected(self, vantage: Vantage, labels: Mapping[str, str]) -> Failure | None:
        """Refuse where an object of the namespace would take the pod for its own."""
        found = selecting(self._hands, vantage.namespace, labels)
        if isinstance(found, Answer):
            return refused(found, vantage)
        if not found:
            return None
        shown = ", ".join(f"{key}={value}" for key, value in labels.items())
        return Failure(
            Trouble.NO_TOOL,
            f"no pod is created: {', '.join(found)} would select it by its labels ({shown})",
            tool="probe-pod",
            remedy="--allow debug-container",
        )


def probe_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Give the labels of a pod beside one with these labels: its identity's, and ours."""
    return {**{key: labels[key] for key in COPIED_LABELS if key in labels}, MANAGED_BY: OWN}


def probe_pod(
    name: str, workload: dict[str, Any], labels: Mapping[str, str], container: str, image: str
) -> dict[str, Any]:
    """Describe a pod beside a workload's: same namespace, node and service account, and as little else as can be."""
    spec = workload.get("spec") or {}
    like = probe.workload_container(workload, container)
    wanted = probe.container(_CONTAINER, image or str(like.get("image") or ""), like, workload)
    wanted["resources"] = {
        "requests": {"cpu": "10m", "memory": "32Mi"},
        "limits": {"cpu": "500m", "memory": "256Mi"},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": (workload.get("metadata") or {}).get("namespace"),
            "labels": dict(labels),
        },
        "spec": {
            "nodeName": spec.get("nodeName"),
            "serviceAccountName": spec.get("serviceAccountName") or "default",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LIFETIME,
            "terminationGracePeriodSeconds": 0,
            **{key: spec[key] for key in _COPIED_FIELDS if spec.get(key)},
            "containers": [wanted],
        },
    }
