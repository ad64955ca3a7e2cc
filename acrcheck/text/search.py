"""Looks for signatures in a text of any size, in memory that does not grow with it.

Programs say the same thing many times: of the records in which the same signatures stand in the same order,
the first is kept.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from acrcheck.text.likeness import Likeness
from acrcheck.text.normal import hidden, normal, spaced, unbordered, uncoloured
from acrcheck.text.pattern import WORD, Pattern
from acrcheck.text.source import RECORD, Block, Readable, begins, blocks, unstamped

SMALL = 1 << 16
"""A text up to this size is looked at whole, a larger one only around the words that signatures have."""
AROUND = 4096
"""The most bytes before and after such a word that are looked at."""
RARE = 32
"""A word that stands more often in a block is looked for only when its pattern has no rarer one."""
MOST = 1000
"""The most different records that are kept."""
SHOWN = 240
"""The most characters of a line that are quoted."""
LEAST_WRAP = 40
FAILING = frozenset(
    b"error errors err fail failed failing failure denied refused unauthorized forbidden timeout timed expired invalid"
    b" exception fatal panic cannot unable missing rejected exceeded canceled cancelled unreachable unavailable backoff"
    b" imagepullbackoff errimagepull crashloopbackoff traceback 400 401 403 404 405 409 429 500 502 503 504"
    b" eof reset notfound".split()
)
"""Words without which nothing has failed."""
HOST = re.compile(r"(?<![\w.-])(?:[a-z0-9-]{1,63}\.){1,9}(?:io|com|cn|us|net|org|dev)(?![\w-]|\.\w)")
POD = re.compile(r"(?<![\w./-])[a-z0-9-]{1,63}/[a-z0-9][a-z0-9-]{0,200}-[a-z0-9]{4,10}(?![\w./-])")
AGGREGATE = re.compile(r"rpc error: code =|[\[,] ?(?=failed to (?:pull|authorize|resolve))")


Place = tuple[Pattern, int, int, float]
"""A pattern, where it begins and ends in a text, and how much it is like it."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A signature found: where in its record, and the line to show."""

    pattern: Pattern
    start: int
    end: int
    line: int
    text: str
    element: int
    """Which of the errors of an aggregate it stands in: the first is 0."""
    likeness: float = 1.0
    """Below 1 where the text only resembles the signature."""

    def within(self, other: "Sighting") -> bool:
        """Tell whether it is a part of a longer one."""
        return (
            other.start <= self.start
            and self.end <= other.end
            and other.pattern.letters > self.pattern.letters
            and other.likeness >= self.likeness
        )


@dataclass(frozen=True, slots=True)
class Record:
    """What was found in one record, in the order of the text, and what else is said in it."""

    sightings: tuple[Sighting, ...]
    told: frozenset[str]
    """The texts of contexts that stand in it."""
    subjects: frozenset[str]
    """The hosts and pods that it names: records that share one are of one incident."""
    failing: bool
    """True when it has words of failure beside what is said while all is well."""

    @property
    def calm(self) -> bool:
        """True when all that was found is said while all is well."""
        return bool(self.sightings) and all(each.pattern.calm for each in self.sightings)


@dataclass(frozen=True, slots=True)
class Found:
    """What a text has to say."""

    records: tuple[Record, ...]
    empty: bool
    failing: bool
    """True when it has words of failure beside what is said while all is well."""


class Search:
    """All patterns, by the words by which they are found."""

    def __init__(self, known: Iterable[Pattern]) -> None:
        self._by_anchor: dict[str, list[Pattern]] = {}
        known = tuple(known)
        self._likeness = Likeness(known)
        self._noted = frozenset(pattern.text for pattern in known if pattern.noted)
        for pattern in known:
            self._by_anchor.setdefault(pattern.anchor, []).append(pattern)
        self._always = self._by_anchor.pop("", [])
        self._anchors = {word.encode(): word for word in self._by_anchor}
        self._words = FAILING.union(
            *(pattern.encoded for patterns in self._by_anchor.values() for pattern in patterns)
        )

    def look(self, stream: Readable) -> Found:
        """Read a text to its end."""
        kept: dict[object, Record] = {}
        empty, failing = True, False
        for block in blocks(stream):
            data = uncoloured(block.data)
            low = spaced(data)
            words = self._words.intersection(low.split())
            empty = empty and (not low or low.isspace())
            line, counted = block.line, 0
            calm = []
            for start, end in self._places(block, data, low, words):
                line, counted = line + data.count(b"\n", counted, start), start
                lines = data[start:end].decode("utf-8", "replace").split("\n")
                record = self._match(lines, line, like=block.whole and len(data) <= SMALL)
                if record.calm and not record.failing:
                    calm.append((start, end))
                if (record.sightings or record.told) and len(kept) < MOST:
                    same = tuple((each.pattern.text, each.element) for each in record.sightings)
                    kept.setdefault((same, record.told), record)
            failing = failing or not FAILING.isdisjoint(_without(low, calm).split() if calm else words)
        return Found(tuple(kept.values()), empty, failing)

    def _places(
        self, block: Block, data: bytes, low: bytes, words: frozenset[bytes]
    ) -> Iterator[tuple[int, int]]:
        """Give the parts of a block that are worth looking at closely: records, or what surrounds a word."""
        if block.whole and len(data) <= SMALL:
            starts = [match.start() for match in RECORD.finditer(data) if begins(data, match.start())]
            edges = [0, *(at for at in starts if at), len(data)]
            yield from pairwise(edges)
            return
        done = 0
        for at in sorted(self._telling(low, words)):
            if at >= done:
                start, done = _record(data, at, done)
                yield start, done

    def _telling(self, low: bytes, words: frozenset[bytes]) -> set[int]:
        """Give the places at which to look: for each pattern of which all words are there, those of a rare one."""
        places: dict[bytes, list[int]] = {}
        padded = b" " + low + b" "
        telling = set()
        for anchor in self._anchors.keys() & words:
            for pattern in self._by_anchor[self._anchors[anchor]]:
                if not pattern.meanings or not pattern.encoded <= words:
                    continue
                word = anchor
                if len(_positions(padded, anchor, places)) > RARE:
                    word = min(
                        sorted(pattern.encoded), key=lambda each: len(_positions(padded, each, places))
                    )
                telling.update(places[word])
        return telling

    def _match(self, lines: list[str], number: int, *, like: bool) -> Record:
        """Find the patterns of one record; where there are none, those that it is like."""
        lines = [*lines[:1], *map(unstamped, lines[1:])]
        normals = [normal(line) for line in lines]
        ends = ["\n"] * len(lines)
        found = self._in_text(_joined(normals, ends))
        for reading in _wrapped(lines, normals):
            if len(more := self._in_text(_joined(*reading))) > len(found):
                found, (normals, ends) = more, reading
        text = _joined(normals, ends)
        if like and not any(pattern.meanings for pattern, _, _, _ in found):
            found += self._likeness.find(text)
        made = _sightings(found, lines, normals, ends, number)
        told = frozenset(
            pattern.text for pattern, _, _, likeness in found if likeness == 1 and pattern.text in self._noted
        )
        return Record(made, told, frozenset((*HOST.findall(text), *POD.findall(text))), _fails(text, made))

    def _in_text(self, text: str) -> list[Place]:
        words = set(WORD.findall(text))
        return [
            (pattern, *place, 1.0)
            for pattern in self._candidates(words)
            if pattern.words <= words and (place := pattern.find(text))
        ]

    def _candidates(self, words: set[str]) -> Iterator[Pattern]:
        yield from self._always
        for word in words & self._by_anchor.keys():
            yield from self._by_anchor[word]


def _sightings(
    found: list[Place], lines: list[str], normals: list[str], ends: list[str], number: int
) -> tuple[Sighting, ...]:
    """Put what was found in the order of the text, each with the line and the error of an aggregate it stands in."""
    starts = [0, *accumulate(len(line) + len(end) for line, end in zip(normals, ends, strict=True))][:-1]
    elements = [match.start() for match in AGGREGATE.finditer(_joined(normals, ends))]
    made = []
    for pattern, start, end, likeness in sorted(found, key=lambda item: (item[1], -item[2])):
        if pattern.meanings:
            row = bisect_right(starts, start) - 1
            element = max(0, bisect_right(elements, start) - 1)
            quoted = _quote(lines[row], start - starts[row])
            made.append(Sighting(pattern, start, end, number + row, quoted, element, likeness))
    return tuple(made)


def _fails(text: str, calm: tuple[Sighting, ...]) -> bool:
    """Tell whether a record in normal form has words of failure outside what is said while all is well."""
    rest = _without(
        text.encode(), [(len(text[: each.start].encode()), len(text[: each.end].encode())) for each in calm]
    )
    return not FAILING.isdisjoint(spaced(rest).split())


def _without(data: bytes, parts: Iterable[tuple[int, int]]) -> bytes:
    """Leave parts out of a text."""
    kept, done = [], 0
    for start, end in parts:
        kept.append(data[done:start])
        done = max(done, end)
    return b" ".join([*kept, data[done:]])


def _positions(padded: bytes, word: bytes, places: dict[bytes, list[int]]) -> list[int]:
    """Give where a word stands in what has one space added before it, and keep it."""
    if word not in places:
        found = places[word] = []
        wanted = b" " + word + b" "
        at = padded.find(wanted)
        while at >= 0:
            found.append(at)
            at = padded.find(wanted, at + len(word))
    return places[word]


def _record(data: bytes, at: int, done: int) -> tuple[int, int]:
    """Give where the record around a place begins and ends, no further than a few thousand bytes away."""
    floor = max(done, at - AROUND)
    line = max(data.rfind(b"\n", floor, at) + 1, floor)
    start = line
    while not begins(data, start) and start > floor:
        start = max(data.rfind(b"\n", floor, start - 1) + 1, floor)
    ceiling = min(len(data), at + AROUND)
    end = data.find(b"\n", at, ceiling) + 1 or ceiling
    while end < ceiling and not begins(data, end):
        end = data.find(b"\n", end, ceiling) + 1 or ceiling
    return start, end


def _wrapped(lines: list[str], normals: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Give the lines and their ends for the case that they were cut, words or not: nothing after a full one.

    A terminal cuts lines as they are; what has a margin, or an indent, was cut without it.
    """
    bare = [unbordered(line).strip("\ufeff").strip() for line in lines]
    for parts, kept in (
        ([line.strip("\r\ufeff") for line in lines], normals),
        (bare, [line.strip() for line in normals]),
    ):
        widths = [len(part) for part in parts]
        full = max(widths[:-1], default=0)
        if full >= LEAST_WRAP:
            yield kept, ["" if width == full else "\n" for width in widths]


def _joined(lines: list[str], ends: list[str]) -> str:
    return "".join(line + end for line, end in zip(lines, ends, strict=True))


def _quote(line: str, at: int) -> str:
    """Give a line to show: no more of it than what surrounds the place, and no secret."""
    text = hidden(line)
    if len(text) <= SHOWN:
        return text.strip()
    start = max(0, min(at, len(text)) - SHOWN // 3)
    part = text[start : start + SHOWN].strip()
    return ("…" if start else "") + part + ("…" if start + SHOWN < len(text) else "")
