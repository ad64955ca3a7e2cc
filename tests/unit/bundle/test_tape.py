"""The tape."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.bundle.store import Store
from acrcheck.bundle.tape import Tape, canonical
from acrcheck.cluster import recorded as taped_cluster
from acrcheck.cluster.reader import DEPLOYMENTS, PODS, Answer, Cluster, Outcome, Pull, Resource
from acrcheck.lab.clock import LabClock
from acrcheck.model import CannotLookError, Permission
from acrcheck.wire import recorded as taped_wire
from acrcheck.wire.door import (
    Connect,
    Connected,
    Failure,
    Handshake,
    Request,
    Resolve,
    Resolved,
    Response,
    Secret,
    Shaken,
    Trouble,
    Vantage,
    Wire,
)

HERE = Vantage("exec", "coder", "coderd-1", "coderd", "node-1")
EXEC = Permission("create", "pods", "coder", subresource="exec")
ANSWERS = [
    Answer(Outcome.OK, {"items": [{"a": None, "b": [1, 2.5, "c"]}]}),
    Answer(Outcome.FORBIDDEN, detail="no", permission=EXEC),
    Resolved(("10.0.0.1",), ("a.b", "c.d")),
    Connected("10.0.0.1"),
    Shaken("CN=a", "CN=b", "2027", ("a", "b"), "self-signed"),
    Response(
        200,
        (("a", "b"),),
        "<jwt:1>",
        (Secret("<jwt:1>", "jwt", {"alg": "x"}, {"aud": "y"}),),
        3,
        "00",
        cut=True,
    ),
    Failure(Trouble.FORBIDDEN, "no", "exec", ("create", "pods/exec", "coder"), "ask"),
    Failure(Trouble.TIMEOUT),
]


class Kubernetes:
    """A cluster door that counts what it is asked, and answers with that."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def _answer(self, text: str) -> Answer:
        self.asked.append(text)
        return Answer(Outcome.OK, {"items": [], "asked": len(self.asked), "what": text})

    def path(self, path: str) -> Answer:
        """Read a path."""
        return self._answer(path)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Read an object."""
        return self._answer(resource.path(namespace, name))

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """List objects."""
        return self._answer(f"{resource.path(namespace)}?{labels}{metadata_only}")

    def allowed(self, permission: Permission) -> Answer:
        """Review a permission."""
        return self._answer(permission.text)

    def logs(
        self, namespace: str, pod: str, container: str, *, since: int, lines: int, previous: bool = False
    ) -> Answer:
        """Read a log."""
        return self._answer(f"{namespace}/{pod}/{container} {since} {lines}")

    def try_pull(self, question: Pull) -> Answer:
        """Try a pull."""
        return self._answer(f"{question.node} {question.image}")


class Network:
    """A wire door that answers each verb in its own way."""

    def resolve(self, vantage: Vantage, question: Resolve) -> Resolved | Failure:
        """Resolve."""
        return Resolved((question.host,))

    def connect(self, vantage: Vantage, question: Connect) -> Connected | Failure:
        """Connect."""
        return Failure(Trouble.REFUSED)

    def handshake(self, vantage: Vantage, question: Handshake) -> Shaken | Failure:
        """Shake hands."""
        return Shaken("CN=a", "CN=b")

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Request."""
        return Response(200, body=question.url)


def ask_cluster(cluster: Cluster) -> list[Answer]:
    """Put every question to a cluster, some of them twice."""
    return [
        cluster.path("/version"),
        cluster.get(PODS, "a", "coder"),
        cluster.get(PODS, "a", "coder"),
        cluster.get(PODS, "b", "coder"),
        cluster.list(DEPLOYMENTS, labels="a=b", metadata_only=True),
        cluster.list(DEPLOYMENTS),
        cluster.allowed(EXEC),
        cluster.logs("coder", "a", "b", since=60, lines=10),
        cluster.try_pull(Pull("coder", "a.b/c:1", "node-1", secrets=("s",), tolerations=({"key": "a"},))),
    ]


def ask_wire(wire: Wire) -> list[Any]:
    """Put every question to a wire."""
    return [
        wire.resolve(HERE, Resolve("a.b")),
        wire.connect(HERE, Connect("a.b", 443)),
        wire.handshake(HERE, Handshake("a.b")),
        wire.request(HERE, Request("GET", "http://a.b", form=(("a", "b"),), basic=("u", "<opaque:1>"))),
        wire.request(Vantage("local"), Request("GET", "http://a.b")),
    ]


def again(tape: Tape) -> Tape:
    """Write a tape and read it back."""
    return Tape.loads(tape.dumps())


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_gives_back_every_kind_of_answer(answer: object) -> None:
    """Written and read, an answer equals what came."""
    tape = Tape()
    tape.record(LabClock(), "door", {"q": 1}, lambda: answer)

    assert again(tape).answer("door", {"q": 1}) == answer


def test_a_taped_cluster_answers_alike() -> None:
    """Every question to the recorded cluster has the answer that the live one gave, in its order."""
    tape, live = Tape(), Kubernetes()
    answers = ask_cluster(taped_cluster.recording(live, tape, LabClock()))

    assert len(live.asked) == len(answers)
    assert ask_cluster(taped_cluster.recorded(again(tape), Store())) == answers


def test_a_taped_wire_answers_alike() -> None:
    """The same for the network, failures included."""
    tape = Tape()
    answers = ask_wire(taped_wire.recording(Network(), tape, LabClock()))

    assert ask_wire(taped_wire.recorded(again(tape))) == answers


def test_what_was_not_asked_cannot_be_known() -> None:
    """A question not on the tape, or asked once too often, is one that cannot be looked at."""
    tape = Tape()
    taped_cluster.recording(Kubernetes(), tape, LabClock()).path("/version")
    cluster = taped_cluster.recorded(again(tape), Store())

    with pytest.raises(CannotLookError, match="not recorded"):
        cluster.path("/healthz").value()
    cluster.path("/version")
    with pytest.raises(CannotLookError, match="not recorded"):
        cluster.path("/version").value()
    with pytest.raises(CannotLookError, match="not recorded"):
        taped_wire.recorded(tape).resolve(HERE, Resolve("a"))


def test_keeps_when_and_how_long() -> None:
    """Each entry has the time it was asked at, and the seconds the answer took."""
    tape, clock = Tape(), LabClock()

    def slow() -> Answer:
        clock.sleep(1.5)
        return Answer(Outcome.OK)

    tape.record(clock, "door", {}, slow)
    tape.record(clock, "door", {}, slow)

    assert [(entry.ordinal, entry.seconds) for entry in tape.entries] == [(0, 1.5), (1, 1.5)]
    assert tape.entries[1].at == "2026-11-02T09:00:01.500000+00:00"


def test_a_text_that_is_no_tape_is_refused() -> None:
    """What cannot be read raises a ValueError."""
    with pytest.raises(ValueError, match="Expecting"):
        Tape.loads("nonsense\n")


def test_the_order_of_keys_makes_no_other_question() -> None:
    """Equal questions have one form."""
    assert canonical({"a": 1, "b": {"c": (1, 2)}}) == canonical({"b": {"c": [1, 2]}, "a": 1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(body=JSON, question=st.dictionaries(st.text(), JSON, max_size=3))
def test_any_json_comes_back(body: Any, question: Mapping[str, Any]) -> None:
    """Whatever a server says, and however it was asked, is read back as it was."""
    tape = Tape()
    tape.record(LabClock(), "door", question, lambda: Answer(Outcome.OK, body))

    assert again(tape).answer("door", question).body == body
    assert all(json.loads(line) for line in tape.dumps().splitlines())
