"""Checks and causes explained."""

from collections.abc import Iterator
from dataclasses import replace

from acrcheck.catalogue import Category, Checks
from acrcheck.model import Observation, fail
from acrcheck.report.explanation import as_text, cause_values, check_values, explain_cause, explain_check
from tests.golden.reports import LABEL, NO_LABEL, UNLABELLED


def looking() -> Iterator[Observation]:
    """Look at the labels of a pod."""
    yield from ()


OTHER = fail("other", "other")
CHECK = replace(LABEL, look=looking, sees=(NO_LABEL, OTHER), asks=(("list", "pods"),))
CHECKS = Checks((Category("label", "Pod label"),), (CHECK,), ("label",))
CAUSE = replace(
    UNLABELLED, prose="Why\n\n1. one\n2. two", links=("https://example.test/",), neighbours=("x",)
)


def test_a_check_says_what_it_sees_and_where_that_leads() -> None:
    """Title, docstring, what it asks, its observations and their causes."""
    text = explain_check(CHECK, CHECKS, (CAUSE,))

    assert text.startswith("# label: carries the aadpodidbinding label\n\nLook at the labels of a pod.\n")
    assert "Asks the API server to: list pods." in text
    assert (
        "- fail: pod {pod} has no label aadpodidbinding (`pod-without-label`)\n  - leads to `pod-without-label`"
        in text
    )
    assert text.endswith("- fail: other (`other`)\n")


def test_a_cause_says_how_it_is_known_and_mended() -> None:
    """Meaning, observations, prose, remedies with their values marked, links."""
    text = explain_cause(CAUSE, CHECKS)

    assert "- seen: pod {pod} has no label aadpodidbinding (`pod-without-label`, seen by `label`)" in text
    assert "## What looks like it\n\n`x`.\n" in text
    assert "  helm upgrade coder coder-v1" in text
    assert "- https://example.test/" in text


def test_values_of_a_command_are_marked() -> None:
    """What a run fills in reads `VALUE`; the shell's own braces are its own."""
    remedy = replace(CAUSE.remedies[1], command="{kubectl} -n {namespace} x ${{ID:?none}}")

    assert "  KUBECTL -n NAMESPACE x ${ID:?none}\n" in explain_cause(
        replace(CAUSE, remedies=(remedy,)), CHECKS
    )


def test_a_remedy_says_when_it_applies() -> None:
    """What a run must see for it, and what it must not see."""
    remedy = replace(CAUSE.remedies[1], when=("pod-without-label", "!other"))

    assert "; where a run sees `pod-without-label` and not `other`)" in explain_cause(
        replace(CAUSE, remedies=(remedy,)), CHECKS
    )


def test_text_is_wrapped_and_code_is_not() -> None:
    """Headings are underlined, lists hang, commands keep their line."""
    markdown = (
        "# Title\n\nSome words that are wrapped.\n\n- an item that is wrapped\n\n```sh\n"
        + "x " * 30
        + "\n```\n"
    )

    assert as_text(markdown, 20) == (
        "Title\n=====\n\nSome words that are\nwrapped.\n\n- an item that is\n  wrapped\n\n"
        "    " + "x " * 29 + "x\n"
    )


def test_plain_values_are_complete() -> None:
    """For programs."""
    assert check_values(CHECK, (CAUSE,))["causes"] == ["pod-without-label"]
    assert cause_values(CAUSE)["requires"] == [["pod-without-label"]]
    assert cause_values(CAUSE)["remedies"][1]["who"] == "cluster admin"
