"""A values file as helm reads it: typed values, and where in the text each of them stands.

Helm 3 reads YAML through sigs.k8s.io/yaml, which is go-yaml 2: mostly YAML 1.1, so `on` is true and `0755` is 493, but
`1:30` is text, and so is every date.
Source: github.com/yaml/go-yaml v2 resolve.go, decode.go; sigs.k8s.io/yaml yaml.go.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from acrcheck.errors import UsageError
from acrcheck.helm.values import Path, Place, Values

MOST_BYTES = 5 * 1024 * 1024
"""A values file is refused beyond this: helm itself refuses what would not fit into its release."""
MOST_VALUES = 50_000
"""Values that a document may come to once its aliases are followed."""
TEMPLATE = "{{"
_PLAIN, _QUOTED = "plain", "quoted"
_STANDARD = "tag:yaml.org,2002:"
_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"(?P<sign>[-+]?)(?P<base>0[xX]|0[oO]|0[bB]|0)?(?P<digits>[0-9a-fA-F]*)")
_BASES = {"0x": 16, "0o": 8, "0b": 2, "0": 8}
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LOWEST, _HIGHEST = -(2**63), 2**64
_EXACT = 2**53
"""Beyond it helm rounds: every number of a file goes through a float."""


@dataclass(frozen=True, slots=True)
class Document:
    """The first document of a values file, which is the only one that helm reads."""

    file: str
    text: str
    root: yaml.MappingNode | None
    values: Values
    places: dict[Path, Place] = field(default_factory=dict)
    """Of every key, and of every item of a list."""
    written: dict[Path, str] = field(default_factory=dict)
    """What is written for a value that is no text: `0755` for 493."""
    twice: tuple[tuple[Path, Place], ...] = ()
    """Keys that stand in one map more than once: the last one counts."""
    more: Place | None = None
    """Where a second document begins."""
    shared: bool = False
    """True where anchors are used: one text then stands for several values."""


class _Loader(yaml.BaseLoader):
    """Composes nodes, and keeps apart what is written plain, what is quoted, and what has a tag of its own."""

    shared = False

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Give a scalar that has no tag of its own a word for how it is written."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _QUOTED
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return tag

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, and remember that one is used more than once."""
        if self.check_event(yaml.AliasEvent):
            self.shared = True
        return super().compose_node(parent, index)


def decode(raw: bytes, file: str) -> str:
    """Decode a values file. Raises UsageError for one that is too large or no UTF-8."""
    if len(raw) > MOST_BYTES:
        raise UsageError(
            f"{file} is larger than {MOST_BYTES // 1024 // 1024} MB", input=file, expected="a values file"
        )
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{file}:{line}: not UTF-8 text (byte {error.start})",
            input=file,
            expected="a values file in UTF-8",
        ) from error


def read(text: str, file: str) -> Document:
    """Read a values file. Raises UsageError, with the place, for what helm would not take as values."""
    try:
        loader = _Loader(text)
        root = _first(loader)
        more = _second(loader, file)
    except yaml.YAMLError as error:
        raise _refusal(error, text, file) from error
    except RecursionError as error:
        raise UsageError(f"{file}: nested too deeply", input=file, expected="a values file") from error
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _PLAIN and root.value in _NULL):
        return Document(file, text, None, {}, more=more)
    if not isinstance(root, yaml.MappingNode):
        raise _wrong(root, file, "a values file is a map of keys, this is " + _kind(root))
    reader = _Reader(file, text)
    values = reader.mapping(root, ())
    return Document(
        file,
        text,
        root,
        values,
        reader.places,
        reader.written,
        tuple(reader.twice),
        more,
        shared=loader.shared,
    )


def _first(loader: _Loader) -> yaml.Node | None:
    node: yaml.Node | None = loader.get_node() if loader.check_node() else None
    return node


def _second(loader: _Loader, file: str) -> Place | None:
    """Say where a second document begins. What is wrong with it nobody sees."""
    try:
        if not loader.check_event(yaml.DocumentStartEvent):
            return None
        mark = loader.peek_event().start_mark  # type: ignore[no-untyped-call]
    except yaml.YAMLError:
        mark = loader.get_mark()
    return _place(mark, file)


class _Reader:
    """Turns nodes into values as go-yaml does."""

    def __init__(self, file: str, text: str) -> None:
        self.places: dict[Path, Place] = {}
        self.written: dict[Path, str] = {}
        self.twice: list[tuple[Path, Place]] = []
        self._file = file
        self._text = text
        self._left = MOST_VALUES
        self._open: set[int] = set()
        self._read: set[int] = set()
        self._elsewhere = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _wrong(node, self._file, f"it comes to more than {MOST_VALUES} values")
        if isinstance(node, yaml.ScalarNode):
            found = self._scalar(node)
            if not isinstance(found, str):
                self.written[path] = node.value
            return found
        if id(node) in self._open:
            raise _wrong(node, self._file, "an anchor's value contains itself")
        again = id(node) in self._read
        self._open.add(id(node))
        self._read.add(id(node))
        self._elsewhere += again
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, path)
            return self._list(node, path)
        except RecursionError as error:
            raise _wrong(node, self._file, "nested too deeply") from error
        finally:
            self._elsewhere -= again
            self._open.discard(id(node))

    def mapping(self, node: yaml.MappingNode, path: Path) -> Values:
        found: Values = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                self._merge(value_node, path, found)
                continue
            key = self._key(key_node)
            place = _place(key_node.start_mark, self._file)
            if key in own:
                self.twice.append(((*path, key), place))
            own.add(key)
            self._stands((*path, key), place)
            found[key] = self.value(value_node, (*path, key))
        return found

    def _merge(self, node: yaml.Node, path: Path, into: Values) -> None:
        """Put in what a merge key names: in the order written, so it wins over keys that stand before it."""
        sources = list(reversed(node.value)) if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise _wrong(source, self._file, "a merge key takes maps only")
            into.update(self.value(source, path))

    def _list(self, node: yaml.Node, path: Path) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self._stands((*path, index), _place(item.start_mark, self._file))
            items.append(self.value(item, (*path, index)))
        return items

    def _stands(self, path: Path, place: Place) -> None:
        """Keep a place; what an alias stands for has its place where the anchor is, and none of its own."""
        if not self._elsewhere:
            self.places[path] = place

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            line = self._text.splitlines()[node.start_mark.line]
            hint = ": templates are not filled in inside values" if TEMPLATE in line else ""
            raise _wrong(node, self._file, f"{_kind(node)} cannot be a key{hint}")
        value = self._scalar(node)
        if value is None:
            raise _wrong(node, self._file, "null cannot be a key")
        if isinstance(value, bool):
            return "true" if value else "false"
        return _shortest(value) if isinstance(value, float) else str(value)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        if node.tag == _PLAIN:
            value = resolved(text)
        elif node.tag == f"{_STANDARD}binary":
            try:
                return base64.b64decode("".join(text.split()), validate=True).decode(errors="replace")
            except binascii.Error as error:
                raise _wrong(node, self._file, "!!binary is no base64") from error
        elif node.tag.removeprefix(_STANDARD) in {"int", "float", "bool", "null"}:
            value = self._tagged(node, text)
        else:
            return text
        if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - not a number
            raise _wrong(node, self._file, f"{text} is no number that helm can keep")
        return value

    def _tagged(self, node: yaml.ScalarNode, text: str) -> Any:
        wanted = node.tag.removeprefix(_STANDARD)
        value = resolved(text)
        if wanted == "float" and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        kinds = {"int": int, "float": float, "bool": bool, "null": type(None)}
        if type(value) is not kinds[wanted]:
            raise _wrong(node, self._file, f"{text} is no !!{wanted}")
        return value


def resolved(text: str) -> str | int | float | bool | None:
    """Give the value of a plain scalar."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "").lower())
    if text[0] in "+-0123456789":
        number = text.replace("_", "")
        whole = _integer(number)
        if whole is not None:
            return whole
        return _float(number, text)
    return _float(text, text) if text[0] == "." else text


def _integer(text: str) -> int | None:
    found = _INTEGER.fullmatch(text)
    if found is None or (not found["digits"] and found["base"] != "0"):
        return None
    try:
        value = int(found["digits"] or "0", _BASES.get((found["base"] or "").lower(), 10))
    except ValueError:
        return None
    value = -value if found["sign"] == "-" else value
    high = _HIGHEST if not found["sign"] else -_LOWEST
    if not _LOWEST <= value < high:
        return None
    return value if abs(value) <= _EXACT else int(float(value))


def _float(text: str, otherwise: str) -> float | str:
    if not _FLOAT.fullmatch(text):
        return otherwise
    value = float(text)
    return otherwise if value in {float("inf"), float("-inf")} else value


def _shortest(value: float) -> str:
    """Write a number that is a key as Go does."""
    text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return text.removesuffix(".0")


def _is_merge(node: yaml.Node) -> bool:
    return (
        isinstance(node, yaml.ScalarNode) and node.value == "<<" and node.tag in {_PLAIN, f"{_STANDARD}merge"}
    )


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a map"
    return "a list" if isinstance(node, yaml.SequenceNode) else "one value"


def _place(mark: Any, file: str) -> Place:
    return Place(file, mark.line + 1, mark.column + 1)


def _wrong(node: yaml.Node, file: str, problem: str) -> UsageError:
    return UsageError(
        f"{_place(node.start_mark, file)}: {problem}", input=file, expected="YAML that helm takes as values"
    )


def _refusal(error: yaml.YAMLError, text: str, file: str) -> UsageError:
    """Say where a text stops being YAML, and what it is that stands there."""
    expected = "YAML that helm takes as values"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        at = getattr(error, "position", 0)
        place = Place(file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        char = getattr(error, "character", 0)
        problem = f"the character U+{char:04X} is not allowed in YAML"
        return UsageError(f"{place}: {problem}", input=file, expected=expected)
    mark = error.problem_mark
    lines = ["", *text.splitlines(), "", ""]
    before, line = lines[mark.line : mark.line + 2]
    problem = f"not YAML: {error.problem}"
    if "\t" in line[: mark.column + 1] and not line[: mark.column].strip():
        problem = "a tab in the indentation: YAML takes spaces only"
    elif TEMPLATE in line or TEMPLATE in before:
        problem = "not YAML: templates ({{ … }}) are not filled in inside values, write the value itself"
    return UsageError(f"{_place(mark, file)}: {problem}", input=file, expected=expected)
