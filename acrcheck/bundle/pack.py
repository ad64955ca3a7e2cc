"""From a tape to a report, and to a bundle. Both are functions of the tape alone."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from acrcheck.bundle import archive
from acrcheck.bundle.contents import OWN, contents, missing, top
from acrcheck.bundle.tapefile import Recording
from acrcheck.catalogue import Checks
from acrcheck.clock import SteppedClock
from acrcheck.model import Cause, Report
from acrcheck.report import formats
from acrcheck.run import Options, replay

WIDTH = 100
TOKEN = re.compile(rb"<([a-z][a-z0-9-]*):[0-9a-f]+>")
"""What stands where a secret was."""
WORD = re.compile(r"(?:name-|user-|registry)[0-9a-f]+|(?:\d+\.){3}\d+|[0-9a-f]*(?::[0-9a-f]*){2,}")
"""What stands where a name or an address was is one of these."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle that was written: how many bytes it has, and what it lacks (as `missing.json` lists it).

    `redactions` counts what was taken out, by file and kind.
    """

    size: int
    missing: list[dict[str, str]]
    redactions: dict[str, dict[str, int]]


def replayed(
    recording: Recording, checks: Checks, causes: Iterable[Cause], options: Options | None = None
) -> Report:
    """Run today's checks on a recording, at the time of the recording; by default with its own options."""
    header = recording.header
    chosen = options or known(header.options, checks)
    said = {"recordedAt": header.started.isoformat(timespec="seconds")}
    said |= {"recordedBy": header.version} if header.version else {}
    return replay(
        header.target,
        recording.tape,
        SteppedClock(header.started),
        checks,
        causes,
        replace(chosen, metadata={**chosen.metadata, **said}),
        recording.store,
    )


def known(options: Options, checks: Checks) -> Options:
    """Leave out of a recording's selection the names that mean nothing any more."""
    names = {check.id for check in checks.checks} | {category.id for category in checks.categories}
    return replace(
        options,
        only=tuple(name for name in options.only if name in names),
        skip=tuple(name for name in options.skip if name in names),
    )


def pack(recording: Recording, tape: bytes, path: Path, checks: Checks, causes: Iterable[Cause]) -> Packed:
    """Write a bundle of a tape, whole or not at all. Raises OSError when it cannot be written."""
    report = replayed(recording, checks, causes)
    files = contents(recording, tape, report, rendered(report))
    taken = redactions(files, recording.header.stand_ins)
    files[f"{OWN}/redactions.json"] = (json.dumps(taken, indent=2) + "\n").encode()
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            archive.write(file, top(recording), files, recording.header.started)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return Packed(path.stat().st_size, missing(recording.tape.entries), taken)


def rendered(report: Report) -> dict[str, str]:
    """Give a report in all formats, by file name."""
    return {
        f"report.{ending}": formats.render(form, report, width=WIDTH, verbose=1)
        for form, ending in formats.ENDINGS.items()
    }


def redactions(
    files: Mapping[str, bytes], stand_ins: Mapping[str, Iterable[str]]
) -> dict[str, dict[str, int]]:
    """Count what stands in the place of secrets, names and addresses, by file and kind. Never what it was."""
    kinds = {other.lower(): kind for kind, others in stand_ins.items() for other in others}
    counts = {}
    for name, content in sorted(files.items()):
        found = Counter(kind.decode() for kind in TOKEN.findall(content))
        if kinds:
            words = WORD.findall(content.decode(errors="replace").lower())
            found.update(kinds[word] for word in words if word in kinds)
        if found:
            counts[name] = dict(sorted(found.items()))
    return counts
