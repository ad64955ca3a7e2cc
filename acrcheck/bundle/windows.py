"""A text of any length as windows that overlap, so that no secret falls between two of them."""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator

from acrcheck.bundle.forms import Found

WINDOW = 1 << 20
"""Characters that are looked through at once."""
AHEAD = 1 << 16
"""Characters that are seen after what is given on: no secret, and no certificate beside it, is longer."""
BEHIND = 1 << 12
"""Characters that are seen again before what is new: the name under which it may stand."""
MOST = 1 << 22
"""Characters without an end to which a run of base64 may grow. What is longer is taken out unread."""
RUN = re.compile(r"[A-Za-z0-9+/_=%~.:@-]*")
LINE = re.compile(r"[ \t>|]*[A-Za-z0-9+/_-]{32,}={0,2}\r?")
UNREAD = re.compile(r"[A-Za-z0-9+/_=%~\s-]*")

Find = Callable[[str], list[Found]]
Replace = Callable[[str, list[Found]], str]


def decoded(chunks: Iterable[str] | Iterable[bytes]) -> Iterator[str]:
    """Give chunks as text; what is no UTF-8 becomes replacement characters."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in chunks:
        yield chunk if isinstance(chunk, str) else decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def replaced(chunks: Iterable[str], find: Find, replace: Replace) -> Iterator[str]:
    """Give a text with its secrets replaced, in memory that does not grow with it."""
    held, seen, unread = "", 0, False
    for chunk in chunks:
        held += chunk
        if unread:
            held = held[UNREAD.match(held).end() :]  # type: ignore[union-attr]  # it matches nothing, too
            unread = not held
        if len(held) - seen < WINDOW + AHEAD:
            continue
        found = find(held)
        until = _border(held, found, seen)
        if until > seen:
            yield _between(held, found, seen, until, replace)
            start = held.find("\n", max(0, until - BEHIND), until) + 1 or max(0, until - BEHIND)
            held, seen = held[start:], until - start
        elif len(held) - seen > MOST:
            yield replace(held[seen:], [Found(0, len(held) - seen, "unread")])
            held, seen, unread = "", 0, True
    yield _between(held, find(held), seen, len(held), replace)


def _between(text: str, found: list[Found], start: int, end: int, replace: Replace) -> str:
    """Replace what was found in a part of a text."""
    inside = [
        Found(
            max(item.start, start) - start,
            item.end - start,
            item.kind,
            item.plain or text[item.start : item.end],
        )
        for item in found
        if start < item.end <= end
    ]
    return replace(text[start:end], inside)


def _border(text: str, found: list[Found], seen: int) -> int:
    """Give how far a window can be given on: not within a secret, and not within what may be the start of one."""
    border = _run_start(text, len(text) - AHEAD, seen)
    for item in reversed(found):
        if item.start < border < item.end:
            return max(item.start, seen)
    return border


def _run_start(text: str, border: int, seen: int) -> int:
    """Give where the word, or the lines of base64, begin in which a border lies."""
    start = _word_start(text, border, seen)
    while start > seen and text[start - 1] == "\n":
        before = text.rfind("\n", seen, start - 1) + 1 or seen
        if not LINE.fullmatch(text, before, start - 1):
            break
        start = before
    return start


def _word_start(text: str, border: int, seen: int) -> int:
    """Give where the word begins that ends at a border: looked for from its end, which is near in most texts."""
    reach = 256
    while True:
        begin = max(seen, border - reach)
        run = RUN.match(text[begin:border][::-1])
        start = border - (run.end() if run else 0)
        if start > begin or begin == seen:
            return start
        reach *= 4
