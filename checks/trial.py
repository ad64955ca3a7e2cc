"""A real pull by the kubelet of one node of each pool."""

from collections.abc import Iterable, Iterator
from typing import Any

from acrcheck.api import (
    NODES,
    CannotLookError,
    Check,
    Cluster,
    Each,
    Looking,
    NotApplicableError,
    Outcome,
    Pull,
    Target,
    fail,
    note,
    selects,
    tells_state,
    unfit,
)
from acrcheck.azure.image import ImageReference
from acrcheck.facts import Image, KubeletPull, Manifest, Pod, Route, Trial, Workload

from .kubelet import KEPT, errors_of, parts, still_there, words
from .objects import mapping, mappings, name, number, text, texts

PULLED = note(
    "kubelet-pulled",
    "the kubelet on {node} (pool {pool}) pulled {image} for a throw-away pod, in {seconds} s",
)
FAILED = fail(
    "kubelet-pull-failed",
    "the kubelet on {node} (pool {pool}) cannot pull {image}, tried with a throw-away pod: {said}",
    "host",
    "repository",
    quotes="said",
)

LEAVE = "probe-pod"
POOL_LABELS = ("kubernetes.azure.com/agentpool", "agentpool")
"""By which AKS says of which pool a node is; a node that has neither is a pool of its own."""
UNPACKED = 3
"""An image takes so many times the bytes of its layers: they are compressed, and kept beside what they unpack to."""
FILLED = 0.8
"""Up to here a node's disk may be filled: above it the kubelet begins to delete images (85 % of the disk)."""
KEEPS_OFF = frozenset({"NoSchedule", "NoExecute"})
ASKS = (
    ("get", "nodes", "all"),
    ("list", "services"),
    ("list", "replicasets.apps"),
    ("list", "poddisruptionbudgets.policy"),
    ("list", "networkpolicies.networking.k8s.io"),
    ("create", "pods"),
    ("get", "pods"),
    ("delete", "pods"),
    ("list", "pods", "all"),
    ("list", "events"),
)
"""What a throw-away pod takes: nothing may select it, and its node must have a place for it."""


def trials(
    workload: Workload,
    found: Each[Image],
    ways: Each[Route],
    manifests: Each[Manifest],
    cluster: Cluster,
    target: Target,
) -> Looking[Each[Trial]]:
    """Which node of each pool is to pull which image: of the pools on which the workload's pods may be."""
    if LEAVE not in target.allow:
        raise NotApplicableError(f"needs leave: --allow {LEAVE}")
    yield from ()
    pools: dict[str, list[dict[str, Any]]] = {}
    for node in sorted(cluster.list(NODES).items(), key=name):
        if operating_system(node) == "linux" and may_host(node, workload.pod_spec):
            pools.setdefault(pool_of(node), []).append(node)
    sizes = dict(_sizes(ways, manifests))
    images = [image for image in found if image.reference]
    chosen = [
        _trial(image, pool, members, sizes.get(image.reference, 0))
        for image in images
        for pool, members in sorted(pools.items())
    ]
    return Each(tuple((trial.subject, trial) for trial in chosen))


def pool_of(node: dict[str, Any]) -> str:
    """Name the pool of a node."""
    labels = texts(node, "metadata", "labels")
    return next((labels[label] for label in POOL_LABELS if labels.get(label)), name(node))


def operating_system(node: dict[str, Any]) -> str:
    """Say which operating system a node has."""
    return texts(node, "metadata", "labels").get("kubernetes.io/os", "linux")


def may_host(node: dict[str, Any], spec: dict[str, Any]) -> bool:
    """Tell whether the scheduler would ever put a pod with this specification on the node."""
    labels = {"kubernetes.io/os": "linux", **texts(node, "metadata", "labels")}
    wanted = texts(spec, "nodeSelector")
    terms = mappings(
        spec,
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    )
    return (
        all(labels.get(key, "") == value for key, value in wanted.items())
        and (not terms or any(selects(term, labels) for term in terms))
        and all(
            _tolerated(taint, mappings(spec, "tolerations")) for taint in mappings(node, "spec", "taints")
        )
    )


def _tolerated(taint: dict[str, Any], tolerations: Iterable[dict[str, Any]]) -> bool:
    """Apply Kubernetes' rule of taints and tolerations to those that say for which pods a node is meant."""
    kept_off = text(taint, "effect") in KEEPS_OFF and not tells_state(text(taint, "key"))
    return not kept_off or any(
        text(item, "effect") in {"", text(taint, "effect")}
        and (
            text(item, "key") in {"", text(taint, "key")}
            if text(item, "operator") == "Exists"
            else (text(item, "key"), text(item, "value")) == (text(taint, "key"), text(taint, "value"))
        )
        for item in tolerations
    )


def _sizes(ways: Each[Route], manifests: Each[Manifest]) -> Iterator[tuple[ImageReference | None, int]]:
    """Give the bytes of the images' layers, as far as a manifest was seen."""
    seen = dict(manifests.items)
    for subject, way in ways.items:
        if subject in seen:
            yield way.image, sum(size for _, size in seen[subject].layers)


def _trial(image: Image, pool: str, members: list[dict[str, Any]], size: int) -> Trial:
    """Choose a node that may pull, first of all one that does not have the image: there its layers come too."""
    reasons = {name(node): unfit(node) or _no_room(node, size) for node in members}
    fit = [node for node in members if not reasons[name(node)]]
    node = min(fit, key=lambda item: _holds(item, image), default=None)
    if node is not None:
        return Trial(image, pool, name(node))
    why = "; ".join(f"{host}: {why}" for host, why in list(reasons.items())[:3])
    return Trial(image, pool, "", f"no node of pool {pool} may be asked to pull {image.text} ({why})")


def _holds(node: dict[str, Any], image: Image) -> bool:
    names = {item for held in mappings(node, "status", "images") for item in held.get("names") or ()}
    return bool(names & {image.text, str(image.reference)})


def _no_room(node: dict[str, Any], size: int) -> str:
    """Say that an image does not fit on a node's disk, as far as the node tells what is on it."""
    allocatable = number(node, "status", "allocatable", "ephemeral-storage")
    held = sum(number(item, "sizeBytes") for item in mappings(node, "status", "images"))
    room = int(allocatable * FILLED) - held
    if not allocatable or size * UNPACKED <= room:
        return ""
    return f"it has room for {max(0, room) >> 20} MiB, and the image may take {size * UNPACKED >> 20} MiB"


def kubelet_pull(trial: Trial, workload: Workload, pods: Each[Pod], cluster: Cluster) -> Looking[KubeletPull]:
    """The node's kubelet pulls the image for a throw-away pod in which nothing of it runs."""
    if trial.why_not:
        raise CannotLookError(trial.why_not)
    spec, image = workload.pod_spec, trial.image.text
    answer = cluster.try_pull(
        Pull(
            namespace=workload.namespace,
            image=image,
            node=trial.node,
            secrets=tuple(text(entry, "name") for entry in mappings(spec, "imagePullSecrets")),
            service_account=text(spec, "serviceAccountName") or "default",
            tolerations=tuple(mappings(spec, "tolerations")),
            security=_security(spec, trial.image),
        )
    )
    if answer.outcome in {Outcome.CONFLICT, Outcome.INVALID}:
        raise CannotLookError(answer.detail)
    body = answer.value()
    events = tuple(mappings(body, "events"))
    where = {"node": trial.node, "pool": trial.pool, "image": image}
    if body.get("pulled") is None:
        raise CannotLookError(_undecided(body, events))
    if body["pulled"]:
        said = next((text(item, "message") for item in events if text(item, "reason") == "Pulled"), "")
        yield PULLED(**where, seconds=text(body, "seconds"), evidence={"said": said} if said else {})
        return KubeletPull(image, trial.node, trial.pool, ok=True, said=said)
    waiting = mapping(next(iter(mappings(body, "status", "containerStatuses")), {}), "state", "waiting")
    errors = errors_of(words(image, waiting, events))
    host, repository = parts(image)
    evidence = {"errors": errors} if errors[1:] else {}
    seen = FAILED(**where, said=errors[0], host=host, repository=repository, evidence=evidence)
    yield seen
    if trial.image.reference:
        yield from still_there(trial.image.reference, workload, pods)
    return KubeletPull(image, trial.node, trial.pool, ok=False, said=errors[0])


def _security(spec: dict[str, Any], image: Image) -> dict[str, Any]:
    """Give the security context of the container that the image is for; of the pod alone where it is for none."""
    containers = [*mappings(spec, "initContainers"), *mappings(spec, "containers")]
    own = next((item for item in containers if text(item, "name") in image.containers), {})
    return {**mapping(spec, "securityContext"), **mapping(own, "securityContext")}


def _undecided(body: dict[str, Any], events: tuple[dict[str, Any], ...]) -> str:
    """Say what the pod came to where its image neither came nor failed to."""
    status = mapping(body, "status")
    told = [text(item, "message") for item in events if text(item, "type") == "Warning"]
    why = [text(status, field) for field in ("reason", "message") if text(status, field)] or told[-1:]
    waited = f"the image neither came nor failed to within {text(body, 'seconds')} s"
    return f"{waited}: {': '.join(why)}" if why else waited


CHECKS = (
    Check(
        "pull-trials",
        "which nodes are to pull is known",
        trials,
        asks=(("list", "nodes", "all"),),
        leave=LEAVE,
    ),
    Check(
        "kubelet-pull",
        "the kubelet pulls the image",
        kubelet_pull,
        sees=(PULLED, FAILED, KEPT),
        each=Trial,
        asks=ASKS,
        leave=LEAVE,
    ),
)
