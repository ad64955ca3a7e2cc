"""The report as JSON."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import acrcheck.report
from acrcheck.errors import UsageError
from acrcheck.report import json as report_json
from tests.golden.reports import ALL, blind, denied, healthy, unlabelled

SCHEMA = json.loads((Path(acrcheck.report.__path__[0]) / "report-v1.schema.json").read_text(encoding="utf-8"))


def lists(value: Any, path: str = "") -> Iterator[str]:
    """Name every place that holds nothing at all."""
    if value is None:
        yield path
    for key, item in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from lists(item, f"{path}/{key}")


@pytest.mark.parametrize("name", ALL)
def test_looks_as_it_did(name: str, golden: Callable[[str, str], None]) -> None:
    """Each report renders to the character as its golden file holds it."""
    golden(f"{name}.json", report_json.render(ALL[name]()))


def test_the_schema_is_one() -> None:
    """The shipped schema is itself valid."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", ALL)
def test_keeps_to_the_schema(name: str) -> None:
    """Every report is what the shipped schema says."""
    Draft202012Validator(SCHEMA).validate(json.loads(report_json.render(ALL[name]())))


def test_the_schema_refuses_what_it_does_not_know() -> None:
    """A key that nobody declared, or a null array, is not valid."""
    validator = Draft202012Validator(SCHEMA)
    more = report_json.document(healthy()) | {"more": 1}
    less = report_json.document(healthy()) | {"causes": None}

    assert not validator.is_valid(more)
    assert not validator.is_valid(less)


@pytest.mark.parametrize("name", ALL)
def test_arrays_are_never_null(name: str) -> None:
    """Only single values may be null."""
    single = {"subject", "blockedBy", "reason", "missingPermission", "remedy", "check", "observation"}

    assert {path.rpartition("/")[2] for path in lists(report_json.document(ALL[name]()))} <= single


def test_the_root_cause_comes_first() -> None:
    """Causes stand in the order of the diagnosis; the summary names the root."""
    document = report_json.document(unlabelled())

    assert document["summary"]["rootCauses"] == ["pod-without-label"]
    assert document["causes"][0]["id"] == "pod-without-label"
    assert document["causes"][0]["checks"] == ["label", "token-arm"]
    assert document["causes"][0]["explains"] == [
        "label",
        "token-arm",
        "token-identity",
        "registry-exchange",
        "registry-scope",
        "image-manifest",
    ]


def test_checks_name_their_causes() -> None:
    """A failed check names its cause, one that is hidden by another names that, one that passed none."""
    checks = {
        check["id"]: check
        for category in report_json.document(unlabelled())["categories"]
        for check in category["checks"]
    }

    assert checks["label"]["causes"] == ["pod-without-label"]
    assert checks["token-arm"]["causes"] == ["pod-without-label"]
    assert checks["api-server"]["causes"] == []
    assert checks["registry-scope"]["blockedBy"] == "token-arm"


def test_counts_agree_with_the_checks() -> None:
    """The summary counts what the categories hold."""
    document = report_json.document(blind())
    statuses = [check["status"] for category in document["categories"] for check in category["checks"]]

    assert document["summary"]["counts"] == {
        name: statuses.count(name) for name in ("pass", "warn", "fail", "unknown", "skip")
    }
    assert document["summary"]["status"] == "interrupted"
    assert document["summary"]["exitCode"] == 130


def test_a_tie_names_all_that_are_as_likely() -> None:
    """Causes that share their confidence equally are root causes together, with what would decide."""
    document = report_json.document(denied())

    assert len(document["summary"]["rootCauses"]) == 3
    assert document["causes"][0]["confidence"] == 0.33
    assert document["causes"][0]["toDecide"][0]["command"].startswith("az acr show")


def test_times_are_in_utc() -> None:
    """Times are RFC 3339 in UTC, durations whole milliseconds."""
    document = report_json.document(healthy())

    assert document["metadata"]["startedAt"] == "2026-11-23T09:30:00.000Z"
    assert document["categories"][0]["checks"][0]["durationMs"] == 12


def test_an_error_keeps_to_the_schema() -> None:
    """An error is JSON of the same family, with the near matches."""
    problem = UsageError("no such thing", input="labl", expected="a check", candidates=["label", "token"])
    document = report_json.error(2, problem)

    Draft202012Validator(SCHEMA).validate(document)
    assert document["near"] == ["label"]
