"""The live cluster door against an API server that answers byte for byte what a test says."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from acrcheck.clock import SystemClock
from acrcheck.cluster.kubeconfig import ConnectionFlags, connect
from acrcheck.cluster.live import LiveCluster
from acrcheck.cluster.reader import DEPLOYMENTS, NODES, PODS, Answer, Outcome, Pull, Resource
from acrcheck.model import Permission
from tests.unit.loopback import Asked, Authority, Served, answer, serve


def live(served: Served, **flags: Any) -> LiveCluster:
    """The door under test, connected by flags alone."""
    given = {"server": served.url, "token": "operator-token", "request_timeout": 5.0, **flags}
    return LiveCluster(
        connect(ConnectionFlags(**given), SystemClock(), {"HOME": "/nonexistent"}), SystemClock()
    )


def status(code: int, reason: str, message: str, **details: str) -> bytes:
    """A Status object as the API server sends it."""
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return json.dumps({**told, "details": details, "code": code}).encode()


def get(reply: list[bytes], **flags: Any) -> Answer:
    """Read one deployment from a server that gives this reply."""
    with serve(lambda _: reply) as served:
        return live(served, **flags).get(DEPLOYMENTS, "coderd", "coder")


def test_an_object_is_a_plain_dict() -> None:
    """The JSON comes back as it is, also with fields that no model would accept."""
    body = {
        "kind": "Deployment",
        "metadata": {"name": "coderd"},
        "spec": {"containers": None, "eventTime": None},
    }
    with serve(lambda _: answer(200, json.dumps(body).encode())) as served:
        got = live(served).get(DEPLOYMENTS, "coderd", "coder")
    assert got == Answer(Outcome.OK, body)
    asked = served.asked[0]
    assert asked.target == "/apis/apps/v1/namespaces/coder/deployments/coderd"
    assert asked.header("Authorization") == "Bearer operator-token"
    assert asked.header("User-Agent").startswith("acrcheck/")


def test_impersonation_headers() -> None:
    """Each group travels in a header of its own."""
    with serve(lambda _: answer(200, b"{}")) as served:
        live(served, as_user="sre", as_groups=("a", "b,c"), as_uid="7").path("/version")
    asked = served.asked[0]
    assert asked.all("Impersonate-User") == ["sre"]
    assert asked.all("Impersonate-Group") == ["a", "b,c"]
    assert asked.all("Impersonate-Uid") == ["7"]


@pytest.mark.parametrize(
    ("code", "body", "outcome"),
    [
        (404, status(404, "NotFound", 'deployments.apps "coderd" not found', name="coderd"), Outcome.ABSENT),
        (404, status(404, "NotFound", "the server could not find the requested resource"), Outcome.NO_API),
        (404, b"404 page not found\n", Outcome.NO_API),
        (404, b"<html>not here</html>", Outcome.MALFORMED),
        (401, status(401, "Unauthorized", "Unauthorized"), Outcome.UNAUTHORIZED),
        (409, status(409, "Conflict", "the object has been modified"), Outcome.CONFLICT),
        (410, status(410, "Expired", "too old resource version"), Outcome.GONE),
        (400, status(400, "BadRequest", "no such field"), Outcome.INVALID),
        (422, status(422, "Invalid", "is invalid"), Outcome.INVALID),
        (500, status(500, "InternalError", "etcd is away"), Outcome.ERROR),
        (503, b"upstream connect error", Outcome.ERROR),
        (504, status(504, "Timeout", "too long"), Outcome.TIMEOUT),
        (503, b"<!DOCTYPE html><html>Gateway</html>", Outcome.MALFORMED),
        (302, b"", Outcome.MALFORMED),
        (200, b"<html>log in</html>", Outcome.MALFORMED),
        (200, b'{"kind": "Deploy', Outcome.MALFORMED),
        (200, b"\x00\xff\xfe binary", Outcome.MALFORMED),
        (200, b"[1, 2]", Outcome.MALFORMED),
    ],
)
def test_what_each_answer_means(code: int, body: bytes, outcome: Outcome) -> None:
    """Every status and every body that is no Kubernetes answer has its outcome, and none raises."""
    got = get(answer(code, body))
    assert got.outcome is outcome, got
    assert "\n" not in got.detail


def test_forbidden_names_the_permission() -> None:
    """A 403 carries the verb, the resource and the namespace that the question needed."""
    told = status(403, "Forbidden", 'deployments.apps is forbidden: User "x" cannot list')
    with serve(lambda _: answer(403, told)) as served:
        got = live(served).list(DEPLOYMENTS, "coder")
    assert got.outcome is Outcome.FORBIDDEN
    assert got.permission == Permission("list", "deployments", "coder", "apps")


def test_a_long_object_is_read_whole() -> None:
    """Ten megabytes of valid JSON are an answer."""
    body = json.dumps({"data": "x" * (10 * 1024 * 1024)}).encode()
    assert get(answer(200, body)).ok


def test_an_answer_that_never_ends_is_malformed() -> None:
    """Reading stops at 32 MiB, and says so."""

    def endless(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
        while True:
            yield b'{"items": [' + b" " * 1_000_000

    with serve(endless) as served:
        got = live(served).get(DEPLOYMENTS, "coderd", "coder")
    assert got.outcome is Outcome.MALFORMED
    assert "more than" in got.detail


def test_a_truncated_answer_is_malformed() -> None:
    """Fewer bytes than announced are no answer."""
    got = get([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"])
    assert got.outcome is Outcome.MALFORMED


def test_silence_is_a_timeout() -> None:
    """A server that says nothing within --request-timeout is a timeout, and its name is told."""
    with serve(_hold) as served:
        got = live(served, request_timeout=0.3).path("/version")
    assert got.outcome is Outcome.TIMEOUT
    assert "127.0.0.1" in got.detail


def test_trickling_is_a_timeout() -> None:
    """The limit is for the whole answer: one byte now and then does not extend it."""

    def trickle(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        for _ in range(100):
            yield b" "
            yield from _hold(asked, 0.05)

    with serve(trickle) as served:
        got = live(served, request_timeout=0.3).path("/version")
    assert got.outcome is Outcome.TIMEOUT


def _hold(_: Asked, seconds: float = 0.5) -> Iterator[bytes]:
    threading.Event().wait(seconds)
    yield b""


def test_nothing_listening_is_unreachable() -> None:
    """A closed port is unreachable, in a sentence with the server's address."""
    with serve(lambda _: []) as served:
        pass
    got = live(served).path("/version")
    assert got.outcome is Outcome.UNREACHABLE
    assert served.url in got.detail
    assert "refused" in got.detail


def test_an_unknown_name_is_unreachable() -> None:
    """A server whose name does not resolve says just that."""
    got = live(Served(443, scheme="https"), server="https://api.invalid:443").path("/version")
    assert got.outcome is Outcome.UNREACHABLE
    assert "does not resolve" in got.detail


def test_the_wrong_authority_is_told(tmp_path: Path) -> None:
    """A certificate of another authority is unreachable, with the reason in words."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.mkdir()
    wrong.mkdir()
    authority, other = Authority(right), Authority(wrong, "Other Authority")
    with serve(lambda _: answer(200, b"{}"), authority.leaf("127.0.0.1")) as served:
        assert live(served, certificate_authority=str(authority.certificate)).path("/version").ok
        assert live(served, insecure_skip_tls_verify=True).path("/version").ok
        got = live(served, certificate_authority=str(other.certificate)).path("/version")
    assert got.outcome is Outcome.UNREACHABLE
    assert "is not trusted" in got.detail
    assert "certificate authority" in got.detail


def pages(*replies: bytes | tuple[int, bytes]) -> Callable[[Asked], list[bytes]]:
    """Give one reply after the other."""
    left = list(replies)

    def reply(_: Asked) -> list[bytes]:
        following = left.pop(0)
        return answer(*following) if isinstance(following, tuple) else answer(200, following)

    return reply


def page(token: str, *names: str) -> bytes:
    """A page of a list."""
    items = [{"metadata": {"name": name}} for name in names]
    return json.dumps({"kind": "PodList", "metadata": {"continue": token}, "items": items}).encode()


def test_pages_are_joined() -> None:
    """A list is read in pages of 500 until there is no token more."""
    with serve(pages(page("t1", "a", "b"), page("t2", "c"), page("", "d"))) as served:
        got = live(served).list(PODS, "coder", "app=coderd", metadata_only=True)
    assert [item["metadata"]["name"] for item in got.items()] == ["a", "b", "c", "d"]
    queries = [parse_qs(urlsplit(asked.target).query) for asked in served.asked]
    assert [query.get("continue") for query in queries] == [None, ["t1"], ["t2"]]
    assert all(query["limit"] == ["500"] and query["labelSelector"] == ["app=coderd"] for query in queries)
    assert "as=PartialObjectMetadataList" in served.asked[0].header("Accept")


def test_a_list_that_expires_is_begun_anew_once() -> None:
    """410 in the middle: from the start again, without duplicates; a second one is an answer."""
    gone = (410, status(410, "Expired", "The provided continue parameter is too old"))
    with serve(pages(page("t1", "a"), gone, page("t1", "a"), page("", "b"))) as served:
        got = live(served).list(PODS)
    assert [item["metadata"]["name"] for item in got.items()] == ["a", "b"]
    with serve(pages(page("t1", "a"), gone, page("t1", "a"), gone)) as served:
        assert live(served).list(PODS).outcome is Outcome.GONE


def test_a_list_of_what_is_not_served_is_empty() -> None:
    """No custom resource definition: the list says `no-api`, and has no items."""
    identities = Resource("aadpodidentity.k8s.io", "v1", "azureidentities")
    with serve(lambda _: answer(404, b"404 page not found\n")) as served:
        got = live(served).list(identities, "coder")
    assert got.outcome is Outcome.NO_API
    assert got.items() == []


def test_a_list_with_null_items() -> None:
    """Go writes an empty list as null."""
    with serve(lambda _: answer(200, b'{"kind": "NodeList", "items": null, "metadata": {}}')) as served:
        assert live(served).list(NODES).items() == []


def test_asking_what_is_allowed() -> None:
    """The review names group, resource, subresource, verb and namespace, and its verdict comes back."""
    verdict = {"kind": "SelfSubjectAccessReview", "status": {"allowed": False, "reason": "no rule"}}
    with serve(lambda _: answer(201, json.dumps(verdict).encode())) as served:
        got = live(served).allowed(Permission("create", "pods", "coder", "", "exec"))
    assert got.body == {"allowed": False, "reason": "no rule"}
    assert json.loads(served.asked[0].body)["spec"]["resourceAttributes"] == {
        "verb": "create",
        "resource": "pods",
        "subresource": "exec",
        "namespace": "coder",
    }


def test_logs_are_text_and_bounded() -> None:
    """The log's end is asked for with limits, and bytes that are no text do not raise."""
    with serve(lambda _: answer(200, b"line\n\xff\n")) as served:
        got = live(served).logs("coder", "coderd-1", "coder", since=600, lines=50)
    assert got == Answer(Outcome.OK, "line\n\ufffd\n")
    query = parse_qs(urlsplit(served.asked[0].target).query)
    assert query == {
        "container": ["coder"],
        "sinceSeconds": ["600"],
        "tailLines": ["50"],
    }


def test_of_a_large_log_the_newest_lines_are_kept() -> None:
    """Whole lines, at most 1 MiB of them, and the answer says that there were more."""
    lines = [f"{number:06} {'x' * 90}" for number in range(20_000)]
    with serve(lambda _: answer(200, "".join(f"{line}\n" for line in lines).encode())) as served:
        got = live(served).logs("coder", "coderd-1", "coder", since=600, lines=20_000)
    kept = got.body.splitlines()
    assert got.ok
    assert kept == lines[-len(kept) :]
    assert 1_048_576 - 98 < len(got.body) <= 1_048_576
    assert got.detail == "only the last 1024 KiB of it were kept"


def test_logs_of_a_container_that_has_not_started() -> None:
    """The server's 400 is an answer."""
    told = status(
        400, "BadRequest", 'container "coder" in pod "coderd-1" is waiting to start: ContainerCreating'
    )
    with serve(lambda _: answer(400, told)) as served:
        got = live(served).logs("coder", "coderd-1", "coder", since=60, lines=5)
    assert got.outcome is Outcome.INVALID
    assert "waiting to start" in got.detail


def test_creating_and_deleting() -> None:
    """A pod is posted as it is, deleted without grace; an ephemeral container is merged into its pod."""
    with serve(lambda _: answer(200, b"{}")) as served:
        door = live(served)
        assert door.create_pod("coder", {"kind": "Pod"}).ok
        assert door.delete_pod("coder", "probe").ok
        assert door.add_ephemeral_container("coder", "coderd-1", {"name": "acrcheck-1"}).ok
    created, deleted, patched = served.asked
    assert (created.method, created.target) == ("POST", "/api/v1/namespaces/coder/pods")
    assert (deleted.method, deleted.target) == ("DELETE", "/api/v1/namespaces/coder/pods/probe")
    assert json.loads(deleted.body)["gracePeriodSeconds"] == 0
    assert patched.target == "/api/v1/namespaces/coder/pods/coderd-1/ephemeralcontainers"
    assert patched.header("Content-Type") == "application/strategic-merge-patch+json"
    assert json.loads(patched.body) == {"spec": {"ephemeralContainers": [{"name": "acrcheck-1"}]}}


def test_a_name_cannot_leave_its_path() -> None:
    """What is in a name is quoted: it never becomes another path."""
    with serve(lambda _: answer(200, b"{}")) as served:
        live(served).get(PODS, "../../nodes?x=1", "a/b")
    assert served.asked[0].target == "/api/v1/namespaces/a%2Fb/pods/..%2F..%2Fnodes%3Fx%3D1"


def test_no_pull_is_tried_without_leave() -> None:
    """Nothing is asked of the server at all."""
    with serve(lambda _: answer(200, b"{}")) as served:
        got = live(served).try_pull(Pull("coder", "a.b/c:1", "node-1"))
    assert got.outcome is Outcome.INVALID
    assert "--allow probe-pod" in got.detail
    assert served.asked == []


def test_a_pod_that_admission_refuses_is_no_missing_permission() -> None:
    """Quotas and pod security answer 403 as well."""
    told = status(
        403, "Forbidden", 'pods "acrcheck-1" is forbidden: exceeded quota: small, requested: pods=1'
    )
    with serve(lambda _: answer(403, told)) as served:
        got = live(served).create_pod("coder", {"metadata": {"name": "acrcheck-1"}})
    assert (got.outcome, got.permission) == (Outcome.INVALID, None)
    assert "exceeded quota" in got.detail
