"""The door to Kubernetes: questions that only read, and answers that are never surprises.

Objects are plain JSON dicts. Forbidden, absent, gone and timed out are answers; `Answer.value` turns what
is no answer into `CannotLookError`, which the engine reports as `unknown`.
"""

from dataclasses import field
from enum import StrEnum
from typing import Any, Protocol

from acrcheck.late import dataclass
from acrcheck.model import CannotLookError, Permission


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the API, as `kubectl api-resources` lists it."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def group_path(self) -> str:
        """The path under which the API server serves the group version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """Give the path of one object, or of the collection when no name is given."""
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{self.group_path}{scope}/{self.plural}" + (f"/{name}" if name else "")

    def permission(self, verb: str, namespace: str = "", subresource: str = "") -> Permission:
        """Give the permission that a verb on this resource needs."""
        return Permission(verb, self.plural, namespace if self.namespaced else "", self.group, subresource)


PODS = Resource("", "v1", "pods")
EVENTS = Resource("", "v1", "events")
SECRETS = Resource("", "v1", "secrets")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
NODES = Resource("", "v1", "nodes", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments")
STATEFULSETS = Resource("apps", "v1", "statefulsets")
DAEMONSETS = Resource("apps", "v1", "daemonsets")
REPLICASETS = Resource("apps", "v1", "replicasets")
JOBS = Resource("batch", "v1", "jobs")
CRON_JOBS = Resource("batch", "v1", "cronjobs")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers")
AZURE_IDENTITIES = Resource("aadpodidentity.k8s.io", "v1", "azureidentities")
AZURE_IDENTITY_BINDINGS = Resource("aadpodidentity.k8s.io", "v1", "azureidentitybindings")
AZURE_ASSIGNED_IDENTITIES = Resource("aadpodidentity.k8s.io", "v1", "azureassignedidentities")
AZURE_POD_IDENTITY_EXCEPTIONS = Resource("aadpodidentity.k8s.io", "v1", "azurepodidentityexceptions")


class Outcome(StrEnum):
    """How the API server (or the way to it) dealt with a question."""

    OK = "ok"
    ABSENT = "absent"
    """The server knows the resource and has no such object (404 with a Status naming it)."""
    NO_API = "no-api"
    """The server does not serve this group, version or resource (404 page not found)."""
    FORBIDDEN = "forbidden"
    UNAUTHORIZED = "unauthorized"
    GONE = "gone"
    """410, or a pod that vanished while it was asked."""
    CONFLICT = "conflict"
    INVALID = "invalid"
    """400 or 422: the server understood and refused; admission errors too."""
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"
    """Something answered that does not speak Kubernetes: HTML, truncated JSON, too much of it."""
    ERROR = "error"
    """5xx and whatever else."""
    NOT_RECORDED = "not recorded"
    """Nobody asked, or not so much, when what answers now was recorded."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is the JSON (or the log's text) when the outcome is `ok`."""

    outcome: Outcome
    body: Any = None
    detail: str = ""
    permission: Permission | None = None

    @property
    def ok(self) -> bool:
        """True when the question was answered."""
        return self.outcome is Outcome.OK

    @property
    def nothing(self) -> bool:
        """True when the server answered that there is no such object, or no such API."""
        return self.outcome in {Outcome.ABSENT, Outcome.NO_API}

    @property
    def too_wide(self) -> bool:
        """True when this may not be seen, and a part of it perhaps may."""
        return self.outcome in {Outcome.FORBIDDEN, Outcome.NOT_RECORDED}

    def value(self) -> Any:
        """Give the body. Raises CannotLookError with the reason when there is none."""
        if self.ok:
            return self.body
        if self.outcome is Outcome.FORBIDDEN and self.permission:
            raise CannotLookError(f"not permitted to {self.permission.text}", permission=self.permission)
        raise CannotLookError(f"{self.outcome}: {self.detail}" if self.detail else str(self.outcome))

    def items(self) -> list[dict[str, Any]]:
        """Give the items of a list. Raises CannotLookError when there was no answer; no API means none."""
        if self.outcome is Outcome.NO_API:
            return []
        body = self.value()
        items = body.get("items") if isinstance(body, dict) else None
        if items is None:
            return []
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise CannotLookError("malformed: the server's list holds something that is no object")
        return items


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull that is to be tried: of which image, on which node, and for a pod of which kind.

    It needs no pod that runs: `secrets` are the names of pull secrets of the namespace as a pod would name them (with
    none, the service account's are taken), `security` is the security context of the container it stands for.
    """

    namespace: str
    image: str
    node: str
    secrets: tuple[str, ...] = ()
    service_account: str = "default"
    tolerations: tuple[dict[str, Any], ...] = ()
    security: dict[str, Any] = field(default_factory=dict)
    seconds: float = 240.0
    """How long it may take, the start of the pod included."""


class Cluster(Protocol):
    """What checks may ask of Kubernetes. Live, recorded and simulated sides answer alike."""

    def path(self, path: str) -> Answer:
        """Read a path that is no object: `/version`, `/apis/GROUP/VERSION`."""

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Read one object; a Secret as `acrcheck.cluster.pullsecret.sealed` gives it."""

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """Read all objects of a namespace (or of all), page by page, joined into one `{"items": […]}`."""

    def allowed(self, permission: Permission) -> Answer:
        """Ask whether the caller holds a permission; the body is `{"allowed": bool, "reason": str}`."""

    def logs(
        self, namespace: str, pod: str, container: str, *, since: int, lines: int, previous: bool = False
    ) -> Answer:
        """Read the last lines of a container's log of the last `since` seconds; the body is text.

        `previous` asks for that of the container's instance before.
        """

    def try_pull(self, question: Pull) -> Answer:
        """Have a node's kubelet pull an image for a throw-away pod in which nothing runs. Only with leave.

        The body is `{"pulled": true, false or null, "status": {…}, "events": […], "seconds": n}`: the pod's last status
        and its events; `pulled` is null where neither came about in time. The outcome is `conflict` where
        nothing was tried because it might do harm: the node's state, or what would take the pod for its own.
        """
