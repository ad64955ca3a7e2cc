"""From the signatures found in a text to ranked causes.

A signature found is an observation. What decides goes before what suggests, the longer text before the shorter
one that lies in it, and in an aggregate of errors the first before those that followed from it. What a text speaks
against, and what lies in a layer that it proves good, is left out. Confidence is shared among the causes that the
text leaves: it is above 0.9 only where one signature decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from acrcheck.diagnosis import deciders
from acrcheck.model import Cause, Finding, Kind, Level, Observation, Signature
from acrcheck.text.context import factor, present, told_widely
from acrcheck.text.search import Record, Sighting

SURE = 0.95
"""The confidence where a signature decides: a text may be quoted from elsewhere, or be of another day."""
UNSURE = 0.8
"""The most that signatures may give together that only suggest."""
RESEMBLING = 0.5
"""The most where no signature stands as it is, and some are resembled."""
DECIDING = 4.0
ECHO = 0.15
"""What a later error of an aggregate counts: it mostly follows from the first."""
WITHIN = 0.5
"""What a text counts that lies in a longer one."""
AGAIN = 0.3
"""What each further signature of a cause adds."""
ELSEWHERE = 0.25
"""What a cause counts of which a text only speaks beside one that decides."""
UNSEEN = 0.3
"""What a neighbour counts of which nothing was seen, and against which the text does not decide."""
MANY = 4
"""Of so many causes of which a text speaks, no neighbour is named of which it does not."""
ENOUGH_LETTERS = 60
COMMANDS = {"kubectl": "kubectl", "helm": "helm"}
"""A text does not say which cluster it is of: the commands are those of the current context."""
SHOWN = 5
SIGHTED = Kind("signature", Level.FAIL, "{why}", ("line", "text", "program", "signature"))


@dataclass(slots=True)
class _Suspect:
    """A cause, what speaks for it, and how much."""

    cause: Cause
    weights: dict[str, float] = field(default_factory=dict)
    """By the text of the signature: the most that any of its places counts."""
    sightings: dict[str, tuple[Sighting, Signature]] = field(default_factory=dict)
    records: set[int] = field(default_factory=set)
    decided: bool = False

    def add(
        self, sighting: Sighting, signature: Signature, weight: float, record: int, decided: bool
    ) -> None:
        """Take a place at which a signature of the cause stands."""
        text = sighting.pattern.text
        if weight > self.weights.get(text, 0.0):
            self.weights[text] = weight
            self.sightings[text] = (sighting, signature)
        self.records.add(record)
        self.decided = self.decided or decided

    @property
    def exact(self) -> bool:
        """True when a signature of it stands there as it is."""
        return any(sighting.likeness == 1 for sighting, _ in self.sightings.values())

    @property
    def weight(self) -> float:
        """How much speaks for it: the strongest, and a part of all others."""
        most = max(self.weights.values(), default=0.0)
        return most + AGAIN * (sum(self.weights.values()) - most)


def rank(records: Iterable[Record], causes: Iterable[Cause], layers: tuple[str, ...]) -> tuple[Finding, ...]:
    """Name the causes of which a text speaks, most likely first."""
    known = {cause.id: cause for cause in causes}
    records = tuple(records)
    wide = told_widely(known.values(), (record.told for record in records))
    suspects = _suspects(records, wide)
    decided = [each for each in suspects.values() if each.decided]
    unsure = [each for each in suspects.values() if not each.decided]
    found = [finding for group in _groups(decided) for finding in _sure(group, known)]
    found += [finding for group in _groups(unsure) for finding in _unsure(group, decided, known)]
    return tuple(
        sorted(found, key=lambda item: (-item.confidence, layers.index(item.cause.layer), item.cause.id))
    )


def _suspects(records: tuple[Record, ...], wide: frozenset[str]) -> dict[str, _Suspect]:
    suspects: dict[str, _Suspect] = {}
    for number, (record, excluded) in enumerate(zip(records, _exclusions(records), strict=True)):
        told = record.told | wide
        first = min((each.element for each in record.sightings), default=0)
        for sighting in record.sightings:
            follows = sighting.element > first
            within = any(sighting.within(other) for other in record.sightings)
            for cause, signature in _meanings(sighting, told):
                decided = signature.decides and not follows and sighting.likeness == 1
                if not decided and (cause.id in excluded.causes or cause.layer in excluded.layers):
                    continue
                weight = signature.weight * min(1.0, 0.2 + sighting.pattern.letters / ENOUGH_LETTERS)
                weight *= (ECHO if follows else 1.0) * (WITHIN if within else 1.0)
                weight *= sighting.likeness**2
                weight *= DECIDING if decided else factor(cause, told)
                if weight:
                    suspect = suspects.setdefault(cause.id, _Suspect(cause))
                    suspect.add(sighting, signature, weight, number, decided)
    return suspects


def _meanings(sighting: Sighting, told: frozenset[str]) -> Iterable[tuple[Cause, Signature]]:
    """Give the causes that a signature means in the contexts told."""
    for cause, signature in sighting.pattern.meanings:
        there = {context.id for context, _ in cause.contexts if present(context, told)}
        if there.issuperset(signature.where) and there.isdisjoint(signature.unless):
            yield cause, signature


@dataclass(frozen=True, slots=True)
class _Excluded:
    """What is not the matter in a record unless a text decides it."""

    causes: frozenset[str] = frozenset()
    layers: frozenset[str] = frozenset()

    def __or__(self, other: "_Excluded") -> "_Excluded":
        return _Excluded(self.causes | other.causes, self.layers | other.layers)


def _exclusions(records: tuple[Record, ...]) -> list[_Excluded]:
    """Tell for each record what it speaks against, or another does that names one of its hosts or pods."""
    own = [_excluded(record) for record in records]
    of_subject: dict[str, _Excluded] = {}
    for record, excluded in zip(records, own, strict=True):
        for subject in record.subjects:
            of_subject[subject] = of_subject.get(subject, _Excluded()) | excluded
    return [
        reduce(or_, (of_subject[subject] for subject in sorted(record.subjects)), excluded)
        for record, excluded in zip(records, own, strict=True)
    ]


def _excluded(record: Record) -> _Excluded:
    exact = [each for each in record.sightings if each.likeness == 1]
    signatures = [signature for each in exact for _, signature in _meanings(each, record.told)]
    return _Excluded(
        frozenset(name for signature in signatures for name in signature.against),
        frozenset(layer for signature in signatures for layer in signature.layer_reached),
    )


def _hides(hider: _Suspect, other: _Suspect) -> bool:
    """Of two causes that texts decide, the one may explain the other."""
    return (
        other.cause.layer in hider.cause.hides
        and hider.cause.layer not in other.cause.hides
        and other.cause.id not in hider.cause.neighbours
    )


def _near(one: Cause, other: Cause) -> bool:
    return other.id in one.neighbours or one.id in other.neighbours


def _groups(suspects: Iterable[_Suspect]) -> list[list[_Suspect]]:
    """Put together the causes of which one or the other is true: those of the same records, and neighbours."""
    groups: list[list[_Suspect]] = []
    for suspect in suspects:
        touching = [group for group in groups if any(_together(suspect, other) for other in group)]
        groups = [group for group in groups if group not in touching]
        groups.append([suspect, *(other for group in touching for other in group)])
    return groups


def _together(one: _Suspect, other: _Suspect) -> bool:
    return bool(one.records & other.records) or _near(one.cause, other.cause)


def _sure(group: list[_Suspect], known: dict[str, Cause]) -> Iterable[Finding]:
    """Share the confidence among causes that texts decide; where one may explain another, that one is less."""
    total = sum(each.weight for each in group)
    for each in group:
        hidden = any(_hides(other, each) for other in group)
        confidence = SURE * each.weight / total * (ELSEWHERE if hidden else 1.0)
        yield _finding(each, confidence, _to_decide(each.cause, group, known))


def _unsure(group: list[_Suspect], decided: list[_Suspect], known: dict[str, Cause]) -> Iterable[Finding]:
    """Share what confidence there is among causes of which texts only speak."""
    most = max(each.weight for each in group)
    unseen = [] if decided or len(group) >= MANY else _unseen(group, known)
    explaining = [other for other in decided if any(_together(other, each) for each in group)]
    total = sum(each.weight for each in (*group, *explaining)) + UNSEEN * most * len(unseen)
    sure = UNSURE if any(each.exact for each in group) else RESEMBLING
    share = sure / total * (ELSEWHERE if decided else 1.0)
    for each in group:
        yield _finding(each, share * each.weight, _to_decide(each.cause, (*group, *explaining), known))
    for cause in unseen:
        confidence = round(share * UNSEEN * most, 2)
        yield Finding(cause, confidence, (), (), (), _to_decide(cause, group, known), ())


def _unseen(group: list[_Suspect], known: dict[str, Cause]) -> list[Cause]:
    """Give the causes that the same text could mean, though none of their signatures is in it."""
    seen = {each.cause.id for each in group}
    return [
        cause
        for cause in known.values()
        if cause.id not in seen and any(_asked_between(each.cause, cause) for each in group)
    ]


def _asked_between(one: Cause, other: Cause) -> bool:
    """Tell whether the document of one of two causes says what would decide between them."""
    return any(
        there.id in item.between for here, there in ((one, other), (other, one)) for item in here.decides
    )


def _to_decide(
    cause: Cause, group: Iterable[_Suspect], known: dict[str, Cause]
) -> tuple[tuple[str, str], ...]:
    """Give what would tell a cause from the others of its group, whichever document says so."""
    others = {each.cause.id for each in group} - {cause.id}
    found = dict.fromkeys(deciders(cause, others, COMMANDS) if others else ())
    for name in sorted(others):
        if any(cause.id in item.between for item in known[name].decides):
            found |= dict.fromkeys(deciders(known[name], {cause.id}, COMMANDS))
    return tuple(found)


def _finding(suspect: _Suspect, confidence: float, to_decide: tuple[tuple[str, str], ...]) -> Finding:
    shown = sorted(suspect.sightings.values(), key=lambda item: -suspect.weights[item[0].pattern.text])
    observations = tuple(_observation(*item) for item in shown[:SHOWN])
    return Finding(suspect.cause, round(confidence, 2), observations, (), (), to_decide, ())


def _observation(sighting: Sighting, signature: Signature) -> Observation:
    told = "which decides it" if signature.decides else "which speaks for it"
    if sighting.likeness < 1:
        why = f"it is like what {signature.program} says, “{signature.text}”"
    else:
        why = f"{signature.program} says “{signature.text}”, {told}"
    return SIGHTED(
        why=why,
        line=sighting.line,
        text=sighting.text,
        program=signature.program,
        signature=signature.text,
    )
