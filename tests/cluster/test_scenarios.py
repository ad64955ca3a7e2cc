"""That what is broken on the real cluster is named first, and that what is printed mends it."""

import pytest

from tests.cluster import live, scenarios
from tests.cluster.live import Outcome, Played, logged_in
from tests.cluster.running import say

NAMES = [scenario.name for scenario in scenarios.ALL]
each = pytest.mark.parametrize("outcome", NAMES, indirect=True)


@pytest.fixture
def outcome(request: pytest.FixtureRequest, played: Played) -> Outcome:
    """What came of the scenario of that name."""
    found = played.outcomes[request.param]
    assert not found.trouble, found.trouble
    return found


@each
def test_the_cause_is_named_first(outcome: Outcome) -> None:
    """The broken world's cause is the first, or shares the first place with those that the facts leave open."""
    assert outcome.before is not None
    causes, scenario = outcome.before.causes, outcome.scenario
    ids = [cause["id"] for cause in causes]
    assert scenario.cause in ids, outcome.before.text or outcome.before.stderr
    ahead = causes[: ids.index(scenario.cause)]
    assert {cause["id"] for cause in ahead} <= scenario.equals, ids
    assert {cause["confidence"] for cause in ahead} <= {outcome.named["confidence"]}, ids
    assert outcome.before.code == scenario.code, outcome.before.text


@each
def test_what_shares_the_first_place_says_what_would_decide(outcome: Outcome) -> None:
    """A cause that is not sure names the evidence that would make it so; one that is sure has none to name."""
    assert (outcome.named["confidence"] == 1.0) == (not outcome.scenario.equals)
    assert bool(outcome.named["toDecide"]) == bool(outcome.scenario.equals)


@each
def test_the_printed_commands_mend_it(outcome: Outcome) -> None:
    """Every command for the cluster works as printed, one of them changes it or the test did, and the cause is gone."""
    assert outcome.after is not None
    assert [done for done in outcome.done if not done.well] == []
    assert outcome.scenario.mend or any(done.changes for done in outcome.done), outcome.named["remedies"]
    causes = [cause["id"] for cause in outcome.after.causes]
    assert outcome.scenario.cause not in causes, outcome.after.text


@each
def test_nothing_else_is_left_broken(outcome: Outcome) -> None:
    """On the mended world nothing fails, unless the scenario says what does."""
    assert outcome.after is not None
    code = 1 if outcome.scenario.left else 0
    assert outcome.after.code == code, outcome.after.text


@each
def test_no_check_raises(outcome: Outcome) -> None:
    """A check that ends in an exception is a bug, whatever the report makes of it."""
    for run in outcome.runs:
        assert "Traceback" not in run.text + run.stderr
        assert [check for check in run.checks if "raised" in (check["reason"] or "")] == []


@each
def test_az_agrees_about_the_login(outcome: Outcome) -> None:
    """The real az logs in beside exactly those pods of which acrcheck says that it would."""
    assert outcome.before is not None
    said = logged_in(outcome.before)
    if outcome.scenario.code == 3:
        # Where it may not look, it says nothing.
        assert outcome.before.with_status("unknown")
        return
    for verdict in outcome.verdicts:
        assert said.get(verdict.pod, False) == verdict.logged_in, verdict


def test_a_healthy_cluster_passes_and_stays_as_it_was(played: Played) -> None:
    """No fail, no unknown, no warning but that of retirement, exit 0; no object is created, changed or deleted."""
    rest = played.rest
    assert rest is not None, played.trouble
    assert rest.run.with_status("fail", "unknown") == []
    assert {cause["id"] for cause in rest.run.causes} == {"pod-identity-unsupported"}
    assert [check["id"] for check in rest.run.with_status("warn")] == ["crds"]
    assert rest.run.code == 0
    assert rest.changed == []
    assert [verdict for verdict in rest.verdicts if not verdict.logged_in] == []
    assert all(logged_in(rest.run).values())


def test_a_hopeless_request_is_not_waited_for(played: Played) -> None:
    """NMI in standard mode holds it for 80 s: the run does not."""
    outcome = played.outcomes["unassigned"]
    assert outcome.before is not None
    report = outcome.before.report
    assert "holding the request" in outcome.before.text
    assert max(check["durationMs"] for check in outcome.before.checks) < 40_000, report


def test_a_restart_is_advised_only_where_it_helps(played: Played) -> None:
    """`Identity not found` leads to a rollout restart where a fresh request is answered, and nowhere else."""
    for name in ("wrong-everywhere", "missing-on-one-pool", "stale-on-one-node"):
        outcome = played.outcomes[name]
        assert not outcome.trouble, outcome.trouble
        assert not any("rollout restart" in remedy["command"] for remedy in outcome.named["remedies"]), name
        assert "restart" in outcome.named["means"] + str(outcome.named["remedies"]), name
    older = played.outcomes["older-connection"].named
    assert any("rollout restart" in remedy["command"] for remedy in older["remedies"])


def test_gitops_prints_no_command_that_would_be_reverted(played: Played) -> None:
    """What Argo CD makes is changed in its repository."""
    assert not any(remedy["changes"] for remedy in played.outcomes["no-label-gitops"].named["remedies"])


def test_what_no_command_mends_is_known(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    """Each scenario that the test mends itself says why; the list is printed."""
    by_hand = [scenario for scenario in scenarios.ALL if scenario.mend]
    with capsys.disabled():
        for scenario in by_hand:
            say(f"mended by the test, not by a command: {scenario.name}: {scenario.why}")
    assert [scenario.name for scenario in by_hand if not scenario.why] == []
    assert live.HEALTHY not in {scenario.name for scenario in by_hand}
