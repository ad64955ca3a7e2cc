"""That every scenario is compared with the real cluster, or says why it is not."""

from acrcheck.catalogue import builtin_dir
from acrcheck.lab.scenario import load_scenarios
from tests.cluster.coders import PORTS
from tests.cluster.parity import TWINS, UNSTAGED
from tests.cluster.scenarios import ALL
from tests.cluster.upgrades import GATES
from tests.cluster.worlds import ALTERED, SEEN

STAGED = {
    *(twin.scenario for twin in TWINS.values()),
    *(world.scenario for world in SEEN),
    *(world.scenario for world in ALTERED),
    *PORTS,
    *(gate.scenario for gate in GATES),
}


def test_every_scenario_of_a_run_is_staged_or_has_a_reason() -> None:
    """A new scenario comes with its real world, or with why there is none; nothing names one that is gone."""
    known = {scenario.id for scenario in load_scenarios(builtin_dir()) if not scenario.prints}
    assert known - STAGED - UNSTAGED.keys() == set()
    assert (STAGED | UNSTAGED.keys()) - known == set()
    assert STAGED & UNSTAGED.keys() == set()


def test_every_staged_world_has_its_twin_in_the_lab() -> None:
    """What is mended on the real cluster is compared too."""
    assert {scenario.name for scenario in ALL} | {"healthy"} == TWINS.keys()
