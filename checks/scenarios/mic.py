"""MIC and NMI in standard mode: what they write when an identity does not get onto the nodes."""

from datetime import timedelta

from acrcheck.cluster.reader import AZURE_ASSIGNED_IDENTITIES, DEPLOYMENTS, PODS
from acrcheck.lab import faults, objects
from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.directory import Application, Secret
from acrcheck.lab.faults import Faulty
from acrcheck.lab.programs import nmi
from acrcheck.lab.programs.mic import Mic
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import GROUP, NODE_GROUP, SUBSCRIPTION, TENANT, World, healthy

RESOURCE = "https://management.azure.com/"
NODES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}"
OPERATOR, CONTRIBUTOR = "Managed Identity Operator", "Virtual Machine Contributor"
IMPATIENT, PATIENT = 30.0, 130.0
APPLICATION, PRINCIPAL = "c93d5e17-04ab-4f62-8b7c-2e9f1d60a358", "27b8f0d4-6c19-4ea5-93d2-f5a7b0c4e186"
SECRET = "made-a-year-ago"  # noqa: S105 - of the lab alone
WAITING = (
    "identity-assignment-pending",
    "nmi-without-mic",
    "mic-missing-managed-identity-operator",
    "mic-missing-vm-contributor",
    "mic-arm-slow",
    "azureidentity-malformed-resourceid",
)


def _standard(*roles: tuple[str, str], image: str = "", stuck: bool = True) -> World:
    """MIC has these roles, and the workload's pods wait for their identity.

    Args:
        roles: each with its scope.
        image: MIC's, where it is an old one.
        stuck: whether MIC's round is still to come.
    """
    world = healthy(mode="standard")
    kubelet = world.azure.identities[1]
    world.azure.roles += [RoleAssignment(kubelet.object_id, role, scope) for role, scope in roles]
    world.azure.identities[0].federated.clear()
    if image:
        deployment = world.kubernetes.get(DEPLOYMENTS, "mic", "default")
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
        faults.settle(world)
    if stuck:
        for scale_set in world.azure.scale_sets:
            scale_set.identities.clear()
        world.mic = "stuck"
        faults.settle(world)
    return world


def _permitted(image: str = "") -> World:
    return _standard((CONTRIBUTOR, NODES), (OPERATOR, GROUP), image=image)


def _identity_deleted() -> World:
    world = _permitted()
    world.azure.identities[0].deleted = True
    return world


def _throttled() -> World:
    world = _permitted()
    for scale_set in world.azure.scale_sets:
        scale_set.throttled = True
    return world


def _slow() -> World:
    world = _permitted()
    world.azure.scale_sets[0].seconds = 503.794
    return world


def _service_principal() -> World:
    """The cluster has a service principal, whose secret has ended."""
    world = _permitted()
    ended = Secret("5a1e", SECRET, world.clock.now() - timedelta(days=1))
    world.azure.applications.append(Application("aks", APPLICATION, PRINCIPAL, TENANT, [ended]))
    cluster = world.azure.clusters[0]
    cluster.client_id, cluster.client_secret = APPLICATION, SECRET
    return world


def _mic_elsewhere() -> World:
    """MIC runs in a namespace of its own, and nothing tells NMI of it."""
    world = _permitted()
    world.kubernetes.remove(DEPLOYMENTS, "mic", "default")
    for pod in world.kubernetes.items(PODS, "default"):
        if pod["metadata"]["name"].startswith("mic-"):
            world.kubernetes.remove(PODS, pod["metadata"]["name"], "default")
    world.kubernetes.put(objects.namespace("pod-identity"))
    world.kubernetes.put(objects.mic("pod-identity"))
    faults.settle(world)
    return world


def _nmi_of_workload(world: World, seconds: float) -> str:
    return nmi.log(world, world.pods[0], seconds, RESOURCE)


def _all_of_mic(world: World) -> str:
    mic = Mic(world).work()
    return mic.journal() + mic.described()


def _unassigned() -> World:
    """The workload's pods are new, and MIC has not come to them."""
    world = healthy(mode="standard")
    world.mic = "idle"
    for item in world.kubernetes.items(AZURE_ASSIGNED_IDENTITIES):
        metadata = item["metadata"]
        world.kubernetes.remove(AZURE_ASSIGNED_IDENTITIES, metadata["name"], metadata["namespace"])
    return world


SCENARIOS = (
    Scenario(
        "impatient-caller",
        "identity-assignment-race",
        "an application asks as soon as it starts and gives up before MIC is ready",
        _unassigned,
        among=WAITING,
        prints=lambda world: _nmi_of_workload(world, IMPATIENT),
    ),
    Scenario(
        "identity-deleted-in-azure",
        "identity-deleted",
        "the managed identity was deleted",
        _identity_deleted,
        prints=_all_of_mic,
    ),
    Scenario(
        "image-gallery-of-other-tenant",
        "linked-resource-cross-tenant",
        "MIC 1.5 rewrites the scale set, and its image is in another tenant",
        lambda: _permitted("mcr.microsoft.com/k8s/aad-pod-identity/mic:v1.5.5"),
        prints=lambda world: Mic(world).work().journal(),
    ),
    Scenario(
        "arm-takes-minutes",
        "mic-arm-slow",
        "ARM answers MIC after minutes",
        _slow,
        prints=lambda world: Mic(world).work().journal(),
    ),
    Scenario(
        "arm-throttles-mic",
        "mic-arm-throttled",
        "ARM throttles MIC",
        _throttled,
        prints=_all_of_mic,
    ),
    Scenario(
        "mic-not-excepted",
        "mic-exception-missing",
        "NMI lets MIC wait for an identity of its own",
        _mic_elsewhere,
        prints=lambda world: nmi.log(world, Mic(world).pod, PATIENT, RESOURCE) + Mic(world).work().journal(),
    ),
    Scenario(
        "mic-without-operator-role",
        "mic-missing-managed-identity-operator",
        "MIC may write the scale set and not use the identity",
        lambda: _standard((CONTRIBUTOR, NODES)),
        prints=_all_of_mic,
    ),
    Scenario(
        "mic-without-contributor-role",
        "mic-missing-vm-contributor",
        "MIC may use the identity and not write the scale set",
        lambda: _standard((OPERATOR, GROUP), ("Reader", NODES)),
        prints=_all_of_mic,
    ),
    Scenario(
        "mic-before-scale-sets",
        "mic-vmss-unsupported",
        "MIC 1.2 takes nodes of scale sets for single machines",
        lambda: _permitted("mcr.microsoft.com/k8s/aad-pod-identity/mic:1.2"),
        prints=lambda world: Mic(world).work().journal(),
    ),
    Scenario(
        "mic-secret-expired",
        "sp-secret-expired",
        "the secret of the cluster's service principal has ended",
        _service_principal,
        prints=lambda world: Mic(world).work().journal(),
    ),
    Scenario(
        "mic-and-misspelt-resource-id",
        "azureidentity-malformed-resourceid",
        "MIC does not take an AzureIdentity's resource id",
        Faulty(faults.identity(resourceID="coder-acr"), mode="standard"),
        prints=lambda world: Mic(world).work().journal(),
    ),
    Scenario(
        "mic-and-empty-label",
        "pod-label-missing",
        "the pods' label is empty",
        Faulty(faults.relabel(objects.LABEL, ""), mode="standard"),
        prints=lambda world: Mic(world).work().journal(),
    ),
    Scenario(
        "nmi-and-excepted-pod",
        "pod-excepted-from-nmi",
        "an exception covers the workload's pods",
        Faulty(faults.excepted),
        prints=lambda world: _nmi_of_workload(world, IMPATIENT),
    ),
)
