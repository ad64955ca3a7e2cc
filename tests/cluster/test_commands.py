"""That every command of every cause document is real: the programs themselves take it."""

from collections.abc import Iterator

import pytest

from tests.checks.commands import Started
from tests.cluster import commands
from tests.cluster.commands import Answered, Asked, Stage, ask_az, ask_cluster, by_program
from tests.cluster.harness import Cluster
from tests.cluster.running import say


@pytest.fixture(scope="module")
def stage(cluster: Cluster) -> Iterator[Stage]:
    """A cluster in which all that the documents speak of is there."""
    made = Stage(cluster)
    try:
        made.build()
        yield made
    finally:
        made.clear()


@pytest.fixture(scope="module")
def asked(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    """Every program that some line of some document starts."""
    return stage.asked(tmp_path_factory.mktemp("asked"))


@pytest.fixture(scope="module")
def parsed(asked: list[Asked], tmp_path_factory: pytest.TempPathFactory) -> list[Answered]:
    """What az says to its commands, and to one with an option that it does not have."""
    return ask_az(by_program(asked, "az"), tmp_path_factory.mktemp("az"))


def test_kubectl_takes_every_command(stage: Stage, asked: list[Asked]) -> None:
    """The real kubectl and the real API server take each; one that changes something is rehearsed by the server."""
    found = by_program(asked, "kubectl")
    assert len(found) > 100
    assert [str(answer) for answer in ask_cluster(stage.cluster, found) if answer.wrong] == []


def test_helm_takes_every_command(stage: Stage, asked: list[Asked]) -> None:
    """The real helm takes each, for the release and the chart that are there."""
    found = by_program(asked, "helm")
    assert len(found) > 5
    assert [str(answer) for answer in ask_cluster(stage.cluster, found) if answer.wrong] == []


def test_az_takes_every_command(parsed: list[Answered]) -> None:
    """The real az knows each command with its options, and needs no other one."""
    assert len(parsed) > 100
    wrong = [str(answer) for answer in parsed if answer.wrong and not commands.unparsed(answer)]
    assert wrong == []


def test_what_az_cannot_parse_is_known(parsed: list[Answered], capsys: pytest.CaptureFixture[str]) -> None:
    """Each command that this az does not know has a reason, and is printed; one that it knows by now has none."""
    with capsys.disabled():
        for answer in parsed:
            if reason := commands.unparsed(answer):
                say(f"not parsed: {' '.join(answer.asked.started.argv)}: {reason}")
    assert [str(answer) for answer in parsed if commands.unparsed(answer) and not answer.wrong] == []


def test_a_wrong_command_is_refused(
    stage: Stage, asked: list[Asked], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An option that a program does not have is an error: that nothing complains means something."""
    for program in ("kubectl", "helm"):
        wrong = [_with_option(item) for item in by_program(asked, program)[:1]]
        assert all(
            "unknown flag: --no-such-option" in item.wrong for item in ask_cluster(stage.cluster, wrong)
        )
    wrong = [_with_option(item) for item in by_program(asked, "az")]
    refused = ask_az(wrong, tmp_path_factory.mktemp("wrong"))
    assert [str(answer) for answer in refused if not answer.wrong] == []


def _with_option(asked: Asked) -> Asked:
    argv = asked.started.argv
    return Asked(asked.line, Started((*argv[:1], *argv[1:], "--no-such-option"), asked.started.stdin))
