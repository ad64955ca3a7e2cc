"""Changes to the text of a values file: at the marks of what they change, every other line as it was.

A change that cannot be made so that the file then means what it should is refused, never guessed.
"""

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

import yaml

from acrcheck.errors import UsageError
from acrcheck.helm.release import HIDDEN
from acrcheck.helm.values import Path, Values, at, dotted, has
from acrcheck.helm.yamltext import Document, read

INDENT = 2


@dataclass(frozen=True, slots=True)
class Move:
    """Put what stands at one path at another; the maps above it are made, and those left empty go."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Drop:
    """Take a key away, with what it holds."""

    path: Path


@dataclass(frozen=True, slots=True)
class Quote:
    """Make text of what YAML reads as something else: the same characters, in quotation marks."""

    path: Path


Edit = Move | Drop | Quote


class CannotEditError(Exception):
    """A change that the text does not allow; the message says why."""


def edited(document: Document, edits: Iterable[Edit]) -> Document:
    """Make changes one after the other. Raises CannotEditError for the first that cannot be made."""
    for edit in edits:
        document = _checked(document, edit)
    return document


def patch(document: Document, changed: Document, name: str = "", around: int = 3) -> str:
    """Give the difference of two versions of a file as `patch` and `git apply` take it.

    Args:
        document: as it is.
        changed: as it should be.
        name: of the file, where it is not to be the document's.
        around: how many lines are shown beside those that change.
    """
    name = name or document.file
    lines = unified_diff(_lines(document.text), _lines(changed.text), name, name, n=around)
    ended = "\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else f"{line}\n{ended}" for line in lines)


def refuse_hidden(document: Document, changed: Document) -> None:
    """Raise CannotEditError where a line that changes holds what is not shown, so that no patch can name it."""
    if any(HIDDEN in line for line in patch(document, changed, around=0).splitlines()):
        raise CannotEditError("its lines hold what is not shown: mend it in the file")


def _checked(document: Document, edit: Edit) -> Document:
    """Make a change, read the result, and refuse it when it means anything else than it should."""
    if document.shared:
        raise CannotEditError("it uses anchors, so one text stands for several values")
    if document.twice:
        path, place = document.twice[0]
        raise CannotEditError(f"{dotted(path)} stands there twice ({place}): take one away first")
    text = _Text(document)
    wanted = _intended(document, edit)
    match edit:
        case Move():
            text.move(edit.source, edit.target)
        case Drop():
            text.drop(edit.path)
        case Quote():
            text.quote(edit.path)
    try:
        changed = read(text.joined(), document.file)
    except UsageError as error:
        raise CannotEditError(f"the change would break the file: {error.message}") from error
    if changed.values != wanted or bool(changed.more) != bool(document.more):
        raise CannotEditError("its text is laid out in a way that cannot be changed safely")
    return changed


def _intended(document: Document, edit: Edit) -> Values:
    values: Values = copy.deepcopy(document.values)
    match edit:
        case Move():
            held = at(values, *edit.target)
            if held not in (None, {}, at(values, *edit.source)):
                raise CannotEditError(f"there is a {dotted(edit.target)} already")
            value = _taken(values, edit.source, edit.target)
            parent = values
            for key in edit.target[:-1]:
                if not isinstance(parent.get(str(key)), dict):
                    parent[str(key)] = {}
                parent = parent[str(key)]
            parent[str(edit.target[-1])] = value
        case Drop():
            _taken(values, edit.path, ())
        case Quote():
            at(values, *edit.path[:-1])[edit.path[-1]] = _written(document, edit.path)
    return values


def _taken(values: Values, path: Path, kept: Path) -> Any:
    """Take a key away, and each map above it that is empty then; but none on the way to `kept`."""
    if not has(values, *path) or not all(isinstance(key, str) for key in path):
        raise CannotEditError(f"there is no {dotted(path)}")
    value = at(values, *path)
    while path:
        parent = at(values, *path[:-1])
        del parent[path[-1]]
        if parent or path[:-1] == kept[: len(path) - 1]:
            break
        path = path[:-1]
    return value


def _written(document: Document, path: Path) -> str:
    node = _entry(document, path)[1]
    if not isinstance(node, yaml.ScalarNode):
        raise CannotEditError(f"{dotted(path)} is no single value")
    written: str = node.value
    return written


def _entry(document: Document, path: Path) -> tuple[yaml.Node, yaml.Node, yaml.Node]:
    """Give key and value at a path, and the map or list that holds them."""
    node: yaml.Node | None = document.root
    found = None
    for key in path:
        parent = node
        if isinstance(parent, yaml.MappingNode):
            pairs = [pair for pair in parent.value if pair[0].value == key]
            found = (*pairs[0], parent) if pairs else None
        elif isinstance(parent, yaml.SequenceNode) and isinstance(key, int) and key < len(parent.value):
            found = (parent.value[key], parent.value[key], parent)
        else:
            found = None
        if found is None:
            break
        node = found[1]
    if found is None:
        raise CannotEditError(f"there is no {dotted(path)} in the text")
    return found


class _Text:
    """The lines of a file, which are changed."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._lines = _lines(document.text)
        self._end = "\r\n" if document.text.count("\r\n") > document.text.count("\n") // 2 else "\n"

    def joined(self) -> str:
        return "".join(self._lines)

    def quote(self, path: Path) -> None:
        node = _entry(self._document, path)[1]
        written = json.dumps(_written(self._document, path), ensure_ascii=False)
        self._replace(node, written)

    def drop(self, path: Path) -> None:
        first, last = self._span(self._topmost(path, ()))
        del self._lines[first : last + 1]

    def move(self, source: Path, target: Path) -> None:
        """Move lines; what lies further down in the file is changed first."""
        key, _, _ = _entry(self._document, source)
        own_first, own_last = self._span(source)
        block = self._lines[own_first : own_last + 1]
        name = json.dumps(target[-1]) if not str(target[-1]).replace("-", "").isalnum() else str(target[-1])
        head = block[0]
        block[0] = (
            head[: key.start_mark.column]
            + (name if target[-1] != source[-1] else head[key.start_mark.column : key.end_mark.column])
            + head[key.end_mark.column :]
        )
        first, last = self._span(self._topmost(source, target))
        where, column, missing, emptied = self._room(target)
        new = self._nested(block, key.start_mark.column, column, missing)
        if first <= where <= last:
            where = last + 1
        if where > last:
            self._insert(where, new)
            del self._lines[first : last + 1]
            if emptied is not None:
                self._replace(emptied, "")
        else:
            del self._lines[first : last + 1]
            self._insert(where, new)
            if emptied is not None:
                self._replace(emptied, "")

    def _insert(self, where: int, new: list[str]) -> None:
        if where == len(self._lines) and where and not self._lines[-1].endswith(("\n", "\r")):
            self._lines[-1] += self._end
            new[-1] = new[-1].rstrip("\r\n")
        elif not new[-1].endswith("\n"):
            new[-1] += self._end
        self._lines[where:where] = new

    def _topmost(self, path: Path, kept: Path) -> Path:
        """Give the path of the highest map that would be left empty; but none on the way to `kept`."""
        while len(path) > 1 and path[:-1] != kept[: len(path) - 1]:
            parent = _entry(self._document, path)[2]
            if len(parent.value) > 1:
                break
            path = path[:-1]
        return path

    def _span(self, path: Path) -> tuple[int, int]:
        """Give the first and the last line of an entry. Raises CannotEditError where it shares one with others."""
        key, value, parent = _entry(self._document, path)
        if not isinstance(parent, yaml.MappingNode) or parent.flow_style:
            raise CannotEditError(f"{dotted(path)} stands on a line with other keys")
        line: int = key.start_mark.line
        if self._lines[line][: key.start_mark.column].strip(" \ufeff"):
            raise CannotEditError(f"{dotted(path)} does not begin its line")
        if self._lines[line].startswith("\ufeff"):
            raise CannotEditError(
                "the file begins with a byte order mark, on the line to be changed: take it away first"
            )
        return line, max(line, _last_line(value))

    def _room(self, target: Path) -> tuple[int, int, Path, yaml.Node | None]:
        """Say before which line an entry goes, in which column, which keys it needs above it, what it replaces."""
        node: yaml.Node | None = self._document.root
        if node is None:
            return len(self._lines), 0, target[:-1], None
        column = 0
        line = 0
        for depth, key in enumerate(target):
            if not isinstance(node, yaml.MappingNode) or (node.flow_style and node.value):
                raise CannotEditError(f"{dotted(target[:depth])} is written on one line, or is no map")
            column = node.value[0][0].start_mark.column
            found = next((pair for pair in node.value if pair[0].value == key), None)
            if found is None:
                return _last_line(node) + 1, column, target[depth:-1], None
            node = found[1]
            line = found[0].start_mark.line
            if _is_empty(node):
                if depth == len(target) - 1:
                    raise CannotEditError(f"there is a {dotted(target)} already")
                return line + 1, column + self._step(), target[depth + 1 : -1], node
        raise CannotEditError(f"there is a {dotted(target)} already")

    def _step(self) -> int:
        """Give by how much this file indents."""
        for key, value in self._document.root.value if self._document.root else ():
            if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
                return max(1, int(value.value[0][0].start_mark.column - key.start_mark.column))
        return INDENT

    def _nested(self, block: list[str], old: int, column: int, above: Path) -> list[str]:
        """Indent lines anew, under the keys that are missing above them."""
        heads = [
            f"{' ' * (column + depth * self._step())}{key}:{self._end}" for depth, key in enumerate(above)
        ]
        column += len(above) * self._step()
        moved = []
        for line in block:
            if not line.strip():
                moved.append(line)
                continue
            if line[:old].strip():
                raise CannotEditError("a line of what would be moved is indented less than its key")
            moved.append(" " * column + line[old:])
        return heads + moved

    def _replace(self, node: yaml.Node, by: str) -> None:
        start, end = node.start_mark, node.end_mark
        if start.line != end.line:
            raise CannotEditError("a value runs over several lines")
        line = self._lines[start.line]
        before, after = line[: start.column], line[end.column :]
        if not by and not after.strip(" \r\n"):
            before = before.rstrip()
        elif by and before.endswith(":"):
            by = f" {by}"
        self._lines[start.line] = before + by + after


def _is_empty(node: yaml.Node) -> bool:
    if isinstance(node, yaml.MappingNode):
        return not node.value
    return isinstance(node, yaml.ScalarNode) and node.tag == "plain" and node.value in {"", "~", "null"}


def _last_line(node: yaml.Node) -> int:
    """Give the last line on which something of a node stands, comments after it left out."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, value = last if isinstance(last, tuple) else (last, last)
        return max(int(key.start_mark.line), _last_line(value))
    end = node.end_mark
    block = isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}
    return int(end.line) - 1 if block and end.column == 0 else int(end.line)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
