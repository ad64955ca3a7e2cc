"""`acrcheck values`."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from acrcheck.cli.main import main

SEED = "extraLabels:\naadpodidbinding: coder-identity\n"
MENDED = "coderd:\n  extraLabels:\n    aadpodidbinding: coder-identity\n"


def called(*args: str | Path, given: str | bytes = "") -> Result:
    """Call the command."""
    return CliRunner().invoke(main, ["values", *map(str, args)], input=given)


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """The documentation's own snippet as a file."""
    path = tmp_path / "values.yaml"
    path.write_text(SEED)
    return path


def test_the_documentations_snippet_is_explained(seed: Path) -> None:
    """Where it is, what is wrong with it, and what it should be."""
    result = called(seed)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{seed}:2:1: fail: aadpodidbinding stands at the top level")
    assert "lost its indentation" in result.stdout
    assert "    coderd:\n      extraLabels:\n        aadpodidbinding: coder-identity\n" in result.stdout
    assert result.stdout.endswith("\n1 failed, 0 warnings\n")


def test_sound_values_exit_with_zero(tmp_path: Path) -> None:
    """And it says what the pods would get."""
    path = tmp_path / "values.yaml"
    path.write_text(MENDED)
    result = called(path)
    assert result.exit_code == 0
    assert "labels aadpodidbinding=coder-identity" in result.stdout
    assert result.stdout.endswith("\nsound\n")


def test_the_patch_mends_the_file(seed: Path) -> None:
    """What --fix prints is applied by patch; the file itself is left alone until then."""
    result = called("--fix", seed)
    assert result.exit_code == 1
    assert seed.read_text() == SEED
    patched = subprocess.run(
        ["patch", str(seed)], input=result.stdout, text=True, capture_output=True, check=False
    )
    assert (patched.returncode, seed.read_text()) == (0, MENDED)
    assert called(seed).exit_code == 0


def test_write_changes_the_file_and_keeps_what_was_in_it(seed: Path) -> None:
    """A backup lies beside it; one that is there already is not written over."""
    assert called("--write", seed).exit_code == 1
    assert seed.read_text() == MENDED
    backup = seed.with_name("values.yaml.orig")
    assert backup.read_text() == SEED
    seed.write_text(SEED)
    refused = called("--write", seed)
    assert (refused.exit_code, seed.read_text()) == (2, SEED)
    assert "nothing was changed" in refused.stderr


def test_what_cannot_be_mended_is_said(tmp_path: Path) -> None:
    """A file with anchors is left as it is, with the reason."""
    path = tmp_path / "values.yaml"
    path.write_text("x: &a x\naadpodidbinding: *a\n")
    result = called("--write", path)
    assert result.exit_code == 1
    assert "is left as it is: it uses anchors" in result.stderr
    assert path.read_text() == "x: &a x\naadpodidbinding: *a\n"
    assert not path.with_name("values.yaml.orig").exists()


def test_old_keys_are_mended_beside_new_ones(tmp_path: Path) -> None:
    """Key by key, and the label with them; what is there already stays."""
    path = tmp_path / "values.yaml"
    path.write_text(
        "cemanager:\n  accessURL: x\n  extraLabels:\n    aadpodidbinding: coder\ncoderd:\n  replicas: 2\n"
    )
    assert called("--write", path).exit_code == 1
    assert path.read_text() == (
        "coderd:\n  replicas: 2\n  extraLabels:\n    aadpodidbinding: coder\n  accessURL: x\n"
    )
    assert called(path).exit_code == 0


def test_what_a_chart_fails_at_it_makes_nothing_of(tmp_path: Path) -> None:
    """The summary does not tell of pods that nobody gets."""
    path = tmp_path / "values.yaml"
    path.write_text("timescale:\n  image: x\n")
    assert "chart 1.44.3 (assumed) makes of it: nothing, it fails at timescale\n" in called(path).stdout


def test_keys_for_anchors_are_no_stray_labels(tmp_path: Path) -> None:
    """By convention they begin with x-; what an alias stands for is told where the alias is used."""
    path = tmp_path / "values.yaml"
    path.write_text("x-labels: &l\n  aadpodidbinding: coder\ncoderd:\n  extraLabels: *l\nextraLabels: *l\n")
    result = called(path)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{path}:5:1: warn: extraLabels.aadpodidbinding has no effect")
    assert "x-labels" not in result.stdout


def test_files_settings_and_standard_input_are_joined(tmp_path: Path) -> None:
    """In helm's order: files as given, then --set, then --set-string."""
    path = tmp_path / "base.yaml"
    path.write_text("coderd: {extraLabels: {aadpodidbinding: 1}}\n")
    assert called(path, "-", given="coderd: {extraLabels: {aadpodidbinding: x}}\n").exit_code == 0
    assert called("-", path, given="coderd: {extraLabels: {aadpodidbinding: x}}\n").exit_code == 1
    assert called(path, "--set-string", "coderd.extraLabels.aadpodidbinding=1").exit_code == 0
    result = called("-", "--set", "coderd.extraLabels.aadpodidbinding=1", given=b"")
    assert result.stdout.startswith("--set coderd.extraLabels.aadpodidbinding=1:1:1: fail: ")


def test_json_has_the_place_and_the_change(seed: Path) -> None:
    """For programs, in the shape of every report."""
    result = called("-o", "json", seed)
    report = json.loads(result.stdout)
    (seen,) = [
        item
        for category in report["categories"]
        for check in category["checks"]
        for item in check["evidence"]
        if item["id"] == "values-label-misplaced"
    ]
    assert seen["data"]["place"] == {"file": str(seed), "line": 2, "column": 1}
    assert seen["data"]["edits"][0]["op"] == "move"
    assert report["summary"]["exitCode"] == result.exit_code == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a:\n\tb: 1\n", ":2:1: a tab"),
        (b"- a\n", ":1:1: a values file is a map"),
        (b"a: {{ .x }}\n", "templates are not filled in"),
        (b"\xff\xfea", "not UTF-8"),
        (b"a: 1\n" * 1_200_000, "larger than 5 MB"),
    ],
)
def test_what_cannot_be_values_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """With exit code 2, the place, and nothing written."""
    path = tmp_path / "values.yaml"
    path.write_bytes(content)
    result = called("--write", path)
    assert result.exit_code == 2
    assert said in result.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["values.yaml"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["missing.yaml"], "cannot read missing.yaml: No such file"),
        (["-", "-"], "can be read once"),
        (["--write", "-"], "cannot be written back"),
        (["-", "--set", "x"], "--set x: x has no value"),
        (["-", "--chart-version", "latest"], "latest is no version"),
        (["--kubeconfig", "missing"], "kubeconfig missing does not exist"),
        (["--write"], "no file that could be written"),
        (["--chart-version", "1.30.0"], "a release says itself"),
        (["-", "-n", "coder"], "--namespace is for the values of a release"),
        (["--set", "a=b", "--release", "coder"], "--release is for the values of a release"),
    ],
)
def test_a_call_that_cannot_work_says_why(args: list[str], said: str) -> None:
    """Usage errors exit with 2."""
    result = called(*args)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_patch_is_no_json() -> None:
    """Who wants both is told so, in the format that was asked for."""
    result = called("--fix", "-o", "json", "-")
    assert result.exit_code == 2
    assert "which is no JSON" in json.loads(result.stdout)["message"]


def test_the_charts_version_decides_what_is_read(tmp_path: Path) -> None:
    """An older chart passes over the label."""
    path = tmp_path / "values.yaml"
    path.write_text(MENDED)
    result = called(path, "--chart-version", "1.25.3")
    assert result.exit_code == 1
    assert "coderd.extraLabels is read since chart 1.26.0, not by 1.25.3" in result.stdout
