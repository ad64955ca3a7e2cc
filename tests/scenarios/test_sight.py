"""Every scenario again with less sight: what may not be read makes a report less sure, never wrong."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest

from acrcheck.lab.scenario import Scenario, look
from acrcheck.lab.world import Forbidden
from acrcheck.model import Report
from tests.scenarios.test_asks import of_cluster
from tests.scenarios.test_scenarios import CAUSES, CHECKS, RETIRED, SCENARIOS, ran

POD_IDENTITY = "aadpodidentity.k8s.io"
MISSING = "permission-missing"
LAST_RESORT = "image-pull-failed"
"""What is named of a pod that waits where nothing says why: that its kubelet failed."""
FLOORS: dict[str, float] = {
    "cronjobs.batch": 96,
    "daemonsets.apps": 98,
    "deployments.apps": 10,
    "deployments.apps of other namespaces": 100,
    "events": 95,
    "horizontalpodautoscalers.autoscaling": 100,
    "jobs.batch": 93,
    "networkpolicies.networking.k8s.io": 97,
    "nodes": 94,
    "pods": 18,
    "pods of other namespaces": 98,
    "pods/exec": 56,
    "pods/log": 100,
    "poddisruptionbudgets.policy": 97,
    "replicasets.apps": 97,
    "secrets": 86,
    "serviceaccounts": 100,
    "services": 97,
    "statefulsets.apps": 96,
    POD_IDENTITY: 92,
    f"{POD_IDENTITY} of other namespaces": 99,
}
"""The share, in percent, of scenarios whose cause is still named without a kind of access: it may only rise."""
UNASKED = [Forbidden(verb, kind) for kind in ("configmaps", "endpoints") for verb in ("get", "list")]
"""What no check reads."""
BROADER = {cause.id: cause.broader for cause in CAUSES}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+(?:\+00:00|Z)")
"""The seconds of a lab differ from run to run: it has one clock, which each thread that waits moves on."""
SAMPLE = 5
"""Of so many scenarios, one is run to see that what it does not ask for changes nothing."""

Ask = tuple[str, str, bool]
"""Verb, resource with its group or subresource, and whether in all namespaces."""


def accesses() -> dict[str, set[Ask]]:
    """What the checks ask, by the kind of access that somebody may not have."""
    found: dict[str, set[Ask]] = {}
    for verb, resource, *where in {ask for check in CHECKS.checks for ask in check.asks}:
        kind = POD_IDENTITY if resource.endswith(POD_IDENTITY) else resource
        everywhere = bool(where) and resource != "nodes"
        found.setdefault(f"{kind} of other namespaces" if everywhere else kind, set()).add(
            (verb, resource, everywhere)
        )
    found[POD_IDENTITY] = {
        (verb, name, False) for verb, name, _ in found[f"{POD_IDENTITY} of other namespaces"]
    }
    return found


ACCESSES = accesses()
EACH = [pytest.param(kind, id=kind, marks=pytest.mark.xdist_group(kind)) for kind in sorted(ACCESSES)]


def forbidden(ask: Ask) -> Forbidden:
    """What takes an access away."""
    verb, name, everywhere = ask
    name, _, subresource = name.partition("/")
    plural, _, group = name.partition(".")
    return Forbidden(verb, plural, group, subresource, elsewhere=everywhere)


@cache
def asked(name: str) -> frozenset[Ask]:
    """What a scenario's run asks when it may ask everything."""
    found: set[Ask] = set()
    for entry in ran(name).tape.entries:
        if entry.door == "cluster":
            found |= of_cluster(entry.question)
        elif json.loads(entry.question)["from"]["kind"] == "exec":
            found.add(("create", "pods/exec", False))
    return frozenset(found)


def matters(kind: str, scenario: Scenario) -> bool:
    """Whether a scenario's run asks for a kind of access."""
    return any(
        (verb, resource) == (ask[0], ask[1]) and (ask[2] or not everywhere or resource == "nodes")
        for verb, resource, everywhere in ACCESSES[kind]
        for ask in asked(scenario.id)
    )


@dataclass(frozen=True)
class Seen:
    """What a scenario comes to, with and without a kind of access."""

    scenario: Scenario
    full: dict[str, float]
    less: dict[str, float]
    refused: bool
    """Whether the report says that something was not permitted."""

    @property
    def named(self) -> bool:
        """Whether its cause is still named."""
        return self.scenario.cause in self.less

    @property
    def innocent(self) -> set[str]:
        """Causes that are named and that the scenario does not say may be."""
        own = {self.scenario.cause, *self.scenario.among, *self.scenario.beside}
        own |= {LAST_RESORT} if self.scenario.cause else set()
        return self.less.keys() - own - {BROADER.get(name) for name in own} - {MISSING}

    def __str__(self) -> str:
        """For the message of a test that fails."""
        return f"{self.scenario.id}: {self.scenario.cause or 'healthy'} gives {self.less}"


def confidences(report: Report) -> dict[str, float]:
    """The causes that a report names, but for the retirement that every world has."""
    return {item.cause.id: item.confidence for item in report.findings if item.cause.id != RETIRED}


def without(scenario: Scenario, *entries: Forbidden) -> Report:
    """Run a scenario while the operator may not do this."""
    world = scenario.build()
    world.operator.forbidden += entries
    return look(world, CHECKS, CAUSES)[0]


@cache
def seen(kind: str) -> tuple[Seen, ...]:
    """Run every scenario that asks for a kind of access without it, once."""
    entries = [forbidden(ask) for ask in sorted(ACCESSES[kind])]
    found = []
    for item in SCENARIOS:
        if matters(kind, item):
            report = without(item, *entries)
            less = confidences(report)
            refused = MISSING in less or any(result.permission for result in report.results)
            found.append(Seen(item, confidences(ran(item.id).report), less, refused))
    return tuple(found)


@pytest.mark.parametrize("kind", EACH)
def test_no_other_cause_is_taken_for_the_true_one(kind: str) -> None:
    """What is not there is named beside the true cause only, and never for certain; in a healthy world not at all."""
    for item in seen(kind):
        assert not item.innocent or (item.scenario.cause and item.named), str(item)
        assert all(item.less[name] < 1 for name in item.innocent), str(item)


@pytest.mark.parametrize("kind", EACH)
def test_nothing_becomes_certain(kind: str) -> None:
    """What full sight leaves open, less sight does not close."""
    for item in seen(kind):
        open_before = {name for name, confidence in item.full.items() if confidence < 1}
        assert not [name for name in open_before if item.less.get(name) == 1], str(item)


@pytest.mark.parametrize("kind", EACH)
def test_the_report_says_which_permission_is_missing(kind: str) -> None:
    """Whatever a run could not ask is named, with the command that shows whether it is permitted."""
    for item in seen(kind):
        assert item.refused, str(item)


@pytest.mark.parametrize("kind", EACH)
def test_the_share_that_is_still_named_does_not_fall(
    kind: str, record_property: Callable[[str, object], None]
) -> None:
    """Of all scenarios with a cause, so many percent are still named; the test run prints it."""
    faulty = [item for item in SCENARIOS if item.cause]
    lost = [item for item in seen(kind) if item.scenario.cause and not item.named]
    share = 100 * (len(faulty) - len(lost)) / len(faulty)
    record_property("summary", f"without {kind}: {share:.1f} % of {len(faulty)} scenarios are still named")
    assert share >= FLOORS[kind], [item.scenario.id for item in lost]


def told(report: Report) -> object:
    """All that a report says, but for the permissions themselves and what the clock showed."""
    results = [
        (
            item.check.id,
            item.subject.name,
            item.status,
            [MOMENT.sub("(moment)", seen.text) for seen in item.observations],
        )
        for item in report.results
        if item.check.id != "permissions"
    ]
    return results, {name: value for name, value in confidences(report).items() if name != MISSING}


@pytest.mark.parametrize("scenario", [pytest.param(item, id=item.id) for item in SCENARIOS[::SAMPLE]])
def test_what_is_not_asked_changes_nothing(scenario: Scenario) -> None:
    """A permission that a run does not need may be missing."""
    spare = [ask for kind, asks in ACCESSES.items() if not matters(kind, scenario) for ask in sorted(asks)]
    report = without(scenario, *UNASKED, *map(forbidden, spare))
    assert told(report) == told(ran(scenario.id).report)


def test_every_kind_of_access_has_its_share() -> None:
    """A check that asks for something new says how much hangs on it."""
    assert FLOORS.keys() == ACCESSES.keys()
