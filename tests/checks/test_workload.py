"""The workload and its pods."""

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

from acrcheck.api import (
    DEPLOYMENTS,
    PODS,
    Answer,
    CannotLookError,
    Observation,
    Outcome,
    Target,
    UsageError,
)
from acrcheck.facts import ApiServer, Rollout, Workload
from checks.workload import CHECKS, pods, read_pod, rollout, workload
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
    return lambda: rollout(looking.workload(manifest, kind=kind))


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
    ("spelling", "says"), [("job/x", "no kind"), ("a/b/c", "no kind"), ("sts/", "missing")]
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
    look(rollout(fact))


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
    expected = "no Deployment in any namespace" if not count else "2 workloads .* ns0/deployment/coderd, ns1/"
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
    assert sight(rollout(looking.workload(manifest))) == ["rollout-under-way"]


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
