"""How right `acrcheck diagnose` is on a corpus of reports, and how fast on large logs.

A corpus is a file of JSON lines with `text`, `surface`, `cause` and `source`. Nothing but the text is given to the
diagnosis (it needs no surface: a person who pastes does not name one); the rest only judges it.
"""

import io
import json
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.model import Cause
from acrcheck.text.diagnose import INFORMATION, NO_FAILURE, diagnose
from acrcheck.text.pattern import ANYTHING, patterns
from acrcheck.text.search import Search

SURE = 0.9
GOALS = {"top-1": 0.90, "top-3": 0.98, "right of those with ≥ 0.9": 0.95}
SIZE = 64 << 20
SPEED_GOAL = 20.0
Row = tuple[str, str, str, str, str, str, str]
BUCKETS = (0.0, 0.3, 0.6, 0.9, 1.01)


@dataclass(frozen=True, slots=True)
class Judged:
    """One report: what it is, what was named, and how surely, first the likeliest."""

    id: str
    cause: str
    named: tuple[str, ...]
    confidence: float

    def within(self, places: int, known: Mapping[str, Cause]) -> bool:
        """Tell whether the cause is among the first; a narrower one than the label's is right too."""
        return any(self.cause in _labels(name, known) for name in self.named[:places])


def _labels(name: str, known: Mapping[str, Cause]) -> Iterator[str]:
    """Give the labels that a named cause may stand for: itself and all that are broader."""
    while name:
        yield from (name, f"other:{name}")
        name = known[name].broader if name in known else ""


def judge(report: Mapping[str, str], causes: Sequence[Cause], layers: tuple[str, ...]) -> Judged:
    """Diagnose one report."""
    found = diagnose(io.BytesIO(report["text"].encode()), causes, layers)
    named = tuple(item.cause.id for item in found.findings)
    if found.said == NO_FAILURE:
        named = (INFORMATION,)
    return Judged(
        report["id"], report["cause"], named, found.findings[0].confidence if found.findings else 0.0
    )


def accuracy(corpus: Path) -> tuple[list[Row], list[str]]:
    """Give the rows of the table and what is said below it."""
    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    known = {cause.id: cause for cause in causes}
    reports = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()]
    judged = [judge(report, causes, checks.layers) for report in reports]
    without = [judge(item, _without(item, reports, causes), checks.layers) for item in reports]
    sure = [item for item in judged if item.confidence >= SURE]
    shares = {
        "top-1": (sum(item.within(1, known) for item in judged), len(judged)),
        "top-3": (sum(item.within(3, known) for item in judged), len(judged)),
        "right of those with ≥ 0.9": (sum(item.within(1, known) for item in sure), len(sure)),
        "top-1, leave one source out": (sum(item.within(1, known) for item in without), len(without)),
        "top-3, leave one source out": (sum(item.within(3, known) for item in without), len(without)),
    }
    rows = [_row(what, right, of) for what, (right, of) in shares.items()]
    said = [*_calibration(judged, known), *_confusion(judged, known)]
    return rows, said


def _row(what: str, right: int, of: int) -> Row:
    goal = GOALS.get(what)
    share = right / of if of else 1.0
    return (
        f"diagnose: {what}",
        f"{right} of {of}",
        "",
        "",
        f"{share:.1%}",
        f"≥ {goal:.0%}" if goal else "",
        "missed" if goal and share < goal else "",
    )


def _without(
    report: Mapping[str, str], reports: Sequence[Mapping[str, str]], causes: Sequence[Cause]
) -> list[Cause]:
    """Take away every signature that stands in the texts of this report's source and in no other's."""
    own = [item["text"] for item in reports if item["source"] == report["source"]]
    rest = [item["text"] for item in reports if item["source"] != report["source"]]
    lone = _seen(own, causes) - _seen(rest, causes)
    return [
        replace(
            cause,
            signatures=tuple(item for item in cause.signatures if (cause.id, item.text) not in lone),
        )
        for cause in causes
    ]


_found: dict[str, frozenset[tuple[str, str]]] = {}


def _seen(texts: Sequence[str], causes: Sequence[Cause]) -> set[tuple[str, str]]:
    """Name the signatures that stand in texts."""
    search = None
    for text in texts:
        if text not in _found:
            search = search or Search(patterns(causes))
            records = search.look(io.BytesIO(text.encode())).records
            _found[text] = frozenset(
                (cause.id, signature.text)
                for record in records
                for sighting in record.sightings
                for cause, signature in sighting.pattern.meanings
            )
    return {item for text in texts for item in _found[text]}


def _calibration(judged: Sequence[Judged], known: Mapping[str, Cause]) -> Iterator[str]:
    for low, high in pairwise(BUCKETS):
        those = [item for item in judged if item.named and low <= item.confidence < high]
        if those:
            right = sum(item.within(1, known) for item in those)
            yield (
                f"confidence {low:.1f} to {min(high, 1.0):.1f}: {right} of {len(those)} right,"
                f" {sum(item.confidence for item in those) / len(those):.2f} said on average"
            )


def _confusion(judged: Sequence[Judged], known: Mapping[str, Cause]) -> Iterator[str]:
    """List what was named in place of what, and where the right one stood."""
    pairs: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in judged:
        if not item.within(1, known):
            pair = (item.cause, item.named[0] if item.named else "nothing")
            pairs[pair] += 1
            place = next((n for n in range(1, len(item.named) + 1) if item.within(n, known)), 0)
            where[pair].append(f"{item.id}, {item.confidence:.2f}, right at {place or 'no place'}")
    for (cause, named), count in pairs.most_common():
        yield f"{cause} was taken for {named} {count} times ({'; '.join(where[cause, named])})"


def speed() -> list[Row]:
    """Measure megabytes a second on a log of which few lines match and on one of which all do, beside grep."""
    causes = load_causes(builtin_dir(), load_checks(builtin_dir()))
    known = patterns(causes)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        literals = Path(folder, "literals")
        literals.write_text("\n".join(max(item.pieces, key=len).strip() for item in known) + "\n")
        for what, every, size, goal in (
            ("1 line in 150 matches", 150, SIZE, SPEED_GOAL),
            ("every line matches", 1, SIZE >> 4, 0.0),
        ):
            log = Path(folder, "log")
            log.write_bytes(_log([item.text for item in known], every, size))
            began = time.process_time()
            with log.open("rb") as stream:
                Search(known).look(stream)
            ours = size / (time.process_time() - began) / 1e6
            theirs = size / _grep(literals, log) / 1e6
            missed = "missed" if ours < goal else ""
            rows.append(
                (
                    f"diagnose: {what}",
                    f"{ours:.0f} MB/s",
                    "grep -iF -f",
                    f"{theirs:.0f} MB/s",
                    f"{ours / theirs:.2f}",
                    f"≥ {goal:.0f} MB/s" if goal else "",
                    missed,
                )
            )
    return rows


def _log(texts: Sequence[str], every: int, size: int) -> bytes:
    """Make a log of a busy node of so many bytes."""
    draw = random.Random(4)  # noqa: S311 - a log that is the same each time, not a secret
    verbs = (
        "Started container",
        "Killing unwanted pod",
        "SyncLoop (PLEG): event for pod",
        "operationExecutor.MountVolume started",
    )
    lines = []
    length = number = 0
    while length < size:
        number += 1
        if texts and number % every == 0:
            body = draw.choice(texts).replace(ANYTHING, f"x{draw.getrandbits(32):x}")
        else:
            pod = f"ns-{draw.randrange(99)}/app-{draw.getrandbits(40):x}"
            body = f'"{draw.choice(verbs)}" pod="{pod}" volume="v{draw.randrange(999)}"'
        moment = f"{draw.randrange(10, 24)}:{draw.randrange(10, 60)}:07.{draw.randrange(10**6):06d}"
        line = f"I1123 {moment}    1021 kubelet.go:{draw.randrange(9999)}] {body}\n"
        lines.append(line)
        length += len(line)
    return "".join(lines).encode()[:size]


def _grep(literals: Path, log: Path) -> float:
    """Give the seconds that grep takes with the longest literal of each signature."""
    grep = shutil.which("grep") or "grep"
    began = time.perf_counter()
    subprocess.run(
        [grep, "-c", "-i", "-F", "-f", str(literals), str(log)], stdout=subprocess.PIPE, check=False
    )
    return time.perf_counter() - began
