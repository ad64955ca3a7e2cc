"""From observations to ranked causes and remedies.

A cause is a candidate where all that it requires was seen on one place (a pod, a node, a route), or could not be
looked at while something that speaks for it was seen. What contradicts it, on that place, drops it. A cause drops
the candidates of the layers it hides when it explains their failures. Confidence is 1.0 when all was looked at and
no neighbour remains a candidate; otherwise the neighbours share it, each weighted by the evidence that speaks for
it. Guesses about the same trouble are neighbours too, and leave a share for what was not looked at.

Where an observation quotes a program, the causes that its words name are candidates too, on that place, and are as sure
as the words make them. A cause that was seen and is named as well is one candidate, for which both speak.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from acrcheck.model import Cause, Finding, Identities, Level, Observation, Result, Status, Step

UNSEEN = 0.5
"""The weight of what was not looked at, beside guesses alone."""
Told = tuple[Observation, float]
"""An observation that quotes a program, and how sure its words make a cause."""
Key = tuple[str, str]
"""A cause and the identity of which it is named, empty where that makes no difference."""
NO_IDENTITIES = Identities()


@dataclass(frozen=True, slots=True)
class _Candidate:
    cause: Cause
    observations: tuple[Observation, ...]
    """What it requires and what supports it; what it requires comes first."""
    scopes: tuple[frozenset[str], ...]
    seen: bool = True
    """False when only a program's words name it."""
    whole: bool = False
    """True when all that it requires was seen; False when some of it could not be looked at."""
    told: float = 0.0
    """How sure a program's words make it: 1 where they decide it."""
    behalf: str = ""
    """The identity of which it is, where it is of one and not of another."""
    met: bool = False
    """True when it was seen on the place of which those words are."""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all other candidates."""
        return self.cause.id, self.behalf

    @property
    def sure(self) -> bool:
        """True when nothing of it is open: all of it was seen, or a program's words decide it."""
        return self.whole or self.told == 1

    @property
    def weight(self) -> float:
        """How much speaks for it, beside what it requires."""
        speaking = {observation.id for observation in self.observations} & set(self.cause.supports)
        return (self.seen * (1.0 if self.whole else 0.5) + self.told) * (1 + len(speaking))

    @property
    def trouble(self) -> tuple[Observation, ...]:
        """What fails or warns by it; what was only noted needs no explanation."""
        return tuple(item for item in self.observations if item.kind.level is not Level.NOTE)


def diagnose(
    results: Iterable[Result],
    causes: Iterable[Cause],
    layers: tuple[str, ...],
    values: Mapping[str, str],
    identities: Identities = NO_IDENTITIES,
) -> tuple[Finding, ...]:
    """Name the causes of a run, the root cause first.

    `values` fill the placeholders of remedies that no observation fills.
    """
    results = tuple(results)
    observations = tuple(observation for result in results for observation in result.observations)
    blind = _blind(results)
    causes = tuple(causes)
    named = _named(observations, causes, layers)
    candidates = [
        candidate
        for cause in causes
        for candidate in _of_each(cause, observations, blind, named.get(cause.id, ()), identities)
    ]
    candidates = _drop_guesses(_weigh_words(candidates))
    hidden = _hidden(sorted(candidates, key=lambda item: (layers.index(item.cause.layer), item.cause.id)))
    left = [candidate for candidate in candidates if candidate.key not in hidden]
    covered = _covered(candidates, hidden)
    findings = [
        _finding(candidate, left, covered.get(candidate.key, ()), results, observations, blind, values)
        for candidate in left
    ]
    hiders = set(hidden.values())
    guesses = {candidate.key for candidate in left if not candidate.sure}
    return tuple(
        sorted(
            (replace(finding, whose=identities.sentences.get(finding.behalf, "")) for finding in findings),
            key=lambda finding: (
                not _fails(finding),
                finding.key not in hiders,
                finding.key in guesses,
                -finding.confidence,
                layers.index(finding.cause.layer),
                finding.key,
            ),
        )
    )


def _fails(finding: Finding) -> bool:
    return any(observation.kind.level is Level.FAIL for observation in finding.observations)


def _blind(results: tuple[Result, ...]) -> dict[str, Result]:
    """Give the kinds that might be there and were not looked for, each with the result that says why."""
    unknown = {result.check.id: result for result in results if result.status is Status.UNKNOWN}
    return {
        kind.id: unknown.get(result.blocked_by, result)
        for result in results
        if result.status is Status.UNKNOWN
        or (result.status is Status.SKIP and (result.inconclusive or result.blocked_by))
        for kind in result.check.sees
    }


def _touch(one: frozenset[str], other: frozenset[str]) -> bool:
    """Two places meet when one lies on the other."""
    return one <= other or other <= one


def _named(
    seen: tuple[Observation, ...], causes: tuple[Cause, ...], layers: tuple[str, ...]
) -> dict[str, tuple[Told, ...]]:
    """Give the causes that the words of programs name, each with the observations that quote them."""
    quoted = [(item, item.values[item.kind.quotes]) for item in seen if item.kind.quotes]
    if not quoted:
        return {}
    from acrcheck.text.diagnose import Reader

    reader = Reader(causes, layers)
    meanings = {words: reader.shares(words) for words in dict.fromkeys(words for _, words in quoted)}
    named: dict[str, tuple[Told, ...]] = {}
    for item, words in quoted:
        for name, share in meanings[words].items():
            named[name] = (*named.get(name, ()), (item, share))
    return named


def _candidate(
    cause: Cause, seen: tuple[Observation, ...], blind: Mapping[str, Result], named: tuple[Told, ...]
) -> _Candidate | None:
    """Put what checks saw of a cause and what programs said of it together; None where neither speaks for it."""
    found = _seen(cause, seen, blind) if "run" in cause.seen else None
    told = [(item, share) for item, share in named if not _contradicted(cause, seen, item.subject.scope)]
    if not told:
        return found
    found = found or _Candidate(cause, (), (), seen=False)
    quoting = [item for item, _ in told]
    speaking = [
        item
        for item in seen
        if item.id in cause.supports
        and any(_touch(item.subject.scope, quote.subject.scope) for quote in quoting)
    ]
    observations = {id(item): item for item in (*found.observations, *quoting, *speaking)}
    return replace(
        found,
        observations=tuple(observations.values()),
        scopes=tuple(dict.fromkeys((*found.scopes, *(item.subject.scope for item in quoting)))),
        told=max(share for _, share in told),
        met=found.whole
        and all(any(_touch(item.subject.scope, at) for at in found.scopes) for item in quoting),
    )


def _of_each(
    cause: Cause,
    seen: tuple[Observation, ...],
    blind: Mapping[str, Result],
    named: tuple[Told, ...],
    identities: Identities,
) -> Iterator[_Candidate]:
    """Look for a cause; where it is of an identity, of each by itself: what fails for one says nothing of another."""
    found = _candidate(cause, seen, blind, named)
    behalves = {item.subject.behalf for item in found.observations} - {""} if found else set[str]()
    if found is None or not behalves or cause.layer not in identities.layers:
        yield from [found] if found else []
        return
    for behalf in sorted(behalves):
        mine = {"", behalf}
        own = _candidate(
            cause,
            tuple(item for item in seen if item.subject.behalf in mine),
            blind,
            tuple((item, share) for item, share in named if item.subject.behalf in mine),
        )
        if own:
            yield replace(own, behalf=behalf)


def _contradicted(cause: Cause, seen: tuple[Observation, ...], place: frozenset[str]) -> bool:
    return any(item.id in cause.contradicts and _touch(item.subject.scope, place) for item in seen)


def _seen(cause: Cause, seen: tuple[Observation, ...], blind: Mapping[str, Result]) -> _Candidate | None:
    """Find the places where all that the cause requires is seen, or might be."""
    wanted = {name for group in cause.requires for name in group}
    supporting = [observation for observation in seen if observation.id in cause.supports]
    anchors = [observation for observation in seen if observation.id in wanted]
    kept: dict[int, Observation] = {}
    scopes: list[frozenset[str]] = []
    whole = False
    for anchor in anchors or [item for item in supporting if item.kind.level is not Level.NOTE]:
        place = anchor.subject.scope
        here = [item for item in seen if _touch(item.subject.scope, place)]
        ids = {item.id for item in here}
        if _contradicted(cause, seen, place):
            continue
        missing = [group for group in cause.requires if not ids & set(group)]
        if any(not set(group) & blind.keys() for group in missing):
            continue
        whole = whole or not missing
        scopes.append(place)
        for item in here:
            if item.id in wanted or item.id in cause.supports:
                kept[id(item)] = item
    if not scopes:
        return None
    ordered = sorted(kept.values(), key=lambda item: item.id not in wanted)
    return _Candidate(cause, tuple(ordered), tuple(scopes), whole=whole)


def _weigh_words(candidates: list[_Candidate]) -> list[_Candidate]:
    """Let what was seen decide what words mean: a cause that they only suggest goes where another was seen there.

    A cause that stands on no more than that a program said something is a last resort: it stays only where nothing
    else explains that, and leaves open what does.
    """

    def mere(candidate: _Candidate) -> bool:
        return not candidate.told and all(item.kind.quotes for item in candidate.observations)

    met = {id(item) for each in candidates if each.met for item in each.observations}
    explained = {id(item) for each in candidates if not mere(each) for item in each.observations}
    kept = []
    for candidate in candidates:
        open_ones = [item for item in candidate.trouble if id(item) not in met]
        if mere(candidate):
            if any(id(item) not in explained for item in candidate.observations):
                kept.append(replace(candidate, seen=False, whole=False, told=UNSEEN))
        elif candidate.seen or candidate.sure or open_ones:
            kept.append(candidate)
    return kept


def _drop_guesses(candidates: list[_Candidate]) -> list[_Candidate]:
    """A cause of which something could not be looked at stays only while a failure is left unexplained."""
    explained = {
        id(observation) for candidate in candidates if candidate.sure for observation in candidate.trouble
    }

    def needed(candidate: _Candidate) -> bool:
        neighbour = any(candidate.cause.id in other.cause.neighbours for other in candidates if other.sure)
        return neighbour or any(id(item) not in explained for item in candidate.trouble)

    return [candidate for candidate in candidates if candidate.sure or needed(candidate)]


def _hides(hider: _Candidate, other: _Candidate) -> bool:
    """A sure cause hides those of the layers it names whose failures it explains, on every place they are seen on."""
    explained = {*hider.cause.supports, *(name for group in hider.cause.requires for name in group)}
    own = {id(item) for item in hider.observations}
    return (
        hider.sure
        and all(item.id in explained or id(item) in own for item in other.trouble)
        and hider.cause.id != other.cause.id
        and other.cause.layer in hider.cause.hides
        and other.cause.id not in hider.cause.neighbours
        and all(any(place <= scope for place in hider.scopes) for scope in other.scopes)
    )


def _hidden(candidates: list[_Candidate]) -> dict[Key, Key]:
    """Give each hidden cause with the one that hides it. Where causes hide each other in a ring, the first stays."""
    hidden: dict[Key, Key] = {}
    for hider in candidates:
        for other in candidates:
            if _hides(hider, other) and other.key not in {*hidden, *_hiders(hider.key, hidden)}:
                hidden[other.key] = hider.key
    return hidden


def _hiders(name: Key, hidden: Mapping[Key, Key]) -> list[Key]:
    """Follow who hides a cause, and who hides that one, to the end."""
    chain = [name]
    while (above := hidden.get(chain[-1])) and above not in chain:
        chain.append(above)
    return chain


def _covered(candidates: list[_Candidate], hidden: Mapping[Key, Key]) -> dict[Key, tuple[str, ...]]:
    """Give, for each cause that hides others, the checks at which those were seen."""
    covered: dict[Key, tuple[str, ...]] = {}
    for candidate in candidates:
        hider = _hiders(candidate.key, hidden)[-1]
        if hider != candidate.key:
            covered[hider] = (*covered.get(hider, ()), *_troubled(candidate))
    return covered


def _troubled(candidate: _Candidate) -> tuple[str, ...]:
    """Name the checks that fail or warn by it."""
    return tuple(item.check for item in candidate.trouble)


def _alternatives(one: _Candidate, other: _Candidate) -> bool:
    """Neighbours are alternatives, and so are two guesses about the same trouble; but only where both may be."""
    neighbours = other.cause.id in one.cause.neighbours or one.cause.id in other.cause.neighbours
    guesses = not one.sure and not other.sure and any(item in other.trouble for item in one.trouble)
    return (neighbours or guesses) and any(
        _touch(here, there) for here in one.scopes for there in other.scopes
    )


def _finding(
    candidate: _Candidate,
    left: list[_Candidate],
    covered: tuple[str, ...],
    results: tuple[Result, ...],
    seen: tuple[Observation, ...],
    blind: Mapping[str, Result],
    values: Mapping[str, str],
) -> Finding:
    cause = candidate.cause
    group = [candidate]
    group += [other for other in left if other is not candidate and _alternatives(candidate, other)]
    unseen = _unseen(group)
    explained = tuple(dict.fromkeys((*_troubled(candidate), *covered)))
    blocked = tuple(
        dict.fromkeys(
            result.check.id for result in results if result.blocked_by and result.blocked_by in explained
        )
    )
    return Finding(
        cause=cause,
        confidence=round(candidate.weight / (unseen + sum(other.weight for other in group)), 2),
        observations=candidate.observations,
        explains=explained,
        blocks=blocked,
        to_decide=_to_decide(candidate, group, seen, blind, values),
        steps=_steps(candidate, seen, values),
        behalf=candidate.behalf,
    )


def _unseen(group: list[_Candidate]) -> float:
    """Give the weight of what may be true in place of all of the group."""
    if any(member.sure for member in group):
        return 0.0
    return UNSEEN if any(member.seen for member in group) else max(0.0, 1 - sum(each.told for each in group))


def _to_decide(
    candidate: _Candidate,
    group: list[_Candidate],
    seen: tuple[Observation, ...],
    blind: Mapping[str, Result],
    values: Mapping[str, str],
) -> tuple[tuple[str, str], ...]:
    """Say which evidence would tell the candidate from those that share its confidence."""
    found: dict[tuple[str, str], None] = {}
    others = {other.cause.id for other in group[1:]}
    for member in group:
        for names in member.cause.requires:
            for name in names:
                result = blind.get(name)
                if result and member.seen and not member.whole and result.permission:
                    text = f"leave to {result.permission.text} (check {result.check.id})"
                    found[text, result.permission.can_i(values.get("kubectl", "kubectl"))] = None
                elif result and member.seen and not member.whole and result.remedy:
                    found[f"check {result.check.id}: {result.reason}", result.remedy] = None
    if others or not (candidate.seen or candidate.sure):
        near = [item for item in seen if any(_touch(item.subject.scope, place) for place in candidate.scopes)]
        filled = {**values, **_values([*candidate.observations, *near])}
        among = others or set(candidate.cause.neighbours)
        found |= dict.fromkeys(deciders(candidate.cause, among, filled))
    return tuple(found)


def deciders(cause: Cause, others: set[str], values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Give the evidence that tells a cause from others, with the command that gets it."""
    return tuple(
        (fill(item.evidence, values), fill(item.command, values))
        for item in cause.decides
        if not item.between or others & set(item.between)
    )


def _values(observations: Iterable[Observation]) -> dict[str, str]:
    """Collect the values of observations; the first one to name a value wins."""
    collected: dict[str, str] = {}
    for observation in observations:
        for key, value in observation.values.items():
            collected.setdefault(key, value)
    return collected


def fill(text: str, values: Mapping[str, str]) -> str:
    """Fill the placeholders of a text; one without a value stays visible as `NAME`, harmless to a shell."""
    return text.format_map(_Visible(values))


class _Visible(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return key.upper()


def _steps(
    candidate: _Candidate, seen: tuple[Observation, ...], values: Mapping[str, str]
) -> tuple[Step, ...]:
    """Fill in the remedies that apply, once for each place where the command differs."""
    steps: dict[tuple[str, str], Step] = {}
    wanted = {name for group in candidate.cause.requires for name in group}
    anchors = [item for item in candidate.observations if item.id in wanted] or list(candidate.observations)
    for remedy in candidate.cause.remedies:
        for anchor in anchors:
            here = [item for item in seen if _touch(item.subject.scope, anchor.subject.scope)]
            ids = {item.id for item in here}
            if not all(
                (name[1:] not in ids) if name.startswith("!") else (name in ids) for name in remedy.when
            ):
                continue
            conditions = [item for item in here if item.id in remedy.when or item.id in wanted]
            filled = {**values, **_values([anchor, *conditions])}
            text, command = fill(remedy.text, filled), fill(remedy.command, filled)
            steps[text, command] = Step(remedy.id, text, command, remedy.changes, remedy.who)
    return tuple(steps.values())
