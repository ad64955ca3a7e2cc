"""How checks hang together: what each needs and makes, read from its signature."""

import inspect
from collections.abc import Callable, Generator, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from acrcheck.late import dataclass
from acrcheck.model import Check, Observation, Status, Subject

T = TypeVar("T")
F_co = TypeVar("F_co", covariant=True)

Looking = Generator[Observation, None, T]
"""What a check's function is: it yields observations and returns its fact."""


@dataclass(frozen=True, slots=True)
class Maybe(Generic[T]):
    """A fact, or the status that stood in its way. Asking for it only orders."""

    value: T | None
    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Each(Generic[F_co]):
    """The facts of all subjects that have one. Asking for it only orders."""

    items: tuple[tuple[Subject, F_co], ...] = ()

    def __iter__(self) -> Iterator[F_co]:
        return (fact for _, fact in self.items)

    def __len__(self) -> int:
        return len(self.items)


class CatalogueError(Exception):
    """The knowledge contradicts itself; the message names the places."""


@dataclass(frozen=True, slots=True)
class Need:
    """One parameter of a check: a thing handed in (`given`), a fact, or a `Maybe` or `Each` of one."""

    name: str
    how: str
    type: type


@dataclass(frozen=True, slots=True)
class Wired:
    """A check with its needs and the type of fact it makes (None when it makes none)."""

    check: Check
    needs: tuple[Need, ...]
    makes: type | None
    subjects: bool
    """True when the fact is an `Each`: the subjects over which other checks run."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """All checks in the order shown, and who comes before whom."""

    checks: tuple[Wired, ...]
    producers: dict[type, Wired]
    before: dict[str, frozenset[str]]

    def get(self, check_id: str) -> Wired:
        """Give the check of that id. Raises KeyError when there is none."""
        return next(wired for wired in self.checks if wired.check.id == check_id)


def place_of(look: Callable[..., Any]) -> str:
    """Name file and line of a check's function."""
    code = look.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def wire(checks: tuple[Check, ...], given: frozenset[type], gate: type | None = None) -> Wiring:
    """Read the signatures and order the checks.

    `given` are the types that a run hands in. `gate` is a fact that must be known before anything is asked of
    the cluster: every check that `asks`, and that the gate does not itself need, comes after its producer.
    Raises CatalogueError for a duplicate id, a duplicate or missing producer, or a cycle.
    """
    wired = tuple(_read(check, given) for check in checks)
    seen: dict[str, Check] = {}
    for check in checks:
        if check.id in seen:
            raise CatalogueError(
                f"two checks are called {check.id}: {place_of(seen[check.id].look)} and {place_of(check.look)}"
            )
        seen[check.id] = check
    producers = _producers(wired)
    _refuse_lost_subjects(wired, producers)
    before = {item.check.id: _needed(item, producers) for item in wired}
    if gate in producers:
        _put_behind_gate(wired, before, producers[gate].check.id)
    try:
        tuple(TopologicalSorter(before).static_order())
    except CycleError as error:
        loop = " → ".join(f"{name} ({place_of(seen[name].look)})" for name in error.args[1])
        raise CatalogueError(f"checks wait for each other: {loop}") from error
    return Wiring(wired, producers, before)


def _read(check: Check, given: frozenset[type]) -> Wired:
    hints = get_type_hints(check.look)
    made = hints.pop("return", None)
    if get_origin(made) is not Generator:
        raise CatalogueError(f"check {check.id} at {place_of(check.look)} must return Looking[…]")
    fact = get_args(made)[2]
    options = [option for option in _options(fact) if option is not type(None)]
    fact = options[0] if options else None
    subjects = get_origin(fact) is Each
    makes = get_args(fact)[0] if subjects else fact
    needs = tuple(_need(name, hints[name], given) for name in inspect.signature(check.look).parameters)
    return Wired(check, needs, makes, subjects)


def _options(annotation: Any) -> tuple[Any, ...]:
    is_union = get_origin(annotation) is Union or type(annotation).__name__ == "UnionType"
    return get_args(annotation) if is_union else (annotation,)


def _need(name: str, annotation: Any, given: frozenset[type]) -> Need:
    origin = get_origin(annotation)
    if origin is Maybe:
        return Need(name, "maybe", get_args(annotation)[0])
    if origin is Each:
        return Need(name, "each", get_args(annotation)[0])
    return Need(name, "given" if annotation in given else "fact", annotation)


def _producers(wired: tuple[Wired, ...]) -> dict[type, Wired]:
    producers: dict[type, Wired] = {}
    for item in wired:
        if item.makes is None:
            continue
        if item.makes in producers:
            other = producers[item.makes].check.look
            raise CatalogueError(
                f"{item.makes.__name__} is made twice: {place_of(other)} and {place_of(item.check.look)}"
            )
        producers[item.makes] = item
    return producers


def _needed(item: Wired, producers: dict[type, Wired]) -> frozenset[str]:
    """Name the checks that must come first. A check over subjects needs the maker of the subjects too."""
    types = [need.type for need in item.needs if need.how != "given"]
    if item.check.each is not None:
        types.append(item.check.each)
    for fact in types:
        if fact not in producers:
            raise CatalogueError(
                f"check {item.check.id} at {place_of(item.check.look)} needs {fact.__name__}, which no check makes"
            )
    return frozenset(producers[fact].check.id for fact in types)


def _refuse_lost_subjects(wired: tuple[Wired, ...], producers: dict[type, Wired]) -> None:
    """A fact that exists once per subject can only be taken per that subject, or as `Each`."""
    for item in wired:
        for need in item.needs:
            maker = producers.get(need.type)
            if need.how not in {"fact", "maybe"} or maker is None:
                continue
            over = maker.makes if maker.subjects else maker.check.each
            if over is not None and over is not item.check.each:
                raise CatalogueError(
                    f"check {item.check.id} at {place_of(item.check.look)} takes one {need.type.__name__}, "
                    f"but there is one per {over.__name__}: take Each[{need.type.__name__}]"
                )


def _put_behind_gate(wired: tuple[Wired, ...], before: dict[str, frozenset[str]], gate: str) -> None:
    upstream = {gate}
    frontier = [gate]
    while frontier:
        for name in before[frontier.pop()]:
            if name not in upstream:
                upstream.add(name)
                frontier.append(name)
    for item in wired:
        if item.check.asks and item.check.id not in upstream:
            before[item.check.id] |= {gate}
