"""The tape: every question put to cluster and wire, with its answer.

Questions are kept in a canonical form; the same question asked again gets the next ordinal. What is kept is
what the checks saw: handles, never secrets. As a file it is one JSON object a line, the header first.
"""

import dataclasses
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from acrcheck.clock import Clock
from acrcheck.cluster.reader import Answer, Outcome
from acrcheck.model import Permission
from acrcheck.wire.door import Connected, Failure, Resolved, Response, Secret, Shaken, Trouble

ANSWERS: dict[str, Callable[..., Any]] = {
    "Answer": lambda **f: Answer(
        Outcome(f["outcome"]),
        f["body"],
        f["detail"],
        Permission(**f["permission"]) if f["permission"] else None,
    ),
    "Resolved": lambda addresses, chain: Resolved(tuple(addresses), tuple(chain)),
    "Connected": Connected,
    "Shaken": lambda names, **f: Shaken(names=tuple(names), **f),
    "Response": lambda headers, secrets, **f: Response(
        headers=tuple((key, value) for key, value in headers),
        secrets=tuple(Secret(**secret) for secret in secrets),
        **f,
    ),
    "Failure": lambda trouble, permission, **f: Failure(
        Trouble(trouble), permission=tuple(permission) if permission else None, **f
    ),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One question and its answer, with the time it was put and the seconds it took."""

    door: str
    question: str
    ordinal: int
    answer: dict[str, Any]
    at: str
    seconds: float


class NeverAskedError(Exception):
    """The tape has no answer to this question."""


class Tape:
    """Grows while a run asks; gives the same answers back afterwards. Safe for threads."""

    def __init__(
        self, entries: tuple[Entry, ...] = (), keep: Callable[[Entry], None] = lambda _: None
    ) -> None:
        self._lock = threading.Lock()
        self._keep = keep
        self._entries = list(entries)
        self._answers: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self._taken: dict[tuple[str, str], int] = defaultdict(int)
        for entry in sorted(entries, key=lambda entry: entry.ordinal):
            self._answers[entry.door, entry.question].append(entry.answer)

    def record(self, clock: Clock, door: str, question: Mapping[str, Any], ask: Callable[[], Any]) -> Any:
        """Put a question, keep what came, and give it on."""
        at, began = clock.now().isoformat(), clock.monotonic()
        answer = ask()
        text = canonical(question)
        kept = {"type": type(answer).__name__, **_plain(dataclasses.asdict(answer))}
        with self._lock:
            ordinal = self._taken[door, text]
            self._taken[door, text] += 1
            entry = Entry(door, text, ordinal, kept, at, round(clock.monotonic() - began, 4))
            self._entries.append(entry)
        self._keep(entry)
        return answer

    def answer(self, door: str, question: Mapping[str, Any]) -> Any:
        """Give the recorded answer. Raises NeverAskedError when this was not asked (or not so often)."""
        key = door, canonical(question)
        with self._lock:
            ordinal = self._taken[key]
            self._taken[key] += 1
            if ordinal >= len(self._answers[key]):
                raise NeverAskedError(key[1])
            fields = dict(self._answers[key][ordinal])
        return ANSWERS[fields.pop("type")](**fields)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything asked so far, in the order the answers came."""
        with self._lock:
            return tuple(self._entries)

    def dumps(self) -> str:
        """Give the tape as JSON lines."""
        return "".join(json.dumps(dataclasses.asdict(entry)) + "\n" for entry in self.entries)

    @classmethod
    def loads(cls, text: str) -> "Tape":
        """Read a tape back. Raises ValueError when it is none."""
        return cls(tuple(Entry(**json.loads(line)) for line in text.splitlines()))


def canonical(question: Mapping[str, Any]) -> str:
    """Write a question in the one form that equal questions share."""
    return json.dumps(_plain(question), sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Turn enums and tuples into what JSON gives back."""
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
