"""The live side of the cluster door: raw JSON over the kubernetes package's own connections.

Its models are not used: they refuse a whole list for one odd field.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from acrcheck.clock import Clock
from acrcheck.cluster import answers, stream
from acrcheck.cluster.hands import Executed
from acrcheck.cluster.kubeconfig import Connection
from acrcheck.cluster.pullsecret import sealed
from acrcheck.cluster.reader import EVENTS, PODS, SECRETS, Answer, Outcome, Pull, Resource
from acrcheck.cluster.shortlived import LEAVE
from acrcheck.cluster.trial import Trials
from acrcheck.model import Permission
from acrcheck.wire.vault import Vault

PAGE = 500
PAGE_BYTES = 32 * 1024 * 1024
LOG_BYTES = 1024 * 1024
_CHUNK = 65_536
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_STRATEGIC = "application/strategic-merge-patch+json"
_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False)


class LiveCluster:
    """Kubernetes as it is. Implements `Cluster` for checks and `Hands` for the wire. Safe for threads.

    A pull is tried when `allow` holds `probe-pod`; `close` deletes the pods that are left of it.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        vault: Vault | None = None,
        *,
        allow: frozenset[str] = frozenset(),
    ) -> None:
        self.connection = connection
        self._clock = clock
        self._allow = allow
        self._trials = Trials(self, clock)
        self._vault = vault or Vault()
        self._lock = threading.Lock()
        self._pool: Any = None
        self._closes_input = True

    def path(self, path: str) -> Answer:
        """Read a path that is no object."""
        return self._json("GET", path, None)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Read one object."""
        path = resource.path(quote(namespace, safe=""), quote(name, safe=""))
        answer = self._json("GET", path, resource.permission("get", namespace))
        if answer.ok and resource == SECRETS:
            return replace(answer, body=sealed(answer.body, self._vault.keep))
        return answer

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """Read a collection page by page. When it changes too much meanwhile (410), begin anew once.

        Of Secrets only the metadata: what they hold is read one by one, and sealed.
        """
        metadata_only = metadata_only or resource == SECRETS
        chosen = [("labelSelector", labels)] if labels else []
        answer = self._pages(resource, namespace, chosen, metadata_only=metadata_only)
        if answer.outcome is Outcome.GONE:
            answer = self._pages(resource, namespace, chosen, metadata_only=metadata_only)
        return (
            replace(answer, body=self._vault.seal_words(answer.body))
            if resource == EVENTS and answer.ok
            else answer
        )

    def allowed(self, permission: Permission) -> Answer:
        """Ask the API server whether the caller holds a permission."""
        attributes = {
            "verb": permission.verb,
            "group": permission.group,
            "resource": permission.resource,
            "subresource": permission.subresource,
            "namespace": permission.namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        answer = self._json("POST", _REVIEWS.path(), _REVIEWS.permission("create"), body=review)
        if not answer.ok:
            return answer
        status = answer.body.get("status")
        if not isinstance(status, dict):
            return Answer(Outcome.MALFORMED, detail="the access review came back without a status")
        reason = str(status.get("reason") or status.get("evaluationError") or "")
        return Answer(Outcome.OK, {"allowed": status.get("allowed") is True, "reason": reason})

    def logs(
        self, namespace: str, pod: str, container: str, *, since: int, lines: int, previous: bool = False
    ) -> Answer:
        """Read the end of a container's log: its last MiB, and `detail` says what was left out before it.

        The API's own `limitBytes` counts from the oldest of the lines asked for, and would cut the newest.
        """
        query = [
            ("container", container),
            ("sinceSeconds", str(max(1, since))),
            ("tailLines", str(lines)),
            *([("previous", "true")] if previous else []),
        ]
        permission = PODS.permission("get", namespace, "log")
        got = self._send("GET", _pod(namespace, pod, "log"), query=query, limit=LOG_BYTES, end=True)
        if isinstance(got, Answer):
            return got
        status, body = got
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's success
            return answers.log(body, LOG_BYTES)
        return answers.refusal(status, body, permission)

    def try_pull(self, question: Pull) -> Answer:
        """Have a node's kubelet pull an image for a throw-away pod."""
        if LEAVE not in self._allow:
            return Answer(Outcome.INVALID, detail=f"without leave no pod is created: --allow {LEAVE}")
        answer = self._trials.try_pull(question)
        return replace(answer, body=self._vault.seal_words(answer.body)) if answer.ok else answer

    def close(self) -> tuple[str, ...]:
        """Delete what was created. Gives the `namespace/name` of those that could not be deleted."""
        return self._trials.close()

    def list_by_fields(self, resource: Resource, namespace: str, fields: str) -> Answer:
        """Read the objects that a field selector leaves, of a namespace or of all."""
        return self._pages(resource, namespace, [("fieldSelector", fields)], metadata_only=False)

    def create_pod(self, namespace: str, body: dict[str, Any]) -> Answer:
        """Create a pod."""
        path = PODS.path(quote(namespace, safe=""))
        answer = self._json("POST", path, PODS.permission("create", namespace), body=body)
        if answer.outcome is Outcome.FORBIDDEN and "cannot create" not in answer.detail:
            # Quotas and pod security answer 403 too; the caller may create pods, not this one.
            return Answer(Outcome.INVALID, detail=answer.detail)
        return answer

    def delete_pod(self, namespace: str, name: str) -> Answer:
        """Delete a pod at once, without grace."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        permission = PODS.permission("delete", namespace)
        return self._json("DELETE", _pod(namespace, name), permission, body=options)

    def add_ephemeral_container(self, namespace: str, pod: str, container: dict[str, Any]) -> Answer:
        """Add an ephemeral container to a running pod."""
        return self._json(
            "PATCH",
            _pod(namespace, pod, "ephemeralcontainers"),
            PODS.permission("patch", namespace, "ephemeralcontainers"),
            body={"spec": {"ephemeralContainers": [container]}},
            content_type=_STRATEGIC,
        )

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        limit: int = 1_048_576,
    ) -> Executed | Answer:
        """Run a program in a container. Refused while another user is impersonated."""
        if self.connection.impersonates:
            return Answer(
                Outcome.INVALID,
                detail=f"exec is not done in the name of another user (--as {self.connection.impersonates})",
            )
        words = argv if self._closes_input or not stdin else _told_length(argv, len(stdin))
        answer = self._exec(_pod(namespace, pod, "exec"), container, words, stdin, seconds, limit)
        if answer is None:
            # A server before 1.30 cannot close the input: the program is told how long it is.
            self._closes_input = False
            words = _told_length(argv, len(stdin))
            answer = self._exec(_pod(namespace, pod, "exec"), container, words, stdin, seconds, limit)
        if isinstance(answer, Answer) and answer.outcome is Outcome.FORBIDDEN:
            # The websocket is opened by GET, so `get` is asked for first; since 1.35 `create` as well.
            verb = "get" if "cannot get resource" in answer.detail else "create"
            answer = replace(answer, permission=PODS.permission(verb, namespace, "exec"))
        return answer or Answer(Outcome.ERROR, detail="the server does not let a program's input be closed")

    def _exec(
        self, path: str, container: str, argv: Sequence[str], stdin: bytes, seconds: float, limit: int
    ) -> Executed | Answer | None:
        """Run once. None when the input would have to be closed and the server cannot."""
        import websocket

        try:
            running = stream.connect(
                self.connection,
                self._clock,
                path,
                container,
                argv,
                stdin=bool(stdin),
                seconds=seconds,
            )
        except (websocket.WebSocketException, OSError) as error:
            return stream.failure(error)
        try:
            if stdin and self._closes_input and not running.closes_input:
                return None
            if stdin:
                running.feed(stdin)
            return running.drain(limit)
        except (websocket.WebSocketException, OSError) as error:
            return stream.failure(error)
        finally:
            running.close()

    def _pages(
        self,
        resource: Resource,
        namespace: str,
        chosen: Sequence[tuple[str, str]],
        *,
        metadata_only: bool,
    ) -> Answer:
        path = resource.path(quote(namespace, safe=""))
        permission = resource.permission("list", namespace)
        items: list[Any] = []
        token = ""
        while True:
            query = [("limit", str(PAGE))]
            query += chosen
            query += [("continue", token)] if token else []
            answer = self._json(
                "GET", path, permission, query=query, accept=_METADATA if metadata_only else _JSON
            )
            if not answer.ok:
                return answer
            page = answer.body.get("items")
            if not isinstance(page, list | None):
                return Answer(Outcome.MALFORMED, detail="the server's list has no list of items")
            items += page or []
            metadata = answer.body.get("metadata")
            token = str(metadata.get("continue") or "") if isinstance(metadata, dict) else ""
            if not token:
                return Answer(Outcome.OK, {**answer.body, "items": items})

    def _json(
        self,
        method: str,
        path: str,
        permission: Permission | None,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: dict[str, Any] | None = None,
        accept: str = _JSON,
        content_type: str = _JSON,
    ) -> Answer:
        got = self._send(method, path, query=query, body=body, accept=accept, content_type=content_type)
        if isinstance(got, Answer):
            return got
        status, content = got
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's success
            return answers.success(content)
        return answers.refusal(status, content, permission)

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: dict[str, Any] | None = None,
        accept: str = _JSON,
        content_type: str = _JSON,
        limit: int = PAGE_BYTES,
        end: bool = False,
    ) -> tuple[int, bytes] | Answer:
        """Send one request and read its answer whole, within the time and the size allowed.

        Where only its end is asked for, what is given is cut to a little more than that size.
        """
        import urllib3

        headers = urllib3.HTTPHeaderDict(self.connection.headers())
        headers.add("Accept", accept)
        if body is not None:
            headers.add("Content-Type", content_type)
        url = (
            self.connection.configuration.host.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        )
        deadline = self._clock.monotonic() + self.connection.seconds
        try:
            response = self._connections().request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=urllib3.Timeout(total=self.connection.seconds),
                preload_content=False,
                retries=False,
                redirect=False,
            )
            return self._read(response, deadline, limit, end=end)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return _unanswered(error, self.connection)

    def _read(self, response: Any, deadline: float, limit: int, *, end: bool) -> tuple[int, bytes] | Answer:
        content = bytearray()
        while chunk := response.read1(_CHUNK):
            content += chunk
            if end:
                del content[: -limit - 1]
            elif len(content) > limit:
                response.close()
                start = answers.shown(bytes(content[:2048]))
                return Answer(Outcome.MALFORMED, detail=f"more than {limit} bytes: {start}")
            if self._clock.monotonic() > deadline:
                response.close()
                return Answer(Outcome.TIMEOUT, detail=f"still answering after {self.connection.seconds:g} s")
        response.release_conn()
        return response.status, bytes(content)

    def _connections(self) -> Any:
        import urllib3

        with self._lock:
            if self._pool is None:
                if not self.connection.configuration.verify_ssl:
                    # --insecure-skip-tls-verify was asked for: no need to be told with every request.
                    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
                self._pool = self.connection.client().rest_client.pool_manager
            return self._pool


def _pod(namespace: str, name: str, subresource: str = "") -> str:
    path = PODS.path(quote(namespace, safe=""), quote(name, safe=""))
    return f"{path}/{subresource}" if subresource else path


def _told_length(argv: Sequence[str], length: int) -> list[str]:
    return ["sh", "-c", 'head -c "$0" | "$@"', str(length), *argv]


def _unanswered(error: Exception, connection: Connection) -> Answer:
    """Say in a sentence why the API server did not answer."""
    from urllib3 import exceptions

    server = connection.server
    text = " ".join(str(error).split())
    if isinstance(error, exceptions.NameResolutionError):
        detail = f"the name in {server} does not resolve"
    elif isinstance(error, exceptions.NewConnectionError):
        detail = f"{server} cannot be reached: {text.rpartition(': ')[2]}"
    elif isinstance(error, exceptions.TimeoutError | TimeoutError):
        return Answer(Outcome.TIMEOUT, detail=f"{server} gave no answer within {connection.seconds:g} s")
    elif isinstance(error, exceptions.SSLError):
        detail = _untrusted(text, server)
    elif isinstance(error, exceptions.ProxyError):
        detail = f"the proxy on the way to {server} failed: {text}"
    elif isinstance(error, OSError) or any(isinstance(cause, OSError) for cause in error.args):
        detail = f"the connection to {server} broke: {text}"
    else:
        return Answer(Outcome.MALFORMED, detail=f"{server} answered something broken: {text}")
    return Answer(Outcome.UNREACHABLE, detail=detail)


def _untrusted(text: str, server: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" not in text:
        return f"TLS with {server} failed: {text}"
    why = text.partition("CERTIFICATE_VERIFY_FAILED] ")[2].partition(" (_ssl.c")[0]
    return (
        f"the certificate of {server} is not trusted: {why}; the kubeconfig's certificate authority is not "
        "the one that signed it, or something answers in its place"
    )
