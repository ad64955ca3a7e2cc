"""What a run may have left in the cluster: found by label and by name."""

from dataclasses import dataclass
from typing import Any

from acrcheck.cluster.reader import PODS, Cluster

MANAGED_BY = "app.kubernetes.io/managed-by"
OWN = "acrcheck"
PREFIX = f"{OWN}-"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A short-lived pod, or (with a container) an ephemeral container, which cannot be deleted."""

    namespace: str
    pod: str
    container: str = ""
    running: bool = False

    @property
    def deletable(self) -> bool:
        """True for a pod; an ephemeral container ends by itself and stays in its pod's spec."""
        return not self.container


def find_leftovers(cluster: Cluster, namespace: str = "") -> tuple[Leftover, ...]:
    """Find what runs have left, in a namespace or (empty) in all.

    Raises CannotLookError when the pods cannot be listed.
    """
    found: list[Leftover] = []
    for pod in cluster.list(PODS, namespace).items():
        metadata = pod.get("metadata") or {}
        place, name = str(metadata.get("namespace") or namespace), str(metadata.get("name") or "")
        labels = metadata.get("labels") or {}
        if labels.get(MANAGED_BY) == OWN and name.startswith(PREFIX):
            found.append(Leftover(place, name, running=(pod.get("status") or {}).get("phase") == "Running"))
        found += [
            Leftover(place, name, container["name"], _runs(pod, container["name"]))
            for container in (pod.get("spec") or {}).get("ephemeralContainers") or ()
            if str(container.get("name") or "").startswith(PREFIX)
        ]
    return tuple(found)


def _runs(pod: dict[str, Any], container: str) -> bool:
    statuses = (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()
    return any(
        status.get("name") == container and "running" in (status.get("state") or {}) for status in statuses
    )
