"""Reading what must not stand on a command line."""

import sys

from acrcheck.errors import UsageError

LONGEST = 65_536
"""Characters that a password, or what stands in its place, may have."""


def read(path: str) -> str:
    """Read a file, or standard input for `-`. Raises UsageError when it cannot be read as text."""
    try:
        if path == "-":
            return sys.stdin.read(LONGEST)
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib cannot read a part
            return file.read(LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(
            f"cannot read {path}: {said}", input=path, expected="a file that can be read"
        ) from error
