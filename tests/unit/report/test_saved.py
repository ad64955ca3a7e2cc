"""Kept reports, read again."""

import json
from pathlib import Path
from typing import Any

import pytest

from acrcheck.errors import UsageError
from acrcheck.report import json as report_json
from acrcheck.report.saved import load, read
from tests.golden.reports import ALL, unlabelled


@pytest.mark.parametrize("name", ALL)
def test_every_report_is_read_back(name: str) -> None:
    """Each check's verdict comes back, in the order in which it was kept."""
    report = ALL[name]()
    saved = read(report_json.render(report).encode(), name)

    assert sorted((item.check, item.status, item.subject) for item in saved.checks) == sorted(
        (item.check.id, str(item.status), item.subject.name) for item in report.results
    )
    assert saved.causes == {item.cause.id: item.cause.title for item in report.findings}


def test_a_shell_that_writes_utf16_is_read(tmp_path: Path) -> None:
    """Windows PowerShell redirects in UTF-16 with a byte order mark."""
    file = tmp_path / "report.json"
    file.write_bytes(report_json.render(unlabelled()).encode("utf-16"))

    assert load(str(file)).checks


def changed(**more: Any) -> bytes:
    """Give a report with some keys changed."""
    return json.dumps({**report_json.document(unlabelled()), **more}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"{", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 200_000, "is no JSON"),
        (b"[]", "it holds list"),
        (b"{}", "it has no kind"),
        (b'{"kind": "Diagnosis"}', "its kind is Diagnosis"),
        (b'{"kind": "Error", "message": "no cluster"}', "the run did not take place: no cluster"),
        (changed(apiVersion="acrcheck/v9"), "a report of acrcheck/v9"),
        (changed(categories=None), "categories is missing"),
        (changed(categories=[1]), "categories holds something other than objects"),
        (changed(categories=[{"id": "c", "checks": [{"status": "fine"}]}]), "fine is no status"),
        (changed(categories=[{"id": "c", "checks": [{"status": "fail"}]}]), "id is missing"),
        (changed(metadata=[]), "metadata is no dict"),
    ],
)
def test_what_is_no_report_is_refused(content: bytes, said: str) -> None:
    """The message names the file and what it is instead; expected says what would do."""
    with pytest.raises(UsageError) as refused:
        read(content, "before.json")

    assert said in refused.value.message
    assert refused.value.message.startswith("before.json")
    assert refused.value.expected


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(UsageError, match=r"gone\.json"):
        load(str(tmp_path / "gone.json"))
