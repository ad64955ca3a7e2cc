"""The configuration file: options by their own names, in TOML."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acrcheck.errors import UsageError

WORDS = {str: "a string", bool: "true or false", int: "a number", list: "an array of strings"}


def default_path(environ: Mapping[str, str]) -> Path:
    """Name the file that is read when none is given (XDG Base Directory Specification)."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/")) / ".config")
    return Path(base) / "acrcheck" / "config.toml"


def load(path: str, environ: Mapping[str, str], kinds: Mapping[str, type]) -> tuple[Path, dict[str, Any]]:
    """Read the file given, else the default one when it is there: its place and its options.

    `kinds` are the options it may set, each with the type of its value. Raises UsageError naming the place
    and the key for whatever else it holds.
    """
    place = Path(path).expanduser() if path else default_path(environ)
    if not path and not place.is_file():
        return place, {}
    values = read_toml(place)
    for key, value in values.items():
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, n=3)
            raise UsageError(
                f"{place}: there is no option {key}",
                input=f"{key} = {value!r}",
                expected="one of " + ", ".join(near or sorted(kinds)),
                remedy="acrcheck run --help",
            )
        if not _fits(value, kinds[key]):
            raise UsageError(
                f"{place}: {key} is {WORDS[kinds[key]]}, not {value!r}",
                input=f"{key} = {value!r}",
                expected=WORDS[kinds[key]],
            )
    return place, values


def read_toml(place: Path) -> dict[str, Any]:
    """Read a TOML file. Raises UsageError for one that cannot be read, or is none."""
    try:
        return tomllib.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{place} cannot be read: {error.strerror}",
            input=str(place),
            expected="a TOML file that can be read",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{place} is no TOML: {error}", input=str(place), expected='TOML: lines like key = "value"'
        ) from None


def _fits(value: object, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
