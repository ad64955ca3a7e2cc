"""How checks hang together."""

from dataclasses import dataclass

import pytest

from acrcheck.model import Check
from acrcheck.wiring import CatalogueError, Each, Looking, Maybe, wire


@dataclass(frozen=True)
class Door:
    """A thing handed in."""


@dataclass(frozen=True)
class House:
    """A fact."""


@dataclass(frozen=True)
class Room:
    """A fact of which there are several."""


@dataclass(frozen=True)
class Light:
    """A fact per room."""


GIVEN = frozenset({Door})


def house(door: Door) -> Looking[House]:
    """Make the one fact."""
    yield from ()
    return House()


def rooms(house: House) -> Looking[Each[Room]]:
    """Make the subjects."""
    yield from ()
    return Each()


def light(room: Room) -> Looking[Light | None]:
    """Make a fact per subject, or none."""
    yield from ()
    return Light()


def all_lights(lights: Each[Light], house: Maybe[House]) -> Looking[None]:
    """Take the facts of all subjects."""
    yield from ()


HOUSE = Check("house", "", house)
ROOMS = Check("rooms", "", rooms)
LIGHT = Check("light", "", light, each=Room)
ALL = Check("all", "", all_lights)


def test_reads_needs_and_facts_from_the_signature() -> None:
    """What a check needs and makes is in its annotations alone."""
    wiring = wire((HOUSE, ROOMS, LIGHT, ALL), GIVEN)

    assert [(need.name, need.how) for need in wiring.get("all").needs] == [
        ("lights", "each"),
        ("house", "maybe"),
    ]
    assert wiring.get("house").needs[0].how == "given"
    assert wiring.get("light").makes is Light
    assert wiring.get("rooms").subjects
    assert wiring.get("all").makes is None


def test_a_check_comes_after_those_that_make_what_it_takes() -> None:
    """`Maybe` and `Each` order too, and so do the subjects a check runs over."""
    before = wire((HOUSE, ROOMS, LIGHT, ALL), GIVEN).before

    assert before == {
        "house": frozenset(),
        "rooms": {"house"},
        "light": {"rooms"},
        "all": {"light", "house"},
    }


def test_the_order_shown_is_the_order_given() -> None:
    """Checks may be declared before those they wait for."""
    assert [item.check.id for item in wire((ALL, LIGHT, ROOMS, HOUSE), GIVEN).checks] == [
        "all",
        "light",
        "rooms",
        "house",
    ]


def test_two_checks_of_one_id_are_refused_naming_both_places() -> None:
    """The message names file and line of either."""
    with pytest.raises(
        CatalogueError, match=r"two checks are called house: .*test_wiring\.py:\d+ and .*:\d+"
    ):
        wire((HOUSE, Check("house", "", rooms)), GIVEN)


def test_two_producers_are_refused_naming_both_places() -> None:
    """Each fact has one maker."""
    with pytest.raises(CatalogueError, match=r"House is made twice: .*:\d+ and .*test_wiring\.py:\d+"):
        wire((HOUSE, Check("other", "", house)), GIVEN)


def test_a_missing_producer_is_refused() -> None:
    """A need that no check meets names check, place and fact."""
    with pytest.raises(CatalogueError, match=r"check rooms at .*:\d+ needs House, which no check makes"):
        wire((ROOMS,), GIVEN)


def test_missing_subjects_are_refused() -> None:
    """A check over subjects needs their maker."""

    def look() -> Looking[None]:
        yield from ()

    with pytest.raises(CatalogueError, match="needs Room, which no check makes"):
        wire((Check("look", "", look, each=Room),), GIVEN)


def test_a_cycle_is_refused_naming_the_places() -> None:
    """Checks that wait for each other can never run."""

    def first(light: Light) -> Looking[House]:
        yield from ()
        return House()

    def second(house: House) -> Looking[Light]:
        yield from ()
        return Light()

    with pytest.raises(CatalogueError, match=r"wait for each other: .*first \(.*:\d+\).*second \(.*:\d+\)"):
        wire((Check("first", "", first), Check("second", "", second)), GIVEN)


def test_a_fact_per_subject_cannot_be_taken_alone() -> None:
    """Who is not over the same subjects takes all of them."""

    def look(light: Light) -> Looking[None]:
        yield from ()

    with pytest.raises(
        CatalogueError, match=r"takes one Light, but there is one per Room: take Each\[Light\]"
    ):
        wire((HOUSE, ROOMS, LIGHT, Check("look", "", look)), GIVEN)


def test_a_function_that_is_no_generator_is_refused() -> None:
    """A check's function returns Looking."""

    def look() -> House:
        return House()

    with pytest.raises(CatalogueError, match="must return Looking"):
        wire((Check("look", "", look),), GIVEN)


def test_what_asks_comes_after_the_gate() -> None:
    """Who asks the API server waits until it is known what is permitted; who the gate needs does not."""
    asking = Check("asking", "", all_lights, asks=(("get", "pods"),))
    first = Check("house", "", house, asks=(("list", "pods"),))
    before = wire((first, ROOMS, LIGHT, asking), GIVEN, gate=Room).before

    assert "rooms" in before["asking"]
    assert "rooms" not in before["house"]
    assert "rooms" not in before["rooms"]
