"""Before an upgrade."""

import json
from dataclasses import replace
from typing import Any

import pytest

from acrcheck.api import (
    Answer,
    CannotLookError,
    Each,
    Failure,
    Looking,
    NotApplicableError,
    Outcome,
    Secret,
    Subject,
    Target,
    Trouble,
    Vantage,
)
from acrcheck.azure.image import parse_image
from acrcheck.facts import (
    AccessToken,
    ApiServer,
    ChartValues,
    Identity,
    IdentityObjects,
    KubeletPull,
    Manifest,
    OwnToken,
    Path,
    Pool,
    PullSecret,
    Rollout,
    Route,
    Trusted,
    Upcoming,
    Workload,
)
from acrcheck.helm.values import ValuesFiles
from acrcheck.model import Status
from acrcheck.wiring import Maybe
from checks.upgrade import (
    CHECKS,
    _requests,
    disruption,
    images,
    label,
    planned,
    pod_now,
    pool_nmi,
    pool_token,
    pools,
    quantity,
    rollback,
    rollback_images,
    route_now,
    steps,
    values,
    window,
)
from tests.checks.looking import (
    CLIENT_ID,
    LABEL,
    NAMESPACE,
    NODE,
    NOW,
    OTHER_ID,
    RESOURCE_ID,
    WANTED,
    Case,
    Clock,
    FakeCluster,
    FakeWire,
    binding,
    declared,
    deployment,
    each,
    http,
    identity,
    ids,
    known,
    look,
    pod,
    refuse_unseen,
    sight,
    thing,
    unknown,
    wire,
    workload,
)

HELM = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "coder"}
SOUND = {"coderd": {"extraLabels": {LABEL: "coder"}}}
GATE = Target(upgrade=True, allow=frozenset({"probe-pod"}))
IMAGE = "acme.azurecr.io/coder/coderd:1.44.3"
POOL_2 = "batch"


def deployed(version: str = "1.43.0", **spec: Any) -> Workload:
    """A workload that a chart of this version has made."""
    labels = {**HELM, "helm.sh/chart": f"coder-{version}"}
    return workload(deployment(metadata={"name": "coderd", "namespace": NAMESPACE, "labels": labels}, **spec))


def plan(current: str = "1.43.0", version: str = "1.44.3", **more: Any) -> Upcoming:
    """A step of one minor, with all that it brings."""
    made: dict[str, Any] = {
        "images": (IMAGE,),
        "labels": {LABEL: "coder"},
        "refused": (),
        "origin": "values.yaml",
    }
    return Upcoming(current, version, **{**made, **more})


def failing() -> Maybe[Any]:
    """A fact that is not there because something failed."""
    return Maybe(None, Status.FAIL, "refused")


def machine(name: str = NODE, pool: str = "user", **more: Any) -> dict[str, Any]:
    """A node of a pool, made now."""
    labels = {"agentpool": pool, "kubernetes.io/os": more.pop("system", "linux")}
    provider = f"azure:///subscriptions/s/resourceGroups/MC_x/providers/Microsoft.Compute/virtualMachineScaleSets/{pool}/virtualMachines/0"
    item = thing(name, {"providerID": provider, **more.pop("spec", {})}, "", labels=labels)
    item["metadata"]["creationTimestamp"] = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    return {**item, **more}


def pool(*nodes: dict[str, Any], name: str = "user") -> Pool:
    """A pool of these nodes."""
    return Pool(name, nodes or (machine(),))


def asking(cpu: str, *, stays: bool = False) -> dict[str, Any]:
    """A container that asks for so much of a CPU."""
    made: dict[str, Any] = {"resources": {"requests": {"cpu": cpu}}}
    return made | ({"restartPolicy": "Always"} if stays else {})


def some_pools(*pools: Pool) -> Each[Pool]:
    """Pools as subjects."""
    return Each(tuple((item.subject, item) for item in pools or (pool(),)))


OTHER = pool(machine("b", POOL_2), name=POOL_2)


def token_of(client_id: str) -> Any:
    """The token endpoint's answer with a token of a client."""
    body = {"access_token": "<jwt:1>", "client_id": client_id}
    return http(body=json.dumps(body), secrets=(Secret("<jwt:1>", "jwt", claims={"appid": client_id}),))


def asked(
    where: Pool = OTHER,
    *answers: Any,
    target: Target = GATE,
    objects: IdentityObjects | None = None,
    tokens: bool = True,
) -> Looking[None]:
    """Ask on a pool for a token; the workload's pod on the other has one."""
    one = pod()
    own = OwnToken(Vantage("exec"), None, None, {"exp": int(NOW.timestamp() + 60)})
    named = Identity(CLIENT_ID, RESOURCE_ID, "coder")
    return pool_token(
        where,
        WANTED,
        known(objects) if objects else unknown(),
        each(one),
        Each(((one.subject, named),)),
        Each(((one.subject, own),)) if tokens else Each[OwnToken](),
        wire(*answers),
        target,
    )


def lasting(
    *, ends: float = 0.0, certificate: str = "", token: float = 0.0, window_: float = 3600.0
) -> Looking[None]:
    """Look at what may end within the window."""
    entry = {"key": "acme.azurecr.io", "claims": {"exp": int(NOW.timestamp() + ends)}}
    secrets = Each(((Subject("secret/s"), PullSecret("s", "", (entry,) if ends else ())),))
    path = Path("coderd-1", NODE, Vantage("exec"), "acme.azurecr.io")
    own = OwnToken(Vantage("exec"), None, None, {"exp": int(NOW.timestamp() + token)})
    return window(
        plan(),
        secrets,
        Each(((path.subject, path),)),
        Each(((path.subject, Trusted("CN=x", certificate)),)),
        Each(((pod().subject, own),)) if token else Each[OwnToken](),
        Clock(),
        replace(GATE, thresholds={"window": window_}),
    )


def revisions(*statuses: str) -> FakeCluster:
    """A cluster with a release's revisions."""
    labels = [
        {"owner": "helm", "name": "coder", "status": status, "version": str(n)}
        for n, status in enumerate(statuses)
    ]
    return FakeCluster({"secrets": [thing(f"v{n}", labels=item) for n, item in enumerate(labels)]})


def way_back(
    *, pulled: tuple[bool, ...] = (), held: tuple[str, ...] = (), manifest: bool = False
) -> Looking[None]:
    """Look at the image of what is deployed: tried by kubelets, on the pool's node, in the registry."""
    (container,) = deployed().pod_spec["containers"]
    image = container["image"]
    node = machine(status={"images": [{"names": list(held)}]})
    way = replace(ROUTE, image=parse_image(image))
    seen = ((way.subject, Manifest("sha256:0", (), ())),) if manifest else ()
    tries = [KubeletPull(image, NODE, "user", ok=ok, said="") for ok in pulled]
    return rollback_images(
        plan(),
        deployed(),
        unknown(),
        Each(((way.subject, way),)),
        Each(seen),
        Each(tuple((Subject(item.pool), item) for item in tries)),
        some_pools(pool(node)),
    )


def with_image(tag: str, **more: Any) -> Target:
    """The gate, with values that name coderd's image."""
    tree = {"coderd": {"image": f"acme.azurecr.io/coder/coder-service:{tag}"}}
    return replace(GATE, values=ValuesFiles(("values.yaml",), tree, {}), to_chart="1.44.3", **more)


def room(
    *,
    replicas: int = 2,
    free: str = "1",
    budgets: tuple[dict[str, Any], ...] = (),
    strategy: Any = None,
    **more: Any,
) -> Looking[None]:
    """Look for room for a pod of 500m and 512Mi."""
    found = deployed(strategy=strategy or {})
    found.pod_spec["containers"][0]["resources"] = {"requests": {"cpu": "500m", "memory": "512Mi"}}
    node = machine(status={"allocatable": {"cpu": free, "memory": "1Gi"}}, **more)
    there = thing("x", {"nodeName": NODE, "containers": [{"resources": {"requests": {"cpu": "250m"}}}]})
    cluster = FakeCluster({"pods": [there], "poddisruptionbudgets": list(budgets)})
    return disruption(
        plan(), found, Rollout(complete=True, replicas=replicas), some_pools(pool(node)), cluster, GATE
    )


def budget(allowed: int) -> dict[str, Any]:
    """A PodDisruptionBudget of the workload's pods."""
    item = thing("coderd", {"selector": {"matchLabels": {LABEL: "coder"}}})
    return {**item, "status": {"expectedPods": 2, "disruptionsAllowed": allowed}}


def nmi_ready(*nodes: str) -> FakeCluster:
    """A cluster with NMI ready on these nodes."""
    items = [
        {
            **thing(f"nmi-{node}", {"nodeName": node}, "kube-system", labels={"component": "nmi"}),
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        for node in nodes
    ]
    return FakeCluster({"pods": items})


def pod_is(complete: bool = True, token: Maybe[Any] | None = None, **more: Any) -> Looking[None]:
    """Look at a pod before anything is changed."""
    told = token or known(object())
    return pod_now(pod(**more), plan(), Rollout(complete, 2), known(WANTED), told, told)


ROUTE = Route(Path("coderd-1", NODE, Vantage("exec"), "acme.azurecr.io"), parse_image(IMAGE))


def token(action: str) -> Each[AccessToken]:
    """The route's token, with one right."""
    return Each(((ROUTE.shared or ROUTE.subject, AccessToken("<token:1>", frozenset({action}))),))


YOUNG = IdentityObjects((identity(),), (binding(),), (), everywhere=True)
YOUNG.identities[0]["metadata"]["creationTimestamp"] = "2025-01-01T00:00:00Z"
NOT_FOUND = http(400, '{"error":"invalid_request","error_description":"Identity not found"}')

CASES: dict[tuple[str, str], Case] = {
    ("upgrade-plan", "upgrade-planned"): lambda: planned(deployed(), GATE, NO_RELEASE),
    ("upgrade-pods-now", "upgrade-pod-not-well"): lambda: pod_is(ready=False),
    ("upgrade-images-now", "upgrade-image-not-had"): lambda: route_now(
        ROUTE, plan(), token("push"), unknown()
    ),
    ("upgrade-steps", "upgrade-skips-minors"): lambda: steps(
        plan("1.42.0"), ApiServer("v1.36.3"), deployed()
    ),
    ("upgrade-steps", "upgrade-backwards"): lambda: steps(plan("1.44.4"), ApiServer("v1.36.3"), deployed()),
    ("upgrade-steps", "upgrade-to-coder-2"): lambda: steps(
        plan(version="2.1.0"), ApiServer("v1.36.3"), deployed()
    ),
    ("upgrade-steps", "upgrade-kubernetes-too-old"): lambda: steps(plan(), ApiServer("v1.18.0"), deployed()),
    ("upgrade-steps", "upgrade-renames-deployment"): lambda: steps(
        plan("1.26.0", "1.27.0"), ApiServer("v1.36.3"), replace(deployed(), name="cemanager")
    ),
    ("upgrade-values", "upgrade-values-refused"): lambda: values(plan(refused=("cemanager",))),
    ("upgrade-label", "upgrade-loses-label"): lambda: label(plan(labels={}), workload(), WANTED),
    ("upgrade-label", "upgrade-keeps-label"): lambda: label(plan(), workload(), WANTED),
    ("upgrade-pools", "pool-is-windows"): lambda: pools(
        plan(), workload(), FakeCluster({"nodes": [machine(system="windows")]})
    ),
    ("upgrade-pool-nmi", "pool-without-nmi"): lambda: pool_nmi(pool(), WANTED, nmi_ready("other")),
    ("upgrade-pool-token", "pool-token"): lambda: asked(OTHER, token_of(CLIENT_ID)),
    ("upgrade-pool-token", "pool-lacks-identity"): lambda: asked(OTHER, NOT_FOUND),
    ("upgrade-pool-token", "pool-without-token"): lambda: asked(OTHER, http(404, "no azure identity found")),
    ("upgrade-pool-token", "pool-token-of-another-identity"): lambda: asked(OTHER, token_of(OTHER_ID)),
    ("upgrade-pool-token", "pool-younger-than-identity"): lambda: asked(OTHER, NOT_FOUND, objects=YOUNG),
    ("upgrade-pool-token", "node-in-scale-set"): lambda: asked(OTHER, NOT_FOUND),
    ("upgrade-images", "upgrade-images-pullable"): lambda: pulled_on("user"),
    ("upgrade-window", "upgrade-credential-ends"): lambda: lasting(ends=600),
    ("upgrade-window", "upgrade-certificate-ends"): lambda: lasting(certificate="2026-11-02T09:30:00Z"),
    ("upgrade-window", "upgrade-token-renewed"): lambda: lasting(token=600),
    ("upgrade-disruption", "upgrade-few-replicas"): lambda: room(replicas=1),
    ("upgrade-disruption", "disruption-budget-blocks"): lambda: room(budgets=(budget(0),)),
    ("upgrade-disruption", "no-room-for-surge"): lambda: room(free="700m"),
    ("upgrade-rollback", "rollback-without-snapshot"): lambda: rollback(
        plan(), deployed(), revisions("deployed"), GATE
    ),
    ("upgrade-rollback", "rollback-snapshot"): lambda: rollback(
        plan(), deployed(), revisions("deployed"), replace(GATE, database_snapshot="s")
    ),
    ("upgrade-rollback", "rollback-revision-missing"): lambda: rollback(
        plan(), deployed(), revisions("superseded", "pending-upgrade"), GATE
    ),
    ("upgrade-rollback", "rollback-revision"): lambda: rollback(
        plan(), deployed(), revisions("deployed"), GATE
    ),
    ("upgrade-rollback-images", "rollback-images-had"): lambda: way_back(pulled=(True,)),
    ("upgrade-plan", "upgrade-image-of-other-version"): lambda: planned(
        deployed(), with_image("1.43.0"), NO_RELEASE
    ),
}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_it_sees(case: tuple[str, str]) -> None:
    """Each kind that a check declares is seen in some world."""
    refuse_unseen(CHECKS, *case, CASES[case])


def test_every_kind_has_a_case() -> None:
    """Nothing is declared that is never seen."""
    assert declared(CHECKS) == CASES.keys()


def test_every_check_is_of_the_gate() -> None:
    """An ordinary run is without them, and without their permissions."""
    assert all(check.gate for check in CHECKS)


NO_RELEASE: Maybe[ChartValues] = Maybe(None, Status.SKIP)


def given(data: dict[str, Any]) -> Target:
    """A target with values."""
    return replace(GATE, to_chart="v1.44.3", values=ValuesFiles(("values.yaml",), data, {}))


def test_the_plan_is_what_the_chart_makes_of_the_values() -> None:
    """Version, label and images; a database of its own adds an image."""
    _, made = look(planned(deployed(), given(SOUND), NO_RELEASE))

    assert (made.current, made.version) == ("1.43.0", "1.44.3")
    assert (made.labels or {})[LABEL] == "coder"
    assert [image.rpartition("/")[2] for image in made.images] == [
        "coder-service:1.44.3",
        "envbox:1.44.3",
        "timescale:1.44.3",
    ]


def test_without_a_chart_the_deployed_one_stays() -> None:
    """A change of values alone goes through the same gate."""
    _, made = look(planned(deployed(), replace(given(SOUND), to_chart=""), NO_RELEASE))

    assert made.version == "1.43.0"


def test_without_files_the_values_of_the_release_are_taken() -> None:
    """And it is said that they are the release's; a file that is given goes before them."""
    release = ChartValues(SOUND, "1.43.0", assumed=False, origin="release coder (revision 7)", places={})
    kept = Maybe(release, Status.PASS)
    _, made = look(planned(deployed(), replace(GATE, to_chart="1.44.3"), kept))

    assert (made.labels or {})[LABEL] == "coder"
    assert made.origin == "release coder (revision 7) as it is now"
    assert look(planned(deployed(), given({}), kept))[1].origin == "values.yaml"


def test_without_values_nothing_is_guessed() -> None:
    """Neither the label nor the keys nor the images: they are unknown, and the flag is named."""
    _, made = look(planned(deployed(), replace(GATE, to_chart="1.44.3"), NO_RELEASE))

    assert made.labels is None
    assert made.images == ()
    for looking in (values(made), label(made, workload(), WANTED)):
        with pytest.raises(CannotLookError) as unseen:
            look(looking)
        assert "--values" in unseen.value.remedy
    with pytest.raises(CannotLookError, match="--to-image"):
        look(images(made, some_pools(), Each[KubeletPull](), GATE))


def test_the_version_is_read_from_the_image_where_no_label_says_it() -> None:
    """Charts before 1.27 put no version on the Deployment."""
    found = workload(deployment())
    found.pod_spec["containers"][0]["image"] = "docker.io/coderenvs/coder-service:1.26.2"

    assert look(planned(found, GATE, NO_RELEASE))[1].current == "1.26.2"
    with pytest.raises(CannotLookError, match="which chart is deployed"):
        look(steps(plan(""), ApiServer("v1.36.3"), workload()))


@pytest.mark.parametrize(
    ("current", "version"),
    [("1.43.0", "1.44.3"), ("1.44.1", "1.44.3"), ("1.44.3", "1.44.3"), ("1.26.9", "1.27.3")],
)
def test_one_minor_at_a_time_is_a_step(current: str, version: str) -> None:
    """And none at all, for a change of values."""
    assert sight(steps(plan(current, version), ApiServer("v1.36.3"), deployed())) == []


@pytest.mark.parametrize(
    ("version", "server", "seen"),
    [
        ("1.27.0", "v1.19.9", ["upgrade-kubernetes-too-old"]),
        ("1.27.3", "v1.19.9", []),
        ("1.27.0", "v1.20.0-gke.1", []),
        ("1.27.0", "unreadable", []),
    ],
)
def test_each_chart_has_its_oldest_kubernetes(version: str, server: str, seen: list[str]) -> None:
    """Some charts between asked for more than those before and after."""
    assert sight(steps(plan("1.26.9", version), ApiServer(server), deployed())) == seen


def test_another_workload_has_no_chart_to_go_to() -> None:
    """The rest of the gate is for any workload."""
    other = workload(coder=False)
    made = look(planned(other, replace(GATE, to_image=IMAGE), NO_RELEASE))[1]

    assert (made.version, made.images) == ("", (IMAGE,))
    for looking in (
        steps(made, ApiServer("v1.36.3"), other),
        values(made),
        rollback(made, other, FakeCluster(), GATE),
    ):
        with pytest.raises(NotApplicableError):
            look(looking)


@pytest.mark.parametrize("after", [{LABEL: "other"}, {LABEL: 1}, {}])
def test_any_other_label_is_lost(after: dict[str, Any]) -> None:
    """Another value, no text, or none."""
    assert sight(label(plan(labels=after), workload(), WANTED)) == ["upgrade-loses-label"]


def test_a_label_that_is_missing_already_cannot_be_lost() -> None:
    """The check of the label says it."""
    with pytest.raises(NotApplicableError) as blocked:
        look(label(plan(), workload(deployment({})), WANTED))
    assert blocked.value.blocked_by == "label-template"


@pytest.mark.parametrize(
    "more",
    [{"exec_problem": "CrashLoopBackOff"}, {"ready": False}, {"complete": False}, {"token": failing()}],
)
def test_what_is_not_well_stops_the_upgrade(more: dict[str, Any]) -> None:
    """A pod that crashes, is not ready, is old, or gets no token."""
    assert sight(pod_is(**more)) == ["upgrade-pod-not-well"]


def test_what_is_well_or_unknown_does_not_stop_it() -> None:
    """What is unknown is said where it was looked for."""
    assert sight(pod_is()) == []
    assert sight(pod_is(token=unknown())) == []
    assert sight(route_now(ROUTE, plan(), token("pull"), unknown())) == []
    assert sight(route_now(ROUTE, plan(), token("pull"), failing())) == ["upgrade-image-not-had"]
    with pytest.raises(NotApplicableError) as blocked:
        look(route_now(ROUTE, plan(), Each[AccessToken](), unknown()))
    assert blocked.value.blocked_by == "registry-scope"


def pulled_on(*names: str, ok: bool = True, target: Target = GATE) -> Looking[None]:
    """Two pools, of which these have come to an end with the image."""
    found = [KubeletPull(IMAGE, NODE, name, ok=ok, said="") for name in names]
    subjects = Each(tuple((Subject(item.pool), item) for item in found))
    return images(plan(), some_pools(), subjects, target)


def test_a_pool_without_an_answer_leaves_the_images_unknown() -> None:
    """With leave, without, and where a pull failed: then that is the failure."""
    with pytest.raises(CannotLookError, match=f"{IMAGE} on pool user"):
        look(pulled_on())
    with pytest.raises(CannotLookError) as unseen:
        look(pulled_on("user", target=Target(upgrade=True)))
    assert "--allow probe-pod" in unseen.value.remedy
    with pytest.raises(NotApplicableError) as blocked:
        look(pulled_on("user", ok=False))
    assert blocked.value.blocked_by == "kubelet-pull"


def test_pools_are_those_that_the_scheduler_may_choose() -> None:
    """By node selector and taints; Windows nodes only where nothing keeps the pods off."""
    tainted = machine("t", "gpu", spec={"taints": [{"key": "gpu", "effect": "NoSchedule"}]})
    nodes = [machine("a"), machine("b"), machine("c", POOL_2), tainted, machine("w", "win", system="windows")]
    selecting = deployed()
    selecting.pod_spec["nodeSelector"] = {"kubernetes.io/os": "linux", "agentpool": "user"}
    seen, found = look(pools(plan(), deployed(), FakeCluster({"nodes": nodes})))
    kept_seen, kept = look(pools(plan(), selecting, FakeCluster({"nodes": nodes})))

    assert ids(seen) == ["pool-is-windows"]
    assert [(item.name, len(item.nodes)) for item in found] == [(POOL_2, 1), ("user", 2)]
    assert kept_seen == []
    assert [item.name for item in kept] == ["user"]


def test_a_pool_with_nmi_on_every_node_is_well() -> None:
    """One node without it is enough to fail, and is named."""
    two = pool(machine("a"), machine("b"))

    assert sight(pool_nmi(two, WANTED, nmi_ready("a", "b"))) == []
    assert [item.values["node"] for item in look(pool_nmi(two, WANTED, nmi_ready("a")))[0]] == ["b"]


def test_where_a_pod_has_its_token_nobody_asks_again() -> None:
    """No throw-away pod is made there; without leave that is all that can be known."""
    assert sight(asked(pool())) == ["pool-token"]
    with pytest.raises(CannotLookError, match="no pod of the workload is on pool batch"):
        look(asked(OTHER, target=Target(upgrade=True)))
    with pytest.raises(NotApplicableError) as blocked:
        look(asked(pool(), tokens=False))
    assert blocked.value.blocked_by == "token-identity"


def test_the_throw_away_pod_is_put_onto_the_pool() -> None:
    """It is like the workload's pod, and on a node of the pool that is asked about."""
    one, door = pod(), FakeWire([token_of(CLIENT_ID)])
    look(pool_token(OTHER, WANTED, unknown(), each(one), Each(), Each(), door, GATE))

    assert door.vantages == [Vantage("pod", NAMESPACE, one.name, "coderd", "b")]


def test_a_pool_that_cannot_be_asked_is_unknown() -> None:
    """A throw-away pod that does not start is no answer of the endpoint."""
    with pytest.raises(CannotLookError, match="did not start"):
        look(asked(OTHER, Failure(Trouble.NOT_RUNNING, "it did not start")))
    assert sight(asked(OTHER, Failure(Trouble.TIMEOUT, "timeout")))[-1] == "pool-without-token"


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        ({"ends": 3601}, []),
        ({"ends": -5}, []),
        ({"ends": 3599}, ["upgrade-credential-ends"]),
        ({"certificate": "2026-11-02T10:30:00Z"}, []),
        ({"certificate": "2026-11-02T10:30:00Z", "window_": 7200.0}, ["upgrade-certificate-ends"]),
        ({"certificate": "no time"}, []),
        ({"token": 7200}, []),
    ],
)
def test_only_what_ends_within_the_window_counts(more: dict[str, Any], seen: list[str]) -> None:
    """What has ended already is told by the check that looks at it."""
    assert sight(lasting(**more)) == seen


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        ({}, []),
        ({"free": "750m"}, []),
        ({"free": "700m", "replicas": 4}, []),
        ({"free": "700m", "strategy": {"type": "Recreate"}}, []),
        ({"free": "700m", "strategy": {"rollingUpdate": {"maxUnavailable": 1}}}, []),
        ({"free": "8", "spec": {"unschedulable": True}}, []),
        ({"budgets": (budget(1),)}, []),
        ({"budgets": (thing("other", {"selector": {"matchLabels": {"app": "x"}}}),)}, []),
    ],
)
def test_there_is_room_or_none_is_needed(more: dict[str, Any], seen: list[str]) -> None:
    """From four replicas on a pod may end first; so may it where the strategy says so."""
    assert sight(room(**more)) == seen


def test_within_one_minor_no_snapshot_is_needed() -> None:
    """The database is not migrated; helm's revision must be there."""
    assert sight(rollback(plan("1.44.0"), deployed(), revisions("superseded", "deployed"), GATE)) == [
        "rollback-revision"
    ]
    by_hand = workload(deployment())
    assert sight(rollback(plan("1.44.0"), by_hand, FakeCluster(), GATE)) == []


def test_the_images_of_the_way_back_are_known_by_a_pull_the_registry_or_the_nodes() -> None:
    """Where none of them says so it is unknown, and where a pull failed, that is the failure."""
    image = deployed().pod_spec["containers"][0]["image"]
    for looking in (way_back(pulled=(True,)), way_back(manifest=True), way_back(held=(image,))):
        assert sight(looking) == ["rollback-images-had"]
    with pytest.raises(CannotLookError, match="shows only in a pull") as unseen:
        look(way_back())
    assert "--allow probe-pod" in unseen.value.remedy
    with pytest.raises(NotApplicableError) as blocked:
        look(way_back(pulled=(True, False), held=(image,)))
    assert blocked.value.blocked_by == "kubelet-pull"


def test_an_image_of_the_next_charts_version_is_no_old_one() -> None:
    """Nor is one whose tag is no version, or one that --to-image replaces."""
    for target in (with_image("1.44.3"), with_image("stable"), with_image("1.43.0", to_image=IMAGE)):
        assert sight(planned(deployed(), target, NO_RELEASE)) == ["upgrade-planned"]


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [asking("200m"), asking("300m")], "initContainers": [asking("400m")]}, 0.5),
        ({"containers": [asking("200m")], "initContainers": [asking("400m"), asking("100m")]}, 0.4),
        (
            {"containers": [asking("200m")], "initContainers": [asking("50m", stays=True), asking("400m")]},
            0.45,
        ),
        ({"containers": [asking("200m")], "initContainers": [asking("50m", stays=True)]}, 0.25),
        ({"containers": [asking("200m")], "overhead": {"cpu": "250m"}}, 0.45),
        ({"containers": [{"resources": {"limits": {"cpu": "1"}}}]}, 1.0),
    ],
)
def test_what_a_pod_asks_for_is_counted_as_the_scheduler_does(spec: dict[str, Any], cpu: float) -> None:
    """What comes before the containers counts where it is more, what stays beside them does too."""
    assert _requests([spec])[0] == pytest.approx(cpu)


def test_revisions_that_may_not_be_listed_are_unknown() -> None:
    """The permission is named, and no secret's data is asked for."""
    forbidden = FakeCluster(answers={("secrets", NAMESPACE): Answer(Outcome.FORBIDDEN)})
    with pytest.raises(CannotLookError):
        look(rollback(plan("1.44.0"), deployed(), forbidden, GATE))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("250m", 0.25),
        ("1.5", 1.5),
        ("512Mi", 512 * 1024**2),
        ("1G", 1e9),
        ("2k", 2000),
        ("", 0),
        ("x", 0),
        ("1Xi", 0),
    ],
)
def test_quantities_are_read(said: str, meant: float) -> None:
    """As Kubernetes writes them."""
    assert quantity(said) == pytest.approx(meant)
