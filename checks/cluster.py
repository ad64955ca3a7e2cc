"""Kubernetes API."""

from acrcheck.api import (
    REPLICASETS,
    CannotLookError,
    Check,
    Cluster,
    Each,
    Looking,
    Outcome,
    Permission,
    Target,
    warn,
)
from acrcheck.facts import Allowed, ApiServer, Ask, Plan, Workload

from .workload import KINDS

MISSING = warn("permission-missing", "not permitted to {permission}", "can_i")
VERSION_UNKNOWN = warn("api-server-version-not-recorded", "the version of the API server is not recorded")
ALL_NAMESPACES = "all"
FINDING = frozenset(item.plural for item in (*KINDS.values(), REPLICASETS))
"""What is read to find the workload, which is found when permissions are asked about."""
ONLY_OF = {
    "jobs": ("cronjob",),
    "horizontalpodautoscalers": ("deployment", "statefulset"),
}
"""What is listed for workloads of some kinds only."""


def api_server(cluster: Cluster) -> Looking[ApiServer]:
    """The API server answers and says its version."""
    answer = cluster.path("/version")
    if answer.outcome is Outcome.NOT_RECORDED:
        yield VERSION_UNKNOWN()
        return ApiServer("")
    body = answer.value()
    version = body.get("gitVersion") if isinstance(body, dict) else None
    if not version:
        raise CannotLookError(
            "malformed: /version does not say a gitVersion; is this a Kubernetes API server?"
        )
    return ApiServer(str(version))


def asks(plan: Plan, workload: Workload) -> Looking[Each[Ask]]:
    """What the selected checks will ask, in the workload's namespace or in all."""
    every = (_permission(ask, workload.namespace) for ask in plan.asks)
    permissions = dict.fromkeys(item for item in every if not _is_spare(item, workload.kind))
    yield from ()
    return Each(tuple((ask.subject, ask) for ask in (Ask(permission) for permission in permissions)))


def _permission(ask: tuple[str, ...], namespace: str) -> Permission:
    """Read (verb, resource[.group][/subresource], "all" for all namespaces or a cluster's own resource)."""
    verb, resource, *where = ask
    resource, _, subresource = resource.partition("/")
    plural, _, group = resource.partition(".")
    return Permission(verb, plural, "" if where == [ALL_NAMESPACES] else namespace, group, subresource)


def _is_spare(permission: Permission, kind: str) -> bool:
    """Tell whether a run does not need a permission: any more, or for a workload of that kind."""
    if permission.verb == "get":
        return permission.resource in FINDING and not permission.subresource
    return permission.verb == "list" and kind not in ONLY_OF.get(permission.resource, (kind,))


def permission(ask: Ask, cluster: Cluster, target: Target) -> Looking[Allowed]:
    """The caller holds one permission, by a self subject access review."""
    review = cluster.allowed(ask.permission).value()
    held = bool(review.get("allowed"))
    if not held:
        yield MISSING(permission=ask.permission.text, can_i=ask.permission.can_i(target.kubectl))
    return Allowed(ask.permission, held)


CHECKS = (
    Check("api-server", "the API server answers", api_server, sees=(VERSION_UNKNOWN,)),
    Check("asks", "what the checks will ask is known", asks),
    Check("permissions", "what the checks ask is permitted", permission, sees=(MISSING,), each=Ask),
)
