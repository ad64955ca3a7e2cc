"""The README's table of the documentation's page: whole, in order, and true."""

import re
from pathlib import Path

import pytest

from acrcheck.model import Status
from acrcheck.report import handbook
from tests.e2e.documentation import PAGE, Instruction, table
from tests.scenarios.test_scenarios import CAUSES, CHECKS, SCENARIOS, ran

README = Path(__file__).parents[2] / "README.md"
STEPS = (
    "admin account",
    "service principal",
    "az acr login",
    "repository-scoped token",
    "feature flag",
    "role assignments",
    "install AAD Pod Identity",
    "Identity Binding",
    "label all pods",
    "az login --identity",
    "names the identity",
    "IMDS",
    "Identity not found",
    "troubleshooting page",
    "values.yaml",
    "helm upgrade",
    "its address",
    "its kind",
    "import",
)
"""A word of each instruction of the page, in its order."""
PROOFS = [
    pytest.param(check, scenario, id=f"{check}-{scenario}")
    for item in PAGE
    for check, scenario in item.proofs
]


def test_every_instruction_of_the_page_has_a_row_in_its_order() -> None:
    """No instruction is left out, and none is made up."""
    assert len(PAGE) == len(STEPS)
    assert all(word in item.text for word, item in zip(STEPS, PAGE, strict=True))


@pytest.mark.parametrize("item", PAGE, ids=lambda item: item.text)
def test_no_row_is_without_a_proof_or_the_reason_why(item: Instruction) -> None:
    """By hand is a reason and a place to look, not an excuse beside a check."""
    assert bool(item.proofs) != bool(item.by_hand)


@pytest.mark.parametrize(("check", "scenario"), PROOFS)
def test_the_check_that_proves_it_can_fail(check: str, scenario: str) -> None:
    """In a world in which the instruction was not followed, that check fails."""
    assert check in {item.id for item in CHECKS.checks}
    assert scenario in {item.id for item in SCENARIOS}
    failed = {item.check.id for item in ran(scenario).report.results if item.status is Status.FAIL}
    assert check in failed


def test_every_link_is_a_page_of_the_handbook() -> None:
    """`make docs` writes the pages."""
    linked = re.findall(r"\]\(docs/([^)]+)\)", table())
    assert linked
    assert set(linked) <= handbook.pages(CHECKS, CAUSES, {}).keys()


def test_the_readme_has_the_table() -> None:
    """It is written by `make readme`, like all that is generated there."""
    assert table() in README.read_text(encoding="utf-8")
