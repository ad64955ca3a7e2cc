"""Text of any size and encoding as blocks of UTF-8 bytes, cut where a record begins."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = 1 << 19
AROUND = 4096
"""The most of a line that is looked at to tell where a record begins."""
LOOK_BACK = 1 << 16
"""The bytes at the end of a block in which the start of a record is looked for."""
BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
RECORD = re.compile(
    rb"""^[ \t>|"']*(?:
      [IWEF]\d{4}\ \d\d:\d\d:            # klog, glog
    | \[?\d{4}[-/]\d\d[-/]\d\d[T\ ]      # ISO dates
    | \[?\d\d[-/]\d\d[-/]\d{4}\ \d\d:    # the other way round
    | \[?\d\d:\d\d:\d\d[\ .,]
    | [A-Z][a-z]{2}\ [ \d]\d\ \d\d:\d\d: # syslog
    | time="?\d | ts=\d | level=[a-z]
    | \{"(?:ts|time|timestamp|level|severity|log|msg|stream)":
    | (?:Warning|Normal)[ \t]+[A-Z][A-Za-z]+[ \t]
    | (?:\d+[smhd])+[ \t]+(?:Warning|Normal)[ \t]
    )""",
    re.MULTILINE | re.VERBOSE,
)
"""How a line looks that begins a new record; what follows without it belongs to the record before."""
STAMP = re.compile(
    rb"""[ \t>|"']*(?:
      (\d{4}[-/]\d\d[-/]\d\d[T\ ]\d\d:\d\d:\d\d)[.,\d]*(?:Z|[+-]\d\d:?\d\d)?
    | ([A-Z][a-z]{2}\ [ \d]\d\ \d\d:\d\d:\d\d)(?:\ [\w.-]+\ [\w./-]+(?:\[\d+\])?:)?
    )(?:\ std(?:out|err)\ ([PF]))?(?:[ \t]|$)""",
    re.VERBOSE | re.MULTILINE,
)
"""What collectors write before every line: the time, and a container runtime's mark of a part (P) or an end (F)."""
AFRESH = re.compile(
    rb"""[IWEF]\d{4}\ \d\d:|time=|ts=|level=|\{"|\[|(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL|NOTICE)""",
    re.IGNORECASE,
)
"""How a program's own record begins after that."""
LEFT_OPEN = (b":", b",", b"(", b"[", b"{", b"=")
GOES_ON = re.compile(rb"[ \t\])}]|\.\.\.|at\ |Caused\ by|--->|caused\ by")


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Give at most so many bytes, none at the end."""
        ...


def begins(data: bytes, at: int) -> bool:
    """Tell whether a record begins with the line there, and not only a further line of one, stamped like the first."""
    if not RECORD.match(data, at):
        return False
    before = data.rfind(b"\n", 0, max(0, at - 1)) + 1
    return at == 0 or not _goes_on(data[before:at].rstrip(b"\r\n"), data[at : at + AROUND].split(b"\n", 1)[0])


def unstamped(line: str) -> str:
    """Leave out what a collector wrote before a further line of a record."""
    found = STAMP.match(line.encode()[:AROUND])
    return line[len(found[0].decode()) :] if found else line


def _goes_on(first: bytes, second: bytes) -> bool:
    """Tell whether a stamped line continues one that was stamped in the same second."""
    one, other = STAMP.match(first), STAMP.match(second)
    if one is None or other is None or one.group(1, 2) != other.group(1, 2):
        return False
    if one[3] == b"P":
        return True
    said, more = first[one.end() :].rstrip(), second[other.end() :]
    if not said or AFRESH.match(more):
        return False
    return said.endswith(LEFT_OPEN) or said.count(b'"') % 2 == 1 or bool(GOES_ON.match(more))


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole lines, as UTF-8 with whatever bytes were invalid left as they were."""

    data: bytes
    line: int
    """The number of its first line, from 1."""
    whole: bool
    """True when it is all there is."""


def blocks(stream: Readable, size: int = BLOCK) -> Iterator[Block]:
    """Give the text block by block; memory is bounded by a few blocks, even where there is no line break."""
    line = 1
    held = b""
    first = True
    for chunk, last in _ahead(_utf8(stream, size)):
        data = held + chunk
        cut = len(data) if last else _cut(data)
        block, held = data[:cut], data[cut:]
        if block:
            yield Block(block, line, first and last)
            first = False
            line += block.count(b"\n")


def _ahead(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Give each chunk and whether it is the last."""
    before = next(chunks, None)
    for chunk in chunks:
        if before is not None:
            yield before, False
        before = chunk
    if before is not None:
        yield before, True


def _cut(data: bytes) -> int:
    """Find where a block may end: before a record, else after a line, else after a word."""
    start = max(0, len(data) - LOOK_BACK)
    start = data.find(b"\n", start) + 1
    begins = [match.start() for match in RECORD.finditer(data, start)] if start else []
    if begins:
        return begins[-1]
    return data.rfind(b"\n") + 1 or data.rfind(b" ") + 1 or len(data)


def _utf8(stream: Readable, size: int) -> Iterator[bytes]:
    """Give the bytes as UTF-8, whatever Unicode encoding they came in."""
    head = stream.read(size)
    encoding = _encoding(head)
    if not encoding:
        while head:
            yield head
            head = stream.read(size)
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while head:
        yield decoder.decode(head).encode("utf-8", "replace")
        head = stream.read(size)
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _encoding(head: bytes) -> str:
    """Name the encoding when it is not of one byte per ASCII letter; empty when it is."""
    sample = head[:4096]
    for bom, name in BOMS:
        if head.startswith(bom) and 0 in sample:
            return name
    if sample.count(0) * 4 < len(sample):
        return ""
    return "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
