"""What the kubelet said of its pulls."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from acrcheck.api import (
    EVENTS,
    Check,
    Clock,
    Cluster,
    Each,
    Looking,
    Maybe,
    Observation,
    Status,
    Subject,
    fail,
    note,
    warn,
)
from acrcheck.azure.image import ImageReference, ImageReferenceError, parse_image
from acrcheck.facts import (
    KUBELET,
    AccessToken,
    Claim,
    FailedPulls,
    Image,
    Manifest,
    Pod,
    PodEvents,
    Route,
    Workload,
)

from .objects import awaited, mapping, mappings, moment, number, text

FAILED = fail(
    "image-pull-failed",
    "the kubelet on {node} could not pull {image} for pod {pod}: {said}",
    "host",
    "repository",
    "account",
    quotes="said",
)
RECOVERED = note(
    "image-pull-recovered",
    "{image} could not be pulled for pod {pod} {ago} ago, and has been since: {said}",
)
BACKS_OFF = note(
    "image-pull-back-off", "the kubelet tries again {wait} to pull {image} for pod {pod}: {tried}"
)
REMADE = note("pod-made-anew", "pod {pod} is made anew by its {owner} when it is deleted, and tries at once")
NOT_RETRIEVED = note("pull-secret-not-retrieved", "the kubelet on {node} says for pod {pod}: {said}")
KEPT = warn(
    "image-only-on-nodes",
    "{image} cannot be pulled now, and {pods} run from what is on their nodes (imagePullPolicy {policy}): the next "
    "pod elsewhere will wait for it",
)
NEVER = warn(
    "image-never-pulled",
    "imagePullPolicy of {container} is Never: no pod starts on a node that does not have {image} already",
)
WORKS = note(
    "image-pull-works-now",
    "with {credential}, {beside} on the same node is given the manifest of {image} now",
)

PULL = re.compile(r'Failed to pull image "(?P<image>[^"]*)": (?P<said>.*)', re.DOTALL)
BACK_OFF = re.compile(r'Back-off pulling image "[^"]*"(?:: \w+: (?P<said>.*))?', re.DOTALL)
"""What a container in back-off waits for: newer kubelets add the last error."""
NEXT = re.compile(r", (?=rpc error: code = |failed to pull )")
"""Between the errors of several credentials (kubernetes/kubernetes, pkg/kubelet/kuberuntime/kuberuntime_image.go)."""


FIRST_WAIT, LONGEST_WAIT = 10, 300
"""Seconds for which the kubelet waits after the first failed pull and, doubling, at most
(kubernetes/kubernetes, pkg/kubelet/kubelet.go: imageBackOffPeriod, MaxImageBackOff)."""
PULLED_AGAIN = frozenset({"ErrImagePull", "ImagePullBackOff"})
REMAKERS = frozenset({"ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet"})
"""What makes another pod in place of one that is deleted, and counts no failure for it, as a Job does."""


def pod_events(found: Workload, cluster: Cluster) -> Looking[PodEvents]:
    """The events of the pods can be read."""
    yield from ()
    by_pod: dict[str, tuple[dict[str, Any], ...]] = {}
    for item in sorted(cluster.list(EVENTS, found.namespace).items(), key=lambda item: str(_time(item))):
        if text(item, "involvedObject", "kind") == "Pod":
            pod = text(item, "involvedObject", "name")
            by_pod[pod] = (*by_pod.get(pod, ()), item)
    return PodEvents(by_pod)


def _time(event: dict[str, Any]) -> datetime | None:
    """When an event was last seen; a single one of events.k8s.io has only the time at which it happened."""
    return (
        moment(event, "series", "lastObservedTime")
        or moment(event, "lastTimestamp")
        or moment(event, "eventTime")
        or moment(event, "metadata", "creationTimestamp")
    )


def pulls(pod: Pod, events: Maybe[PodEvents], clock: Clock) -> Looking[FailedPulls]:
    """The pod waits for no image."""
    told = events.value.by_pod.get(pod.name, ()) if events.value else ()
    images = _images(pod)
    waiting = _waiting(pod)
    yield from failed_pulls(pod, told)
    for image, state in waiting.items():
        if text(state, "reason") in PULLED_AGAIN:
            yield _back_off(pod, image, told, clock.now())
    if waiting and pod.owner in REMAKERS:
        yield REMADE(pod=pod.name, owner=pod.owner)
    yield from _recovered(pod, images, told, clock.now())
    for event in told[::-1]:
        if text(event, "reason") == "FailedToRetrieveImagePullSecret":
            yield NOT_RETRIEVED(node=pod.node, pod=pod.name, said=text(event, "message"))
            break
    return FailedPulls(tuple(waiting))


def failed_pulls(pod: Pod, told: tuple[dict[str, Any], ...]) -> Iterator[Observation]:
    """Tell of the images that a pod waits for, by its status and its events."""
    for image, state in _waiting(pod).items():
        yield _failed(pod, image, words(image, state, told))


def _waiting(pod: Pod) -> dict[str, dict[str, Any]]:
    """Give the images that a pod waits for, each with a container's state."""
    images = _images(pod)
    return {images.get(container, ""): state for container, state in awaited(pod.status)}


def _images(pod: Pod) -> dict[str, str]:
    """Give the images of a pod by the names of its containers."""
    return {
        text(item, "name"): text(item, "image")
        for field in ("initContainers", "containers")
        for item in mappings(pod.spec, field)
    }


def _failed(pod: Pod, image: str, said: str) -> Observation:
    """Tell of a pull."""
    errors = errors_of(said)
    host, repository = parts(image)
    seen = FAILED(
        node=pod.node,
        image=image,
        pod=pod.name,
        said=errors[0],
        host=host,
        repository=repository,
        account=text(pod.spec, "serviceAccountName") or "default",
        evidence={"errors": errors} if errors[1:] else {},
    )
    secrets = {f"secret/{text(entry, 'name')}" for entry in mappings(pod.spec, "imagePullSecrets")}
    return seen.on(Subject(pod.subject.name, pod.subject.scope | secrets | {f"image/{image}", KUBELET}))


def _back_off(pod: Pod, image: str, told: tuple[dict[str, Any], ...], now: datetime) -> Observation:
    """Tell when the kubelet tries again: it waits twice as long after each failure."""
    failures = [event for event, _ in _failures(image, told)]
    times = sum(max(1, number(event, "count"), number(event, "series", "count")) for event in failures)
    last = max((at for event in failures if (at := _time(event))), default=None)
    wait, tried = f"in at most {span(LONGEST_WAIT)}", "no event says when it tried last"
    if last:
        doubled = min(LONGEST_WAIT, FIRST_WAIT << min(times - 1, 10))
        left = doubled - (now - last).total_seconds()
        wait = f"in {span(left)}" if left > 0 else "at any moment"
        once = "once" if times == 1 else f"{times} times, for the last time"
        tried = f"it tried {once} {span((now - last).total_seconds())} ago"
    return BACKS_OFF(image=image, pod=pod.name, wait=wait, tried=tried)


def span(seconds: float) -> str:
    """Write seconds as people do: `40s`, `3m20s`, `2h5m`."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    written = ((hours, "h"), (minutes, "m"), (0 if hours else rest, "s"))
    return "".join(f"{count}{unit}" for count, unit in written if count) or "0s"


def errors_of(said: str) -> list[str]:
    """Give the errors of several credentials one by one: the first is the truth, others may be its echo."""
    return NEXT.split(said[1:-1]) if said.startswith("[") and said.endswith("]") else [said]


def parts(image: str) -> tuple[str, str]:
    """Host and repository of an image; the words that stand for them where its name cannot be read."""
    try:
        reference = parse_image(image)
    except ImageReferenceError:
        return "HOST", "REPOSITORY"
    return reference.host, reference.repository


def words(image: str, waiting: dict[str, Any], told: tuple[dict[str, Any], ...]) -> str:
    """Give the kubelet's own words: the state's, else those of the newest event."""
    reason, message = text(waiting, "reason"), text(waiting, "message")
    back_off = BACK_OFF.fullmatch(message)
    words = (back_off["said"] or "") if back_off else message
    newest = next((said for _, said in _failures(image, told[::-1])), "")
    return words or newest or (reason if " " in reason else f"{reason}: {message}".removesuffix(": "))


def _failures(image: str, told: tuple[dict[str, Any], ...]) -> Iterator[tuple[dict[str, Any], str]]:
    """Give the events of failed pulls of an image, each with what it says."""
    for event in told:
        found = PULL.fullmatch(text(event, "message")) if text(event, "reason") == "Failed" else None
        if found and found["image"] == image:
            yield event, found["said"]


def _recovered(
    pod: Pod, images: dict[str, str], told: tuple[dict[str, Any], ...], now: datetime
) -> Iterator[Observation]:
    """Tell of failures after which the container has started."""
    for field in ("initContainerStatuses", "containerStatuses"):
        for item in mappings(pod.status, field):
            image = images.get(text(item, "name"), "")
            started = moment(item, "state", "running", "startedAt") or moment(
                item, "state", "terminated", "startedAt"
            )
            failures = list(_failures(image, told[::-1]))[:1] if started else []
            for event, said in failures:
                at = _time(event)
                if at and started and at <= started:
                    yield RECOVERED(
                        image=image, pod=pod.name, ago=span((now - at).total_seconds()), said=said
                    )


def retry(pod: Pod, failed: FailedPulls, ways: Each[Route], manifests: Each[Manifest]) -> Looking[None]:
    """What a pod waits for cannot be had with its pull secret from its node either."""
    had = {subject for subject, _ in manifests.items}
    for way in ways:
        if way.subject in had and way.credentials and way.path.node == pod.node:
            image = next((image for image in failed.images if _same(image, way)), "")
            if image:
                yield WORKS(credential=way.credentials[0], beside=way.path.pod, image=image).on(pod.subject)


def _same(image: str, way: Route) -> bool:
    return way.image is not None and _reference(image) == way.image


def _reference(image: str) -> ImageReference | None:
    try:
        return parse_image(image)
    except ImageReferenceError:
        return None


def kept(
    claim: Claim, token: Maybe[AccessToken], ways: Each[Route], found: Workload, pods: Each[Pod]
) -> Looking[None]:
    """What runs from an image on its node could be pulled again with its pull secrets."""
    if token.status is not Status.FAIL:
        return
    for way in ways:
        if way.credentials and way.image and Claim(way).subject == claim.subject:
            yield from still_there(way.image, found, pods)


def still_there(image: ImageReference, found: Workload, pods: Each[Pod]) -> Iterator[Observation]:
    """Tell that pods run from an image that the kubelet does not ask the registry for."""
    containers = [
        item
        for field in ("initContainers", "containers")
        for item in mappings(found.pod_spec, field)
        if _reference(text(item, "image")) == image
    ]
    policies = {text(item, "imagePullPolicy") for item in containers} - {"Always", ""}
    names = {text(item, "name") for item in containers}
    running = [pod for pod in pods if _run_in(pod) & names]
    if policies and running:
        shown = ", ".join(pod.name for pod in running[:3])
        yield KEPT(pods=shown, policy="/".join(sorted(policies)), image=image)


def _run_in(pod: Pod) -> set[str]:
    return {
        text(item, "name")
        for item in mappings(pod.status, "containerStatuses")
        if "running" in mapping(item, "state")
    }


def policies(image: Image, found: Workload) -> Looking[None]:
    """The kubelet may fetch the image where a node does not have it."""
    for field in ("initContainers", "containers"):
        for item in mappings(found.pod_spec, field):
            if text(item, "image") == image.text and text(item, "imagePullPolicy") == "Never":
                yield NEVER(container=text(item, "name"), image=image.text)


CHECKS = (
    Check(
        "image-policy",
        "nodes may fetch the image",
        policies,
        sees=(NEVER,),
        each=Image,
    ),
    Check(
        "pod-events",
        "the events of its pods can be read",
        pod_events,
        asks=(("list", "events"),),
        optional=True,
    ),
    Check(
        "pod-images",
        "no pod waits for an image",
        pulls,
        sees=(FAILED, BACKS_OFF, REMADE, RECOVERED, NOT_RETRIEVED),
        each=Pod,
    ),
    Check(
        "pull-retry",
        "what failed is not to be had now",
        retry,
        sees=(WORKS,),
        each=Pod,
        optional=True,
    ),
    Check(
        "image-kept",
        "what runs could be pulled again",
        kept,
        sees=(KEPT,),
        each=Claim,
        optional=True,
    ),
)
