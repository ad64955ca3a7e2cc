"""What the kubelet said of its pulls, read from statuses and events."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from acrcheck.api import EVENTS, CannotLookError, Each, Looking, Maybe, Status, Vantage
from acrcheck.azure.image import parse_image
from acrcheck.facts import (
    Claim,
    Credential,
    FailedPulls,
    Image,
    Manifest,
    Path,
    Pod,
    PodEvents,
    Rollout,
    Route,
    Workload,
)
from checks.kubelet import CHECKS, kept, pod_events, policies, pulls, retry, span
from checks.workload import pods
from tests.checks.looking import (
    NAMESPACE,
    NODE,
    NODE_2,
    NOW,
    Case,
    Clock,
    FakeCluster,
    declared,
    deployment,
    each,
    ids,
    known,
    look,
    pod,
    refuse_unseen,
    refused,
    sight,
    unknown,
    workload,
)

IMAGE = "acme.azurecr.io/coder/coderd:1.44"
NOT_FOUND = f'rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": {IMAGE}: not found'
ECHO = "rpc error: code = Unknown desc = failed to fetch anonymous token: 401 Unauthorized"
RETRIEVE = "Unable to retrieve some image pull secrets (acr); attempting to pull the image may not succeed."


def stamp(minutes: float) -> str:
    """The moment so many minutes ago, as Kubernetes writes it."""
    return f"{NOW - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


def event(message: str, *, ago: float = 1, reason: str = "Failed", name: str = "coderd-1") -> dict[str, Any]:
    """An event of a pod."""
    return {
        "metadata": {"name": f"{name}.{ago}", "namespace": NAMESPACE},
        "involvedObject": {"kind": "Pod", "name": name},
        "reason": reason,
        "message": message,
        "lastTimestamp": stamp(ago),
    }


def failed(said: str = NOT_FOUND, **more: Any) -> dict[str, Any]:
    """The event of a failed pull."""
    return event(f'Failed to pull image "{IMAGE}": {said}', **more)


def status(field: str = "containerStatuses", **state: Any) -> Pod:
    """A pod of one container, in this state."""
    spec = {field.removesuffix("Statuses") + "s": [{"name": "coderd", "image": IMAGE}]}
    return pod(spec=spec, status={field: [{"name": "coderd", "state": state}]})


def waiting(reason: str = "ImagePullBackOff", message: str = "", **more: Any) -> Pod:
    """A pod whose container waits."""
    return status(waiting={"reason": reason, "message": message}, **more)


def telling(of: Pod, *events: dict[str, Any], readable: bool = True) -> Looking[FailedPulls]:
    """Look at a pod and its events."""
    told: Maybe[PodEvents] = known(PodEvents({of.name: events})) if readable else unknown()
    return pulls(of, told, Clock())


def said(of: Pod, *events: dict[str, Any], readable: bool = True) -> str:
    """What the kubelet is quoted with."""
    seen, _ = look(telling(of, *events, readable=readable))
    return seen[0].values["said"]


def way(*, node: str = NODE, stored: bool = True, image: str = IMAGE) -> Route:
    """A route along which the registry was asked."""
    path = Path("coderd-2", node, Vantage("exec", NAMESPACE, "coderd-2", "coderd", node), "acme.azurecr.io")
    credential = Credential("secret acr", "acr", "acme", "<opaque:1>", "admin user")
    return Route(path, parse_image(image), (credential,) if stored else ())


def trying(route: Route, *, had: bool = True) -> Looking[None]:
    """Compare a failed pull with what was given along a route."""
    ways = Each(((route.subject, route),))
    found = Each(((route.subject, Manifest("sha256:1", (), ())),)) if had else Each[Manifest]()
    return retry(pod(), FailedPulls((IMAGE,)), ways, found)


OWN = Image(IMAGE, ("coderd",), parse_image(IMAGE))


def having(policy: str, image: str = IMAGE) -> Workload:
    """The workload, whose container has this policy."""
    manifest = deployment()
    manifest["spec"]["template"]["spec"]["containers"] = [
        {"name": "coderd", "image": image, "imagePullPolicy": policy}
    ]
    return workload(manifest)


def keeping(
    outcome: Status = Status.FAIL,
    *,
    policy: str = "IfNotPresent",
    stored: bool = True,
    image: str = IMAGE,
    state: str = "running",
) -> Looking[None]:
    """Ask whether what runs could be pulled again, where its token came to this."""
    route = way(stored=stored)
    running = pod(status={"containerStatuses": [{"name": "coderd", "state": {state: {}}}]})
    ways = Each(((route.subject, route),))
    return kept(Claim(route), Maybe(None, outcome), ways, having(policy, image), each(running))


CASES: dict[tuple[str, str], Case] = {
    ("pod-images", "image-pull-failed"): lambda: telling(waiting("ErrImagePull", NOT_FOUND)),
    ("pod-images", "image-pull-back-off"): lambda: telling(waiting()),
    ("pod-images", "pod-made-anew"): lambda: telling(replace(waiting(), owner="ReplicaSet")),
    ("pod-images", "image-pull-recovered"): lambda: telling(
        status(running={"startedAt": stamp(30)}), failed(ago=40)
    ),
    ("pod-images", "pull-secret-not-retrieved"): lambda: telling(
        status(running={"startedAt": stamp(30)}), event(RETRIEVE, reason="FailedToRetrieveImagePullSecret")
    ),
    ("image-policy", "image-never-pulled"): lambda: policies(OWN, having("Never")),
    ("image-kept", "image-only-on-nodes"): keeping,
    ("pull-retry", "image-pull-works-now"): lambda: trying(way()),
}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_it_sees(case: tuple[str, str]) -> None:
    """Each kind that a check declares is seen in some world."""
    refuse_unseen(CHECKS, *case, CASES[case])


def test_every_declared_kind_has_its_case() -> None:
    """No kind is declared that nobody ever saw."""
    assert declared(CHECKS) == CASES.keys()


class TestWords:
    """Which words are taken for the kubelet's own."""

    @pytest.mark.parametrize(
        "reason",
        [
            "ErrImagePull",
            "ImagePullBackOff",
            "InvalidImageName",
            "ImageInspectError",
            "ErrImageNeverPull",
            "RegistryUnavailable",
            "SignatureValidationFailed",
        ],
    )
    def test_every_reason_to_wait_for_an_image_is_a_failure(self, reason: str) -> None:
        """With the status alone, where events may not be read."""
        assert said(waiting(reason, "what it said"), readable=False) == "what it said"

    def test_an_error_may_be_the_reason_itself(self) -> None:
        """As with a pull secret that cannot be decoded."""
        error = "illegal base64 data at input byte 3"

        assert said(waiting(error)) == error

    def test_other_reasons_are_none_of_it(self) -> None:
        """A container that crashes, or is being made, has its image."""
        for reason in ("CrashLoopBackOff", "ContainerCreating", "PodInitializing", ""):
            assert sight(telling(waiting(reason, "back-off 5m0s"))) == []

    def test_in_back_off_a_newer_kubelet_adds_the_error(self) -> None:
        """What stands before it is not the error."""
        message = f'Back-off pulling image "{IMAGE}": ErrImagePull: {NOT_FOUND}'

        assert said(waiting(message=message)) == NOT_FOUND

    def test_in_back_off_an_older_one_leaves_it_to_the_newest_event(self) -> None:
        """Of this image, and of a failed pull."""
        other = event('Failed to pull image "other:1": other', ago=1)
        message = f'Back-off pulling image "{IMAGE}"'

        assert (
            said(waiting(message=message), failed("old", ago=9), failed(NOT_FOUND, ago=2), other) == NOT_FOUND
        )

    def test_without_events_it_says_what_there_is(self) -> None:
        """The reason and its message."""
        message = f'Back-off pulling image "{IMAGE}"'

        assert said(waiting(message=message)) == f"ImagePullBackOff: {message}"
        assert said(waiting()) == "ImagePullBackOff"

    def test_of_several_errors_the_first_is_the_truth(self) -> None:
        """The kubelet goes on without a credential, and is refused: an echo, kept as evidence."""
        seen, _ = look(telling(waiting("ErrImagePull", f"[{NOT_FOUND}, {ECHO}]")))

        assert seen[0].values["said"] == NOT_FOUND
        assert seen[0].evidence == {"errors": [NOT_FOUND, ECHO]}

    def test_an_init_container_waits_too(self) -> None:
        """Its image is named in another list."""
        of = waiting("ErrImagePull", NOT_FOUND, field="initContainerStatuses")
        seen, fact = look(telling(of))

        assert seen[0].values["image"] == IMAGE
        assert fact == FailedPulls((IMAGE,))

    def test_host_and_repository_stay_words_where_the_name_cannot_be_read(self) -> None:
        """No command is filled with a guess."""
        of = waiting("InvalidImageName", "couldn't parse image name")
        of.spec["containers"][0]["image"] = "acme.azurecr.io/Coder:1"
        seen, _ = look(telling(of))

        assert (seen[0].values["host"], seen[0].values["repository"]) == ("HOST", "REPOSITORY")


class TestAges:
    """What was, and is no more."""

    def test_a_failure_before_the_container_started_is_a_note(self) -> None:
        """It says how long ago it was."""
        seen, fact = look(telling(status(running={"startedAt": stamp(30)}), failed(ago=40)))

        assert ids(seen) == ["image-pull-recovered"]
        assert seen[0].values["ago"] == "40m"
        assert fact == FailedPulls(())

    def test_a_failure_after_it_is_of_another_start(self) -> None:
        """Nothing is said of it while the container runs."""
        assert sight(telling(status(running={"startedAt": stamp(30)}), failed(ago=20))) == []

    def test_times_that_cannot_be_read_are_passed_over(self) -> None:
        """Whatever an event holds."""
        odd = failed() | {"lastTimestamp": "yesterday", "eventTime": None}

        assert sight(telling(status(running={"startedAt": stamp(30)}), odd)) == []


class TestBackOff:
    """When the kubelet tries again."""

    @pytest.mark.parametrize(
        ("counts", "ago", "wait"),
        [
            ((1,), 0.1, "in 4s"),
            ((1,), 1, "at any moment"),
            ((2, 3), 1, "in 1m40s"),
            ((6,), 1, "in 4m"),
            ((40,), 1, "in 4m"),
            ((400,), 1.0, "in 4m"),
        ],
    )
    def test_it_waits_twice_as_long_each_time(self, counts: tuple[int, ...], ago: float, wait: str) -> None:
        """From ten seconds to five minutes after the last attempt, whatever the errors were."""
        events = [failed(f"error {count}", ago=ago) | {"count": count} for count in counts]
        seen, _ = look(telling(waiting(), *events))
        assert seen[1].values["wait"] == wait

    def test_an_event_of_a_series_has_its_own_count_and_time(self) -> None:
        """As events.k8s.io writes them."""
        series = {"count": 3, "lastObservedTime": stamp(0.5)}
        event = failed() | {"series": series, "count": None, "lastTimestamp": None}
        seen, _ = look(telling(waiting(), event))
        assert seen[1].values["wait"] == "in 10s"
        assert seen[1].values["tried"] == "it tried 3 times, for the last time 30s ago"

    def test_without_events_only_the_bound_is_known(self) -> None:
        """It says so."""
        seen, _ = look(telling(waiting(), readable=False))
        assert seen[1].values["wait"] == "in at most 5m"
        assert "no event" in seen[1].values["tried"]

    def test_what_is_not_pulled_is_not_pulled_again(self) -> None:
        """A name that is none, and the policy Never."""
        for reason in ("InvalidImageName", "ErrImageNeverPull"):
            assert "image-pull-back-off" not in sight(telling(waiting(reason)))

    def test_only_what_is_made_anew_is_worth_deleting(self) -> None:
        """A pod by itself is gone for good, and a Job counts a failure."""
        for owner, anew in (("ReplicaSet", True), ("StatefulSet", True), ("Job", False), ("", False)):
            seen = sight(telling(replace(waiting(), owner=owner)))
            assert ("pod-made-anew" in seen) is anew

    @pytest.mark.parametrize(
        ("seconds", "written"),
        [(-3, "0s"), (0.4, "0s"), (40, "40s"), (200, "3m20s"), (300, "5m"), (7260, "2h1m"), (7199, "1h59m")],
    )
    def test_spans_are_written_as_people_do(self, seconds: float, written: str) -> None:
        """Two units at most."""
        assert span(seconds) == written


class TestKept:
    """What runs from an image that its node has."""

    def test_is_warned_of_where_a_pull_secret_is_refused(self) -> None:
        """It breaks when the pod starts elsewhere."""
        seen, _ = look(keeping())
        assert (seen[0].values["pods"], seen[0].values["policy"]) == ("coderd-1", "IfNotPresent")
        assert sight(keeping(policy="Never")) == ["image-only-on-nodes"]

    @pytest.mark.parametrize("outcome", [Status.PASS, Status.UNKNOWN, Status.SKIP])
    def test_only_a_refusal_counts(self, outcome: Status) -> None:
        """Not what could not be looked at."""
        assert sight(keeping(outcome)) == []

    def test_a_pod_that_pulls_always_or_waits_has_a_failure_of_its_own(self) -> None:
        """Nor is it said of another image, or of the pod identity's way."""
        assert sight(keeping(policy="Always")) == []
        assert sight(keeping(state="waiting")) == []
        assert sight(keeping(image="acme.azurecr.io/coder/coderd:1.45")) == []
        assert sight(keeping(stored=False)) == []

    def test_other_policies_let_nodes_fetch(self) -> None:
        """Only Never does not."""
        for policy in ("Always", "IfNotPresent", ""):
            assert sight(policies(OWN, having(policy))) == []
        assert sight(policies(OWN, having("Never", "other:1"))) == []


class TestEvents:
    """The events of the namespace."""

    def test_are_those_of_pods_by_age(self) -> None:
        """Asked for once, the oldest first."""
        other = failed() | {"involvedObject": {"kind": "ReplicaSet", "name": "coderd-1"}}
        newest, oldest = failed(ago=1), failed(ago=5)
        cluster = FakeCluster({"events": [newest, other, oldest]})
        _, fact = look(pod_events(workload(), cluster))

        assert fact == PodEvents({"coderd-1": (oldest, newest)})
        assert cluster.asked == [("list", "events", NAMESPACE, "")]

    def test_may_be_forbidden(self) -> None:
        """Then they are unknown, never none."""
        cluster = FakeCluster(answers={("events", NAMESPACE): refused(EVENTS, NAMESPACE)})

        with pytest.raises(CannotLookError):
            look(pod_events(workload(), cluster))


class TestRetry:
    """Whether what failed would succeed now."""

    def test_counts_only_with_the_pods_own_credential_from_its_node(self) -> None:
        """The pod identity's is another one, and another node has another way."""
        assert sight(trying(way())) == ["image-pull-works-now"]
        assert sight(trying(way(stored=False))) == []
        assert sight(trying(way(node=NODE_2))) == []
        assert sight(trying(way(), had=False)) == []
        assert sight(trying(way(image="acme.azurecr.io/coder/coderd:1.45"))) == []


def test_a_pod_that_waits_for_its_image_is_not_said_to_fail_for_itself() -> None:
    """What the kubelet said is the better answer; the check of pods only notes that it waits."""
    item = {
        "metadata": {"name": "coderd-1", "namespace": NAMESPACE, "labels": {"coder.deployment": "coderd"}},
        "spec": {"nodeName": NODE, "containers": [{"name": "coderd", "image": IMAGE}]},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "coderd", "state": {"waiting": {"reason": "ErrImagePull"}}}],
        },
    }
    seen, fact = look(pods(workload(), Rollout(complete=True, replicas=1), FakeCluster({"pods": [item]})))

    assert ids(seen) == ["pod-waits-for-image"]
    assert len(fact) == 1
