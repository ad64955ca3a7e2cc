"""Texts that are like a signature and not the same: of another version, shortened, in other words.

A signature resembles a record where most of what its words say stands close together. A word says the more, the fewer
causes have it in their signatures. What is only like a signature decides nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import log

from acrcheck.text.pattern import WORD, Pattern

SHARE = 0.6
"""The least part of what a signature says that a text must have."""
LEAST = 8.0
"""The least that must be said: two or three words that only few causes have."""
SPREAD = 2
"""So many times its own words a signature may be spread over."""


class Likeness:
    """All signatures, by their words and by how much each word says."""

    def __init__(self, known: Iterable[Pattern]) -> None:
        telling = [pattern for pattern in known if pattern.meanings and not pattern.calm]
        causes: dict[str, set[str]] = defaultdict(set)
        self._patterns: dict[str, list[Pattern]] = defaultdict(list)
        for pattern in telling:
            for word in pattern.vocabulary:
                causes[word].update(cause.id for cause, _ in pattern.meanings)
                self._patterns[word].append(pattern)
        number = len({cause.id for pattern in telling for cause, _ in pattern.meanings})
        self._says = {word: log(number / len(those)) for word, those in causes.items()}

    def find(self, text: str) -> list[tuple[Pattern, int, int, float]]:
        """Give the signatures that a text in normal form resembles: where, and how much from 0 to 1."""
        words = [
            (found[0], found.start(), found.end()) for found in WORD.finditer(text) if found[0] in self._says
        ]
        said: dict[Pattern, float] = defaultdict(float)
        for word in {word for word, _, _ in words}:
            for pattern in self._patterns[word]:
                said[pattern] += self._says[word]
        found = []
        for pattern, much in said.items():
            wanted = self._wanted(pattern)
            if much >= wanted:
                closest, start, end = self._closest(pattern, words)
                if closest >= wanted:
                    found.append((pattern, start, end, min(1.0, closest / self._whole(pattern))))
        return found

    def _whole(self, pattern: Pattern) -> float:
        return sum(self._says[word] for word in pattern.vocabulary)

    def _wanted(self, pattern: Pattern) -> float:
        return max(LEAST, SHARE * self._whole(pattern))

    def _closest(self, pattern: Pattern, words: list[tuple[str, int, int]]) -> tuple[float, int, int]:
        """Find the part of a text that has most of a signature's words within its spread."""
        own = [item for item in enumerate(words) if item[1][0] in pattern.vocabulary]
        size = SPREAD * len(pattern.vocabulary) + 4
        inside: Counter[str] = Counter()
        best, first, said = (0.0, 0, 0), 0, 0.0
        for place, (word, _, end) in own:
            said += 0 if inside[word] else self._says[word]
            inside[word] += 1
            while own[first][0] < place - size:
                left = own[first][1][0]
                inside[left] -= 1
                said -= 0 if inside[left] else self._says[left]
                first += 1
            if said > best[0]:
                best = (said, own[first][1][1], end)
        return best
