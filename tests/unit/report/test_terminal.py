"""The report in a terminal."""

from collections.abc import Callable
from dataclasses import replace

import click
import pytest

from acrcheck.model import Report, Status, note
from acrcheck.report import terminal
from acrcheck.report.page import READABLE
from tests.golden.reports import (
    ALL,
    ASSIGN,
    DENIALS,
    DENIED,
    EXCHANGE,
    LABEL,
    NO_LABEL,
    NOT_FOUND,
    PODS,
    TOKEN,
    UNLABELLED,
    blind,
    came,
    denied,
    healthy,
    hostile,
    report,
    unlabelled,
)

FORMS = {
    "wide": {"width": 100, "ascii": False},
    "narrow": {"width": 40, "ascii": False},
    "ascii": {"width": 80, "ascii": True},
    "verbose": {"width": 100, "ascii": False, "verbose": 2},
}
COMMANDS = ("kubectl", "helm", "az ", "ID=$(az")


def shown(what: Report, *, width: int = 100, verbose: int = 0, color: bool = False) -> list[str]:
    """Render a report and give its lines."""
    text = terminal.render(what, width=width, ascii=False, color=color, verbose=verbose)
    return text.splitlines()


def under(lines: list[str], title: str) -> list[str]:
    """Give the lines that stand under a check's own, up to what it blocks."""
    start = next(place for place, line in enumerate(lines) if title in line) + 1
    block: list[str] = []
    for line in lines[start:]:
        if "blocked by it" in line or line[:1] != " ":
            break
        if line.startswith("    ") and not line.endswith("12ms"):
            block.append(line)
    return block


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ALL)
def test_looks_as_it_did(name: str, form: str, golden: Callable[[str, str], None]) -> None:
    """Each report renders to the character as its golden file holds it."""
    golden(f"{name}.{form}.txt", terminal.render(ALL[name](), **{"color": False, **FORMS[form]}))  # type: ignore[arg-type]  # a table of options


@pytest.mark.parametrize("width", [80, 100, 120, 250])
@pytest.mark.parametrize(
    ("what", "title"),
    [(unlabelled, LABEL.title), (denied, EXCHANGE.title), (healthy, "the identity add-on is supported")],
)
def test_a_failed_check_takes_six_lines(what: Callable[[], Report], title: str, width: int) -> None:
    """Under a check's own line stand at most six, what it blocks named after them."""
    lines = under(shown(what(), width=width), title)

    assert 3 < len(lines) <= 6
    assert "acrcheck explain " in " ".join(lines)


@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_command_is_one_line(width: int) -> None:
    """A command is never wrapped or shortened, so that it can be pasted."""
    filled = ASSIGN.format()

    assert any(line.endswith(filled) for line in shown(denied(), width=width))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_keeps_to_the_width(name: str, width: int) -> None:
    """No line is wider than the page, commands and the last line excepted."""
    lines = shown(ALL[name](), width=width)[:-1]

    assert not [line for line in lines if len(line) > width and not any(word in line for word in COMMANDS)]


@pytest.mark.parametrize("name", ALL)
def test_ascii_is_ascii(name: str) -> None:
    """With `ascii` no character is beyond it."""
    assert terminal.render(ALL[name](), width=80, ascii=True, color=True, verbose=2).isascii()


@pytest.mark.parametrize("name", ALL)
def test_colour_adds_nothing_but_colour(name: str) -> None:
    """With the escape sequences taken out, the coloured report is the plain one."""
    assert [click.unstyle(line) for line in shown(ALL[name](), color=True)] == shown(ALL[name]())


def test_nothing_steers_the_terminal() -> None:
    """Control characters, bidirectional marks and lone surrogates of an answer are not passed on."""
    text = "\n".join(shown(hostile(), verbose=2))

    assert all(char.isprintable() or char == "\n" for char in text)
    assert "owned" in text


def test_pods_with_the_same_verdict_share_a_line() -> None:
    """Many pods of one verdict are one line with a count; of two verdicts, two lines."""
    lines = shown(denied())

    assert any(line.startswith("√ gets a token for Azure Resource Manager (3 pods)") for line in lines)
    assert any(line.startswith("× the registry accepts the identity's token (1 of 3 pods)") for line in lines)
    assert any(line.startswith("√ the registry accepts the identity's token (2 of 3 pods)") for line in lines)


def test_an_explained_check_is_one_line() -> None:
    """A check that fails by a cause already told names it, in its own line."""
    line = next(line for line in shown(unlabelled()) if TOKEN.title in line)

    assert line.endswith("explained by pod-without-label")
    assert not under(shown(unlabelled()), TOKEN.title)


def test_blocked_checks_stand_under_what_blocks_them() -> None:
    """What one cause blocks is named under it, and nowhere else."""
    text = "\n".join(shown(unlabelled()))

    assert "- blocked by it: token-identity, registry-exchange, registry-scope, image-manifest" in text
    assert text.count("registry-scope") == 1


def test_a_cause_is_told_where_what_it_requires_is_seen() -> None:
    """What only supports a cause points to the check where the cause is told."""
    supported = replace(UNLABELLED, supports=(NOT_FOUND.id,), requires=((DENIED.id,),))
    what = report(
        came(TOKEN, Status.FAIL, NOT_FOUND(status=404)),
        came(EXCHANGE, Status.FAIL, DENIED(status=401, client_id="x")),
        causes=(supported,),
    )
    lines = shown(what)

    assert next(line for line in lines if TOKEN.title in line).endswith("explained by pod-without-label")
    assert "see: acrcheck explain pod-without-label" in " ".join(under(lines, EXCHANGE.title))


def test_two_causes_at_one_check_are_both_told() -> None:
    """Pods that fail by different causes are different lines, each with its cause."""
    other = replace(UNLABELLED, id="other-cause", requires=((NOT_FOUND.id,),))
    odd = replace(LABEL, sees=(NO_LABEL, NOT_FOUND))
    what = report(
        came(odd, Status.FAIL, NO_LABEL(pod="a"), subject=PODS[0]),
        came(odd, Status.FAIL, NOT_FOUND(status=404), subject=PODS[1]),
        causes=(replace(UNLABELLED, hides=()), other),
    )
    text = "\n".join(shown(what))

    assert "explain pod-without-label" in text
    assert "explain other-cause" in text
    assert shown(what)[-1].startswith("2 failed")


def test_unknown_says_what_would_open_the_view() -> None:
    """A check that may not look names the missing permission and the command that shows it, once."""
    text = "\n".join(shown(blind()))

    assert "not permitted to list azureidentities.aadpodidentity.k8s.io in namespace coder" in text
    assert "kubectl --context aks-prod auth can-i list azureidentities.aadpodidentity.k8s.io -n coder" in text
    assert text.count("auth can-i") == 1
    assert "as for permissions" in text
    assert "--allow debug-container" in text


def test_very_verbose_shows_the_traceback() -> None:
    """The traceback of a crashed check is for -vv alone."""
    assert not any("Traceback" in line for line in shown(blind(), verbose=1))
    assert any("Traceback" in line for line in shown(blind(), verbose=2))


def test_the_last_line_counts_and_names_the_root_cause() -> None:
    """The last line has a fixed form."""
    assert shown(unlabelled())[-1] == (
        "6 failed, 0 warnings, 0 unknown, 12 blocked (root cause: pod-without-label), "
        "0 skipped, 1 passed in 4.2s"
    )
    assert shown(healthy())[-1] == "0 failed, 1 warning, 0 unknown, 0 blocked, 1 skipped, 8 passed in 4.2s"


def test_the_end_says_what_to_do_first() -> None:
    """What decides or mends stands once more above the last line; where nothing failed, nothing does."""
    ends = shown(unlabelled())
    assert "next, for pod-without-label:" in ends[-7:-2]
    assert ends[-2].strip().startswith("helm ")
    ends = shown(denied())
    start = next(place for place, line in enumerate(ends) if line.startswith("next, "))
    assert ends[start] == "next, for abac-needs-another-role or 2 others:"
    assert ends[start + 1].startswith("    to decide: ")
    assert ends[-2].strip() == "az acr show -n contoso --query roleAssignmentMode"
    assert not any(line.startswith("next, ") for line in shown(healthy()))


def test_causes_that_share_their_confidence_are_named_with_it() -> None:
    """An undecided cause names its neighbours, their confidence and the command that would decide."""
    text = " ".join("\n".join(shown(denied())).split())

    assert "could be, 0.33 each: abac-needs-another-role, role-missing, role-not-yet-propagated" in text
    assert (
        "to decide (see: acrcheck explain abac-needs-another-role): whether the registry's role mode is ABAC: "
        "az acr show -n contoso --query roleAssignmentMode" in text
    )
    assert "fix (registry owner, if it is abac-needs-another-role): Give the identity the role" in text
    assert "(root cause: abac-needs-another-role or role-missing or role-not-yet-propagated)" in text


@pytest.mark.parametrize("width", [80, 120])
def test_many_causes_leave_room_for_what_decides(width: int) -> None:
    """The first are named, the others counted; with -v all are named."""
    names = [f"one-of-many-causes-with-a-long-name-{number:02}" for number in range(14)]
    what = report(
        came(EXCHANGE, Status.FAIL, DENIED(status=401, client_id="x")),
        causes=tuple(replace(DENIALS[0], id=name, neighbours=tuple({*names} - {name})) for name in names),
    )
    lines = under(shown(what, width=width), EXCHANGE.title)
    text = " ".join(" ".join(lines).split())
    named = [name for name in names if name in text]

    assert len(lines) <= 6
    assert named == names[: len(named)]
    assert f", or {len(names) - len(named)} others (-v shows all)" in text
    assert "to decide (see: acrcheck explain " in text
    assert ", ".join(names) in " ".join("\n".join(shown(what, width=width, verbose=1)).split())


def test_a_narrow_page_says_as_much() -> None:
    """Texts are shortened by what a readable page would hold: a narrow one only wraps more."""
    narrow, readable = (
        " ".join("\n".join(under(shown(unlabelled(), width=width), "carries the")).split())
        for width in (40, READABLE)
    )

    assert narrow == readable


def test_a_cause_without_a_check_of_its_own_is_told_at_the_end() -> None:
    """A cause whose observations are notes only is told too."""
    hint = note("hint", "something was noted")
    what = report(
        came(replace(LABEL, sees=(hint,)), Status.PASS, hint()),
        causes=(replace(UNLABELLED, requires=((hint.id,),)),),
    )

    assert "see: acrcheck explain pod-without-label" in "\n".join(shown(what))
