"""Large texts: blocks, line numbers, memory."""

import io
import tracemalloc

import pytest

from acrcheck.text.normal import hidden
from acrcheck.text.pattern import patterns
from acrcheck.text.search import Search
from acrcheck.text.source import blocks
from tests.unit.text.catalogue import CAUSES, TEXTS

NOISE = 'I0712 19:14:01.807908       1 kubelet.go:2001] "SyncLoop" pod="a/b" n={}\n'
SEARCH = Search(patterns(CAUSES))


class Endless:
    """So many megabytes of a log, made when they are read; one line in it means something."""

    def __init__(self, megabytes: int) -> None:
        self.left = megabytes
        self.block = (NOISE.format(1) * ((1 << 20) // len(NOISE.format(1)))).encode()

    def read(self, size: int = -1) -> bytes:
        """Give the next megabyte."""
        self.left -= 1
        return self.block if self.left > 0 else f"{TEXTS['denied']}\n".encode() if self.left == 0 else b""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_numbers_hold_over_blocks(ending: str) -> None:
    """The line of a find is that of the file, however many blocks came before."""
    lines = [NOISE.format(number).rstrip() for number in range(30_000)]
    lines[29_000] = f"E0712 19:14:02.8 1 a.go:1] {TEXTS['expired']}"
    found = SEARCH.look(io.BytesIO(ending.join(lines).encode()))

    assert {sighting.line for record in found.records for sighting in record.sightings} == {29_001}


@pytest.mark.parametrize("size", [64, 100, 1000, 5000])
def test_where_a_block_ends_changes_nothing(size: int) -> None:
    """A record is never cut, as long as its lines say where it begins."""
    text = "".join(
        f"E0712 19:14:0{number}.8 1 a.go:1] {text}\n" for number, text in enumerate(TEXTS.values())
    ).encode()
    parts = list(blocks(io.BytesIO(text), size))

    assert b"".join(part.data for part in parts) == text
    assert [part.line for part in parts] == [
        1 + b"".join(other.data for other in parts[:number]).count(b"\n") for number in range(len(parts))
    ]


def test_memory_does_not_grow_with_the_text() -> None:
    """Forty megabytes take no more than ten do."""
    peaks = []
    for megabytes in (10, 40):
        tracemalloc.start()
        found = SEARCH.look(Endless(megabytes))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert [sighting.pattern.text for record in found.records for sighting in record.sightings]

    assert peaks[1] < peaks[0] * 1.2


def test_one_line_without_end_is_read_in_parts() -> None:
    """A file without a line break is no reason to hold it whole."""
    data = b"word " * 300_000 + TEXTS["denied"].encode()
    parts = list(blocks(io.BytesIO(data), 1 << 18))

    assert max(len(part.data) for part in parts) < 1 << 20
    assert SEARCH.look(io.BytesIO(data)).records


@pytest.mark.parametrize(
    "secret",
    [
        "Authorization: Bearer abcdefghijklmnopqrstuvwx",
        '{"access_token":"abcdefghijklmnop"}',
        'refresh_token=\\"abcdefghijklmnop\\"',
        "eyJhbGciOiJSUzI1NiJ9.eyJhcHBpZCI6IjEifQ.c2lnbmF0dXJl",
        "https://x.blob.core.windows.net/a?sv=1&sig=abcdefghijklmnop%3D",
        "docker login --password=abcdefghijklmnop",
    ],
)
def test_what_is_quoted_has_no_secret(secret: str) -> None:
    """A token in the line that is shown is taken out; the line stays readable."""
    text = hidden(f"before {secret} after")

    assert "HIDDEN" in text
    assert not any(part in text for part in ("abcdefghijklm", "eyJhcHBpZ", "c2lnbmF0"))
    assert text.startswith("before ")
    assert text.endswith(" after")


@pytest.mark.parametrize(
    "line",
    [
        "failed to fetch anonymous token: unexpected status: 401 Unauthorized",
        "the secret: regcred-for-coder was not found",
        "invalid password: authentication required",
    ],
)
def test_words_after_a_name_are_no_secret(line: str) -> None:
    """What an error says about a token or a password stays readable."""
    assert hidden(line) == line
