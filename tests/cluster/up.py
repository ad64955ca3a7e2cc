"""The test cluster from the command line: `python -m tests.cluster.up COMMAND`.

provision          install and build what the cluster is made of
up                 keep a cluster up in the background and print its kubeconfig
down               end the one that `up` keeps
exec -- COMMAND    run a command with a cluster, which it finds in ACRCHECK_TEST_CLUSTER, and end the cluster
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from tests.cluster.harness import Cluster, ClusterError
from tests.cluster.layout import REPOSITORY, cache
from tests.cluster.provision import ProvisionError, provision
from tests.cluster.running import START_LIMIT, Running, is_held, say

KEPT = "developer.json"
VARIABLE = "ACRCHECK_TEST_CLUSTER"


def main(arguments: list[str]) -> int:
    """Run a command; its exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    match arguments:
        case ["provision"]:
            provision()
            return 0
        case ["up"]:
            return up()
        case ["hold"]:
            return hold()
        case ["down"]:
            return down()
        case ["exec", "--", *command] if command:
            return run_with_cluster(command)
    click.echo(__doc__, err=True)
    return 2


def run_with_cluster(command: list[str]) -> int:
    """Start a cluster for a command, and end it after."""
    provision()
    with Running.start() as cluster:
        environment = {**os.environ, VARIABLE: str(cluster.layout.state)}
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


def up() -> int:
    """Keep a cluster up in the background, unless one is."""
    provision()
    file = cache() / KEPT
    if _holder() is None:
        file.unlink(missing_ok=True)
        with (cache() / "log" / "developer.log").open("wb") as log:
            holder = subprocess.Popen(
                [sys.executable, "-m", "tests.cluster.up", "hold"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                start_new_session=True,
            )
        deadline = time.monotonic() + 2 * START_LIMIT
        while not file.exists():
            if holder.poll() is not None or time.monotonic() > deadline:
                click.echo(Path(log.name).read_text(), err=True)
                return 1
            time.sleep(0.1)
    click.echo(Cluster.attach(Path(json.loads(file.read_text())["state"])).kubeconfig)
    return 0


def hold() -> int:
    """Keep a cluster up until SIGTERM."""
    file = cache() / KEPT
    with Running.start() as cluster:
        part = file.with_suffix(".part")
        part.write_text(json.dumps({"state": str(cluster.layout.state), "pid": os.getpid()}))
        part.replace(file)
        try:
            while cluster.ended() is None:
                time.sleep(1)
        finally:
            file.unlink(missing_ok=True)
    return 1


def down() -> int:
    """End the cluster that `up` keeps, and wait until it is gone."""
    holder = _holder()
    if holder is None:
        say("no cluster is being kept up")
        return 0
    os.kill(holder, signal.SIGTERM)
    while _alive(holder):
        time.sleep(0.1)
    return 0


def kept() -> Path | None:
    """The folder of the cluster that `up` keeps, if it keeps one."""
    return Path(json.loads((cache() / KEPT).read_text())["state"]) if _holder() is not None else None


def _holder() -> int | None:
    """The process that keeps a cluster up."""
    try:
        known = json.loads((cache() / KEPT).read_text())
    except FileNotFoundError:
        return None
    pid: int = known["pid"]
    return pid if is_held(Path(known["state"])) else None


def _alive(pid: int) -> bool:
    """Whether a process has not ended; nobody may have asked for the status of one that has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ProvisionError, ClusterError) as failed:
        click.echo(failed, err=True)
        sys.exit(1)
