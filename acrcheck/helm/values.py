"""Helm's values: maps of keys, joined as helm joins them.

Source: helm/helm (3.22) pkg/cli/values/options.go, pkg/chartutil/coalesce.go.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from acrcheck.late import dataclass

Values = dict[str, Any]
Path = tuple[str | int, ...]
"""Keys, and indexes of lists, from the top down."""
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/.-]*")
"""Text that YAML reads as text without quotation marks, but for `WORDS`."""
WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: line and column count from one."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class ValuesFiles:
    """What values files and settings come to, in helm's order, and where each key was last set."""

    files: tuple[str, ...]
    values: Values
    places: dict[Path, Place]
    twice: tuple[tuple[Path, Place], ...] = ()
    """Keys that stand in one map of a file more than once."""
    more: tuple[Place, ...] = ()
    """Where a file's second document begins: helm reads the first only."""
    chart_version: str = ""
    written: dict[Path, str] = field(default_factory=dict)
    """What is written for a value that is no text: `0755` for 493."""


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """Join two sets of user values: the later one wins, maps are joined key by key, a null stays one."""
    joined = dict(below)
    for key, value in above.items():
        known = joined.get(key)
        both = isinstance(value, Mapping) and isinstance(known, Mapping)
        joined[key] = merged(known, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return joined


def coalesced(user: Mapping[str, Any], defaults: Mapping[str, Any]) -> Values:
    """Give what templates see: the user's values over the chart's defaults. A null takes the default away."""
    joined = {key: value for key, value in defaults.items() if key not in user}
    for key, value in user.items():
        default = defaults.get(key)
        if isinstance(value, Mapping):
            joined[key] = coalesced(value, default if isinstance(default, Mapping) else {})
        elif value is not None or key not in defaults:
            joined[key] = value
    return joined


SHOWN = frozenset({"extraLabels", "image", "imagePullSecret", "enable"})
"""The keys of Coder's chart whose values say which labels and images the pods get, and are no secret."""


def veiled(values: Values) -> Values:
    """Hide every text but those under the keys that say labels and images: which keys are set stays."""
    return {key: value if key in SHOWN else _veiled(value) for key, value in values.items()}


def _veiled(value: Any) -> Any:
    if isinstance(value, dict):
        return veiled(value)
    if isinstance(value, list):
        return [_veiled(item) for item in value]
    return "…" if isinstance(value, str) and value else value


def at(values: object, *path: str | int) -> Any:
    """Give the value at a path; None where there is none."""
    for key in path:
        if not _holds(values, key):
            return None
        values = values[key]  # type: ignore[index]  # it holds the key
    return values


def has(values: object, *path: str | int) -> bool:
    """Tell whether there is anything at a path, null included."""
    *parents, last = path
    return _holds(at(values, *parents), last)


def _holds(found: object, key: str | int) -> bool:
    if isinstance(found, list):
        return isinstance(key, int) and 0 <= key < len(found)
    return isinstance(found, Mapping) and key in found


def leaves(values: object, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Give every value that is no filled map, with its path; a list is one value, as helm replaces it whole."""
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from leaves(value, (*path, str(key)))
    elif path:
        yield path, values


def dotted(path: Path) -> str:
    """Write a path as `--set` takes it: `coderd.extraEnvs[0].name`, dots within a key escaped."""
    text = ""
    for key in path:
        escaped = f"[{key}]" if isinstance(key, int) else str(key).replace("\\", "\\\\").replace(".", "\\.")
        text += escaped if isinstance(key, int) or not text else f".{escaped}"
    return text


def snippet(path: Path, value: object) -> str:
    """Write a value as YAML, under all the keys that lead to it."""
    lines = [f"{'  ' * depth}{_scalar(key)}:" for depth, key in enumerate(path)]
    return "\n".join(lines) + f" {_scalar(value)}"


def _scalar(value: object) -> str:
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
