"""`acrcheck redact` by the installed command: stricter, and still the same verdicts."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import call


def held(path: Path) -> str:
    """Give all that a bundle holds, names of files too, in small letters."""
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        files = [file.read().decode() for member in members if (file := archive.extractfile(member))]
    return "\n".join([*(member.name for member in members), *files]).lower()


def verdicts(path: Path) -> list[Any]:
    """Replay a bundle, and give what its checks and causes come to."""
    done = call("replay", str(path), "-o", "json")
    report = json.loads(done.stdout)
    checks = [check for category in report["categories"] for check in category["checks"]]
    found = sorted((check["id"], check["status"], check["causes"]) for check in checks)
    return [done.returncode, found, [(cause["id"], cause["confidence"]) for cause in report["causes"]]]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a bundle of a simulated run."""
    path = tmp_path_factory.mktemp("redact") / "b.tar.gz"
    assert call("demo", "label-missing", "--bundle", str(path)).returncode == 1
    return path


def test_a_stricter_bundle_comes_to_the_same(bundle: Path) -> None:
    """Neither names nor addresses nor what matches a pattern is in any file of it, and the verdicts stay."""
    done = call("redact", str(bundle), "--redact-names", "--redact-ips", "--redact", "7a4f0c1e-[0-9a-f-]+")
    stricter = bundle.with_name("b-redacted.tar.gz")

    assert done.returncode == 0, done.stderr
    assert "× pattern" in done.stderr
    assert "places have other names now" in done.stderr
    text = held(stricter)
    for said in ("labreg", "20.62.128.13", "vmss0000", "7a4f0c1e"):
        assert said in held(bundle)
        assert said not in text
    assert verdicts(stricter) == verdicts(bundle)


def test_replay_redacts_as_strictly(bundle: Path) -> None:
    """What replay shows has other names, and is otherwise the same."""
    plain, stricter = (call("replay", str(bundle), *more) for more in ((), ("--redact-names",)))

    assert "aadpodidbinding=coder-identity" in plain.stdout
    assert "coder-identity" not in stricter.stdout
    assert stricter.returncode == plain.returncode
    assert len(stricter.stdout.splitlines()) == len(plain.stdout.splitlines())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["c.tar.gz", "--redact", "("], "the pattern cannot be read"),
        (["b.tar.gz"], "exists already"),
        (["nowhere/x.tar.gz"], "there is no folder"),
    ],
)
def test_bad_input_is_said(bundle: Path, args: list[str], said: str) -> None:
    """A pattern that is none, a file that is there, a folder that is not; the bundle stays."""
    before = bundle.read_bytes()
    done = call(
        "redact", str(bundle), *(str(bundle.parent / arg) if arg.endswith("gz") else arg for arg in args)
    )

    assert done.returncode == 2
    assert said in done.stderr
    assert bundle.read_bytes() == before


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    """A pod's manifest cannot be packed again."""
    pod = tmp_path / "pod.json"
    pod.write_text(
        json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"}})
    )

    done = call("redact", str(pod))
    assert done.returncode == 2
    assert "is no recording of acrcheck" in done.stderr
