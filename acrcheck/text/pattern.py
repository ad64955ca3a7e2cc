"""One text that programs print, ready to be found whatever stands where its `…` are."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from acrcheck.model import Cause, Signature
from acrcheck.text.normal import normal

ANYTHING = "…"
OPEN = re.compile(r"…(?!<)")
"""A gap for whatever words stand there."""
CLASSED = re.compile(r"…<([a-z-]+)>")
"""A gap for one word of a class."""
PRIVATE = r"(?:10\.|127\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)"
CLASSES = {
    "guid": r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
    "number": r"\d+",
    "private-address": rf"{PRIVATE}[\d.]+",
    "public-address": rf"(?!{PRIVATE}|169\.254\.)\d{{1,3}}(?:\.\d{{1,3}}){{3}}",
}
"""What may stand for a gap of a class, in normal form."""
STATUS = 3
"""The digits of the shortest number that says something: a status."""
GAP = 300
"""The most characters that may stand for one `…`."""
WORD = re.compile(r"[a-z0-9_]+")
TOKEN = re.compile(r"…<[a-z-]+>|[a-z0-9_]+|[^\sa-z0-9_]")
IGNORED = "\"'`\\"
BETWEEN = r"[\s\"'`\\]{0,40}"
APART = r"[\s\"'`\\]{1,40}"
INFORMATION = "not-a-failure"
"""The document of lines that are taken for errors and are none."""
COMMON = frozenset(
    {
        *(
            "azure",
            "azurecr",
            "container",
            "containers",
            "credential",
            "credentials",
            "error",
            "failed",
            "failure",
        ),
        *(
            "http",
            "https",
            "identity",
            "image",
            "images",
            "info",
            "level",
            "login",
            "manifest",
            "message",
            "microsoft",
        ),
        *("authentication", "authorization", "code", "kubelet", "namespace", "pull", "registry", "request"),
        *("resource", "response", "server", "service", "status", "token", "warning"),
    }
)
"""Words so frequent that looking for them finds everything."""


@dataclass(frozen=True)
class Pattern:
    """A text in its normal form, and the causes of which it speaks, each with its own signature.

    One without a meaning is of a context: it is noted where something else is found, and never looked for.
    """

    text: str
    meanings: tuple[tuple[Cause, Signature], ...]
    noted: bool = False
    """True when a context is known by it."""

    @cached_property
    def calm(self) -> bool:
        """True when it is said while all is well."""
        return bool(self.meanings) and all(cause.id == INFORMATION for cause, _ in self.meanings)

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """What stands between the `…`."""
        text = CLASSED.sub(ANYTHING, self.text)
        return tuple(piece for piece in text.split(ANYTHING) if piece.strip())

    @cached_property
    def words(self) -> frozenset[str]:
        """The words that a record must have to contain it.

        One that touches a `…` may be a part of a word, and counts only where there is no other.
        """
        text = CLASSED.sub(ANYTHING, self.text)
        whole = re.sub(rf"[a-z0-9_]+(?={ANYTHING})|(?<={ANYTHING})[a-z0-9_]+", " ", text)
        return frozenset(WORD.findall(whole) or WORD.findall(text))

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """All its words but the shortest numbers."""
        words = WORD.findall(CLASSED.sub(ANYTHING, self.text))
        return frozenset(word for word in words if not word.isdecimal() or len(word) >= STATUS)

    @cached_property
    def encoded(self) -> frozenset[bytes]:
        """The same as bytes."""
        return frozenset(word.encode() for word in self.words)

    @cached_property
    def anchor(self) -> str:
        """The word by which it is looked for: a long one that is not in every log; empty when it has none."""
        return max(self.words, key=lambda word: (word not in COMMON, len(word), word), default="")

    @cached_property
    def letters(self) -> int:
        """How much of it is letters and digits: the longer, the more it says."""
        return sum(len(word) for word in WORD.findall(self.text))

    @cached_property
    def _expressions(self) -> tuple[re.Pattern[str], ...]:
        pieces = OPEN.split(self.text)
        return tuple(
            re.compile(_expression(piece, bool(number), number < len(pieces) - 1))
            for number, piece in enumerate(pieces)
            if piece.strip()
        )

    def find(self, text: str) -> tuple[int, int] | None:
        """Find its first place in a text in normal form: where it begins and ends."""
        first, *rest = self._expressions
        for found in first.finditer(text):
            end = found.end()
            for expression in rest:
                following = expression.search(text, end, end + GAP + 200)
                if following is None or following.start() > end + GAP:
                    break
                end = following.end()
            else:
                return found.start(), end
        return None


def _expression(piece: str, after: bool, before: bool) -> str:
    """Make the expression for a piece; at an end that touches a `…`, a word may go on."""
    tokens = [token for token in TOKEN.findall(piece) if token not in IGNORED]
    made = []
    for number, token in enumerate(tokens):
        if number:
            words = bool(WORD.match(token)) and bool(WORD.match(tokens[number - 1]))
            made.append(APART if words else BETWEEN)
        named = CLASSED.fullmatch(token)
        made.append(CLASSES[named[1]] if named else re.escape(token))
    left = not after or piece[0].isspace()
    right = not before or piece[-1].isspace()
    lead = r"(?<![a-z0-9_])" if left and tokens and WORD.match(tokens[0]) else ""
    tail = r"(?![a-z0-9_])" if right and tokens and WORD.match(tokens[-1]) else ""
    return lead + "".join(made) + tail


def patterns(causes: Iterable[Cause]) -> tuple[Pattern, ...]:
    """Collect the signatures and contexts of all causes; one text that several causes share is one pattern."""
    shared: dict[str, list[tuple[Cause, Signature]]] = {}
    noted: set[str] = set()
    for cause in causes:
        for signature in cause.signatures:
            shared.setdefault(plain(signature.text), []).append((cause, signature))
        for context, _ in cause.contexts:
            noted.update(map(plain, (*context.texts, *context.unless)))
    texts = [*shared, *sorted(noted - shared.keys())]
    return tuple(Pattern(text, tuple(shared.get(text, ())), text in noted) for text in texts)


def plain(text: str) -> str:
    """Give a signature's text in the form in which it is compared."""
    folded = " ".join(normal(text).split())
    return folded.strip(f" .,;{ANYTHING}")
