"""The engine: order, subjects, statuses, deadline, interruption."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from acrcheck.engine import Done, Engine, Finished, Observer, Started, select
from acrcheck.errors import UsageError
from acrcheck.lab.clock import LabClock
from acrcheck.model import (
    CannotLookError,
    Check,
    Level,
    NotApplicableError,
    Permission,
    Result,
    Status,
    Subject,
    SubjectGoneError,
    fail,
    note,
    warn,
)
from acrcheck.wiring import Each, Looking, Maybe, wire

BROKEN = fail("broken", "it is broken")
ODD = warn("odd", "it is odd")
HINT = note("hint", "so it is")


@dataclass(frozen=True)
class Base:
    """A fact."""

    value: int = 1


@dataclass(frozen=True)
class Pod:
    """A subject."""

    name: str

    @property
    def subject(self) -> Subject:
        """What is said about it."""
        return Subject(f"pod/{self.name}", frozenset({f"pod/{self.name}"}))


@dataclass(frozen=True)
class Token:
    """A fact per pod."""

    text: str


def base() -> Looking[Base]:
    """Make the fact."""
    yield from ()
    return Base()


def pods(_: Base) -> Looking[Each[Pod]]:
    """Make two subjects."""
    yield from ()
    return Each(tuple((pod.subject, pod) for pod in (Pod("a"), Pod("b"))))


def token(pod: Pod) -> Looking[Token]:
    """Make a fact per pod."""
    yield from ()
    return Token(pod.name)


BASE = Check("base", "", base, category="first")
PODS = Check("pods", "", pods, category="first")
TOKEN = Check("token", "", token, each=Pod, category="second")


def raising(error: Exception) -> Callable[[], Looking[Base]]:
    """Make a check's function that raises before it can return its fact."""

    def look() -> Looking[Base]:
        yield from ()
        raise error

    return look


def ran(
    *checks: Check,
    given: dict[type, Any] | None = None,
    clock: LabClock | None = None,
    only: tuple[str, ...] = (),
    observe: Observer = lambda _: None,
    severities: dict[str, Level] | None = None,
) -> Done:
    """Run checks with a deadline of 100 s."""
    given = given or {}
    wiring = wire(checks, frozenset(given))
    _, names = select(wiring, only, ())
    return Engine(
        wiring,
        given,
        clock or LabClock(),
        names=names,
        timeout=100,
        observe=observe,
        severities=severities or {},
    ).run()


def by_id(done: Done) -> dict[str, Result]:
    """Give the results by check and subject."""
    return {f"{result.check.id} {result.subject.name}".strip(): result for result in done.results}


def test_hands_facts_on() -> None:
    """What one check returns, the next one takes; the run's facts are handed back."""

    def look(found: Base, number: int) -> Looking[Token]:
        yield from ()
        return Token(str(found.value + number))

    done = ran(Check("look", "", look), BASE, given={int: 41})

    assert done.facts[Token] == Token("42")
    assert [result.status for result in done.results] == [Status.PASS, Status.PASS]


def test_results_stand_in_the_order_declared() -> None:
    """Whatever the order of running, the order shown is that of the tuple."""
    assert [result.check.id for result in ran(TOKEN, PODS, BASE).results] == [
        "token",
        "token",
        "pods",
        "base",
    ]


def test_runs_once_per_subject() -> None:
    """A check over pods has a result for each, which carries the pod."""
    assert set(by_id(ran(BASE, PODS, TOKEN))) == {"base", "pods", "token pod/a", "token pod/b"}


def test_a_subject_keeps_its_own_facts() -> None:
    """A later check over the same subjects takes the fact of its own one; others take all."""

    def same(pod: Pod, found: Token) -> Looking[None]:
        if pod.name != found.text:
            yield BROKEN()

    def together(found: Each[Token], among: Each[Pod]) -> Looking[Base]:
        yield from ()
        return Base(10 * len(found) + len(among))

    def root() -> Looking[Each[Pod]]:
        yield from ()
        return Each(tuple((pod.subject, pod) for pod in (Pod("a"), Pod("b"))))

    done = ran(
        Check("root", "", root),
        TOKEN,
        Check("same", "", same, each=Pod, sees=(BROKEN,)),
        Check("together", "", together),
    )

    assert {result.status for result in done.results} == {Status.PASS}
    assert done.facts[Base] == Base(22)


@pytest.mark.parametrize(
    ("seen", "status"),
    [((), Status.PASS), ((HINT,), Status.PASS), ((ODD, HINT), Status.WARN), ((ODD, BROKEN), Status.FAIL)],
)
def test_the_status_is_the_worst_observation(seen: tuple[Any, ...], status: Status) -> None:
    """Notes change nothing; a failure goes before a warning."""

    def look() -> Looking[None]:
        for kind in seen:
            yield kind()

    assert ran(Check("look", "", look, sees=(BROKEN, ODD, HINT))).results[0].status is status


def test_observations_say_where_they_are_from() -> None:
    """Each carries its check and its subject, its own one where the check said so."""

    def look(pod: Pod) -> Looking[None]:
        yield ODD()
        yield ODD().on(Subject("node/n"))

    result = by_id(ran(BASE, PODS, Check("look", "", look, each=Pod, sees=(ODD,))))["look pod/a"]

    assert [(item.check, item.subject.name) for item in result.observations] == [
        ("look", "pod/a"),
        ("look", "node/n"),
    ]


def test_an_undeclared_observation_is_a_crash() -> None:
    """A check sees only what it declares."""

    def look() -> Looking[None]:
        yield BROKEN()

    assert "does not declare" in ran(Check("look", "", look)).results[0].reason


def test_a_crash_is_unknown_and_the_run_goes_on() -> None:
    """The report names the exception and keeps the traceback; other checks are not touched."""
    done = ran(Check("crash", "", raising(ZeroDivisionError("by zero"))), Check("next", "", independent))
    crash, after = done.results

    assert crash.status is Status.UNKNOWN
    assert crash.inconclusive
    assert crash.reason == "the check itself failed: ZeroDivisionError: by zero"
    assert "ZeroDivisionError" in crash.traceback
    assert after.status is Status.PASS


def independent() -> Looking[None]:
    """Look at nothing."""
    yield from ()


def test_a_failure_seen_before_a_crash_stays() -> None:
    """What was seen is reported: the check fails, and the reason is kept."""

    def look() -> Looking[None]:
        yield BROKEN()
        raise ValueError

    result = ran(Check("look", "", look, sees=(BROKEN,))).results[0]

    assert result.status is Status.FAIL
    assert not result.inconclusive
    assert "ValueError" in result.reason


def test_what_cannot_be_looked_at_is_unknown() -> None:
    """The reason, the missing permission and what would help are in the result."""
    permission = Permission("list", "pods", "coder")
    error = CannotLookError("not permitted", permission=permission, remedy="ask")
    result = ran(Check("look", "", raising(error))).results[0]

    assert (result.status, result.reason) == (Status.UNKNOWN, "not permitted")
    assert (result.permission, result.remedy, result.inconclusive) == (permission, "ask", True)


def test_an_optional_check_may_stay_unknown() -> None:
    """It does not make the run inconclusive."""
    result = ran(Check("look", "", raising(CannotLookError("no")), optional=True)).results[0]

    assert result.status is Status.UNKNOWN
    assert not result.inconclusive


def test_a_missing_input_is_a_skip_that_does_not_count() -> None:
    """The reason is said, also where it stops later checks, and nobody is blamed."""
    done = ran(Check("base", "", raising(NotApplicableError("no image is named"))), PODS, TOKEN)

    assert {result.status for result in done.results} == {Status.SKIP}
    assert {result.reason for result in done.results} == {"no image is named"}
    assert not any(result.blocked_by or result.inconclusive for result in done.results)


def test_a_blocked_check_names_the_first_that_stood_in_its_way() -> None:
    """Down a chain, each names the root; unknown makes them inconclusive."""
    results = by_id(ran(Check("base", "", raising(CannotLookError("forbidden"))), PODS, TOKEN))

    assert results["pods"].blocked_by == "base"
    assert results["token"].blocked_by == "base"
    assert results["token"].inconclusive


def test_a_failure_blocks_without_making_inconclusive() -> None:
    """Behind a failure a skip is no lack of knowledge."""

    def look() -> Looking[Base | None]:
        yield BROKEN()
        return None

    results = by_id(ran(Check("base", "", look, sees=(BROKEN,)), PODS))

    assert results["pods"].blocked_by == "base"
    assert not results["pods"].inconclusive


def test_only_the_subject_without_a_fact_is_blocked() -> None:
    """Another pod's trouble is not this one's."""

    def half(pod: Pod) -> Looking[Token]:
        yield from ()
        if pod.name == "a":
            raise CannotLookError("no curl")
        return Token("b")

    def after(pod: Pod, found: Token) -> Looking[None]:
        yield from ()

    results = by_id(ran(BASE, PODS, Check("token", "", half, each=Pod), Check("after", "", after, each=Pod)))

    assert results["after pod/a"].blocked_by == "token"
    assert results["after pod/b"].status is Status.PASS


def test_a_check_that_says_what_blocks_it_names_the_first() -> None:
    """What it names may be blocked itself; behind an unknown it is inconclusive."""

    def look(found: Maybe[Token]) -> Looking[None]:
        yield from ()
        raise NotApplicableError("no token", blocked_by="token")

    def made(found: Base) -> Looking[Token]:
        yield from ()
        return Token("a")

    base = Check("base", "", raising(CannotLookError("forbidden")))
    result = by_id(ran(base, Check("token", "", made), Check("look", "", look)))["look"]

    assert (result.status, result.reason) == (Status.SKIP, "no token")
    assert result.blocked_by == "base"
    assert result.inconclusive


def test_maybe_gets_what_stood_in_the_way() -> None:
    """A check that takes `Maybe` runs whatever became of the other."""
    taken: list[Maybe[Base]] = []

    def look(found: Maybe[Base]) -> Looking[None]:
        yield from ()
        taken.append(found)

    done = ran(Check("base", "", raising(CannotLookError("forbidden"))), Check("look", "", look))

    assert done.results[1].status is Status.PASS
    assert taken == [Maybe(None, Status.UNKNOWN, "forbidden")]


def test_results_and_facts_stand_in_the_order_of_the_subjects() -> None:
    """Whichever pod is done first: the report of one world is always the same."""
    second_is_done = threading.Event()

    def slow(pod: Pod) -> Looking[Token]:
        yield from ()
        if pod.name == "a":
            second_is_done.wait(30)
        else:
            second_is_done.set()
        return Token(pod.name)

    def collect(tokens: Each[Token]) -> Looking[int]:
        yield HINT(evidence={"order": [token.text for token in tokens]})
        return 0

    done = ran(BASE, PODS, Check("slow", "", slow, each=Pod), Check("collect", "", collect, sees=(HINT,)))
    assert [result.subject.name for result in done.results if result.check.id == "slow"] == ["pod/a", "pod/b"]
    assert by_id(done)["collect"].observations[0].evidence == {"order": ["a", "b"]}


def test_no_subjects_is_a_skip() -> None:
    """A check over pods where there is none says so."""

    def none() -> Looking[Each[Pod]]:
        yield from ()
        return Each()

    result = ran(Check("pods", "", none), TOKEN).results[1]

    assert (result.status, result.reason) == (Status.SKIP, "there is no pod to look at")


def test_a_vanished_subject_is_looked_at_once_more() -> None:
    """The second look counts, and the attempts are told."""
    looks: list[int] = []

    def look() -> Looking[None]:
        yield from ()
        looks.append(1)
        if len(looks) == 1:
            raise SubjectGoneError("gone")

    result = ran(Check("look", "", look)).results[0]

    assert (result.status, result.attempts) == (Status.PASS, 2)


def test_a_subject_that_stays_away_was_replaced() -> None:
    """After the second look it is unknown."""
    result = ran(Check("look", "", raising(SubjectGoneError("gone")))).results[0]

    assert (result.status, result.reason, result.attempts) == (
        Status.UNKNOWN,
        "replaced during the run",
        2,
    )


def test_the_deadline_leaves_the_rest_unknown() -> None:
    """What ran is reported; what did not says why."""
    clock = LabClock()

    def slow() -> Looking[Base]:
        yield from ()
        clock.sleep(200)
        return Base()

    results = by_id(ran(Check("base", "", slow), PODS, TOKEN, clock=clock))

    assert results["base"].status is Status.PASS
    assert results["base"].duration == 200
    assert results["pods"].status is Status.UNKNOWN
    assert results["pods"].reason == "not finished within the run's deadline of 100 s"
    assert results["token"].inconclusive


def test_an_interrupt_gives_what_is_known() -> None:
    """Ctrl-C ends the run with the results so far, the rest unknown."""
    calls: list[Finished] = []

    def interrupt(event: Started | Finished) -> None:
        if isinstance(event, Finished):
            calls.append(event)
            if len(calls) == 1:
                raise KeyboardInterrupt

    done = ran(BASE, PODS, TOKEN, observe=interrupt)

    assert done.interrupted
    assert [result.status for result in done.results] == [Status.PASS, Status.UNKNOWN, Status.UNKNOWN]
    assert done.results[1].reason == "interrupted"


def test_what_has_not_begun_is_not_begun_after_an_interrupt() -> None:
    """Queued work is dropped: nothing is asked or created while the run ends."""
    begun: list[str] = []
    release = threading.Event()

    def many() -> Looking[Each[Pod]]:
        yield from ()
        return Each(tuple((pod.subject, pod) for pod in (Pod(str(number)) for number in range(50))))

    def wait(pod: Pod) -> Looking[None]:
        yield from ()
        begun.append(pod.name)
        release.wait(timeout=10)

    def stop(event: Started | Finished) -> None:
        if isinstance(event, Finished) and event.result.check.id == "quick":
            raise KeyboardInterrupt

    def quick(pods: Each[Pod]) -> Looking[None]:
        yield from ()

    done = ran(
        Check("many", "", many),
        Check("quick", "", quick),
        Check("wait", "", wait, each=Pod),
        observe=stop,
    )
    release.set()

    assert done.interrupted
    assert len(begun) < 50


def test_independent_work_is_side_by_side() -> None:
    """Two pods are looked at at the same time: each waits for the other, and both pass."""
    both = threading.Barrier(2, timeout=10)

    def look(pod: Pod) -> Looking[None]:
        yield from ()
        both.wait()

    results = by_id(ran(BASE, PODS, Check("look", "", look, each=Pod)))

    assert results["look pod/a"].status is results["look pod/b"].status is Status.PASS


def test_ambiguous_inputs_end_the_run() -> None:
    """A check that finds the inputs wrong ends the run as wrong use."""
    with pytest.raises(UsageError, match="two workloads"):
        ran(Check("look", "", raising(UsageError("two workloads"))))


@pytest.mark.parametrize(
    ("severities", "status"),
    [
        ({}, Status.FAIL),
        ({"broken": Level.WARN}, Status.WARN),
        ({"broken": Level.NOTE}, Status.WARN),
        ({"broken": Level.NOTE, "odd": Level.NOTE}, Status.PASS),
        ({"look": Level.WARN}, Status.WARN),
        ({"look": Level.NOTE}, Status.PASS),
        ({"look": Level.NOTE, "odd": Level.FAIL}, Status.FAIL),
        ({"look": Level.FAIL, "broken": Level.NOTE, "odd": Level.NOTE}, Status.PASS),
        ({"hint": Level.FAIL, "look": Level.NOTE}, Status.FAIL),
    ],
)
def test_a_run_may_take_what_is_seen_otherwise(severities: dict[str, Level], status: Status) -> None:
    """An observation's own severity goes before its check's, which leaves notes alone."""

    def look() -> Looking[None]:
        yield BROKEN()
        yield ODD()
        yield HINT()

    (result,) = ran(Check("look", "", look, sees=(BROKEN, ODD, HINT)), severities=severities).results

    assert result.status is status
    assert [item.id for item in result.observations] == ["broken", "odd", "hint"]


def test_events_tell_what_begins_and_ends() -> None:
    """Each look begins once; each result is told once."""
    events: list[Started | Finished] = []
    ran(BASE, PODS, TOKEN, observe=events.append)

    assert sum(isinstance(event, Started) for event in events) == 4
    assert sum(isinstance(event, Finished) for event in events) == 4


class TestSelect:
    """Which checks run."""

    WIRING = wire((BASE, PODS, TOKEN), frozenset())

    def test_everything_by_default(self) -> None:
        """Without a choice all checks are chosen."""
        assert select(self.WIRING, (), ()) == (frozenset({"base", "pods", "token"}),) * 2

    def test_what_is_needed_runs_too(self) -> None:
        """A chosen check brings those it cannot do without."""
        assert select(self.WIRING, ("token",), ()) == (
            frozenset({"token"}),
            frozenset({"base", "pods", "token"}),
        )

    def test_a_category_chooses_its_checks(self) -> None:
        """Categories and ids may be mixed."""
        assert select(self.WIRING, ("first",), ("pods",))[0] == {"base"}

    def test_what_is_skipped_is_not_brought_back(self) -> None:
        """A skipped check does not run even where a chosen one needs it, and the run says so."""
        assert select(self.WIRING, ("token",), ("base",))[1] == {"pods", "token"}

        wiring = self.WIRING
        names = select(wiring, (), ("base",))[1]
        done = Engine(wiring, {}, LabClock(), names=names, timeout=100).run()

        assert by_id(done)["pods"].reason == "base was not selected"
