"""The installed command and the system around it."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import acrcheck.report
from tests.e2e.command import BIN, ENVIRON, SECONDS, call
from tests.e2e.stub import Stub, serving

SCHEMA = json.loads((Path(acrcheck.report.__path__[0]) / "report-v1.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def stub(request: pytest.FixtureRequest) -> Iterator[Stub]:
    """Serve; `silent` by the test's parameter."""
    with serving(silent=getattr(request, "param", False)) as server:
        yield server


def test_a_refused_operator_gets_an_inconclusive_report(stub: Stub, tmp_path: Path) -> None:
    """Nothing may be listed: the report says what is missing, exit 3, and no token is anywhere."""
    done = call("run", "--kubeconfig", stub.kubeconfig(tmp_path), "-vv")

    assert done.returncode == 3, done.stderr
    assert "√ the API server answers" in done.stdout
    assert "not permitted to list deployments.apps" in done.stdout
    assert "auth can-i list deployments.apps" in done.stdout
    assert "canary" not in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("0 failed, 0 warnings, ")


def test_a_full_disk_is_told_and_is_no_bug() -> None:
    """Where standard output cannot be written, standard error says so; exit 2."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = call("list", stdout=full)

    assert done.returncode == 2
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert "bug" not in done.stderr


def test_json_is_json_and_keeps_to_the_schema(stub: Stub, tmp_path: Path) -> None:
    """On standard output there is nothing else; the same report goes to a file at the same time."""
    file = tmp_path / "report.json"
    done = call("run", "--kubeconfig", stub.kubeconfig(tmp_path), "-o", "json", "--report", f"json={file}")
    document = json.loads(done.stdout)

    Draft202012Validator(SCHEMA).validate(document)
    assert document["summary"]["exitCode"] == done.returncode == 3
    assert json.loads(file.read_text()) == document
    assert document["metadata"]["version"].startswith("0.")


def test_names_only(stub: Stub, tmp_path: Path) -> None:
    """`-o name` gives what `explain` takes."""
    done = call("run", "--kubeconfig", stub.kubeconfig(tmp_path), "-o", "name")

    assert "check/workload" in done.stdout.split()


@pytest.mark.parametrize("stub", [True], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_prints_what_is_known(stub: Stub, tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, and being terminated, end with the partial report and 130."""
    process = subprocess.Popen(
        [BIN / "acrcheck", "run", "--kubeconfig", stub.kubeconfig(tmp_path)],
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert stub.asked.wait(SECONDS)
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)

    assert process.returncode == 130, err
    assert "interrupted: what had not finished is unknown" in out
    assert err == ""


@pytest.mark.parametrize("stub", [True], indirect=True)
def test_the_deadline_prints_what_is_known(stub: Stub, tmp_path: Path) -> None:
    """At the deadline the rest is unknown, exit 3."""
    done = call("run", "--kubeconfig", stub.kubeconfig(tmp_path), "--timeout", "300ms")

    assert done.returncode == 3
    assert "not finished within the run's deadline of 0.3 s" in done.stdout


def test_a_locale_without_utf_8_gets_ascii(stub: Stub, tmp_path: Path) -> None:
    """Marks have an ASCII form, and nothing raises."""
    done = call("run", "--kubeconfig", stub.kubeconfig(tmp_path), LC_ALL="C")

    assert "[ok]   the API server answers" in done.stdout
    assert done.stdout.isascii()
    assert done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_no_encoding_makes_it_fail(encoding: str) -> None:
    """What the stream cannot encode is shown by its code."""
    done = call("explain", "label-pöds", PYTHONIOENCODING=encoding)

    assert done.returncode == 2
    assert "UnicodeEncodeError" not in done.stderr


def test_forty_columns(stub: Stub, tmp_path: Path) -> None:
    """A narrow terminal gets narrow lines, commands and the last line excepted."""
    done = call("run", "--kubeconfig", stub.kubeconfig(tmp_path), COLUMNS="40")
    wide = [line for line in done.stdout.splitlines()[:-1] if len(line) > 40 and "kubectl" not in line]

    assert not wide


def test_whoever_stops_reading_has_seen_enough() -> None:
    """A closed pipe is no error."""
    command = f"{BIN / 'acrcheck'} list | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], env=ENVIRON, capture_output=True, text=True, timeout=SECONDS, check=False
    )

    assert done.stdout.startswith("id ")
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("environ", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_on_a_terminal(stub: Stub, tmp_path: Path, environ: dict[str, str], colored: bool) -> None:
    """On a terminal there is colour and progress; NO_COLOR and a dumb terminal turn colour off."""
    main_end, its_end = pty.openpty()
    process = subprocess.Popen(
        [BIN / "acrcheck", "run", "--kubeconfig", stub.kubeconfig(tmp_path)],
        env={**ENVIRON, "TERM": "xterm", **environ},
        stdout=its_end,
        stderr=subprocess.DEVNULL,
    )
    process.wait(SECONDS)
    os.close(its_end)
    text = os.read(main_end, 65536).decode()
    os.close(main_end)

    assert ("\x1b[32m" in text) is colored


def test_as_a_plug_in_it_names_itself_so() -> None:
    """Another name means another usage line."""
    assert call("run", "--help", program="kubectl-acrcheck").stdout.startswith("Usage: kubectl acrcheck run ")
    assert call("--nosuch", program="kubectl-acrcheck").returncode == 2


def test_completes_in_the_shell() -> None:
    """Bash asks by its variable; the program offers commands and ids."""
    done = call(COMP_WORDS="acrcheck explain label-p", COMP_CWORD="2", _ACRCHECK_COMPLETE="bash_complete")

    assert "plain,label-pods" in done.stdout.split()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run"], "no kubeconfig found"),
        (["run", "--kubeconfig", "/nonexistent"], "kubeconfig /nonexistent does not exist"),
        (["run", "--server", "ftp://x"], "is no URL of an API server"),
    ],
)
def test_wrong_use_in_both_forms(args: list[str], message: str) -> None:
    """A message on standard error, or JSON on standard output; exit code 2 either way."""
    text, as_json = call(*args), call(*args, "-o", "json")

    assert text.returncode == as_json.returncode == 2
    assert message in text.stderr
    assert "Traceback" not in text.stderr
    assert message in json.loads(as_json.stdout)["message"]
    Draft202012Validator(SCHEMA).validate(json.loads(as_json.stdout))


def test_an_unreachable_server_is_unknown(tmp_path: Path) -> None:
    """Nobody listens: that is no verdict, exit 3."""
    done = call("run", "--server", "http://127.0.0.1:1", "--request-timeout", "2s")

    assert done.returncode == 3, done.stderr
    assert "unreachable" in done.stdout


PROFILE = """
[checks]
only = ["label"]
[[waivers]]
check = "label-template"
reason = "the label comes with the next release"
expires = 9999-12-31
[[waivers]]
check = "label-pods"
reason = "the same"
expires = 9999-12-31
"""


def test_a_profile_chooses_the_checks_and_waives(tmp_path: Path) -> None:
    """What a waiver covers is told with its reason, and the exit code leaves it out; JSON keeps what was waived."""
    ours = tmp_path / "ours.toml"
    ours.write_text(PROFILE, encoding="utf-8")
    text = call("demo", "label-missing", "--profile", str(ours))
    document = json.loads(call("demo", "label-missing", "--profile", str(ours), "-o", "json").stdout)

    assert text.returncode == 0, text.stderr
    assert "waived until 9999-12-31: the label comes with the next release" in text.stdout
    assert document["metadata"]["profile"] == str(ours)
    assert [(item["check"], item["expired"]) for item in document["waivers"]] == [
        ("label-template", False),
        ("label-pods", False),
    ]
    assert not [item for item in document["categories"] if item["id"] == "token" and item["checks"]]


def test_a_profile_that_is_wrong_is_exit_code_2(tmp_path: Path) -> None:
    """The line is named, and nothing is checked."""
    ours = tmp_path / "ours.toml"
    ours.write_text(PROFILE.replace("label-pods", "label-pod"), encoding="utf-8")
    done = call("run", "--profile", str(ours))

    assert done.returncode == 2
    assert f"{ours}:8: waiver: there is no check label-pod" in done.stderr
    assert "label-pods" in done.stderr


def test_the_gate_before_an_upgrade_is_in_the_wheel_and_is_told_by_its_flags(tmp_path: Path) -> None:
    """Without the profile its flags are refused; with it a chart that is none is."""
    bare = call("run", "--to-chart", "1.44.3", "--database-snapshot", "s")
    wrong = call(
        "run", "--profile", "pre-upgrade", "--to-chart", "latest", "--kubeconfig", str(tmp_path / "none")
    )

    assert bare.returncode == 2
    assert "--to-chart, --database-snapshot is for the gate before an upgrade" in bare.stderr
    assert "--profile pre-upgrade" in bare.stderr
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_an_ordinary_run_is_without_the_gate() -> None:
    """Neither its lines nor its permissions are there; named alone it says which profile it wants."""
    ordinary = json.loads(call("demo", "healthy", "-o", "json").stdout)
    gate = json.loads(call("demo", "upgrade-two-minors", "-o", "json").stdout)
    ids = [[item["id"] for item in document["categories"]] for document in (ordinary, gate)]
    made = [
        {
            check["id"]
            for item in document["categories"]
            if item["id"] == "upgrade"
            for check in item["checks"]
        }
        for document in (ordinary, gate)
    ]

    assert ids[0] == ids[1]
    assert made[0] == set()
    assert "upgrade-steps" in made[1]
    assert gate["summary"]["rootCauses"] == ["upgrade-skips-minors"]
