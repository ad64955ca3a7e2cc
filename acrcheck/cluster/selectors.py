"""Label selectors: what one selects, and which objects of a namespace would take a pod for their own."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from acrcheck.cluster.reader import REPLICASETS, Answer, Cluster, Resource

SERVICES = Resource("", "v1", "services")
POD_DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")


def selecting(cluster: Cluster, namespace: str, labels: Mapping[str, str]) -> tuple[str, ...] | Answer:
    """Name the objects that select a pod with these labels, as `kind/name`; an Answer when one cannot look.

    A NetworkPolicy that selects every pod of its namespace is not meant: no label is the reason, and the
    workload lives under it too.
    """
    found: list[str] = []
    kinds = (
        (SERVICES, "service", _service),
        (REPLICASETS, "replicaset", _by_selector),
        (POD_DISRUPTION_BUDGETS, "poddisruptionbudget", _by_selector),
        (NETWORK_POLICIES, "networkpolicy", _network_policy),
    )
    for resource, kind, selects in kinds:
        answer = cluster.list(resource, namespace)
        if not answer.ok and not answer.nothing:
            return answer
        found += [
            f"{kind}/{(item.get('metadata') or {}).get('name')}"
            for item in answer.items()
            if selects(item.get("spec") or {}, labels)
        ]
    return tuple(found)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector (matchLabels, matchExpressions) selects these labels; empty selects all."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(expression, labels) for expression in selector.get("matchExpressions") or ())


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key"), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(str(key)) in values
        case "NotIn":
            return labels.get(str(key)) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return True  # an operator that is not known might select


def _service(spec: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    selector = spec.get("selector") or {}
    return bool(selector) and matches({"matchLabels": selector}, labels)


def _by_selector(spec: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    selector = spec.get("selector")
    return selector is not None and matches(selector, labels)


def _network_policy(spec: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    selector = spec.get("podSelector") or {}
    return any(selector.values()) and matches(selector, labels)


def labels_match(selector: str) -> Callable[[dict[str, str]], bool]:
    """Read a label selector, equality-based or set-based, as a test of labels.

    Raises:
        ValueError: it is malformed.
    """
    tests = [_requirement(part.strip()) for part in _parts(selector)]
    return lambda labels: all(test(labels) for test in tests)


def _parts(selector: str) -> Iterator[str]:
    """Take a selector apart at the commas that are not between parentheses."""
    part, depth = "", 0
    for letter in selector:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            yield part
            part = ""
        else:
            part += letter
    if part.strip():
        yield part


def _requirement(text: str) -> Callable[[dict[str, str]], bool]:
    for word, wanted in ((" notin ", False), (" in ", True)):
        if word in text:
            key, _, values = text.partition(word)
            if not (values.strip().startswith("(") and values.strip().endswith(")")):
                raise ValueError(f"unable to parse requirement: {text}")
            allowed = {value.strip() for value in values.strip()[1:-1].split(",")}
            return lambda labels: (labels.get(key.strip()) in allowed) is wanted
    for sign, wanted in (("!=", False), ("==", True), ("=", True)):
        if sign in text:
            key, _, value = text.partition(sign)
            return lambda labels: (labels.get(key.strip()) == value.strip()) is wanted
    if text.startswith("!"):
        return lambda labels: text[1:].strip() not in labels
    return lambda labels: text in labels
