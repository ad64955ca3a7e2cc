"""That the lab tells the truth: the real cluster's world of the same kind is told of in the same way."""

import pytest

from tests.cluster.live import HEALTHY, Played
from tests.cluster.parity import TWINS, UNSTAGED, Twin, in_the_lab, told
from tests.cluster.product import Run
from tests.cluster.running import say
from tests.cluster.worlds import ALTERED, SEEN

ALL = {
    **TWINS,
    **{world.name: Twin(world.scenario, world.as_staged, world.other_size) for world in SEEN},
    **{world.name: Twin(world.scenario, world.as_staged) for world in ALTERED},
}


@pytest.mark.parametrize("name", ALL)
def test_the_lab_is_told_of_as_the_real_cluster_is(name: str, played: Played) -> None:
    """The same causes in the same order, with the same confidence and remedies, and the same statuses."""
    real, lab = told(_run(name, played).report), in_the_lab(ALL[name])
    if ALL[name].other_size:
        real, lab = real.of_any_size, lab.of_any_size
    assert real == lab


def test_what_is_not_staged_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Which of the lab's worlds are not compared, and why."""
    with capsys.disabled():
        for scenario, reason in UNSTAGED.items():
            say(f"not staged: {scenario}: {reason}")
        for twin in ALL.values():
            if twin.other_size:
                say(f"compared without numbers: {twin.scenario}: {twin.other_size}")
    assert all(UNSTAGED.values())


def _run(name: str, played: Played) -> Run:
    """The run of a staged world, as it was when it was broken."""
    if name == HEALTHY:
        assert played.rest is not None, played.trouble
        return played.rest.run
    if name in played.outcomes:
        outcome = played.outcomes[name]
        assert outcome.before is not None, outcome.trouble
        return outcome.before
    sight = played.sights[name]
    assert sight.run is not None, sight.trouble
    return sight.run
