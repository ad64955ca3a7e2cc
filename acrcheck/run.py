"""One run: doors, checks and causes in, report and tape out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC

from acrcheck.bundle.redact import Redactor
from acrcheck.bundle.store import Store, of_entries
from acrcheck.bundle.tape import Tape
from acrcheck.catalogue import Checks
from acrcheck.clock import Clock
from acrcheck.cluster import recorded as taped_cluster
from acrcheck.cluster.reader import Cluster
from acrcheck.diagnosis import diagnose
from acrcheck.engine import Engine, Observer, select
from acrcheck.errors import UsageError
from acrcheck.facts import Allowed, Plan
from acrcheck.model import Cause, Level, Observation, Report, Result, Waiver
from acrcheck.target import Target
from acrcheck.waiving import waive
from acrcheck.wire import recorded as taped_wire
from acrcheck.wire.door import Wire
from acrcheck.wiring import Wiring, wire

GIVEN = frozenset({Cluster, Wire, Target, Plan})


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is run."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    timeout: float = 120.0
    """Seconds."""
    fail_on_warn: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    severities: Mapping[str, Level] = field(default_factory=dict)
    """How bad is what a check sees, or an observation, by its id, where it is not as declared."""
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True)
class Doors:
    """The two doors of a run."""

    cluster: Cluster
    wire: Wire


def run(
    target: Target,
    doors: Doors,
    clock: Clock,
    checks: Checks,
    causes: Iterable[Cause],
    options: Options,
    observe: Observer = lambda _: None,
    tape: Tape | None = None,
) -> tuple[Report, Tape]:
    """Run the selected checks through the doors, keep the tape (the one given, if any), and name the causes.

    Raises UsageError when the selection matches no check, or when a check finds the inputs ambiguous.
    """
    tape = tape or Tape()
    recording = Doors(
        taped_cluster.recording(doors.cluster, tape, clock), taped_wire.recording(doors.wire, tape, clock)
    )
    return _run(target, recording, clock, checks, causes, options, observe), tape


def replay(
    target: Target,
    tape: Tape,
    clock: Clock,
    checks: Checks,
    causes: Iterable[Cause],
    options: Options,
    store: Store | None = None,
) -> Report:
    """Run the same checks on what a tape holds. What was never asked is `unknown: not recorded`.

    `store` holds what is known of the cluster beside the tape's own answers: by default, what follows from them.
    """
    known = of_entries(tape.entries) if store is None else store
    doors = Doors(taped_cluster.recorded(tape, known), taped_wire.recorded(tape))
    return _run(target, doors, clock, checks, causes, options, lambda _: None)


def _run(
    target: Target,
    doors: Doors,
    clock: Clock,
    checks: Checks,
    causes: Iterable[Cause],
    options: Options,
    observe: Observer,
) -> Report:
    target.refuse_malformed()
    wiring = wiring_of(checks)
    refuse_unknown_names(checks, options)
    names = _selected(wiring, target, options)
    given = {
        Cluster: doors.cluster,
        Wire: doors.wire,
        Target: target,
        Clock: clock,
        Plan: _plan(wiring, target, names),
    }
    started = clock.now()
    engine = Engine(
        wiring,
        given,
        clock,
        names=names,
        timeout=options.timeout,
        observe=observe,
        severities=options.severities,
    )
    done = engine.run()
    values = {"kubectl": target.kubectl, "helm": target.helm, "registry": target.registry}
    for fact in done.facts.values():
        values |= getattr(fact, "values", {})
    results, waived = waive(_without_secrets(done.results), options.waivers, started.astimezone(UTC).date())
    return Report(
        started=started,
        finished=clock.now(),
        results=results,
        findings=tuple(
            finding
            for finding in diagnose(results, causes, checks.layers, values, checks.identities)
            if any(item.kind.level is not Level.NOTE for item in finding.observations)
        ),
        categories=tuple((category.id, category.title) for category in checks.categories),
        metadata={**options.metadata, **_where(target, results, values)},
        interrupted=done.interrupted,
        fail_on_warn=options.fail_on_warn,
        kubectl=target.kubectl,
        waived=waived,
    )


def _selected(wiring: Wiring, target: Target, options: Options) -> frozenset[str]:
    """Name the checks that run: the chosen ones, and those that they need."""
    gates = [item.check.id for item in wiring.checks if item.check.gate and not target.upgrade]
    chosen, names = select(wiring, options.only, (*options.skip, *gates))
    if not chosen:
        raise UsageError(
            "the selection leaves no check to run",
            input=" ".join([*options.only, *(f"--skip {name}" for name in options.skip)]),
            expected="at least one check",
            remedy="acrcheck list" if target.upgrade else "acrcheck list, or --profile pre-upgrade",
        )
    return names


def _plan(wiring: Wiring, target: Target, names: frozenset[str]) -> Plan:
    """Collect what these checks will ask, each ask once; what needs leave that was not given is not asked."""
    asking = [
        item
        for item in wiring.checks
        if item.check.id in names and (not item.check.leave or item.check.leave in target.allow)
    ]
    return Plan(tuple(dict.fromkeys(ask for item in asking for ask in item.check.asks)))


def _without_secrets(results: tuple[Result, ...]) -> tuple[Result, ...]:
    """Take out of what is shown the secrets that a program, a server or an object of the cluster says aloud."""
    redactor = Redactor()

    def seen(item: Observation) -> Observation:
        values = {key: redactor.text(text, "report") for key, text in item.values.items()}
        return replace(item, values=values, evidence=redactor.value(item.evidence, "report"))

    return tuple(
        replace(
            item,
            reason=redactor.text(item.reason, "report"),
            traceback=redactor.text(item.traceback, "report"),
            observations=tuple(map(seen, item.observations)),
        )
        for item in results
    )


def wiring_of(checks: Checks) -> Wiring:
    """Order the checks as a run does."""
    return wire(checks.checks, GIVEN | {Clock}, gate=Allowed)


def _where(target: Target, results: tuple[Result, ...], values: dict[str, str]) -> dict[str, str]:
    known = {
        "context": target.context,
        "namespace": values.get("namespace", target.namespace),
        "workload": values.get("workload", target.workload),
        "registry": values.get("registry", ""),
        "checks": str(len(results)),
    }
    return {key: value for key, value in known.items() if value}


def refuse_unknown_names(checks: Checks, options: Options) -> None:
    """Raise UsageError, with near matches, for a selected name that is no check and no category."""
    known = {check.id for check in checks.checks} | {category.id for category in checks.categories}
    for name in (*options.only, *options.skip):
        if name not in known:
            raise UsageError(
                f"no check and no category is called {name}",
                input=name,
                expected="a check id or a category",
                remedy="acrcheck list",
                candidates=known,
            )
