"""Asking from inside a pod: from where, what it takes, and when nobody could look."""

import ipaddress
from collections.abc import Iterable, Iterator

from acrcheck.api import CannotLookError, Failure, Permission, SubjectGoneError, Target, Trouble, Vantage
from acrcheck.facts import Pod

EXEC = (("create", "pods/exec"), ("get", "pods/exec"))
"""What asking from inside a pod takes: clients open the stream by POST or, over WebSockets, by GET."""


def vantages(pod: Pod, target: Target) -> Iterator[Vantage]:
    """Name the places from which a pod's network may be asked: inside it, then what leave was given for."""
    for kind in ("exec", "debug", "pod"):
        leave = {"debug": "debug-container", "pod": "probe-pod"}.get(kind)
        if leave is None or leave in target.allow:
            yield Vantage(kind, pod.namespace, pod.name, pod.container, pod.node)


def refuse_blind(failure: Failure, pod: str) -> None:
    """Raise the reason when a failure says that nobody could look, not what the network is like."""
    if failure.trouble is Trouble.GONE:
        raise SubjectGoneError(f"pod {pod} is gone")
    if failure.trouble is Trouble.FORBIDDEN and failure.permission:
        verb, resource, namespace = failure.permission
        plural, _, subresource = resource.partition("/")
        permission = Permission(verb, plural, namespace, subresource=subresource)
        raise CannotLookError(f"not permitted to {permission.text}", permission=permission)
    if failure.blind:
        lacking = f"the container has no program to ask with (one of {failure.tool})" if failure.tool else ""
        reason = failure.detail or lacking or str(failure.trouble)
        raise CannotLookError(reason, remedy=failure.remedy)


def is_private(addresses: Iterable[str]) -> bool:
    """Tell whether a name's addresses are all private ones."""
    found = [_is_private(address) for address in addresses]
    return bool(found) and all(found)


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False
