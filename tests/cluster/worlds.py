"""Worlds that are staged only to be looked at: whether the real cluster and the lab are told of alike.

Each is the lab's scenario of that id. Those that a namespace holds run side by side; those that are a change of
Azure run one after the other, on one workload.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from acrcheck.cluster import reader as resources
from acrcheck.lab import faults, objects
from acrcheck.lab.azure import Azure, RoleAssignment
from acrcheck.lab.faults import Fault
from acrcheck.lab.world import ALL_TOOLS, NAMESPACE, World
from tests.cluster import azure, manifests
from tests.cluster.layout import AZURE
from tests.cluster.parity import by_hand, no_image
from tests.cluster.place import EXEC, IMAGE, LABEL, OBJECTS, READING, Place, operator
from tests.cluster.scenarios import TAG, WRONG_CLIENT_ID, Act, unlabelled_by_helm

READER = "Container Registry Repository Reader"
OTHER_TENANT = "6d5b0c2e-1f77-4b9a-8a0e-3c4b9f1d2e60"
NO_GUID = "coder-acr"
NODES = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
PRIVATE = faults.resolves(azure.REGISTRY, AZURE)
"""The registry's address is one of a private network, which decides between causes that a public one leaves open."""


@dataclass(frozen=True)
class Seen:
    """A world in a namespace.

    Attributes:
        scenario: the lab's.
        stage: makes it.
        flags: of the run, beside the namespace.
        as_staged: what makes the lab's world like the stage in what is not broken.
        limited: whether the run is that of the operator whom the stage made.
        other_size: why the number of pods differs; then only the kinds of statuses must agree.
    """

    scenario: str
    stage: Act
    flags: Callable[[Place], tuple[str, ...]] = lambda _: ()
    as_staged: tuple[Fault, ...] = (by_hand, no_image)
    limited: bool = False
    other_size: str = ""

    @property
    def name(self) -> str:
        """That of its namespace."""
        return f"seen-{self.scenario}"


@dataclass(frozen=True)
class Altered:
    """A change of Azure under a workload that is well; the run is told of the image.

    Attributes:
        scenario: the lab's.
        alter: changes what Azure knows; the object id is that of the workload's identity.
        as_staged: what makes the lab's world like the stage in what is not broken.
    """

    scenario: str
    alter: Callable[[Azure, str], None]
    as_staged: tuple[Fault, ...] = (by_hand,)

    @property
    def name(self) -> str:
        """That of its run."""
        return f"altered-{self.scenario}"


def tell_image(_: Place) -> tuple[str, ...]:
    """The run is told of the image that is there."""
    return ("--image", TAG)


# -- the workload and its label ----------------------------------------------------------------------------


def old_chart(place: Place) -> None:
    """The chart without the label, of a version that does not write itself on the Deployment."""
    unlabelled_by_helm(place)
    place.kubectl("label", "deployment/coderd", "helm.sh/chart-")


def labelled_with(place: Place, labels: dict[str, str], *, replicas: int = 2) -> None:
    """Coderd, its pods with these labels, and objects for the right one."""
    place.make_identity()
    place.bind()
    place.coderd(labels=labels, replicas=replicas)


def on_deployment(place: Place) -> None:
    """The label is on the Deployment and not on its pods."""
    labelled_with(place, {})
    place.kubectl("label", "deployment/coderd", f"{LABEL}={place.selector}")


def all_by_hand(place: Place) -> None:
    """Every pod was labelled, and the template was not."""
    labelled_with(place, {})
    place.kubectl("label", "pods", "-l", "coder.deployment=coderd", f"{LABEL}={place.selector}")


def crashing(place: Place) -> None:
    """The workload's containers end as soon as they start."""
    place.make_identity()
    place.bind()
    account, deployment = manifests.coderd(place.namespace, labels=place.labels)
    deployment["spec"]["template"]["spec"]["containers"][0]["command"] = ["false"]
    place.make(account, deployment)
    # After the second restart they wait for so long that no run meets them between two.
    path = "{range .items[*].status.containerStatuses[*]}{.restartCount}{.state.waiting.reason} {end}"
    states = ("get", "pods", "-l", "coder.deployment=coderd", "-o", f"jsonpath={path}")
    place.cluster.wait("a crash loop", lambda: place.kubectl(*states).split() == 2 * ["2CrashLoopBackOff"])


def scaled_down(place: Place) -> None:
    """No replica is wanted."""
    place.healthy()
    place.kubectl("scale", "deployment/coderd", "--replicas=0")
    place.cluster.wait("no pod", lambda: not place.kubectl("get", "pods", "-o", "name"))


# -- the objects -------------------------------------------------------------------------------------------


def bound(
    place: Place, *, identity: str = "coder-acr", selector: str = "", object_name: str = "coder-acr"
) -> None:
    """Coderd with its label, and a binding that names another identity or selector."""
    place.make_identity()
    place.make(
        manifests.azure_identity(place.namespace, place.identity, name=object_name),
        manifests.azure_identity_binding(
            place.namespace, "coder-binding", identity, selector or place.selector
        ),
    )
    place.coderd(labels=place.labels, replicas=2)


def of_the_addon(place: Place) -> None:
    """No binding, and the identity is the AKS add-on's."""
    place.healthy()
    place.kubectl("delete", "azureidentitybinding", "--all")
    labels = ("addonmanager.kubernetes.io/mode=Reconcile", "kubernetes.azure.com/managedby=aks")
    place.kubectl("label", "azureidentity", "coder-acr", *labels)


def only_bound(place: Place) -> None:
    """A binding, and no identity."""
    place.healthy()
    place.kubectl("delete", "azureidentity", "coder-acr")


def no_guid(place: Place) -> None:
    """The client id is a name."""
    place.make_identity()
    place.bind(client_id=NO_GUID)
    place.coderd(labels=place.labels, replicas=2)


def several(place: Place) -> None:
    """A second identity is bound by the same selector."""
    place.healthy()
    kubelet = azure.kubelet_identity()
    place.make(
        manifests.azure_identity(place.namespace, kubelet, name="other-identity"),
        manifests.azure_identity_binding(place.namespace, "other-binding", "other-identity", place.selector),
    )


def excepted(place: Place) -> None:
    """An exception covers the pods."""
    place.healthy()
    place.make(manifests.azure_pod_identity_exception(place.namespace, "coderd-exception", {"app": "coderd"}))


# -- other kinds of workload -------------------------------------------------------------------------------


READY = {
    "Deployment": "readyReplicas",
    "StatefulSet": "readyReplicas",
    "DaemonSet": "numberReady",
    "Job": "ready",
}
"""Where each kind of workload counts its pods that are ready."""


def of(kind: str, *, labelled: bool = True) -> Act:
    """Objects for the label, and pods of a workload of this kind, with the label or without."""

    def stage(place: Place) -> None:
        place.make_identity()
        place.bind()
        item = objects.worker(
            kind, place.namespace, "worker", manifests.AZ_IMAGE, place.labels if labelled else {}
        )
        spec = item["spec"] if kind == "Pod" else item["spec"]["template"]["spec"]
        spec["terminationGracePeriodSeconds"] = 1
        spec["containers"][0]["command"] = ["sleep", "infinity"]
        # A Job's pods are not spread by themselves, and the lab's are on both nodes.
        spec["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "worker"}},
            }
        ]
        place.make(item)
        # The controllers count the pods some time after the kubelets say that they are ready.
        ready = "containerStatuses[0].ready" if kind == "Pod" else READY[kind]
        words = ("get", f"{kind.lower()}/worker", "-o", f"jsonpath={{.status.{ready}}}")
        counted = "true" if kind == "Pod" else "2"
        place.cluster.wait("the pods", lambda: place.kubectl(*words) == counted)

    return stage


def named(kind: str) -> Callable[[Place], tuple[str, ...]]:
    """The run is told of the workload and of the image that is there."""
    return lambda _: ("--workload", f"{kind.lower()}/worker", "--image", TAG)


def named_with_identity(kind: str) -> Callable[[Place], tuple[str, ...]]:
    """The same, and which identity it must get."""
    return lambda place: (*named(kind)(place), "--identity-client-id", place.identity.client_id)


def of_public_image(world: World) -> None:
    """The lab's worker is of the image that is staged, with its programs."""
    world.tools[manifests.AZ_IMAGE] = ALL_TOOLS
    for resource in (resources.PODS, *MADE_OF_TEMPLATES):
        for item in world.kubernetes.items(resource, NAMESPACE):
            spec = item["spec"] if resource is resources.PODS else item["spec"]["template"]["spec"]
            for container in spec["containers"]:
                if container["name"] == "worker":
                    container["image"] = manifests.AZ_IMAGE
    faults.settle(world)


MADE_OF_TEMPLATES = (
    resources.DEPLOYMENTS,
    resources.REPLICASETS,
    resources.STATEFULSETS,
    resources.DAEMONSETS,
    resources.JOBS,
)
TWO_NODES = "the lab has a third node"


def _worker(scenario: str, kind: str) -> Seen:
    """A workload of a kind; one without the label is told that it should have an identity."""
    labelled = not scenario.endswith("-label-missing")
    flags = named(kind) if labelled else named_with_identity(kind)
    size = TWO_NODES if kind == "DaemonSet" else ""
    return Seen(scenario, of(kind, labelled=labelled), flags, (of_public_image,), other_size=size)


KINDS = (
    Seen("deployment", of("Deployment", labelled=False), named("Deployment"), (of_public_image,)),
    *(
        _worker(f"{scenario}{missing}", kind)
        for missing in ("", "-label-missing")
        for scenario, kind in (
            ("statefulset", "StatefulSet"),
            ("daemonset", "DaemonSet"),
            ("job", "Job"),
            ("bare-pod", "Pod"),
        )
    ),
)


# -- Azure, and the operator -------------------------------------------------------------------------------


def on_no_pool(place: Place) -> None:
    """The identity is on no scale set."""
    place.make_identity(pools=())
    place.bind()
    place.coderd(labels=place.labels, replicas=2)


def recreated(place: Place) -> None:
    """The identity was made anew: no scale set has it, and its client id is another than the AzureIdentity's."""
    place.make_identity(pools=())
    place.bind(client_id=WRONG_CLIENT_ID)
    place.coderd(labels=place.labels, replicas=2)


def no_pods_of_others(place: Place) -> None:
    """The operator may see the pods of the workload's namespace only."""
    place.healthy()
    operator(place, *[rule for rule in READING if "pods" not in rule["resources"]], NODES, EXEC, OBJECTS)
    _within(place, PODS)


def objects_of_one_namespace(place: Place) -> None:
    """The operator may read AAD Pod Identity's objects in the workload's namespace only."""
    place.healthy()
    operator(place, *READING, EXEC, {**OBJECTS, "resources": ["azureassignedidentities"]})
    _within(place, OBJECTS)


def _within(place: Place, rule: manifests.Json) -> None:
    """Give the place's operator a right in its namespace."""
    metadata = {"name": "operator", "namespace": place.namespace}
    account = {"kind": "ServiceAccount", "name": "operator", "namespace": place.namespace}
    group = "rbac.authorization.k8s.io"
    place.make(
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "operator"},
            "subjects": [account],
        },
    )


SEEN: tuple[Seen, ...] = (
    *KINDS,
    Seen("healthy-one-replica", lambda place: place.healthy(), tell_image, (by_hand,)),
    Seen("label-missing-old-chart", old_chart, as_staged=(no_image,)),
    Seen("label-empty", lambda place: labelled_with(place, {LABEL: ""})),
    Seen("label-on-deployment", on_deployment),
    Seen("label-by-hand", all_by_hand),
    Seen("binding-missing-addon", of_the_addon, as_staged=(by_hand, no_image, faults.scale(1))),
    Seen(
        "label-is-identity-name",
        lambda place: bound(
            place, identity=place.selector, object_name=place.selector, selector="coder-selector"
        ),
    ),
    Seen("selector-letter-case", lambda place: bound(place, selector=place.selector.title())),
    Seen("identity-object-missing", only_bound, as_staged=(by_hand, no_image, faults.scale(1))),
    Seen("client-id-malformed", no_guid),
    Seen("several-identities", several, as_staged=(by_hand, no_image, faults.scale(1))),
    Seen(
        "healthy-several-identities",
        several,
        lambda place: ("--image", TAG, "--identity-client-id", place.identity.client_id),
        (by_hand, faults.scale(1)),
    ),
    Seen("pod-excepted", excepted, as_staged=(by_hand, no_image, faults.scale(1))),
    Seen("identity-on-no-pool", on_no_pool),
    Seen("identity-recreated", recreated),
    Seen(
        "repository-missing",
        lambda place: place.healthy(replicas=2),
        lambda _: ("--image", f"{azure.REGISTRY}/coder/enviroment:1"),
        (by_hand,),
    ),
    Seen(
        "registry-misspelt",
        lambda place: place.healthy(replicas=2),
        lambda _: ("--image", IMAGE.replace("labreg", "labrge") + f":{azure.IMAGE_TAG}"),
        (by_hand,),
    ),
    Seen("workload-crashing", crashing),
    Seen("scaled-to-zero", scaled_down),
    Seen(
        "nothing-to-ask-with",
        lambda place: place.healthy(replicas=2, image=manifests.BARE_IMAGE),
        tell_image,
        (by_hand,),
    ),
    Seen(
        "one-namespace",
        objects_of_one_namespace,
        as_staged=(by_hand, no_image, faults.scale(1)),
        limited=True,
    ),
    Seen(
        "no-pods-of-others", no_pods_of_others, as_staged=(by_hand, no_image, faults.scale(1)), limited=True
    ),
)


# -- a change of Azure -------------------------------------------------------------------------------------


def _only(state: Azure, owner: str, role: RoleAssignment | None) -> None:
    """Give an identity this role on the registry in place of those it has."""
    state.roles = [known for known in state.roles if known.principal_id != owner]
    if role is not None:
        state.roles.append(role)


def abac(state: Azure, _: str) -> None:
    """AcrPull, on a registry that does not count it."""
    state.registries[0].role_mode = "abac"


def reader(state: Azure, owner: str) -> None:
    """The role that such a registry counts."""
    abac(state, owner)
    _only(state, owner, RoleAssignment(owner, READER, azure.REGISTRY_ID, ["coder/*"]))


def other_repositories(state: Azure, owner: str) -> None:
    """The same role, and its condition names other repositories."""
    abac(state, owner)
    _only(state, owner, RoleAssignment(owner, READER, azure.REGISTRY_ID, ["team/*"]))


def too_new(state: Azure, owner: str) -> None:
    """The role was given, and takes effect later."""
    later = datetime.now(UTC) + timedelta(minutes=8)
    _only(state, owner, RoleAssignment(owner, "AcrPull", azure.REGISTRY_ID, effective_at=later))


def to_the_kubelet(state: Azure, owner: str) -> None:
    """The role was given to the kubelet's identity."""
    kubelet = azure.kubelet_identity().object_id
    _only(state, owner, RoleAssignment(kubelet, "AcrPull", azure.REGISTRY_ID))


def no_metadata(state: Azure, owner: str) -> None:
    """The identity may pull, and not list tags."""
    _only(state, owner, RoleAssignment(owner, "pull only", azure.REGISTRY_ID, actions=["pull"]))


def no_subscription(state: Azure, _: str) -> None:
    """The identity sees no subscription."""
    state.subscriptions = []


def other_tenant(state: Azure, _: str) -> None:
    """The registry is of another tenant."""
    state.registries[0].tenant_id = OTHER_TENANT


def no_arm_audience(state: Azure, _: str) -> None:
    """The registry refuses tokens for ARM."""
    state.registries[0].arm_audience_enabled = False


def firewall(state: Azure, _: str) -> None:
    """The registry's firewall does not let the pods in."""
    state.registries[0].ip_rules = ["198.51.100.0/24"]


def no_public_access(state: Azure, _: str) -> None:
    """The registry takes private endpoints only."""
    state.registries[0].public_network_access = False


def silent(state: Azure, _: str) -> None:
    """The metadata service of one node takes requests and does not answer them."""
    state.nodes[1].imds = "silent"


ALTERED: tuple[Altered, ...] = (
    Altered("healthy-by-hand", lambda _, __: None),
    Altered("abac-ignores-acrpull", abac),
    Altered("healthy-abac", reader),
    Altered("role-for-other-repositories", other_repositories),
    Altered("role-too-new", too_new),
    Altered("role-for-the-kubelet", to_the_kubelet),
    Altered("no-metadata-read", no_metadata),
    Altered("no-subscription", no_subscription),
    Altered("other-tenant", other_tenant),
    Altered("arm-audience-disabled", no_arm_audience),
    Altered("registry-firewall", firewall, (by_hand, PRIVATE)),
    Altered("public-access-disabled", no_public_access, (by_hand, PRIVATE)),
    Altered("imds-silent", silent),
)
