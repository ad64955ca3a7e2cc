"""`--set` and `--set-string`: NAME=VALUE, as helm reads it.

Source: helm/helm (3.22) pkg/strvals/parser.go. A comma separates settings, a backslash takes the next character as it
is, `{a,b}` is a list, `a[0]` an item of one, and null stays null: it deletes the chart's default.
"""

import re
from collections.abc import Mapping
from typing import Any

from acrcheck.errors import UsageError
from acrcheck.helm.values import Values

MOST_INDEX = 65_536
MOST_LEVELS = 30
_WHOLE = re.compile(r"[-+]?[0-9]+")
_LOWEST, _HIGHEST = -(2**63), 2**63


class _WrongError(Exception):
    """What is wrong with a setting."""


def applied(values: Mapping[str, Any], setting: str, *, as_text: bool = False) -> Values:
    """Give the values with a setting put in. With `as_text` its values are text, whatever they look like.

    Raises UsageError for a setting that helm would not take.
    """
    parser = _Parser(setting, as_text=as_text)
    result: Values = _copied(values)
    try:
        while parser.left:
            parser.key(result, 0)
    except _WrongError as error:
        option = "--set-string" if as_text else "--set"
        raise UsageError(
            f"{option} {setting}: {error}", input=setting, expected="NAME=VALUE, as helm takes it"
        ) from error
    return result


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


class _Parser:
    def __init__(self, text: str, *, as_text: bool) -> None:
        self._text = text
        self._at = 0
        self._as_text = as_text

    @property
    def left(self) -> bool:
        return self._at < len(self._text)

    def _until(self, stops: str) -> tuple[str, str]:
        """Read up to one of these characters; give what was read, and the stop: empty at the end."""
        read = ""
        while self.left:
            letter = self._text[self._at]
            self._at += 1
            if letter in stops:
                return read, letter
            if letter == "\\":
                if not self.left:
                    break
                letter = self._text[self._at]
                self._at += 1
            read += letter
        return read, ""

    def key(self, into: Values, level: int) -> None:
        """Read one name and what it is set to."""
        name, stop = self._until("=[,.")
        if stop in {"", ","}:
            if not stop and not name:
                return
            raise _WrongError(f"{name or 'a name'} has no value")
        if stop == "=":
            self._put(into, name, self._value())
        elif stop == "[":
            held = into.get(name)
            if name in into and not isinstance(held, list):
                raise _WrongError(f"{name} is no list")
            self._put(into, name, self._item(held or [], self._index(), level))
        else:
            self._put(into, name, self._inner(into.get(name, {}), name, level))

    def _put(self, into: Values, name: str, value: Any) -> None:
        if name:
            into[name] = value

    def _inner(self, held: object, name: str, level: int) -> Values:
        if level + 1 > MOST_LEVELS:
            raise _WrongError(f"more than {MOST_LEVELS} levels of names")
        if not isinstance(held, dict):
            raise _WrongError(f"{name or 'what is before the dot'} is no map")
        self.key(held, level + 1)
        if not held:
            raise _WrongError(f"{name or 'a name'} has no value")
        return held

    def _index(self) -> int:
        text, stop = self._until("]")
        if not stop or not _WHOLE.fullmatch(text) or not 0 <= int(text) <= MOST_INDEX:
            raise _WrongError(f"[{text}] is no index")
        return int(text)

    def _item(self, items: list[Any], index: int, level: int) -> list[Any]:
        between, stop = self._until("[.=")
        if between:
            raise _WrongError("after an index comes = or . or [")
        if not stop:
            return items
        held = items[index] if index < len(items) else None
        if stop == "=":
            value = self._value()
        elif stop == "[":
            value = self._item(held if isinstance(held, list) else [], self._index(), level)
        else:
            value = held if isinstance(held, dict) else {}
            self.key(value, level)
        items = items + [None] * (index + 1 - len(items))
        items[index] = value
        return items

    def _value(self) -> Any:
        if not self.left:
            return ""
        if self._text[self._at] != "{":
            return self._typed(self._until(",")[0])
        self._at += 1
        items = []
        while True:
            item, stop = self._until(",}")
            if not stop:
                raise _WrongError("a list ends with }")
            items.append(self._typed(item))
            if stop == "}":
                self._at += self._text.startswith(",", self._at)
                return items

    def _typed(self, text: str) -> Any:
        lower = text.lower()
        if self._as_text:
            return text
        if lower in {"true", "false"}:
            return lower == "true"
        if lower == "null":
            return None
        if text == "0":
            return 0
        if not text.startswith("0") and _WHOLE.fullmatch(text) and _LOWEST <= int(text) < _HIGHEST:
            return int(text)
        return text
