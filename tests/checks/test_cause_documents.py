"""The cause documents that ship: whole, of one form, and linked both ways."""

import re
from pathlib import Path

import pytest

from acrcheck.catalogue import builtin_dir, load_causes, load_checks, parse_cause, unexplained
from acrcheck.diagnosis import fill
from acrcheck.model import Cause
from tests.checks.commands import BLOCK, by_hand

DOCUMENTS = sorted((builtin_dir() / "causes").glob("*.md"))
SECTIONS = ["What it is", "Why it happens", "Confirm it by hand", "Keep it from coming back"]
A_SCREEN = 45
"""Lines of prose that a terminal shows at once."""
ANGLE_PLACEHOLDER = re.compile(r"<[^<>\s]*>")
BARE_PROGRAM = re.compile(r"(?<![\w{./-])(?:kubectl|helm)(?![\w}.-])")
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=[path.stem for path in DOCUMENTS])


def from_front_matter(cause: Cause) -> list[str]:
    """Give the commands of remedies and of deciding evidence, placeholders unfilled."""
    return [item.command for item in cause.remedies] + [item.command for item in cause.decides]


def commands(cause: Cause) -> list[str]:
    """Give every command that a reader of the document may paste."""
    return by_hand(cause) + [fill(command, {}) for command in from_front_matter(cause)]


@pytest.fixture(scope="module")
def causes() -> dict[str, Cause]:
    """Load and validate all built-in documents."""
    return {cause.id: cause for cause in load_causes(builtin_dir(), load_checks(builtin_dir()))}


def test_every_document_loads_and_validates(causes: dict[str, Cause]) -> None:
    """No document has an unknown key, a dangling link or a placeholder that no check fills."""
    assert list(causes) == [path.stem for path in DOCUMENTS]
    assert causes


@each_document
def test_the_prose_has_the_four_sections_in_order(path: Path) -> None:
    """A reader finds the same four headings in every document, each followed by text."""
    prose = parse_cause(path).prose
    headings = re.findall(r"^## (.*)$", prose, re.MULTILINE)
    assert headings == SECTIONS
    before, *bodies = re.split(r"^## .*$", prose, flags=re.MULTILINE)
    assert not before
    assert all(len(body.split()) > 5 for body in bodies)


@each_document
def test_the_prose_fits_on_a_screen(path: Path) -> None:
    """At three in the morning nobody scrolls."""
    assert len(parse_cause(path).prose.splitlines()) <= A_SCREEN


@each_document
def test_one_to_three_commands_confirm_the_cause(path: Path) -> None:
    """The section on confirming has the document's only block, with at most three commands."""
    prose = parse_cause(path).prose
    confirm = prose.partition("## Confirm it by hand")[2].partition("\n## ")[0]
    assert BLOCK.findall(prose) == BLOCK.findall(confirm)
    assert prose.count("```") == 2
    assert 1 <= len(by_hand(parse_cause(path))) <= 3


@each_document
def test_no_command_has_an_angle_bracket_placeholder(path: Path) -> None:
    """A shell reads <word> as a redirection: placeholders are words in capitals."""
    assert not [command for command in commands(parse_cause(path)) if ANGLE_PLACEHOLDER.search(command)]


@each_document
def test_every_variable_of_a_command_is_guarded(path: Path) -> None:
    """A variable that a remedy uses stops the shell when it is empty: where it is used first, before any change."""
    for command in commands(parse_cause(path)):
        guarded: set[str] = set()
        for braced, guard, plain in re.findall(r"\$(?:\{(\w+)(:\?)?|(\w+))", command):
            guarded |= {braced} if guard else set()
            assert {braced or plain} <= guarded, command


@each_document
def test_kubectl_and_helm_always_name_their_context(path: Path) -> None:
    """A remedy calls kubectl and helm by the placeholders that carry the context of the run."""
    bare = [command for command in from_front_matter(parse_cause(path)) if BARE_PROGRAM.search(command)]
    assert not bare


@each_document
def test_a_request_to_imds_hides_the_token_and_quotes_the_address(path: Path) -> None:
    """The address has & and ? in it, and a token does not belong on a screen."""
    for command in by_hand(parse_cause(path)):
        if "169.254.169.254/" in command:
            assert re.search(r"'http://169\.254\.169\.254/metadata/[^']+'", command)
            assert "-H Metadata:true" in command
            assert "oauth2/token" not in command or '| sed \'s/"access_token"' in command


def test_every_failing_observation_is_explained_by_some_cause(causes: dict[str, Cause]) -> None:
    """What a check calls a failure leads to a document."""
    assert unexplained(load_checks(builtin_dir()), causes.values()) == ()


def test_neighbours_name_each_other(causes: dict[str, Cause]) -> None:
    """Where one cause may be mistaken for another, the other may be mistaken for it."""
    one_sided = [
        (cause.id, other)
        for cause in causes.values()
        for other in cause.neighbours
        if cause.id not in causes[other].neighbours
    ]
    assert not one_sided


def test_deciding_evidence_is_between_neighbours(causes: dict[str, Cause]) -> None:
    """Evidence decides only between causes that share their confidence."""
    strangers = [
        (cause.id, other)
        for cause in causes.values()
        for decider in cause.decides
        for other in decider.between
        if other not in cause.neighbours
    ]
    assert not strangers


def test_every_document_links_to_public_documentation(causes: dict[str, Cause]) -> None:
    """Each has a source outside of this project, by a secure address."""
    assert not [cause.id for cause in causes.values() if not cause.links]
    assert all(link.startswith("https://") for cause in causes.values() for link in cause.links)
