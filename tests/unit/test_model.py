"""The words of the design as types."""

from datetime import UTC, datetime

import pytest

from acrcheck.model import EVERYTHING, Check, Permission, Report, Result, Status, Subject, fail, note

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SEEN = fail("broken", "pod {pod} is broken", "why")
CHECK = Check("one", "one", lambda: None)


def outcome(*results: Result, interrupted: bool = False, fail_on_warn: bool = False) -> int:
    """Give the exit code of a run with these results."""
    return Report(NOW, NOW, results, (), (), {}, interrupted, fail_on_warn).exit_code


class TestKind:
    """A kind of observation."""

    def test_fills_its_text(self) -> None:
        """An observation says its sentence with its values."""
        assert SEEN(pod="a", why=3).text == "pod a is broken"

    def test_keeps_values_that_only_remedies_need(self) -> None:
        """Declared values beyond the text are kept, as strings."""
        assert SEEN(pod="a", why=3).values == {"pod": "a", "why": "3"}

    @pytest.mark.parametrize("values", [{}, {"pod": "a"}, {"pod": "a", "why": "b", "more": "c"}])
    def test_refuses_values_that_differ_from_the_declared(self, values: dict[str, str]) -> None:
        """A missing or undeclared value is an error of the check, and names the kind."""
        with pytest.raises(TypeError, match="broken takes"):
            SEEN(**values)

    def test_evidence_is_a_mapping(self) -> None:
        """Evidence of another form is refused."""
        assert SEEN(pod="a", why="", evidence={"body": [1]}).evidence == {"body": [1]}
        with pytest.raises(TypeError, match="evidence is a mapping, not str"):
            SEEN(pod="a", why="", evidence="body")

    def test_can_be_said_of_another_subject(self) -> None:
        """A check of many things says which one it means."""
        pod = Subject("pod/a", frozenset({"pod/a"}))

        assert SEEN(pod="a", why="").subject == EVERYTHING
        assert SEEN(pod="a", why="").on(pod).subject == pod


class TestPermission:
    """What the API server may allow."""

    @pytest.mark.parametrize(
        ("permission", "text", "command"),
        [
            (
                Permission("create", "pods", "coder", subresource="exec"),
                "create pods/exec in namespace coder",
                "kubectl auth can-i create pods --subresource=exec -n coder",
            ),
            (
                Permission("list", "azureidentities", "", "aadpodidentity.k8s.io"),
                "list azureidentities.aadpodidentity.k8s.io in all namespaces",
                "kubectl auth can-i list azureidentities.aadpodidentity.k8s.io -A",
            ),
        ],
    )
    def test_says_itself_and_how_to_see_it(self, permission: Permission, text: str, command: str) -> None:
        """It reads as an engineer says it, and names the command that shows it."""
        assert permission.text == text
        assert permission.can_i() == command

    def test_names_the_cluster_that_the_run_looked_at(self) -> None:
        """The command begins with the kubectl that acts there."""
        shown = Permission("get", "nodes").can_i("kubectl --context prod")

        assert shown.startswith("kubectl --context prod auth can-i get nodes")


class TestExitCode:
    """What a run comes to."""

    @pytest.mark.parametrize(
        ("results", "code"),
        [
            ((Result(CHECK, Status.PASS), Result(CHECK, Status.WARN)), 0),
            ((Result(CHECK, Status.PASS), Result(CHECK, Status.FAIL)), 1),
            ((Result(CHECK, Status.UNKNOWN, inconclusive=True),), 3),
            ((Result(CHECK, Status.UNKNOWN),), 0),
            ((Result(CHECK, Status.SKIP, inconclusive=True),), 3),
            ((Result(CHECK, Status.SKIP, reason="no image"),), 0),
            ((Result(CHECK, Status.UNKNOWN, inconclusive=True), Result(CHECK, Status.FAIL)), 1),
        ],
    )
    def test_follows_from_the_worst_that_counts(self, results: tuple[Result, ...], code: int) -> None:
        """A failure is 1, something needed and unknown 3, a warning or a missing input 0."""
        assert outcome(*results) == code

    def test_a_warning_counts_when_asked_for(self) -> None:
        """`--fail-on warn` makes it 1."""
        assert outcome(Result(CHECK, Status.WARN), fail_on_warn=True) == 1

    def test_interruption_goes_before_all(self) -> None:
        """An interrupted run is 130 whatever it found."""
        assert outcome(Result(CHECK, Status.FAIL), interrupted=True) == 130


def test_notes_do_not_judge() -> None:
    """A note is a kind of its own level."""
    assert note("hint", "so").level == "note"
