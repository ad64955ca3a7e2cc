"""Which nodes are to pull which image, and what their kubelets come to."""

from typing import Any

import pytest

from acrcheck.api import (
    Answer,
    CannotLookError,
    Each,
    Looking,
    NotApplicableError,
    Outcome,
    Pull,
    Target,
    Vantage,
)
from acrcheck.azure.image import parse_image
from acrcheck.facts import Image, KubeletPull, Manifest, Path, Route, Trial
from checks.trial import CHECKS, kubelet_pull, trials
from tests.checks.looking import (
    NAMESPACE,
    Case,
    FakeCluster,
    declared,
    deployment,
    each,
    good,
    look,
    pod,
    refuse_unseen,
    sight,
    workload,
)

TEXT = "acme.azurecr.io/coder/coderd:1.44"
IMAGE = Image(TEXT, ("coderd",), parse_image(TEXT))
WITH_LEAVE = Target(allow=frozenset({"probe-pod"}))
NOT_FOUND = f'rpc error: code = NotFound desc = failed to pull and unpack image "{TEXT}": {TEXT}: not found'
ECHO = "rpc error: code = Unknown desc = failed to fetch anonymous token: 401 Unauthorized"
POOL = "kubernetes.azure.com/agentpool"


def node(name: str, pool: str = "user", *conditions: str, **changed: Any) -> dict[str, Any]:
    """A node that is ready."""
    listed = [{"type": kind, "status": "True"} for kind in ("Ready", *conditions)]
    labels = {POOL: pool, "kubernetes.io/os": "linux", **changed.get("labels", {})}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": changed.get("spec", {}),
        "status": {"conditions": listed, **changed.get("status", {})},
    }


def chosen(
    *nodes: dict[str, Any],
    size: int = 0,
    images: tuple[Image, ...] = (IMAGE,),
    spec: dict[str, Any] | None = None,
    target: Target = WITH_LEAVE,
) -> list[Trial]:
    """Which pulls are to be tried."""
    manifest = deployment()
    manifest["spec"]["template"]["spec"] |= spec or {}
    path = Path("coderd-1", "a", Vantage("exec"), "acme.azurecr.io")
    way = Route(path, IMAGE.reference)
    seen = (
        Each(((way.subject, Manifest("sha256:1", (), (("sha256:2", size),))),)) if size else Each[Manifest]()
    )
    found = Each(tuple((image.subject, image) for image in images))
    cluster = FakeCluster({"nodes": list(nodes)})
    _, given = look(trials(workload(manifest), found, Each(((way.subject, way),)), seen, cluster, target))
    return list(given)


def trying(answer: Answer, trial: Trial | None = None, policy: str = "Always") -> Looking[KubeletPull]:
    """Try one, while a pod runs."""
    manifest = deployment()
    manifest["spec"]["template"]["spec"]["containers"] = [
        {"name": "coderd", "image": TEXT, "imagePullPolicy": policy}
    ]
    running = pod(status={"containerStatuses": [{"name": "coderd", "state": {"running": {}}}]})
    door = FakeCluster(trial=answer)
    return kubelet_pull(trial or Trial(IMAGE, "user", "a"), workload(manifest), each(running), door)


def failed(said: str = NOT_FOUND, *events: dict[str, Any], reason: str = "ErrImagePull") -> Answer:
    """The kubelet's answer when it could not."""
    state = {"waiting": {"reason": reason, "message": said}}
    status = {"containerStatuses": [{"name": "pull", "state": state}]}
    return good({"pulled": False, "status": status, "events": list(events), "seconds": 2.5})


def came(*events: dict[str, Any]) -> Answer:
    """The kubelet's answer when it could."""
    return good({"pulled": True, "status": {}, "events": list(events), "seconds": 2.5})


CASES: dict[tuple[str, str], Case] = {
    ("kubelet-pull", "kubelet-pulled"): lambda: trying(came()),
    ("kubelet-pull", "kubelet-pull-failed"): lambda: trying(failed()),
    ("kubelet-pull", "image-only-on-nodes"): lambda: trying(failed(), policy="IfNotPresent"),
}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_it_sees(case: tuple[str, str]) -> None:
    """Each kind that a check declares is seen in some world."""
    refuse_unseen(CHECKS, *case, CASES[case])


def test_every_kind_has_a_case() -> None:
    """Nothing is declared that is never seen."""
    assert declared(CHECKS) == CASES.keys()


def test_without_leave_nothing_is_tried() -> None:
    """It is an input that is missing, and the flag is named."""
    with pytest.raises(NotApplicableError, match="--allow probe-pod"):
        chosen(node("a"), target=Target())


def test_one_node_of_each_pool_for_each_image() -> None:
    """By either of AKS's labels; a node without is a pool of its own."""
    other = Image("docker.io/library/busybox:1", (), parse_image("docker.io/library/busybox:1"))
    older = node("c", labels={POOL: "", "agentpool": "old"})
    nodes = (node("b"), node("a"), older, node("d", labels={POOL: ""}))
    found = chosen(*nodes, images=(IMAGE, other))
    assert [(trial.image.text, trial.pool, trial.node) for trial in found] == [
        (image.text, pool, name)
        for image in (IMAGE, other)
        for pool, name in (("d", "d"), ("old", "c"), ("user", "a"))
    ]


def test_a_name_that_nobody_can_pull_is_not_tried() -> None:
    """Other checks tell of it."""
    assert chosen(node("a"), images=(Image("Not/An Image", (), None),)) == []


def test_a_node_that_has_the_image_is_the_second_choice() -> None:
    """Where it is not yet, its layers come too."""
    held = node("a", status={"images": [{"names": [TEXT], "sizeBytes": 9}]})
    assert chosen(held, node("b"))[0].node == "b"
    assert chosen(held)[0].node == "a"


@pytest.mark.parametrize(
    ("changed", "spec"),
    [
        ({"labels": {"kubernetes.io/os": "windows"}}, {}),
        ({}, {"nodeSelector": {"disk": "ssd"}}),
        ({"spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}}, {}),
        (
            {"spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoExecute"}]}},
            {"tolerations": [{"key": "gpu", "value": "no"}, {"key": "other", "operator": "Exists"}]},
        ),
        (
            {},
            {
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}
                            ]
                        }
                    }
                }
            },
        ),
    ],
)
def test_a_pool_on_which_no_pod_would_be_is_left_out(changed: dict[str, Any], spec: dict[str, Any]) -> None:
    """What never pulls the image need not be able to."""
    assert [trial.node for trial in chosen(node("a"), node("b", "other", **changed), spec=spec)] == (
        [] if spec and not changed else ["a"]
    )


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "gpu", "value": "yes"},
    ],
)
def test_a_taint_that_is_tolerated_keeps_nothing_off(toleration: dict[str, Any]) -> None:
    """By key and value, by key, or all."""
    tainted = node("a", spec={"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]})
    assert chosen(tainted, spec={"tolerations": [toleration]})[0].node == "a"


def test_a_pool_without_a_node_that_may_is_unknown() -> None:
    """Why not is said of each node; one that may is enough."""
    pressed = node("a", "user", "DiskPressure")
    cordoned = {
        "unschedulable": True,
        "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}],
    }
    (trial,) = chosen(pressed, node("b", spec=cordoned))
    assert (trial.node, trial.subject.scope) == (
        "",
        frozenset({"pool/user", f"image/{TEXT}", "identity/kubelet"}),
    )
    with pytest.raises(CannotLookError, match="a: it has DiskPressure; b: it is cordoned"):
        look(trying(came(), trial))
    assert chosen(pressed, node("b"))[0].node == "b"


@pytest.mark.parametrize(("storage", "fits"), [("100000000000", True), ("10000000000", False), ("", True)])
def test_an_image_that_would_fill_the_disk_is_not_pulled(storage: str, *, fits: bool) -> None:
    """By the layers' sizes and what the node has already, where both are known."""
    status = {
        "allocatable": {"ephemeral-storage": storage},
        "images": [{"names": ["x"], "sizeBytes": 5_500_000_000}],
    }
    (trial,) = chosen(node("a", status=status), size=1_000_000_000)
    assert (not trial.why_not) is fits
    assert fits or "MiB" in trial.why_not


def test_what_is_asked_is_what_the_next_pod_would_be() -> None:
    """Its pull secrets, account, tolerations and security context, and no running pod is needed."""
    manifest = deployment()
    spec = manifest["spec"]["template"]["spec"]
    spec |= {
        "imagePullSecrets": [{"name": "registry"}],
        "serviceAccountName": "coder",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "securityContext": {"runAsUser": 1000, "fsGroup": 1},
    }
    spec["containers"][0]["securityContext"] = {"runAsUser": 1001}
    cluster = FakeCluster(trial=came())
    look(kubelet_pull(Trial(IMAGE, "user", "a"), workload(manifest), Each(), cluster))
    assert cluster.pulls == [
        Pull(
            NAMESPACE,
            TEXT,
            "a",
            secrets=("registry",),
            service_account="coder",
            tolerations=({"key": "gpu", "operator": "Exists"},),
            security={"runAsUser": 1001, "fsGroup": 1},
        )
    ]


def test_a_pull_that_succeeds() -> None:
    """The fact says so, and the kubelet's own words stand beside."""
    seen, fact = look(trying(came({"reason": "Pulled", "message": "Successfully pulled image in 2s"})))
    assert fact == KubeletPull(TEXT, "a", "user", ok=True, said="Successfully pulled image in 2s")
    assert seen[0].evidence == {"said": "Successfully pulled image in 2s"}


def test_of_several_errors_the_first_is_told() -> None:
    """The others, which may be its echo, are kept as evidence."""
    seen, fact = look(trying(failed(f"[{NOT_FOUND}, {ECHO}]")))
    assert (fact.ok, fact.said) == (False, NOT_FOUND)
    assert seen[0].values["said"] == NOT_FOUND
    assert seen[0].evidence == {"errors": [NOT_FOUND, ECHO]}


def test_the_words_are_the_events_where_the_status_has_none() -> None:
    """Of an older kubelet, which says no more than that it waits."""
    event = {"reason": "Failed", "message": f'Failed to pull image "{TEXT}": {NOT_FOUND}'}
    answer = failed(f'Back-off pulling image "{TEXT}"', event, reason="ImagePullBackOff")
    assert look(trying(answer))[1].said == NOT_FOUND


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(Outcome.CONFLICT, detail="node a: it is cordoned"), "^node a: it is cordoned$"),
        (Answer(Outcome.INVALID, detail="exceeded quota"), "^exceeded quota$"),
        (Answer(Outcome.FORBIDDEN), "forbidden"),
        (
            good(
                {
                    "pulled": None,
                    "status": {"reason": "OutOfpods", "message": "Node didn't have enough resource"},
                    "events": [],
                    "seconds": 1.0,
                }
            ),
            "OutOfpods: Node didn't have enough resource",
        ),
        (
            good(
                {
                    "pulled": None,
                    "status": {},
                    "events": [{"type": "Warning", "message": "Failed to create pod sandbox"}],
                    "seconds": 240.0,
                }
            ),
            "within 240.0 s: Failed to create pod sandbox",
        ),
        (good({"pulled": None}), "neither came nor failed to"),
    ],
)
def test_what_came_to_nothing_is_unknown(answer: Answer, why: str) -> None:
    """Refused, not tried, or not come to an end: with the reason, and no guess."""
    with pytest.raises(CannotLookError, match=why):
        look(trying(answer))


def test_a_malformed_answer_is_a_failure_without_words() -> None:
    """Nothing crashes over it."""
    assert sight(trying(good({"pulled": False}))) == ["kubelet-pull-failed"]
