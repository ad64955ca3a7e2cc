"""Every scenario in which a program prints: its words lead to the cause, and follow from the world alone."""

import ast
import time
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest

import acrcheck.lab.programs
from acrcheck.catalogue import builtin_dir
from acrcheck.lab.scenario import Scenario, load_scenarios, look
from acrcheck.text.diagnose import INFORMATION, NO_FAILURE, Diagnosis, Reader
from tests.scenarios.test_scenarios import CAUSES, CHECKS

ALL = load_scenarios(builtin_dir())
PRINTING = [pytest.param(item, id=item.id) for item in ALL if item.prints]
EACH = [pytest.param(item, id=item.id) for item in ALL]
NOT_FIRST = {
    "secret-for-other-host": "an anonymous 401 says that nothing was sent, not that the secret is for another host",
    "secret-regenerated": "a refused credential may as well be one that never had a role",
    "repository-missing-text": "containerd says the same of a missing tag, which is more common",
    "abac-ignores-acrpull-text": "a refused exchange does not say why the role does not count",
    "role-too-new-text": "a refused exchange does not say that the role is on its way",
    "other-tenant-text": "a refused exchange does not name the tenants",
    "identity-recreated-text": "the metadata service says the same of an identity that was never there",
    "imds-stale-text": "the metadata service says the same of an identity that was never there",
    "mic-absent-text": "NMI says the same of every pod that nobody has assigned an identity",
    "not-assigned-text": "NMI says the same of every pod that nobody has assigned an identity",
    "federation-too-early": "Entra says the same of a credential that is wrong",
}
"""Scenarios whose cause is named behind likelier ones, and why the text cannot do better."""
UNPRINTED = {
    "binding-in-other-namespace": "NMI says the same of every pod that has no binding",
    "clock-skew": "the lab's certificates have no beginning, and its Entra does not look at a caller's clock",
    "host-network-bypasses-nmi": "the metadata service's answer is that of any machine",
    "mic-down": "NMI says the same of every pod that nobody has assigned an identity",
    "nmi-crash-looping": "NMI's last words are about a network plugin, which the lab does not have",
    "nmi-installed-twice": "the lab's NMI opens no port",
    "private-endpoint-dns": "the registry's 403 is that of its firewall, and the lab has no private endpoints in ARM",
    "token-endpoint-unexpected-answer": "the simulators say nothing that no cause knows",
}
"""Causes that a text shows and that no scenario prints, and why."""
AS_LIKELY = 0.1
"""Causes whose confidence differs by less stand together."""
SECONDS = 0.3
"""Of processor time: a scenario should take a tenth of a second, and the rest is for slow machines."""
TRIES = 5
SURE = 0.9


@dataclass(frozen=True)
class Printed:
    """What a program printed, and what it means."""

    text: str
    diagnosis: Diagnosis

    @property
    def causes(self) -> dict[str, float]:
        """The causes named, likeliest first, with their confidence."""
        return {finding.cause.id: finding.confidence for finding in self.diagnosis.findings}


READER = Reader(CAUSES, CHECKS.layers)


@cache
def printed(name: str) -> Printed:
    """Let a scenario's program print, once, and diagnose it."""
    scenario = next(item for item in ALL if item.id == name)
    assert scenario.prints
    text = scenario.prints(scenario.build())
    return Printed(text, READER.read(BytesIO(text.encode())))


def likelier(scenario: Scenario) -> set[str]:
    """The causes that are named with clearly more confidence than the scenario's own."""
    causes = printed(scenario.id).causes
    least = causes[scenario.cause] + AS_LIKELY
    return {name for name, confidence in causes.items() if confidence >= least}


@pytest.mark.parametrize("scenario", PRINTING)
def test_the_cause_is_named_first(scenario: Scenario) -> None:
    """The cause stands first, or with those that the text does not tell from it; exceptions are told."""
    result = printed(scenario.id)
    if scenario.cause == INFORMATION:
        assert (result.causes, result.diagnosis.said) == ({}, NO_FAILURE)
        return
    assert scenario.cause in result.causes
    assert likelier(scenario) <= set(scenario.among)
    assert bool(likelier(scenario)) == (scenario.id in NOT_FIRST)


@pytest.mark.parametrize("scenario", PRINTING)
def test_what_is_not_sure_says_what_would_decide(scenario: Scenario) -> None:
    """Where a text leaves other causes, the report says what tells them apart."""
    findings = printed(scenario.id).diagnosis.findings
    own = next((finding for finding in findings if finding.cause.id == scenario.cause), None)
    if own is not None and own.confidence < SURE and len(findings) > 1:
        assert own.to_decide


@pytest.mark.parametrize("scenario", PRINTING)
def test_no_secret_is_printed(scenario: Scenario) -> None:
    """No token is among a program's words; a signed link may be, for Go names the address that failed."""
    assert "eyJ" not in printed(scenario.id).text


def test_every_cause_that_a_text_shows_is_printed() -> None:
    """No cause has signatures that no program of the lab prints, but for those of which it is said why."""
    seen = {cause.id for cause in CAUSES if "text" in cause.seen}
    assert seen - {item.cause for item in ALL if item.prints} == set(UNPRINTED)


def test_the_exceptions_are_scenarios() -> None:
    """No exception outlives its scenario."""
    assert set(NOT_FIRST) <= {item.id for item in ALL if item.prints}


def test_programs_know_no_cause() -> None:
    """A printed text is not made from signatures: no program imports the catalogue, the causes or the diagnosis."""
    folder = Path(acrcheck.lab.programs.__file__).parent
    forbidden = ("acrcheck.catalogue", "acrcheck.diagnosis", "acrcheck.text", "acrcheck.model", "checks")
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [module for module in modules if module.startswith(forbidden)], path.name


@pytest.mark.parametrize("scenario", EACH)
def test_a_scenario_is_quick(scenario: Scenario) -> None:
    """A run or a print needs little processor time, on the best of a few tries."""
    assert any(seconds(scenario) < SECONDS for _ in range(TRIES))


def seconds(scenario: Scenario) -> float:
    """The processor time of playing a scenario."""
    began = time.process_time()
    world = scenario.build()
    if scenario.prints:
        scenario.prints(world)
    else:
        look(world, CHECKS, CAUSES)
    return time.process_time() - began
