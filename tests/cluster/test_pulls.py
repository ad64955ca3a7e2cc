"""That the kubelet's word, the probe and the named cause agree on why a real pull fails, and that it can be mended."""

import io

import pytest

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.text.diagnose import diagnose
from tests.cluster import capture, compared, pulls
from tests.cluster.failing import Outcome
from tests.cluster.running import say

BESIDE = {"rollout-incomplete", "pod-identity-unsupported"}
"""What every staged world has: a rollout that waits for its pod, and AAD Pod Identity."""
NAMES = [pull.name for pull in pulls.ALL]
each = pytest.mark.parametrize("outcome", NAMES, indirect=True)


@pytest.fixture
def outcome(request: pytest.FixtureRequest, pulled: dict[str, Outcome]) -> Outcome:
    """What came of the pull of that name."""
    found = pulled[request.param]
    assert not found.trouble, found.trouble
    return found


@each
def test_the_cause_is_named_first(outcome: Outcome) -> None:
    """It is the first, or shares the first place with those that the facts leave open; and nothing else is blamed."""
    assert outcome.run is not None
    causes, pull = outcome.run.causes, outcome.pull
    ids = [cause["id"] for cause in causes]
    assert pull.cause in ids, outcome.run.text or outcome.run.stderr
    ahead = causes[: ids.index(pull.cause)]
    assert {cause["id"] for cause in ahead} <= pull.equals, ids
    # A kubelet that has not got the secret yet pulls without it, and what it says of that is told as well.
    without = pulls.NO_CREDENTIAL if any(pulls.ANONYMOUS in said for said in outcome.said) else frozenset()
    allowed = {pull.cause, *pull.equals, *pull.beside, *BESIDE, *without}
    assert set(ids) <= allowed, (ids, outcome.said)
    assert outcome.run.code == 1, outcome.run.text


@each
def test_the_kubelets_own_words_lead_to_the_same_cause(outcome: Outcome) -> None:
    """Its events alone, given to `acrcheck diagnose`, name the cause or one that they do not tell from it."""
    pulling = [said for said in outcome.said if outcome.pull.said in said]
    checks = load_checks(builtin_dir())
    found = diagnose(
        io.BytesIO("\n".join(pulling).encode()), load_causes(builtin_dir(), checks), checks.layers
    )
    named = {item.cause.id for item in found.findings}
    assert named & {outcome.pull.cause, *outcome.pull.equals, *outcome.pull.beside}, (outcome.said, named)


@each
def test_the_printed_commands_work_and_the_image_is_pulled_then(outcome: Outcome) -> None:
    """Every command for the cluster works as printed; one of them mends the pull, or the test did and says why."""
    assert [done for done in outcome.done if not done.well] == []
    assert outcome.works
    assert bool(outcome.pull.mend) == bool(outcome.pull.why)
    assert outcome.pull.mend or any(done.changes for done in outcome.done), outcome.named["remedies"]


@each
def test_what_the_readme_shows_is_what_is_said(outcome: Outcome) -> None:
    """The captured words of acrcheck and of today's tools are those of now.

    The kubelet's own are not compared: where an answer fails to come, they depend on when it gave up.
    """
    shown = {entry["pull"]: entry for entry in compared.read()}[outcome.pull.name]
    said = capture.captured(outcome)
    assert {**said, "kubelet": ""} == {**shown, "kubelet": ""}, "make compare-tools"


@each
def test_no_check_raises(outcome: Outcome) -> None:
    """A check that ends in an exception is a bug, whatever the report makes of it."""
    assert outcome.run is not None
    assert "Traceback" not in outcome.run.text + outcome.run.stderr
    assert [check for check in outcome.run.checks if "raised" in (check["reason"] or "")] == []


def test_nothing_is_shown_that_is_not_staged() -> None:
    """What was captured is of the pulls that there are, in their order."""
    assert [entry["pull"] for entry in compared.read()] == NAMES


def test_what_no_command_mends_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    """Each pull that the test mends itself says why; the list is printed."""
    by_hand = [pull for pull in pulls.ALL if pull.mend]
    with capsys.disabled():
        for pull in by_hand:
            say(f"mended by the test, not by a command: {pull.name}: {pull.why}")
    assert [pull.name for pull in by_hand if not pull.why] == []
