"""The file of contexts beside the cause documents."""

from pathlib import Path

import pytest

from acrcheck.contexts import FILE, in_context
from acrcheck.model import Cause, Context, Signature
from acrcheck.wiring import CatalogueError
from tests.unit.text.catalogue import LAYERS, cause

ONE = cause("one", "dns", Signature("it is broken", "az", where=("near",)))
TWO = cause("two", "role", Signature("it is broken", "az"))
NEAR = """
[[contexts]]
id = "near"
texts = ["nearby"]
unless = ["far"]
wide = true
"""


def read(folder: Path, text: str, *causes: Cause) -> dict[str, dict[Context, float]]:
    """Read a file of contexts, and give those of each cause."""
    (folder / FILE).write_text(text, encoding="utf-8")
    return {item.id: dict(item.contexts) for item in in_context(folder, causes or (ONE, TWO), LAYERS)}


def test_each_cause_has_the_contexts_that_concern_it(tmp_path: Path) -> None:
    """A factor, a layer proven good, or a signature's condition; nothing else."""
    near = Context("near", ("nearby",), ("far",), wide=True)

    assert read(tmp_path, NEAR) == {"one": {near: 1}, "two": {}}
    assert read(tmp_path, NEAR + "weighs = {two = 2}") == {"one": {near: 1}, "two": {near: 2}}
    assert read(tmp_path, NEAR + 'layer_reached = ["dns"]') == {"one": {near: 0}, "two": {}}


def test_a_folder_may_have_none(tmp_path: Path) -> None:
    """Causes stay as they are."""
    assert in_context(tmp_path, (TWO,), LAYERS) == (TWO,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[contexts]", "Expected"),
        ("strange = 1", "unknown key strange"),
        (NEAR + "strange = 1", "near: unknown key strange"),
        (NEAR + "weighs = 3", "near: weighs is of the wrong type"),
        ('[[contexts]]\nid = "near"', "near: texts is missing"),
        (NEAR + "weighs = {three = 2}", "near: there is no cause three"),
        (NEAR + "weighs = {one = 11}", "near: the factor of one is from 0 to 10"),
        (NEAR + 'layer_reached = ["cellar"]', "near: cellar is no layer"),
        (NEAR + NEAR, "two contexts have the same id"),
        ("", "one.md: signature: there is no context near"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """The error names the file, the context and what is wrong with it."""
    with pytest.raises(CatalogueError, match=problem):
        read(tmp_path, text)
