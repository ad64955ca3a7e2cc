"""The release: what helm keeps of its values."""

from collections import defaultdict
from typing import Any

from acrcheck.api import (
    SECRETS,
    CannotLookError,
    Check,
    Cluster,
    Looking,
    Target,
    UsageError,
    note,
)
from acrcheck.facts import ChartValues, HelmRelease
from acrcheck.helm.release import as_printed
from acrcheck.helm.yamltext import read as read_yaml

from . import chart
from .objects import mapping, namespace, text, texts
from .release import (
    CHART,
    DEPLOYED,
    FAILED,
    ONE_VERSION,
    PENDING,
    ROLLED_BACK,
    read,
    revision,
    state,
    status_of,
)
from .workload import list_where_permitted, refuse_unknown_namespace

MOST_READ = 50
"""Releases that are read to find the one of Coder's chart."""
Key = tuple[str, str]
"""Namespace and name of a release."""
Secrets = dict[Key, list[dict[str, Any]]]

KEPT = note(
    "values-of-release",
    "release {release} in namespace {release_namespace}, revision {revision} ({status}), chart {chart_version}; lines "
    "are those of: {command}",
)


def kept(cluster: Cluster, target: Target) -> Looking[ChartValues]:
    """A release of Coder's chart is found, and the values that it was given can be read."""
    place, listed = _listed(cluster, target)
    found = _chosen(cluster, target, place, listed)
    key = (found.namespace, found.name)
    yield from state(found, listed[key])
    version = text(found.newest, "chart", "version")
    tree = mapping(found.newest, "values")
    file = f"release {found.name}"
    printed = as_printed(tree)
    get, *mend = _commands(found, version, target)
    yield KEPT(
        release=found.name,
        release_namespace=found.namespace,
        revision=found.newest["revision"],
        status=found.newest["status"],
        chart_version=version,
        command=get,
        evidence={"file": file, "text": printed, "mend": [f"{get} > values.yaml", *mend]},
    )
    return ChartValues(
        tree=tree, version=version, assumed=False, origin=file, places=read_yaml(printed, file).places
    )


def _listed(cluster: Cluster, target: Target) -> tuple[str, Secrets]:
    """List the releases' Secrets by release: of the namespace given, else of all, else where the context points."""
    labels = f"owner=helm,name={target.release}" if target.release else "owner=helm"
    place, answer = list_where_permitted(cluster, target, SECRETS, labels, metadata_only=True)
    found: Secrets = defaultdict(list)
    for item in answer.items():
        if revision(item):
            found[namespace(item), texts(item, "metadata", "labels").get("name", "")].append(item)
    return place, found


def _chosen(cluster: Cluster, target: Target, place: str, listed: Secrets) -> HelmRelease:
    """Choose the release that was named, or the only one of Coder's chart. Raises UsageError for none or several."""
    standing = [key for key in sorted(listed) if status_of(max(listed[key], key=revision)) != "uninstalled"]
    if not standing:
        raise _none(cluster, target, place)
    if len(standing) > MOST_READ:
        raise UsageError(
            f"Helm keeps {len(standing)} releases here, too many to look into",
            input=f"namespace {place}" if place else "all namespaces",
            expected="the release's namespace, or its name",
            remedy="acrcheck values -n NAMESPACE --release NAME",
        )
    found: list[HelmRelease] = []
    others: list[HelmRelease] = []
    problem: CannotLookError | None = None
    for where, wanted in standing:
        try:
            release = read(cluster, wanted, where, listed[where, wanted])
        except CannotLookError as error:
            problem = problem or error
            continue
        (found if _is_coder(release) else others).append(release)
    if len(found) == 1:
        return found[0]
    if not found and problem:
        raise problem
    raise _several(found) if found else _other(others)


def _is_coder(release: HelmRelease) -> bool:
    """Tell whether a release is of Coder's chart of version 1, whose values are known."""
    parsed = chart.version_of(text(release.newest, "chart", "version"))
    return text(release.newest, "chart", "name") == CHART and parsed is not None and parsed[0] == 1


def _none(cluster: Cluster, target: Target, place: str) -> UsageError:
    if place:
        refuse_unknown_namespace(cluster, target, place)
    where = f"namespace {place}" if place else "any namespace"
    named = f"release {target.release}" if target.release else "release"
    wanted, inside = target.release or "RELEASE", place or "NAMESPACE"
    return UsageError(
        f"no Secret of Helm's in {where} is of a {named}: there is none, or HELM_DRIVER keeps it elsewhere",
        input=target.release or place or "(discovery)",
        expected="a release of Coder's chart",
        remedy=f"{target.helm} list -A, or: {target.helm} get values {wanted} -n {inside} -o yaml | acrcheck values -",
    )


def _several(found: list[HelmRelease]) -> UsageError:
    first = found[0]
    return UsageError(
        f"{len(found)} releases are of Coder's chart: {', '.join(f'{item.namespace}/{item.name}' for item in found)}",
        input="(discovery)",
        expected="one release",
        remedy=f"acrcheck values -n {first.namespace} --release {first.name}",
    )


def _other(others: list[HelmRelease]) -> UsageError:
    named = ", ".join(
        f"{item.namespace}/{item.name} of {text(item.newest, 'chart', 'name')} {text(item.newest, 'chart', 'version')}"
        for item in others
    )
    return UsageError(
        f"no release is of Coder's chart of version 1, whose values are known here: {named}",
        input=f"{others[0].namespace}/{others[0].name}" if len(others) == 1 else "(discovery)",
        expected="a release of Coder's chart, 1.19 to 1.44",
        remedy="acrcheck values -n NAMESPACE --release NAME",
    )


def _commands(found: HelmRelease, version: str, target: Target) -> list[str]:
    """Give what prints the values, and then mends them: while an operation is pending, helm upgrades nothing."""
    get = f"{target.helm} get values {found.name} -n {found.namespace} -o yaml"
    if text(found.newest, "status").startswith("pending-"):
        return [get]
    return [
        get,
        f"acrcheck values --chart-version {version} --write values.yaml",
        f"{target.helm} upgrade {found.name} coder/{CHART} -n {found.namespace} --version {version} -f values.yaml",
    ]


CHECKS = (
    Check(
        "values-release",
        "helm keeps the values of a release",
        kept,
        sees=(KEPT, DEPLOYED, ROLLED_BACK, ONE_VERSION, PENDING, FAILED),
        asks=(("list", "secrets"), ("get", "secrets")),
    ),
)
