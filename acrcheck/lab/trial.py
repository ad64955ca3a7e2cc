"""A pull that is tried in a lab world: what becomes of the throw-away pod, and what its node's kubelet says."""

from acrcheck.cluster.leftovers import PREFIX
from acrcheck.cluster.reader import NODES, PODS, REPLICASETS, SERVICE_ACCOUNTS, Answer, Outcome, Pull
from acrcheck.cluster.selectors import NETWORK_POLICIES, POD_DISRUPTION_BUDGETS, SERVICES
from acrcheck.cluster.shortlived import LEAVE
from acrcheck.cluster.trial import SPARE_PODS, pulled, trial_pod, unfit
from acrcheck.lab.kube import Json
from acrcheck.lab.programs.kubelet import Kubelet
from acrcheck.lab.waiting import awaiting, event_of
from acrcheck.lab.world import World
from acrcheck.model import Permission


def permissions(namespace: str) -> tuple[Permission, ...]:
    """What the live side asks the API server for on the way, in its order."""
    return (
        NODES.permission("get"),
        *(
            resource.permission("list", namespace)
            for resource in (SERVICES, REPLICASETS, POD_DISRUPTION_BUDGETS, NETWORK_POLICIES)
        ),
        PODS.permission("delete", namespace),
        PODS.permission("create", namespace),
        PODS.permission("get", namespace),
    )


def try_pull(world: World, question: Pull, *, events_readable: bool) -> Answer:
    """Have a node's kubelet pull an image for a pod that is gone afterwards."""
    if LEAVE not in world.target.allow:
        return Answer(Outcome.INVALID, detail=f"without leave no pod is created: --allow {LEAVE}")
    node = world.kubernetes.find(NODES, question.node)
    if node is None:
        return Answer(Outcome.ABSENT, detail=f'nodes "{question.node}" not found')
    why = unfit(node) or _full(world, node)
    if why:
        return Answer(Outcome.CONFLICT, detail=f"nothing is pulled on node {question.node}: {why}")
    pod = trial_pod(f"{PREFIX}{world.kubernetes.number():08x}", question)
    pod["metadata"]["uid"] = f"{world.kubernetes.number():032x}"
    began = world.clock.monotonic()
    secrets = question.secrets or _of_account(world, question)
    told = Kubelet(world, question.node).start(question.image, secrets, question.namespace).events
    failed = told[-1].reason == "Failed"
    state = awaiting(world, question.node, question.image, told) if failed else _not_started(pod)
    status = {
        "phase": "Pending" if failed else "Failed",
        "containerStatuses": [{"name": "pull", "state": state}],
    }
    body = {
        "pulled": pulled(status),
        "status": status,
        "events": [event_of(world, pod, event) for event in told] if events_readable else [],
        "seconds": round(world.clock.monotonic() - began, 1),
    }
    return Answer(Outcome.OK, body)


def _full(world: World, node: Json) -> str:
    capacity = int(node["status"].get("allocatable", {}).get("pods", 0))
    count = sum(pod["spec"]["nodeName"] == node["metadata"]["name"] for pod in world.kubernetes.items(PODS))
    return f"{count} of {capacity} pods run there" if capacity and capacity - count < SPARE_PODS else ""


def _of_account(world: World, question: Pull) -> tuple[str, ...]:
    """The pull secrets that the API server adds to a pod that names none."""
    account = world.kubernetes.find(SERVICE_ACCOUNTS, question.service_account, question.namespace) or {}
    return tuple(entry["name"] for entry in account.get("imagePullSecrets") or ())


def _not_started(pod: Json) -> Json:
    """What the runtime says of a program that the image does not have."""
    program = pod["spec"]["containers"][0]["command"][0]
    said = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
        f'failed: unable to start container process: exec: "{program}": stat {program}: no such file or '
        "directory: unknown"
    )
    return {"terminated": {"exitCode": 128, "reason": "StartError", "message": said}}
