"""The workload and its pods."""

import re
from typing import Any

from acrcheck.api import (
    DAEMONSETS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    STATEFULSETS,
    Answer,
    CannotLookError,
    Check,
    Cluster,
    Each,
    Looking,
    Outcome,
    Resource,
    Target,
    UsageError,
    fail,
    note,
    warn,
)
from acrcheck.facts import ApiServer, Pod, Rollout, Workload

from .objects import awaited, mapping, mappings, moment, name, namespace, number, text, texts

CODER = "coder.deployment"
CODER_NAMES = ("coderd", "cemanager")
"""What charts 1.19–1.44 of Coder call the control plane (enterprise-helm, templates/coderd.yaml)."""
KINDS: dict[str, Resource] = {
    "deployment": DEPLOYMENTS,
    "statefulset": STATEFULSETS,
    "daemonset": DAEMONSETS,
    "pod": PODS,
}
SHORT = {
    "deploy": "deployment",
    "deployments": "deployment",
    "sts": "statefulset",
    "statefulsets": "statefulset",
    "ds": "daemonset",
    "daemonsets": "daemonset",
    "po": "pod",
    "pods": "pod",
}
ENDED = frozenset({"Succeeded", "Failed"})
"""Phases of pods that controllers count no more: an evicted pod stays listed long after another took its place."""
CHART = re.compile(r"(?P<chart>.+?)-(?P<version>v?\d+\.\d+\.\d+.*)")

HELM = note(
    "managed-by-helm",
    "Helm release {release} (chart {chart} {version}) makes the workload",
    "release_namespace",
)
HELM_UNKNOWN = note(
    "managed-by-helm-of-unknown-chart", "Helm release {release} makes the workload", "release_namespace"
)
GITOPS = note("managed-by-gitops", "{tool} makes the workload: what is changed by hand is changed back")
CODER_ITSELF = note("workload-is-coder", "{workload} is Coder's control plane")
BY_HAND = note("managed-by-hand", "no Helm and no GitOps label is on the workload")
NO_PODS = fail("workload-without-pods", "{workload} wants {replicas} replicas and has no pod")
SCALED_DOWN = fail("workload-scaled-to-zero", "{workload} is scaled to zero")
UNDER_WAY = warn(
    "rollout-under-way", "{updated} of {replicas} pods are of the newest template, {ready} are ready"
)
ENDING = warn("pod-terminating", "old pod {pod} is still terminating, since {since}")
NOT_RUNNING = fail("pod-not-running", "pod {pod} does not run: {why}")
WAITS = note("pod-waits-for-image", "pod {pod} waits for an image: {why}")
NOT_READY = warn("pod-not-ready", "pod {pod} runs and is not ready")
PULL_ALWAYS = note("image-pull-always", "imagePullPolicy is Always: every new pod pulls {image} again")


def workload(server: ApiServer, cluster: Cluster, target: Target) -> Looking[Workload]:  # noqa: ARG001 - comes after the API server
    """The workload under test is found, and what manages it."""
    if target.workload:
        kind, manifest = _named(cluster, target)
    else:
        kind, manifest = "deployment", _discovered(cluster, target)
    alone = manifest if kind == "pod" else None
    if alone is not None:
        kind, manifest = _owner(alone)
    _refuse_malformed(manifest, kind)
    found = Workload(
        kind=kind,
        name=name(manifest),
        namespace=namespace(manifest) or target.namespace,
        manifest=manifest,
        coder=_is_coder(manifest),
        alone=alone,
    )
    manager = _manager(found)
    if alone is None or manager.kind is not BY_HAND:
        yield manager
    if found.coder:
        yield CODER_ITSELF(workload=f"{kind}/{found.name}")
    for container in mappings(found.pod_spec, "containers"):
        if container.get("imagePullPolicy") == "Always":
            yield PULL_ALWAYS(image=text(container, "image"))
            break
    return found


def _owner(pod: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give kind and manifest of the workload that made a pod, as far as the pod tells: it is made of its template.

    A Deployment names its ReplicaSets after itself and the hash of the template (kubernetes/kubernetes,
    pkg/controller/deployment/sync.go).
    """
    owner = next(iter(mappings(pod, "metadata", "ownerReferences")), {})
    kind, title = text(owner, "kind").lower(), text(owner, "name")
    labels = texts(pod, "metadata", "labels")
    made = labels.get("pod-template-hash", "")
    if kind == "replicaset" and made and title.endswith(f"-{made}"):
        kind, title = "deployment", title.removesuffix(f"-{made}")
    if kind not in KINDS:
        kind, title = "pod", name(pod)
    metadata = {**mapping(pod, "metadata"), "name": title}
    template = {"metadata": {"labels": labels}, "spec": mapping(pod, "spec")}
    return kind, {"metadata": metadata, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def _refuse_malformed(manifest: object, kind: str) -> None:
    """Raise CannotLookError for what is no workload: the facts made of it rely on its shape."""
    if not isinstance(manifest, dict) or not name(manifest):
        raise CannotLookError(f"malformed: the server's {kind} has no name")
    shape = (("spec",), ("spec", "template"), ("spec", "template", "metadata"), ("spec", "template", "spec"))
    for *parent, key in shape:
        if not isinstance(mapping(manifest, *parent).get(key, {}), dict):
            raise CannotLookError(
                f"malformed: {'.'.join([*parent, key])} of {kind}/{name(manifest)} is no object"
            )


def _named(cluster: Cluster, target: Target) -> tuple[str, dict[str, Any]]:
    kind, _, wanted = target.workload.rpartition("/")
    kind = SHORT.get(kind.lower(), kind.lower()) or "deployment"
    if kind not in KINDS or not wanted:
        raise UsageError(
            f"{kind} is no kind of workload that can be checked"
            if wanted
            else "the workload's name is missing",
            input=target.workload,
            expected=f"one of {', '.join(KINDS)}, as in deployment/coderd",
            candidates=KINDS,
        )
    where = target.namespace or target.context_namespace or "default"
    answer = cluster.get(KINDS[kind], wanted, where)
    if answer.nothing:
        _refuse_unknown_namespace(cluster, target, where)
        others = [name(item) for item in _items(cluster.list(KINDS[kind], where, metadata_only=True))]
        raise UsageError(
            f"there is no {kind} {wanted} in namespace {where}",
            input=wanted,
            expected="a workload of that namespace"
            + (f": {', '.join(sorted(others)[:8])}" if others else ""),
            remedy=f"{target.kubectl} get {kind}s -A",
            candidates=others,
        )
    return kind, answer.value()


def _discovered(cluster: Cluster, target: Target) -> dict[str, Any]:
    """Look for Coder's control plane: in the namespace given, else in all, else where the context points."""
    labels = f"{CODER} in ({','.join(CODER_NAMES)})"
    answer = cluster.list(DEPLOYMENTS, target.namespace, labels)
    place = target.namespace
    if answer.too_wide and not place:
        place = target.context_namespace or "default"
        answer = cluster.list(DEPLOYMENTS, place, labels)
    found = answer.items()
    if not found:
        # The chart puts the label on the pods; not every version puts it on the Deployment too.
        found = [item for item in cluster.list(DEPLOYMENTS, place).items() if _is_coder(item)]
    if len(found) == 1:
        return found[0]
    if not found and place:
        _refuse_unknown_namespace(cluster, target, place)
    where = f"namespace {place}" if place else "any namespace"
    names = sorted(f"{namespace(item)}/deployment/{name(item)}" for item in found)
    raise UsageError(
        f"{len(found)} workloads look like Coder's control plane: {', '.join(names)}"
        if found
        else f"no Deployment in {where} carries {labels}",
        input=target.namespace or "(discovery)",
        expected="one workload to check",
        remedy="name it: acrcheck run -n NAMESPACE --workload deployment/NAME",
    )


def _refuse_unknown_namespace(cluster: Cluster, target: Target, wanted: str) -> None:
    """Raise UsageError, with the namespaces there are, when this one is seen not to exist."""
    if cluster.get(NAMESPACES, wanted).outcome is not Outcome.ABSENT:
        return
    others = [name(item) for item in _items(cluster.list(NAMESPACES, metadata_only=True))]
    raise UsageError(
        f"there is no namespace {wanted}",
        input=wanted,
        expected="a namespace of this cluster",
        remedy=f"{target.kubectl} get namespaces",
        candidates=others,
    )


def _items(answer: Answer) -> list[dict[str, Any]]:
    return answer.items() if answer.ok else []


def _is_coder(manifest: dict[str, Any]) -> bool:
    return text(manifest, "spec", "selector", "matchLabels", CODER) in CODER_NAMES


def _manager(found: Workload) -> Any:
    """Tell what makes the workload: GitOps first, because it also leaves Helm's labels."""
    labels = texts(found.manifest, "metadata", "labels")
    annotations = texts(found.manifest, "metadata", "annotations")
    if any(key.startswith("argocd.argoproj.io/") for key in (*labels, *annotations)):
        return GITOPS(tool="Argo CD")
    if any(".toolkit.fluxcd.io/" in key for key in (*labels, *annotations)):
        return GITOPS(tool="Flux")
    release = annotations.get("meta.helm.sh/release-name")
    if not release and labels.get("app.kubernetes.io/managed-by") != "Helm":
        return BY_HAND()
    release = release or labels.get("app.kubernetes.io/instance", found.name)
    where = annotations.get("meta.helm.sh/release-namespace", found.namespace)
    chart = CHART.fullmatch(labels.get("helm.sh/chart", ""))
    if chart is None:
        return HELM_UNKNOWN(release=release, release_namespace=where)
    return HELM(release=release, release_namespace=where, chart=chart["chart"], version=chart["version"])


def rollout(found: Workload) -> Looking[Rollout]:
    """The newest template has reached every pod."""
    if found.alone is not None:
        return Rollout(True, 1)
    status = mapping(found.manifest, "status")
    wanted = number(found.manifest, "spec", "replicas", default=1)
    replicas = number(status, "desiredNumberScheduled", default=wanted)
    updated = number(status, "updatedReplicas") or number(status, "updatedNumberScheduled")
    ready = number(status, "readyReplicas") or number(status, "numberReady")
    seen = number(status, "observedGeneration") >= number(found.manifest, "metadata", "generation")
    older_left = found.kind == "deployment" and number(status, "replicas") > updated
    complete = seen and updated >= replicas and ready >= replicas and not older_left
    if replicas == 0:
        yield SCALED_DOWN(workload=f"{found.kind}/{found.name}")
    elif not complete:
        yield UNDER_WAY(updated=updated, replicas=replicas, ready=ready)
    return Rollout(complete, replicas)


def pods(found: Workload, state: Rollout, cluster: Cluster) -> Looking[Each[Pod]]:
    """Every pod of the workload runs; each one that can be looked into becomes a subject."""
    running = []
    for item in _pods(found, cluster):
        pod = read_pod(item)
        if pod.terminating:
            yield ENDING(pod=pod.name, since=text(item, "metadata", "deletionTimestamp"))
            continue
        if text(item, "status", "phase") in ENDED:
            continue
        if awaited(pod.status):
            yield WAITS(pod=pod.name, why=pod.exec_problem).on(pod.subject)
        elif pod.exec_problem:
            yield NOT_RUNNING(pod=pod.name, why=pod.exec_problem).on(pod.subject)
        elif not pod.ready:
            yield NOT_READY(pod=pod.name).on(pod.subject)
        running.append(pod)
    if not running and state.replicas:
        yield NO_PODS(workload=f"{found.kind}/{found.name}", replicas=state.replicas)
    return Each(tuple((pod.subject, pod) for pod in running))


def _pods(found: Workload, cluster: Cluster) -> list[dict[str, Any]]:
    if found.alone is not None:
        return [found.alone]
    return cluster.list(PODS, found.namespace, _selector(found)).items()


def _selector(found: Workload) -> str:
    """Write the workload's selector as the API takes it. Raises CannotLookError for none, which is every pod."""
    selector = mapping(found.manifest, "spec", "selector")
    terms = [f"{key}={value}" for key, value in sorted(texts(selector, "matchLabels").items())]
    for entry in mappings(selector, "matchExpressions"):
        key, operator, values = text(entry, "key"), text(entry, "operator"), entry.get("values") or []
        joined = f"({','.join(map(str, values))})"
        forms = {"In": f"{key} in {joined}", "NotIn": f"{key} notin {joined}", "Exists": key}
        terms.append(forms.get(operator, f"!{key}"))
    if not terms:
        raise CannotLookError(
            f"malformed: {found.kind}/{found.name} has no selector, so its pods are not known"
        )
    return ",".join(terms)


def read_pod(item: dict[str, Any]) -> Pod:
    """Read a pod from its object. Raises CannotLookError when it has no name."""
    if not name(item):
        raise CannotLookError("malformed: a pod without a name")
    names = [text(container, "name") for container in mappings(item, "spec", "containers")]
    container = next((each for each in CODER_NAMES if each in names), names[0] if names else "")
    status = mapping(item, "status")
    states = {text(entry, "name"): entry for entry in mappings(status, "containerStatuses")}
    state = states.get(container, {})
    return Pod(
        name=name(item),
        namespace=namespace(item),
        node=text(item, "spec", "nodeName"),
        labels=texts(item, "metadata", "labels"),
        spec=mapping(item, "spec"),
        container=container,
        ready=state.get("ready") is True,
        started=moment(state, "state", "running", "startedAt") or moment(status, "startTime"),
        terminating=bool(text(item, "metadata", "deletionTimestamp")),
        exec_problem=_exec_problem(status, mapping(state, "state")),
        status=status,
    )


def _exec_problem(status: dict[str, Any], state: dict[str, Any]) -> str:
    """Say why nothing can be run in the container; empty when it runs."""
    if isinstance(state.get("running"), dict):
        return ""
    waiting = mapping(state, "waiting") or _initialising(status)
    why = ": ".join(said for said in (text(waiting, "reason"), text(waiting, "message")[:200]) if said)
    if why:
        return why
    ended = mapping(state, "terminated")
    if ended:
        return f"ended with exit code {text(ended, 'exitCode')} ({text(ended, 'reason')})"
    for condition in mappings(status, "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{text(condition, 'reason') or 'Unschedulable'}: {text(condition, 'message')[:200]}"
    return f"its phase is {text(status, 'phase') or 'unknown'}"


def _initialising(status: dict[str, Any]) -> dict[str, Any]:
    for item in mappings(status, "initContainerStatuses"):
        waiting = mapping(item, "state", "waiting")
        if waiting and waiting.get("reason") != "PodInitializing":
            return waiting
    return {}


CHECKS = (
    Check(
        "workload",
        "the workload is found",
        workload,
        sees=(HELM, HELM_UNKNOWN, GITOPS, BY_HAND, CODER_ITSELF, PULL_ALWAYS),
        asks=(("list", "deployments.apps"),),
    ),
    Check("rollout", "its rollout is complete", rollout, sees=(UNDER_WAY, SCALED_DOWN)),
    Check(
        "pods",
        "its pods run",
        pods,
        sees=(ENDING, NOT_RUNNING, WAITS, NOT_READY, NO_PODS),
        asks=(("list", "pods"),),
    ),
)
