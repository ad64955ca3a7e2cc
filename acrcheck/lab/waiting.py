"""A workload whose newest pod pulls its image: what becomes of the pod's status, and the events that are left.

Source: kubernetes/kubernetes pkg/kubelet/images/image_manager.go, kuberuntime_container.go, kubelet_pods.go.
"""

from acrcheck.cluster.reader import EVENTS, NODES, PODS
from acrcheck.lab import faults, images, objects
from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.faults import WORKER_NODE, WORKSPACE, Fault
from acrcheck.lab.kube import Json, running
from acrcheck.lab.programs.kubectl import Event
from acrcheck.lab.programs.kubelet import Kubelet
from acrcheck.lab.world import ALL_TOOLS, HOST, IMAGE, NAMESPACE, REGISTRY_ID, World

ERROR_IN_STATUS = (1, 32)
"""The version since which a container in back-off says the last error in its status."""
BACK_OFF = "Back-off pulling image"
FAILED = "Error: "
"""How the event begins that has the reason for which a container waits."""
MINUTES = 60.0
FIRST_WAIT, LONGEST_WAIT = 10.0, 300.0


def kubelet_may_pull(world: World) -> None:
    """The nodes' own identity has AcrPull."""
    world.azure.roles.append(RoleAssignment(world.azure.identities[1].object_id, "AcrPull", REGISTRY_ID))


def of_image(image: str = IMAGE) -> Fault:
    """The workload's container is of this image."""

    def fault(world: World) -> None:
        world.deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
        world.tools[image] = ALL_TOOLS
        faults.settle(world)

    return fault


def pull_policy(policy: str) -> Fault:
    """The workload's containers have this imagePullPolicy."""

    def fault(world: World) -> None:
        spec = world.deployment["spec"]["template"]["spec"]
        for container in (*spec["initContainers"], *spec["containers"]):
            container["imagePullPolicy"] = policy
        faults.settle(world)

    return fault


def own_registry(world: World) -> None:
    """The workload's own image is in the registry under test, and the nodes may pull from it."""
    repository, tag = "coder/coder-service", objects.CHART_VERSION
    image = f"{HOST}/{repository}:{tag}"
    images.push(world.registry, repository, tag)
    kubelet_may_pull(world)
    spec = world.deployment["spec"]["template"]["spec"]
    for container in (*spec["initContainers"], *spec["containers"]):
        container["image"] = image
    world.tools[image] = world.tools[objects.CODERD_IMAGE]
    faults.settle(world)


def pulls(node: str = WORKER_NODE, times: int = 1) -> Fault:
    """The newest pod of the workload on a node pulls its image so often, and waits where that fails.

    Between two attempts the kubelet waits twice as long as before (pkg/kubelet/kubelet.go: imageBackOffPeriod).
    """
    return lambda world: _pull(world, _newest(world, node), times)


def workspace_pulls(world: World) -> None:
    """The pod of the workspace pulls its image, and waits where that fails."""
    _pull(world, world.kubernetes.get(PODS, WORKSPACE, NAMESPACE))


def _pull(world: World, pod: Json, times: int = 1) -> None:
    node, image = pod["spec"]["nodeName"], pod["spec"]["containers"][0]["image"]
    names = [entry["name"] for entry in pod["spec"].get("imagePullSecrets") or ()]
    for attempt in range(1, times):
        Kubelet(world, node).start(image, names)
        world.clock.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)))
    policy = pod["spec"]["containers"][0].get("imagePullPolicy", "")
    told = Kubelet(world, node).start(image, names, policy=policy).events
    for event in told:
        world.kubernetes.put(event_of(world, pod, event) | {"count": times})
    if told[-1].reason == "Failed":
        _wait(world, pod, told)
    else:
        _run(world, pod)
    world.clock.sleep(MINUTES)


def forgets_events(world: World) -> None:
    """The events are older than the API server keeps them."""
    for item in world.kubernetes.items(EVENTS, NAMESPACE):
        world.kubernetes.remove(EVENTS, item["metadata"]["name"], NAMESPACE)


def _newest(world: World, node: str) -> Json:
    return [pod for pod in world.pods if pod["spec"]["nodeName"] == node][-1]


def _wait(world: World, pod: Json, told: list[Event]) -> None:
    """Have the pod's first container wait for the reason that the kubelet told last."""
    faults.unready(pod, world.kubernetes.stamp())
    pod["status"]["phase"] = "Pending"
    image = pod["spec"]["containers"][0]["image"]
    pod["status"]["containerStatuses"][0]["state"] = awaiting(world, pod["spec"]["nodeName"], image, told)
    _count(world, pod, -1)


def awaiting(world: World, node: str, image: str, told: list[Event]) -> Json:
    """The state of a container that waits for the reason that the kubelet told last."""
    reason = told[-1].message.removeprefix(FAILED)
    version = tuple(int(part) for part in world.machine(node).kubelet.split(".")[:2])
    message = reason
    if reason == "ImagePullBackOff":
        error = next(event.message for event in told if event.message.startswith("Failed to pull image"))
        error = error.removeprefix(f'Failed to pull image "{image}": ')
        message = f'{BACK_OFF} "{image}"' + (f": ErrImagePull: {error}" if version >= ERROR_IN_STATUS else "")
    elif reason in {"InvalidImageName", "ErrImageNeverPull"}:
        message = told[0].message
    return {"waiting": {"reason": reason, "message": message}}


def _count(world: World, pod: Json, change: int) -> None:
    """Count a pod of the workload that became ready, or is so no more."""
    if pod in world.pods:
        for field in ("readyReplicas", "availableReplicas"):
            world.deployment["status"][field] += change


def _run(world: World, pod: Json) -> None:
    """Have the pod run since now."""
    if pod["status"]["phase"] == "Pending":
        _count(world, pod, 1)
    machine = world.kubernetes.get(NODES, pod["spec"]["nodeName"])
    host = next(item["address"] for item in machine["status"]["addresses"] if item["type"] == "InternalIP")
    pod["status"] = running(pod["spec"], world.kubernetes.stamp(), host, pod["status"]["podIP"])


def event_of(world: World, pod: Json, event: Event) -> Json:
    """The object that the kubelet makes of what it tells."""
    node, stamp = pod["spec"]["nodeName"], world.kubernetes.stamp()
    metadata, namespace = pod["metadata"], pod["metadata"]["namespace"]
    container = pod["spec"]["containers"][0]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{world.kubernetes.number():016x}", "namespace": namespace},
        "involvedObject": {
            "kind": "Pod",
            "namespace": namespace,
            "name": metadata["name"],
            "uid": metadata["uid"],
            "fieldPath": f"spec.containers{{{container}}}",
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "source": {"component": "kubelet", "host": node},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": node,
    }
