"""Loading scenarios, looking at their worlds, mending them, and the demo's story."""

from datetime import timedelta

import pytest

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.lab import faults, story
from acrcheck.lab.scenario import OperatorClock, Scenario, load_scenarios, look, mend
from acrcheck.lab.world import healthy

CHECKS = load_checks(builtin_dir())
CAUSES = load_causes(builtin_dir(), CHECKS)
SCENARIOS = {item.id: item for item in load_scenarios(builtin_dir())}


def test_scenarios_come_in_order_and_build_a_new_world_each_time() -> None:
    """The healthy ones first; what is done to one world is not done to the next."""
    assert next(iter(SCENARIOS)).startswith("healthy")
    scenario = SCENARIOS["label-missing"]
    assert scenario.build() is not scenario.build()


def test_the_operators_clock_may_be_wrong() -> None:
    """It is ahead by what the world says, and waits as all clocks do."""
    world = faults.broken(healthy(), faults.clock_ahead(timedelta(hours=1)))
    clock = OperatorClock(world)
    assert clock.now() - world.clock.now() == timedelta(hours=1)
    clock.sleep(2)
    assert clock.monotonic() == world.clock.monotonic()


def test_a_remedy_that_was_not_printed_is_an_error() -> None:
    """The scenario names a remedy that the report does not have."""
    scenario = Scenario("x", "pod-label-missing", "x", healthy, mended_by=("reboot",))
    world = SCENARIOS["label-missing"].build()
    report, _ = look(world, CHECKS, CAUSES)
    with pytest.raises(LookupError, match="no remedy reboot was printed"):
        mend(world, scenario, report)


def test_the_story_ends_well() -> None:
    """The log has the documentation's words, a fresh request works, the remedy is a restart; then all is well."""
    told = story.tell(SCENARIOS[story.SCENARIO], CHECKS, CAUSES)
    assert '{"error":"invalid_request","error_description":"Identity not found"}' in told.log
    assert told.client_id
    assert told.before.exit_code == 1
    ((command, output),) = told.remedies
    assert command == f"{told.kubectl} -n coder rollout restart deployment/coderd"
    assert output == "deployment.apps/coderd restarted\n"
    assert told.after.exit_code == 0
