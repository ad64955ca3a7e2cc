"""The installed command, run as a person would."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

BIN = Path(sys.executable).parent
ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
SECONDS = 60


def call(
    *args: str, program: str = "acrcheck", stdout: int | IO[str] = subprocess.PIPE, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command with an environment of its own; its output is read as UTF-8."""
    return subprocess.run(
        [str(BIN / program), *args],
        env={**ENVIRON, **environ},
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
        check=False,
    )
