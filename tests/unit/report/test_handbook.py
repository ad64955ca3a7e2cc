"""The handbook: one document, or pages with links between them."""

import re
from pathlib import PurePosixPath

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.report import handbook

CHECKS = load_checks(builtin_dir())
CAUSES = load_causes(builtin_dir(), CHECKS)
EXAMPLES = {CAUSES[0].id: "$ acrcheck demo x\nwhat `label-pods` says\n"}
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)


def links(text: str) -> set[str]:
    """Give the targets of the links of a page."""
    return set(LINK.findall(CODE.sub("", text)))


def test_every_link_between_pages_is_whole() -> None:
    """Each leads to a page that is there, and every page is reached from the index."""
    pages = handbook.pages(CHECKS, CAUSES, EXAMPLES)
    reached = {}
    for name, text in pages.items():
        here = PurePosixPath(name).parent
        inside = [link for link in links(text) if not link.startswith("https://")]
        reached[name] = {
            str(here / link).replace("causes/../", "").replace("checks/../", "") for link in inside
        }

    assert set.union(*reached.values()) <= pages.keys()
    assert reached[handbook.INDEX] | {handbook.INDEX} == pages.keys()


def test_every_link_of_the_one_document_is_whole() -> None:
    """Each leads to an anchor, and no anchor stands twice."""
    text = handbook.whole(CHECKS, CAUSES, EXAMPLES)
    anchors = re.findall(r'^<a id="([^"]+)"></a>$', text, re.MULTILINE)

    assert len(anchors) == len(set(anchors)) == len(CHECKS.checks) + len(CAUSES)
    assert {link for link in links(text) if not link.startswith("https://")} == {
        f"#{name}" for name in anchors
    }


def test_an_example_is_quoted_as_it_is() -> None:
    """What stands in code is neither linked nor made a heading."""
    page = handbook.pages(CHECKS, CAUSES, EXAMPLES)[f"causes/{CAUSES[0].id}.md"]

    assert "## What acrcheck says of it\n\n```text\n$ acrcheck demo x\nwhat `label-pods` says\n```\n" in page


def test_the_one_document_has_one_title() -> None:
    """The pages' titles are headings under it."""
    text = CODE.sub("", handbook.whole(CHECKS, CAUSES, EXAMPLES))

    assert re.findall("^# .*", text, re.MULTILINE) == [f"# {handbook.TITLE}"]
