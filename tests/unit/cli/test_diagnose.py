"""`acrcheck diagnose`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.cli.main import main

CAUSE, TEXT = next(
    (cause.id, signature.text.replace("…", "x"))
    for cause in load_causes(builtin_dir(), load_checks(builtin_dir()))
    for signature in cause.signatures
    if signature.decides and cause.id != "not-a-failure"
)


def called(*args: str, text: str = "") -> Result:
    """Call the command with a text on standard input."""
    return CliRunner().invoke(main, ["diagnose", *args], input=text)


def test_names_the_cause_of_what_comes_in() -> None:
    """With how sure it is, the line, and where to read on."""
    result = called(text=f"first\n{TEXT}\n")

    assert result.exit_code == 0
    assert f"95% {CAUSE}: " in result.stdout
    assert "line 2: " in result.stdout
    assert f"acrcheck explain {CAUSE}" in result.stdout


def test_json_has_the_shape_that_programs_read() -> None:
    """Kind and causes, each with id, confidence, evidence and what would decide."""
    document = json.loads(called("-o", "json", text=TEXT).stdout)

    assert document.keys() == {"kind", "causes"}
    assert document["kind"] == "Diagnosis"
    first = document["causes"][0]
    assert first.keys() == {"id", "confidence", "evidence", "toDecide"}
    assert (first["id"], first["confidence"]) == (CAUSE, 0.95)
    assert first["evidence"][0].keys() == {"line", "text", "why"}
    assert first["evidence"][0]["line"] == 1


def test_reads_several_files_and_standard_input(tmp_path: Path) -> None:
    """One after the other; a file that ends in the middle of a line does not run into the next."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.write_text("nothing of note")
    after.write_text(TEXT)

    assert "line 2: " in called(str(before), str(after)).stdout
    assert "line 3: " in called(str(before), str(before), "-", text=TEXT).stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no text to look at\n"),
        ("the disk failed", "nothing here is an error text that acrcheck knows\n"),
        (
            "I1106 14:32:47.6 1 server.go:192] all is well",
            "nothing here is an error text that acrcheck knows\n",
        ),
        ('Successfully pulled image "a.azurecr.io/b:1" in 568ms', "nothing here is a failure\n"),
    ],
)
def test_says_so_when_it_names_nothing(text: str, said: str) -> None:
    """Exit code 3, a sentence, and an empty list for programs."""
    result = called(text=text)

    assert (result.exit_code, result.stdout) == (3, said)
    assert called("-o", "json", text=text).exit_code == 3
    assert json.loads(called("-o", "json", text=text).stdout) == {"kind": "Diagnosis", "causes": []}


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """It is named; the exit code is that of wrong use, in JSON too."""
    missing = str(tmp_path / "missing")

    result = called(missing)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"cannot read {missing}: No such file or directory" in result.stderr
    assert json.loads(called(missing, "-o", "json").stdout)["kind"] == "Error"
    assert called(str(tmp_path)).exit_code == 2


def test_what_is_quoted_cannot_steer_the_terminal() -> None:
    """Neither colours nor titles of the pasted text come through, nor does a token."""
    result = called("--color", "always", text=f"\x1b]0;title\x07{TEXT} \x1b[2J token=abcdefghijklmnop\x07")

    assert result.exit_code == 0
    assert "\x07" not in result.stdout
    assert "\x1b[2J" not in result.stdout
    assert "abcdefgh" not in result.stdout
