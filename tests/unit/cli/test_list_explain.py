"""`acrcheck list` and `acrcheck explain`."""

import json

import pytest
from click.testing import CliRunner, Result

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.cli.main import main

CHECKS = load_checks(builtin_dir())
CAUSES = load_causes(builtin_dir(), CHECKS)


def called(*args: str) -> Result:
    """Call a command."""
    return CliRunner().invoke(main, args)


def test_lists_the_checks_in_their_order() -> None:
    """One line each, by all formats."""
    ids = [check.id for check in CHECKS.checks]

    assert called("list", "-o", "name").stdout.split() == ids
    assert [item["id"] for item in json.loads(called("list", "-o", "json").stdout)["checks"]] == ids
    assert [line.split()[0] for line in called("list").stdout.splitlines()[2:]] == ids


@pytest.mark.parametrize("cause", [cause.id for cause in CAUSES])
def test_explains_every_cause(cause: str) -> None:
    """Each has a title, its meaning and what mends it, and fits the page."""
    result = called("explain", cause)

    assert result.exit_code == 0
    assert result.stdout.startswith(f"{cause}: ")
    assert "{" not in result.stdout.split("What it is")[0]


@pytest.mark.parametrize("check", [check.id for check in CHECKS.checks])
def test_explains_every_check(check: str) -> None:
    """By its id, or as `check/ID` where a cause is called the same."""
    result = called("explain", f"check/{check}")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"{check}: ")


def test_explains_in_other_formats() -> None:
    """Markdown to keep, JSON to use."""
    name = CAUSES[0].id

    assert called("explain", name, "-o", "markdown").stdout.startswith(f"# {name}: ")
    assert json.loads(called("explain", name, "-o", "json").stdout)["kind"] == "Cause"
    assert json.loads(called("explain", "check/label-pods", "-o", "json").stdout)["kind"] == "Check"


def test_a_mistyped_id_offers_near_ones() -> None:
    """Among checks and causes."""
    result = called("explain", "label-pds")

    assert result.exit_code == 2
    assert "near:     label-pods" in result.stderr


def test_an_unknown_kind_is_refused() -> None:
    """Only checks and causes can be explained."""
    assert called("explain", "pod/label-pods").exit_code == 2


def test_the_handbook_explains_everything() -> None:
    """As one document with what the demo shows, or as values; with an id beside `--all`, or with neither, it asks."""
    document = called("explain", "--all", "-o", "markdown").stdout
    items = json.loads(called("explain", "--all", "-o", "json").stdout)["items"]

    assert "```text\n$ acrcheck demo label-missing\n" in document
    assert len(items) == len(CAUSES) + len(CHECKS.checks)
    assert called("explain").exit_code == 2
    assert called("explain", "--all", CAUSES[0].id).exit_code == 2
