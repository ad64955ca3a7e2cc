"""The program: its commands, its name, its help."""

import pytest
from click.testing import CliRunner

from acrcheck.cli.main import COMMANDS, main, program_name


def test_help_is_one_screen() -> None:
    """It names every command and shows three examples."""
    help_ = CliRunner().invoke(main, ["--help"]).stdout

    assert len(help_.splitlines()) <= 40
    assert all(f"\n  {name} " in help_ for name in COMMANDS)
    assert help_.count("\n    acrcheck ") == 3
    assert max(map(len, help_.splitlines())) <= 110


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    """Asked for help, a command gives it and does nothing."""
    result = CliRunner().invoke(main, [name, "--help"])

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: acrcheck {name} ")


def test_without_a_command_the_help_is_shown() -> None:
    """Nothing was asked for: that is wrong use, and the help says what may be."""
    result = CliRunner().invoke(main, [])

    assert result.exit_code == 2
    assert "Commands:" in result.output


def test_an_unknown_command_offers_near_ones() -> None:
    """A typing error names what was meant, perhaps."""
    result = CliRunner().invoke(main, ["explian"])

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "there is no command explian" in result.stderr
    assert "near:     explain" in result.stderr


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/bin/acrcheck", "acrcheck"),
        ("/usr/bin/kubectl-acrcheck", "kubectl acrcheck"),
        ("kubectl-acrcheck.exe", "kubectl acrcheck"),
        ("/venv/acrcheck/__main__.py", "acrcheck"),
        ("", "acrcheck"),
    ],
)
def test_is_named_as_it_was_called(path: str, name: str) -> None:
    """As a plug-in of kubectl it is called so in its usage lines."""
    assert program_name(path) == name


@pytest.mark.parametrize("args", [["version"], ["--version"]])
def test_says_its_version(args: list[str]) -> None:
    """The option and the command say the same."""
    result = CliRunner().invoke(main, args)

    assert result.exit_code == 0
    assert result.stdout.startswith("acrcheck 0.")
