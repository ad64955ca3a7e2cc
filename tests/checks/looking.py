"""Drives a check by hand: facts made here, a small cluster and a scripted wire, no engine and no patching."""

import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from acrcheck.api import (
    Answer,
    Check,
    Connect,
    Connected,
    Each,
    Failure,
    Handshake,
    Maybe,
    Observation,
    Outcome,
    Permission,
    Pull,
    Request,
    Resolve,
    Resolved,
    Resource,
    Response,
    Secret,
    Shaken,
    Subject,
    Vantage,
)
from acrcheck.facts import Pod, PodIdentity, Workload
from acrcheck.model import Status

F = TypeVar("F")
Case = Callable[[], Generator[Observation, None, Any]]

NAMESPACE = "coder"
LABEL = "aadpodidbinding"
CLIENT_ID = "7eb61111-2222-3333-4444-55555555a6a9"
OTHER_ID = "99999999-8888-7777-6666-555544443333"
RESOURCE_ID = (
    "/subscriptions/0b1f6471-1bf0-4dda-aec3-111122223333/resourcegroups/team/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/coder"
)
NODE = "aks-nodepool1-12345678-vmss000000"
NODE_2 = "aks-nodepool1-12345678-vmss000001"
OTHER_POOL = "aks-gpu-12345678-vmss000000"
WANTED = PodIdentity()
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still."""

    def now(self) -> datetime:
        """The wall clock."""
        return NOW

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Nothing here waits."""
        raise AssertionError(seconds)


def look(looking: Generator[Observation, None, F]) -> tuple[list[Observation], F]:
    """Drive a check to its end: what it saw, and its fact."""
    seen: list[Observation] = []
    while True:
        try:
            seen.append(next(looking))
        except StopIteration as stop:
            fact: F = stop.value
            return seen, fact


def ids(seen: Iterable[Observation]) -> list[str]:
    """The ids of observations, in order."""
    return [observation.id for observation in seen]


def sight(looking: Generator[Observation, None, Any]) -> list[str]:
    """The ids of what a check sees."""
    return ids(look(looking)[0])


def declared(checks: Iterable[Check]) -> set[tuple[str, str]]:
    """What each check says that it may see: (check, kind) pairs."""
    return {(check.id, kind.id) for check in checks for kind in check.sees}


def refuse_unseen(checks: Iterable[Check], check_id: str, kind_id: str, case: Case) -> None:
    """Fail unless the case sees that kind, and nothing that its check does not declare."""
    check = next(item for item in checks if item.id == check_id)
    seen, _ = look(case())
    assert kind_id in ids(seen)
    assert {item.kind for item in seen} <= set(check.sees)
    assert all(item.text for item in seen)


def known(value: F) -> Maybe[F]:
    """A fact that was found."""
    return Maybe(value, Status.PASS)


def unknown() -> Maybe[Any]:
    """A fact that was not found."""
    return Maybe(None, Status.UNKNOWN, "not permitted")


def each(*pods: Pod) -> Each[Pod]:
    """Pods as subjects."""
    return Each(tuple((pod.subject, pod) for pod in pods))


def of(subject_of: Pod, fact: F) -> tuple[Subject, F]:
    """A fact of one pod."""
    return subject_of.subject, fact


def pod(name: str = "coderd-1", **changed: Any) -> Pod:
    """A healthy pod of coderd."""
    values: dict[str, Any] = {
        "name": name,
        "namespace": NAMESPACE,
        "node": NODE,
        "labels": {LABEL: "coder"},
        "spec": {"containers": [{"name": "coderd"}]},
        "container": "coderd",
        "ready": True,
        "started": NOW,
    }
    return Pod(**values | changed)


def deployment(
    labels: dict[str, Any] | None = None, *, metadata: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """The object of a Deployment of coderd; `labels` are its template's."""
    return {
        "metadata": {"name": "coderd", "namespace": NAMESPACE, "generation": 3} | (metadata or {}),
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"coder.deployment": "coderd"}},
            "template": {
                "metadata": {"labels": labels if labels is not None else {LABEL: "coder"}},
                "spec": {"containers": [{"name": "coderd", "image": "acme.azurecr.io/coder/coderd:1.44"}]},
            },
        }
        | spec,
        "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
    }


def workload(
    manifest: dict[str, Any] | None = None, *, kind: str = "deployment", coder: bool = True
) -> Workload:
    """The workload under test."""
    found = manifest or deployment()
    return Workload(kind, "coderd", NAMESPACE, found, coder)


def thing(name: str, spec: Any = None, namespace: str = NAMESPACE, **metadata: Any) -> dict[str, Any]:
    """Any object with a specification."""
    return {"metadata": {"name": name, "namespace": namespace, **metadata}, "spec": spec}


def identity(name: str = "coder", namespace: str = NAMESPACE, **spec: Any) -> dict[str, Any]:
    """An AzureIdentity."""
    fields = {"type": 0, "clientID": CLIENT_ID, "resourceID": RESOURCE_ID} | spec
    return thing(name, fields, namespace)


def binding(
    selector: Any = "coder",
    azure_identity: Any = "coder",
    *,
    name: str = "binding",
    namespace: str = NAMESPACE,
) -> dict[str, Any]:
    """An AzureIdentityBinding."""
    return thing(name, {"selector": selector, "azureIdentity": azure_identity}, namespace)


def refused(resource: Resource, namespace: str = "", verb: str = "list", subresource: str = "") -> Answer:
    """The API server's 403."""
    return Answer(Outcome.FORBIDDEN, permission=resource.permission(verb, namespace, subresource))


def good(body: Any) -> Answer:
    """An answer with a body."""
    return Answer(Outcome.OK, body)


@dataclass
class FakeCluster:
    """Objects by plural name; `answers` by (plural, namespace) or path come first. Remembers what was asked."""

    objects: dict[str, list[Any]] = field(default_factory=dict)
    answers: dict[Any, Answer] = field(default_factory=dict)
    log: Answer = field(default_factory=lambda: good(""))
    trial: Answer = field(default_factory=lambda: good({"pulled": True}))
    pulls: list[Pull] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def path(self, path: str) -> Answer:
        """Read a path."""
        self.asked.append(("path", path))
        return self.answers.get(path, Answer(Outcome.NO_API))

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Read one object."""
        self.asked.append(("get", resource.plural, namespace, name))
        special = self.answers.get((resource.plural, namespace, name))
        for item in [] if special else self.objects.get(resource.plural, []):
            metadata = item.get("metadata") or {}
            if metadata.get("name") == name and metadata.get("namespace", "") in {namespace, ""}:
                return good(item)
        return special or Answer(Outcome.ABSENT, detail=f"{name} not found")

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """Read all objects that carry the labels."""
        self.asked.append(("list", resource.plural, namespace, labels))
        special = self.answers.get((resource.plural, namespace))
        if special:
            return special
        items = [
            item
            for item in self.objects.get(resource.plural, [])
            if _is_in(item, namespace) and _selected(item, labels)
        ]
        return good({"items": items})

    def allowed(self, permission: Permission) -> Answer:
        """Ask for a permission."""
        self.asked.append(("allowed", permission.text))
        return self.answers.get(permission.text, good({"allowed": True}))

    def logs(
        self, namespace: str, pod: str, container: str, *, since: int, lines: int, previous: bool = False
    ) -> Answer:
        """Read a log."""
        self.asked.append(("logs", namespace, pod, container))
        return self.log

    def try_pull(self, question: Pull) -> Answer:
        """Try a pull."""
        self.pulls.append(question)
        return self.trial


def _is_in(item: Any, namespace: str) -> bool:
    return not namespace or (item.get("metadata") or {}).get("namespace") == namespace


def _selected(item: Any, labels: str) -> bool:
    """Match `key=value` and `key in (a,b)`; any other term lets everything pass."""
    carried = (item.get("metadata") or {}).get("labels") or {}
    for term in re.findall(r"[^,(]+(?:\([^)]*\))?", labels):
        key, is_set, values = term.partition(" in ")
        if is_set:
            if carried.get(key) not in values.strip("()").split(","):
                return False
        elif "=" in term:
            key, _, value = term.partition("=")
            if carried.get(key) != value:
                return False
    return True


def http(
    status: int = 200,
    body: str = "",
    kind: str = "application/json",
    secrets: tuple[Secret, ...] = (),
    **headers: Any,
) -> Response:
    """An HTTP answer; `www_authenticate=` is the header www-authenticate."""
    named = tuple((name.replace("_", "-"), str(value)) for name, value in headers.items())
    return Response(status, (("content-type", kind), *named), body, secrets, len(body))


Reply = Resolved | Connected | Shaken | Response | Failure


@dataclass
class FakeWire:
    """Gives its answers in order, or those of a function of the question. Remembers questions and vantages."""

    answers: list[Reply] = field(default_factory=list)
    by: Callable[[Any], Reply] | None = None
    asked: list[Any] = field(default_factory=list)
    vantages: list[Vantage] = field(default_factory=list)

    def _next(self, vantage: Vantage, question: Any) -> Any:
        self.asked.append(question)
        self.vantages.append(vantage)
        return self.by(question) if self.by else self.answers.pop(0)

    def resolve(self, vantage: Vantage, question: Resolve) -> Resolved | Failure:
        """Resolve a name."""
        answer: Resolved | Failure = self._next(vantage, question)
        return answer

    def connect(self, vantage: Vantage, question: Connect) -> Connected | Failure:
        """Open a connection."""
        answer: Connected | Failure = self._next(vantage, question)
        return answer

    def handshake(self, vantage: Vantage, question: Handshake) -> Shaken | Failure:
        """Look at the certificate."""
        answer: Shaken | Failure = self._next(vantage, question)
        return answer

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Send a request."""
        answer: Response | Failure = self._next(vantage, question)
        return answer


def wire(*answers: Reply) -> FakeWire:
    """A wire that gives these answers."""
    return FakeWire(list(answers))
