"""Runs checks: order, subjects, threads, deadline, events. Prints nothing and knows no cause."""

import contextlib
import queue
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from acrcheck.clock import Clock
from acrcheck.errors import UsageError
from acrcheck.model import (
    EVERYTHING,
    CannotLookError,
    Check,
    Kind,
    Level,
    NotApplicableError,
    Observation,
    Result,
    Status,
    Subject,
    SubjectGoneError,
)
from acrcheck.wiring import Each, Maybe, Need, Wired, Wiring

WORKERS = 8
REPLACED = "replaced during the run"


@dataclass(frozen=True, slots=True)
class Started:
    """A check began on a subject."""

    check: Check
    subject: Subject


@dataclass(frozen=True, slots=True)
class Finished:
    """A check came to a result on a subject."""

    result: Result


Observer = Callable[[Started | Finished], None]


@dataclass(frozen=True, slots=True)
class Done:
    """What a run came to: the results in the order shown, and the facts that were found."""

    results: tuple[Result, ...]
    facts: Mapping[type, Any]
    interrupted: bool = False


@dataclass(slots=True)
class _State:
    """What is known so far about one check of the run."""

    wired: Wired
    waiting: int = 0
    submitted: bool = False
    order: list[Subject] = field(default_factory=list)
    """The subjects as they were submitted: results and facts are given in this order, however they came."""
    results: dict[Subject, Result] = field(default_factory=dict)
    facts: dict[Subject, Any] = field(default_factory=dict)
    made: dict[Subject, Any] = field(default_factory=dict)
    """Where the fact is an `Each`: the fact of each subject."""

    @property
    def finished(self) -> bool:
        return self.submitted and self.waiting == 0

    def in_order(self, found: Mapping[Subject, Any]) -> list[tuple[Subject, Any]]:
        """Give what was found by subject, in the order of the subjects."""
        places = {subject: place for place, subject in enumerate(self.order)}
        return sorted(found.items(), key=lambda item: places.get(item[0], len(places)))


@dataclass(frozen=True, slots=True)
class _Task:
    state: _State
    subject: Subject
    arguments: dict[str, Any]


def select(wiring: Wiring, only: Iterable[str], skip: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Name the checks chosen by ids and categories, and those that must run because chosen ones need them."""
    only, skip = frozenset(only), frozenset(skip)

    def named(check: Check, names: frozenset[str]) -> bool:
        return check.id in names or check.category in names

    chosen = {
        item.check.id
        for item in wiring.checks
        if (not only or named(item.check, only)) and not named(item.check, skip)
    }
    needed, frontier = set(chosen), list(chosen)
    while frontier:
        item = wiring.get(frontier.pop())
        for need in _hard(item):
            name = wiring.producers[need].check.id
            if name not in needed and not named(wiring.get(name).check, skip):
                needed.add(name)
                frontier.append(name)
    return frozenset(chosen), frozenset(needed)


def _hard(item: Wired) -> list[type]:
    """List the fact types without which the check is skipped (`Each` of subjects included)."""
    types = [need.type for need in item.needs if need.how in {"fact", "each"}]
    return [*types, item.check.each] if item.check.each else types


class Engine:
    """One run over a wiring. `given` hands in doors, target and clock by their types.

    `severities` say how bad is what a check sees, or an observation, by its id, where it is not as declared.
    """

    def __init__(
        self,
        wiring: Wiring,
        given: Mapping[type, Any],
        clock: Clock,
        *,
        names: frozenset[str],
        timeout: float,
        observe: Observer = lambda _: None,
        severities: Mapping[str, Level] = MappingProxyType({}),
    ) -> None:
        self._severities = severities
        self._wiring = wiring
        self._given = given
        self._clock = clock
        self._timeout = timeout
        self._observe = observe
        self._states = {item.check.id: _State(item) for item in wiring.checks if item.check.id in names}
        self._tasks: queue.Queue[_Task | None] = queue.Queue()
        self._done: queue.Queue[tuple[_Task, Result, Any] | UsageError] = queue.Queue()

    def run(self) -> Done:
        """Run everything that can run before the deadline. Ctrl-C gives what is known so far.

        Raises UsageError when a check finds that the inputs cannot be meant (two workloads to choose from).
        """
        deadline = self._clock.monotonic() + self._timeout
        interrupted = False
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        try:
            reason = self._drive(deadline)
        except KeyboardInterrupt:
            interrupted, reason = True, "interrupted"
        finally:
            self._stop(workers)
        self._close_open(reason)
        results = tuple(
            result for state in self._states.values() for _, result in state.in_order(state.results)
        )
        facts = {
            state.wired.makes: state.facts[EVERYTHING]
            for state in self._states.values()
            if state.wired.makes and not state.wired.subjects and EVERYTHING in state.facts
        }
        return Done(results, facts, interrupted)

    def _stop(self, workers: list[threading.Thread]) -> None:
        """Let the workers end: what has not begun is not begun any more."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._tasks.get_nowait()
        for _ in workers:
            self._tasks.put(None)

    def _drive(self, deadline: float) -> str:
        """Submit what is ready and take what is done, until all is finished or time is up."""
        while True:
            self._submit_ready()
            if all(state.finished for state in self._states.values()):
                return ""
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return f"not finished within the run's deadline of {self._timeout:g} s"
            try:
                done = self._done.get(timeout=left)
            except queue.Empty:
                continue
            if isinstance(done, UsageError):
                raise done
            task, result, fact = done
            self._record(task.state, task.subject, self._rooted(result), fact)
            task.state.waiting -= 1

    def _submit_ready(self) -> None:
        progress = True
        while progress:
            progress = False
            for state in self._states.values():
                if not state.submitted and self._ready(state):
                    state.submitted = progress = True
                    self._submit(state)

    def _ready(self, state: _State) -> bool:
        before = self._wiring.before[state.wired.check.id]
        return all(self._states[name].finished for name in before if name in self._states)

    def _submit(self, state: _State) -> None:
        check = state.wired.check
        if check.each is None:
            subjects: list[Subject] = [EVERYTHING]
        else:
            maker = self._maker(check.each)
            if maker is None or EVERYTHING not in maker.facts:
                self._block(state, EVERYTHING, check.each)
                return
            subjects = [subject for subject, _ in maker.facts[EVERYTHING].items]
            if not subjects:
                reason = f"there is no {check.subject} to look at"
                self._record(state, EVERYTHING, Result(check, Status.SKIP, reason=reason))
        state.order = subjects
        alike = {need.name: _each(self._maker(need.type)) for need in state.wired.needs if need.how == "each"}
        for subject in subjects:
            arguments: dict[str, Any] = dict(alike)
            missing = next(
                (need for need in state.wired.needs if not self._argue(state, need, subject, arguments)), None
            )
            if missing is not None:
                self._block(state, subject, missing.type)
                continue
            state.waiting += 1
            self._tasks.put(_Task(state, subject, arguments))

    def _argue(self, state: _State, need: Need, subject: Subject, arguments: dict[str, Any]) -> bool:
        """Find the value of one parameter that is not alike for all; False when a required fact is not there."""
        if need.how == "given":
            arguments[need.name] = self._given[need.type]
            return True
        maker = self._maker(need.type)
        if need.how == "each":
            return maker is not None and (not maker.wired.subjects or EVERYTHING in maker.facts)
        found, value = _fact_for(maker, subject, state.wired.check)
        if need.how == "maybe":
            result = _result_for(maker, subject)
            arguments[need.name] = Maybe(
                value if found else None,
                result.status if result else Status.SKIP,
                result.reason if result else "not selected",
            )
            return True
        arguments[need.name] = value
        return found

    def _maker(self, fact: type) -> _State | None:
        return self._states.get(self._wiring.producers[fact].check.id)

    def _block(self, state: _State, subject: Subject, fact: type) -> None:
        """Record a skip that names the first check which stood in the way."""
        check = state.wired.check
        maker = self._wiring.producers[fact].check
        known = self._states.get(maker.id)
        if known is None:
            self._record(
                state, subject, Result(check, Status.SKIP, subject, reason=f"{maker.id} was not selected")
            )
            return
        cause = _result_for(known, subject) or _worst(known)
        root = (cause.blocked_by or maker.id) if cause else maker.id
        inconclusive = bool(cause and cause.inconclusive) and not check.optional
        missing_input = cause is not None and cause.status is Status.SKIP and not cause.blocked_by
        self._record(
            state,
            subject,
            Result(
                check,
                Status.SKIP,
                subject,
                reason=cause.reason if missing_input and cause else f"blocked by {root}",
                blocked_by="" if missing_input else root,
                inconclusive=inconclusive,
            ),
        )

    def _rooted(self, result: Result) -> Result:
        """Where a check names what blocks it, and that is blocked itself, name the first that stood in the way."""
        name = result.blocked_by
        worst = _worst(self._states[name]) if name in self._states else None
        if worst is None:
            return result
        inconclusive = worst.inconclusive and not result.check.optional
        return replace(result, blocked_by=worst.blocked_by or name, inconclusive=inconclusive)

    def _record(self, state: _State, subject: Subject, result: Result, fact: Any = None) -> None:
        state.results[subject] = result
        if fact is not None:
            state.facts[subject] = fact
            if state.wired.subjects:
                state.made = dict(fact.items)
        self._observe(Finished(result))

    def _close_open(self, reason: str) -> None:
        """Give every check without a result the one it has: unknown, for this reason."""
        for state in self._states.values():
            check = state.wired.check
            if state.finished:
                continue
            maker = self._maker(check.each) if check.each else None
            subjects = (
                [subject for subject, _ in maker.facts[EVERYTHING].items]
                if maker and EVERYTHING in maker.facts
                else [EVERYTHING]
            )
            for subject in subjects:
                if subject not in state.results:
                    result = Result(
                        check, Status.UNKNOWN, subject, reason=reason, inconclusive=not check.optional
                    )
                    self._record(state, subject, result)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._observe(Started(task.state.wired.check, task.subject))
            began = self._clock.monotonic()
            try:
                result, fact = _look(task.state.wired.check, task.subject, task.arguments, self._severities)
            except UsageError as error:
                self._done.put(error)
                continue
            result = replace(result, duration=self._clock.monotonic() - began)
            self._done.put((task, result, fact))


def _each(maker: _State | None) -> Each[Any]:
    if maker is None:
        return Each()
    if maker.wired.subjects:
        found: Each[Any] = maker.facts.get(EVERYTHING, Each())
        return found
    return Each(tuple(maker.in_order(maker.facts)))


def _fact_for(maker: _State | None, subject: Subject, check: Check) -> tuple[bool, Any]:
    """Give the fact for this subject: the subject's own, or the one for everything."""
    if maker is None:
        return False, None
    if maker.wired.subjects:
        if check.each is not maker.wired.makes:
            return False, None
        return subject in maker.made, maker.made.get(subject)
    key = subject if maker.wired.check.each is check.each else EVERYTHING
    return key in maker.facts, maker.facts.get(key)


def _result_for(maker: _State | None, subject: Subject) -> Result | None:
    if maker is None:
        return None
    return maker.results.get(subject) or maker.results.get(EVERYTHING)


def _worst(state: _State) -> Result | None:
    order = (Status.FAIL, Status.UNKNOWN, Status.SKIP, Status.WARN, Status.PASS)
    return min(state.results.values(), key=lambda result: order.index(result.status), default=None)


def _look(
    check: Check, subject: Subject, arguments: dict[str, Any], severities: Mapping[str, Level]
) -> tuple[Result, Any]:
    """Run a check's function; a subject that is gone is looked for once more."""
    for attempt in (1, 2):
        try:
            return _once(check, subject, arguments, attempt, severities)
        except SubjectGoneError:
            continue
    reason = REPLACED
    return Result(
        check, Status.UNKNOWN, subject, reason=reason, inconclusive=not check.optional, attempts=2
    ), None


def _graded(kind: Kind, check: Check, severities: Mapping[str, Level]) -> Kind:
    """Take a kind as seriously as the run wants it: by its own id, else by its check's. A check's notes stay notes."""
    level = severities.get(kind.id)
    if level is None and kind.level is not Level.NOTE:
        level = severities.get(check.id)
    return kind if level in {None, kind.level} else replace(kind, level=level)


def _once(
    check: Check, subject: Subject, arguments: dict[str, Any], attempt: int, severities: Mapping[str, Level]
) -> tuple[Result, Any]:
    seen: list[Observation] = []
    fact: Any = None
    result = Result(check, Status.PASS, subject, attempts=attempt)
    try:
        looking = check.look(**arguments)
        while True:
            observation = next(looking)
            if observation.kind not in check.sees:
                raise TypeError(f"{check.id} yields {observation.id}, which it does not declare in sees=")  # noqa: TRY301 - handled as any crash of a check is
            seen.append(
                replace(
                    observation,
                    kind=_graded(observation.kind, check, severities),
                    check=check.id,
                    subject=observation.subject if observation.subject != EVERYTHING else subject,
                )
            )
    except StopIteration as stop:
        fact = stop.value
    except (SubjectGoneError, UsageError):
        raise
    except NotApplicableError as error:
        result = replace(result, status=Status.SKIP, reason=error.reason, blocked_by=error.blocked_by)
    except CannotLookError as error:
        result = replace(
            result,
            status=Status.UNKNOWN,
            reason=error.reason,
            permission=error.permission,
            remedy=error.remedy,
            inconclusive=not check.optional,
        )
    except Exception as error:  # noqa: BLE001 - a check that crashes must not end the run; the report shows it
        result = replace(
            result,
            status=Status.UNKNOWN,
            reason=f"the check itself failed: {type(error).__name__}: {error}",
            inconclusive=not check.optional,
            traceback=traceback.format_exc(),
        )
    levels = {observation.kind.level for observation in seen}
    status = result.status
    if Level.FAIL in levels:
        status = Status.FAIL
    elif status is Status.PASS and Level.WARN in levels:
        status = Status.WARN
    inconclusive = result.inconclusive and status is not Status.FAIL
    return replace(result, status=status, observations=tuple(seen), inconclusive=inconclusive), fact
