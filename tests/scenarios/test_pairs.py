"""Two scenarios' faults in one world, drawn anew at each run; `make pairs` tries all of them."""

import itertools
import os
import random

import pytest

from acrcheck.lab.world import Rule, healthy
from tests.scenarios.pairs import EXCEPTIONS, PAIRS, changes, problems, state, together

SEED = int(os.environ.get("PAIRS_SEED") or random.randrange(1_000_000))  # noqa: S311 - a draw, not a secret
DRAWN, PARTS = 300, 6


@pytest.mark.parametrize("part", range(PARTS))
def test_both_causes_of_a_pair_are_named(part: int) -> None:
    """One of the two comes first, and the other is named too, unless a document declares its layer hidden."""
    drawn = random.Random(SEED).sample(PAIRS, len(PAIRS))[part::PARTS]  # noqa: S311 - a draw, not a secret
    tried = ((pair, problems(*pair)) for pair in drawn)
    compatible = itertools.islice((item for item in tried if item[1] is not None), DRAWN // PARTS)
    assert {pair: found for pair, found in compatible if found} == {}, f"drawn with PAIRS_SEED={SEED}"


def test_faults_that_write_the_same_do_not_go_together() -> None:
    """Nor do those of which one takes away what the other changes, nor one that is part of the other."""
    assert together("tag-missing", "repository-missing") is None
    assert together("crds-missing", "client-id-wrong") is None
    assert together("no-role", "role-for-the-kubelet") is None


def test_a_fault_that_a_later_one_undoes_comes_after_it() -> None:
    """New pods have no old connections, and time makes a role count: where one order does not hold, the other does."""
    old = together("old-connection", "label-wrong-case")
    new = together("role-too-new", "label-wrong-case")
    assert old
    assert old.old_connections.keys() == {pod["metadata"]["name"] for pod in old.pods}
    assert new
    assert new.azure.roles[0].effective_at
    assert new.azure.roles[0].effective_at > new.clock.now()


def test_faults_of_another_mode_go_into_its_world_where_they_are_faults_there() -> None:
    """In standard mode a missing tag is one, and objects in another namespace are none."""
    assert together("mic-absent", "tag-missing")
    assert together("mic-absent", "objects-in-other-namespace") is None


def test_a_lack_of_permissions_is_no_fault() -> None:
    """It leaves less to be seen of the other."""
    assert together("no-exec", "no-role") is None


def test_the_state_shows_what_was_changed_and_nothing_else() -> None:
    """Neither generated names nor addresses nor times are told."""
    world = healthy()
    before = state(world)
    world.network.rules.append(Rule("drop", "example.com"))
    world.clock.sleep(60)
    written = changes(before, state(world))
    assert [path[:2] for path in written] == [("network", "rules")]
    assert list(written.values()) == [1]


def test_every_exception_is_a_pair() -> None:
    """Named in the order in which the scenarios come."""
    assert set(EXCEPTIONS) <= set(PAIRS)
