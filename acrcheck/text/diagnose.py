"""What a text means: the one call for the command line and for whoever has logs and events."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO

from acrcheck.model import Cause, Finding
from acrcheck.text.pattern import INFORMATION, patterns
from acrcheck.text.ranking import SURE, rank
from acrcheck.text.search import Found, Record, Search
from acrcheck.text.source import Readable

__all__ = ("INFORMATION", "NO_FAILURE", "Diagnosis", "Reader", "diagnose")
NO_FAILURE = "nothing here is a failure"
FAR_LESS = 0.2
"""Below this part of the likeliest one's share, a cause is not worth naming beside others of a run."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The causes, most likely first, or a sentence that says why none is named."""

    findings: tuple[Finding, ...]
    said: str = ""


class Reader:
    """The signatures of all causes, made ready once to read any number of texts."""

    def __init__(self, causes: Iterable[Cause], layers: tuple[str, ...]) -> None:
        self._causes = tuple(cause for cause in causes if "text" in cause.seen)
        self._layers = layers
        self._search = Search(patterns(self._causes))

    def read(self, stream: Readable) -> Diagnosis:
        """Read a text to its end and name the causes of which it speaks."""
        found = self._search.look(stream)
        exact = any(each.likeness == 1 for record in found.records for each in record.sightings)
        findings = self._rank(found, exact=exact)
        if findings:
            return Diagnosis(findings)
        if found.empty:
            return Diagnosis((), "there is no text to look at")
        if not found.failing and any(record.calm for record in found.records):
            return Diagnosis((), NO_FAILURE)
        return Diagnosis((), "nothing here is an error text that acrcheck knows")

    def shares(self, words: str) -> dict[str, float]:
        """Give how sure a program's own words make each cause that they name, by its id; 1 where they decide it.

        Nothing here may be quoted from elsewhere, as a pasted text may be; what is only like a signature says nothing,
        and what is far less likely than another is left out.
        """
        findings = self._rank(self._search.look(BytesIO(words.encode())), exact=True)
        shares = {item.cause.id: min(1.0, item.confidence / SURE) for item in findings if item.observations}
        least = FAR_LESS * max(shares.values(), default=0.0)
        return {name: share for name, share in shares.items() if share >= least}

    def _rank(self, found: Found, *, exact: bool) -> tuple[Finding, ...]:
        telling = [_telling(record, exact=exact) for record in found.records]
        return rank(telling, self._causes, self._layers)


def diagnose(stream: Readable, causes: Iterable[Cause], layers: tuple[str, ...]) -> Diagnosis:
    """Read a text to its end and name the causes of which it speaks."""
    return Reader(causes, layers).read(stream)


def _telling(record: Record, *, exact: bool) -> Record:
    """Leave out what is said when all is well, what looks like an error only within it, and what is only alike."""
    calm = [each for each in record.sightings if each.pattern.calm]
    telling = (each for each in record.sightings if each not in calm and not any(map(each.within, calm)))
    return replace(record, sightings=tuple(each for each in telling if each.likeness == 1 or not exact))
