"""What a text means: the one call for the command line and for whoever has logs and events."""

from collections.abc import Iterable
from dataclasses import dataclass

from acrcheck.model import Cause, Finding
from acrcheck.text.pattern import patterns
from acrcheck.text.ranking import rank
from acrcheck.text.search import Record, Search
from acrcheck.text.source import Readable

INFORMATION = "not-a-failure"
"""The document of lines that are taken for errors and are none."""
NO_FAILURE = "nothing here is a failure"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The causes, most likely first, or a sentence that says why none is named."""

    findings: tuple[Finding, ...]
    said: str = ""


def diagnose(stream: Readable, causes: Iterable[Cause], layers: tuple[str, ...]) -> Diagnosis:
    """Read a text to its end and name the causes of which it speaks."""
    causes = tuple(cause for cause in causes if "text" in cause.seen)
    found = Search(patterns(causes)).look(stream)
    telling = tuple(filter(None, map(_without_information, found.records)))
    findings = rank(telling, causes, layers)
    if findings:
        return Diagnosis(findings)
    if found.empty:
        return Diagnosis((), "there is no text to look at")
    if found.records or found.informative:
        return Diagnosis((), NO_FAILURE)
    return Diagnosis((), "nothing here is an error text that acrcheck knows")


def _without_information(record: Record) -> Record:
    """Leave out what is said when all is well, and what looks like an error only within it."""
    calm = [each for each in record if all(cause.id == INFORMATION for cause, _ in each.pattern.meanings)]
    return tuple(each for each in record if each not in calm and not any(map(each.within, calm)))
