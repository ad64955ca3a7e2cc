"""Values files and settings together."""

from acrcheck.helm.files import together
from acrcheck.helm.values import Place, snippet
from acrcheck.helm.yamltext import read


def test_later_files_win_and_settings_come_last() -> None:
    """The order is helm's, and each key's place is where it was last set."""
    files = [read("a: 1\nb: {c: 1, d: 2}\n", "one"), read("b: {c: 3}\ne: 4\n", "two")]
    found = together(files, ["a=5,f.g=6"], ["e=7"], chart_version="1.44.3")
    assert found.values == {"a": 5, "b": {"c": 3, "d": 2}, "e": "7", "f": {"g": 6}}
    assert found.places["b", "c"] == Place("two", 1, 5)
    assert found.places["b", "d"] == Place("one", 2, 11)
    assert found.places["a",] == found.places["f", "g"] == Place("--set a=5,f.g=6", 1, 1)
    assert found.places["e",].file == "--set-string e=7"
    assert (found.files, found.chart_version) == (("one", "two"), "1.44.3")


def test_places_of_what_was_replaced_are_gone() -> None:
    """A map that a later file replaces by something else has no keys any more."""
    found = together([read("a: {b: 1}\n", "one"), read("a: 1\n", "two")])
    assert set(found.places) == {("a",)}


def test_a_snippet_is_read_as_what_it_was_made_of() -> None:
    """Text that would be taken for something else is quoted."""
    for value in ("coder-identity", "on", "0755", "", "a: b", 5, None, True, 'with "quotes"'):
        text = snippet(("coderd", "x.y/z", "1"), value)
        assert read(text, "v").values == {"coderd": {"x.y/z": {"1": value}}}
