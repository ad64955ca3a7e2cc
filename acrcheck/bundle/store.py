"""What is known of a recorded cluster: its objects, and which questions they answer.

A question that was recorded has its own answer on the tape. This is for all others: those of a newer acrcheck, and
those put to what another tool collected. It knows what it covers, so that what is not there is absent only where all
was listed, and not recorded everywhere else.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from acrcheck.bundle.tape import Entry
from acrcheck.cluster.reader import Answer, Outcome, Pull, Resource
from acrcheck.cluster.selectors import labels_match
from acrcheck.model import Permission

Json = dict[str, Any]
Kind = tuple[str, str]
"""API group and plural name: versions of an API show the same objects."""
EVERYWHERE = ""
NAMESPACE_KIND = ("", "namespaces")
PATH = re.compile(
    r"/api(?:s/(?P<group>[^/]+))?/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)
STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
"""A time at the beginning of a log's line, or in the first field of a line that is JSON."""
SEEN_WITHIN = 64
"""Characters of a line in which its time must stand."""


@dataclass(frozen=True, slots=True)
class Log:
    """What is known of a container's log: its text, how far it reaches back and how many lines it holds at most."""

    text: str
    since: float = float("inf")
    """Seconds before the recording."""
    lines: float = float("inf")


@dataclass(slots=True)
class Store:
    """Objects and what they cover. Filled by whoever reads a recording, then only asked."""

    now: datetime | None = None
    """When the logs were read."""
    _objects: dict[Kind, dict[tuple[str, str], Json]] = field(default_factory=dict)
    _listed: dict[Kind, set[str]] = field(default_factory=dict)
    _refused: dict[tuple[Kind, str], Answer] = field(default_factory=dict)
    _paths: dict[str, Answer] = field(default_factory=dict)
    _logs: dict[tuple[str, str, str, bool], Log] = field(default_factory=dict)

    def add(self, kind: Kind, item: Json) -> None:
        """Take in one object."""
        metadata = item.get("metadata")
        if isinstance(metadata, dict) and metadata.get("name"):
            place = str(metadata.get("namespace") or ""), str(metadata["name"])
            self._objects.setdefault(kind, {})[place] = item

    def listed(self, kind: Kind, namespace: str, items: Iterable[Json], *, complete: bool = True) -> None:
        """Take in a list of a namespace, or of all; `complete` says that there is no more than this."""
        for item in items:
            self.add(kind, item)
        if complete:
            self._listed.setdefault(kind, set()).add(namespace)

    def refused(self, kind: Kind, namespace: str, answer: Answer) -> None:
        """Take in that a list could not be had, and why."""
        self._refused[kind, namespace] = answer

    def answered(self, path: str, answer: Answer) -> None:
        """Take in the answer to a path that is no object."""
        self._paths[path] = answer

    def logged(self, namespace: str, pod: str, container: str, log: Log, *, previous: bool = False) -> None:
        """Take in a log."""
        self._logs[namespace, pod, container, previous] = log

    def objects(self, kind: Kind) -> list[Json]:
        """Give all objects of a kind that are known, in the order of namespace and name."""
        held = self._objects.get(kind, {})
        return [held[key] for key in sorted(held)]

    def namespaces_of(self, kind: Kind) -> set[str]:
        """Name the namespaces of which all objects of a kind are known; the empty name stands for all."""
        return set(self._listed.get(kind, ()))

    def path(self, path: str) -> Answer:
        """Answer a path that is no object."""
        return self._paths.get(path) or not_recorded()

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Answer with one object: from it, or from a list that would have held it."""
        kind = resource.group, resource.plural
        where = namespace if resource.namespaced else EVERYWHERE
        item = self._objects.get(kind, {}).get((where, name))
        if item is not None:
            return Answer(Outcome.OK, item)
        if self._covers(kind, where):
            return Answer(Outcome.ABSENT, detail=f"{resource.plural} {name!r} is not in what was recorded")
        missing = self._no_api(kind)
        return missing or not_recorded()

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """Answer with all objects of a namespace, or of all. Objects that came one by one answer while any fits."""
        kind = resource.group, resource.plural
        where = namespace if resource.namespaced else EVERYWHERE
        try:
            fits = labels_match(labels)
        except ValueError as error:
            return Answer(Outcome.INVALID, detail=str(error))
        items = [
            {"metadata": item["metadata"]} if metadata_only else item
            for item in self.objects(kind)
            if (not where or item["metadata"].get("namespace") == where)
            and fits(item["metadata"].get("labels") or {})
        ]
        if self._covers(kind, where):
            return Answer(Outcome.OK, {"metadata": {}, "items": items})
        refused = self._refused.get((kind, where)) or self._no_api(kind)
        if refused:
            return refused
        if items and (where or not resource.namespaced):
            return Answer(Outcome.OK, {"metadata": {}, "items": items})
        held = sorted(
            self.namespaces_of(kind) | {str(item["metadata"].get("namespace", "")) for item in items}
        )
        return not_recorded(f"only of {', '.join(held)}" if any(held) else "")

    def allowed(self, permission: Permission) -> Answer:
        """Answer whether a permission was held: only the recording's own question says so."""
        del permission
        return not_recorded()

    def try_pull(self, question: Pull) -> Answer:
        """Answer how a pull came out: only the recording's own trial says so."""
        del question
        return not_recorded()

    def logs(
        self, namespace: str, pod: str, container: str, *, since: int, lines: int, previous: bool = False
    ) -> Answer:
        """Answer with the last lines of a log, as far as its lines tell their times."""
        held = self._logs.get((namespace, pod, container, previous))
        if held is None or self.now is None or held.since < since:
            return not_recorded()
        text = held.text.splitlines()
        if held.since != since:
            recent = lines_since(text, self.now - timedelta(seconds=since))
            if recent is None:
                return not_recorded("the lines of the log bear no time")
            text = recent
        if len(text) >= held.lines and held.lines < lines:
            return not_recorded("fewer lines of the log were read")
        return Answer(Outcome.OK, "".join(f"{line}\n" for line in text[-lines:]))

    def _covers(self, kind: Kind, namespace: str) -> bool:
        """Tell whether all objects are known: by a list of all, of the namespace, or of each namespace there is."""
        listed = self._listed.get(kind, set())
        if EVERYWHERE in listed or namespace in listed:
            return True
        all_known = EVERYWHERE in self._listed.get(NAMESPACE_KIND, ())
        names = {item["metadata"]["name"] for item in self.objects(NAMESPACE_KIND)}
        return namespace == EVERYWHERE and all_known and bool(listed) and names <= listed

    def _no_api(self, kind: Kind) -> Answer | None:
        answers = (answer for (other, _), answer in self._refused.items() if other == kind)
        return next((answer for answer in answers if answer.outcome is Outcome.NO_API), None)


def not_recorded(why: str = "") -> Answer:
    """Give the answer to what nobody asked."""
    return Answer(Outcome.NOT_RECORDED, detail=why)


def lines_since(lines: list[str], moment: datetime) -> list[str] | None:
    """Give the lines from a moment on; a line without a time belongs to the one before it.

    None when no line tells its time.
    """
    known = False
    for place, line in enumerate(lines):
        time = time_of(line)
        if time is None:
            continue
        known = True
        if time >= moment:
            return lines[place:]
    return [] if known or not lines else None


def time_of(line: str) -> datetime | None:
    """Read the time at the beginning of a line, in UTC where it names no zone."""
    match = STAMP.search(line[:SEEN_WITHIN])
    if match is None:
        return None
    try:
        time = datetime.fromisoformat(match[0].replace(",", "."))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def of_entries(entries: Iterable[Entry]) -> Store:
    """Fill a store from what a tape's questions to the cluster brought."""
    store = Store()
    for entry in entries:
        if entry.door == "cluster":
            _take(store, entry)
    return store


def _take(store: Store, entry: Entry) -> None:
    question, body = json.loads(entry.question), entry.answer.get("body")
    outcome = Outcome(entry.answer["outcome"])
    verb = question.get("verb")
    if verb == "logs" and isinstance(body, str):
        namespace, pod, container = question["path"].split("/", 2)
        cut = bool(entry.answer.get("detail"))
        log = Log(body, question["since"], body.count("\n") if cut else question["lines"])
        store.logged(namespace, pod, container, log, previous=bool(question.get("previous")))
        store.now = store.now or datetime.fromisoformat(entry.at)
        return
    match = PATH.fullmatch(str(question.get("path", "")))
    if match is None or verb not in {"get", "list"}:
        return
    kind, where = (match["group"] or "", match["plural"]), match["namespace"] or EVERYWHERE
    if verb == "get" and isinstance(body, dict):
        store.add(kind, body)
    elif verb == "list" and not question.get("metadataOnly"):
        if outcome is not Outcome.OK:
            store.refused(kind, where, Answer(outcome, detail=str(entry.answer.get("detail", ""))))
        elif isinstance(body, dict):
            complete = not question.get("labels") and not (body.get("metadata") or {}).get(
                "remainingItemCount"
            )
            items = [item for item in body.get("items") or () if isinstance(item, dict)]
            store.listed(kind, where, items, complete=complete)
