"""The Kubernetes API: it answers, and what the run needs is permitted."""

from typing import Any

import pytest

from acrcheck.api import Answer, CannotLookError, Outcome, Permission, Target
from acrcheck.facts import ApiServer, Ask, Plan
from checks.cluster import CHECKS, api_server, asks, permission
from tests.checks.looking import Case, FakeCluster, declared, good, look, refuse_unseen, sight, workload

EXEC = Permission("create", "pods", "coder", subresource="exec")
PRODUCTION = Target(context="prod")


def denied(body: Any) -> Case:
    """A review with that body."""
    return lambda: permission(Ask(EXEC), FakeCluster(answers={EXEC.text: good(body)}), PRODUCTION)


NOT_RECORDED = FakeCluster(answers={"/version": Answer(Outcome.NOT_RECORDED)})
CASES: dict[tuple[str, str], Case] = {
    ("permissions", "permission-missing"): denied({"allowed": False}),
    ("api-server", "api-server-version-not-recorded"): lambda: api_server(NOT_RECORDED),
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some world."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


def test_the_version_is_the_fact() -> None:
    """What /version says is kept."""
    cluster = FakeCluster(answers={"/version": good({"gitVersion": "v1.36.3"})})
    assert look(api_server(cluster)) == ([], ApiServer("v1.36.3"))


@pytest.mark.parametrize("body", [None, [], "<html>", {}, {"gitVersion": None}, {"gitVersion": ""}])
def test_what_is_no_api_server_is_unknown(body: Any) -> None:
    """An answer without a version is no Kubernetes API server, said so and not guessed."""
    with pytest.raises(CannotLookError, match="malformed"):
        look(api_server(FakeCluster(answers={"/version": good(body)})))


@pytest.mark.parametrize(
    "outcome", [item for item in Outcome if item not in {Outcome.OK, Outcome.NOT_RECORDED}]
)
def test_no_answer_is_unknown_with_its_reason(outcome: Outcome) -> None:
    """Whatever went wrong on the way is the reason."""
    with pytest.raises(CannotLookError, match=f"{outcome}: it failed"):
        look(api_server(FakeCluster(answers={"/version": Answer(outcome, detail="it failed")})))


def test_what_checks_ask_becomes_permissions_once() -> None:
    """Verb, resource, group, subresource and scope are read from the declaration; doubles are asked once."""
    plan = Plan(
        (
            ("create", "pods/exec"),
            ("create", "pods/exec"),
            ("list", "azureidentities.aadpodidentity.k8s.io", "all"),
            ("get", "nodes", "all"),
        )
    )
    _, found = look(asks(plan, workload()))
    assert [item.permission.can_i() for item in found] == [
        "kubectl auth can-i create pods --subresource=exec -n coder",
        "kubectl auth can-i list azureidentities.aadpodidentity.k8s.io -A",
        "kubectl auth can-i get nodes -A",
    ]


@pytest.mark.parametrize("body", [{"allowed": True}, {"allowed": True, "reason": None}])
def test_a_permission_that_is_held_is_silent(body: Any) -> None:
    """Nothing is seen where all is well."""
    seen, fact = look(denied(body)())
    assert (seen, fact.held) == ([], True)


@pytest.mark.parametrize(
    "body", [{}, {"allowed": None}, {"denied": True}, {"allowed": False, "reason": "no"}]
)
def test_a_review_that_does_not_allow_denies(body: Any) -> None:
    """Only a clear yes is a yes."""
    assert sight(denied(body)()) == ["permission-missing"]


def test_the_missing_permission_is_named_with_its_command() -> None:
    """The observation says what is missing and how to see it."""
    (seen,), _ = look(denied({})())
    assert seen.text == "not permitted to create pods/exec in namespace coder"
    assert seen.values["can_i"] == "kubectl --context prod auth can-i create pods --subresource=exec -n coder"


def test_a_review_that_is_refused_is_unknown() -> None:
    """Who may not even ask is not said to be denied."""
    with pytest.raises(CannotLookError, match="timeout"):
        look(permission(Ask(EXEC), FakeCluster(answers={EXEC.text: Answer(Outcome.TIMEOUT)}), PRODUCTION))
