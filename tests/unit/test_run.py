"""One run, from doors to report."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from acrcheck.bundle.tape import Tape
from acrcheck.catalogue import Category, Checks
from acrcheck.cluster.reader import PODS, Cluster
from acrcheck.engine import Finished, Started
from acrcheck.errors import UsageError
from acrcheck.facts import Allowed, Ask, Plan
from acrcheck.lab.clock import LabClock
from acrcheck.model import Cause, Check, Permission, Remedy, Report, Status, fail
from acrcheck.run import Doors, Options, replay, run
from acrcheck.target import Target
from acrcheck.wire.door import Resolve, Resolved, Vantage, Wire
from acrcheck.wiring import Each, Looking
from tests.unit.bundle.test_tape import Kubernetes, Network

BROKEN = fail("broken", "asked {asked} times for {name}")


@dataclass(frozen=True)
class Place:
    """A fact with values for remedies."""

    namespace: str

    @property
    def values(self) -> dict[str, str]:
        """What any remedy may use."""
        return {"namespace": self.namespace, "workload": "deployment/x"}


def place(target: Target) -> Looking[Place]:
    """Say where."""
    yield from ()
    return Place(target.namespace or "default")


def asks(plan: Plan) -> Looking[Each[Ask]]:
    """Say what will be asked."""
    yield from ()
    permissions = [Permission(verb, resource) for verb, resource in plan.asks]
    return Each(tuple((Ask(item).subject, Ask(item)) for item in permissions))


def permission(ask: Ask, cluster: Cluster) -> Looking[Allowed]:
    """Ask for leave."""
    yield from ()
    return Allowed(ask.permission, bool(cluster.allowed(ask.permission).value()))


def pod(found: Place, cluster: Cluster, wire: Wire) -> Looking[None]:
    """Ask both doors."""
    body = cluster.get(PODS, "a", found.namespace).value()
    answer = wire.resolve(Vantage("local"), Resolve("a.b"))
    assert isinstance(answer, Resolved)
    yield BROKEN(asked=body["asked"], name=answer.addresses[0])


CHECKS = Checks(
    (Category("first", "First"), Category("second", "Second")),
    (
        Check("place", "", place, category="first"),
        Check("asks", "", asks, category="first"),
        Check("permissions", "", permission, each=Ask, category="first"),
        Check("pod", "", pod, sees=(BROKEN,), asks=(("get", "pods"),), category="second"),
    ),
    ("one",),
)
MEND = Remedy("mend", "Mend it.", "{kubectl} -n {namespace} mend {name}", (), changes=True, who="anyone")
CAUSE = Cause("cause", "", "one", ("run",), (("broken",),), (), (), (), (), "", (MEND,), (), (), "", "")


def do(
    target: Target | None = None,
    options: Options | None = None,
    events: list[Started | Finished] | None = None,
) -> tuple[Report, Tape]:
    """Run the checks."""
    return run(
        target or Target(namespace="coder", context="prod"),
        Doors(Kubernetes(), Network()),
        LabClock(),
        CHECKS,
        (CAUSE,),
        options or Options(metadata={"version": "1"}),
        (events if events is not None else []).append,
    )


def test_gives_results_causes_and_where_it_looked() -> None:
    """The report names the cause, and the remedy acts where the run looked."""
    report, _ = do()

    assert [result.status for result in report.results] == [Status.PASS] * 3 + [Status.FAIL]
    assert report.findings[0].steps[0].command == "kubectl --context prod -n coder mend a.b"
    assert report.metadata["version"] == "1"
    assert report.metadata["context"] == "prod"
    assert report.metadata["workload"] == "deployment/x"
    assert report.categories == (("first", "First"), ("second", "Second"))
    assert report.kubectl == "kubectl --context prod"
    assert report.exit_code == 1


def test_asks_for_leave_first() -> None:
    """What the checks declare to ask is reviewed before it is asked."""
    _, tape = do()
    verbs = [entry.question for entry in tape.entries]

    assert '"verb":"allowed"' in verbs[0]
    assert '"verb":"get"' in verbs[1]


def test_the_tape_gives_the_same_report() -> None:
    """Replayed from its serialised tape, a run comes to the same."""
    report, tape = do()
    again = replay(
        Target(namespace="coder", context="prod"),
        Tape.loads(tape.dumps()),
        LabClock(),
        CHECKS,
        (CAUSE,),
        Options(metadata={"version": "1"}),
    )

    assert again == report


def test_what_was_never_asked_is_unknown() -> None:
    """An empty tape makes no verdict."""
    report = replay(Target(), Tape(), LabClock(), CHECKS, (CAUSE,), Options())

    assert {result.check.id: result.status for result in report.results} == {
        "place": Status.PASS,
        "asks": Status.PASS,
        "permissions": Status.UNKNOWN,
        "pod": Status.UNKNOWN,
    }
    assert report.exit_code == 3


def test_runs_only_what_is_selected() -> None:
    """And only what that needs is asked for."""
    report, tape = do(options=Options(only=("place",)))

    assert [result.check.id for result in report.results] == ["place"]
    assert not tape.entries


def test_a_warning_can_fail_the_run() -> None:
    """The option is carried to the report."""
    assert do(options=Options(fail_on_warn=True))[0].fail_on_warn


@pytest.mark.parametrize("options", [Options(only=("pd",)), Options(skip=("pd",))])
def test_an_unknown_name_is_wrong_use(options: Options) -> None:
    """A typing error is told, with near matches: it must not be a green gate."""
    with pytest.raises(UsageError, match="no check and no category is called pd") as caught:
        do(options=options)

    assert caught.value.near == ("pod",)


def test_nothing_to_run_is_wrong_use() -> None:
    """A selection that leaves nothing is no success."""
    with pytest.raises(UsageError, match="leaves no check to run") as caught:
        do(options=Options(only=("place",), skip=("first",)))

    assert caught.value.input == "place --skip first"


def test_events_are_told() -> None:
    """Who looks on sees each check begin and end."""
    events: list[Started | Finished] = []
    do(events=events)

    assert [event.check.id for event in events if isinstance(event, Started)] == [
        "place",
        "asks",
        "permissions",
        "pod",
    ]


def test_an_ambiguity_ends_the_run() -> None:
    """A check may find that the inputs cannot be meant."""

    def look() -> Iterator[None]:
        yield from ()
        raise UsageError("two workloads")

    look.__annotations__["return"] = Looking[None]
    checks = Checks((Category("first", ""),), (Check("look", "", look, category="first"),), ())
    with pytest.raises(UsageError, match="two workloads"):
        run(Target(), Doors(Kubernetes(), Network()), LabClock(), checks, (), Options())
