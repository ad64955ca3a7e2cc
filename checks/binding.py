"""AAD Pod Identity: its objects, NMI and MIC."""

import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any

from acrcheck.api import (
    AZURE_ASSIGNED_IDENTITIES,
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    AZURE_POD_IDENTITY_EXCEPTIONS,
    DEPLOYMENTS,
    NODES,
    PODS,
    Answer,
    CannotLookError,
    Check,
    Cluster,
    Each,
    Looking,
    Maybe,
    NotApplicableError,
    Observation,
    Resource,
    Status,
    Subject,
    Target,
    fail,
    note,
    warn,
)
from acrcheck.azure.identity import CLIENT_ID, RESOURCE_ID, RESOURCE_ID_FORM
from acrcheck.azure.imds import ADDRESS
from acrcheck.facts import (
    Assigned,
    Bound,
    Crds,
    Identity,
    IdentityObjects,
    Nmi,
    Nmis,
    Node,
    Nodes,
    OwnToken,
    Pod,
    PodIdentity,
    PodLabel,
    Tokens,
    Workload,
)

from .objects import mapping, mappings, moment, name, namespace, number, text, texts, title

SYSTEM = "kube-system"
GROUP_PATH = AZURE_IDENTITIES.group_path
NMI_SELECTORS = ("component=nmi", "app.kubernetes.io/component=nmi")
"""The plain manifests' label and the Helm chart's (aad-pod-identity deploy/infra, charts)."""
NMI_NAMES = re.compile(r"(?:.+-)?nmi-[a-z0-9]+")
MIC_SELECTORS = ("component=mic", "app.kubernetes.io/component=mic")
MIC_NAMES = re.compile(r"(?:.+-)?mic")
MODE = re.compile(r"--operation-mode[= ](\S+)")
FORCED = re.compile(r"--forceNamespaced(?!=(?:false|f|0)\b)", re.IGNORECASE)
BEHAVIOR = "aadpodidentity.k8s.io/Behavior"
MANAGED_BY_AKS = ("kubernetes.azure.com/managedby", "aks")
SCALE_SET = re.compile(r"/virtualMachineScaleSets/([^/]+)/", re.IGNORECASE)
RESOURCE_GROUP = re.compile(r"/resourceGroups/([^/]+)/", re.IGNORECASE)
EBPF = "kubernetes.azure.com/ebpf-host-routing"

RETIRED = warn(
    "pod-identity-retired",
    "AAD Pod Identity was deprecated on 2022-10-24 and archived on 2023-10-02; AKS's add-on was supported "
    "through September 2025",
)
NO_CRDS = fail("crds-missing", "the API server does not serve aadpodidentity.k8s.io/v1 ({missing})")
ADDON = note(
    "pod-identity-addon", "the objects are made by AKS's pod-identity add-on: change them with az only"
)
NOT_ADDON = note("pod-identity-by-hand", "the objects are not the AKS add-on's")
ONE_NAMESPACE = note("identity-objects-of-one-namespace", "only namespace {where} could be read")

NMI_ABSENT = fail("nmi-absent", "no NMI pod is on node {node}, which hosts {pods}")
NMI_NOT_READY = fail("nmi-not-ready", "NMI pod {nmi_namespace}/{nmi} on node {node} is not ready: {why}")
NMI_CRASHING = fail(
    "nmi-crash-looping",
    "NMI pod {nmi_namespace}/{nmi} on node {node} keeps crashing ({restarts} restarts): {why}",
)
NMI_TWICE = fail("nmi-twice", "two NMI installations are on node {node}: {nmis}")
NMI_READY = note("nmi-ready", "NMI is ready on node {node} since {since}", "nmi", "nmi_namespace")
STANDARD = note("nmi-standard", "NMI on node {node} runs in standard mode")
MANAGED = note("nmi-managed", "NMI on node {node} runs in managed mode")
NAMESPACED = note("nmi-namespaced", "NMI on node {node} only matches objects of the pod's own namespace")

MIC_ABSENT = fail("mic-absent", "NMI runs in standard mode and there is no MIC")
MIC_NOT_READY = fail("mic-not-ready", "MIC ({mic_namespace}/{mic}) has no ready replica")
EBPF_ROUTING = fail(
    "ebpf-host-routing", "node {node} routes pods by eBPF ({label}): iptables, and so NMI, is bypassed"
)
IN_SCALE_SET = note("node-in-scale-set", "node {node} is of scale set {scale_set} in {node_group}")
WINDOWS = fail("node-is-windows", "node {node} runs Windows, where there is no NMI")
HOST_NETWORK = fail("host-network", "pod {pod} uses its node's network: its requests never meet NMI")
PROXY = fail(
    "proxy-covers-imds",
    "{variable} in pod {pod} sends http://169.254.169.254 to a proxy: {exempt} does not exempt it",
)

NO_BINDING = fail(
    "binding-none",
    "no AzureIdentityBinding{where} has the selector {value} (label of pod {pod})",
    "advised",
    "identity",
    "binding_namespace",
)
LABEL_IS_IDENTITY = fail(
    "label-is-identity-name",
    "the label {value} is an AzureIdentity's name; its binding {binding} has the selector {selector} (to label with "
    "the name is the documentation's own mistake)",
)
CASE_DIFFERS = fail(
    "binding-differs-in-case",
    "binding {binding} has the selector {selector}, the label is {value}: letter case counts",
)
OTHER_NAMESPACE = fail(
    "binding-in-other-namespace",
    "binding {binding} with the pod's selector is in namespace {binding_namespace}, not the pod's",
    "objects",
)
NO_IDENTITY = fail(
    "binding-names-missing-identity",
    "binding {binding} names AzureIdentity {identity}, which namespace {binding_namespace} does not have",
    "binding_name",
)
CANDIDATE = note("identity-of-that-namespace", "namespace {there} has one AzureIdentity, {candidate}")
NO_IDENTITY_ELSEWHERE = note(
    "identity-in-other-namespace", "an AzureIdentity {identity} exists in namespace {elsewhere}"
)
SEVERAL = warn(
    "several-identities",
    "{count} identities match pod {pod} ({names}): a request without a client id gets any of them",
)
BOUND = note("pod-bound", "binding {binding} gives pod {pod} AzureIdentity {identity}")
EXCEPTED = fail(
    "pod-excepted",
    "AzurePodIdentityException {exception} covers pod {pod} by its label {label}: NMI asks IMDS with the "
    "request's own identity",
)
BAD_RESOURCE_ID = fail(
    "resource-id-malformed",
    "AzureIdentity {identity} has the resourceID {resource_id!r}; expected {expected}",
    "identity_name",
    "identity_namespace",
)
BAD_CLIENT_ID = fail(
    "client-id-malformed", "AzureIdentity {identity} has the clientID {client_id!r}, which is no GUID"
)
OTHER_CLIENT_ID = fail(
    "client-id-not-the-one-asked-for",
    "AzureIdentity {identity} has clientID {client_id}; the run was asked for {wanted}",
    "identity_namespace",
)
READ = note(
    "azure-identity-read",
    "AzureIdentity {identity_namespace}/{identity_name} is {resource_id} with clientID {client_id}",
)
NOT_ASSIGNED = fail(
    "assigned-identity-none", "standard mode: MIC made no AzureAssignedIdentity for pod {pod}", "identity"
)
ASSIGNING = fail(
    "assigned-identity-pending",
    "AzureAssignedIdentity {assigned} is in state {state}, not Assigned",
    "identity",
)
ASSIGNED = note("assigned-identity", "AzureAssignedIdentity {assigned} is Assigned")


def crds(
    wanted: PodIdentity,  # noqa: ARG001 - else nobody needs them
    cluster: Cluster,
) -> Looking[Crds | None]:
    """The API server serves AAD Pod Identity's resources."""
    answer = cluster.path(GROUP_PATH)
    served: set[str] = set()
    if not answer.nothing:
        served = {text(item, "name") for item in mappings(answer.value(), "resources")}
    needed = (AZURE_IDENTITIES.plural, AZURE_IDENTITY_BINDINGS.plural)
    missing = [name for name in needed if name not in served]
    if missing:
        yield NO_CRDS(missing=", ".join(missing))
    yield RETIRED()
    if missing:
        return None
    return Crds(frozenset(served))


def identity_objects(found: Crds, workload: Workload, cluster: Cluster) -> Looking[IdentityObjects]:
    """AzureIdentity, AzureIdentityBinding and AzurePodIdentityException objects can be read."""
    del found
    identities, all_identities = _read(cluster, AZURE_IDENTITIES, workload.namespace)
    bindings, all_bindings = _read(cluster, AZURE_IDENTITY_BINDINGS, workload.namespace)
    exceptions = _exceptions(cluster, workload.namespace)
    everywhere = all_identities and all_bindings
    if not everywhere:
        yield ONE_NAMESPACE(where=workload.namespace)
    own = [item for item in (*identities, *bindings) if namespace(item) == workload.namespace]
    addon = any(_by_aks(item) for item in own or (*identities, *bindings))
    yield ADDON() if addon else NOT_ADDON()
    return IdentityObjects(tuple(identities), tuple(bindings), exceptions, everywhere)


def _read(cluster: Cluster, resource: Resource, where: str) -> tuple[list[dict[str, Any]], bool]:
    """Read a resource of all namespaces; only of the workload's where no more is permitted."""
    answer = cluster.list(resource)
    if answer.too_wide:
        return cluster.list(resource, where).items(), False
    return answer.items(), True


def _exceptions(cluster: Cluster, where: str) -> tuple[dict[str, Any], ...] | Answer:
    """Read the exceptions. That nobody may see them hides no binding and no identity."""
    answer: Answer = cluster.list(AZURE_POD_IDENTITY_EXCEPTIONS)
    if answer.too_wide:
        answer = cluster.list(AZURE_POD_IDENTITY_EXCEPTIONS, where)
    return answer if answer.too_wide else tuple(answer.items())


def _by_aks(item: dict[str, Any]) -> bool:
    key, value = MANAGED_BY_AKS
    return value in {texts(item, "metadata", field).get(key) for field in ("labels", "annotations")}


def nodes(pods: Each[Pod], cluster: Cluster) -> Looking[Nodes]:
    """The nodes that host the workload can be intercepted by NMI."""
    found = {}
    for host in sorted({pod.node for pod in pods if pod.node}):
        answer = cluster.get(NODES, host)
        if answer.nothing:
            continue
        item = answer.value()
        labels = texts(item, "metadata", "labels")
        node = Node(
            host,
            scale_set_of(item),
            labels.get("kubernetes.io/os", "linux"),
            labels.get("kubernetes.io/arch", "amd64"),
            tuple(
                text(entry, "address")
                for entry in mappings(item, "status", "addresses")
                if text(entry, "type") == "ExternalIP"
            ),
        )
        found[host] = node
        subject = node_subject(host)
        if node.scale_set:
            group = RESOURCE_GROUP.search(text(item, "spec", "providerID"))
            node_group = group[1] if group else ""
            yield IN_SCALE_SET(node=host, scale_set=node.scale_set, node_group=node_group).on(subject)
        if labels.get(EBPF, "").lower() == "true":
            yield EBPF_ROUTING(node=host, label=f"{EBPF}=true").on(subject)
        if node.os == "windows":
            yield WINDOWS(node=host).on(subject)
    return Nodes(found)


def scale_set_of(node: dict[str, Any]) -> str:
    """Read the scale set from the provider id; empty for a node that is in none."""
    match = SCALE_SET.search(text(node, "spec", "providerID"))
    return match[1] if match else ""


def node_subject(node: str) -> Subject:
    """Give the subject of what is seen of a node."""
    return Subject(f"node/{node}", frozenset({f"node/{node}"}))


def nmi(wanted: PodIdentity, pods: Each[Pod], cluster: Cluster) -> Looking[Nmis]:  # noqa: ARG001 - else nobody needs it
    """NMI is ready on each node that hosts a pod of the workload, once."""
    hosts: dict[str, list[Pod]] = {}
    for pod in pods:
        if pod.node:
            hosts.setdefault(pod.node, []).append(pod)
    items = nmi_pods(cluster)
    by_node = {}
    for host, hosted in sorted(hosts.items()):
        here = [item for item in items if text(item, "spec", "nodeName") == host and not _ending(item)]
        subject = node_subject(host)
        if not here:
            names = ", ".join(pod.name for pod in hosted)
            yield NMI_ABSENT(node=host, pods=names).on(subject)
            continue
        here.sort(key=lambda item: not is_ready(item))
        by_node[host] = found = _nmi_on(host, here[0])
        for observation in _nmi_seen(found, here):
            yield observation.on(subject)
    return Nmis(by_node)


def nmi_pods(cluster: Cluster) -> list[dict[str, Any]]:
    """Find the pods of NMI, of all namespaces."""
    return _by_labels(cluster, PODS, NMI_SELECTORS, NMI_NAMES)


def _ending(item: dict[str, Any]) -> bool:
    return bool(text(item, "metadata", "deletionTimestamp"))


def _by_labels(
    cluster: Cluster, resource: Resource, selectors: tuple[str, ...], names: re.Pattern[str]
) -> list[dict[str, Any]]:
    """Find a component by the labels of its manifests, of its chart, and at last by name in kube-system."""
    found: dict[str, dict[str, Any]] = {}
    narrowed: Answer | None = None
    for selector in selectors:
        answer = cluster.list(resource, "", selector)
        if answer.too_wide:
            narrowed = answer
            answer = cluster.list(resource, SYSTEM, selector)
        for item in answer.items() if answer.ok or not narrowed else ():
            found[title(item)] = item
    if found:
        return list(found.values())
    if narrowed:
        narrowed.value()
    answer = cluster.list(resource, SYSTEM)
    items = answer.items() if answer.ok else []
    return [item for item in items if names.fullmatch(name(item))]


def _ready_condition(item: dict[str, Any]) -> dict[str, Any]:
    conditions = mappings(item, "status", "conditions")
    return next((entry for entry in conditions if entry.get("type") == "Ready"), {})


def is_ready(item: dict[str, Any]) -> bool:
    """Tell whether a pod is ready."""
    return _ready_condition(item).get("status") == "True"


def _nmi_on(node: str, item: dict[str, Any]) -> Nmi:
    """Read NMI's mode from its own arguments. Raises CannotLookError when a ready NMI's times cannot be read."""
    containers = mappings(item, "spec", "containers")
    container = next((each for each in containers if each.get("name") == "nmi"), [*containers, {}][0])
    words = [str(word) for key in ("command", "args") for word in _list(container.get(key))]
    line = " ".join(words)
    modes = MODE.findall(line)
    environment = {entry.get("name"): text(entry, "value") for entry in mappings(container, "env")}
    since = None
    if is_ready(item):
        since = moment(_ready_condition(item), "lastTransitionTime") or moment(item, "status", "startTime")
        if since is None:
            raise CannotLookError(f"malformed: NMI pod {title(item)} is ready and does not say since when")
    return Nmi(
        node=node,
        mode="managed" if modes and modes[-1] == "managed" else "standard",
        namespaced=bool(FORCED.search(line)) or environment.get("FORCENAMESPACED", "").lower() == "true",
        ready_since=since,
        name=name(item),
        namespace=namespace(item),
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _nmi_seen(found: Nmi, here: list[dict[str, Any]]) -> Iterator[Observation]:
    owners = {
        f"{namespace(item)}/{text(owner, 'name')}"
        for item in here
        for owner in mappings(item, "metadata", "ownerReferences") or [{"name": name(item)}]
    }
    if len(owners) > 1:
        yield NMI_TWICE(node=found.node, nmis=" and ".join(sorted(owners)))
    yield (STANDARD if found.mode == "standard" else MANAGED)(node=found.node)
    if found.namespaced:
        yield NAMESPACED(node=found.node)
    if found.ready_since:
        yield NMI_READY(
            node=found.node,
            since=found.ready_since.isoformat(),
            nmi=found.name,
            nmi_namespace=found.namespace,
        )
    else:
        yield _unready(found, mapping(here[0], "status"))


def _unready(found: Nmi, status: dict[str, Any]) -> Observation:
    states = mappings(status, "containerStatuses")
    state = next((each for each in states if each.get("name") == "nmi"), [*states, {}][0])
    waiting = text(state, "state", "waiting", "reason")
    last = mapping(state, "lastState", "terminated")
    why = waiting or text(status, "phase") or "unknown"
    if last:
        why += f", last exit code {text(last, 'exitCode')}"
    shared = {"nmi": found.name, "nmi_namespace": found.namespace, "node": found.node, "why": why}
    restarts = number(state, "restartCount")
    if waiting == "CrashLoopBackOff" or (last and restarts):
        return NMI_CRASHING(**shared, restarts=restarts)
    return NMI_NOT_READY(**shared)


def mic(nmis: Nmis, cluster: Cluster) -> Looking[None]:
    """Where NMI runs in standard mode, MIC runs too."""
    if not any(item.mode == "standard" for item in nmis.by_node.values()):
        raise NotApplicableError("no NMI of standard mode here; managed mode has no MIC")
    found = _by_labels(cluster, DEPLOYMENTS, MIC_SELECTORS, MIC_NAMES)
    if not found:
        yield MIC_ABSENT()
    for item in found:
        if not number(item, "status", "readyReplicas"):
            yield MIC_NOT_READY(mic=name(item), mic_namespace=namespace(item))


def host_network(
    pod: Pod,
    wanted: PodIdentity,  # noqa: ARG001 - else its network does not matter
    asked: Maybe[Tokens],
    own: Maybe[OwnToken],
) -> Looking[None]:
    """A pod has a network of its own, or the node's identity is the one it wants."""
    if not pod.host_network or own.value is not None:
        return
    if asked.value is None or own.status is Status.UNKNOWN:
        raise CannotLookError(
            f"pod {pod.name} uses its node's network, and what its node gives it could not be seen: "
            f"{own.reason or asked.reason}"
        )
    yield HOST_NETWORK(pod=pod.name)


def proxy(pod: Pod, wanted: PodIdentity) -> Looking[None]:  # noqa: ARG001 - else it asks for no token
    """A pod's proxy variables leave 169.254.169.254 alone."""
    containers = mappings(pod.spec, "containers")
    container = next((item for item in containers if item.get("name") == pod.container), {})
    values = {text(entry, "name"): text(entry, "value") for entry in mappings(container, "env")}
    for variable in ("http_proxy", "HTTP_PROXY"):
        exempt = values.get("no_proxy") or values.get("NO_PROXY") or ""
        if values.get(variable) and not any(_exempts(entry.strip()) for entry in exempt.split(",")):
            said = f"no_proxy={exempt}" if exempt else "no no_proxy"
            yield PROXY(pod=pod.name, variable=variable, exempt=said)
            return


def _exempts(entry: str) -> bool:
    """Tell whether one entry of no_proxy covers the token endpoint: by address, by network, or all."""
    try:
        return entry == "*" or ipaddress.ip_address(ADDRESS) in ipaddress.ip_network(
            entry.removesuffix(":80"), strict=False
        )
    except ValueError:
        return False


def bound(
    pod: Pod, label: PodLabel, objects: IdentityObjects, nmis: Maybe[Nmis], target: Target
) -> Looking[Bound | None]:
    """A binding's selector equals the label, and its AzureIdentity exists."""
    if label.value is None:
        blocked_by = "" if pod.host_network else "label-pods"
        raise NotApplicableError("the pod has no label to match", blocked_by=blocked_by)
    same = [item for item in objects.bindings if text(item, "spec", "selector") == label.value]
    node = nmis.value.by_node.get(pod.node) if nmis.value else None
    namespaced = bool(node and (node.namespaced or node.mode == "managed"))
    near = [
        item for item in same if not _apart(item, pod, objects) and not (namespaced and _elsewhere(item, pod))
    ]
    _refuse_half_seen(pod, near, objects, nmis, namespaced=namespaced)
    if not near:
        where = f" in namespace {pod.namespace}" if namespaced else ""
        hints = list(_hints(label.value, same, objects, pod.namespace))
        advised = next((hint.values["selector"] for hint in hints if "selector" in hint.values), "")
        only, of = _only_identity(objects, pod.namespace, namespaced=namespaced)
        yield from hints
        yield NO_BINDING(
            pod=pod.name,
            value=label.value,
            where=where,
            advised=advised or label.value,
            identity=only,
            binding_namespace=of,
        )
        return None
    identities = []
    for binding in near:
        identity = _identity_of(binding, objects)
        if identity is None:
            yield from _missing_identity(binding, objects)
            continue
        yield BOUND(binding=title(binding), pod=pod.name, identity=title(identity))
        if identity not in identities:
            identities.append(identity)
    if len(identities) > 1 and not target.identity_client_id:
        yield SEVERAL(count=len(identities), pod=pod.name, names=", ".join(map(title, identities)))
    return Bound(tuple(identities)) if identities else None


def _refuse_half_seen(
    pod: Pod, near: list[dict[str, Any]], objects: IdentityObjects, nmis: Maybe[Nmis], *, namespaced: bool
) -> None:
    """Raise CannotLookError where another namespace decides, and it or NMI's mode could not be seen."""
    elsewhere = [item for item in near if _elsewhere(item, pod)]
    permission = None
    if nmis.status is Status.UNKNOWN and near and elsewhere == near:
        permission, lacking = PODS.permission("list"), "NMI's mode, and so whether that binding counts"
    elif not objects.everywhere and not near and not namespaced:
        permission, lacking = AZURE_IDENTITY_BINDINGS.permission("list"), "the bindings of other namespaces"
    elif not objects.everywhere and any(_identity_of(item, objects) is None for item in elsewhere):
        permission, lacking = AZURE_IDENTITIES.permission("list"), "the AzureIdentity of that namespace"
    if permission:
        raise CannotLookError(
            f"not permitted to {permission.text}: {lacking} could not be seen", permission=permission
        )


def _only_identity(objects: IdentityObjects, where: str, *, namespaced: bool) -> tuple[str, str]:
    """Give name and namespace of the AzureIdentity a new binding would name, where there is one to choose."""
    own = [item for item in objects.identities if namespace(item) == where]
    choice = own or ([] if namespaced else list(objects.identities))
    if len(choice) != 1:
        return "NAME_OF_YOUR_AZUREIDENTITY", where
    return name(choice[0]), namespace(choice[0])


def _elsewhere(item: dict[str, Any], pod: Pod) -> bool:
    return namespace(item) != pod.namespace


def _apart(binding: dict[str, Any], pod: Pod, objects: IdentityObjects) -> bool:
    """An identity annotated as namespaced serves only pods of its own namespace."""
    annotations = texts(_identity_of(binding, objects), "metadata", "annotations")
    return annotations.get(BEHAVIOR, "").lower() == "namespaced" and _elsewhere(binding, pod)


def _identity_of(binding: dict[str, Any], objects: IdentityObjects) -> dict[str, Any] | None:
    """A binding names an AzureIdentity of its own namespace, in every mode."""
    wanted = text(binding, "spec", "azureIdentity")
    for item in objects.identities:
        if wanted and name(item) == wanted and namespace(item) == namespace(binding):
            return item
    return None


def _copies(binding: dict[str, Any], identity: dict[str, Any] | None, where: str) -> str:
    """Write a binding and its identity as JSON for another namespace, ready for `kubectl apply`."""
    items = [
        {
            "apiVersion": f"{AZURE_IDENTITIES.group}/{AZURE_IDENTITIES.version}",
            "kind": kind,
            "metadata": {"name": name(item), "namespace": where},
            "spec": mapping(item, "spec"),
        }
        for kind, item in (("AzureIdentity", identity), ("AzureIdentityBinding", binding))
        if item is not None
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, separators=(",", ":"))


def _hints(
    value: str, same: list[dict[str, Any]], objects: IdentityObjects, where: str
) -> Iterator[Observation]:
    """Say what is nearly right: the identity's name as label, another letter case, another namespace."""
    # Where the pod's namespace has an AzureIdentity of its own, what lacks is a binding to that one.
    has_own = any(namespace(item) == where for item in objects.identities)
    for binding in () if has_own else same:
        yield OTHER_NAMESPACE(
            binding=title(binding),
            binding_namespace=namespace(binding),
            objects=_copies(binding, _identity_of(binding, objects), where),
        )
    for binding in objects.bindings:
        selector = text(binding, "spec", "selector")
        if binding in same or not selector:
            continue
        if selector.lower() == value.lower():
            yield CASE_DIFFERS(binding=title(binding), selector=selector, value=value)
        elif text(binding, "spec", "azureIdentity") == value:
            yield LABEL_IS_IDENTITY(value=value, binding=title(binding), selector=selector)


def _missing_identity(binding: dict[str, Any], objects: IdentityObjects) -> Iterator[Observation]:
    wanted, where = text(binding, "spec", "azureIdentity"), namespace(binding)
    yield NO_IDENTITY(
        binding=title(binding),
        binding_name=name(binding),
        identity=wanted or "''",
        binding_namespace=where,
    )
    there = [item for item in objects.identities if namespace(item) == where]
    if len(there) == 1:
        yield CANDIDATE(there=where, candidate=name(there[0]))
    for item in objects.identities:
        if wanted and name(item) == wanted:
            yield NO_IDENTITY_ELSEWHERE(identity=wanted, elsewhere=namespace(item))


def exception(pod: Pod, objects: IdentityObjects) -> Looking[None]:
    """No AzurePodIdentityException covers a pod."""
    if isinstance(objects.exceptions, Answer):
        objects.exceptions.value()
        return
    for item in objects.exceptions:
        if namespace(item) != pod.namespace:
            continue
        for key, value in texts(item, "spec", "podLabels").items():
            if key in pod.labels and pod.labels[key].lower() == value.lower():
                yield EXCEPTED(exception=title(item), pod=pod.name, label=f"{key}={value}")


def azure_identity(pod: Pod, found: Bound, target: Target) -> Looking[Identity]:
    """The AzureIdentity is well formed and the one asked for."""
    wanted = target.identity_client_id.lower()
    chosen = _asked_for(found, target)
    spec = mapping(chosen, "spec")
    client_id, resource_id = text(spec, "clientID"), text(spec, "resourceID")
    full = title(chosen)
    names = {"identity_name": name(chosen), "identity_namespace": namespace(chosen)}
    if number(spec, "type") == 0 and not RESOURCE_ID.match(resource_id):
        yield BAD_RESOURCE_ID(identity=full, resource_id=resource_id, expected=RESOURCE_ID_FORM, **names)
    if not CLIENT_ID.fullmatch(client_id):
        yield BAD_CLIENT_ID(identity=full, client_id=client_id)
    elif wanted and client_id.lower() != wanted:
        yield OTHER_CLIENT_ID(
            identity=name(chosen),
            identity_namespace=namespace(chosen),
            client_id=client_id,
            wanted=target.identity_client_id,
        )
    del pod
    yield READ(**names, resource_id=resource_id, client_id=client_id)
    return Identity(client_id, resource_id, full)


def _asked_for(found: Bound, target: Target) -> dict[str, Any]:
    """Choose the AzureIdentity that the run was asked for, else the first."""
    for field, wanted in (
        ("clientID", target.identity_client_id),
        ("resourceID", target.identity_resource_id),
    ):
        for item in found.identities:
            if wanted and text(item, "spec", field).lower() == wanted.lower():
                return item
    return found.identities[0]


def assigned(pod: Pod, found: Bound, nmis: Nmis, cluster: Cluster) -> Looking[Assigned]:
    """In standard mode, MIC has assigned the identity to the pod's node."""
    node = nmis.by_node.get(pod.node)
    if node is None or node.mode != "standard":
        raise NotApplicableError("managed mode has no AzureAssignedIdentity")
    answer: Answer = cluster.list(AZURE_ASSIGNED_IDENTITIES)
    if answer.too_wide:
        # MIC keeps them in `default`, whatever the pod's namespace; only where it is forced in the identity's.
        answer = cluster.list(AZURE_ASSIGNED_IDENTITIES, pod.namespace if node.namespaced else "default")
    mine = [
        item
        for item in answer.items()
        if text(item, "spec", "pod") == pod.name and text(item, "spec", "podNamespace") == pod.namespace
    ]
    identity = title(found.identities[0])
    if not mine:
        yield NOT_ASSIGNED(pod=pod.name, identity=identity)
    for item in mine:
        state = text(item, "status", "status")
        if state in {"", "Assigned"}:
            yield ASSIGNED(assigned=title(item))
        else:
            yield ASSIGNING(assigned=title(item), state=state, identity=identity)
    return Assigned(tuple(mine))


CHECKS = (
    Check("crds", "AAD Pod Identity's resources are served", crds, sees=(NO_CRDS, RETIRED)),
    Check(
        "identity-objects",
        "its objects can be read",
        identity_objects,
        sees=(ADDON, NOT_ADDON, ONE_NAMESPACE),
        asks=tuple(
            ("list", f"{resource.plural}.{resource.group}", "all")
            for resource in (AZURE_IDENTITIES, AZURE_IDENTITY_BINDINGS, AZURE_POD_IDENTITY_EXCEPTIONS)
        ),
    ),
    Check(
        "nodes",
        "the pods' nodes can be intercepted",
        nodes,
        sees=(EBPF_ROUTING, WINDOWS, IN_SCALE_SET),
        asks=(("get", "nodes", "all"),),
        optional=True,
    ),
    Check(
        "nmi",
        "NMI is ready on each pod's node",
        nmi,
        sees=(
            NMI_ABSENT,
            NMI_NOT_READY,
            NMI_CRASHING,
            NMI_TWICE,
            NMI_READY,
            STANDARD,
            MANAGED,
            NAMESPACED,
        ),
        asks=(("list", "pods", "all"),),
    ),
    Check(
        "mic",
        "MIC runs where NMI needs it",
        mic,
        sees=(MIC_ABSENT, MIC_NOT_READY),
        asks=(("list", "deployments.apps", "all"),),
    ),
    Check(
        "host-network",
        "pods have a network of their own",
        host_network,
        sees=(HOST_NETWORK,),
        each=Pod,
    ),
    Check("proxy", "no proxy swallows the token request", proxy, sees=(PROXY,), each=Pod),
    Check(
        "binding",
        "a binding selects the pod, and its identity exists",
        bound,
        sees=(
            NO_BINDING,
            LABEL_IS_IDENTITY,
            CASE_DIFFERS,
            OTHER_NAMESPACE,
            NO_IDENTITY,
            NO_IDENTITY_ELSEWHERE,
            CANDIDATE,
            SEVERAL,
            BOUND,
        ),
        each=Pod,
    ),
    Check("exception", "no exception covers the pod", exception, sees=(EXCEPTED,), each=Pod),
    Check(
        "azure-identity",
        "the AzureIdentity is well formed",
        azure_identity,
        sees=(BAD_RESOURCE_ID, BAD_CLIENT_ID, OTHER_CLIENT_ID, READ),
        each=Pod,
    ),
    Check(
        "assigned-identity",
        "MIC has assigned the identity",
        assigned,
        sees=(NOT_ASSIGNED, ASSIGNING, ASSIGNED),
        each=Pod,
        asks=(("list", f"{AZURE_ASSIGNED_IDENTITIES.plural}.{AZURE_ASSIGNED_IDENTITIES.group}", "all"),),
    ),
)
