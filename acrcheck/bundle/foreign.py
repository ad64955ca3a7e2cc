"""What other tools collected, read as a recording: support bundles, dumps of a cluster, files of `kubectl get -o yaml`.

Objects and logs answer what they can. A list is taken for all there is of its kind where its place says so: a file per
namespace in the layouts of troubleshoot and of `kubectl cluster-info dump`, else the namespaces that its items are of.
An object that came alone says nothing of others.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from math import inf
from pathlib import PurePosixPath
from typing import IO, Any

from acrcheck.bundle.archive import File
from acrcheck.bundle.kinds import CRDS, FOLDER, KINDS
from acrcheck.bundle.store import EVERYWHERE, Kind, Log, Store, time_of
from acrcheck.bundle.tape import Tape
from acrcheck.bundle.tapefile import Header, Recording, Redactor
from acrcheck.cluster import answers
from acrcheck.cluster.pullsecret import sealed
from acrcheck.cluster.reader import Answer, Outcome
from acrcheck.errors import UsageError
from acrcheck.run import Options
from acrcheck.target import Target
from acrcheck.wire.vault import Vault

LARGEST_JSON = 64 * 1024 * 1024
LARGEST_YAML = 16 * 1024 * 1024
MOST_BYTES = 512 * 1024 * 1024
"""Of all files with objects: they are held in memory."""
DEEPEST = 100
"""Levels of nesting in YAML: objects of Kubernetes have some 15, and PyYAML's reader in C fails past some thousands."""
LOG_BYTES = 1024 * 1024
"""Kept of each log, from its end."""
KEPT_LOGS = 2000
OBJECT_ENDINGS = {".json", ".yaml", ".yml", ""}
LOG_ENDINGS = {".log", ".txt"}
FOLDERS = {place: resource for resource, place in KINDS.values() if place}
PLURALS = {resource.plural: resource for resource, _ in KINDS.values()}
GROUPS = {(resource.group, kind): resource for kind, (resource, _) in KINDS.items()}
DUMPED_LOG = re.compile(
    r"==== START logs for container (\S+) of pod (\S+)/(\S+) ====\n(.*?)==== END logs", re.DOTALL
)
"""How `kubectl cluster-info dump` sets off the logs of containers (k8s.io/kubectl pkg/cmd/clusterinfo)."""
PREVIOUS = re.compile(r"[-._]previous$")
TIMES = frozenset(
    {
        "creationTimestamp",
        "eventTime",
        "finishedAt",
        "lastHeartbeatTime",
        "lastTimestamp",
        "lastTransitionTime",
        "lastUpdateTime",
        "startedAt",
    }
)
"""Fields that tell when something had happened: the newest is not long before the recording."""
Json = dict[str, Any]


class TooLargeError(ValueError):
    """A file has more bytes than are read: it may be meant to be read, whatever its name."""


class Collected:
    """Takes files, one after the other, and gives a recording of what was in them."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor
        self._store = Store()
        self._vault = Vault()
        self._logs: list[tuple[PurePosixPath, Log]] = []
        self._notes: list[str] = []
        self._ignored: list[str] = []
        """Why files without an ending are not objects: few of them are meant to be."""
        self._newest: datetime | None = None
        self._objects = self._bytes = 0
        self._crds: set[str] = set()
        self._unread: set[str] = set()
        """Custom resources that could not be collected."""
        self._support = False
        """True for a bundle of troubleshoot."""

    def take(self, file: File) -> None:
        """Read a file, if it is one of those that are understood."""
        path = PurePosixPath(file.name)
        self._support |= FOLDER in path.parts
        if path.suffix in LOG_ENDINGS:
            end = _end(file.content)
            if end.detail:
                self._notes.append(f"{path}: {end.detail}")
            text = self._redactor.text(end.body, "logs") if self._redactor else end.body
            self._log(path, Log(text, lines=text.count("\n") if end.detail else inf))
        elif path.suffix in OBJECT_ENDINGS:
            self._documents(path, file)

    def recording(self, name: str, target: Target, now: datetime) -> Recording:
        """Give what was taken. Raises UsageError when nothing of it is an object of Kubernetes."""
        if not self._objects:
            why = [*self._notes, *self._ignored]
            raise UsageError(
                f"{name} holds no object of Kubernetes" + "".join(f": {why}" for why in why[:1]),
                input=name,
                expected="a bundle of acrcheck or troubleshoot, a tape, a folder of kubectl get -o yaml, or a pod",
                remedy="kubectl get pod POD -o yaml | acrcheck replay -",
            )
        self._finish()
        started = self._newest or now
        self._store.now = started
        header = Header("", started, self._aimed(target), Options())
        return Recording(header, Tape(), tuple(self._notes), self._store)

    def _documents(self, path: PurePosixPath, file: File) -> None:
        try:
            content = _content(path, file, self._bytes)
            self._bytes += len(content)
            documents = list(_read(path, content))
        except (ValueError, RecursionError) as error:
            why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            meant = path.suffix or isinstance(error, TooLargeError)
            notes = self._notes if meant else self._ignored
            notes.append(f"{path} is left out: {why}")
            return
        for document in documents:
            if path.name.endswith("-errors.json"):
                self._errors(path, document)
            elif isinstance(document, list):
                self._list(path, document, {})
            elif isinstance(document, dict):
                self._document(path, document)

    def _document(self, path: PurePosixPath, document: Json) -> None:
        version = document.get("serverVersion") or (document.get("info") if "string" in document else None)
        if isinstance(version, dict) and version.get("gitVersion"):
            self._store.answered("/version", Answer(Outcome.OK, version))
        elif isinstance(document.get("items"), list):
            self._list(path, document["items"], document)
        elif isinstance(document.get("metadata"), dict) and document.get("kind"):
            resource = _resource(document)
            if resource:
                self._add(resource, document)

    def _list(self, path: PurePosixPath, items: list[Any], around: Json) -> None:
        """Take a list: what it is complete for follows from its place, or from its items."""
        served = [item for item in items if isinstance(item, dict) and "groupVersion" in item]
        if served:
            for item in served:
                self._store.answered(f"/apis/{item['groupVersion']}", Answer(Outcome.OK, item))
            self._store.answered("", Answer(Outcome.OK, {}))
            return
        found: dict[Kind, list[Json]] = defaultdict(list)
        place = _place(path)
        kind = str(around.get("kind") or "").removesuffix("List")
        for item in items:
            if not isinstance(item, dict) or not isinstance(item.get("metadata"), dict):
                continue
            resource = _resource({"kind": kind, "apiVersion": around.get("apiVersion"), **item})
            resource = resource or (PLURALS.get(place[0]) if place else None)
            if resource:
                found[self._add(resource, item)].append(item)
        metadata = around.get("metadata") or {}
        whole = not metadata.get("continue") and not metadata.get("remainingItemCount")
        if place and place[0] in PLURALS:
            resource = PLURALS[place[0]]
            self._store.listed((resource.group, resource.plural), place[1], (), complete=whole)
            return
        for key, listed in found.items():
            namespaces = {str(item["metadata"].get("namespace") or "") for item in listed}
            where = namespaces.pop() if len(namespaces) == 1 else EVERYWHERE
            self._store.listed(key, where, (), complete=whole)

    def _add(self, resource: Any, item: Json) -> Kind:
        kind = resource.group, resource.plural
        self._see(item)
        if resource.plural == "secrets":
            item = sealed(item, self._vault.keep)
        if resource == CRDS:
            self._crds.add(str(item["metadata"].get("name")))
        if resource.plural not in {"secrets", "namespaces"}:
            self._objects += 1
        self._store.add(kind, self._redactor.object(item, resource.plural) if self._redactor else item)
        return kind

    def _see(self, value: Any) -> None:
        """Look for the newest time at which something had happened."""
        if isinstance(value, dict):
            for key, item in value.items():
                if key in TIMES and isinstance(item, str):
                    time = time_of(item)
                    if time and (self._newest is None or time > self._newest):
                        self._newest = time
                elif isinstance(item, dict | list):
                    self._see(item)
        elif isinstance(value, list):
            for item in value:
                self._see(item)

    def _errors(self, path: PurePosixPath, document: Any) -> None:
        """Take what troubleshoot says of what it could not collect: a message by namespace, or messages."""
        resource = FOLDERS.get(path.name.removesuffix("-errors.json"))
        if not document:
            return
        if resource is None:
            self._unread |= (
                {str(name).partition("/")[0] for name in document} if isinstance(document, dict) else set()
            )
            return
        messages = document if isinstance(document, dict) else {EVERYWHERE: " ".join(map(str, document))}
        for namespace, message in messages.items():
            where, outcome = (
                str(namespace),
                Outcome.FORBIDDEN if "forbidden" in str(message) else Outcome.ERROR,
            )
            permission = resource.permission("list", where) if outcome is Outcome.FORBIDDEN else None
            answer = Answer(outcome, detail=str(message), permission=permission)
            self._store.refused((resource.group, resource.plural), where, answer)

    def _log(self, path: PurePosixPath, log: Log) -> None:
        dumped = DUMPED_LOG.findall(log.text)
        for container, namespace, pod, text in dumped:
            self._store.logged(namespace, pod, container, Log(text))
        if not dumped and len(self._logs) < KEPT_LOGS:
            self._logs.append((path, log))
        elif not dumped:
            self._notes.append(f"{path} is left out: there are more than {KEPT_LOGS} logs")

    def _finish(self) -> None:
        """Find whose logs there are, and what the API server serves, now that all objects are known."""
        pods = {str(pod["metadata"]["name"]): pod for pod in self._store.objects(("", "pods"))}
        for path, log in self._logs:
            self._assign(path, log, pods)
        self._discover()

    def _assign(self, path: PurePosixPath, log: Log, pods: dict[str, Json]) -> None:
        stem = PREVIOUS.sub("", path.stem)
        previous = stem != path.stem
        name = next((part for part in reversed(path.parts) if part in pods), "")
        name = name or max(
            (name for name in pods if re.match(rf"{re.escape(name)}(?:[-_.]|$)", stem)), key=len, default=""
        )
        if not name:
            return
        pod = pods[name]
        containers = [str(item.get("name")) for item in (pod.get("spec") or {}).get("containers") or ()]
        named = [item for item in containers if stem == item or re.search(rf"[-_.]{re.escape(item)}$", stem)]
        chosen = named or (containers if len(containers) == 1 else [])
        if chosen:
            namespace = str(pod["metadata"].get("namespace") or "")
            self._store.logged(namespace, name, chosen[0], log, previous=previous)

    def _discover(self) -> None:
        """Say which API groups of ours are served, where their definitions or the discovery were collected."""
        everything = self._store.path("").ok
        listed = EVERYWHERE in self._store.namespaces_of((CRDS.group, CRDS.plural))
        for resource, place in KINDS.values():
            if not place.startswith("custom-resources/"):
                continue
            path, kind = resource.group_path, (resource.group, resource.plural)
            defined = f"{resource.plural}.{resource.group}" in self._crds
            known = self._store.path(path)
            if everything and not known.ok:
                self._store.answered(path, Answer(Outcome.NO_API, detail="404 page not found"))
            elif not known.ok and (listed or defined or self._store.objects(kind)):
                self._store.answered(path, self._served(resource.group, listed=listed))
            if (
                self._support
                and listed
                and defined
                and f"{resource.plural}.{resource.group}" not in self._unread
            ):
                # Of custom resources without objects there is no file.
                for namespace in self._store.namespaces_of(("", "pods")):
                    self._store.listed(kind, namespace, ())
            if listed and not defined:
                self._store.refused(kind, EVERYWHERE, Answer(Outcome.NO_API, detail="404 page not found"))

    def _served(self, group: str, *, listed: bool) -> Answer:
        ours = [resource for resource, _ in KINDS.values() if resource.group == group]
        names = [
            {"name": resource.plural}
            for resource in ours
            if f"{resource.plural}.{group}" in self._crds
            or (not listed and self._store.objects((group, resource.plural)))
        ]
        if not names:
            return Answer(Outcome.NO_API, detail="404 page not found")
        return Answer(Outcome.OK, {"kind": "APIResourceList", "resources": names})

    def _aimed(self, target: Target) -> Target:
        """Complete the target with what there is only one of."""
        if target.workload:
            return target
        held = {
            kind: self._store.objects(kind) for kind in (("apps", "deployments"), ("apps", "statefulsets"))
        }
        pods = self._store.objects(("", "pods"))
        if not any(held.values()) and len(pods) == 1:
            metadata = pods[0]["metadata"]
            return replace(
                target,
                workload=f"pod/{metadata['name']}",
                namespace=str(metadata.get("namespace") or "default"),
            )
        namespaces = {str(item["metadata"].get("namespace") or "") for item in held["apps", "deployments"]}
        if not target.namespace and len(namespaces) == 1:
            return replace(target, namespace=namespaces.pop())
        return target


def _place(path: PurePosixPath) -> tuple[str, str] | None:
    """Give the plural name and the namespace that a known layout puts into a path; None in any other."""
    parts = path.parts
    if FOLDER in parts:
        inner = parts[parts.index(FOLDER) + 1 :]
        for depth in (1, 2):
            folder = (
                "/".join((*inner[: depth - 1], PurePosixPath(inner[depth - 1]).stem))
                if len(inner) == depth
                else ""
            )
            if folder in FOLDERS and not FOLDERS[folder].namespaced:
                return FOLDERS[folder].plural, EVERYWHERE
        folder = "/".join(inner[:-1])
        if folder in FOLDERS:
            return FOLDERS[folder].plural, path.stem
        return None
    resource = PLURALS.get(path.stem)
    if resource is None:
        return None
    if not resource.namespaced:
        return resource.plural, EVERYWHERE
    # `kubectl cluster-info dump` has a folder for each namespace, and its files are JSON.
    return (resource.plural, parts[-2]) if len(parts) > 1 and path.suffix == ".json" else None


def _resource(item: Json) -> Any:
    group = str(item.get("apiVersion") or "").rpartition("/")[0]
    return GROUPS.get((group, str(item.get("kind"))))


def _end(content: IO[bytes]) -> Answer:
    """Read a log to its end, and give the end."""
    kept = b""
    while chunk := content.read(LOG_BYTES):
        kept = (kept + chunk)[-LOG_BYTES - 1 :]
    return answers.log(kept, LOG_BYTES)


def _content(path: PurePosixPath, file: File, before: int) -> bytes:
    """Read a file that comes after so many bytes. Raises TooLargeError when it is too much."""
    if before > MOST_BYTES:
        raise TooLargeError(f"the files before it have more than {MOST_BYTES >> 20} MiB")
    most = LARGEST_JSON if path.suffix == ".json" else LARGEST_YAML
    content = file.content.read(most + 1)
    if len(content) > most:
        raise TooLargeError(f"it is larger than {most >> 20} MiB")
    return content


def _read(path: PurePosixPath, content: bytes) -> Iterable[Any]:
    """Read the documents of a file. Raises ValueError saying what is wrong with it."""
    text = _text(content)
    if text.lstrip()[:1] in {"{", "["}:
        try:
            return [json.loads(text)]
        except ValueError as error:
            if path.suffix == ".json":
                raise ValueError(f"it is no JSON ({error})") from error
    return _yaml(text)


def _text(content: bytes) -> str:
    """Decode a file; UTF-16 is what a Windows shell redirects to."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def _yaml(text: str) -> Iterable[Any]:
    import yaml

    class Loader(yaml.CSafeLoader):
        """Leaves times what they are in JSON: texts."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own form
            start: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:timestamp"]
            for start, forms in yaml.CSafeLoader.yaml_implicit_resolvers.items()
        }

    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("it has aliases, which no object of Kubernetes has")  # noqa: TRY004 - of the text
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(f"it is nested deeper than {DEEPEST} levels")
        return list(yaml.load_all(text, Loader=Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ValueError(
            f"it is no YAML{where}: {getattr(error, 'problem', None) or type(error).__name__}"
        ) from error
