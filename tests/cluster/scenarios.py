"""What is broken on the real cluster, the cause that must be named first, and how it is mended.

Scenarios that stay in their namespace run side by side; those that touch a node, NMI or all of Azure run one
after the other, and undo what they did.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.cluster import azure, images, manifests, podidentity
from tests.cluster.harness import must
from tests.cluster.layout import BACKEND_PORT, NODES
from tests.cluster.place import EXEC, IMAGE, OBJECTS, READING, Place, grant, operator
from tests.cluster.running import push_token

TAG = f"{IMAGE}:{azure.IMAGE_TAG}"
MISSING_TAG = f"not-pushed-yet-{os.getpid()}"
WRONG_CLIENT_ID = "11111111-2222-3333-4444-555555555555"
BLOCK = ("/usr/sbin/iptables", "-w", "5", "-t", "mangle")
DROP = (
    "PREROUTING",
    "-s",
    "10.244.0.0/16",
    "-d",
    "169.254.169.254",
    "-p",
    "tcp",
    "--dport",
    "80",
    "-j",
    "DROP",
)

Act = Callable[[Place], None]


def nothing(_: Place) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Scenario:
    """One thing that is broken.

    Attributes:
        name: also that of its namespace.
        cause: the id of the cause that must be named first.
        stage: breaks the world.
        flags: the command line's, beside the namespace.
        equals: causes that may share the first place, because the facts leave it open which it is.
        mend: mends the world where no kubectl or helm command can, and `why` none can.
        per_node: az is asked on every node.
        kubeconfig: the operator's, where it is not the administrator's.
        undo: takes back what other scenarios would feel.
        code: the exit code.
        left: what is still broken when the cause is mended; empty when all is well then.
    """

    name: str
    cause: str
    stage: Act
    flags: Callable[[Place], tuple[str, ...]] = lambda _: ()
    equals: frozenset[str] = frozenset()
    mend: Act | None = None
    why: str = ""
    per_node: bool = False
    kubeconfig: Callable[[Place], Path] | None = None
    undo: Act = nothing
    code: int = 1
    left: str = ""


# -- the label -------------------------------------------------------------------------------------------


def unlabelled_by_helm(place: Place) -> None:
    """The chart, installed without the label."""
    place.make_identity()
    place.bind()
    release = ("coder", "coder/coder", "--version", "1.44.3", "-n", place.namespace)
    must(place.cluster.helm("install", *release, "--set", "coderd.replicas=2", "--wait"))


def unlabelled(place: Place, replicas: int = 1) -> None:
    """Coderd by hand, without the label."""
    place.make_identity()
    place.bind()
    place.coderd(replicas=replicas)


def unlabelled_by_gitops(place: Place) -> None:
    """The same, with the mark of Argo CD."""
    unlabelled(place)
    place.kubectl("label", "deployment/coderd", "argocd.argoproj.io/instance=coder")


def label_in_the_repository(place: Place) -> None:
    """What Argo CD does after the repository has the label."""
    place.make(*manifests.coderd(place.namespace, labels=place.labels, replicas=1))


def one_pod_labelled(place: Place) -> None:
    """One of two pods labelled by hand."""
    unlabelled(place, replicas=2)
    place.kubectl("label", _first_pod(place), f"aadpodidbinding={place.selector}")


def one_pod_unlabelled(place: Place) -> None:
    """One of two pods lost the template's label."""
    place.healthy(replicas=2)
    place.kubectl("label", _first_pod(place), "aadpodidbinding-")


def wrong_case(place: Place) -> None:
    """The label's key in camel case."""
    place.make_identity()
    place.bind()
    place.coderd(labels={"aadPodIdBinding": place.selector})


def _first_pod(place: Place) -> str:
    return place.kubectl("get", "pods", "-l", "coder.deployment=coderd", "-o", "name").split()[0]


# -- the objects -----------------------------------------------------------------------------------------


def binding_missing(place: Place) -> None:
    """An AzureIdentity and no binding."""
    place.healthy()
    place.kubectl("delete", "azureidentitybinding", "--all")


def identity_misspelt(place: Place) -> None:
    """The binding names an AzureIdentity that is not there; one with another name is."""
    place.healthy()
    place.bind(identity="coder-arc")


def objects_elsewhere(place: Place) -> None:
    """Label and objects match, in two namespaces."""
    place.make_identity()
    elsewhere = Place(place.cluster, f"{place.namespace}-objects")
    elsewhere.make(
        manifests.azure_identity(elsewhere.namespace, place.identity, name="coder-acr"),
        manifests.azure_identity_binding(elsewhere.namespace, "coder-binding", "coder-acr", place.selector),
    )
    place.coderd(labels=place.labels)


def wrong_client_id(place: Place) -> None:
    """The AzureIdentity has a client id that no identity has."""
    place.make_identity()
    place.bind(client_id=WRONG_CLIENT_ID)
    place.coderd(labels=place.labels)


def right_client_id(place: Place) -> None:
    """What the remedy does with `az identity show`."""
    place.bind()


# -- Azure -----------------------------------------------------------------------------------------------


def missing_on_one_pool(place: Place) -> None:
    """The identity is on one pool's scale set only."""
    place.make_identity(pools=(0,))
    place.bind()
    place.coderd(labels=place.labels, replicas=2)


def assigned_to_the_other_pool(place: Place) -> None:
    """What `az vmss identity assign` does."""
    place.make_identity(pools=(1,), roles=())


def no_role(place: Place) -> None:
    """The identity may nothing at the registry."""
    place.make_identity(roles=())
    place.bind()
    place.coderd(labels=place.labels)


def role_given(place: Place) -> None:
    """What `az role assignment create` does."""
    place.make_identity(pools=())


def tag_pushed(place: Place) -> None:
    """The tag that was missing."""
    token = push_token(place.cluster.layout, azure.IMAGE_REPOSITORY)
    base = f"http://{place.cluster.layout.address}:{BACKEND_PORT}"
    bearer = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=base, headers=bearer, trust_env=False) as registry:
        images.push_one(registry, "pause", azure.IMAGE_REPOSITORY, MISSING_TAG)


def healthy(place: Place) -> None:
    """Nothing is broken."""
    place.healthy()


# -- the operator ----------------------------------------------------------------------------------------


def no_exec(place: Place) -> None:
    """Everything is well, and the operator may not run anything in pods."""
    place.healthy()
    operator(place, *READING, OBJECTS)


def no_objects(place: Place) -> None:
    """Everything is well, and the operator may not read AAD Pod Identity's objects."""
    place.healthy()
    operator(place, *READING, EXEC)


def more_rights(place: Place) -> None:
    """What a cluster's administrator gives."""
    place.make(grant(place, *READING, EXEC, OBJECTS))


def operators(place: Place) -> Path:
    """The kubeconfig that `operator` wrote."""
    return place.cluster.layout.state / f"operator-{place.namespace}.kubeconfig"


# -- NMI and IMDS ----------------------------------------------------------------------------------------


def reinstalled(place: Place) -> None:
    """AAD Pod Identity as it should be, in managed mode."""
    podidentity.remove(place.cluster)
    podidentity.install(place.cluster)


def nmi_on_one_node(place: Place) -> None:
    """NMI's DaemonSet leaves the second node out."""
    place.healthy(replicas=2)
    podidentity.remove(place.cluster)
    account, daemon_set = manifests.nmi(node_selector={"agentpool": NODES[0].pool})
    place.cluster.apply(account, daemon_set)
    place.cluster.rollout("daemonset/nmi", "kube-system")
    place.cluster.wait("NMI's redirect", lambda: podidentity.redirected(place.cluster, NODES[0]))


def nmi_crashing(place: Place) -> None:
    """NMI ends at once on every node, and its redirect is left as by one that was killed."""
    place.healthy()
    podidentity.remove(place.cluster)
    place.cluster.apply(*manifests.nmi(extra=("--no-such-flag",)))
    for node in NODES:
        for rule in _left_by_nmi():
            must(place.cluster.inside_node(node, *podidentity.NAT, *rule))
    place.cluster.wait("a crash loop", lambda: "CrashLoopBackOff" in _nmi_states(place))


def _left_by_nmi() -> tuple[tuple[str, ...], ...]:
    match = ("!", "-s", "127.0.0.1/32", "-d", "169.254.169.254/32", "-p", "tcp", "-m", "tcp", "--dport", "80")
    return (
        ("-N", "aad-metadata"),
        ("-A", "aad-metadata", *match, "-j", "DNAT", "--to-destination", "127.0.0.1:2579"),
        ("-A", "aad-metadata", "-j", "RETURN"),
        ("-I", "PREROUTING", "1", "-j", "aad-metadata"),
    )


def _nmi_states(place: Place) -> str:
    return place.cluster.kubectl("get", "pods", "-n", "kube-system", "-l", "component=nmi").stdout


def host_network(place: Place) -> None:
    """Pods in their nodes' network, whose nodes have the kubelet's identity only."""
    with place.azure() as state:
        for scale_set in state.scale_sets:
            scale_set.identities = []
    place.make_identity(pools=())
    place.bind()
    place.coderd(labels=place.labels, hostNetwork=True)


def imds_down(place: Place) -> None:
    """The metadata service of the second node does not listen."""
    place.healthy(replicas=2)
    with place.azure() as state:
        state.nodes[1].imds = "stopped"


def imds_up(place: Place) -> None:
    """Every metadata service answers, and pods may run on every node."""
    place.kubectl("uncordon", *(node.name for node in NODES))
    with place.azure() as state:
        for node in state.nodes:
            node.imds = "up"


def firewall(place: Place) -> None:
    """A rule on every node drops what pods send to 169.254.169.254."""
    place.healthy()
    for node in NODES:
        must(place.cluster.inside_node(node, *BLOCK, "-I", *DROP))


def no_firewall(place: Place) -> None:
    """The rule is gone."""
    for node in NODES:
        place.cluster.inside_node(node, *BLOCK, "-D", *DROP)


def unassigned(place: Place) -> None:
    """Standard mode with a MIC that has not assigned anything."""
    place.healthy()
    podidentity.remove(place.cluster)
    podidentity.install(place.cluster, mode="standard")
    place.cluster.apply(*manifests.mic())
    place.cluster.rollout("deployment/mic", "default")


def assigned(place: Place) -> None:
    """What MIC writes for each pod."""
    identity = manifests.azure_identity(place.namespace, place.identity, name="coder-acr")
    binding = manifests.azure_identity_binding(place.namespace, "coder-binding", "coder-acr", place.selector)
    pods = place.cluster.get("pods", "-n", place.namespace, "-l", "coder.deployment=coderd")["items"]
    place.cluster.apply(
        *(
            manifests.azure_assigned_identity(
                place.namespace,
                pod["metadata"]["name"],
                pod["spec"]["nodeName"],
                identity,
                binding,
                "Assigned",
            )
            for pod in pods
        )
    )


def managed_again(place: Place) -> None:
    """No MIC, no assigned identities, NMI in managed mode."""
    place.cluster.kubectl("delete", "deployment/mic", "-n", "default", "--ignore-not-found")
    place.cluster.kubectl("delete", "azureassignedidentity", "--all", "-n", "default")
    reinstalled(place)


def stale_on_one_node(place: Place) -> None:
    """Both nodes are of one scale set, which has the identity, and one node's metadata service has not."""
    place.make_identity(pools=(0,))
    with place.azure() as state:
        state.nodes[1].scale_set = state.nodes[0].scale_set
        state.nodes[1].stale_identities = []
    _of_scale_set(place, NODES[0].provider_id.removesuffix("/0") + "/1")
    place.bind()
    place.coderd(labels=place.labels, replicas=2)


def fresh_again(place: Place) -> None:
    """Every node is of its own scale set, and its metadata service knows what that has."""
    place.kubectl("uncordon", NODES[1].name)
    with place.azure() as state:
        state.nodes[1].scale_set = NODES[1].scale_set
        state.nodes[1].stale_identities = None
    _of_scale_set(place, NODES[1].provider_id)


def _of_scale_set(place: Place, provider_id: str) -> None:
    """Make the second node's object anew: a provider id cannot be changed."""
    name = NODES[1].name
    item = place.cluster.get("node", name)
    made = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {key: item["metadata"].get(key) for key in ("name", "labels", "annotations")},
        "spec": {"providerID": provider_id},
    }
    must(place.cluster.kubectl("delete", "node", name))
    place.cluster.apply(made)
    place.cluster.wait("the node", lambda: _is_ready(place, name))


def _is_ready(place: Place, name: str) -> bool:
    node = place.cluster.get("node", name)
    conditions = {item["type"]: item["status"] for item in node["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")


def without_nmi(place: Place) -> None:
    """No NMI anywhere, and the nodes have the kubelet's identity only."""
    with place.azure() as state:
        for scale_set in state.scale_sets:
            scale_set.identities = []
    place.make_identity(pools=())
    place.bind()
    place.coderd(labels=place.labels)


def nmi_and_identity(place: Place) -> None:
    """NMI runs, and the identity is assigned."""
    podidentity.install(place.cluster)
    place.make_identity(roles=())


def registry_unknown(place: Place) -> None:
    """The registry's name is not in the DNS, all others are."""
    place.healthy()
    names = azure_names(place)
    place.cluster.set_names(tuple(name for name in names if name != azure.REGISTRY))


def registry_known(place: Place) -> None:
    """Every name of Azure is in the DNS."""
    place.cluster.set_names(azure_names(place))


def azure_names(place: Place) -> tuple[str, ...]:
    """Every name of Azure."""
    from tests.cluster.running import azure_names as names

    return names(place.cluster.azure)


FIRST = Scenario(
    "another-identity",
    "nmi-down",
    without_nmi,
    mend=nmi_and_identity,
    why="NMI has to be installed, and the identity assigned to the scale sets",
)
"""Runs before NMI is installed, and leaves it installed."""

OLDER = Scenario("older-connection", "connection-older-than-nmi", nothing)
"""Its coderd is put there before NMI is installed, by `before_nmi`."""


def before_nmi(place: Place) -> None:
    """Coderd opens its connection to the metadata service, which does not know the identity yet."""
    place.make_identity(pools=())
    place.bind()
    place.coderd(labels=place.labels, env={"KEEPALIVE_IDENTITY": place.identity.client_id})


UNDECIDED_EVERYWHERE = frozenset({"identity-not-assigned-to-vm", "identity-recreated-stale-on-vm"})
UNDECIDED_ROLE = frozenset(
    {"acrpull-ignored-abac", "role-propagation-delay", "tenant-mismatch", "role-on-wrong-principal"}
)

LOCAL = (
    Scenario("no-label-helm", "pod-label-missing", unlabelled_by_helm),
    Scenario("no-label", "pod-label-missing", unlabelled),
    Scenario(
        "no-label-gitops",
        "pod-label-missing",
        unlabelled_by_gitops,
        mend=label_in_the_repository,
        why="Argo CD takes back what kubectl changes: the label has to go into its repository",
    ),
    Scenario("label-on-one-pod", "pod-label-missing", one_pod_labelled, per_node=True),
    Scenario("label-lost-by-one-pod", "label-on-some-pods", one_pod_unlabelled, per_node=True),
    Scenario("label-in-wrong-case", "pod-label-wrong-case", wrong_case),
    Scenario("binding-missing", "identity-not-bound", binding_missing),
    Scenario("identity-misspelt", "binding-names-missing-identity", identity_misspelt),
    Scenario("objects-elsewhere", "binding-in-other-namespace", objects_elsewhere),
    Scenario(
        "wrong-client-id",
        "wrong-client-id",
        wrong_client_id,
        flags=lambda place: ("--identity-client-id", place.identity.client_id),
    ),
    Scenario(
        "wrong-everywhere",
        "wrong-client-id",
        wrong_client_id,
        equals=UNDECIDED_EVERYWHERE,
        mend=right_client_id,
        why="the right client id is Azure's to say: the command reads it with az identity show",
    ),
    Scenario(
        "missing-on-one-pool",
        "identity-missing-on-nodepool",
        missing_on_one_pool,
        equals=frozenset({"imds-stale-cache"}),
        mend=assigned_to_the_other_pool,
        why="the identity is assigned to the scale set with az vmss identity assign",
        per_node=True,
    ),
    Scenario(
        "no-role",
        "no-acrpull-role",
        no_role,
        flags=lambda _: ("--image", TAG),
        equals=UNDECIDED_ROLE,
        mend=role_given,
        why="a role is given with az role assignment create",
    ),
    Scenario(
        "tag-missing",
        "tag-not-found",
        healthy,
        flags=lambda _: ("--image", f"{IMAGE}:{MISSING_TAG}"),
        mend=tag_pushed,
        why="somebody has to push the tag",
    ),
    Scenario(
        "no-leave-to-exec",
        "permission-missing",
        no_exec,
        kubeconfig=operators,
        mend=more_rights,
        why="a cluster administrator has to give the right",
        code=3,
    ),
    Scenario(
        "no-leave-to-read-objects",
        "permission-missing",
        no_objects,
        kubeconfig=operators,
        mend=more_rights,
        why="a cluster administrator has to give the right",
        code=3,
    ),
)

ALONE = (
    Scenario(
        "host-network",
        "host-network-bypasses-nmi",
        host_network,
        left="the identity is on no scale set: with it, IMDS itself would have given hostNetwork pods its token",
    ),
    Scenario(
        "nmi-down",
        "nmi-down",
        nmi_on_one_node,
        mend=reinstalled,
        why="what keeps NMI off the node (here its node selector) is for its administrator to mend",
        undo=reinstalled,
    ),
    Scenario(
        "nmi-crashing",
        "nmi-crash-looping",
        nmi_crashing,
        mend=reinstalled,
        why="what makes NMI crash is for its administrator to mend; its log says what",
        undo=reinstalled,
    ),
    Scenario(
        "imds-down",
        "imds-unreachable",
        imds_down,
        mend=imds_up,
        why="the command moves the pod off the node, and its metadata service is Azure's to mend",
        undo=imds_up,
        per_node=True,
    ),
    Scenario(
        "imds-firewalled",
        "imds-blocked-by-network-policy",
        firewall,
        equals=frozenset({"imds-restricted-by-aks"}),
        mend=no_firewall,
        why="the rule is on the nodes, where kubectl does not reach",
        undo=no_firewall,
    ),
    Scenario(
        "unassigned",
        "identity-assignment-pending",
        unassigned,
        mend=assigned,
        why="MIC has to assign the identity; its log says what it lacks",
        undo=managed_again,
    ),
    Scenario("stale-on-one-node", "imds-stale-cache", stale_on_one_node, per_node=True, undo=fresh_again),
    Scenario(
        "registry-unknown",
        "registry-name-wrong",
        registry_unknown,
        flags=lambda _: ("--image", TAG),
        mend=registry_known,
        why="the name is in the DNS, or is spelt right in Coder",
        undo=registry_known,
    ),
)

ALL = (FIRST, OLDER, *LOCAL, *ALONE)
