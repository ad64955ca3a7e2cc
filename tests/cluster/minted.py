"""The secrets that the simulators have given out, so that tests can look for them everywhere else."""

import re
import threading
from pathlib import Path

import httpx

from acrcheck.lab.answers import Handler

SIGNATURE = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.([\w-]{20,})")
FILE = "minted"


class Minting:
    """A handler that writes down the signature of every token it gives out.

    Args:
        handler: gives the answers.
        state: the cluster's folder.
        name: of the process: each writes a file of its own.
    """

    def __init__(self, handler: Handler, state: Path, name: str) -> None:
        self._handler = handler
        self._path = state / f"{FILE}-{name}"
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as the handler does."""
        response = self._handler(request)
        if "json" in response.headers.get("content-type", ""):
            found = SIGNATURE.findall(response.read().decode("utf-8", "replace"))
            with self._lock, self._path.open("a", encoding="ascii") as file:
                file.writelines(f"{signature}\n" for signature in found)
        return response


def signatures(state: Path) -> set[str]:
    """Those of all tokens that a cluster's simulators have given out."""
    return {line for path in state.glob(f"{FILE}-*") for line in path.read_text(encoding="ascii").split()}
