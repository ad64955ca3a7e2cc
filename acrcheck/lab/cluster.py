"""The cluster door to a lab world: the same answers as a real API server's, forbidden and absent ones included."""

import copy
import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from acrcheck.cluster.pullsecret import sealed
from acrcheck.cluster.reader import AZURE_IDENTITIES, EVENTS, PODS, SECRETS, Answer, Outcome, Pull, Resource
from acrcheck.cluster.selectors import labels_match
from acrcheck.lab import releases, trial
from acrcheck.lab.kube import Json
from acrcheck.lab.world import NAMESPACE, Forbidden, World
from acrcheck.model import Permission
from acrcheck.wire.vault import Vault

USER = "operator"
VERSION = {"major": "1", "minor": "36", "platform": "linux/amd64"}
NOT_SERVED = "404 page not found"
INTERVAL = 60
"""Seconds between two attempts of an application that is refused."""


class LabCluster:
    """Implements the cluster door over a world. Nothing it gives is the world's own: it may be changed."""

    def __init__(self, world: World, vault: Vault | None = None) -> None:
        self._world = world
        self._vault = vault or Vault()

    def path(self, path: str) -> Answer:
        """Read a path that is no object."""
        if path == "/version":
            return Answer(Outcome.OK, {**VERSION, "gitVersion": self._world.server_version})
        group_version = path.removeprefix("/apis/")
        served = self._world.kubernetes.served().get(group_version)
        if served is None:
            return Answer(Outcome.NO_API, detail=NOT_SERVED)
        body = {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": served,
        }
        return Answer(Outcome.OK, body)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Answer:
        """Read one object."""
        refused = self._refused(resource, "get", namespace)
        if refused:
            return refused
        item = self._world.kubernetes.find(resource, name, namespace)
        if resource == SECRETS:
            found = [item for item in _secrets(self._world, namespace) if item["metadata"]["name"] == name]
            item = sealed(found[0], self._vault.keep) if found else None
        if item is None:
            return Answer(Outcome.ABSENT, detail=f'{_long(resource)} "{name}" not found')
        return Answer(Outcome.OK, copy.deepcopy(item))

    def list(
        self, resource: Resource, namespace: str = "", labels: str = "", *, metadata_only: bool = False
    ) -> Answer:
        """Read all objects of a namespace, or of all."""
        refused = self._refused(resource, "list", namespace)
        if refused:
            return refused
        try:
            matches = labels_match(labels)
        except ValueError as error:
            return Answer(Outcome.INVALID, detail=str(error))
        items = [
            _listed(resource, item, metadata_only=metadata_only or resource == SECRETS)
            for item in _items(self._world, resource, namespace)
            if matches(item["metadata"].get("labels") or {})
        ]
        items = self._vault.seal_words(items) if resource == EVENTS else items
        return Answer(Outcome.OK, {"metadata": {"resourceVersion": "100000"}, "items": items})

    def allowed(self, permission: Permission) -> Answer:
        """Ask whether the operator holds a permission."""
        held = not forbids(self._world, permission)
        return Answer(Outcome.OK, {"allowed": held, "reason": ""})

    def logs(
        self, namespace: str, pod: str, container: str, *, since: int, lines: int, previous: bool = False
    ) -> Answer:
        """Read the end of a container's log."""
        permission = PODS.permission("get", namespace, "log")
        if forbids(self._world, permission):
            return forbidden(permission)
        item = self._world.kubernetes.find(PODS, pod, namespace)
        if item is None:
            return Answer(Outcome.ABSENT, detail=f'pods "{pod}" not found')
        state = container_state(item, container)
        if previous:
            detail = f'previous terminated container "{container}" in pod "{pod}" not found'
            return Answer(Outcome.INVALID, detail=detail)
        if not {"running", "terminated"} & state.keys():
            reason = state.get("waiting", {}).get("reason", "ContainerCreating")
            detail = f'container "{container}" in pod "{pod}" is waiting to start: {reason}'
            return Answer(Outcome.INVALID, detail=detail)
        return Answer(Outcome.OK, "".join(f"{line}\n" for line in self._said(item, since)[-lines:]))

    def try_pull(self, question: Pull) -> Answer:
        """Have a node's kubelet pull an image for a throw-away pod."""
        for permission in trial.permissions(question.namespace):
            if forbids(self._world, permission):
                return forbidden(permission)
        readable = not forbids(self._world, EVENTS.permission("list", question.namespace))
        answer = trial.try_pull(self._world, question, events_readable=readable)
        return replace(answer, body=self._vault.seal_words(answer.body))

    def _said(self, pod: Json, since: int) -> tuple[str, ...]:
        """What the application has written in the last seconds: each refusal it was given on its connection."""
        world = self._world
        words = world.old_connections.get(pod["metadata"]["name"])
        if words is None:
            return ()
        end = int(world.clock.now().timestamp())
        return tuple(
            f"{_stamp(moment)} azure token: {words}"
            for moment in range(end - since + INTERVAL, end, INTERVAL)
        )

    def _refused(self, resource: Resource, verb: str, namespace: str) -> Answer | None:
        permission = resource.permission(verb, namespace)
        if forbids(self._world, permission):
            return forbidden(permission)
        if not self._world.kubernetes.serves(resource):
            return Answer(Outcome.NO_API, detail=NOT_SERVED)
        return None


def _items(world: World, resource: Resource, namespace: str) -> list[Json]:
    return _secrets(world, namespace) if resource == SECRETS else world.kubernetes.items(resource, namespace)


def _secrets(world: World, namespace: str) -> list[Json]:
    """Give the Secrets there are: those that nodes pull with, and those of Helm."""
    items = [secret.manifest for secret in world.pull_secrets] + releases.secrets(world)
    return [item for item in items if not namespace or item["metadata"]["namespace"] == namespace]


def forbids(world: World, permission: Permission) -> bool:
    """Whether the operator lacks a permission."""
    return any(_covers(entry, permission) for entry in world.operator.forbidden)


def _covers(entry: Forbidden, permission: Permission) -> bool:
    same = (entry.verb, entry.resource, entry.group, entry.subresource) == (
        permission.verb,
        permission.resource,
        permission.group,
        permission.subresource,
    )
    return same and not (entry.elsewhere and permission.namespace == NAMESPACE)


def forbidden(permission: Permission) -> Answer:
    """The API server's 403."""
    where = f'in the namespace "{permission.namespace}"' if permission.namespace else "at the cluster scope"
    resource = permission.resource + (f"/{permission.subresource}" if permission.subresource else "")
    detail = (
        f'{permission.full_resource} is forbidden: User "{USER}" cannot {permission.verb} resource "{resource}" '
        f'in API group "{permission.group}" {where}'
    )
    return Answer(Outcome.FORBIDDEN, detail=detail, permission=permission)


def container_state(pod: Json, container: str) -> dict[str, Any]:
    """The state of a pod's container; empty when the pod has none of that name."""
    statuses = (pod["status"].get(name) or () for name in ("containerStatuses", "initContainerStatuses"))
    for status in itertools.chain.from_iterable(statuses):
        if status["name"] == container:
            state: dict[str, Any] = status["state"]
            return state
    return {}


def _listed(resource: Resource, item: Json, *, metadata_only: bool) -> Json:
    """An item of a list: built-in kinds come without their kind, as from the real API server."""
    if metadata_only:
        kind = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata"}
        return {**kind, "metadata": copy.deepcopy(item["metadata"])}
    copied = copy.deepcopy(item)
    if resource.group != AZURE_IDENTITIES.group:
        del copied["apiVersion"], copied["kind"]
    return copied


def _long(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _stamp(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
