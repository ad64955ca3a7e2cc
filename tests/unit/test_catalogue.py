"""The knowledge, loaded and validated."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from acrcheck.catalogue import (
    PACKAGE,
    Checks,
    builtin_dir,
    line_of,
    load_causes,
    load_checks,
    parse_cause,
    unexplained,
)
from acrcheck.model import Check, Signature, fail, note
from acrcheck.wiring import CatalogueError, Looking

CHECKS_FILE = '''"""Labels on pods.

More of it.
"""

from acrcheck.api import Check, Looking, fail

MISSING = fail("missing", "pod {{pod}} lacks it", "more")


def look() -> Looking[None]:
    """Look."""
    yield MISSING(pod="a", more="b")


CHECKS = (Check("{name}", "{name} is there", look, sees=(MISSING,)),)
'''
CAUSE = """+++
title = "The label is missing"
layer = "one"
seen = ["run"]
requires = ["missing"]
means = "Nothing works."

[[remedies]]
id = "label-it"
text = "Label pod {pod}."
command = "{kubectl} label pod {pod} a=b"
+++

Prose.
"""
Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Give a function that writes a folder of checks; forget what was imported from it in the end."""

    def write(order: tuple[str, ...] = ("label",), cause: str = CAUSE, name: str = "label-missing") -> Path:
        (tmp_path / "causes").mkdir(exist_ok=True)
        (tmp_path / "__init__.py").write_text(f'ORDER = {order!r}\nLAYERS = ("one", "two")\n')
        for category in order:
            (tmp_path / f"{category}.py").write_text(CHECKS_FILE.format(name=category))
        if cause:
            (tmp_path / "causes" / f"{name}.md").write_text(cause)
        return tmp_path

    return write


@pytest.fixture(autouse=True)
def _forget() -> None:
    """Begin without checks that another test imported."""
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def looking() -> Looking[None]:
    """Look at nothing."""
    yield from ()


CHECKS = Checks(
    (),
    (
        Check(
            "label",
            "",
            looking,
            sees=(fail("missing", "pod {pod} lacks it", "more"), note("hint", "{hint}")),
        ),
    ),
    ("one", "two"),
)


def refusal(tmp_path: Path, old: str, new: str, text: str = CAUSE) -> str:
    """Give the message with which a changed document is refused, without its folder."""
    (tmp_path / "causes").mkdir(exist_ok=True)
    (tmp_path / "causes" / "bad.md").write_text(text.replace(old, new))
    with pytest.raises(CatalogueError) as caught:
        load_causes(tmp_path, CHECKS)
    return str(caught.value).removeprefix(f"{tmp_path}/causes/")


class TestChecks:
    """Python files with a plain tuple."""

    def test_a_file_is_a_category(self, folder: Folder) -> None:
        """Its name is the category's id, its first line the title, the order that of `__init__`."""
        checks = load_checks(folder(("label", "after")[:1]))

        assert [(item.id, item.title) for item in checks.categories] == [("label", "Labels on pods")]
        assert checks.checks[0].category == "label"
        assert checks.checks[0].place.endswith("label.py")
        assert checks.layers == ("one", "two")

    def test_an_observation_declared_twice_names_both_files(self, folder: Folder) -> None:
        """One id is one kind."""
        with pytest.raises(
            CatalogueError, match=r"missing is declared twice: in .*label\.py and in .*other\.py"
        ):
            load_checks(folder(("label", "other")))

    def test_another_folder_replaces_the_first(self, folder: Folder) -> None:
        """Two folders in one process do not mix."""
        load_checks(builtin_dir())

        assert [item.id for item in load_checks(folder()).checks] == ["label"]
        assert len(load_checks(builtin_dir()).checks) > 1

    def test_a_folder_without_an_order_is_refused(self, tmp_path: Path) -> None:
        """What is no folder of checks is said to be none."""
        with pytest.raises(CatalogueError, match="is no folder of checks"):
            load_checks(tmp_path)


class TestCauses:
    """Markdown with front matter."""

    def test_without_texts_only_the_signatures_are_left_out(self) -> None:
        """Of every document that there is, wherever in it they stand."""
        checks = load_checks(builtin_dir())
        whole = load_causes(builtin_dir(), checks)
        without = load_causes(builtin_dir(), checks, texts=False)

        assert not any(cause.signatures for cause in without)
        assert [replace(cause, contexts=()) for cause in without] == [
            replace(cause, signatures=(), contexts=()) for cause in whole
        ]

    def test_reads_a_document(self, folder: Folder) -> None:
        """Its name is the id; what is left out has its default."""
        place = folder()
        cause = load_causes(place, load_checks(place))[0]

        assert (cause.id, cause.title, cause.prose) == ("label-missing", "The label is missing", "Prose.")
        assert cause.requires == (("missing",),)
        remedy = cause.remedies[0]
        assert (remedy.changes, remedy.who, remedy.when) == (True, "cluster admin", ())

    def test_a_group_of_alternatives(self, tmp_path: Path) -> None:
        """An array in `requires` is one of several."""
        path = tmp_path / "a.md"
        path.write_text(CAUSE.replace('["missing"]', '[["missing", "hint"], "missing"]'))

        assert parse_cause(path).requires == (("missing", "hint"), ("missing",))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('requires = ["missing"]', 'requires = ["mising"]', "bad.md:5: no check sees mising"),
            ('layer = "one"', 'layer = "three"', "bad.md:3: three is no layer"),
            ("means", 'hides = ["four"]\nmeans', "bad.md:6: four is no layer"),
            ("means", 'neighbours = ["other"]\nmeans', "bad.md:6: there is no cause other"),
            ("means", 'colour = "red"\nmeans', "bad.md:6: unknown key colour"),
            ('title = "The label is missing"\n', "", "bad.md:1: title is missing"),
            ('seen = ["run"]', 'seen = ["dream"]', 'bad.md:4: seen is "run", "text" or both'),
            ('requires = ["missing"]\n', "", 'bad.md:4: seen is "run", "text" or both'),
            ("label pod {pod}", "label pod {pd}", "bad.md:9: remedy label-it: nothing fills pd"),
            ("Label pod {pod}.", "Label {hint}.", "bad.md:9: remedy label-it: nothing fills hint"),
            ('text = "L', 'when = ["hnt"]\ntext = "L', "bad.md:9: remedy label-it: no check sees hnt"),
            ('text = "L', 'who = "boss"\ntext = "L', "bad.md:9: remedy label-it: who is one of"),
            ('text = "L', 'colour = 1\ntext = "L', "a remedy or decider lacks or has a wrong key"),
            (
                "label pod {pod}",
                "label pod {pod",
                "bad.md:9: remedy label-it: braces that are no placeholder's",
            ),
            ("+++\ntitle", "title", "bad.md:1: no front matter"),
            ('layer = "one"', "layer = one", "bad.md: Invalid value (at line 2"),
        ],
    )
    def test_a_mistake_is_refused_at_its_line(self, tmp_path: Path, old: str, new: str, message: str) -> None:
        """The message names file, line and word."""
        assert refusal(tmp_path, old, new).startswith(message) or message in refusal(tmp_path, old, new)

    @pytest.mark.parametrize(
        ("new", "message"),
        [
            ('text = "it broke"\nprogram = "az"\ncolour = 1', "bad.md:8: signature: unknown key colour"),
            (
                'text = "it broke"\nprogram = "dream"',
                "bad.md:8: signature: program dream is none of acr, aks",
            ),
            ('text = "it broke"', "bad.md:8: signature: program  is none of"),
            ('text = " … "\nprogram = "az"', "bad.md:8: signature: text is empty"),
            ('program = "az"', "bad.md:8: signature: text is empty"),
            (
                'text = "it broke"\nprogram = "az"\ndecides = "yes"',
                "bad.md:8: signature: decides is of the wrong type",
            ),
            ('text = "it broke"\nprogram = "az"\nweight = 0', "bad.md:8: signature: weight is above 0 and"),
            ('text = "it broke"\nprogram = "az"\nagainst = ["other"]', "bad.md:11: there is no cause other"),
            ('text = "it broke"\nprogram = "az"\nlayer_reached = ["four"]', "bad.md:11: four is no layer"),
            ('text = "it broke"\nprogram = "az"\nlayer_reached = ["one"]', "proves its own layer one good"),
        ],
    )
    def test_a_wrong_signature_is_refused_at_its_line(self, tmp_path: Path, new: str, message: str) -> None:
        """The table at fault is named by its line."""
        signature = f'means = "It broke."\n\n[[signatures]]\n{new}'
        text = CAUSE.replace('["run"]', '["run", "text"]')

        assert message in refusal(tmp_path, 'means = "Nothing works."', signature, text)

    def test_what_a_text_shows_has_signatures_and_says_so(self, tmp_path: Path) -> None:
        """`seen` and the signatures agree."""
        signature = 'Nothing works."\n[[signatures]]\ntext = "it broke"\nprogram = "az"'

        assert "what is seen in a text has signatures" in refusal(tmp_path, '["run"]', '["run", "text"]')
        assert "seen must say" in refusal(tmp_path, 'Nothing works."', signature)

    def test_reads_signatures(self, tmp_path: Path) -> None:
        """What is left out has its default."""
        path = tmp_path / "a.md"
        path.write_text(
            CAUSE.replace(
                'Nothing works."', 'Nothing works."\n[[signatures]]\ntext = "it … broke"\nprogram = "az"'
            )
        )

        assert parse_cause(path).signatures == (Signature("it … broke", "az"),)

    def test_a_condition_fills_placeholders(self, tmp_path: Path) -> None:
        """What a remedy's `when` needs to be seen may fill its command."""
        (tmp_path / "causes").mkdir()
        text = CAUSE.replace("label pod {pod}", "label {hint}").replace(
            'text = "', 'when = ["hint"]\ntext = "'
        )
        (tmp_path / "causes" / "good.md").write_text(text)

        assert load_causes(tmp_path, CHECKS)[0].remedies[0].when == ("hint",)

    @pytest.mark.parametrize("wrong", ["nothing", "nothing {"])
    def test_deciding_evidence_that_nothing_fills_is_refused(self, tmp_path: Path, wrong: str) -> None:
        """A command to decide with is filled from what some check sees, or it cannot be pasted."""
        decides = f'[[decides]]\nevidence = "the log of it"\ncommand = "logs {{{wrong}}}"\n\n[[remedies]]'

        assert refusal(tmp_path, "[[remedies]]", decides).startswith("bad.md:9: deciding evidence: ")

    def test_deciding_evidence_may_use_what_any_check_sees(self, tmp_path: Path) -> None:
        """It is filled from all that was seen nearby, whatever the cause itself requires."""
        (tmp_path / "causes").mkdir()
        decides = '[[decides]]\nevidence = "the log"\ncommand = "{kubectl} logs {pod} {hint}"\n\n[[remedies]]'
        (tmp_path / "causes" / "good.md").write_text(CAUSE.replace("[[remedies]]", decides))

        assert load_causes(tmp_path, CHECKS)[0].decides

    def test_the_absence_of_something_fills_nothing(self, tmp_path: Path) -> None:
        """What was not seen has no values."""
        new = 'when = ["!hint"]\ntext = "Label {hint} '

        assert "nothing fills hint" in refusal(tmp_path, 'text = "Label ', new)


def test_line_of_a_word_that_is_not_there(tmp_path: Path) -> None:
    """It is the first, so that the place can be opened."""
    path = tmp_path / "a"
    path.write_text("b\n")

    assert line_of(path, "c") == 1


def test_names_failures_that_nothing_explains(folder: Folder) -> None:
    """A failing observation of which no cause speaks is named; notes need no cause."""
    place = folder()

    assert unexplained(CHECKS, ()) == ("missing",)
    assert unexplained(CHECKS, load_causes(place, CHECKS)) == ()
