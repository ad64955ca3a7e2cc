"""The real az, asked whether it can log in: what acrcheck says of a login must be so."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.cluster import manifests
from tests.cluster.harness import Cluster, Json, must
from tests.cluster.layout import az_environment

LIMIT = 10
"""Seconds that az is given: an answer that comes later is no login."""
TIMED_OUT = 124
LABELS = "aadpodidbinding"


@dataclass(frozen=True)
class Verdict:
    """What az came to on behalf of one pod."""

    pod: str
    logged_in: bool
    said: str


def place(cluster: Cluster, namespace: str, *, per_node: bool) -> dict[str, str]:
    """Put az beside the workload's pods: labelled alike, on the same node; each pod's is given by its name.

    Args:
        cluster: where.
        namespace: the workload's.
        per_node: whether nodes differ; else those with the same labels share one.
    """
    placed: dict[tuple[str, ...], str] = {}
    beside: dict[str, str] = {}
    made = []
    for pod in workload_pods(cluster, namespace):
        labels = {k: v for k, v in pod["metadata"]["labels"].items() if k.lower() == LABELS}
        node = pod["spec"]["nodeName"]
        kind = (str(labels), node if per_node else "")
        if kind not in placed:
            placed[kind] = f"az-{len(placed)}"
            own = pod["spec"].get("hostNetwork", False)
            made.append(
                manifests.az_pod(
                    namespace,
                    placed[kind],
                    str(az_environment()),
                    labels=labels,
                    nodeName=node,
                    hostNetwork=own,
                )
            )
        beside[pod["metadata"]["name"]] = placed[kind]
    cluster.apply(*made)
    return beside


def ask(
    cluster: Cluster, namespace: str, beside: dict[str, str], resource_id: str, believed: dict[str, bool]
) -> list[Verdict]:
    """Log in as the documentation does, once in each of the pods that `place` made.

    Args:
        cluster: where.
        namespace: the workload's.
        beside: what `place` gave.
        resource_id: the identity's.
        believed: by the workload's pod, whether az is believed to log in beside it: there it may try again
            when it was not done in time, because on a busy machine az alone may take so long.
    """
    names = dict.fromkeys(beside.values())
    tries = {name: 1 + any(believed.get(pod) for pod, own in beside.items() if own == name) for name in names}
    with ThreadPoolExecutor(2) as pool:
        said = dict(
            pool.map(lambda name: (name, _login(cluster, namespace, name, resource_id, tries[name])), names)
        )
    return [Verdict(pod, *said[name]) for pod, name in beside.items()]


def workload_pods(cluster: Cluster, namespace: str) -> list[Json]:
    """Coder's pods that are not going."""
    items = cluster.get("pods", "-n", namespace, "-l", "coder.deployment=coderd")["items"]
    return [item for item in items if "deletionTimestamp" not in item["metadata"]]


def _login(cluster: Cluster, namespace: str, pod: str, resource_id: str, tries: int) -> tuple[bool, str]:
    waiting = ("wait", "-n", namespace, f"pod/{pod}", "--for=condition=Ready", "--timeout=60s")
    must(cluster.kubectl(*waiting))
    az = ("timeout", "-k", "1", str(LIMIT), "/az/bin/python", "-m", "azure.cli")
    login = ("login", "--identity", "--allow-no-subscriptions", "--resource-id", resource_id)
    for _ in range(tries):
        done = cluster.kubectl("exec", "-n", namespace, pod, "--", *az, *login)
        if done.returncode != TIMED_OUT:
            break
    return done.returncode == 0, (done.stderr or done.stdout)[-300:]
