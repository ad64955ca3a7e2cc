"""The product under test: the wheel, built and installed anew, and run as an operator runs it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness import Cluster, Completed, Json, capture, must
from tests.cluster.layout import REPOSITORY

LIMIT = 180
"""Seconds for a whole run: more than its own deadline."""


@dataclass(frozen=True)
class Run:
    """One run of acrcheck.

    Attributes:
        text: the report for people with all its details (`-vv`), empty when there is none.
        tape: what it heard.
    """

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    text: str
    tape: Path

    @property
    def report(self) -> Json:
        """The report as JSON."""
        document: Json = json.loads(self.stdout)
        assert document["kind"] == "CheckReport", self.stdout
        return document

    @property
    def causes(self) -> list[Json]:
        """The causes it names, the first one first."""
        causes: list[Json] = self.report["causes"]
        return causes

    @property
    def checks(self) -> list[Json]:
        """The results of all checks."""
        return [check for category in self.report["categories"] for check in category["checks"]]

    def with_status(self, *statuses: str) -> list[Json]:
        """The results that have one of these statuses."""
        return [check for check in self.checks if check["status"] in statuses]


@dataclass(frozen=True)
class Product:
    """An installed acrcheck.

    Attributes:
        program: its command.
        folder: where it may write reports.
    """

    program: Path
    folder: Path

    @classmethod
    def installed(cls, folder: Path) -> "Product":
        """Build the wheel and install it beside the pinned packages, which it finds and this checkout not.

        Raises:
            ClusterError: that failed.
        """
        wheels, environment = folder / "wheels", folder / "environment"
        build = ("-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(REPOSITORY))
        _python(sys.executable, *build)
        _python(sys.executable, "-m", "venv", str(environment))
        python = str(environment / "bin" / "python")
        packages = _python(python, "-c", "import site; print(site.getsitepackages()[0])").stdout.strip()
        pinned = [path for path in sys.path if path.endswith("site-packages")]
        # A plain line of a .pth file adds a folder without reading the .pth files in it: no editable install.
        Path(packages, "pinned.pth").write_text("\n".join(pinned))
        wheel = str(next(wheels.glob("*.whl")))
        _python(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel)
        return cls(environment / "bin" / "acrcheck", folder)

    def run(
        self,
        cluster: Cluster,
        name: str,
        *flags: str,
        kubeconfig: Path | None = None,
        trusted: Path | None = None,
    ) -> Run:
        """Run `acrcheck run` once, for the report in both forms and all its details.

        Args:
            cluster: where.
            name: of this run, for its files.
            flags: as an operator would type them.
            kubeconfig: the operator's; the administrator's when not given.
            trusted: whom the operator's machine trusts, where it is not the usual ones.
        """
        text, tape = self.folder / f"{name}.txt", self.folder / f"{name}.tape"
        text.unlink(missing_ok=True)
        reports = ("--report", f"text={text}", "--report", f"tape={tape}")
        argv = self.command(cluster, *flags, "-vv", "-o", "json", *reports, kubeconfig=kubeconfig)
        done = self.call(cluster, *argv[1:], trusted=trusted)
        said = text.read_text() if text.exists() else ""
        return Run(argv, done.returncode, done.stdout, done.stderr, said, tape)

    def command(self, cluster: Cluster, *flags: str, kubeconfig: Path | None = None) -> tuple[str, ...]:
        """The command line of a run."""
        return (str(self.program), "run", "--kubeconfig", str(kubeconfig or cluster.kubeconfig), *flags)

    def offline(self, *arguments: str) -> Completed:
        """Run any of its commands where there is no kubeconfig, no home and no cluster."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
        return capture((str(self.program), *arguments), None, LIMIT, environment)

    def call(self, cluster: Cluster, *arguments: str, trusted: Path | None = None) -> Completed:
        """Run any of its commands."""
        more = {"SSL_CERT_FILE": str(trusted)} if trusted else {}
        return capture((str(self.program), *arguments), None, LIMIT, operator(cluster) | more)

    def interrupted(self, cluster: Cluster, *flags: str, when: str) -> Completed:
        """Begin a run and send it Ctrl-C as soon as a pod carries this label."""
        argv = self.command(cluster, *flags, "-o", "json")
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=operator(cluster),
        ) as running:
            cluster.wait(
                f"a pod with {when}",
                lambda: running.poll() is not None or bool(cluster.get("pods", "-A", "-l", when)["items"]),
            )
            running.send_signal(signal.SIGINT)
            stdout, stderr = running.communicate(timeout=LIMIT)
            return subprocess.CompletedProcess(argv, running.returncode, stdout, stderr)


def operator(cluster: Cluster) -> dict[str, str]:
    """The environment of an operator who names the kubeconfig on the command line."""
    return {key: value for key, value in cluster.environment.items() if key != "KUBECONFIG"}


def _python(python: str, *arguments: str) -> Completed:
    return must(capture((python, *arguments), None, LIMIT, dict(os.environ)))
