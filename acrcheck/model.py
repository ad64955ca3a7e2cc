"""The words of the design as types: what a check declares, what it sees, what a run comes to."""

import re
import string
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from acrcheck.late import dataclass


class Status(StrEnum):
    """The outcome of one check on one subject."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIP = "skip"


class Level(StrEnum):
    """How bad an observation is."""

    FAIL = "fail"
    WARN = "warn"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing the API server may allow: a verb on a resource, in a namespace or (empty) everywhere."""

    verb: str
    resource: str
    namespace: str = ""
    group: str = ""
    subresource: str = ""

    @property
    def text(self) -> str:
        """The permission as an engineer reads it: `create pods/exec in namespace coder`."""
        where = f"in namespace {self.namespace}" if self.namespace else "in all namespaces"
        return f"{self.verb} {self.full_resource} {where}"

    @property
    def full_resource(self) -> str:
        """Resource, group and subresource as `kubectl auth can-i` takes them."""
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{name}/{self.subresource}" if self.subresource else name

    def can_i(self, kubectl: str = "kubectl") -> str:
        """Give the command that shows whether the permission is held."""
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        sub = f" --subresource={self.subresource}" if self.subresource else ""
        where = f" -n {self.namespace}" if self.namespace else " -A"
        return f"{kubectl} auth can-i {self.verb} {name}{sub}{where}"


class CannotLookError(Exception):
    """A check could not look: the engine reports `unknown` with this reason, never a guess.

    `permission` names what the API server refused; `remedy` is a command or a flag that would open the view.
    """

    def __init__(self, reason: str, *, permission: Permission | None = None, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.permission = permission
        self.remedy = remedy


class SubjectGoneError(CannotLookError):
    """The subject vanished while it was looked at: the engine looks once more, then says so."""


class NotApplicableError(Exception):
    """A check has nothing to look at. The engine reports `skip`, which is no failure.

    `blocked_by` names the check that stands in the way, where it is not an input that is missing.
    """

    def __init__(self, reason: str, *, blocked_by: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.blocked_by = blocked_by


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that can be seen: declared once, by the check that may see it.

    The placeholders of `text` are the values each observation must carry; `more` names values that
    only remedies need. `quotes` names the value that holds a program's own words: what they mean is evidence too.
    """

    id: str
    level: Level
    text: str
    more: tuple[str, ...] = ()
    quotes: str = ""

    @property
    def keys(self) -> frozenset[str]:
        """The names of the values an observation of this kind carries."""
        return placeholders(self.text) | frozenset(self.more)

    def __call__(self, **values: object) -> "Observation":
        """Make an observation. Raises TypeError when a declared value is missing or one is not declared."""
        given = frozenset(values) - {"evidence"}
        if given != self.keys:
            raise TypeError(f"{self.id} takes {sorted(self.keys)}, not {sorted(given)}")
        evidence = values.pop("evidence", {})
        if not isinstance(evidence, Mapping):
            raise TypeError(f"{self.id}: evidence is a mapping, not {type(evidence).__name__}")
        return Observation(self, {key: str(value) for key, value in values.items()}, dict(evidence))


def fail(id: str, text: str, *more: str, quotes: str = "") -> Kind:  # noqa: A002 - the field's own word
    """Declare a kind of observation that fails its check; `quotes` names the value that holds a program's words."""
    return Kind(id, Level.FAIL, text, more, quotes)


def warn(id: str, text: str, *more: str) -> Kind:  # noqa: A002 - the field's own word
    """Declare a kind of observation that warns."""
    return Kind(id, Level.WARN, text, more)


def note(id: str, text: str, *more: str) -> Kind:  # noqa: A002 - the field's own word
    """Declare a kind of observation that only speaks for or against causes."""
    return Kind(id, Level.NOTE, text, more)


def placeholders(text: str) -> frozenset[str]:
    """Name the `{values}` a text asks for."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)


BEHALF = "identity/"
"""How the word of a scope begins that names an identity: what is seen of one says nothing of another."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an observation or a result is about.

    `scope` names everything it lies on (`pod/x`, `node/y`): a cause seen at a node covers what
    fails in the pods there.
    """

    name: str = ""
    scope: frozenset[str] = frozenset()

    @property
    def behalf(self) -> str:
        """On whose behalf it was asked: the identity that the scope names; empty where it names none."""
        return next((item.removeprefix(BEHALF) for item in self.scope if item.startswith(BEHALF)), "")


EVERYTHING = Subject()


@dataclass(frozen=True, slots=True)
class Identities:
    """On whose behalf a registry is asked: a sentence for each, and the layers of causes that are of one alone."""

    sentences: Mapping[str, str] = field(default_factory=dict)
    layers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Observation:
    """Something seen: its kind, the values that fill the text, and evidence to quote (never a secret)."""

    kind: Kind
    values: dict[str, str]
    evidence: dict[str, Any] = field(default_factory=dict)
    check: str = ""
    subject: Subject = EVERYTHING

    def on(self, subject: Subject) -> "Observation":
        """Give the same observation of another subject: a check of many things says which one it means."""
        return replace(self, subject=subject)

    @property
    def id(self) -> str:
        """The id by which causes refer to it."""
        return self.kind.id

    @property
    def text(self) -> str:
        """What was seen, as a sentence."""
        return self.kind.text.format_map(self.values)


@dataclass(frozen=True, slots=True)
class Check:
    """One probe, as its file declares it.

    `look` is a generator function: it yields observations and returns the fact. Its parameters say what
    it needs (fact types, doors, the target). `each` runs it once per subject. `asks` are the (verb, resource)
    pairs it may put to the API server, with a third word "all" where it asks over all namespaces. An optional
    check may stay unknown without making the run inconclusive. `leave` is what `--allow` must name before it asks
    anything: what it asks counts for a run only then.
    """

    id: str
    title: str
    look: Callable[..., Any]
    sees: tuple[Kind, ...] = ()
    each: type | None = None
    asks: tuple[tuple[str, ...], ...] = ()
    optional: bool = False
    leave: str = ""
    gate: bool = False
    """True where it is made before an upgrade only: a run that is not that gate is without it."""
    category: str = ""
    place: str = ""

    @property
    def subject(self) -> str:
        """What it looks at, in words: `pod`, `named secret`."""
        name = self.each.__name__ if self.each else "subject"
        return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


@dataclass(frozen=True, slots=True)
class Remedy:
    """One step that mends a cause."""

    id: str
    text: str
    command: str
    when: tuple[str, ...]
    changes: bool
    who: str


@dataclass(frozen=True, slots=True)
class Decider:
    """Evidence that would decide between a cause and its neighbours, and the command that gets it."""

    evidence: str
    command: str
    between: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """Something said around a signature that makes causes more or less likely: by whom, of which host, at which step.

    It is there when one of its `texts` is and none of `unless`: in the same record, or anywhere in what was given when
    it is `wide`, as words of a person are.
    """

    id: str
    texts: tuple[str, ...]
    unless: tuple[str, ...] = ()
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """A text that a program prints when a cause is at work; `…` in it stands for anything in the same record.

    `…<guid>` stands for a word of that class only. It counts only where each context in `where` is, and none in
    `unless`.

    With `decides`, the text alone tells the cause from all others. `layer_reached` names the layers that are
    proven good where it is seen, `against` the causes it speaks against, `versions` and `source` where it is from.
    `weight` says how often it means this cause, relative to the 1 of others that share the text.
    """

    text: str
    program: str
    decides: bool = False
    versions: str = ""
    source: str = ""
    layer_reached: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    weight: float = 1.0
    where: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong: the front matter of one document of `checks/causes/` and its prose."""

    id: str
    title: str
    layer: str
    seen: tuple[str, ...]
    requires: tuple[tuple[str, ...], ...]
    supports: tuple[str, ...]
    contradicts: tuple[str, ...]
    hides: tuple[str, ...]
    """Layers of which nothing can be seen where it is at work, or only failures that it requires or is supported by."""
    neighbours: tuple[str, ...]
    means: str
    remedies: tuple[Remedy, ...]
    decides: tuple[Decider, ...]
    links: tuple[str, ...]
    prose: str
    place: str
    broader: str = ""
    signatures: tuple[Signature, ...] = ()
    contexts: tuple[tuple[Context, float], ...] = ()
    """What changes how likely it is, and by which factor; 0 excludes it."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """Somebody's word that a failure, a warning or an unknown may be, until a day, and why.

    It is of a check, of an observation, or of an observation of a check; `subject` is a pattern of the shell.
    """

    reason: str
    expires: date
    """The last day on which it holds, in UTC."""
    check: str = ""
    observation: str = ""
    subject: str = ""
    place: str = ""
    """File and line."""

    @property
    def what(self) -> str:
        """What it waives, in words."""
        what = " of ".join(name for name in (self.observation, self.check) if name)
        return f"{what} ({self.subject})" if self.subject else what


@dataclass(frozen=True, slots=True)
class Waived:
    """What became of a waiver in a run: how many results it covers, none where it has expired."""

    waiver: Waiver
    expired: bool
    covers: int


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to on one subject."""

    check: Check
    status: Status
    subject: Subject = EVERYTHING
    observations: tuple[Observation, ...] = ()
    reason: str = ""
    blocked_by: str = ""
    inconclusive: bool = False
    remedy: str = ""
    permission: Permission | None = None
    attempts: int = 1
    duration: float = 0.0
    traceback: str = ""
    waivers: tuple[Waiver, ...] = ()
    """By which it may be as it is: it is told, and does not count."""


@dataclass(frozen=True, slots=True)
class Step:
    """A remedy with its values filled in, ready to paste."""

    id: str
    text: str
    command: str
    changes: bool
    who: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause named by a run: how sure, what it explains, what would decide, and what mends it."""

    cause: Cause
    confidence: float
    observations: tuple[Observation, ...]
    explains: tuple[str, ...]
    blocks: tuple[str, ...]
    to_decide: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    behalf: str = ""
    """The identity of which it is named; empty where that makes no difference."""
    whose: str = ""
    """Which identity that is, as a sentence."""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all other findings: the same cause may be named of two identities."""
        return self.cause.id, self.behalf


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. Everything a renderer may show."""

    started: datetime
    finished: datetime
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    categories: tuple[tuple[str, str], ...]
    metadata: dict[str, str]
    interrupted: bool = False
    fail_on_warn: bool = False
    kubectl: str = "kubectl"
    """The kubectl command that acts where this run looked."""
    waived: tuple[Waived, ...] = ()
    """The waivers of the run's profile, and what became of them."""

    def count(self, status: Status) -> int:
        """How many results have this status and are not waived."""
        return sum(1 for result in self.results if result.status is status and not result.waivers)

    @property
    def expired(self) -> tuple[Waiver, ...]:
        """The waivers that hold no more: an old promise fails the run until it is kept or made anew."""
        return tuple(item.waiver for item in self.waived if item.expired)

    @property
    def exit_code(self) -> int:
        """0 all well, 1 something failed, 3 something needed is unknown, 130 interrupted."""
        if self.interrupted:
            return 130
        if self.expired or self.count(Status.FAIL) or (self.fail_on_warn and self.count(Status.WARN)):
            return 1
        return 3 if self.inconclusive else 0

    @property
    def inconclusive(self) -> bool:
        """True where something that is needed is unknown, and nobody waived it."""
        return any(result.inconclusive and not result.waivers for result in self.results)
