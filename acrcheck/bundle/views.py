"""Other readings of a text: without its escapes, without its percent signs, with its broken lines joined.

A secret is found in the reading in which it is plain, and taken out of the text where it stands in whatever form.
"""

import base64
import binascii
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\"'`/\\nrt]))|&(?:quot|apos|amp|lt|gt|#\d{2,4}|#x[0-9a-fA-F]{2,4});"
)
WHITE = {"n": "\n", "r": "\r", "t": "\t"}
PERCENT = re.compile(r"%([0-9a-fA-F]{2})")
RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
"""What may be base64, or a token of a fixed form."""
NEXT = re.compile(r"(?:[ \t]*\r?\n|(?:\\+r)?\\+n)[ \t>|]*([A-Za-z0-9+/_-]{2,}={0,2})(?=[\s\"'\\,}<]|$)")
"""Base64 that goes on in the next line, with nothing else in it."""
HOT = re.compile(
    r"pass|pwd|secret|token|cred|auth|cookie|sess|key|sig|assertion|conn|dockerc|basic|bearer|login|user|-u|literal|mii"
    r"|\\u00|\\x|:\\+/|&#|://|%3a%2f%2f|%2ba|%40|%[467][0-9a-f]|private|q~|@tcp"
)
"""What a line has that is worth another reading, in small letters."""
APART = "\n\0\n"
"""What stands in a reading for the lines that are left out: no secret goes on over it."""
OTHERS = bytes(
    byte if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "+/=_-") else 32
    for byte in range(256)
)
"""A space for all that is not of a run."""
SHORTEST = 16
GZIP = b"\x1f\x8b"
MOST = 8 * 1024 * 1024
"""Bytes that are unpacked at most."""


class View:
    """A reading of a text that knows from where in the text each of its characters comes."""

    def __init__(self, text: str, marks: Iterable[tuple[int, int, str]]) -> None:
        pieces: list[str] = []
        self._here = [0]
        self._there = [0]
        self._until = [0]
        here = there = 0
        for start, end, read in marks:
            pieces += (text[there:start], read)
            here += start - there
            self._add(here, start, end)
            here += len(read)
            self._add(here, end, 0)
            there = end
        self.text = "".join([*pieces, text[there:]])

    def _add(self, here: int, there: int, until: int) -> None:
        """Note where a mark (it lasts `until`) or what follows one begins."""
        self._here.append(here)
        self._there.append(there)
        self._until.append(until)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Give the place in the text of a part of the reading."""
        first, last = bisect_right(self._here, start) - 1, bisect_right(self._here, end - 1) - 1
        begin = self._there[first] + (0 if self._until[first] else start - self._here[first])
        return begin, self._until[last] or self._there[last] + end - self._here[last]


def without_escapes(text: str, small: str) -> View | None:
    """Read the lines that may hold a secret as JSON, a shell or HTML reads quotes: one level less of escapes.

    `small` is the text in small letters. None when there is nothing to be read otherwise.
    """
    return _read(text, small, "\\&", ESCAPE, _unescaped) if "\\" in text or "&" in text else None


def _unescaped(mark: re.Match[str]) -> str:
    code, byte, character = mark.groups()
    if code or byte:
        return chr(int(code or byte, 16))
    if character:
        return WHITE.get(character, character)
    from html import unescape

    return unescape(mark[0])


def without_percent(text: str, small: str) -> View | None:
    """Read the lines that may hold a secret as a URL's part is read. Bytes beyond ASCII give one character each."""
    return _read(text, small, "%", PERCENT, lambda mark: chr(int(mark[1], 16))) if "%" in text else None


def _read(
    text: str,
    small: str,
    signs: str,
    marks: re.Pattern[str],
    reading: Callable[[re.Match[str]], str],
) -> View | None:
    found: list[tuple[int, int, str]] = []
    last = 0
    changed = False
    for start, end in _lines(text, signs):
        if HOT.search(small, start, end):
            found.append((last, start, APART))
            for mark in marks.finditer(text, start, end):
                found.append((*mark.span(), reading(mark)))
                changed = True
            last = end
    found.append((last, len(text), APART))
    return View(text, found) if changed else None


def _lines(text: str, signs: str) -> Iterator[tuple[int, int]]:
    """Give the places of the lines that hold one of the signs."""
    end = 0
    ahead = [place for sign in signs if (place := text.find(sign)) >= 0]
    while ahead:
        start = text.rfind("\n", end, min(ahead)) + 1 or end
        end = text.find("\n", min(ahead))
        end = len(text) if end < 0 else end
        yield start, end
        passed = [text[place] for place in ahead if place < end]
        ahead = [place for place in ahead if place >= end]
        ahead += [place for sign in passed if (place := text.find(sign, end)) >= 0]


def runs(text: str) -> Iterator[re.Match[str]]:
    """Find what may be base64, or a token of a fixed form.

    What has no capital letter is a digest, a path or a name: of a hundred thousand pairs in base64 six have none.
    """
    place = 0
    for word in text.encode("latin-1", "replace").translate(OTHERS).split():
        if len(word) >= SHORTEST and not word.islower():
            place = text.find(word.decode(), place)
            yield from RUN.finditer(text, place, place + len(word))
            place += len(word)


def joined(text: str, end: int) -> tuple[int, str]:
    """Give where base64 that reaches a line's end comes to its own end, and what is in the lines that follow."""
    pieces = []
    while following := NEXT.match(text, end):
        pieces.append(following[1])
        end = following.end()
    return end, "".join(pieces)


def decoded(run: str) -> str | None:
    """Give the text that base64 stands for; empty when it stands for none, None when it is too much to look through."""
    bare = run.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        bare = bare[:-1]
    try:
        content = base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return ""
    if content.startswith(GZIP):
        unpacked = _unpacked(content)
        if unpacked is None:
            return None
        content = unpacked
    wide = content[1:64:2].count(0) > len(content[1:64:2]) // 2
    try:
        text = content.decode("utf-16-le" if wide else "utf-8")
    except UnicodeDecodeError:
        return ""
    return text if _is_text(text) else ""


def _unpacked(content: bytes) -> bytes | None:
    unzip = zlib.decompressobj(wbits=31)
    try:
        unpacked = unzip.decompress(content, MOST)
    except zlib.error:
        return b""
    return None if unzip.unconsumed_tail else unpacked


def _is_text(text: str) -> bool:
    return text.isprintable() or "".join(text[:4096].split()).isprintable()
