"""The tape as a file: JSON lines, the header first; written as the run asks, and read back whatever became of the run.

Nothing is written that has not been redacted. Each line is handed to the system at once, so that a run which crashes or
is killed leaves all that it had heard; a last line that was cut off is left out when the file is read.
"""

import dataclasses
import json
import threading
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, BinaryIO, Protocol

from acrcheck.bundle.store import Store
from acrcheck.bundle.tape import ANSWERS, Entry, Tape, canonical
from acrcheck.cluster.reader import Answer, Outcome
from acrcheck.errors import UsageError
from acrcheck.helm.values import ValuesFiles, veiled
from acrcheck.model import Level, Waiver
from acrcheck.run import Options
from acrcheck.target import Target

FORMAT = 1
"""The version of the format that is written. Every version up to it is read."""
KIND = "acrcheck-tape"
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one line: more than any answer has, of which the largest is a list of pods."""
Json = dict[str, Any]


class Redactor(Protocol):
    """What takes secrets out of all that is written."""

    @property
    def stand_ins(self) -> Mapping[str, Iterable[str]]:
        """What stands in place of names and addresses, by kind."""

    def learn(self, value: Any) -> None:
        """Take the names that are to be replaced from a value, before they are met in texts."""

    def text(self, text: str, place: str) -> str:
        """Redact a text."""

    def value(self, value: Any, place: str) -> Any:
        """Redact all texts of a JSON value."""

    def object(self, item: Json, place: str) -> Json:
        """Redact an object of Kubernetes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """What a replay must know of the run beside its questions and answers."""

    version: str
    """Of the acrcheck that asked."""
    started: datetime
    target: Target
    options: Options
    stand_ins: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """What stands in place of names and addresses, by kind: known when all is redacted."""

    def plain(self) -> Json:
        """Give it as JSON values."""
        values = self.target.values
        target = dataclasses.asdict(dataclasses.replace(self.target, values=None))
        if values is not None:
            target["values"] = {"files": list(values.files), "values": veiled(values.values)}
        return {
            "kind": KIND,
            "format": FORMAT,
            "version": self.version,
            "started": self.started.isoformat(),
            "target": {**target, "allow": sorted(target["allow"])},
            "options": _plain_options(self.options),
            **({"standIns": dict(self.stand_ins)} if self.stand_ins else {}),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """A tape that was read, with its header, and what was odd about it."""

    header: Header
    tape: Tape
    notes: tuple[str, ...] = ()
    store: Store | None = None
    """What is known beside the tape, of a recording that another tool made."""


class TapeFile:
    """Writes a tape, entry by entry. Safe for threads."""

    def __init__(self, file: BinaryIO, header: Header, redactor: Redactor) -> None:
        self._file = file
        self._redactor = redactor
        self._lock = threading.Lock()
        self.problem: OSError | None = None
        """Why entries could not be written; the run goes on without them."""
        redactor.learn(header.plain())
        self._write(_line_of(redactor.value(header.plain(), "tape/header")))

    def keep(self, entry: Entry) -> None:
        """Write an entry, or keep what stands in the way."""
        try:
            _learn(entry, self._redactor)
            self._write(_written(redacted(entry, self._redactor)))
        except OSError as error:
            self.problem = self.problem or error

    def _write(self, line: bytes) -> None:
        with self._lock:
            self._file.write(line)
            self._file.flush()


def _line_of(value: Json) -> bytes:
    return (json.dumps(value, separators=(",", ":")) + "\n").encode()


def _written(entry: Entry) -> bytes:
    """Give an entry's line; where it would be longer than can be read again, it says that instead of the answer."""
    line = _line_of(dataclasses.asdict(entry))
    if len(line) <= LONGEST_LINE:
        return line
    left = Answer(Outcome.NOT_RECORDED, detail=f"the answer is larger than {LONGEST_LINE >> 20} MiB")
    answer = {"type": "Answer", **dataclasses.asdict(left)}
    return _line_of(dataclasses.asdict(dataclasses.replace(entry, answer=answer)))


def _learn(entry: Entry, redactor: Redactor) -> None:
    redactor.learn(json.loads(entry.question))
    redactor.learn(entry.answer)


def redacted(entry: Entry, redactor: Redactor) -> Entry:
    """Give an entry without what must not be kept; objects of Kubernetes are redacted as such."""
    question = redactor.value(json.loads(entry.question), f"tape/{entry.door}/question")
    place = f"tape/{entry.door}/{question.get('verb', '')}"
    answer = dict(entry.answer)
    body = answer.pop("body", None)
    answer = redactor.value(answer, place)
    if "body" in entry.answer:
        answer["body"] = _redacted_body(body, str(question.get("verb")), redactor, place)
    return dataclasses.replace(entry, question=canonical(question), answer=answer)


def _redacted_body(body: Any, verb: str, redactor: Redactor, place: str) -> Any:
    if isinstance(body, str):
        return redactor.text(body, place)
    if verb == "get" and isinstance(body, dict):
        return redactor.object(body, place)
    if verb == "list" and isinstance(body, dict) and isinstance(body.get("items"), list):
        rest = {key: value for key, value in body.items() if key != "items"}
        items = [
            redactor.object(item, place) if isinstance(item, dict) else redactor.value(item, place)
            for item in body["items"]
        ]
        return {**redactor.value(rest, place), "items": items}
    return redactor.value(body, place)


def read(lines: Iterable[bytes], name: str, redactor: Redactor | None = None) -> Recording:
    """Read a tape, redacted once more if asked for.

    Raises:
        UsageError: it is no tape, one of a newer format, or broken elsewhere than in its last line.
    """
    first: Json | None = None
    entries: list[Entry] = []
    broken = ""
    for number, line in enumerate(lines, 1):
        if broken:
            raise _damaged(name, broken)
        try:
            value = _line(line)
            if first is None:
                _header(value, name)
                first = value
            else:
                entries.append(_entry(value))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            if first is None:
                raise _no_tape(name) from error
            broken = f"line {number} is no entry of a tape ({type(error).__name__})"
    if first is None:
        raise _no_tape(name)
    notes = (f"{name}: the last line was cut off; what it answered is not recorded",) if broken else ()
    recording = Recording(_header(first, name), Tape(tuple(entries)), notes)
    return again(recording, redactor) if redactor else recording


def again(recording: Recording, redactor: Redactor) -> Recording:
    """Redact a recording whole. All names are learned before the first text is looked at, so none comes too early."""
    plain, entries = recording.header.plain(), recording.tape.entries
    redactor.learn(plain)
    for entry in entries:
        _learn(entry, redactor)
    header = redactor.value(plain, "tape/header")
    entries = tuple(redacted(entry, redactor) for entry in entries)
    known = header.get("standIns", {})
    stand_ins = {
        kind: sorted({*known.get(kind, ()), *names}) for kind, names in redactor.stand_ins.items() if names
    }
    header["standIns"] = {**known, **stand_ins}
    return dataclasses.replace(recording, header=_header(header, "the tape"), tape=Tape(entries))


def dumps(recording: Recording) -> bytes:
    """Write a recording as a tape again."""
    return b"".join([_line_of(recording.header.plain()), *map(_written, recording.tape.entries)])


def is_tape(start: bytes) -> bool:
    """Tell whether a file that begins so is a tape."""
    return start.lstrip()[:1] == b"{" and f'"{KIND}"'.encode() in start.partition(b"\n")[0]


def _line(line: bytes) -> Json:
    if len(line) > LONGEST_LINE:
        raise ValueError("too long")
    value = json.loads(line.decode("utf-8"))
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def _header(value: Json, name: str) -> Header:
    if value.get("kind") != KIND:
        raise ValueError("no header")
    if not isinstance(value["format"], int) or value["format"] > FORMAT:
        raise UsageError(
            f"{name} has format {value['format']}, and this acrcheck reads up to {FORMAT}",
            input=name,
            expected=f"a tape of format {FORMAT} or older",
            remedy="install the acrcheck that wrote it, or a newer one",
        )
    started = datetime.fromisoformat(value["started"])
    if started.tzinfo is None:
        raise ValueError("no zone")
    return Header(
        str(value["version"]),
        started,
        _target(value["target"]),
        _options(value["options"]),
        {str(kind): tuple(map(str, names)) for kind, names in (value.get("standIns") or {}).items()},
    )


def _target(value: Json) -> Target:
    """Read the target; fields that this version does not know are another version's."""
    names = [field.name for field in dataclasses.fields(Target())]
    known: Json = {name: value[name] for name in names if name in value}
    if values := known.get("values"):
        known["values"] = ValuesFiles(tuple(values["files"]), values["values"], {})
    return Target(**{**known, "allow": frozenset(known.get("allow", ()))})


def _plain_options(options: Options) -> Json:
    value = dataclasses.asdict(dataclasses.replace(options, waivers=()))
    waivers = [{**dataclasses.asdict(item), "expires": item.expires.isoformat()} for item in options.waivers]
    return {
        **value,
        "severities": {name: str(level) for name, level in options.severities.items()},
        "waivers": waivers,
    }


def _options(value: Json) -> Options:
    known: Json = {
        field.name: value[field.name] for field in dataclasses.fields(Options) if field.name in value
    }
    known |= {key: tuple(map(str, known[key])) for key in ("only", "skip") if key in known}
    known["severities"] = {name: Level(level) for name, level in known.get("severities", {}).items()}
    known["waivers"] = tuple(
        Waiver(**{**item, "expires": date.fromisoformat(item["expires"])})
        for item in known.get("waivers", ())
    )
    return Options(**known)


def _entry(value: Json) -> Entry:
    """Read an entry, and try whether its answer can be given."""
    entry = Entry(**value)
    texts = (entry.door, entry.question, entry.at)
    if not all(isinstance(item, str) for item in texts) or not isinstance(entry.ordinal, int):
        raise TypeError("wrong fields")
    if not isinstance(json.loads(entry.question), Mapping):
        raise TypeError("no question")
    fields = dict(entry.answer)
    answer = ANSWERS[fields.pop("type")](**fields)
    if getattr(answer, "outcome", Outcome.OK) not in Outcome:
        raise ValueError("no outcome")
    return entry


def _damaged(name: str, what: str) -> UsageError:
    return UsageError(
        f"{name} is damaged: {what}",
        input=name,
        expected="a tape as acrcheck wrote it",
        remedy="copy it again, in binary mode",
    )


def _no_tape(name: str) -> UsageError:
    return UsageError(
        f"{name} is no tape of acrcheck",
        input=name,
        expected="what acrcheck run --report tape=FILE wrote",
    )
