"""Finds out what a recording is, and reads it: a bundle, a tape, or what another tool collected."""

import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from acrcheck.bundle import archive, tapefile
from acrcheck.bundle.archive import GZIP, File
from acrcheck.bundle.contents import FORMAT, FORMAT_FILE, TAPE_FILE
from acrcheck.bundle.foreign import Collected
from acrcheck.bundle.tapefile import Recording, Redactor
from acrcheck.errors import UsageError
from acrcheck.target import Target

STDIN = "-"
TAR_MARK = slice(257, 262)
START = 4096
MOST_TAPE = 512 * 1024 * 1024
"""Bytes: a tape is held in memory whole."""


def load(
    source: str, stdin: IO[bytes], target: Target, now: datetime, redactor: Redactor | None = None
) -> Recording:
    """Read a recording from a file, a folder, or standard input for `-`; redacted once more if asked for.

    Raises:
        UsageError: it cannot be read, is none, is damaged, or is of a newer format.
    """
    if source == STDIN:
        return _stream(stdin, "standard input", target, now, redactor)
    path = Path(source)
    try:
        if path.is_dir():
            return _files(archive.walk(path), source, target, now, redactor)
        with path.open("rb") as file:
            return _stream(file, source, target, now, redactor)
    except OSError as error:
        raise UsageError(
            f"{source} cannot be read: {error.strerror}",
            input=source,
            expected="a bundle, a tape, a folder, or - for standard input",
        ) from error


def is_recording(source: str, stdin: IO[bytes]) -> bool:
    """Tell an archive, a folder or a tape from any other file, without taking anything from standard input."""
    if source == STDIN:
        return isinstance(stdin, io.BufferedReader) and _is_recording(stdin.peek(START))
    path = Path(source)
    try:
        with path.open("rb") as file:
            return _is_recording(file.read(START))
    except OSError:
        return path.is_dir()


def _is_recording(start: bytes) -> bool:
    return _is_archive(start) or tapefile.is_tape(start)


def _is_archive(start: bytes) -> bool:
    return start.startswith(GZIP) or start[TAR_MARK] == b"ustar"


def _stream(
    file: IO[bytes], name: str, target: Target, now: datetime, redactor: Redactor | None
) -> Recording:
    start = file.read(START)
    whole = archive.joined(start, file)
    if _is_archive(start):
        return _files(archive.read(whole, name), name, target, now, redactor)
    if start.startswith(b"PK"):
        raise UsageError(
            f"{name} is a .zip",
            input=name,
            expected="a .tar.gz or a folder",
            remedy="unpack it, and name the folder",
        )
    if tapefile.is_tape(start):
        return tapefile.read(lines(whole), name, redactor)
    return _files([File(Path(name).name, 0, whole)], name, target, now, redactor)


def _files(
    files: Iterable[File], name: str, target: Target, now: datetime, redactor: Redactor | None
) -> Recording:
    """Read files: a tape among them says all, else what else they are is taken together."""
    own, recording, collected = False, None, Collected(redactor)
    for file in files:
        if _is(file, FORMAT_FILE):
            own = True
            _refuse_newer(file, name)
        elif _is(file, TAPE_FILE):
            recording = tapefile.read(lines(file.content), f"{name}: {file.name}", redactor)
        elif not own:
            collected.take(file)
    if recording:
        return recording
    if own:
        raise UsageError(f"{name} is a bundle of acrcheck without its tape", input=name, expected=TAPE_FILE)
    return collected.recording(name, target, now)


def _is(file: File, wanted: str) -> bool:
    """Tell whether a file stands in a place of the layout, with or without the one folder above."""
    return file.name == wanted or file.name.partition("/")[2] == wanted


def _refuse_newer(file: File, name: str) -> None:
    text = file.content.read(64).decode(errors="replace").strip()
    if not text.isdecimal() or int(text) > FORMAT:
        raise UsageError(
            f"{name} has format {text[:20]!r}, and this acrcheck reads up to {FORMAT}",
            input=name,
            expected=f"a bundle of format {FORMAT} or older",
            remedy="install the acrcheck that wrote it, or a newer one",
        )


def lines(file: IO[bytes]) -> Iterator[bytes]:
    """Give the lines of a tape. Raises UsageError where it is larger than one can be."""
    total = 0
    while line := file.readline(tapefile.LONGEST_LINE + 1):
        total += len(line)
        if total > MOST_TAPE:
            raise UsageError(
                f"the tape has more than {MOST_TAPE >> 20} MiB: it is not read",
                input=f"{MOST_TAPE >> 20} MiB and more",
                expected="a tape as acrcheck wrote it",
            )
        yield line
