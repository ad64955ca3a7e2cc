"""What the checks declare to ask of the API server is what they ask: permissions are made from it."""

import inspect
import json
import re

from acrcheck.api import Cluster, Wire
from acrcheck.model import Check
from checks.trial import ASKS
from tests.scenarios.test_scenarios import CHECKS, SCENARIOS, ran

DISCOVERY = {"api-server", "permissions", "crds"}
"""Checks that ask only what every authenticated user may: versions, API groups, reviews of the own rights."""
HERE_ONLY = {
    "login-own-pod": "asks from the pod that acrcheck runs in",
    "login-probe-pod": "asks by leave only",
    "upgrade-pool-token": "asks by leave only",
}
PATH = re.compile(
    r"/api(?:s/(?P<group>[^/]+))?/v[12](?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/.+)?"
)

Asked = tuple[str, str, bool]
"""Verb, resource with its group or subresource, and whether in all namespaces."""


def declared() -> set[Asked]:
    """What the checks declare."""
    return {(verb, resource, bool(where)) for check in CHECKS.checks for verb, resource, *where in check.asks}


def of_cluster(question: str) -> set[Asked]:
    """What a question to the cluster asks for; nothing for discovery."""
    put = json.loads(question)
    verb = put["verb"]
    if verb in {"allowed", "path"}:
        return set()
    if verb == "logs":
        return {("get", "pods/log", False)}
    if verb == "try_pull":
        return {(verb, resource, bool(where)) for verb, resource, *where in ASKS}
    found = PATH.fullmatch(put["path"])
    assert found, put["path"]
    group = f".{found['group']}" if found["group"] else ""
    return {(verb, found["plural"] + group, found["namespace"] is None)}


def asked() -> set[Asked]:
    """What all scenarios' runs ask, without what they fall back on: one namespace where all are refused."""
    found: set[Asked] = set()
    for scenario in SCENARIOS:
        for entry in ran(scenario.id).tape.entries:
            if entry.door == "cluster":
                found |= of_cluster(entry.question)
            elif json.loads(entry.question)["from"]["kind"] == "exec":
                found |= {("create", "pods/exec", False), ("get", "pods/exec", False)}
    return {ask for ask in found if ask[2] or (ask[0], ask[1], True) not in declared() or ask in declared()}


def parameters(check: Check) -> set[object]:
    """The types that a check is handed."""
    return {item.annotation for item in inspect.signature(check.look, eval_str=True).parameters.values()}


def test_all_that_is_asked_is_declared_and_all_that_is_declared_is_asked() -> None:
    """Over all scenarios the tapes hold what the checks declare, neither more nor less."""
    assert asked() == declared()


def test_who_can_ask_declares_it() -> None:
    """A check that holds a door to the cluster or into pods declares what it asks there."""
    silent = {
        check.id for check in CHECKS.checks if not check.asks and parameters(check) & {Cluster, Wire}
    } - DISCOVERY
    assert silent == set(HERE_ONLY)
