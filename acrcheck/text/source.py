"""Text of any size and encoding as blocks of UTF-8 bytes, cut where a record begins."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = 1 << 19
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


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Give at most so many bytes, none at the end."""
        ...


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
