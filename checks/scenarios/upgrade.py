"""Before an upgrade: all works now, and would not afterwards; or no longer works already."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from acrcheck.cluster.reader import DAEMONSETS, NODES
from acrcheck.helm.values import ValuesFiles
from acrcheck.lab import faults, images, objects
from acrcheck.lab.azure import ScaleSet
from acrcheck.lab.faults import Fault, Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.waiting import kubelet_may_pull
from acrcheck.lab.world import (
    HOST,
    IMAGE,
    NODE_GROUP,
    SELECTOR,
    SUBSCRIPTION,
    World,
    add_node,
    is_nmi,
)

FROM, TO = "1.43.1", "1.44.3"
SERVICE = "coder/coder-service"
NEW_POOL = "aks-batch-10000003-vmss"
NOT_OURS = "an upgrade's plan is its owner's to change"
CLOUD = "what is outside of the cluster is not acrcheck's to change"


def values(**coderd: Any) -> dict[str, Any]:
    """The values to upgrade with: all images are in the registry under test, the database is elsewhere."""
    return {
        "coderd": {"image": f"{HOST}/{SERVICE}:{TO}", "extraLabels": {objects.LABEL: SELECTOR}, **coderd},
        "envbox": {"image": IMAGE},
        "postgres": {"default": {"enable": False}},
    }


def before(*, chart: str = FROM, given: dict[str, Any] | None = None, **target: Any) -> Fault:
    """A chart is deployed, helm keeps its revision, and another one is to follow, with a snapshot to go back to."""

    def fault(world: World) -> None:
        kubelet_may_pull(world)
        for tag in (chart, TO):
            images.push(world.registry, SERVICE, tag)
        item = world.deployment
        item["metadata"]["labels"] |= {"helm.sh/chart": f"coder-{chart}"}
        spec = item["spec"]["template"]["spec"]
        for container in (*spec["initContainers"], *spec["containers"]):
            container["image"] = f"{HOST}/{SERVICE}:{chart}"
        world.tools[f"{HOST}/{SERVICE}:{chart}"] = world.tools[objects.CODERD_IMAGE]
        faults.settle(world)
        for release in world.releases:
            release.version = chart
        planned = {"to_chart": TO, "database_snapshot": "coder-before-upgrade", **target}
        files = ValuesFiles(("values.yaml",), values() if given is None else given, {})
        allow = frozenset({"probe-pod"})
        faults.target(upgrade=True, values=files, allow=allow, image="", **planned)(world)

    return fault


def revision_deleted(world: World) -> None:
    """Somebody has deleted the Secret of the revision that was deployed; those before it are left."""
    for release in world.releases:
        release.status = "superseded"


def old_server(world: World) -> None:
    """The API server is of another time."""
    world.server_version = "v1.18.20"


def new_pool(world: World) -> None:
    """A pool was added after the identity was assigned; NMI runs on it, and no pod of the workload."""
    kubelet = world.azure.identities[1].resource_id
    world.azure.scale_sets.append(
        ScaleSet(NEW_POOL, SUBSCRIPTION, NODE_GROUP, [kubelet], kubelet_identity=kubelet)
    )
    add_node(world, 4, "batch", NEW_POOL)
    faults.settle(world)


def no_room(world: World) -> None:
    """Each node is full, but for less than a pod of the workload asks for."""
    for container in world.deployment["spec"]["template"]["spec"]["containers"]:
        container["resources"] = {"requests": {"cpu": "1500m", "memory": "2Gi"}}
    for node in world.kubernetes.items(NODES):
        node["status"].setdefault("allocatable", {}).update({"cpu": "1900m", "memory": "4Gi"})
    faults.settle(world)


def windows_pool(world: World) -> None:
    """A pool of Windows nodes that nothing keeps the workload from."""
    name = add_node(world, 5, "win", "akswin-10000004-vmss")
    world.kubernetes.get(NODES, name)["metadata"]["labels"]["kubernetes.io/os"] = "windows"


def no_nmi_there(world: World) -> None:
    """The third pool is up, and NMI not on it."""
    for node in world.kubernetes.items(NODES):
        node["metadata"]["labels"]["nmi"] = "wanted"
    for item in filter(is_nmi, world.kubernetes.items(DAEMONSETS)):
        item["spec"]["template"]["spec"]["nodeSelector"]["nmi"] = "wanted"
    new_pool(world)


def ends_soon(world: World) -> None:
    """The registry's certificate ends within the hour."""
    world.network.certificates = [
        replace(item, expires=world.clock.now() + timedelta(minutes=40))
        for item in world.network.certificates
    ]


def not_ready(world: World) -> None:
    """A pod of the workload runs, and is not ready."""
    pod = world.pods[0]
    faults.unready(pod, world.kubernetes.stamp())
    for status in pod["status"]["containerStatuses"]:
        status["ready"] = False


SCENARIOS = (
    Scenario(
        "healthy-upgrade",
        "",
        "before an upgrade: one minor, values with the label, a snapshot, all images to be had on every pool",
        Faulty(before()),
        exit_code=0,
    ),
    Scenario(
        "upgrade-without-leave",
        "",
        "before an upgrade: without leave for a throw-away pod nobody knows whether the images can be pulled",
        Faulty(before(), faults.target(allow=frozenset())),
        exit_code=3,
    ),
    Scenario(
        "upgrade-on-failure",
        "upgrade-hides-causes",
        "before an upgrade: a pod runs and is not ready",
        Faulty(before(), not_ready),
        among=("rollout-incomplete",),
        unmended="what fails already has a cause of its own",
    ),
    Scenario(
        "upgrade-two-minors",
        "upgrade-skips-minors",
        "before an upgrade: from 1.42 to 1.44",
        Faulty(before(chart="1.42.0")),
        unmended=NOT_OURS,
    ),
    Scenario(
        "upgrade-backwards",
        "upgrade-without-way",
        "before an upgrade: to an older chart",
        Faulty(before(chart="1.44.3", to_chart="1.44.1")),
        unmended=NOT_OURS,
    ),
    Scenario(
        "upgrade-to-coder-2",
        "upgrade-without-way",
        "before an upgrade: to a version of Coder 2",
        Faulty(before(chart="1.44.3", to_chart="2.9.0", to_image=IMAGE)),
        unmended=NOT_OURS,
    ),
    Scenario(
        "upgrade-on-old-kubernetes",
        "kubernetes-too-old-for-chart",
        "before an upgrade: the API server is older than the chart wants it",
        Faulty(before(), old_server),
        unmended=CLOUD,
    ),
    Scenario(
        "upgrade-with-old-keys",
        "chart-refuses-values",
        "before an upgrade: the values have keys that the chart fails at",
        Faulty(before(given={**values(), "cemanager": {"replicas": 2}})),
        unmended=NOT_OURS,
    ),
    Scenario(
        "upgrade-loses-label",
        "label-lost-by-upgrade",
        "before an upgrade: the label stands in the values as in the documentation's snippet",
        Faulty(before(given={**values(extraLabels=None), "extraLabels": None, objects.LABEL: SELECTOR})),
        unmended=NOT_OURS,
    ),
    Scenario(
        "upgrade-without-snapshot",
        "rollback-without-snapshot",
        "before an upgrade: to the next minor, and no snapshot of the database is declared",
        Faulty(before(database_snapshot="")),
        unmended=CLOUD,
    ),
    Scenario(
        "upgrade-without-revision",
        "rollback-revision-missing",
        "before an upgrade: the Secret of the deployed revision has been deleted",
        Faulty(before(), revision_deleted),
        unmended="what was deleted is nowhere else",
    ),
    Scenario(
        "upgrade-certificate-ends",
        "expires-during-upgrade",
        "before an upgrade: the registry's certificate ends within the hour",
        Faulty(before(), ends_soon),
        unmended=CLOUD,
    ),
    Scenario(
        "upgrade-pool-without-identity",
        "identity-missing-on-nodepool",
        "before an upgrade: a pool was added after the identity was assigned",
        Faulty(before(), new_pool),
        mended_by=("assign-pool",),
    ),
    Scenario(
        "upgrade-pool-without-nmi",
        "nmi-down",
        "before an upgrade: on a pool that may host the next pods no NMI runs",
        Faulty(before(), no_nmi_there),
        beside=("pool-not-like-the-others", "identity-missing-on-nodepool"),
        unmended="why a DaemonSet has no pod there, only its owner knows",
    ),
    Scenario(
        "upgrade-pool-without-token",
        "pool-not-like-the-others",
        "before an upgrade: on a pool that may host the next pods NMI has lost the API server",
        Faulty(before(), new_pool, faults.blind_nmi(f"{NEW_POOL}000000")),
        unmended="why that pool is another, only its owner knows",
    ),
    Scenario(
        "upgrade-pool-of-windows",
        "windows-node",
        "before an upgrade: nothing keeps the next pods from a pool of Windows nodes",
        Faulty(before(), windows_pool),
        unmended=NOT_OURS,
    ),
    Scenario(
        "upgrade-without-room",
        "no-room-for-surge",
        "before an upgrade: no node has room for the pod that a rollout starts first",
        Faulty(before(), no_room),
        unmended=CLOUD,
    ),
)
