"""Two scenarios' faults in one world: which go together, and what a run must name then.

Run as a program it tries all pairs, on every core.
"""

import dataclasses
import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from functools import cache
from typing import Any, Literal

from acrcheck.lab.clock import LabClock
from acrcheck.lab.faults import Faulty, broken
from acrcheck.lab.kube import Json, Kubernetes
from acrcheck.lab.scenario import Scenario, look
from acrcheck.lab.world import World, healthy
from tests.scenarios.test_scenarios import CAUSES, CHECKS, SCENARIOS, named

Base = tuple[Literal["managed", "standard"], bool]
"""Of a healthy world: NMI's mode, and whether Helm made the Deployment."""
Path = tuple[str, ...]
State = Mapping[Path, object]
"""What a world holds, by the way to it."""

APART = (
    *("upgrade-", "statefulset-", "daemonset-", "job-", "cronjob-", "bare-pod-"),
    *("values-", "release-"),
)
"""How scenarios begin that are not paired: an upgrade's checks are not run where anything fails now, what goes
together with another kind of workload is what goes together with a Deployment, and each fault of a Helm release
writes the whole release anew."""
FAULTY = {
    item.id: item.build
    for item in SCENARIOS
    if item.cause and isinstance(item.build, Faulty) and not item.id.startswith(APART)
}
SCENARIO = {item.id: item for item in SCENARIOS}
CAUSE = {cause.id: cause for cause in CAUSES}
PAIRS = tuple(itertools.combinations(FAULTY, 2))
SIGHT = ("operator", "forbidden")
MADE_BY_CONTROLLERS = frozenset({"ReplicaSet", "AzureAssignedIdentity"})
PASSING = frozenset(
    {
        "creationTimestamp",
        "finishedAt",
        "generation",
        "hostIP",
        "lastProbeTime",
        "lastTransitionTime",
        "message",
        "observedGeneration",
        "podIP",
        "podIPs",
        "resourceVersion",
        "startTime",
        "startedAt",
        "uid",
    }
)
"""What is another each time that controllers do their work."""
SEVERAL = ("several-identities",)
HOST_NETWORK = ("host-network", "host-network-by-hand")
NODES_OWN = "pods of their node's network that have no label are to have the node's identity"
UNNAMED = ("node-identity-unnamed",)
MADE_ANOTHER: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "the second binding selects the pods in place of the first: they are bound, to one identity",
        (
            "binding-missing",
            "binding-missing-addon",
            "binding-misspelt",
            "identity-object-missing",
            "label-is-identity-name",
            "objects-in-other-namespace",
            "selector-letter-case",
        ),
        SEVERAL,
    ),
    ("the run is told which of them is meant", ("client-id-not-the-one-asked-for",), SEVERAL),
    (
        NODES_OWN,
        (
            "label-missing",
            "label-missing-by-hand",
            "label-missing-gitops",
            "label-missing-standard",
            "label-empty",
            "label-on-deployment",
        ),
        HOST_NETWORK,
    ),
    (NODES_OWN, ("label-wrong-case",), ("host-network-by-hand",)),
    (NODES_OWN, ("label-missing-old-chart",), ("host-network",)),
    (
        "the nodes have one identity left, which IMDS gives without a name",
        (*HOST_NETWORK, "identity-on-no-pool", "identity-recreated"),
        UNNAMED,
    ),
    ("by the label the pods are to have an identity of their own", ("label-by-hand",), UNNAMED),
    (
        "the third pod comes from the template, which has no label: not all were labelled by hand",
        ("label-by-hand",),
        ("identity-missing-on-pool", "imds-stale"),
    ),
    (
        "the misspelt name is all that ties label and binding",
        ("label-is-identity-name",),
        ("binding-misspelt",),
    ),
    ("NMI of the second installation is the only one on the node", ("nmi-absent",), ("nmi-twice",)),
    ("NMI of the second installation is the only one", ("nmi-twice",), ("kubelets-token",)),
    (
        "IMDS is asked past NMI, and a silent one looks as if it were blocked",
        ("redirect-missing",),
        ("imds-silent",),
    ),
    ("the pool lacks the identity too, which its other node shows", ("redirect-missing",), ("imds-stale",)),
    ("the pod that ends is the only one to compare with", ("identity-missing-on-node",), ("rolling-out",)),
    (
        "the role that is left is not AcrPull, and nothing ignores it",
        ("abac-ignores-acrpull",),
        ("no-metadata-read",),
    ),
    (
        "the private address makes it the way to a private endpoint",
        ("egress-blocked", "all-egress-blocked", "connection-refused", "connection-reset"),
        ("data-endpoint-unlinked",),
    ),
    (
        "the name of the registry itself leads to the private endpoint again",
        (
            "registry-firewall",
            "registry-firewall-unread",
            "public-access-disabled-unread",
            "private-endpoint-unlinked-seen",
        ),
        ("data-endpoint-unlinked",),
    ),
    (
        "public access is off: nobody is let in, whatever the rules are",
        ("registry-firewall",),
        ("public-access-disabled", "private-endpoint-unlinked", "private-endpoint-unlinked-seen"),
    ),
    (
        "with the roles that are left the identity does not see how the registry is set up",
        (
            "no-role",
            "role-too-new",
            "role-for-the-kubelet",
            "role-for-other-repositories",
            "no-metadata-read",
        ),
        ("public-access-disabled",),
    ),
    (
        "with the role that is left the identity does not see how the registry is set up",
        ("public-access-disabled",),
        ("tag-deleted", "replica-behind"),
    ),
    (
        "without a subscription nothing shows how the registry is set up",
        ("no-subscription",),
        ("public-access-disabled", "replica-behind-read"),
    ),
    ("without a subscription nothing shows the registry's mode", ("abac-read",), ("no-subscription",)),
    (
        "the tag is pushed anew, and leads to another manifest than the one that is held back",
        ("platform-missing",),
        ("image-in-quarantine", "image-read-disabled", "replica-behind", "replica-behind-read"),
    ),
    (
        "the identity may not see any more what was deleted, and a tag that is gone is not behind",
        ("tag-soft-deleted",),
        ("replica-behind",),
    ),
    (
        "without metadata_read the registry does not say what it keeps",
        ("no-metadata-read",),
        (
            "image-in-quarantine",
            "digest-in-quarantine",
            "tag-soft-deleted",
            "replica-behind",
            "replica-behind-read",
        ),
    ),
    (
        "the private address makes it the way to a private endpoint",
        ("all-egress-blocked",),
        ("privatelink-name",),
    ),
)
"""Of which pairs one fault makes another of the other, and how."""
EXCEPTIONS = {pair: why for why, *sides in MADE_ANOTHER for pair in itertools.product(*sides)}


def state(world: World) -> State:
    """Give all that a world holds, but for what controllers make of the rest; pods by their owner and node."""
    pods, objects = {}, {}
    held = {(item["kind"], item["metadata"]["name"]): item for item in world.kubernetes.dump()}
    for (kind, name), item in held.items():
        if kind == "Pod":
            owners = item["metadata"].get("ownerReferences")
            template = held[owners[0]["kind"], owners[0]["name"]]["spec"]["template"] if owners else item
            pods[name] = f"{name.partition('-')[0]}@{item['spec']['nodeName']}"
            objects[pods[name]] = _of_pod(item, template)
        elif kind not in MADE_BY_CONTROLLERS:
            objects[f"{kind} {item['metadata'].get('namespace', '')}/{name}"] = item
    now = world.clock.now()
    found = {**dict(_leaves(world, (), now)), **dict(_leaves(objects, (), now))}
    return {tuple(pods.get(part, part) for part in path): value for path, value in found.items()}


def _of_pod(pod: Json, template: Json) -> Json:
    """Give what a pod has that its template does not say."""
    labels, wanted = (item["metadata"].get("labels") or {} for item in (pod, template))
    own = {key: labels.get(key, "(none)") for key, _ in labels.items() ^ wanted.items()}
    return {"own labels": own, "ends": "deletionTimestamp" in pod["metadata"], "status": pod["status"]}


def _leaves(value: Any, path: Path, now: datetime) -> Iterator[tuple[Path, object]]:
    """Take a tree of plain data apart. Order does not count, and of a time only whether it has come."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        yield path, "there"
        for key, item in value.items():
            if key not in PASSING:
                yield from _leaves(item, (*path, str(key)), now)
    elif isinstance(value, list | tuple | set | frozenset):
        names = [_name(item) for item in value]
        if all(names) and len(set(names)) == len(names):
            yield from _leaves(dict(zip(names, value, strict=True)), path, now)
        else:
            yield path, "there"
            items = Counter(repr(sorted(_leaves(item, (), now))) for item in value)
            yield from (((*path, text), count) for text, count in items.items())
    elif isinstance(value, datetime):
        yield path, value <= now
    elif not isinstance(value, Kubernetes | LabClock):
        yield path, repr(value)


def _name(item: Any) -> str:
    """Give that by which the items of a list are told apart, as in Kubernetes; empty when there is nothing."""
    found = item if isinstance(item, dict) else getattr(item, "__dict__", {})
    return str(found.get("name") or found.get("type") or "")


def changes(before: State, after: State) -> State:
    """Give what is another in a world than in the one before; None for what is gone."""
    return {path: after.get(path) for path in {**before, **after} if after.get(path) != before.get(path)}


def base_of(*builds: Faulty) -> Base:
    """Give the healthy world that these faults can share: the usual one, as far as none needs another."""
    standard = any(build.mode == "standard" for build in builds)
    return "standard" if standard else "managed", all(build.helm for build in builds)


def _world(base: Base, *names: str) -> World:
    mode, helm = base
    faults = (fault for name in names for fault in FAULTY[name].faults)
    return broken(healthy(mode=mode, helm=helm), *faults)


@cache
def untouched(base: Base) -> State:
    """Give the state of a healthy world."""
    return state(_world(base))


@cache
def written(name: str, base: Base) -> State:
    """Give what a scenario's faults write into a world, None for what they take away.

    Nothing, where they cannot be put into a world of that base, or do not lead to the scenario's cause in it.
    """
    try:
        world = _world(base, name)
    except LookupError:
        return {}
    if base != base_of(FAULTY[name]):
        report, _ = look(world, CHECKS, CAUSES)
        scenario = SCENARIO[name]
        if named(report)[:1] not in [[cause] for cause in (scenario.cause, *scenario.among)]:
            return {}
        world = _world(base, name)
    return changes(untouched(base), state(world))


def together(one: str, other: str) -> World | None:
    """Put two scenarios' faults into one world; None when they do not go together.

    They do when, in one order or the other, both find what they change, nothing that either wrote is gone
    afterwards, and neither had written all of it alone. A scenario that only takes permissions away is no fault:
    it leaves less to be seen.
    """
    base = base_of(FAULTY[one], FAULTY[other])
    wanted = written(one, base), written(other, base)
    if any(all(path[:2] == SIGHT for path in item) for item in wanted):
        return None
    for order in ((one, other), (other, one)):
        try:
            world = _world(base, *order)
        except LookupError:
            continue
        both = changes(untouched(base), state(world))
        if both not in wanted and all(item.items() <= both.items() for item in wanted):
            return world
    return None


def problems(one: str, other: str) -> list[str] | None:
    """Say what is wrong with what a run of both faults names; None when they do not go together."""
    world, excepted = together(one, other), (one, other) in EXCEPTIONS
    if world is None:
        return ["it needs no exception: they do not go together"] if excepted else None
    report, _ = look(world, CHECKS, CAUSES)
    found = [result.traceback for result in report.results if result.traceback]
    unnamed = _unnamed((SCENARIO[one], SCENARIO[other]), named(report))
    if excepted:
        return found if unnamed else [*found, "it needs no exception: both are named"]
    return found + unnamed


def _unnamed(both: tuple[Scenario, Scenario], causes: list[str]) -> list[str]:
    """Say what is not named as it must: one of the two first, and both that no document of theirs hides."""
    groups = {name for scenario in both for name in (scenario.cause, *scenario.among)}
    hidden = {layer for name in groups.intersection(causes) for layer in CAUSE[name].hides}
    found = [] if groups.intersection(causes[:1]) else [f"{', '.join(causes[:1]) or 'nothing'} comes first"]
    for scenario in both:
        layer = CAUSE[scenario.cause].layer
        if scenario.cause not in causes and layer not in hidden:
            found.append(f"{scenario.cause} is missing, and nothing named hides the layer {layer}")
    return found


def _try(pair: tuple[str, str]) -> list[str] | None:
    return problems(*pair)


def main() -> int:
    """Try all pairs; 1 when one of them does not name what it must."""
    tried = failed = 0
    with ProcessPoolExecutor() as pool:
        for (one, other), found in zip(PAIRS, pool.map(_try, PAIRS, chunksize=50), strict=True):
            tried += found is not None
            failed += bool(found)
            if found:
                sys.stdout.write(f"{one} + {other}: {'; '.join(found)}\n")
    sys.stdout.write(
        f"{tried} of {len(PAIRS)} pairs go together; {len(EXCEPTIONS)} are excepted, {failed} fail\n"
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
