"""The workload and its pods."""

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

from acrcheck.api import (
    AUTOSCALERS,
    DEPLOYMENTS,
    PODS,
    REPLICASETS,
    Answer,
    CannotLookError,
    NotApplicableError,
    Observation,
    Outcome,
    Target,
    UsageError,
)
from acrcheck.facts import ApiServer, Autoscaler, Rollout, Workload
from checks.workload import CHECKS, autoscaler, pods, read_pod, rollout, workload
from tests.checks import looking
from tests.checks.looking import (
    NAMESPACE,
    Case,
    FakeCluster,
    declared,
    deployment,
    good,
    look,
    refuse_unseen,
    refused,
    sight,
)

SERVER = ApiServer("v1.36.3")
UNSCALED = looking.known(Autoscaler(""))
NAMED = Target(namespace=NAMESPACE, workload="deployment/coderd")
HELM_LABELS = {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "coder-1.44.3"}


def found(manifest: Any, target: Target = NAMED) -> Generator[Observation, None, Workload]:
    """Find this one Deployment."""
    there = {"metadata": {"name": NAMESPACE}}
    return workload(SERVER, FakeCluster({"deployments": [manifest], "namespaces": [there]}), target)


def item(name: str = "coderd-1", *, state: Any = None, ready: Any = True, **changed: Any) -> dict[str, Any]:
    """A pod's object; `state` is its container's."""
    state = {"running": {"startedAt": "2026-11-02T08:00:00Z"}} if state is None else state
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"coder.deployment": "coderd"}},
        "spec": {"nodeName": looking.NODE, "containers": [{"name": "coderd"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "coderd", "ready": ready, "state": state}],
        },
    } | changed


def seen_of(*items: Any, replicas: int = 2, manifest: Any = None) -> Generator[Observation, None, Any]:
    """Look at these pods."""
    return pods(
        looking.workload(manifest),
        Rollout(complete=True, replicas=replicas),
        FakeCluster({"pods": list(items)}),
    )


def rolled(kind: str = "deployment", *, spec: Any = None, **status: Any) -> Case:
    """A rollout with that status."""
    manifest = deployment(**(spec or {}))
    manifest["status"] = status
    return lambda: rollout(looking.workload(manifest, kind=kind), UNSCALED)


def of_kind(kind: str, manifest: Any, **objects: Any) -> Generator[Observation, None, Workload]:
    """Find this one object, called worker, of that kind."""
    cluster = FakeCluster({f"{kind}s": [manifest], **objects})
    return workload(SERVER, cluster, Target(namespace=NAMESPACE, workload=f"{kind}/worker"))


def v2(**changed: Any) -> dict[str, Any]:
    """Coder v2 as its chart makes it."""
    selector = {"app.kubernetes.io/name": "coder", "app.kubernetes.io/instance": "coder"}
    return deployment(**{"selector": {"matchLabels": selector}, **changed})


def satellite(namespace: str = NAMESPACE) -> dict[str, Any]:
    """A satellite of Coder."""
    container = {"name": "coderd", "command": ["coderd", "replica"]}
    return deployment(
        metadata={"namespace": namespace, "labels": {"coder.deployment": "coderd"}},
        template={"spec": {"containers": [container]}},
    )


def cron_job(**status: Any) -> dict[str, Any]:
    """A CronJob."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}
    return {
        "metadata": {"name": "worker", "namespace": NAMESPACE, "uid": "u1"},
        "spec": spec,
        "status": status,
    }


def scaler(kind: str = "Deployment", name: str = "coderd") -> dict[str, Any]:
    """An autoscaler of that workload."""
    return looking.thing("scaler", {"scaleTargetRef": {"kind": kind, "name": name}, "maxReplicas": 4})


def owned(manifest: dict[str, Any], kind: str, name: str, group: str = "apps/v1") -> dict[str, Any]:
    """The same object, made by that controller."""
    owner = {"apiVersion": group, "kind": kind, "name": name, "uid": "u1", "controller": True}
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}


CASES: dict[tuple[str, str], Case] = {
    ("workload", "managed-by-helm"): lambda: found(deployment(metadata={"labels": HELM_LABELS})),
    ("workload", "managed-by-helm-of-unknown-chart"): lambda: found(
        deployment(metadata={"annotations": {"meta.helm.sh/release-name": "coder"}})
    ),
    ("workload", "managed-by-gitops"): lambda: found(
        deployment(metadata={"labels": HELM_LABELS | {"helm.toolkit.fluxcd.io/name": "coder"}})
    ),
    ("workload", "managed-by-hand"): lambda: found(deployment()),
    ("workload", "workload-is-coder"): lambda: found(deployment()),
    ("workload", "image-pull-always"): lambda: found(
        deployment(
            template={"spec": {"containers": [{"name": "c", "image": "i", "imagePullPolicy": "Always"}]}}
        )
    ),
    ("workload", "workload-is-coder-v2"): lambda: found(v2()),
    ("workload", "workload-is-satellite"): lambda: found(satellite()),
    ("workload", "workload-is-bare-pod"): lambda: of_kind("pod", item("worker")),
    ("workload", "workload-is-job"): lambda: of_kind("job", deployment(metadata={"name": "worker"})),
    ("workload", "workload-is-cronjob"): lambda: of_kind("cronjob", cron_job()),
    ("workload", "pods-replaced-on-delete"): lambda: found(deployment(updateStrategy={"type": "OnDelete"})),
    ("autoscaler", "scaled-by-autoscaler"): lambda: autoscaler(
        looking.workload(), FakeCluster({"horizontalpodautoscalers": [scaler()]})
    ),
    ("rollout", "workload-is-over"): rolled("job", conditions=[{"type": "Complete", "status": "True"}]),
    ("rollout", "job-failed"): rolled(
        "job", conditions=[{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]
    ),
    ("rollout", "rollout-under-way"): rolled(observedGeneration=3, updatedReplicas=1, readyReplicas=2),
    ("rollout", "workload-scaled-to-zero"): rolled(spec={"replicas": 0}, observedGeneration=3),
    ("pods", "pod-terminating"): lambda: seen_of(
        item(metadata=item()["metadata"] | {"deletionTimestamp": "2026-11-02T08:59:00Z"})
    ),
    ("pods", "pod-not-running"): lambda: seen_of(item(state={"waiting": {"reason": "CrashLoopBackOff"}})),
    ("pods", "pod-waits-for-image"): lambda: seen_of(item(state={"waiting": {"reason": "ErrImagePull"}})),
    ("pods", "pod-not-ready"): lambda: seen_of(item(ready=False)),
    ("pods", "workload-without-pods"): seen_of,
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some world."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


@pytest.mark.parametrize("spelling", ["deployment/coderd", "deploy/coderd", "Deployments/coderd", "coderd"])
def test_a_workload_is_named_as_for_kubectl(spelling: str) -> None:
    """The usual spellings of a kind lead to the same object."""
    _, fact = look(found(deployment(), Target(namespace=NAMESPACE, workload=spelling)))
    assert (fact.kind, fact.name, fact.namespace, fact.coder) == ("deployment", "coderd", NAMESPACE, True)


@pytest.mark.parametrize(
    ("spelling", "says"), [("replicaset/x", "no kind"), ("a/b/c", "no kind"), ("sts/", "missing")]
)
def test_what_cannot_be_a_workload_is_a_usage_error(spelling: str, says: str) -> None:
    """A kind that cannot be checked, or no name, is said at once."""
    with pytest.raises(UsageError, match=says):
        look(found(deployment(), Target(namespace=NAMESPACE, workload=spelling)))


@pytest.mark.parametrize("may_read_namespaces", [True, False])
def test_a_missing_workload_offers_what_is_there(may_read_namespaces: bool) -> None:
    """The names of that namespace are candidates, whether or not the namespace itself may be read."""
    cluster = FakeCluster({"deployments": [deployment()], "namespaces": [{"metadata": {"name": NAMESPACE}}]})
    if not may_read_namespaces:
        cluster.answers["namespaces", "", NAMESPACE] = Answer(Outcome.FORBIDDEN)
    with pytest.raises(UsageError, match="there is no deployment coder in namespace coder") as caught:
        look(workload(SERVER, cluster, Target(namespace=NAMESPACE, workload="deployment/coder")))
    assert "coderd" in repr(vars(caught.value))


def test_a_missing_namespace_is_told_before_the_workload() -> None:
    """A slip in the namespace explains the missing workload; the namespaces there are come with it."""
    cluster = FakeCluster({"namespaces": [{"metadata": {"name": "coder-prod"}}]})
    with pytest.raises(UsageError, match="there is no namespace coder") as caught:
        look(workload(SERVER, cluster, NAMED))
    assert "coder-prod" in repr(vars(caught.value))


def test_a_workload_that_may_not_be_read_is_unknown_with_the_permission() -> None:
    """Forbidden is neither absent nor present."""
    refusal = refused(DEPLOYMENTS, NAMESPACE, "get")
    cluster = FakeCluster(answers={("deployments", NAMESPACE, "coderd"): refusal})
    with pytest.raises(CannotLookError, match=r"get deployments\.apps in namespace coder") as caught:
        look(workload(SERVER, cluster, NAMED))
    assert caught.value.permission == refusal.permission


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        [],
        "<html>",
        {},
        {"metadata": None},
        {"metadata": {"name": ""}},
        deployment(metadata={"name": None}),
        deployment(template=None),
        deployment(template="x"),
        deployment(template={"metadata": None}),
        deployment(template={"spec": []}),
        {"metadata": {"name": "coderd"}, "spec": "x"},
    ],
)
def test_what_is_no_workload_is_unknown(manifest: Any) -> None:
    """A broken object is named so; nothing is guessed of it."""
    cluster = FakeCluster(answers={("deployments", NAMESPACE, "coderd"): good(manifest)})
    with pytest.raises(CannotLookError, match="malformed"):
        look(workload(SERVER, cluster, NAMED))


@pytest.mark.parametrize(
    "manifest",
    [
        {"metadata": {"name": "coderd"}},
        {"metadata": {"name": "coderd", "labels": None, "annotations": []}, "spec": {"template": {}}},
        deployment(selector=None, template={"spec": {"containers": None}}),
        deployment(selector={"matchLabels": None}, template={"spec": {"containers": ["x", None, {}]}}),
        deployment(metadata={"labels": {"helm.sh/chart": 7, "app.kubernetes.io/managed-by": "Helm"}}),
    ],
)
def test_a_sparse_workload_is_still_found(manifest: Any) -> None:
    """Missing and odd fields of the object are empty, no crash; its facts can be read."""
    cluster = FakeCluster(answers={("deployments", NAMESPACE, "coderd"): good(manifest)})
    _, fact = look(workload(SERVER, cluster, NAMED))
    assert fact.name == "coderd"
    assert isinstance(fact.template_labels, dict)
    assert isinstance(fact.pod_spec, dict)
    look(rollout(fact, UNSCALED))


def test_coder_is_discovered_in_all_namespaces_by_the_charts_label() -> None:
    """Without a name, the one Deployment with Coder's label is meant."""
    coder = deployment(metadata={"labels": {"coder.deployment": "cemanager"}, "namespace": "elsewhere"})
    cluster = FakeCluster({"deployments": [coder, looking.thing("other", {}, "x")]})
    _, fact = look(workload(SERVER, cluster, Target(context_namespace="x")))
    assert (fact.name, fact.namespace) == ("coderd", "elsewhere")


def test_coder_is_discovered_by_its_selector_where_the_label_is_only_on_the_pods() -> None:
    """Some charts label the pods only."""
    cluster = FakeCluster({"deployments": [deployment()]})
    _, fact = look(workload(SERVER, cluster, Target()))
    assert fact.name == "coderd"


def test_discovery_falls_back_to_the_contexts_namespace_where_no_more_is_permitted() -> None:
    """Who may not list everywhere is served in the namespace the context points at."""
    cluster = FakeCluster({"deployments": [deployment()]}, {("deployments", ""): refused(DEPLOYMENTS)})
    _, fact = look(workload(SERVER, cluster, Target(context_namespace=NAMESPACE)))
    assert fact.namespace == NAMESPACE


def test_discovery_without_any_permission_is_unknown() -> None:
    """The last refusal is the reason."""
    answers: dict[Any, Answer] = {
        (DEPLOYMENTS.plural, name): refused(DEPLOYMENTS, name) for name in ("", "default")
    }
    with pytest.raises(CannotLookError, match="in namespace default"):
        look(workload(SERVER, FakeCluster(answers=answers), Target()))


@pytest.mark.parametrize("count", [0, 2])
def test_none_or_two_candidates_are_a_usage_error(count: int) -> None:
    """Which workload is meant is not guessed; two candidates are named."""
    label = {"coder.deployment": "coderd"}
    items = [deployment(metadata={"labels": label, "namespace": f"ns{number}"}) for number in range(count)]
    expected = (
        "no Deployment in any namespace is Coder"
        if not count
        else "2 workloads .* ns0/deployment/coderd, ns1/"
    )
    with pytest.raises(UsageError, match=expected):
        look(workload(SERVER, FakeCluster({"deployments": items}), Target()))


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}, "labels": HELM_LABELS}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}, "Flux"),
        (
            {
                "labels": HELM_LABELS,
                "annotations": {
                    "meta.helm.sh/release-name": "team-coder",
                    "meta.helm.sh/release-namespace": "releases",
                },
            },
            "Helm release team-coder (chart coder 1.44.3)",
        ),
        ({"labels": HELM_LABELS | {"helm.sh/chart": "my-coder-v1.2.3-rc.1"}}, "(chart my-coder v1.2.3-rc.1)"),
        ({"labels": HELM_LABELS | {"helm.sh/chart": "coder"}}, "Helm release coderd makes"),
        ({"labels": {"app.kubernetes.io/managed-by": "helm"}}, "no Helm and no GitOps"),
    ],
)
def test_what_makes_the_workload_is_told(metadata: dict[str, Any], says: str) -> None:
    """GitOps goes before Helm; chart and version come from the chart's label."""
    seen, _ = look(found(deployment(metadata=metadata)))
    assert says in seen[0].text


@pytest.mark.parametrize(
    ("status", "complete"),
    [
        ({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}, True),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}, False),
        ({"observedGeneration": 3, "replicas": 3, "updatedReplicas": 2, "readyReplicas": 3}, False),
        ({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1}, False),
        ({"observedGeneration": 3, "updatedReplicas": None, "readyReplicas": "two"}, False),
        ({}, False),
    ],
)
def test_a_rollout_is_complete_when_every_pod_is_of_the_newest_template(
    status: dict[str, Any], complete: bool
) -> None:
    """Unseen generations, older pods left and pods not ready mean: under way."""
    seen, fact = look(rolled(**status)())
    assert fact == Rollout(complete, 2)
    assert bool(seen) is not complete


def test_a_daemonset_counts_its_nodes() -> None:
    """Its status has other names for the same numbers."""
    case = rolled(
        "daemonset", observedGeneration=3, desiredNumberScheduled=4, updatedNumberScheduled=4, numberReady=4
    )
    assert look(case()) == ([], Rollout(complete=True, replicas=4))


@pytest.mark.parametrize("status", [None, [], "x", {"desiredNumberScheduled": None}])
def test_an_odd_status_is_no_crash(status: Any) -> None:
    """What is not told counts as nothing."""
    manifest = deployment()
    manifest["status"] = status
    assert sight(rollout(looking.workload(manifest), UNSCALED)) == ["rollout-under-way"]


def test_running_pods_are_the_subjects() -> None:
    """Terminating pods and those that have ended are none."""
    ending = item(
        "old", metadata={**item()["metadata"], "name": "old", "deletionTimestamp": "2026-11-02T08:59:00Z"}
    )
    evicted = item("evicted", status={"phase": "Failed", "reason": "Evicted"})
    done = item("done", status={"phase": "Succeeded"})
    seen, fact = look(seen_of(item(), ending, evicted, done))
    assert looking.ids(seen) == ["pod-terminating"]
    assert [pod.name for pod in fact] == ["coderd-1"]


def test_what_is_seen_of_a_pod_is_about_that_pod() -> None:
    """The subject lies on the pod and its node."""
    (seen,), _ = look(seen_of(item(ready=False)))
    assert seen.subject.scope == {"pod/coderd-1", f"node/{looking.NODE}"}


def test_pods_are_selected_by_labels_and_expressions() -> None:
    """Both halves of a selector count: else other workloads' pods would be looked at."""
    manifest = deployment(
        selector={
            "matchLabels": {"a": "b"},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["d", "e"]},
                {"key": "f", "operator": "NotIn", "values": ["g"]},
                {"key": "h", "operator": "Exists"},
                {"key": "i", "operator": "DoesNotExist", "values": None},
            ],
        }
    )
    cluster = FakeCluster()
    look(pods(looking.workload(manifest), Rollout(complete=True, replicas=0), cluster))
    assert cluster.asked == [("list", "pods", NAMESPACE, "a=b,c in (d,e),f notin (g),h,!i")]


@pytest.mark.parametrize("selector", [None, {}, {"matchLabels": None}, {"matchLabels": []}, "x"])
def test_a_workload_without_selector_is_unknown(selector: Any) -> None:
    """An empty selector would mean every pod of the namespace."""
    with pytest.raises(CannotLookError, match="has no selector"):
        look(seen_of(item(), manifest=deployment(selector=selector)))


def test_pods_that_may_not_be_listed_are_unknown_with_the_permission() -> None:
    """Forbidden is not: there is none."""
    cluster = FakeCluster(answers={("pods", NAMESPACE): refused(PODS, NAMESPACE)})
    with pytest.raises(CannotLookError, match="list pods in namespace coder"):
        look(pods(looking.workload(), Rollout(complete=True, replicas=2), cluster))


def test_no_pods_of_a_workload_scaled_to_zero_are_no_second_failure() -> None:
    """The rollout says it already."""
    assert look(seen_of(replicas=0))[0] == []


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
            "CrashLoopBackOff: back-off 5m0s",
        ),
        ({"waiting": {"reason": "ImagePullBackOff", "message": None}}, "ImagePullBackOff"),
        ({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "ended with exit code 137 (OOMKilled)"),
        ({"running": None}, "its phase is Running"),
        ({}, "its phase is Running"),
        ([], "its phase is Running"),
    ],
)
def test_why_nothing_can_run_in_a_pod_is_told(state: Any, says: str) -> None:
    """The container's state decides, in the kubelet's words."""
    assert read_pod(item(state=state)).exec_problem == says


def test_an_init_container_that_hangs_is_the_reason() -> None:
    """`PodInitializing` says nothing; the init container's own state does."""
    status = {
        "phase": "Pending",
        "initContainerStatuses": [
            {"name": "a", "state": {"waiting": {"reason": "PodInitializing"}}},
            {"name": "b", "state": {"waiting": {"reason": "ErrImagePull"}}},
        ],
    }
    assert read_pod(item(status=status)).exec_problem == "ErrImagePull"


def test_an_unscheduled_pod_says_what_the_scheduler_says() -> None:
    """A pending pod without node has its reason in a condition."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}
    assert read_pod(item(status={"conditions": [None, condition]})).exec_problem == "Unschedulable: 0/2 nodes"


@pytest.mark.parametrize(
    "status", [None, [], {}, {"containerStatuses": None}, {"containerStatuses": ["x", {}]}]
)
@pytest.mark.parametrize(
    "spec", [None, "x", {}, {"containers": None}, {"containers": [None, {"name": None}]}]
)
def test_an_odd_pod_is_read(status: Any, spec: Any) -> None:
    """Null, missing and mistyped fields are empty; such a pod does not run."""
    odd = {"metadata": {"name": "p", "namespace": None, "labels": None}, "spec": spec, "status": status}
    found = read_pod(odd)
    assert (found.name, found.labels, found.started, found.host_network) == ("p", {}, None, False)
    assert found.exec_problem == "its phase is unknown"


@pytest.mark.parametrize("metadata", [None, {}, {"name": None}, []])
def test_a_pod_without_name_is_malformed(metadata: Any) -> None:
    """It can be neither shown nor asked."""
    with pytest.raises(CannotLookError, match="malformed"):
        read_pod({"metadata": metadata})


@pytest.mark.parametrize(
    ("began", "expected"),
    [
        ("2026-11-02T08:00:00Z", datetime(2026, 11, 2, 8, tzinfo=UTC)),
        ("2026-11-02T08:00:00", datetime(2026, 11, 2, 8, tzinfo=UTC)),
        ("yesterday", None),
        (None, None),
        (7, None),
    ],
)
def test_the_start_of_a_pod_is_a_time_or_nothing(began: Any, expected: datetime | None) -> None:
    """A time without zone is UTC; what is no time is not known."""
    assert read_pod(item(state={"running": {"startedAt": began}})).started == expected


def test_the_coder_container_is_the_one_to_look_into() -> None:
    """An injected sidecar that comes first is not."""
    spec = {"containers": [{"name": "istio-proxy"}, {"name": "coderd"}]}
    assert read_pod(item(spec=spec)).container == "coderd"


def test_a_list_of_something_else_is_unknown() -> None:
    """The answer of the API server itself is not to be trusted either."""
    cluster = FakeCluster(answers={("pods", NAMESPACE): Answer(Outcome.OK, {"items": ["x"]})})
    with pytest.raises(CannotLookError, match="malformed"):
        look(pods(looking.workload(), Rollout(complete=True, replicas=1), cluster))


@pytest.mark.parametrize(
    ("kind", "manifest", "labels"),
    [
        ("pod", item("worker"), {"coder.deployment": "coderd"}),
        ("job", deployment({"a": "b"}, metadata={"name": "worker"}), {"a": "b"}),
        ("cronjob", cron_job(), {"a": "b"}),
        ("statefulset", deployment({"a": "b"}, metadata={"name": "worker"}), {"a": "b"}),
    ],
)
def test_the_template_of_each_kind_is_where_that_kind_has_it(
    kind: str, manifest: Any, labels: dict[str, str]
) -> None:
    """A pod is its own template, a CronJob's is that of its Jobs."""
    _, fact = look(of_kind(kind, manifest))
    assert (fact.kind, fact.name, fact.template_labels) == (kind, "worker", labels)
    assert fact.pod_spec["containers"]


@pytest.mark.parametrize(
    ("kind", "group"), [("StatefulSet", "apps/v1"), ("DaemonSet", "apps/v1"), ("Job", "batch/v1")]
)
def test_a_pod_stands_for_what_makes_it(kind: str, group: str) -> None:
    """Who names a pod means the workload whose template the next pod comes from."""
    manifest = owned(item("worker"), kind, "maker", group)
    maker = deployment({"a": "b"}, metadata={"name": "maker"})
    _, fact = look(of_kind("pod", manifest, **{f"{kind.lower()}s": [maker]}))
    assert (fact.kind, fact.name, fact.template_labels) == (kind.lower(), "maker", {"a": "b"})


def test_a_pod_of_a_deployment_leads_to_it_through_its_replicaset() -> None:
    """The ReplicaSet between them is no workload."""
    manifest = owned(item("worker"), "ReplicaSet", "coderd-1")
    between = owned(looking.thing("coderd-1", {}), "Deployment", "coderd")
    _, fact = look(of_kind("pod", manifest, replicasets=[between], deployments=[deployment()]))
    assert (fact.kind, fact.name) == ("deployment", "coderd")


def test_a_replicaset_that_may_not_be_read_is_named_with_the_permission() -> None:
    """Which workload a pod is of is not guessed from names."""
    refusal = refused(REPLICASETS, NAMESPACE, "get")
    cluster = FakeCluster(
        {"pods": [owned(item("worker"), "ReplicaSet", "r")]}, {("replicasets", NAMESPACE, "r"): refusal}
    )
    with pytest.raises(CannotLookError, match=r"get replicasets\.apps"):
        look(workload(SERVER, cluster, Target(namespace=NAMESPACE, workload="pod/worker")))


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (item("worker"), "nothing makes it anew"),
        (owned(item("worker"), "Workflow", "w", "argoproj.io/v1"), "workflow/w makes it anew"),
        (owned(item("worker"), "Job", "w", "batch.volcano.sh/v1"), "job/w makes it anew"),
    ],
)
def test_a_pod_that_no_known_controller_makes_stays_a_pod(manifest: Any, says: str) -> None:
    """A kind of the same name in another group is another kind; who makes the pod is told."""
    seen, fact = look(of_kind("pod", manifest))
    assert fact.kind == "pod"
    assert says in seen[0].text


@pytest.mark.parametrize(
    ("kind", "status", "spec", "says", "replicas"),
    [
        ("job", {"active": 2}, {}, [], 2),
        ("job", {"conditions": [{"type": "Complete", "status": "True"}]}, {}, ["has completed"], 0),
        ("job", {"conditions": [{"type": "Complete", "status": "False"}], "active": 1}, {}, [], 1),
        (
            "job",
            {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]},
            {},
            ["has failed: DeadlineExceeded"],
            0,
        ),
        ("job", {}, {"suspend": True}, ["is suspended"], 0),
        ("cronjob", {"active": [{"name": "a"}]}, {}, [], 1),
        ("cronjob", {}, {"schedule": "@daily"}, ["no Job that runs now (schedule @daily)"], 0),
        ("cronjob", {}, {"suspend": True}, ["is suspended"], 0),
        ("pod", {"phase": "Running"}, {}, [], 1),
        ("pod", {"phase": "Succeeded"}, {}, ["has ended (Succeeded)"], 0),
    ],
)
def test_what_runs_to_an_end_says_why_it_has_no_pod(
    kind: str, status: dict[str, Any], spec: dict[str, Any], says: list[str], replicas: int
) -> None:
    """A Job that is done, suspended or failed, and a pod that has ended, want no pod: that is no failure to run."""
    seen, fact = look(rolled(kind, spec=spec, **status)())
    assert fact == Rollout(complete=True, replicas=replicas)
    assert len(seen) == len(says)
    assert all(word in observation.text for word, observation in zip(says, seen, strict=True))


def test_the_pods_of_a_cronjob_are_those_of_its_jobs() -> None:
    """Jobs of others, and their pods, are left out."""
    mine = owned(looking.thing("worker-1", {}), "CronJob", "worker", "batch/v1")
    other = looking.thing("other-1", {})
    pod = item(
        "worker-1-abcde", metadata={**item()["metadata"], "name": "p", "labels": {"job-name": "worker-1"}}
    )
    stranger = item("q", metadata={**item()["metadata"], "name": "q", "labels": {"job-name": "other-1"}})
    cluster = FakeCluster({"jobs": [mine, other], "pods": [pod, stranger]})
    workload_of = Workload("cronjob", "worker", NAMESPACE, cron_job(), coder=False)
    _, fact = look(pods(workload_of, Rollout(complete=True, replicas=1), cluster))
    assert [each.name for each in fact] == ["p"]


def test_a_cronjob_without_a_job_has_no_pods() -> None:
    """Nothing is listed without a selector: that would be every pod."""
    cluster = FakeCluster({"pods": [item()]})
    workload_of = Workload("cronjob", "worker", NAMESPACE, cron_job(), coder=False)
    assert len(look(pods(workload_of, Rollout(complete=True, replicas=0), cluster))[1]) == 0
    assert [ask for ask in cluster.asked if ask[1] == "pods"] == []


def test_a_pod_is_its_own_subject() -> None:
    """It was read already, and is not asked for again."""
    cluster = FakeCluster()
    workload_of = Workload("pod", "coderd-1", NAMESPACE, item(), coder=False)
    _, fact = look(pods(workload_of, Rollout(complete=True, replicas=1), cluster))
    assert [each.name for each in fact] == ["coderd-1"]
    assert cluster.asked == []


def test_while_an_autoscaler_adds_replicas_no_rollout_is_under_way() -> None:
    """The number that counts is the one there is, as long as the template is everywhere and every pod is ready."""
    manifest = deployment(replicas=3)
    scaled = looking.known(Autoscaler("scaler"))
    assert look(rollout(looking.workload(manifest), scaled)) == ([], Rollout(complete=True, replicas=2))
    assert look(rollout(looking.workload(manifest), looking.unknown())) == (
        [],
        Rollout(complete=True, replicas=2),
    )
    assert sight(rollout(looking.workload(manifest), UNSCALED)) == ["rollout-under-way"]


@pytest.mark.parametrize("other", [scaler("StatefulSet"), scaler(name="web"), {"spec": None}])
def test_an_autoscaler_of_something_else_does_not_count(other: Any) -> None:
    """Kind and name must be the workload's."""
    cluster = FakeCluster(answers={("horizontalpodautoscalers", NAMESPACE): good({"items": [other]})})
    assert look(autoscaler(looking.workload(), cluster)) == ([], Autoscaler(""))


def test_autoscalers_that_may_not_be_listed_are_unknown() -> None:
    """The rollout is judged without them."""
    cluster = FakeCluster(answers={("horizontalpodautoscalers", NAMESPACE): refused(AUTOSCALERS, NAMESPACE)})
    with pytest.raises(CannotLookError, match=r"list horizontalpodautoscalers\.autoscaling"):
        look(autoscaler(looking.workload(), cluster))


def test_what_has_no_replicas_is_not_scaled() -> None:
    """A DaemonSet has its nodes, a Job its completions."""
    with pytest.raises(NotApplicableError, match="a daemonset is not scaled"):
        look(autoscaler(looking.workload(kind="daemonset"), FakeCluster()))


@pytest.mark.parametrize(
    ("name", "image", "coder"),
    [
        ("cemanager", "docker.io/coderenvs/coder-service:1.19.0", True),
        ("coderd", "mirror.example/coderenvs/coder-service:1.20.0", True),
        ("cemanager", "docker.io/other/thing:1", False),
        ("web", "docker.io/coderenvs/coder-service:1.19.0", False),
    ],
)
def test_a_chart_without_the_label_is_known_by_name_and_image(name: str, image: str, coder: bool) -> None:
    """Both are needed: other programs of Coder's have images of the same kind."""
    manifest = deployment(
        metadata={"name": name},
        selector={"matchLabels": {"app": name}},
        template={"spec": {"containers": [{"name": name, "image": image}]}},
    )
    cluster = FakeCluster({"deployments": [manifest]})
    named = Target(namespace=NAMESPACE, workload=f"deployment/{name}")
    assert look(workload(SERVER, cluster, named))[1].coder is coder


@pytest.mark.parametrize(
    "manifest",
    [
        v2(),
        v2(
            selector={"matchLabels": {"app": "dev"}},
            template={"spec": {"containers": [{"name": "dev", "image": "ghcr.io/coder/coder:v2.20.0"}]}},
        ),
    ],
)
def test_coder_v2_is_discovered_where_no_v1_is(manifest: Any) -> None:
    """By the chart's selector, or by the image where the chart was given another name."""
    _, fact = look(workload(SERVER, FakeCluster({"deployments": [manifest]}), Target()))
    assert (fact.coder, fact.coder_v2) == (False, True)
    both = FakeCluster({"deployments": [manifest, deployment(metadata={"namespace": "v1"})]})
    assert look(workload(SERVER, both, Target()))[1].namespace == "v1"


def test_the_primary_is_meant_where_there_are_satellites() -> None:
    """A satellite is checked when it is named, or when there is nothing else."""
    primary = deployment(metadata={"labels": {"coder.deployment": "coderd"}})
    cluster = FakeCluster({"deployments": [satellite("east"), satellite("west"), primary]})
    assert look(workload(SERVER, cluster, Target()))[1].namespace == NAMESPACE
    only = FakeCluster({"deployments": [satellite("east")]})
    assert look(workload(SERVER, only, Target()))[1].namespace == "east"


def test_several_releases_are_named_with_what_tells_them_apart() -> None:
    """Namespace, release and whether it is a satellite: enough to say which one is meant."""
    label = {"coder.deployment": "coderd"}
    releases = [
        deployment(
            metadata={
                "labels": label,
                "namespace": name,
                "annotations": {"meta.helm.sh/release-name": f"coder-{name}"},
            }
        )
        for name in ("prod", "dev")
    ]
    cluster = FakeCluster({"deployments": [*releases, satellite("west")]})
    with pytest.raises(UsageError) as caught:
        look(workload(SERVER, cluster, Target()))
    assert "dev/deployment/coderd (release coder-dev), prod/deployment/coderd (release coder-prod)" in str(
        caught.value
    )
    assert "west/deployment/coderd (satellite)" in str(caught.value)
    assert "--workload" in caught.value.remedy
