"""Values as `helm get values -o yaml` prints them, line for line.

helm writes YAML through sigs.k8s.io/yaml, which is go-yaml 2: keys in natural order, texts of several lines as blocks,
long ones folded at 80 columns by a port of libyaml, which PyYAML speaks too.
Source: github.com/yaml/go-yaml v2 encode.go, sorter.go.
"""

import re
from functools import cache, cmp_to_key
from typing import Any

import yaml

from acrcheck.helm.yamltext import resolved

PLACEHOLDER = "x"
_DIGITS = re.compile(r"\d*")
_INSIDE = re.compile(r"[1-9]\d*$")
"""The end of a text within a number that has begun."""


def printed(values: Any) -> str:
    """Give the text of `helm get values -o yaml`."""
    text: str = yaml.dump(
        _ordered(values), Dumper=_dumper(), sort_keys=False, default_flow_style=False, allow_unicode=True
    )
    return text.removesuffix("...\n")


def height(text: str, path: tuple[str, ...]) -> int:
    """Count the lines that a text takes where it stands; `[]` in the path is an item of a list."""
    if "\n" not in text and len(text) < 40:  # noqa: PLR2004 - a line is folded where it is longer than 80
        return 1
    return printed(_nested(text, path)).count("\n") - printed(_nested(PLACEHOLDER, path)).count("\n") + 1


def _nested(value: Any, path: tuple[str, ...]) -> Any:
    for key in reversed(path):
        value = [value] if key == "[]" else {key: value}
    return value


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=cmp_to_key(_compared))}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _compared(one: str, other: str) -> int:
    """Compare two keys where they first differ: signs before numbers' digits before letters, numbers by their value."""
    at = next((at for at, (mine, its) in enumerate(zip(one, other, strict=False)) if mine != its), None)
    if at is None:
        return len(one) - len(other)
    mine, its = one[at], other[at]
    if mine.isalpha() or its.isalpha():
        return (
            (mine > its) - (mine < its) if mine.isalpha() and its.isalpha() else (1 if mine.isalpha() else -1)
        )
    leading = "1" if "0" in {mine, its} and _INSIDE.search(one[:at]) else ""
    keys = [
        (int(leading + digits or "0"), len(digits), text[at]) for text, digits in _numbers(one, other, at)
    ]
    return (keys[0] > keys[1]) - (keys[0] < keys[1])


def _numbers(one: str, other: str, at: int) -> list[tuple[str, str]]:
    found = ((text, _DIGITS.match(text, at)) for text in (one, other))
    return [(text, match[0] if match else "") for text, match in found]


@cache
def _dumper() -> type:
    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # whichever is there
        pass

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None if isinstance(resolved(value), str) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper
