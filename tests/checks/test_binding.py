"""AAD Pod Identity: its objects, NMI and MIC."""

import json
from typing import Any

import pytest

from acrcheck.api import (
    AZURE_ASSIGNED_IDENTITIES,
    AZURE_IDENTITIES,
    AZURE_POD_IDENTITY_EXCEPTIONS,
    NODES,
    PODS,
    Answer,
    CannotLookError,
    Each,
    Looking,
    Maybe,
    NotApplicableError,
    Outcome,
    Status,
    Target,
    Vantage,
)
from acrcheck.facts import (
    Assigned,
    Bound,
    Crds,
    Identity,
    IdentityObjects,
    Nmi,
    Nmis,
    Nodes,
    OwnToken,
    Pod,
    PodLabel,
    Tokens,
)
from checks.binding import (
    CHECKS,
    assigned,
    azure_identity,
    bound,
    crds,
    exception,
    host_network,
    identity_objects,
    mic,
    nmi,
    nodes,
    proxy,
)
from tests.checks.looking import (
    CLIENT_ID,
    NAMESPACE,
    NODE,
    NODE_2,
    NOW,
    OTHER_ID,
    RESOURCE_ID,
    WANTED,
    Case,
    FakeCluster,
    binding,
    declared,
    each,
    good,
    identity,
    known,
    look,
    pod,
    refuse_unseen,
    refused,
    sight,
    thing,
    unknown,
    workload,
)

GROUP = "/apis/aadpodidentity.k8s.io/v1"
SERVED = {"resources": [{"name": "azureidentities"}, {"name": "azureidentitybindings"}]}
PROVIDER = (
    "azure:///subscriptions/s/resourceGroups/mc_rg/providers/Microsoft.Compute/virtualMachineScaleSets/"
    "aks-nodepool1-12345678-vmss/virtualMachines/0"
)
LABEL_OK = PodLabel("coder")
NOBODY = Target()


ASKED = Tokens(Vantage("exec"), None, None, None)


def unowned() -> Maybe[OwnToken]:
    """No token was given, or another identity's."""
    return Maybe(None, Status.SKIP)


def served(body: Any) -> Looking[Crds | None]:
    """Look at what the API server serves of the group."""
    return crds(WANTED, FakeCluster(answers={GROUP: good(body)}))


def objects_of(
    *identities: Any,
    bindings: tuple[Any, ...] = (),
    exceptions: tuple[Any, ...] = (),
    everywhere: bool = True,
) -> IdentityObjects:
    """Objects of the identity API."""
    return IdentityObjects(identities, bindings, exceptions, everywhere)


def read(**fake: Any) -> Looking[IdentityObjects]:
    """Read the objects of a cluster."""
    return identity_objects(Crds(frozenset()), workload(), FakeCluster(**fake))


def node(name: str = NODE, *, provider: Any = PROVIDER, **labels: Any) -> dict[str, Any]:
    """A node; `os=` and `ebpf=` are its labels."""
    keys = {
        "os": "kubernetes.io/os",
        "arch": "kubernetes.io/arch",
        "ebpf": "kubernetes.azure.com/ebpf-host-routing",
    }
    own = {keys[key]: value for key, value in labels.items()}
    return {"metadata": {"name": name, "labels": own}, "spec": {"providerID": provider}}


def on_nodes(*items: Any, pods: Each[Pod] | None = None) -> Looking[Nodes]:
    """Look at the nodes of pods."""
    return nodes(pods or each(pod()), FakeCluster({"nodes": list(items)}))


def nmi_pod(
    *args: Any,
    name: str = "nmi-abcde",
    owner: str = "nmi",
    host: str = NODE,
    ready: Any = "True",
    state: Any = None,
    **container: Any,
) -> dict[str, Any]:
    """A pod of NMI with these arguments."""
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-02T08:00:00Z"}
    return {
        "metadata": {
            "name": name,
            "namespace": "kube-system",
            "labels": {"component": "nmi"},
            "ownerReferences": [{"kind": "DaemonSet", "name": owner}],
        },
        "spec": {"nodeName": host, "containers": [{"name": "nmi", "args": list(args)} | container]},
        "status": {
            "phase": "Running",
            "conditions": [condition],
            "containerStatuses": [{"name": "nmi", "restartCount": 0} | (state or {})],
        },
    }


CRASHED = {
    "restartCount": 7,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 255}},
}


def nmis_of(*items: Any, pods: Each[Pod] | None = None) -> Looking[Nmis]:
    """Look at NMI on the nodes of pods."""
    return nmi(WANTED, pods or each(pod()), FakeCluster({"pods": list(items)}))


def on_node(mode: str = "managed", *, namespaced: bool | None = None) -> Nmis:
    """NMI as a fact: managed mode is always namespaced."""
    narrow = mode == "managed" if namespaced is None else namespaced
    return Nmis({NODE: Nmi(NODE, mode, narrow, NOW, "nmi-abcde", "kube-system")})


def mics(*items: Any, mode: str = "standard") -> Looking[None]:
    """Look for MIC."""
    return mic(on_node(mode), FakeCluster({"deployments": list(items)}))


def mic_deployment(name: str = "mic", *, ready: Any = 2, labelled: bool = True) -> dict[str, Any]:
    """MIC's Deployment."""
    item = thing(name, {}, "kube-system", labels={"component": "mic"} if labelled else None)
    return item | {"status": {"readyReplicas": ready}}


def proxied(pod_name: str = "coderd", **env: Any) -> Looking[None]:
    """Look at a pod with that environment."""
    entries = [{"name": name, "value": value} for name, value in env.items()]
    return proxy(pod(spec={"containers": [{"name": pod_name, "env": entries}]}), WANTED)


def bind(
    *items: Any,
    identities: tuple[Any, ...] = (identity(),),
    label: PodLabel = LABEL_OK,
    nmis: Maybe[Nmis] | None = None,
    target: Target = NOBODY,
    everywhere: bool = True,
) -> Looking[Bound | None]:
    """Match a pod in namespace coder with these bindings."""
    objects = objects_of(*identities, bindings=items, everywhere=everywhere)
    return bound(pod(), label, objects, nmis or known(on_node("standard")), target)


def shielded(
    labels: Any, *, carried: dict[str, str] | None = None, namespace: str = NAMESPACE
) -> Looking[None]:
    """Look for an exception with these podLabels."""
    item = thing("mic-exception", {"podLabels": labels}, namespace)
    return exception(pod(labels=carried or {"app": "Coder"}), objects_of(exceptions=(item,)))


def formed(*identities: Any, target: Target = NOBODY, **spec: Any) -> Looking[Identity]:
    """Look at the AzureIdentity."""
    return azure_identity(pod(), Bound(identities or (identity(**spec),)), target)


def assignment(state: Any, **changed: Any) -> dict[str, Any]:
    """An AzureAssignedIdentity of the pod."""
    spec = {"pod": "coderd-1", "podNamespace": NAMESPACE, "nodename": NODE} | changed
    return thing("coderd-1-coder-coder", spec, "default") | {"status": {"status": state}}


def assign(*items: Any, nmis: Nmis | None = None, **fake: Any) -> Looking[Assigned]:
    """Look at the assignments of the pod in standard mode."""
    cluster = FakeCluster({"azureassignedidentities": list(items)}, **fake)
    return assigned(pod(), Bound((identity(),)), nmis or on_node("standard"), cluster)


HOSTED = pod(spec={"hostNetwork": True})
CASES: dict[tuple[str, str], Case] = {
    ("crds", "crds-missing"): lambda: served({"resources": []}),
    ("crds", "pod-identity-retired"): lambda: served(SERVED),
    ("identity-objects", "pod-identity-addon"): lambda: read(
        objects={"azureidentities": [thing("a", labels={"kubernetes.azure.com/managedby": "aks"})]}
    ),
    ("identity-objects", "pod-identity-by-hand"): lambda: read(objects={"azureidentities": [identity()]}),
    ("identity-objects", "identity-objects-of-one-namespace"): lambda: read(
        answers={("azureidentities", ""): refused(AZURE_IDENTITIES)}
    ),
    ("nodes", "ebpf-host-routing"): lambda: on_nodes(node(ebpf="true")),
    ("nodes", "node-is-windows"): lambda: on_nodes(node(os="windows")),
    ("nodes", "node-in-scale-set"): lambda: on_nodes(node()),
    ("nmi", "nmi-absent"): lambda: nmis_of(nmi_pod(host="elsewhere")),
    ("nmi", "nmi-not-ready"): lambda: nmis_of(nmi_pod(ready="False")),
    ("nmi", "nmi-crash-looping"): lambda: nmis_of(nmi_pod(ready="False", state=CRASHED)),
    ("nmi", "nmi-twice"): lambda: nmis_of(nmi_pod(), nmi_pod(name="nmi-2", owner="aad-pod-identity-nmi")),
    ("nmi", "nmi-ready"): lambda: nmis_of(nmi_pod()),
    ("nmi", "nmi-standard"): lambda: nmis_of(nmi_pod()),
    ("nmi", "nmi-managed"): lambda: nmis_of(nmi_pod("--operation-mode=managed")),
    ("nmi", "nmi-namespaced"): lambda: nmis_of(nmi_pod("--forceNamespaced")),
    ("mic", "mic-absent"): mics,
    ("mic", "mic-not-ready"): lambda: mics(mic_deployment(ready=None)),
    ("host-network", "host-network"): lambda: host_network(HOSTED, WANTED, known(ASKED), unowned()),
    ("proxy", "proxy-covers-imds"): lambda: proxied(http_proxy="http://proxy:3128"),
    ("binding", "binding-none"): lambda: bind(binding("other")),
    ("binding", "label-is-identity-name"): lambda: bind(binding("blue", "coder")),
    ("binding", "binding-differs-in-case"): lambda: bind(binding("Coder", "x")),
    ("binding", "binding-in-other-namespace"): lambda: bind(
        binding(namespace="red"), identities=(identity(namespace="red"),), nmis=known(on_node())
    ),
    ("binding", "binding-names-missing-identity"): lambda: bind(binding("coder", "gone")),
    ("binding", "identity-in-other-namespace"): lambda: bind(
        binding(), identities=(identity(namespace="red"),)
    ),
    ("binding", "identity-of-that-namespace"): lambda: bind(binding("coder", "gone")),
    ("binding", "several-identities"): lambda: bind(
        binding(), binding("coder", "two", name="b"), identities=(identity(), identity("two"))
    ),
    ("binding", "pod-bound"): lambda: bind(binding()),
    ("exception", "pod-excepted"): lambda: shielded({"app": "coder"}),
    ("azure-identity", "resource-id-malformed"): lambda: formed(resourceID="coder"),
    ("azure-identity", "client-id-malformed"): lambda: formed(clientID="coder"),
    ("azure-identity", "client-id-not-the-one-asked-for"): lambda: formed(
        target=Target(identity_client_id=OTHER_ID)
    ),
    ("azure-identity", "azure-identity-read"): formed,
    ("assigned-identity", "assigned-identity-none"): assign,
    ("assigned-identity", "assigned-identity-pending"): lambda: assign(assignment("Created")),
    ("assigned-identity", "assigned-identity"): lambda: assign(assignment("Assigned")),
}
ODD: list[Any] = [
    {},
    {"metadata": None},
    {"metadata": {"name": None, "namespace": 7}, "spec": None},
    {"metadata": {"name": "x", "namespace": NAMESPACE, "labels": None, "annotations": []}, "spec": []},
    thing("x", {"selector": ["coder"], "azureIdentity": {"name": "coder"}, "podLabels": ["app"], "pod": 1}),
    thing(
        "x",
        {"selector": None, "azureIdentity": None, "podLabels": {"app": None}, "clientID": 12, "type": "0"},
    ),
]
"""What a definition without a schema lets into the API server."""


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some world."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


@pytest.mark.parametrize(
    "body", [None, [], "x", {}, {"resources": None}, {"resources": ["x", {"name": None}]}]
)
def test_a_group_without_its_resources_is_missing(body: Any) -> None:
    """Whatever the list looks like, what is not in it is not served."""
    (seen, retired), fact = look(served(body))
    assert seen.values["missing"] == "azureidentities, azureidentitybindings"
    assert retired.id == "pod-identity-retired"
    assert fact is None


def test_a_group_that_is_not_served_is_missing() -> None:
    """A 404 for the group is an answer."""
    assert sight(crds(WANTED, FakeCluster())) == ["crds-missing", "pod-identity-retired"]


def test_a_group_that_may_not_be_read_is_unknown() -> None:
    """Forbidden is not missing."""
    cluster = FakeCluster(answers={GROUP: Answer(Outcome.FORBIDDEN)})
    with pytest.raises(CannotLookError, match="forbidden"):
        look(crds(WANTED, cluster))


def test_objects_of_the_own_namespace_are_enough_where_no_more_may_be_read() -> None:
    """What was not seen is said, also when only the bindings are hidden."""
    answers = {("azureidentitybindings", ""): refused(AZURE_IDENTITIES)}
    seen, fact = look(read(objects={"azureidentitybindings": [binding()]}, answers=answers))
    assert [item.id for item in seen] == ["identity-objects-of-one-namespace", "pod-identity-by-hand"]
    assert (len(fact.bindings), fact.everywhere) == (1, False)


def test_objects_that_may_not_be_read_at_all_are_unknown_with_the_permission() -> None:
    """Forbidden in the namespace too is no answer."""
    answers = {("azureidentities", name): refused(AZURE_IDENTITIES, name) for name in ("", NAMESPACE)}
    with pytest.raises(
        CannotLookError, match=r"list azureidentities\.aadpodidentity\.k8s\.io in namespace coder"
    ):
        look(read(answers=answers))


def test_odd_objects_are_kept_as_they_are() -> None:
    """Null labels and missing metadata are no crash."""
    seen, fact = look(read(objects={"azureidentities": ODD[2:], "azurepodidentityexceptions": ODD[2:]}))
    assert [item.id for item in seen] == ["pod-identity-by-hand"]
    assert len(fact.identities) == len(ODD[2:])


def test_the_node_says_scale_set_group_and_platform() -> None:
    """They come from the provider id and the node's labels; the observation is the node's."""
    (seen,), fact = look(on_nodes(node(arch="arm64")))
    assert seen.values == {"node": NODE, "scale_set": "aks-nodepool1-12345678-vmss", "node_group": "mc_rg"}
    assert seen.subject.scope == {f"node/{NODE}"}
    found = fact.by_name[NODE]
    assert (found.scale_set, found.os, found.arch) == ("aks-nodepool1-12345678-vmss", "linux", "arm64")


@pytest.mark.parametrize(
    "provider", [None, "", 7, [], "kind://docker/kind/kind-worker", "azure:///subscriptions/s"]
)
def test_a_node_of_no_scale_set_has_none(provider: Any) -> None:
    """Another cloud, an availability set or no provider id."""
    seen, fact = look(on_nodes(node(provider=provider)))
    assert (seen, fact.by_name[NODE].scale_set) == ([], "")


@pytest.mark.parametrize(
    ("value", "bypassed"), [("true", True), ("True", True), ("false", False), (None, False)]
)
def test_ebpf_routing_is_what_its_label_says(value: Any, bypassed: bool) -> None:
    """Only `true` bypasses NMI."""
    assert ("ebpf-host-routing" in sight(on_nodes(node(ebpf=value)))) is bypassed


@pytest.mark.parametrize(
    "item", [{"metadata": {"name": NODE}}, {"metadata": {"name": NODE, "labels": None}, "spec": None}]
)
def test_a_sparse_node_is_read(item: Any) -> None:
    """It is taken for a Linux one."""
    _, fact = look(on_nodes(item))
    assert fact.by_name[NODE].os == "linux"


def test_the_public_addresses_of_a_node_are_its_external_ones() -> None:
    """What it has inside the network only says nothing to a registry's firewall."""
    item = {
        "metadata": {"name": NODE},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": "10.0.0.4"},
                {"type": "ExternalIP", "address": "20.1.1.1"},
                None,
            ]
        },
    }
    assert look(on_nodes(item))[1].by_name[NODE].public == ("20.1.1.1",)


def test_a_node_that_is_gone_hides_no_other() -> None:
    """Scaled down meanwhile, it is left out."""
    pods = each(pod(), pod("coderd-2", node=NODE_2), pod("coderd-3", node=""))
    _, fact = look(on_nodes(node(NODE_2), pods=pods))
    assert set(fact.by_name) == {NODE_2}


def test_nodes_that_may_not_be_read_are_unknown_with_the_permission() -> None:
    """Forbidden is said."""
    with pytest.raises(CannotLookError, match="get nodes in all namespaces"):
        look(nodes(each(pod()), FakeCluster(answers={("nodes", "", NODE): refused(NODES, verb="get")})))


@pytest.mark.parametrize(
    ("args", "mode", "namespaced"),
    [
        ((), "standard", False),
        (("--operation-mode=standard",), "standard", False),
        (("--operation-mode=managed", "--forceNamespaced"), "managed", True),
        (("--operation-mode", "managed", "--forceNamespaced=true"), "managed", True),
        (("--operation-mode=managed", "--operation-mode=standard"), "standard", False),
        (("--forceNamespaced=false",), "standard", False),
        (("--forceNamespaced=0",), "standard", False),
        (("--operation-mode=unmanaged",), "standard", False),
        ((None, 7, ["--operation-mode"]), "standard", False),
    ],
)
def test_the_mode_is_what_nmis_own_arguments_say(args: Any, mode: str, namespaced: bool) -> None:
    """However they are spelled, the last one counts; none means standard."""
    _, fact = look(nmis_of(nmi_pod(*args)))
    assert (fact.by_node[NODE].mode, fact.by_node[NODE].namespaced) == (mode, namespaced)


@pytest.mark.parametrize(
    ("container", "mode", "namespaced"),
    [
        ({"env": [{"name": "FORCENAMESPACED", "value": "true"}]}, "standard", True),
        ({"env": [{"name": "FORCENAMESPACED", "value": "TRUE"}]}, "standard", True),
        ({"env": [{"name": "FORCENAMESPACED", "value": "false"}, None, {}]}, "standard", False),
        ({"env": [{"name": "FORCENAMESPACED", "valueFrom": {}}]}, "standard", False),
        (
            {"env": None, "args": None, "command": ["sh", "-c", "nmi --operation-mode=managed"]},
            "managed",
            False,
        ),
        ({"args": "--operation-mode=managed"}, "standard", False),
    ],
)
def test_environment_and_command_are_read_too(container: Any, mode: str, namespaced: bool) -> None:
    """FORCENAMESPACED switches as the flag does; a shell's command line holds arguments."""
    _, fact = look(nmis_of(nmi_pod(**container)))
    assert (fact.by_node[NODE].mode, fact.by_node[NODE].namespaced) == (mode, namespaced)


def test_an_injected_container_is_not_nmi() -> None:
    """The arguments of the container named nmi decide."""
    item = nmi_pod("--operation-mode=managed")
    item["spec"]["containers"].insert(0, {"name": "sidecar", "args": ["--operation-mode=standard"]})
    assert look(nmis_of(item))[1].by_node[NODE].mode == "managed"


@pytest.mark.parametrize("labels", [{"app.kubernetes.io/component": "nmi"}, None])
@pytest.mark.parametrize("name", ["nmi-x2x4z", "aad-pod-identity-nmi-x2x4z", "team-nmi-x2x4z"])
def test_nmi_is_found_by_the_charts_label_or_by_name(name: str, labels: Any) -> None:
    """Without any known label, its name in kube-system is enough."""
    item = nmi_pod(name=name)
    item["metadata"]["labels"] = labels
    assert "nmi-ready" in sight(nmis_of(item))


def test_what_is_only_called_alike_is_no_nmi() -> None:
    """A name that merely contains the letters is another program."""
    item = nmi_pod(name="nminotreally-x")
    item["metadata"]["labels"] = None
    assert sight(nmis_of(item)) == ["nmi-absent"]


def test_two_pods_of_one_daemonset_are_not_twice() -> None:
    """A rolling update with surge; the ready one is looked at."""
    seen, fact = look(nmis_of(nmi_pod(ready="False"), nmi_pod(name="nmi-new")))
    assert [item.id for item in seen] == ["nmi-standard", "nmi-ready"]
    assert fact.by_node[NODE].name == "nmi-new"


def test_two_installations_are_named() -> None:
    """Both owners, with their namespaces."""
    other = nmi_pod(name="nmi-2", owner="other-nmi")
    other["metadata"]["namespace"] = "identity"
    seen, _ = look(nmis_of(nmi_pod(), other))
    assert "identity/other-nmi and kube-system/nmi" in seen[0].text


def test_each_node_with_a_pod_needs_nmi() -> None:
    """The node without is named with its pods."""
    pods = each(pod(), pod("coderd-2", node=NODE_2), pod("coderd-3", node=NODE_2), pod("p", node=""))
    seen, fact = look(nmis_of(nmi_pod(), pods=pods))
    absent = next(item for item in seen if item.id == "nmi-absent")
    assert absent.values == {"node": NODE_2, "pods": "coderd-2, coderd-3"}
    assert set(fact.by_node) == {NODE}


def test_a_terminating_nmi_is_none() -> None:
    """It takes its redirect with it."""
    item = nmi_pod()
    item["metadata"]["deletionTimestamp"] = "2026-11-02T08:59:00Z"
    assert sight(nmis_of(item)) == ["nmi-absent"]


def test_pods_of_all_namespaces_that_may_not_be_listed_are_unknown() -> None:
    """NMI's absence is not concluded from a refusal."""
    with pytest.raises(CannotLookError, match="list pods in all namespaces"):
        look(nmi(WANTED, each(pod()), FakeCluster(answers={("pods", ""): refused(PODS)})))


@pytest.mark.parametrize(
    "status", [None, [], {}, {"conditions": None}, {"conditions": ["x"], "containerStatuses": ["y"]}]
)
@pytest.mark.parametrize("containers", [None, [], [None], ["x"]])
def test_an_odd_nmi_pod_is_not_ready(status: Any, containers: Any) -> None:
    """What does not say that it is ready is not."""
    item = nmi_pod()
    item["spec"]["containers"], item["status"] = containers, status
    item["metadata"]["ownerReferences"] = None
    assert sight(nmis_of(item)) == ["nmi-standard", "nmi-not-ready"]


def test_a_ready_nmi_without_any_time_is_malformed() -> None:
    """Since when it is ready decides about restarts: it is not guessed."""
    item = nmi_pod()
    item["status"]["conditions"][0]["lastTransitionTime"] = "soon"
    with pytest.raises(CannotLookError, match="malformed"):
        look(nmis_of(item))


def test_a_crash_between_two_back_offs_is_a_crash_loop() -> None:
    """Running for the moment, it has crashed before and is not ready."""
    state = {"restartCount": "3", "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}}
    seen, _ = look(nmis_of(nmi_pod(ready="False", state=state)))
    assert seen[-1].text.endswith("keeps crashing (3 restarts): Running, last exit code 1")


def test_managed_mode_needs_no_mic() -> None:
    """There is nothing to look for."""
    with pytest.raises(NotApplicableError, match="managed mode has no MIC"):
        look(mics(mode="managed"))


@pytest.mark.parametrize("name", ["mic", "aad-pod-identity-mic", "team-mic"])
def test_mic_is_found_by_label_or_name(name: str) -> None:
    """The chart's and the manifests' names both."""
    assert sight(mics(mic_deployment(name))) == []
    assert sight(mics(mic_deployment(name, labelled=False))) == []


@pytest.mark.parametrize("name", ["microsoft-defender-collector-misc", "mic-drop", "atomic"])
def test_what_only_begins_alike_is_no_mic(name: str) -> None:
    """AKS runs Deployments of Microsoft Defender in kube-system."""
    assert sight(mics(mic_deployment(name, labelled=False))) == ["mic-absent"]


@pytest.mark.parametrize("status", [None, [], {}, {"readyReplicas": 0}, {"readyReplicas": "none"}])
def test_a_mic_that_does_not_say_it_is_ready_is_not(status: Any) -> None:
    """Odd statuses are no crash."""
    assert sight(mics(mic_deployment() | {"status": status})) == ["mic-not-ready"]


def test_a_node_network_that_gives_the_right_identity_is_no_fault() -> None:
    """The node's own identity may be the one that is wanted."""
    own = OwnToken(Vantage("exec"), None, None, {})
    assert sight(host_network(HOSTED, WANTED, known(ASKED), known(own))) == []
    assert sight(host_network(pod(), WANTED, unknown(), unknown())) == []


@pytest.mark.parametrize(("asked", "own"), [(unknown(), unowned()), (known(ASKED), unknown())])
def test_a_node_network_of_which_nothing_was_seen_is_unknown(
    asked: Maybe[Tokens], own: Maybe[OwnToken]
) -> None:
    """Where the token, or whose it should be, could not be seen, the node's identity may be the one wanted."""
    with pytest.raises(CannotLookError, match="uses its node's network"):
        look(host_network(HOSTED, WANTED, asked, own))


@pytest.mark.parametrize(
    "exempt",
    [
        "169.254.169.254",
        "localhost, 169.254.169.254 ,10.0.0.0/8",
        "169.254.169.254:80",
        "169.254.169.254/32",
        "169.254.0.0/16",
        "169.254.169.0/24",
        "*",
    ],
)
def test_no_proxy_that_covers_the_endpoint_is_fine(exempt: str) -> None:
    """By address, port, network or for all."""
    assert sight(proxied(HTTP_PROXY="http://proxy:3128", NO_PROXY=exempt)) == []


@pytest.mark.parametrize(
    "exempt", ["", None, "localhost,.svc", "169.254.169.25", "10.0.0.0/8", ".254", "1/2/3", ",,"]
)
def test_no_proxy_that_does_not_cover_the_endpoint_swallows_requests(exempt: Any) -> None:
    """The variable that is there is quoted."""
    assert sight(proxied(http_proxy="http://proxy:3128", no_proxy=exempt)) == ["proxy-covers-imds"]


def test_only_http_proxies_of_the_container_itself_count() -> None:
    """The endpoint is http, and a sidecar's environment is its own."""
    assert sight(proxied(https_proxy="http://proxy:3128")) == []
    assert sight(proxied("sidecar", http_proxy="http://proxy:3128")) == []


@pytest.mark.parametrize(
    "spec", [{}, {"containers": None}, {"containers": ["x", {}, {"name": "coderd", "env": [None, {}]}]}]
)
def test_odd_containers_have_no_proxy(spec: Any) -> None:
    """Nothing there, nothing seen."""
    assert sight(proxy(pod(spec=spec), WANTED)) == []


def test_a_pod_without_label_is_blocked_by_the_label() -> None:
    """There is nothing to match."""
    with pytest.raises(NotApplicableError) as caught:
        look(bind(binding(), label=PodLabel(None)))
    assert caught.value.blocked_by == "label-pods"


def test_standard_mode_matches_over_namespaces() -> None:
    """A binding elsewhere serves, with its own namespace's identity."""
    elsewhere = binding(namespace="red")
    seen, fact = look(
        bind(elsewhere, identities=(identity(namespace="red"),), nmis=known(on_node("standard")))
    )
    assert [item.id for item in seen] == ["pod-bound"]
    assert fact is not None
    assert fact.identities[0]["metadata"]["namespace"] == "red"


BOUND_ELSEWHERE: Any = {"identities": (identity(namespace="red"),)}


def test_where_nmis_mode_is_not_known_a_binding_elsewhere_decides_nothing() -> None:
    """In standard mode it counts, in managed mode it does not; one in the own namespace counts in both."""
    with pytest.raises(CannotLookError, match="list pods in all namespaces: NMI's mode"):
        look(bind(binding(namespace="red"), nmis=unknown(), **BOUND_ELSEWHERE))
    assert sight(bind(binding(), nmis=unknown())) == ["pod-bound"]


def test_a_binding_that_may_be_in_an_unread_namespace_is_not_missing() -> None:
    """In standard mode every namespace counts; in managed mode the own one is enough to tell."""
    with pytest.raises(CannotLookError, match="the bindings of other namespaces"):
        look(bind(everywhere=False))
    assert sight(bind(everywhere=False, nmis=known(on_node("managed")))) == ["binding-none"]


def test_an_identity_that_may_be_in_an_unread_namespace_is_not_missing() -> None:
    """The binding of another namespace is seen, and the AzureIdentity beside it is not."""
    with pytest.raises(CannotLookError, match="the AzureIdentity of that namespace"):
        look(bind(binding(namespace="red"), identities=(), everywhere=False))


def test_exceptions_that_may_not_be_read_hide_only_themselves() -> None:
    """Identities and bindings are read; whether an exception covers the pod is unknown, with the permission."""
    answers = {
        ("azurepodidentityexceptions", name): refused(AZURE_POD_IDENTITY_EXCEPTIONS, name)
        for name in ("", NAMESPACE)
    }
    _, objects = look(read(answers=answers))
    assert objects.everywhere
    with pytest.raises(CannotLookError, match="list azurepodidentityexceptions") as caught:
        look(exception(pod(), objects))
    assert caught.value.permission


@pytest.mark.parametrize("nmis", [on_node("managed"), on_node("standard", namespaced=True)])
def test_namespaced_modes_match_in_the_pods_namespace_only(nmis: Nmis) -> None:
    """The objects are offered for the pod's namespace, ready to apply."""
    seen, fact = look(
        bind(binding(namespace="red"), identities=(identity(namespace="red"),), nmis=known(nmis))
    )
    assert [item.id for item in seen] == ["binding-in-other-namespace", "binding-none"]
    assert "in namespace coder" in seen[1].text
    copies = json.loads(seen[0].values["objects"])["items"]
    assert [(item["kind"], item["metadata"]) for item in copies] == [
        ("AzureIdentity", {"name": "coder", "namespace": NAMESPACE}),
        ("AzureIdentityBinding", {"name": "binding", "namespace": NAMESPACE}),
    ]
    assert fact is None


def test_an_identity_of_its_own_lacks_a_binding_of_its_own() -> None:
    """Another namespace's binding is no news where the pod's namespace has an AzureIdentity."""
    identities = (identity(), identity(namespace="red"))
    assert sight(bind(binding(namespace="red"), identities=identities, nmis=known(on_node()))) == [
        "binding-none"
    ]


@pytest.mark.parametrize(
    ("behavior", "apart"), [("namespaced", True), ("Namespaced", True), ("other", False), (None, False)]
)
def test_an_identity_annotated_as_namespaced_stays_in_its_namespace(behavior: Any, apart: bool) -> None:
    """`aadpodidentity.k8s.io/Behavior` holds in standard mode too."""
    kept = identity(namespace="red")
    kept["metadata"]["annotations"] = {"aadpodidentity.k8s.io/Behavior": behavior}
    seen = sight(bind(binding(namespace="red"), identities=(kept,), nmis=known(on_node("standard"))))
    assert ("binding-none" in seen) is apart


def test_a_label_equal_to_the_identitys_name_is_told_with_the_selector() -> None:
    """The documentation has it so; the advised value is the selector."""
    seen, _ = look(bind(binding("blue", "coder")))
    assert [item.id for item in seen] == ["label-is-identity-name", "binding-none"]
    assert seen[1].values["advised"] == "blue"


def test_letter_case_of_the_selector_counts() -> None:
    """`Coder` does not select `coder`, and is what is advised."""
    seen, _ = look(bind(binding("CODER")))
    assert [item.id for item in seen] == ["binding-differs-in-case", "binding-none"]
    assert seen[1].values["advised"] == "CODER"


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        ((identity("mine"),), ("mine", NAMESPACE)),
        ((identity("mine"), identity("theirs", "red")), ("mine", NAMESPACE)),
        ((identity("theirs", "red"),), ("theirs", "red")),
        ((identity("a"), identity("b")), ("NAME_OF_YOUR_AZUREIDENTITY", NAMESPACE)),
        ((), ("NAME_OF_YOUR_AZUREIDENTITY", NAMESPACE)),
    ],
)
def test_a_new_binding_would_name_the_only_identity(identities: Any, expected: tuple[str, str]) -> None:
    """Where there is a choice, a placeholder stands."""
    (seen,), _ = look(bind(identities=identities))
    assert (seen.values["identity"], seen.values["binding_namespace"]) == expected


def test_one_good_binding_of_two_is_enough() -> None:
    """The broken one is told all the same."""
    seen, fact = look(bind(binding("coder", "gone", name="a"), binding()))
    assert [item.id for item in seen] == [
        "binding-names-missing-identity",
        "identity-of-that-namespace",
        "pod-bound",
    ]
    assert fact is not None


def test_two_bindings_of_one_identity_are_one_identity() -> None:
    """There is nothing to choose between."""
    seen, fact = look(bind(binding(), binding(name="again")))
    assert [item.id for item in seen] == ["pod-bound", "pod-bound"]
    assert fact is not None
    assert len(fact.identities) == 1


def test_several_identities_are_fine_when_the_client_id_is_named() -> None:
    """The request says which."""
    two = (identity(), identity("two"))
    target = Target(identity_client_id=CLIENT_ID)
    assert "several-identities" not in sight(
        bind(binding(), binding("coder", "two", name="b"), identities=two, target=target)
    )


def test_odd_objects_match_nothing_and_break_nothing() -> None:
    """A binding's selector of another type, null specifications, missing metadata."""
    seen = sight(bind(*ODD, binding(), identities=(*ODD, identity())))
    assert seen == ["pod-bound"]
    assert "binding-none" in sight(bind(*ODD, identities=tuple(ODD)))


@pytest.mark.parametrize("field", ["azureIdentity", "azureidentity"])
def test_a_binding_without_identity_names_a_missing_one(field: str) -> None:
    """Old lower-case spellings are pruned or unread."""
    item = thing("old", {"selector": "coder", field: ""})
    assert "binding-names-missing-identity" in sight(bind(item))


@pytest.mark.parametrize(
    ("labels", "carried", "excepted"),
    [
        ({"app": "coder"}, {"app": "CODER"}, True),
        ({"app": "other", "tier": "x"}, {"tier": "X"}, True),
        ({"app": "coder"}, {"App": "coder"}, False),
        ({"app": ""}, {"app": ""}, True),
        ({"app": ""}, {"other": "x"}, False),
        ({"app": None}, {"app": "None"}, False),
        (None, {"app": "x"}, False),
        (["app"], {"app": "app"}, False),
    ],
)
def test_an_exception_covers_a_pod_by_any_one_label(
    labels: Any, carried: dict[str, str], excepted: bool
) -> None:
    """Values are compared whatever their case, keys are not."""
    assert bool(sight(shielded(labels, carried=carried))) is excepted


def test_an_exception_of_another_namespace_covers_nothing() -> None:
    """NMI looks in the pod's own."""
    assert sight(shielded({"app": "coder"}, namespace="default")) == []


def test_odd_exceptions_cover_nothing() -> None:
    """And are no crash."""
    assert sight(exception(pod(labels={"app": "x"}), objects_of(exceptions=tuple(ODD)))) == []


@pytest.mark.parametrize(
    "resource_id", [RESOURCE_ID, RESOURCE_ID.upper(), RESOURCE_ID.replace("groups", "Groups")]
)
def test_a_resource_id_is_well_formed_whatever_its_case(resource_id: str) -> None:
    """As MIC reads it."""
    assert sight(formed(resourceID=resource_id)) == ["azure-identity-read"]


@pytest.mark.parametrize(
    "resource_id", ["", None, 7, [], " " + RESOURCE_ID, "/subscriptions/s/resourcegroups/r"]
)
def test_a_malformed_resource_id_is_quoted(resource_id: Any) -> None:
    """MIC ignores such an identity."""
    seen, _ = look(formed(resourceID=resource_id))
    assert seen[0].id == "resource-id-malformed"
    assert seen[0].values["identity_name"] == "coder"


@pytest.mark.parametrize("kind", [1, 2, "1"])
def test_a_service_principal_needs_no_resource_id(kind: Any) -> None:
    """Types 1 and 2 have a tenant and a secret instead."""
    assert sight(formed(type=kind, resourceID=None)) == ["azure-identity-read"]


@pytest.mark.parametrize("client_id", ["", None, 7, {}, f"{CLIENT_ID} ", f"{{{CLIENT_ID}}}", "$CLIENTID"])
def test_a_client_id_that_is_no_guid_is_quoted(client_id: Any) -> None:
    """NMI sends it as it is."""
    assert "client-id-malformed" in sight(formed(clientID=client_id))


@pytest.mark.parametrize(
    "target",
    [Target(identity_client_id=OTHER_ID.upper()), Target(identity_resource_id=RESOURCE_ID.upper() + "2")],
)
def test_of_several_identities_the_one_asked_for_is_looked_at(target: Target) -> None:
    """By client id or resource id, whatever the case."""
    _, fact = look(
        formed(identity(), identity("two", clientID=OTHER_ID, resourceID=RESOURCE_ID + "2"), target=target)
    )
    assert fact.name == "coder/two"


def test_without_a_wish_the_first_identity_is_looked_at() -> None:
    """An identity with an empty client id is not what nobody asked for."""
    _, fact = look(formed(identity(), identity("empty", clientID="")))
    assert fact.name == "coder/coder"


@pytest.mark.parametrize("item", ODD)
def test_an_odd_identity_is_malformed_and_no_crash(item: Any) -> None:
    """Both ids are told."""
    seen = sight(formed(item))
    assert seen == ["resource-id-malformed", "client-id-malformed", "azure-identity-read"]


def test_managed_mode_assigns_nothing() -> None:
    """There is no AzureAssignedIdentity to look for."""
    with pytest.raises(NotApplicableError):
        look(assign(nmis=on_node("managed")))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("", "assigned-identity"),
        (None, "assigned-identity"),
        ("Assigned", "assigned-identity"),
        ("Created", "assigned-identity-pending"),
        ("Unassigned", "assigned-identity-pending"),
        ("Failed", "assigned-identity-pending"),
    ],
)
def test_the_state_of_an_assignment_decides(state: Any, expected: str) -> None:
    """An empty one was written by an old MIC and is served."""
    assert sight(assign(assignment(state))) == [expected]


@pytest.mark.parametrize("other", [{"pod": "coderd-2"}, {"podNamespace": "red"}, {"pod": None}])
def test_assignments_of_other_pods_are_not_this_pods(other: Any) -> None:
    """Name and namespace both count."""
    assert sight(assign(assignment("Assigned", **other), *ODD)) == ["assigned-identity-none"]


@pytest.mark.parametrize(("namespaced", "asked"), [(False, "default"), (True, NAMESPACE)])
def test_assignments_are_looked_for_where_mic_keeps_them(namespaced: bool, asked: str) -> None:
    """In `default`; in the identity's namespace where that is forced."""
    answers = {
        ("azureassignedidentities", ""): refused(AZURE_ASSIGNED_IDENTITIES),
        ("azureassignedidentities", asked): good({"items": [assignment("Assigned")]}),
    }
    looking = assign(nmis=on_node("standard", namespaced=namespaced), answers=answers)
    assert sight(looking) == ["assigned-identity"]


def test_assignments_that_may_not_be_read_are_unknown_with_the_permission() -> None:
    """Nothing is concluded from a refusal."""
    answers = {
        ("azureassignedidentities", name): refused(AZURE_ASSIGNED_IDENTITIES, name)
        for name in ("", "default")
    }
    with pytest.raises(CannotLookError, match="in namespace default"):
        look(assign(answers=answers))
