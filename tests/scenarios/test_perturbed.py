"""What programs print leads to the same causes however it is named, quoted, wrapped and prefixed."""

import json
import random
import re
import textwrap
from collections.abc import Callable
from io import BytesIO

import pytest

from acrcheck.lab.scenario import Scenario
from tests.scenarios.test_texts import PRINTING, READER, printed

GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
HOST = re.compile(r"\blabreg(?=\.azurecr\.)")
HALF = 0.5
DRAWS = 3
"""The perturbed copies of each text."""


def _guids(text: str, draw: random.Random) -> str:
    """Give other GUIDs, the same for the same."""
    others = {guid: _guid(draw) for guid in sorted(set(GUID.findall(text)))}
    return GUID.sub(lambda found: others[found[0]], text)


def _guid(draw: random.Random) -> str:
    digits = f"{draw.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _prefixed(text: str, draw: random.Random) -> str:
    """Put a margin before each line, or before the first what a log puts before a message."""
    if draw.random() < HALF:
        return textwrap.indent(text, draw.choice(("> ", "    ", "\t", "| ")), lambda _: True)
    return (
        draw.choice(("2026-11-02T09:59:00.123456789Z stderr F ", "Nov  2 09:59:00 node-1 app[10]: ")) + text
    )


def _wrapped(text: str, draw: random.Random) -> str:
    width = draw.randrange(70, 200)
    return "\n".join(
        part
        for line in text.splitlines()
        for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]
    )


def _coloured(text: str, _: random.Random) -> str:
    return "".join(f"\x1b[31m{line}\x1b[0m\n" for line in text.splitlines())


PERTURBATIONS: dict[str, Callable[[str, random.Random], str]] = {
    "other GUIDs": _guids,
    "another registry": lambda text, draw: HOST.sub(f"other{draw.randrange(10**6)}", text),
    "in colour": _coloured,
    "escaped": lambda text, _: "".join(f"{json.dumps(line)}\n" for line in text.splitlines()),
    "prefixed": _prefixed,
    "wrapped": _wrapped,
    "in CRLF": lambda text, _: text.replace("\n", "\r\n"),
}
"""In the order in which a text goes through them on its way to who pastes it."""
TIE = 0.02
"""Causes so close to each other stand beside each other."""


@pytest.mark.parametrize("scenario", PRINTING)
@pytest.mark.parametrize("seed", range(DRAWS))
def test_a_perturbed_copy_gives_the_same_answer(scenario: Scenario, seed: int) -> None:
    """The likeliest cause stays, whatever drawn from the perturbations is done to the text."""
    name = scenario.id
    draw = random.Random(f"{name} {seed}")  # noqa: S311 - a draw that is the same each time
    text, done = printed(name).text, []
    for what in sorted(draw.sample(list(PERTURBATIONS), 2), key=list(PERTURBATIONS).index):
        text = PERTURBATIONS[what](text, draw)
        done.append(what)
    found = READER.read(BytesIO(text.encode()))
    before = printed(name).diagnosis

    if not before.findings:
        assert found.said == before.said
    else:
        least = before.findings[0].confidence - TIE
        likeliest = {item.cause.id for item in before.findings if item.confidence >= least}
        assert likeliest.issuperset(item.cause.id for item in found.findings[:1]), (done, text)
        assert found.findings, (done, text)
