"""Coder's workspaces, by pods made here."""

from typing import Any

import pytest

from acrcheck.api import PODS, SERVICE_ACCOUNTS, CannotLookError, Looking, Maybe, NotApplicableError
from acrcheck.facts import PodEvents, PodIdentity, Workload, Workspaces
from checks.workspaces import CHECKS, MOST, pulls, secrets, workspaces
from tests.checks.looking import (
    NAMESPACE,
    WANTED,
    Case,
    Clock,
    FakeCluster,
    declared,
    good,
    known,
    look,
    pod,
    refuse_unseen,
    refused,
    sight,
    unknown,
    workload,
)

HOST = "acme.azurecr.io"
IMAGE = f"{HOST}/coder/envbox:1"
REFUSED = "rpc error: code = Unknown desc = failed to authorize: 401 Unauthorized"


def item(
    name: str = "dev-0", namespace: str = NAMESPACE, phase: str = "Running", **changed: Any
) -> dict[str, Any]:
    """The object of a workspace's pod."""
    status = {"phase": phase, "containerStatuses": [{"name": "dev", "state": {"running": {}}}]}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"com.coder.resource": "true"}},
        "spec": {"containers": [{"name": "dev", "image": IMAGE}]},
        "status": status,
    } | changed


def found(*items: Any, on: Workload | None = None, **answers: Any) -> Looking[Workspaces]:
    """Look for workspaces among these pods."""
    cluster = FakeCluster({"pods": list(items)}, answers.get("answers", {}))
    return workspaces(on or workload(), cluster)


def of(*pods: Any) -> Workspaces:
    """These pods as workspaces."""
    return Workspaces(tuple(pods))


def waiting(name: str = "dev-0") -> Any:
    """A pod that waits for its image."""
    state = {"waiting": {"reason": "ErrImagePull", "message": REFUSED}}
    spec = {"containers": [{"name": "dev", "image": IMAGE}]}
    status = {"containerStatuses": [{"name": "dev", "state": state}]}
    return pod(name, spec=spec, status=status, exec_problem="ErrImagePull", container="dev")


def entry(username: str = "acme", key: str = HOST) -> dict[str, Any]:
    """An entry of a pull secret, as the door gives it."""
    return {"key": key, "username": username, "password": "<opaque:1>", "remarks": []}


def held(
    *entries: Any,
    kind: str = "kubernetes.io/dockerconfigjson",
    problem: str = "",
    there: bool = True,
    identity: Maybe[PodIdentity] | None = None,
    on: Workload | None = None,
) -> Looking[None]:
    """Look at the one pull secret of a workspace."""
    spec = {
        "containers": [{"name": "dev", "image": IMAGE}],
        "imagePullSecrets": [{"name": "s"}, {"name": ""}],
    }
    secret = {"type": kind, "problem": problem, "entries": list(entries), "metadata": {"name": "s"}}
    answers = {("secrets", NAMESPACE, "s"): good(secret)} if there else {}
    cluster = FakeCluster(answers=answers)
    return secrets(known(of(pod(spec=spec))), on or workload(), identity or known(WANTED), cluster, Clock())


CASES: dict[tuple[str, str], Case] = {
    ("workspaces", "workspaces-seen"): lambda: found(item()),
    ("workspaces", "workspaces-elsewhere"): lambda: found(item(), item("b", "team")),
    ("workspace-images", "image-pull-failed"): lambda: pulls(of(waiting()), unknown()),
    ("workspace-secrets", "workspace-secret-static"): lambda: held(entry()),
    ("workspace-secrets", "pull-secret-absent"): lambda: held(there=False),
    ("workspace-secrets", "pull-secret-wrong-type"): lambda: held(kind="Opaque"),
    ("workspace-secrets", "pull-secret-unreadable"): lambda: held(problem="no JSON"),
    ("workspace-secrets", "pull-secret-empty"): held,
    ("workspace-secrets", "pull-secret-no-password"): lambda: held(
        entry() | {"password": "", "remarks": ["password-missing"]}
    ),
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind of its own, and some of those that it shares with the workload's own secrets."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_observation_of_its_own_has_a_case() -> None:
    """The flaws of secrets are tested where they are read."""
    own = {pair for pair in declared(CHECKS) if not pair[1].startswith("pull-secret")}
    assert own == {pair for pair in CASES if not pair[1].startswith("pull-secret")}


def test_the_pods_of_the_namespace_that_run_or_wait_are_the_workspaces() -> None:
    """Those that have ended or are ending are none; those elsewhere are counted."""
    ending = item("c", metadata=item("c")["metadata"] | {"deletionTimestamp": "2026-11-02T08:59:00Z"})
    seen, fact = look(
        found(item(), item("b", phase="Succeeded"), ending, item("d", "team"), item("e", "team"))
    )
    assert [each.name for each in fact.pods] == ["dev-0"]
    assert "2 workspace pods are in team" in seen[0].text


def test_who_may_not_list_everywhere_sees_the_workloads_namespace() -> None:
    """What is elsewhere is not missed by anybody who could not see it."""
    seen, fact = look(found(item(), answers={("pods", ""): refused(PODS)}))
    assert [observation.id for observation in seen] == ["workspaces-seen"]
    assert len(fact.pods) == 1


def test_who_may_list_nowhere_is_told() -> None:
    """The permission is named."""
    answers = {("pods", name): refused(PODS, name) for name in ("", NAMESPACE)}
    with pytest.raises(CannotLookError, match="list pods in namespace coder"):
        look(found(item(), answers=answers))


@pytest.mark.parametrize("coder_v2", [True, False])
def test_only_coder_has_workspaces(coder_v2: bool) -> None:
    """Of both versions."""
    other = Workload("deployment", "coder", NAMESPACE, {}, coder=False, coder_v2=coder_v2)
    expected = "no workspace runs" if coder_v2 else "is not Coder's"
    with pytest.raises(NotApplicableError, match=expected):
        look(found(on=other))


def test_the_kubelets_words_come_from_the_status_else_from_the_events() -> None:
    """As for the workload's own pods."""
    event = {"reason": "Failed", "message": f'Failed to pull image "{IMAGE}": {REFUSED}'}
    silent = {"waiting": {"reason": "ImagePullBackOff"}}
    status = {"containerStatuses": [{"name": "dev", "state": silent}]}
    spec = {"containers": [{"name": "dev", "image": IMAGE}]}
    waits = pod("dev-0", spec=spec, status=status, exec_problem="ImagePullBackOff", container="dev")
    ((seen,), _) = look(pulls(of(waits), known(PodEvents({"dev-0": (event,)}))))
    assert seen.values["said"] == REFUSED
    assert f"pod/{waits.name}" in seen.subject.scope


def test_a_hundred_workspaces_that_wait_are_not_a_hundred_lines() -> None:
    """All are made in one way: some show what keeps them all."""
    assert len(sight(pulls(of(*(waiting(f"dev-{number}") for number in range(100))), unknown()))) == MOST


@pytest.mark.parametrize(
    ("username", "key"),
    [
        ("00000000-0000-0000-0000-000000000000", HOST),
        ("me@example.com", HOST),
        ("acme", "docker.io"),
    ],
)
def test_what_no_static_credential_of_azure_is_is_not_called_one(username: str, key: str) -> None:
    """A token of Entra's has the null GUID for a name; other registries have no pod identity."""
    assert "workspace-secret-static" not in sight(held(entry(username, key)))


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"https://{HOST}/v2/", HOST.upper()])
def test_the_host_is_read_out_of_the_key(key: str) -> None:
    """However it is written there."""
    seen, _ = look(held(entry(key=key)))
    assert [item.values["host"] for item in seen if item.id == "workspace-secret-static"] == [HOST]


def test_static_credentials_are_right_where_no_pod_identity_is_meant() -> None:
    """And in version 2 they are the template's own."""
    assert "workspace-secret-static" not in sight(held(entry(), identity=unknown()))
    other = Workload("deployment", "coder", NAMESPACE, {}, coder=False, coder_v2=True)
    assert "workspace-secret-static" not in sight(held(entry(), on=other))


def test_without_pull_secrets_the_nodes_pull() -> None:
    """That is no failure."""
    with pytest.raises(NotApplicableError, match="the node's identity"):
        look(secrets(known(of(pod())), workload(), known(WANTED), FakeCluster(), Clock()))


def account(*names: str) -> Any:
    """The service account of workspaces, which names these pull secrets."""
    return {
        "metadata": {"name": "environments", "namespace": NAMESPACE},
        "imagePullSecrets": [{"name": name} for name in names],
    }


def test_the_service_account_of_workspaces_names_secrets_before_any_runs() -> None:
    """What the next workspace pulls with can be seen now."""
    cluster = FakeCluster({"serviceaccounts": [account("s", "")]})
    ((seen,), _) = look(secrets(unknown(), workload(), known(WANTED), cluster, Clock()))
    assert seen.id == "pull-secret-absent"
    assert "service account environments names pull secret s" in seen.text


def test_a_secret_that_a_pod_names_too_is_looked_at_once() -> None:
    """The pod is the nearer one."""
    spec = {"containers": [], "imagePullSecrets": [{"name": "s"}]}
    cluster = FakeCluster({"serviceaccounts": [account("s")]})
    ((seen,), _) = look(secrets(known(of(pod(spec=spec))), workload(), unknown(), cluster, Clock()))
    assert "workspace pod coderd-1 names" in seen.text


def test_an_account_that_may_not_be_read_matters_only_where_no_pod_names_a_secret() -> None:
    """What can be seen is looked at all the same."""
    answers = {("serviceaccounts", NAMESPACE, "environments"): refused(SERVICE_ACCOUNTS, NAMESPACE, "get")}
    with pytest.raises(CannotLookError, match="get serviceaccounts in namespace coder"):
        look(secrets(unknown(), workload(), known(WANTED), FakeCluster(answers=answers), Clock()))
    spec = {"containers": [], "imagePullSecrets": [{"name": "s"}]}
    found = secrets(known(of(pod(spec=spec))), workload(), unknown(), FakeCluster(answers=answers), Clock())
    assert sight(found) == ["pull-secret-absent"]


def test_version_2_has_no_such_account() -> None:
    """Its templates say which one a workspace has."""
    cluster = FakeCluster({"serviceaccounts": [account("s")]})
    other = Workload("deployment", "coder", NAMESPACE, {}, coder=False, coder_v2=True)
    with pytest.raises(NotApplicableError, match="no workspace names a pull secret"):
        look(secrets(unknown(), other, unknown(), cluster, Clock()))
    with pytest.raises(NotApplicableError, match="is not Coder's"):
        look(secrets(unknown(), workload(coder=False), unknown(), cluster, Clock()))
