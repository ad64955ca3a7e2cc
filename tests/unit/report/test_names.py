"""The report as names."""

from acrcheck.report import names
from tests.golden.reports import blind, healthy, hostile, unlabelled


def test_causes_come_first_and_once() -> None:
    """What failed with a cause is named by the cause."""
    assert names.render(unlabelled()) == "cause/pod-without-label\n"


def test_what_has_no_cause_is_named_by_its_check() -> None:
    """Failed and unknown checks without a cause are named themselves."""
    assert names.render(hostile()) == "check/odd\n"
    assert "check/permissions\ncheck/label\ncheck/token-arm\n" in names.render(blind())


def test_a_warning_is_a_cause_too() -> None:
    """A cause that only warns is named."""
    assert names.render(healthy()) == "cause/pod-identity-retired\n"
