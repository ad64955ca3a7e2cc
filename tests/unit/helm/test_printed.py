"""Values as helm prints them."""

from acrcheck.helm.printed import height, printed


def test_keys_are_in_natural_order() -> None:
    """Signs, then numbers by their value, then letters; capitals first."""
    keys = ["a10", "aB", "b", "a2", "A", "a-b", "10", "_x", "2", "00", "0a", "a01", "a1"]
    assert [line.split(":")[0].strip('"') for line in printed(dict.fromkeys(keys, 1)).splitlines()] == [
        *("_x", "00", "0a", "2", "10", "A"),
        *("a-b", "a1", "a01", "a2", "a10", "aB", "b"),
    ]


def test_texts_stay_texts_and_lists_are_not_indented() -> None:
    """What YAML would read as another type is quoted, a text of several lines is a block."""
    values = {"on": "0755", "list": [{"b": "", "a": "x\ny\n"}, [1, None], {}, []], "kéy": "1:30"}
    assert printed(values) == (
        'kéy: \'1:30\'\nlist:\n- a: |\n    x\n    y\n  b: ""\n- - 1\n  - null\n- {}\n- []\n"on": "0755"\n'
    )


def test_the_height_of_a_text_depends_on_where_it_stands() -> None:
    """Long lines are folded at 80 columns."""
    words = " ".join(["word"] * 14)
    assert (height(words, ("a",)), height(words, ("a", "[]", "a-name-of-some-length"))) == (1, 2)
    assert (height("x", ("a",)), height("x\ny\n", ("a",)), height("x\n\n\n", ("a", "b"))) == (1, 3, 4)
