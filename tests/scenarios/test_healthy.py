"""Healthy worlds of a size that no scenario has."""

import pytest

from acrcheck.lab.scenario import look
from acrcheck.lab.world import healthy
from acrcheck.model import Status
from tests.scenarios.test_scenarios import CAUSES, CHECKS, named


@pytest.mark.parametrize("replicas", [2, 5, 50])
def test_any_number_of_replicas_is_healthy(replicas: int) -> None:
    """Every pod is asked within the run's deadline, and nothing fails, warns or stays in the dark."""
    report, _ = look(healthy(replicas=replicas), CHECKS, CAUSES)
    statuses = {result.status for result in report.results if result.check.id != "crds"}
    assert statuses <= {Status.PASS, Status.SKIP}
    assert named(report) == []
    assert len([result for result in report.results if result.check.id == "token"]) == replicas
