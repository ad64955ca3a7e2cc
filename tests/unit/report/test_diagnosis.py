"""What a text means, as text and as JSON."""

import json

from acrcheck.report import diagnosis_json, diagnosis_text
from acrcheck.report.page import Page
from tests.unit.text.catalogue import CAUSES, TEXTS, UNAUTHORIZED, named

PAGE = Page(100, ascii=False, color=False)


def test_each_cause_says_how_sure_why_and_what_would_decide() -> None:
    """A decider is told once, though it tells several causes apart; so is a line that speaks for several."""
    text = diagnosis_text.render(named(UNAUTHORIZED).findings, PAGE)

    assert text.count(": the roles of the identity that pulls") == 1
    assert text.count("      az role assignment list\n") == 1
    assert text.count(f"line 1: {UNAUTHORIZED}") == 1
    assert text.count("line 1: registry says “unauthorized: authentication required”") == 1
    assert "no text of its own is here" in text
    assert "see: acrcheck explain no-role" in text


def test_what_does_not_decide_begins_with_the_question_that_would() -> None:
    """Before any cause: how many are left, and what to ask first; nothing of that where one is likely."""
    first, second, third = diagnosis_text.render(named(UNAUTHORIZED).findings, PAGE).splitlines()[:3]

    assert first == "the text alone does not decide: it leaves 3 causes"
    assert second == "    ask first: the roles of the identity that pulls"
    assert third == "      az role assignment list"
    assert diagnosis_text.render(named(TEXTS["denied"]).findings, PAGE).startswith("95% denied: ")


def test_what_is_less_likely_is_only_named() -> None:
    """Five causes at length are enough for one night; -v gives them all."""
    findings = named("\n".join(f"E0712 19:14:01.8 1 a.go:1] {text}" for text in TEXTS.values())).findings
    many = (*findings, *findings)

    assert diagnosis_text.render(many, PAGE).count("see: ") == 5
    assert "less likely: " in diagnosis_text.render(many, PAGE)
    assert diagnosis_text.render(many, PAGE, verbose=1).count("see: ") == len(many)


def test_a_narrow_page_is_kept_and_commands_are_whole() -> None:
    """Texts wrap, commands do not."""
    text = diagnosis_text.render(named(TEXTS["tag-gone"]).findings, Page(60, ascii=True, color=False))

    assert text.isascii()
    assert all(len(line) <= 60 or line.startswith("      az ") for line in text.splitlines())


def test_json_is_the_same_in_ascii() -> None:
    """Every locale can print it; nothing is null."""
    text = diagnosis_json.render(named(TEXTS["denied"]).findings)
    document = json.loads(text)

    assert text.isascii()
    assert "null" not in text
    assert [item["id"] for item in document["causes"]] == ["denied"]
    assert document["causes"][0]["evidence"][0]["text"] == TEXTS["denied"]
    assert {cause.id for cause in CAUSES} >= {item["id"] for item in document["causes"]}
