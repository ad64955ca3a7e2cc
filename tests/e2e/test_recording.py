"""Tapes, bundles and replays by the installed command: partial, killed, refused, without a kubeconfig."""

import json
import signal
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import BIN, ENVIRON, SECONDS, call
from tests.e2e.stub import TOKEN, Answering, only_the_version, serving


def version_then_silence(released: threading.Event) -> Answering:
    """Say the version, and nothing else until the test is over."""

    def answer(verb: str, path: str) -> tuple[int, dict[str, Any]]:
        if not path.startswith("/version"):
            released.wait(SECONDS)
        return only_the_version(verb, path)

    return answer


def test_a_killed_run_leaves_its_tape(tmp_path: Path) -> None:
    """What was answered before kill -9 is replayed; the rest was not recorded."""
    tape, released = tmp_path / "run.tape", threading.Event()
    with serving(version_then_silence(released)) as server:
        args = ["run", "--kubeconfig", server.kubeconfig(tmp_path), "--report", f"tape={tape}"]
        running = subprocess.Popen(
            [str(BIN / "acrcheck"), *args], env=ENVIRON, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends = time.monotonic() + SECONDS
        while not (tape.exists() and b"/version" in tape.read_bytes()) and time.monotonic() < ends:
            time.sleep(0.02)
        running.kill()
        running.wait()
        released.set()
    with tape.open("ab") as file:
        file.write(b'{"door": "clus')

    done = call("replay", str(tape), "-o", "json")
    report = json.loads(done.stdout)
    checks = {check["id"]: check for category in report["categories"] for check in category["checks"]}
    assert done.returncode == 3
    assert "the last line was cut off" in done.stderr
    assert checks["api-server"]["status"] == "pass"
    assert checks["workload"]["reason"].startswith("not recorded")


@pytest.fixture
def partial(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Make a bundle where nearly all is forbidden."""
    with serving() as server:
        kubeconfig = server.kubeconfig(tmp_path)
        return call(
            "bundle", str(tmp_path / "b.tar.gz"), "--kubeconfig", kubeconfig, "-n", "coder", "-o", "json"
        )


def test_a_bundle_of_what_is_permitted(partial: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    """It is made, says what it lacks and why, holds no credential, leaves nothing beside it, and replays."""
    assert json.loads(partial.stdout)["kind"] == "CheckReport"
    assert "not in the bundle" in partial.stderr
    assert "wrote" in partial.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"b.tar.gz", "kubeconfig"}
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        files = {
            member.name.partition("/")[2]: file.read()
            for member in archive.getmembers()
            if (file := archive.extractfile(member))
        }
    assert not [name for name, content in files.items() if TOKEN.encode() in content]
    lacking = json.loads(files["acrcheck/missing.json"])
    assert {"what": "nodes", "outcome": "forbidden"}.items() <= next(
        item.items() for item in lacking if item["what"] == "nodes"
    )
    again = call("replay", str(tmp_path / "b.tar.gz"), "-o", "json", KUBECONFIG="/nonexistent")
    live, replayed = json.loads(partial.stdout), json.loads(again.stdout)
    assert again.returncode == partial.returncode
    assert replayed["summary"] == live["summary"]


def test_interrupted_while_it_reads_it_packs_what_came(tmp_path: Path) -> None:
    """It ends at once, says so, and the bundle replays."""
    released, path = threading.Event(), tmp_path / "b.tar.gz"

    def answer(verb: str, asked: str) -> tuple[int, dict[str, Any]]:
        if asked.startswith("/api/v1/nodes"):
            released.wait(SECONDS)
        return only_the_version(verb, asked)

    with serving(answer) as server:
        args = ["bundle", str(path), "--kubeconfig", server.kubeconfig(tmp_path), "-n", "coder"]
        running = subprocess.Popen(
            [str(BIN / "acrcheck"), *args],
            env=ENVIRON,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        ends = time.monotonic() + SECONDS
        while not any("/api/v1/nodes" in request for request in server.requests) and time.monotonic() < ends:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        released.set()
        _, said = running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    assert "interrupted: the bundle holds what was read until then" in said
    assert "interrupted" in {item["why"] for item in lacking(path)}
    assert call("replay", str(path)).returncode == 3


def lacking(path: Path) -> Any:
    """What a bundle says it lacks."""
    with tarfile.open(path) as archive:
        name = next(name for name in archive.getnames() if name.endswith("acrcheck/missing.json"))
        file = archive.extractfile(name)
        assert file
        return json.loads(file.read())


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """Nothing is asked, and the file is as it was; --force overwrites it."""
    path = tmp_path / "b.tar.gz"
    path.write_text("mine")
    with serving() as server:
        args = ("bundle", str(path), "--kubeconfig", server.kubeconfig(tmp_path))
        refused = call(*args)
        assert (refused.returncode, server.requests) == (2, [])
        assert "--force" in refused.stderr
        assert path.read_text() == "mine"
        call(*args, "--force")
    assert path.read_bytes().startswith(b"\x1f\x8b")


def test_the_tape_of_a_killed_bundle_is_not_overwritten(tmp_path: Path) -> None:
    """It says how to pack it."""
    path, kept = tmp_path / "b.tar.gz", tmp_path / "b.tar.gz.tape"
    kept.write_text("evidence")
    with serving() as server:
        done = call("bundle", str(path), "--kubeconfig", server.kubeconfig(tmp_path))
        assert (done.returncode, server.requests) == (2, [])
    assert f"acrcheck bundle --from {kept} {path}" in done.stderr
    assert kept.read_text() == "evidence"


@pytest.mark.parametrize("path", ["nosuch/b.tar.gz", "."])
def test_a_place_that_cannot_be_is_refused_at_once(path: str, tmp_path: Path) -> None:
    """A folder that is not there, or a folder in place of the file."""
    done = call("bundle", str(tmp_path / path))
    assert done.returncode == 2
    assert "folder" in done.stderr or "exists" in done.stderr


def test_a_dry_run_asks_nothing(tmp_path: Path) -> None:
    """It says what would be read, without a kubeconfig."""
    done = call("bundle", "--dry-run", "-n", "coder", "--since", "2h", KUBECONFIG="/nonexistent")
    assert done.returncode == 0
    assert "list events in namespace coder" in done.stdout
    assert "list rolebindings.rbac.authorization.k8s.io in namespace coder" in done.stdout
    assert "7200 s" in done.stdout


def test_demo_tape_bundle_and_replay_agree(tmp_path: Path) -> None:
    """The bundle of a simulated run gives the run's verdicts, also when its tape is wrapped anew."""
    bundle, again, third = (tmp_path / f"{number}.tar.gz" for number in range(3))
    made = call("demo", "label-missing", "--bundle", str(bundle), "-o", "json")
    assert made.returncode == 1
    assert call("bundle", "--from", str(bundle), str(again)).returncode == 1
    assert call("bundle", "--from", str(again), str(third)).returncode == 1
    assert again.read_bytes() == third.read_bytes()
    for path in (bundle, again):
        done = call("replay", str(path), "-o", "json")
        assert done.returncode == 1
        assert json.loads(done.stdout)["summary"] == json.loads(made.stdout)["summary"]
        assert json.loads(done.stdout)["metadata"]["recordedAt"].startswith("2026-11-02")


def test_two_bundles_are_compared(tmp_path: Path) -> None:
    """Bundles, tapes and reports stand for runs alike."""
    before, after = tmp_path / "before.tar.gz", tmp_path / "after.tar.gz"
    call("demo", "healthy", "--bundle", str(before))
    report = call("demo", "label-missing", "--bundle", str(after), "-o", "json").stdout
    (tmp_path / "after.json").write_text(report)
    for path in (after, tmp_path / "after.json"):
        done = call("compare", str(before), str(path), "-o", "json")
        assert done.returncode == 1, done.stderr
        assert "label-template" in done.stdout
    assert call("compare", str(before), str(before)).returncode == 0


def test_a_replay_without_source_says_what_it_takes(tmp_path: Path) -> None:
    """A file that is not there, and one that is nothing of ours."""
    assert "cannot be read" in call("replay", str(tmp_path / "nosuch")).stderr
    odd = tmp_path / "odd"
    odd.write_text("just words\n")
    done = call("replay", str(odd))
    assert done.returncode == 2
    assert "holds no object of Kubernetes" in done.stderr
