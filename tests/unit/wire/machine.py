"""A container that is this machine: programs run for real, but only those that a test put in its image."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from acrcheck.cluster.hands import Executed
from acrcheck.cluster.reader import Answer, Outcome, Pull, Resource
from acrcheck.model import Permission


@dataclass
class Ran:
    """A program that was run: its words and its input."""

    argv: tuple[str, ...]
    stdin: bytes


@dataclass
class Machine:
    """Hands that run programs as subprocesses with nothing but `folder` on the PATH."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    refusal: Answer | None = None

    def install(self, *programs: str, busybox: Sequence[str] = ()) -> "Machine":
        """Put programs into the image; `busybox` names applets of BusyBox. Skips the test without them."""
        for name in (*programs, *busybox):
            found = shutil.which("busybox" if name in busybox else name)
            if name == "python3":
                found = str(Path(sys.executable).resolve())
            if not found:
                pytest.skip(f"{name} is not installed here")
            (self.folder / name).symlink_to(found)
        return self

    def script(self, name: str, text: str) -> "Machine":
        """Put a program into the image that prints a text."""
        program = self.folder / name
        program.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{text}\nEND\n")
        program.chmod(0o755)
        return self

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        limit: int = 1_048_576,
    ) -> Executed | Answer:
        """Run a program of the image."""
        del namespace, pod, container
        self.ran.append(Ran(tuple(argv), stdin))
        if self.refusal:
            return self.refusal
        if not (self.folder / argv[0]).exists():
            return Executed(127, stderr=f'exec: "{argv[0]}": executable file not found in $PATH'.encode())
        environment = {"PATH": str(self.folder), "HOME": str(self.folder), **self.environ}
        with subprocess.Popen(
            argv,
            executable=str(self.folder / argv[0]),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running:
            return _talk(running, stdin, seconds, limit)

    def path(self, path: str) -> Answer:
        """Not asked by the wire."""
        return Answer(Outcome.NO_API, detail=path)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Nothing is there."""
        return Answer(Outcome.ABSENT, detail=resource.path(namespace, name))

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """Nothing is there."""
        del resource, namespace, labels, metadata_only
        return Answer(Outcome.OK, {"items": []})

    def allowed(self, permission: Permission) -> Answer:
        """Everything is."""
        return Answer(Outcome.OK, {"allowed": True, "reason": permission.text})

    def logs(
        self, namespace: str, pod: str, container: str, *, since: int, lines: int, previous: bool = False
    ) -> Answer:
        """Nothing was logged."""
        del namespace, pod, container, since, lines
        return Answer(Outcome.OK, "")

    def try_pull(self, question: Pull) -> Answer:
        """Not done here."""
        return Answer(Outcome.INVALID, detail=question.image)

    def list_by_fields(self, resource: Resource, namespace: str, fields: str) -> Answer:
        """Nothing is there."""
        del resource, namespace, fields
        return Answer(Outcome.OK, {"items": []})

    def create_pod(self, namespace: str, body: dict[str, Any]) -> Answer:
        """Not done here."""
        return Answer(Outcome.INVALID, detail=f"{namespace}: {body}")

    def delete_pod(self, namespace: str, name: str) -> Answer:
        """Not done here."""
        return Answer(Outcome.ABSENT, detail=f"{namespace}/{name}")

    def add_ephemeral_container(self, namespace: str, pod: str, container: dict[str, Any]) -> Answer:
        """Not done here."""
        return Answer(Outcome.INVALID, detail=f"{namespace}/{pod}: {container}")


def _talk(running: subprocess.Popen[bytes], stdin: bytes, seconds: float, limit: int) -> Executed | Answer:
    """Feed a program and read at most `limit` bytes of its output, as exec does."""
    assert running.stdin
    assert running.stdout
    assert running.stderr
    try:
        running.stdin.write(stdin)
        running.stdin.close()
    except BrokenPipeError:
        pass
    late = threading.Timer(seconds, running.kill)
    late.start()
    out = running.stdout.read(limit + 1)
    if len(out) > limit:
        running.kill()
        late.cancel()
        return Executed(None, out[:limit], cut=True)
    err = running.stderr.read()
    code = running.wait()
    late.cancel()
    return Executed(None if code == -signal.SIGKILL else code, out, err)
