"""The wheel, as it is installed elsewhere: away from the checkout, with nothing of it on the path."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 120


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it into an environment that borrows its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=SECONDS)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", str(wheel)],
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    # A .pth adds the folder but does not read the .pth files in it: the checkout itself stays invisible.
    site = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "empty").mkdir()
    return folder


def run(installed: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in an empty folder."""
    return subprocess.run(
        [installed / "venv" / "bin" / "acrcheck", *args],
        cwd=installed / "empty",
        env={"PATH": "/usr/bin:/bin", "HOME": str(installed / "empty"), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.xdist_group("wheel")
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("version",), "acrcheck 0."),
        (("list",), "label-pods"),
        (("demo",), "(root cause: connection-older-than-nmi)"),
        (("demo", "healthy"), "0 failed"),
        (("explain", "label-pods"), "label-pods: "),
        (("explain", "pod-label-missing"), "pod-label-missing: "),
    ],
)
def test_works_from_an_empty_folder(installed: Path, args: tuple[str, ...], expected: str) -> None:
    """Checks and causes are in the wheel, and are found there."""
    done = run(installed, *args)

    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
    assert str(ROOT) not in done.stdout + done.stderr


@pytest.mark.xdist_group("wheel")
def test_the_wheel_is_what_runs(installed: Path) -> None:
    """Nothing comes from the checkout."""
    code = "import acrcheck.catalogue as c; print(c.builtin_dir())"
    done = subprocess.run(
        [installed / "venv" / "bin" / "python", "-c", code],
        cwd=installed / "empty",
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )

    assert done.stdout.strip().endswith("site-packages/acrcheck/_checks")


@pytest.mark.xdist_group("wheel")
def test_holds_what_it_should(installed: Path) -> None:
    """Checks, causes, the schema and the types marker, and neither tests nor compiled files."""
    names = zipfile.ZipFile(next(installed.glob("*.whl"))).namelist()

    assert {
        "acrcheck/_checks/token.py",
        "acrcheck/_checks/causes/pod-label-missing.md",
        "acrcheck/report/report-v1.schema.json",
        "acrcheck/py.typed",
    } <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.split("/")[0] in {"tests", "checks"}]
