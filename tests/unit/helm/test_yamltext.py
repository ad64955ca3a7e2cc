"""A values file as helm reads it."""

from typing import Any

import pytest

from acrcheck.errors import UsageError
from acrcheck.helm.values import Place
from acrcheck.helm.yamltext import MOST_BYTES, decode, read
from tests.unit.helm.table import FILES, REFUSED


@pytest.mark.parametrize("text", FILES)
def test_values_are_those_of_helm(text: str) -> None:
    """Booleans, numbers, text and null are told apart as go-yaml does it, 1 from true and text from both."""
    found, wanted = read(text, "v").values, FILES[text]
    assert found == pytest.approx(wanted) if text.endswith("890") else found == wanted
    assert _types(found) == _types(wanted)


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_types(item) for item in value]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if number else type(value)


@pytest.mark.parametrize("text", REFUSED)
def test_what_helm_does_not_take_is_refused_with_its_place(text: str) -> None:
    """The message names line and column, and what stands there."""
    with pytest.raises(UsageError) as caught:
        read(text, "v")
    assert caught.value.message == REFUSED[text]
    assert caught.value.expected


def test_places_are_those_of_the_keys() -> None:
    """Every key, and every item of a list, has its line and its column, counted from one."""
    places = read("a:\n  b:\n  - c: 1\n", "v").places
    assert places["a",] == Place("v", 1, 1)
    assert places["a", "b"] == Place("v", 2, 3)
    assert places["a", "b", 0] == Place("v", 3, 5)
    assert str(places["a", "b", 0, "c"]) == "v:3:5"


def test_a_key_that_stands_twice_and_a_second_document_are_noticed() -> None:
    """Helm passes over both without a word."""
    document = read("a:\n  b: 1\n  b: 2\n---\nc: 1\n", "v")
    assert document.twice == ((("a", "b"), Place("v", 3, 3)),)
    assert document.more == Place("v", 4, 1)
    assert not read("a: 1\n...\n", "v").more


def test_anchors_are_followed_and_remembered() -> None:
    """Where one text stands for several values, nothing may be changed in it."""
    assert read("a: &x 1\nb: *x\n", "v").shared
    assert not read("a: &x 1\n", "v").shared


def test_a_bomb_of_anchors_is_refused() -> None:
    """Aliases of aliases grow without end: they are not followed so far."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(UsageError, match="more than 50000 values"):
        read("\n".join(lines), "v")


def test_what_is_nested_too_deeply_is_refused() -> None:
    """The depth of a file does not end the program."""
    with pytest.raises(UsageError, match="nested too deeply"):
        read("a: " + "[" * 5000 + "]" * 5000, "v")


def test_a_file_that_is_too_large_or_no_text_is_refused() -> None:
    """Five megabytes are enough for any values, and they are UTF-8."""
    with pytest.raises(UsageError, match="larger than 5 MB"):
        decode(b" " * (MOST_BYTES + 1), "v")
    with pytest.raises(UsageError, match="v:2: not UTF-8"):
        decode(b"a: 1\n\xff\xfe", "v")
    assert decode("a: ü".encode(), "v") == "a: ü"
