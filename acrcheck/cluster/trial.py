"""A real pull by a real kubelet: a throw-away pod that is bound to a node, and in which nothing of the image runs.

The pod's command is a path that no image has. The kubelet pulls the image first; then the runtime refuses to start the
container, whether the image has a shell or not. The pod names its node: the scheduler never sees it, and the cluster
autoscaler, which looks at pods that cannot be scheduled, adds no node for it.

Source: github.com/kubernetes/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (startContainer) and
pkg/kubelet/images/types.go (1.36).
"""

import threading
from typing import Any

from acrcheck.clock import Clock
from acrcheck.cluster.hands import Hands
from acrcheck.cluster.leftovers import MANAGED_BY, OWN
from acrcheck.cluster.reader import EVENTS, NODES, PODS, Answer, Outcome, Pull
from acrcheck.cluster.selectors import selecting
from acrcheck.cluster.shortlived import LIFETIME, ShortLivedPods

AT_ONCE = 3
"""Pulls that are under way at the same time, over all nodes."""
SPARE_PODS = 2
"""Places for pods that a node must have left: the last one stays for whoever is scheduled meanwhile."""
LABELS = {MANAGED_BY: OWN}
IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ImageInspectError",
        "ErrImageNeverPull",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""Why a container waits for its image (kubernetes/kubernetes, pkg/kubelet/images/types.go, cri-api errors.go)."""
_CONTAINER = "pull"
_POLL = 0.5
_AFTER_PULL = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"}
)
"""Why a container waits whose image is there."""
_LOST = "ContainerStatusUnknown"
_PRESSURES = ("DiskPressure", "MemoryPressure", "PIDPressure")
_STATES = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
)
"""How the keys of taints begin that Kubernetes and its autoscaler put on nodes for the state they are in."""


def waits_for_image(waiting: dict[str, Any]) -> bool:
    """Tell whether a container's state `waiting` is that its image cannot be had.

    Since credentials are looked up before the pull (kubelet 1.33), the reason may be the error itself: a sentence,
    where all other reasons are one word.
    """
    reason = str(waiting.get("reason") or "")
    return reason in IMAGE_REASONS or " " in reason


def unfit(node: dict[str, Any]) -> str:
    """Say why nothing is pulled on a node in this state; empty where nothing speaks against it."""
    spec, status = _mapping(node.get("spec")), _mapping(node.get("status"))
    conditions = {item.get("type"): item.get("status") for item in _mappings(status.get("conditions"))}
    if conditions.get("Ready") != "True":
        return "it is not ready"
    pressures = [name for name in _PRESSURES if conditions.get(name) == "True"]
    if pressures:
        return f"it has {', '.join(pressures)}"
    if spec.get("unschedulable"):
        return "it is cordoned"
    taints = [key for item in _mappings(spec.get("taints")) if tells_state(key := str(item.get("key")))]
    return f"it has the taint {taints[0]}" if taints else ""


def tells_state(taint: str) -> bool:
    """Tell whether a taint with this key says how a node is, and not for which pods it is meant."""
    return taint.startswith(_STATES)


def pulled(status: dict[str, Any]) -> bool | None:
    """Read from a pod's status whether its image was pulled; None while neither is said."""
    for item in _mappings(status.get("containerStatuses")):
        state = _mapping(item.get("state"))
        waiting, ended = _mapping(state.get("waiting")), _mapping(state.get("terminated"))
        if waits_for_image(waiting):
            return False
        if "running" in state or waiting.get("reason") in _AFTER_PULL:
            return True
        if ended and ended.get("reason") != _LOST:
            return True
    return None


class Trials:
    """Tries pulls. Made only with leave; `close` deletes the pods that are left."""

    def __init__(self, hands: Hands, clock: Clock) -> None:
        self._hands = hands
        self._clock = clock
        self._pods = ShortLivedPods(hands)
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def try_pull(self, question: Pull) -> Answer:
        """Have the node's kubelet pull the image for a pod of its own, and delete the pod."""
        with self._turns:
            return self._refusal(question) or self._try(question)

    def close(self) -> tuple[str, ...]:
        """Delete what was created. Gives the `namespace/name` of those that could not be deleted."""
        return self._pods.close()

    def _refusal(self, question: Pull) -> Answer | None:
        """Say why it must not be tried; None when it may."""
        node = self._hands.get(NODES, question.node)
        if not node.ok:
            return node
        why = unfit(node.body) or self._full(node.body, question.node)
        if why:
            return Answer(Outcome.CONFLICT, detail=f"nothing is pulled on node {question.node}: {why}")
        found = selecting(self._hands, question.namespace, LABELS)
        if isinstance(found, Answer):
            return found
        if found:
            detail = f"no pod is created: {', '.join(found)} would select it"
            return Answer(Outcome.CONFLICT, detail=detail)
        return None

    def _full(self, node: dict[str, Any], name: str) -> str:
        """Say that a node has no place for a pod; who may not count them leaves it to the kubelet, which refuses."""
        capacity = str(_mapping(_mapping(node.get("status")).get("allocatable")).get("pods") or "")
        fields = f"spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed"
        listed = self._hands.list_by_fields(PODS, "", fields)
        if not listed.ok or not capacity.isdigit():
            return ""
        count = len(listed.items())
        return f"{count} of {capacity} pods run there" if int(capacity) - count < SPARE_PODS else ""

    def _try(self, question: Pull) -> Answer:
        from acrcheck.wire.probe import new_name

        name, namespace = new_name(), question.namespace
        began = self._clock.monotonic()
        try:
            created = self._pods.create(namespace, trial_pod(name, question))
            return self._wait(question, name, began) if created.ok else created
        finally:
            self._pods.delete(namespace, name)

    def _wait(self, question: Pull, name: str, began: float) -> Answer:
        status: dict[str, Any] = {}
        came: bool | None = None
        while self._clock.monotonic() - began < question.seconds:
            answer = self._hands.get(PODS, name, question.namespace)
            if answer.nothing:
                break
            status = _mapping(answer.body.get("status")) if answer.ok else status
            came = pulled(status)
            if came is not None or status.get("phase") in {"Failed", "Succeeded"}:
                break
            self._clock.sleep(_POLL)
        seconds = round(self._clock.monotonic() - began, 1)
        told = self._hands.list_by_fields(EVENTS, question.namespace, f"involvedObject.name={name}")
        events = told.items() if told.ok else []
        return Answer(Outcome.OK, {"pulled": came, "status": status, "events": events, "seconds": seconds})


def trial_pod(name: str, question: Pull) -> dict[str, Any]:
    """Describe the pod: nobody's but our own, bound to the node, unprivileged, and with nothing to run."""
    from acrcheck.wire.probe import container

    wanted = container(_CONTAINER, question.image, {"securityContext": question.security}, {})
    wanted |= {
        "imagePullPolicy": "Always",
        "command": [f"/{name}/nothing-of-the-image-runs"],
        "resources": {
            "requests": {"cpu": "1m", "memory": "8Mi"},
            "limits": {"cpu": "100m", "memory": "64Mi"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": question.namespace, "labels": LABELS},
        "spec": {
            "nodeName": question.node,
            "serviceAccountName": question.service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LIFETIME,
            "terminationGracePeriodSeconds": 0,
            "tolerations": list(question.tolerations),
            "imagePullSecrets": [{"name": secret} for secret in question.secrets],
            "containers": [wanted],
        },
    }


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
