"""The types of options, and the configuration file's part."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.cli.main import main
from acrcheck.cli.options import Duration, Names, ReportFile, Workload, flat
from acrcheck.cli.run import command as run_command


def called(*args: str, **environ: str) -> Result:
    """Call `acrcheck run`; a kubeconfig that does not exist ends it before any cluster is asked."""
    return CliRunner().invoke(main, ["run", *args], env={"HOME": "/nonexistent", "KUBECONFIG": "", **environ})


class TestDuration:
    """Times."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("2m", 120), ("1m30s", 90), ("90s", 90), ("1h", 3600), ("500ms", 0.5), ("45", 45), ("1.5m", 90)],
    )
    def test_reads(self, text: str, seconds: float) -> None:
        """As Kubernetes' tools write them."""
        assert Duration()(text) == seconds

    @pytest.mark.parametrize("text", ["", "m", "2x", "-1s", "1m30", "0", "0s", "1 m", "nan", "1e3"])
    def test_refuses(self, text: str) -> None:
        """What is none, or no time at all."""
        with pytest.raises(click.BadParameter):
            Duration()(text)

    @given(st.integers(0, 48), st.integers(0, 59), st.integers(1, 59))
    def test_adds_up(self, hours: int, minutes: int, seconds: int) -> None:
        """Parts are summed."""
        assert Duration()(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


class TestWorkload:
    """KIND/NAME."""

    @pytest.mark.parametrize("kind", ["deployment", "deployments", "deploy", "Deployment"])
    def test_gives_the_kinds_full_name(self, kind: str) -> None:
        """As kubectl takes it."""
        assert Workload()(f"{kind}/coderd") == "deployment/coderd"

    @pytest.mark.parametrize(
        "text", ["coderd", "replicaset/x", "deployment/", "/x", "deploy/a/b", "deploy/A B"]
    )
    def test_refuses(self, text: str) -> None:
        """What names no workload."""
        with pytest.raises(click.BadParameter, match="is no workload"):
            Workload()(text)


class TestReportFile:
    """FORMAT=PATH."""

    def test_gives_format_and_path(self, tmp_path: Path) -> None:
        """The file need not be there."""
        assert ReportFile()(f"json={tmp_path}/a=b.json") == ("json", f"{tmp_path}/a=b.json")

    @pytest.mark.parametrize("text", ["json", "json=", "yaml=a", "=a", "text=/nonexistent/a"])
    def test_refuses(self, text: str) -> None:
        """Unknown formats, and folders that are not there, before the run begins."""
        with pytest.raises(click.BadParameter):
            ReportFile()(text)


def test_names_are_separated_by_commas() -> None:
    """Or repeated; each counts once."""
    assert Names()("label, token,") == ("label", "token")
    assert flat((("label", "token"), ("label",))) == ("label", "token")


def test_names_complete_after_a_comma() -> None:
    """The shell offers ids and categories for the last name."""
    offered = Names().shell_complete(click.Context(run_command), run_command.params[0], "token,lab")

    assert "token,label" in [item.value for item in offered]


class TestPrecedence:
    """Flag, then environment, then file, then what is discovered."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> str:
        """Write a configuration file."""
        path = tmp_path / "config.toml"
        path.write_text('kubeconfig = "/from/file"\n')
        return str(path)

    def test_the_file_counts_where_nothing_else_is_said(self, config: str) -> None:
        """Given by flag or by variable."""
        assert "kubeconfig /from/file does not exist" in called("--config", config).stderr
        assert "kubeconfig /from/file does not exist" in called(ACRCHECK_CONFIG=config).stderr

    def test_the_environment_goes_before_the_file(self, config: str) -> None:
        """By the option's own name."""
        result = called("--config", config, ACRCHECK_KUBECONFIG="/from/environment")

        assert "kubeconfig /from/environment does not exist" in result.stderr

    def test_the_flag_goes_before_all(self, config: str) -> None:
        """Whatever is said elsewhere."""
        result = called(
            "--config", config, "--kubeconfig", "/from/flag", ACRCHECK_KUBECONFIG="/from/environment"
        )

        assert "kubeconfig /from/flag does not exist" in result.stderr

    def test_the_default_file_is_read(self, tmp_path: Path) -> None:
        """It lies where the XDG specification says."""
        (tmp_path / "acrcheck").mkdir()
        (tmp_path / "acrcheck" / "config.toml").write_text('kubeconfig = "/from/default"\n')

        assert "/from/default" in called(XDG_CONFIG_HOME=str(tmp_path)).stderr

    def test_the_format_of_an_error_may_come_from_the_file(self, tmp_path: Path) -> None:
        """An error after the file was read is in the format it asks for."""
        path = tmp_path / "config.toml"
        path.write_text('output = "json"\nkubeconfig = "/from/file"\n')

        assert called("--config", str(path)).stdout.startswith("{")

    def test_another_command_takes_what_it_shares(self, tmp_path: Path) -> None:
        """What only `run` knows is no mistake there, and its format is its own."""
        path = tmp_path / "config.toml"
        path.write_text('output = "json"\ntimeout = "1m"\nkubeconfig = "/from/file"\n')
        result = CliRunner().invoke(main, ["cleanup", "--config", str(path)], env={"KUBECONFIG": ""})

        assert result.exit_code == 2
        assert "kubeconfig /from/file does not exist" in result.stderr


class TestConfigMistakes:
    """Every mistake names file and key."""

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('namspace = "a"', "there is no option namspace"),
            ("namespace = 3", "namespace is a string, not 3"),
            ('allow = "probe-pod"', "allow is an array of strings, not 'probe-pod'"),
            ('ascii = "yes"', "ascii is true or false, not 'yes'"),
            ("verbose = true", "verbose is a number, not True"),
            ('timeout = "2x"', "timeout: '2x' is no duration"),
            ('allow = ["everything"]', "allow: 'everything' is not one of"),
            ('output = "yaml"', "output: 'yaml' is not one of"),
            ('token = "secret"', "there is no option token"),
            ("namespace = ", "is no TOML"),
        ],
    )
    def test_is_told(self, tmp_path: Path, text: str, message: str) -> None:
        """Exit code 2, and the message begins with the file."""
        path = tmp_path / "config.toml"
        path.write_text(text)
        result = called("--config", str(path))

        assert result.exit_code == 2
        assert f"acrcheck: {path}" in result.stderr
        assert message in result.stderr

    def test_a_near_option_is_offered(self, tmp_path: Path) -> None:
        """A typing error in a key is named with what was meant."""
        path = tmp_path / "config.toml"
        path.write_text('namspace = "a"')

        assert "expected: one of namespace" in called("--config", str(path)).stderr

    def test_a_file_that_was_named_must_be_there(self) -> None:
        """The default one need not."""
        assert "cannot be read" in called("--config", "/nonexistent/config.toml").stderr

    def test_all_types_are_taken(self, tmp_path: Path) -> None:
        """Strings, numbers, booleans and arrays of a good file are."""
        path = tmp_path / "config.toml"
        path.write_text(
            'timeout = "1m30s"\nverbose = 1\nascii = true\nallow = ["probe-pod"]\nonly = ["token"]\n'
            'workload = "deploy/x"\nkubeconfig = "/from/file"\n'
        )

        assert "kubeconfig /from/file does not exist" in called("--config", str(path)).stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--only", "tokn"], "no check and no category is called tokn"),
        (["--workload", "coder"], "'coder' is no workload"),
        (["--timeout", "soon"], "'soon' is no duration"),
        (["--allow", "all"], "'all' is not one of"),
        (["--report", "json=/nonexistent/a"], "there is no folder /nonexistent"),
        (["--no-such"], "No such option"),
        (["--kubeconfig", "/nonexistent"], "kubeconfig /nonexistent does not exist"),
    ],
)
def test_wrong_use_ends_before_a_cluster_is_asked(args: list[str], message: str) -> None:
    """Each mistake is exit code 2 and a message."""
    result = called(*args)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
