"""How helm's values are joined."""

from acrcheck.helm.values import at, coalesced, dotted, has, leaves, merged


def test_the_later_file_wins_and_maps_are_joined() -> None:
    """Maps are joined key by key, anything else is replaced whole, and a null stays until the defaults are known."""
    below = {"a": {"x": 1, "y": [1, 2]}, "b": "text"}
    assert merged(below, {"a": {"y": [3]}, "b": None}) == {"a": {"x": 1, "y": [3]}, "b": None}
    assert merged(below, {"a": "text"}) == {"a": "text", "b": "text"}
    assert below == {"a": {"x": 1, "y": [1, 2]}, "b": "text"}


def test_a_null_takes_the_charts_default_away() -> None:
    """A null deletes a default, also inside a map, and is kept where there is no default."""
    defaults = {"a": {"x": 1, "y": 2}, "b": {"z": 1}}
    assert coalesced({"a": {"x": None}, "b": None, "c": None}, defaults) == {"a": {"y": 2}, "c": None}


def test_paths_lead_to_values_and_are_written_as_set_takes_them() -> None:
    """A path is found again by what is written of it; a null is something."""
    values = {"a": [{"b": None}], "c.d": 1}
    assert at(values, "a", 0, "b") is None
    assert has(values, "a", 0, "b")
    assert not has(values, "a", 1)
    assert at(values, "a", "b") is None
    assert [dotted(path) for path, _ in leaves(values)] == ["a", "c\\.d"]
    assert dotted(("a", 0, "b")) == "a[0].b"
