"""What an ephemeral container and a short-lived pod have in common: their container, and waiting for it."""

import secrets
import threading
from collections.abc import Callable
from typing import Any

from acrcheck.clock import Clock
from acrcheck.cluster.hands import Hands
from acrcheck.cluster.leftovers import PREFIX
from acrcheck.cluster.reader import PODS
from acrcheck.cluster.shortlived import LIFETIME
from acrcheck.wire.door import Failure, Trouble, Vantage

DOCUMENTED_IMAGE = "mcr.microsoft.com/azure-cli"
"""The image of Coder's documentation ("Configure Coder to use Azure Container Registry"): has curl and python3."""
READY = 60.0
"""Seconds that it may take to start, its image's pull included."""
_POLL = 0.25
_USER = 1000
_PROXIES = {"http_proxy", "https_proxy", "no_proxy", "all_proxy"}
_HOPELESS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
}


class Once:
    """Makes one place for each pod of a workload and node, and remembers it. Safe for threads.

    Those of different pods and nodes don't wait for each other.
    """

    def __init__(self, make: Callable[[Vantage, Callable[[], str]], Vantage | Failure]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, str, str], threading.Lock] = {}
        self._places: dict[tuple[str, str, str], Vantage | Failure] = {}

    def place(self, vantage: Vantage, image: Callable[[], str]) -> Vantage | Failure:
        """Give the place made for a workload's pod; make it the first time, with the image that is chosen then."""
        key = (vantage.namespace, vantage.pod, vantage.node)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._places:
                self._places[key] = self._make(vantage, image)
            return self._places[key]


def new_name() -> str:
    """Make a name that nothing else has."""
    return f"{PREFIX}{secrets.token_hex(4)}"


def workload_container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """Give a pod's container by name; the first one when there is none of that name."""
    containers: list[dict[str, Any]] = (pod.get("spec") or {}).get("containers") or [{}]
    return next((container for container in containers if container.get("name") == name), containers[0])


def container(name: str, image: str, like: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    """Describe a container that does nothing for a while: unprivileged, the workload's user, its proxies."""
    theirs = {**((pod.get("spec") or {}).get("securityContext") or {}), **(like.get("securityContext") or {})}
    user = theirs.get("runAsUser") or _USER
    environment = [
        {"name": variable["name"], "value": variable["value"]}
        for variable in like.get("env") or ()
        if str(variable.get("name")).lower() in _PROXIES and "value" in variable
    ]
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", str(LIFETIME)],
        "env": environment,
        "securityContext": {
            "runAsUser": user,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def wait_running(
    hands: Hands, clock: Clock, namespace: str, pod: str, name: str, statuses: str
) -> Failure | None:
    """Wait until a container runs. None when it does, else why not. `statuses` is the field of the status."""
    deadline = clock.monotonic() + READY
    reason = "it has no status yet"
    while clock.monotonic() < deadline:
        answer = hands.get(PODS, pod, namespace)
        if answer.nothing:
            return Failure(Trouble.GONE, f"pod {namespace}/{pod} is no more")
        if answer.ok:
            state = _state(answer.body, name, statuses)
            if "running" in state:
                return None
            waiting, ended = state.get("waiting") or {}, state.get("terminated")
            reason = _told(ended or waiting) or _told(answer.body.get("status") or {}) or reason
            over = answer.body.get("status", {}).get("phase") in {"Failed", "Succeeded"}
            if ended or over or waiting.get("reason") in _HOPELESS:
                return Failure(Trouble.NOT_RUNNING, f"the container {name} does not start: {reason}")
        else:
            reason = answer.detail
        clock.sleep(_POLL)
    return Failure(Trouble.NOT_RUNNING, f"the container {name} did not start within {READY:g} s: {reason}")


def _state(pod: dict[str, Any], name: str, statuses: str) -> dict[str, Any]:
    listed = (pod.get("status") or {}).get(statuses) or ()
    return next((status.get("state") or {} for status in listed if status.get("name") == name), {})


def _told(state: dict[str, Any]) -> str:
    """Join a reason and its message."""
    return ": ".join(str(state[key]) for key in ("reason", "message") if state.get(key))
