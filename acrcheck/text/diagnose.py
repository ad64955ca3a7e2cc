"""What a text means: the one call for the command line and for whoever has logs and events."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from acrcheck.model import Cause, Finding
from acrcheck.text.pattern import INFORMATION, patterns
from acrcheck.text.ranking import rank
from acrcheck.text.search import Record, Search
from acrcheck.text.source import Readable

__all__ = ("INFORMATION", "NO_FAILURE", "Diagnosis", "diagnose")
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
    exact = any(each.likeness == 1 for record in found.records for each in record.sightings)
    telling = [_telling(record, exact=exact) for record in found.records]
    findings = rank(telling, causes, layers)
    if findings:
        return Diagnosis(findings)
    if found.empty:
        return Diagnosis((), "there is no text to look at")
    if not found.failing and any(record.calm for record in found.records):
        return Diagnosis((), NO_FAILURE)
    return Diagnosis((), "nothing here is an error text that acrcheck knows")


def _telling(record: Record, *, exact: bool) -> Record:
    """Leave out what is said when all is well, what looks like an error only within it, and what is only alike."""
    calm = [each for each in record.sightings if each.pattern.calm]
    telling = (each for each in record.sightings if each not in calm and not any(map(each.within, calm)))
    return replace(record, sightings=tuple(each for each in telling if each.likeness == 1 or not exact))
