"""Changes to the text of a values file."""

import copy
import re
from collections import Counter
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acrcheck.helm.edit import CannotEditError, Drop, Edit, Move, Quote, edited, patch
from acrcheck.helm.yamltext import read

LABEL = "aadpodidbinding"
MOVE = Move((LABEL,), ("coderd", "extraLabels", LABEL))


def changed(text: str, *edits: Edit) -> str:
    """What a file is after changes."""
    return edited(read(text, "values.yaml"), edits).text


@pytest.mark.parametrize(
    ("text", "edits", "wanted"),
    [
        (
            "extraLabels:\naadpodidbinding: x # ours\n",
            [MOVE, Drop(("extraLabels",))],
            "coderd:\n  extraLabels:\n    aadpodidbinding: x # ours\n",
        ),
        (
            "# Coder\ncoderd:\n    replicas: 2\n\n# the label\naadpodidbinding: x\nenvbox: {}\n",
            [MOVE],
            (
                "# Coder\ncoderd:\n    replicas: 2\n    extraLabels:\n        aadpodidbinding: x\n"
                "\n# the label\nenvbox: {}\n"
            ),
        ),
        (
            "coderd:\n  extraLabels:   # of the pods\n  aadpodidbinding: x\n  replicas: 2\n",
            [Move(("coderd", LABEL), MOVE.target)],
            "coderd:\n  extraLabels:   # of the pods\n    aadpodidbinding: x\n  replicas: 2\n",
        ),
        (
            "coderd:\r\n  extraLabels: {}\r\nextraLabels:\r\n  aadpodidbinding: x\r\n",
            [Move(("extraLabels", LABEL), MOVE.target)],
            "coderd:\r\n  extraLabels:\r\n    aadpodidbinding: x\r\n",
        ),
        (
            "coderd:\n  a: |\n    text\n\n    more\n\naadpodidbinding: x",
            [MOVE],
            "coderd:\n  a: |\n    text\n\n    more\n\n  extraLabels:\n    aadpodidbinding: x",
        ),
        ("a: 1", [Move(("a",), ("b", "a"))], "b:\n  a: 1"),
        (
            "cemanager:\n  image: x\n  tls:\n    a: |\n      t\n",
            [Move(("cemanager",), ("coderd",))],
            "coderd:\n  image: x\n  tls:\n    a: |\n      t\n",
        ),
        ("l: {a: 0755, b: on}\n", [Quote(("l", "a")), Quote(("l", "b"))], 'l: {a: "0755", b: "on"}\n'),
        ("l:\n  a:\n", [Quote(("l", "a"))], 'l:\n  a: ""\n'),
        ("l:\n- 1\n- 2 # two\n", [Quote(("l", 1))], 'l:\n- 1\n- "2" # two\n'),
        ("a: 1\nb:\n  c: 2\n  # of c\nd: 3\n", [Drop(("b", "c"))], "a: 1\n  # of c\nd: 3\n"),
    ],
)
def test_a_change_is_made_at_its_place(text: str, edits: list[Edit], wanted: str) -> None:
    """Comments, order, line ends and the file's own indentation are kept."""
    assert changed(text, *edits) == wanted


@pytest.mark.parametrize(
    ("text", "edit", "why"),
    [
        ("x: &a {b: 1}\nc: *a\naadpodidbinding: x\n", MOVE, "anchors"),
        ("aadpodidbinding: x\naadpodidbinding: y\n", MOVE, "twice"),
        ("{aadpodidbinding: x, b: 1}\n", MOVE, "with other keys"),
        ("coderd: {replicas: 1}\naadpodidbinding: x\n", MOVE, "on one line"),
        ("coderd: text\naadpodidbinding: x\n", MOVE, "no map"),
        ("aadpodidbinding: x\ncoderd:\n  extraLabels:\n    aadpodidbinding: y\n", MOVE, "already"),
        ("a: 1\n", Drop(("b",)), "no b"),
        ("a:\n  b: 1\n", Quote(("a",)), "no single value"),
        ("\ufeffaadpodidbinding: x\n", MOVE, "byte order mark"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused(text: str, edit: Edit, why: str) -> None:
    """Nothing is guessed: the reason is said."""
    with pytest.raises(CannotEditError, match=why):
        changed(text, edit)


def test_the_patch_is_one_that_patch_takes() -> None:
    """A unified difference with the file's name, also where the last line has no end."""
    document = read("a: on", "values.yaml")
    told = patch(document, edited(document, [Quote(("a",))]))
    assert told == (
        "--- values.yaml\n+++ values.yaml\n@@ -1 +1 @@\n-a: on\n\\ No newline at end of file\n"
        '+a: "on"\n\\ No newline at end of file\n'
    )


KEYS = st.sampled_from(["coderd", "extraLabels", "image", "a-b", "c"])
SCALARS = st.one_of(
    st.text("abc \n#:'\"-", max_size=6),
    st.integers(-5, 5),
    st.booleans(),
    st.none(),
    st.floats(0, 9, width=16),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.dictionaries(KEYS, inner, max_size=4), st.lists(inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.text("abc :#'\n", max_size=5),
    st.sampled_from([2, 4]),
    st.sampled_from([True, False, None]),
)
def test_a_moved_label_has_the_intended_value_and_no_other_line_is_touched(
    values: dict[str, Any], label: str, indent: int, flow: bool | None
) -> None:
    """Whatever else is in the file: it means what it should, and its other lines are as they were."""
    original = {LABEL: label, **values}
    text = yaml.safe_dump(original, indent=indent, default_flow_style=flow, sort_keys=False)
    document = read(text, "values.yaml")
    try:
        after = edited(document, [MOVE])
    except CannotEditError:
        assume(False)
        raise
    wanted: dict[str, Any] = copy.deepcopy(document.values)
    moved = wanted.pop(LABEL)
    if not isinstance(wanted.get("coderd"), dict):
        wanted["coderd"] = {}
    if not isinstance(wanted["coderd"].get("extraLabels"), dict):
        wanted["coderd"]["extraLabels"] = {}
    wanted["coderd"]["extraLabels"][LABEL] = moved
    assert after.values == wanted
    lines = text.splitlines()
    ends = [number for number, line in enumerate(lines) if number and line and not line.startswith(" ")]
    left = Counter(lines[ends[0] if ends else len(lines) :])
    touched = list((left - Counter(after.text.splitlines())).elements())
    assert len(touched) <= 1
    assert all(re.fullmatch(r" *(coderd|extraLabels): (null|{})", line) for line in touched)
