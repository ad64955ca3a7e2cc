"""The workload and its pods."""

import re
from typing import Any

from acrcheck.api import (
    AUTOSCALERS,
    CRON_JOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICASETS,
    STATEFULSETS,
    Answer,
    CannotLookError,
    Check,
    Cluster,
    Each,
    Looking,
    Maybe,
    NotApplicableError,
    Observation,
    Outcome,
    Resource,
    Status,
    Target,
    UsageError,
    fail,
    note,
    warn,
)
from acrcheck.facts import ApiServer, Autoscaler, Pod, Rollout, Workload

from .objects import awaited, mapping, mappings, moment, name, namespace, number, text, texts

CODER = "coder.deployment"
CODER_NAMES = ("coderd", "cemanager")
"""What charts 1.19–1.44 of Coder call the control plane (enterprise-helm, templates/coderd.yaml)."""
CODER_V2 = ("app.kubernetes.io/name", "coder")
"""What charts of Coder v2 select the control plane by; the older ones' selector is another (coder/coder helm/coder)."""
CODER_IMAGE = re.compile(r"(?:^|/)coderenvs/")
CODER_V2_IMAGE = re.compile(r"(?:^|/)coder/coder(?::|@|$)")
KINDS: dict[str, Resource] = {
    "deployment": DEPLOYMENTS,
    "statefulset": STATEFULSETS,
    "daemonset": DAEMONSETS,
    "job": JOBS,
    "cronjob": CRON_JOBS,
    "pod": PODS,
}
SHORT = {
    "deploy": "deployment",
    "deployments": "deployment",
    "sts": "statefulset",
    "statefulsets": "statefulset",
    "ds": "daemonset",
    "daemonsets": "daemonset",
    "jobs": "job",
    "cj": "cronjob",
    "cronjobs": "cronjob",
    "po": "pod",
    "pods": "pod",
}
TEMPLATES = {
    "pod": (),
    "cronjob": ("spec", "jobTemplate", "spec", "template"),
}
"""Where the specification of the next pod stands in an object; in all others at spec.template."""
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
BY_HAND = note("managed-by-hand", "no Helm and no GitOps label is on the workload")
CODER_ITSELF = note("workload-is-coder", "{workload} is Coder's control plane")
CODER_ITSELF_V2 = note(
    "workload-is-coder-v2",
    "{workload} is Coder v2: it has no registries and imports no images; what a workspace pulls, and with which "
    "secret, its template says (image, image_pull_secrets)",
)
SATELLITE = note(
    "workload-is-satellite", "{workload} is a satellite of Coder: another release is the primary"
)
BARE_POD = note(
    "workload-is-bare-pod", "{workload} is a pod by itself: {owner} makes it anew when it is deleted"
)
IS_JOB = note("workload-is-job", "{workload} is a Job: its pod template cannot be changed")
IS_CRON_JOB = note(
    "workload-is-cronjob", "{workload} is a CronJob: what is changed is for the next run's pods"
)
ON_DELETE = note("pods-replaced-on-delete", "{workload} replaces a pod only when it is deleted (OnDelete)")
OVER = note("workload-is-over", "{workload} {state}: there is no pod to look into")
JOB_FAILED = warn("job-failed", "{workload} has failed: {why}")
SCALED_BY = note(
    "scaled-by-autoscaler", "autoscaler {autoscaler} sets the number of replicas ({least} to {most})"
)
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
        kind, manifest = _made_by(cluster, kind, manifest)
    else:
        kind, manifest = "deployment", _discovered(cluster, target)
    _refuse_malformed(manifest, kind)
    found = Workload(
        kind=kind,
        name=name(manifest),
        namespace=namespace(manifest) or target.namespace,
        manifest=manifest,
        coder=_is_coder(manifest),
        coder_v2=_is_coder_v2(manifest),
    )
    yield _manager(found)
    title = f"{kind}/{found.name}"
    if found.coder:
        yield CODER_ITSELF(workload=title)
    if found.coder and _is_satellite(manifest):
        yield SATELLITE(workload=title)
    if found.coder_v2:
        yield CODER_ITSELF_V2(workload=title)
    if text(manifest, "spec", "updateStrategy", "type") == "OnDelete":
        yield ON_DELETE(workload=title)
    for container in mappings(found.pod_spec, "containers"):
        if container.get("imagePullPolicy") == "Always":
            yield PULL_ALWAYS(image=text(container, "image"))
            break
    return found


def _refuse_malformed(manifest: object, kind: str) -> None:
    """Raise CannotLookError for what is no workload: the facts made of it rely on its shape."""
    if not isinstance(manifest, dict) or not name(manifest):
        raise CannotLookError(f"malformed: the server's {kind} has no name")
    template = TEMPLATES.get(kind, ("spec", "template"))
    steps = [template[: place + 1] for place in range(len(template))]
    for *parent, key in (*steps, (*template, "metadata"), (*template, "spec")):
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
        refuse_unknown_namespace(cluster, target, where)
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


def _made_by(cluster: Cluster, kind: str, manifest: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Follow a pod to what makes it: a Deployment through its ReplicaSet, a StatefulSet, a DaemonSet or a Job.

    A pod that something else makes, or nothing, or what was not recorded with it, stays what it is.
    """
    owner = _controller(manifest) if kind == "pod" else {}
    if owner.get("kind") == "ReplicaSet":
        answer = cluster.get(REPLICASETS, text(owner, "name"), namespace(manifest))
        owner = {} if answer.outcome is Outcome.NOT_RECORDED else _controller(answer.value())
    above = text(owner, "kind").lower()
    if above not in KINDS or KINDS[above].group != text(owner, "apiVersion").partition("/")[0]:
        return kind, manifest
    made_by = cluster.get(KINDS[above], text(owner, "name"), namespace(manifest))
    return (kind, manifest) if made_by.outcome is Outcome.NOT_RECORDED else (above, made_by.value())


def _controller(item: object) -> dict[str, Any]:
    """Give the owner reference of what makes an object; empty when nothing does."""
    owners = mappings(item, "metadata", "ownerReferences")
    return next((owner for owner in owners if owner.get("controller") is True), {})


def _discovered(cluster: Cluster, target: Target) -> dict[str, Any]:
    """Look for Coder's control plane: in the namespace given, else in all, else where the context points."""
    labels = f"{CODER} in ({','.join(CODER_NAMES)})"
    place, answer = list_where_permitted(cluster, target, DEPLOYMENTS, labels)
    found = answer.items()
    if not found:
        # The chart puts the label on the pods; not every version puts it on the Deployment too.
        every = cluster.list(DEPLOYMENTS, place).items()
        found = [item for item in every if _is_coder(item)]
        found = found or [item for item in every if _is_coder_v2(item)]
    primary = [item for item in found if not _is_satellite(item)]
    if len(primary) == 1:
        return primary[0]
    if len(found) == 1:
        return found[0]
    if not found and place:
        refuse_unknown_namespace(cluster, target, place)
    where = f"namespace {place}" if place else "any namespace"
    names = [_candidate(item) for item in sorted(found, key=lambda item: (namespace(item), name(item)))]
    raise UsageError(
        f"{len(found)} workloads look like Coder's control plane: {', '.join(names)}"
        if found
        else f"no Deployment in {where} is Coder's: none carries {labels}, none is of the chart of Coder v2",
        input=target.namespace or "(discovery)",
        expected="one workload to check",
        remedy="name it: acrcheck run -n NAMESPACE --workload KIND/NAME",
    )


def _candidate(item: dict[str, Any]) -> str:
    """Name one of several control planes, with what tells it from the others."""
    release = texts(item, "metadata", "annotations").get("meta.helm.sh/release-name")
    said = [f"release {release}"] if release else []
    said += ["satellite"] if _is_satellite(item) else []
    return f"{namespace(item)}/deployment/{name(item)}" + (f" ({', '.join(said)})" if said else "")


def list_where_permitted(
    cluster: Cluster, target: Target, resource: Resource, labels: str, *, metadata_only: bool = False
) -> tuple[str, Answer]:
    """List what has these labels: in the namespace given, else in all, else where the context points."""
    place = target.namespace
    answer = cluster.list(resource, place, labels, metadata_only=metadata_only)
    if answer.too_wide and not place:
        place = target.context_namespace or "default"
        answer = cluster.list(resource, place, labels, metadata_only=metadata_only)
    return place, answer


def refuse_unknown_namespace(cluster: Cluster, target: Target, wanted: str) -> None:
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
    """By the charts' selector, or by name and image where the chart is older than that (before 1.21)."""
    containers = mappings(manifest, "spec", "template", "spec", "containers")
    return text(manifest, "spec", "selector", "matchLabels", CODER) in CODER_NAMES or (
        name(manifest) in CODER_NAMES
        and any(CODER_IMAGE.search(text(container, "image")) for container in containers)
    )


def _is_coder_v2(manifest: dict[str, Any]) -> bool:
    """By the chart's selector, or by the image where the chart was given another name."""
    key, value = CODER_V2
    containers = mappings(manifest, "spec", "template", "spec", "containers")
    return not _is_coder(manifest) and (
        text(manifest, "spec", "selector", "matchLabels", key) == value
        or any(CODER_V2_IMAGE.search(text(container, "image")) for container in containers)
    )


def _is_satellite(manifest: dict[str, Any]) -> bool:
    """Satellites run `coderd replica` (enterprise-helm, templates/coderd.yaml)."""
    containers = mappings(manifest, "spec", "template", "spec", "containers")
    words = [word for each in containers for key in ("command", "args") for word in each.get(key) or ()]
    return _is_coder(manifest) and "replica" in words


def _manager(found: Workload) -> Observation:
    """Tell what makes the workload: GitOps first, because it also leaves Helm's labels."""
    labels = texts(found.manifest, "metadata", "labels")
    annotations = texts(found.manifest, "metadata", "annotations")
    if any(key.startswith("argocd.argoproj.io/") for key in (*labels, *annotations)):
        return GITOPS(tool="Argo CD")
    if any(".toolkit.fluxcd.io/" in key for key in (*labels, *annotations)):
        return GITOPS(tool="Flux")
    owner = release_of(found)
    if owner is None:
        return _by_hand(found)
    release, where = owner
    chart = CHART.fullmatch(labels.get("helm.sh/chart", ""))
    if chart is None:
        return HELM_UNKNOWN(release=release, release_namespace=where)
    return HELM(release=release, release_namespace=where, chart=chart["chart"], version=chart["version"])


def release_of(found: Workload) -> tuple[str, str] | None:
    """Name the Helm release that makes a workload, and its namespace; None where Helm does not."""
    labels = texts(found.manifest, "metadata", "labels")
    annotations = texts(found.manifest, "metadata", "annotations")
    release = annotations.get("meta.helm.sh/release-name")
    if not release and (found.kind == "pod" or labels.get("app.kubernetes.io/managed-by") != "Helm"):
        return None
    release = release or labels.get("app.kubernetes.io/instance", found.name)
    return release, annotations.get("meta.helm.sh/release-namespace", found.namespace)


def _by_hand(found: Workload) -> Observation:
    """What a workload that nothing keeps is changed by: that differs with its kind."""
    title = f"{found.kind}/{found.name}"
    if found.kind == "pod":
        owner = _controller(found.manifest)
        maker = f"{text(owner, 'kind').lower()}/{text(owner, 'name')}" if owner else "nothing"
        return BARE_POD(workload=title, owner=maker)
    kinds = {"job": IS_JOB, "cronjob": IS_CRON_JOB}
    return kinds[found.kind](workload=title) if found.kind in kinds else BY_HAND()


def autoscaler(found: Workload, cluster: Cluster) -> Looking[Autoscaler]:
    """What sets the number of replicas is known."""
    if found.kind not in {"deployment", "statefulset"}:
        raise NotApplicableError(f"a {found.kind} is not scaled")
    for item in cluster.list(AUTOSCALERS, found.namespace).items():
        meant = mapping(item, "spec", "scaleTargetRef")
        if (text(meant, "kind").lower(), text(meant, "name")) == (found.kind, found.name):
            spec = mapping(item, "spec")
            least, most = number(spec, "minReplicas", default=1), number(spec, "maxReplicas")
            yield SCALED_BY(autoscaler=name(item), least=least, most=most)
            return Autoscaler(name(item))
    return Autoscaler("")


def rollout(found: Workload, scaler: Maybe[Autoscaler]) -> Looking[Rollout]:
    """The newest template has reached every pod."""
    if found.kind in {"job", "cronjob", "pod"}:
        yield from _run_state(found)
        return Rollout(complete=True, replicas=_running(found))
    status = mapping(found.manifest, "status")
    wanted = number(found.manifest, "spec", "replicas", default=1)
    if wanted and (scaler.status is Status.UNKNOWN or (scaler.value and scaler.value.name)):
        # While an autoscaler adds replicas, or one may be there, that some are not there yet is no rollout.
        wanted = number(status, "replicas", default=wanted)
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


def _run_state(found: Workload) -> Looking[None]:
    """Tell of what runs to an end why no pod of it runs any more, or not yet."""
    title = f"{found.kind}/{found.name}"
    conditions = {
        text(item, "type"): item
        for item in mappings(found.manifest, "status", "conditions")
        if item.get("status") == "True"
    }
    failed = conditions.get("Failed") if found.kind == "job" else None
    phase = text(found.manifest, "status", "phase")
    if failed is not None:
        yield JOB_FAILED(workload=title, why=_told(text(failed, "reason"), text(failed, "message")))
    elif found.kind == "pod" and phase in ENDED:
        yield OVER(workload=title, state=f"has ended ({phase})")
    elif mapping(found.manifest, "spec").get("suspend") is True:
        yield OVER(workload=title, state="is suspended")
    elif found.kind == "job" and "Complete" in conditions:
        yield OVER(workload=title, state="has completed")
    elif found.kind == "cronjob" and not _running(found):
        schedule = text(found.manifest, "spec", "schedule")
        yield OVER(workload=title, state=f"has no Job that runs now (schedule {schedule})")


def _running(found: Workload) -> int:
    """How many pods of what runs to an end should be there now."""
    if found.kind == "pod":
        return int(text(found.manifest, "status", "phase") not in ENDED)
    if found.kind == "cronjob":
        return len(mappings(found.manifest, "status", "active"))
    return number(found.manifest, "status", "active")


def _told(*said: str) -> str:
    return ": ".join(word for word in said if word)


def pods(found: Workload, state: Rollout, cluster: Cluster) -> Looking[Each[Pod]]:
    """Every pod of the workload runs; each one that can be looked into becomes a subject."""
    running = []
    for item in _own(found, cluster):
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


def _own(found: Workload, cluster: Cluster) -> list[dict[str, Any]]:
    """Give the workload's pods: a pod's is itself, a CronJob's are those of its Jobs."""
    if found.kind == "pod":
        return [found.manifest]
    if found.kind != "cronjob":
        return cluster.list(PODS, found.namespace, _selector(found)).items()
    every = cluster.list(JOBS, found.namespace).items()
    jobs = [
        name(job) for job in every if text(_controller(job), "uid") == text(found.manifest, "metadata", "uid")
    ]
    return cluster.list(PODS, found.namespace, f"job-name in ({','.join(jobs)})").items() if jobs else []


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
        owner=text(_controller(item), "kind"),
    )


def _exec_problem(status: dict[str, Any], state: dict[str, Any]) -> str:
    """Say why nothing can be run in the container; empty when it runs."""
    if isinstance(state.get("running"), dict):
        return ""
    waiting = mapping(state, "waiting") or _initialising(status)
    why = _told(text(waiting, "reason"), text(waiting, "message")[:200])
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
        sees=(
            HELM,
            HELM_UNKNOWN,
            GITOPS,
            BY_HAND,
            BARE_POD,
            IS_JOB,
            IS_CRON_JOB,
            ON_DELETE,
            CODER_ITSELF,
            CODER_ITSELF_V2,
            SATELLITE,
            PULL_ALWAYS,
        ),
        asks=(
            ("list", "deployments.apps"),
            *(("get", f"{item.plural}.{item.group}".rstrip(".")) for item in (*KINDS.values(), REPLICASETS)),
        ),
    ),
    Check(
        "autoscaler",
        "what sets its replicas is known",
        autoscaler,
        sees=(SCALED_BY,),
        asks=(("list", "horizontalpodautoscalers.autoscaling"),),
        optional=True,
    ),
    Check("rollout", "its rollout is complete", rollout, sees=(UNDER_WAY, SCALED_DOWN, OVER, JOB_FAILED)),
    Check(
        "pods",
        "its pods run",
        pods,
        sees=(ENDING, NOT_RUNNING, WAITS, NOT_READY, NO_PODS),
        asks=(("list", "pods"), ("list", "jobs.batch")),
    ),
)
