"""Two runs compared, as text and as JSON."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import acrcheck.report
from acrcheck.compare import Comparison, compare
from acrcheck.report import comparison_json, comparison_text
from acrcheck.report import json as report_json
from acrcheck.report.page import Page
from acrcheck.report.saved import read
from tests.golden.reports import ALL
from tests.unit.test_compare import WIRING

SCHEMA = json.loads(
    (Path(acrcheck.report.__path__[0]) / "comparison-v1.schema.json").read_text(encoding="utf-8")
)
WIDE = Page(100, ascii=False, color=False)
PAIRS = (
    ("healthy", "unlabelled"),
    ("unlabelled", "healthy"),
    ("healthy", "denied"),
    ("denied", "blind"),
    ("healthy", "hostile"),
)


def compared(before: str, after: str) -> Comparison:
    """Compare two of the reports that the golden files are of."""
    old, new = (read(report_json.render(ALL[name]()).encode(), name) for name in (before, after))
    return compare(old, new, WIRING)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_looks_as_it_did(before: str, after: str, golden: Callable[[str, str], None]) -> None:
    """Each comparison renders to the character as its golden files hold it."""
    found = compared(before, after)

    golden(f"compare-{before}-{after}.txt", comparison_text.render(found, WIDE))
    golden(f"compare-{before}-{after}.json", comparison_json.render(found))


@pytest.mark.parametrize("before", ALL)
@pytest.mark.parametrize("after", ALL)
def test_keeps_to_the_schema(before: str, after: str) -> None:
    """Every comparison is what the shipped schema says."""
    Draft202012Validator(SCHEMA).validate(json.loads(comparison_json.render(compared(before, after))))


@pytest.mark.parametrize("name", ALL)
def test_keeps_to_a_narrow_page_in_ascii(name: str) -> None:
    """Prose wraps, and nothing in a report can steer the terminal."""
    text = comparison_text.render(compared("healthy", name), Page(60, ascii=True, color=False), verbose=1)

    assert text.isascii()
    assert all(char.isprintable() or char == "\n" for char in text)
    assert all(len(line) <= 60 for line in text.splitlines()[:-1])


def test_the_last_line_is_the_verdict() -> None:
    """A script may search for it."""
    assert (
        comparison_text.render(compared("healthy", "unlabelled"), WIDE)
        .splitlines()[-1]
        .startswith("a regression: 2 broke")
    )
    same = comparison_text.render(compared("healthy", "healthy"), WIDE)
    assert same.splitlines()[-1] == "no regression: nothing that was looked at turned"
