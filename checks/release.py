"""The Helm release that makes the workload."""

from collections.abc import Iterator
from typing import Any

from acrcheck.api import (
    SECRETS,
    CannotLookError,
    Check,
    Cluster,
    Looking,
    NotApplicableError,
    Observation,
    Target,
    fail,
    note,
    warn,
)
from acrcheck.facts import ChartValues, HelmRelease, Workload
from acrcheck.helm.release import HIDDEN, without_user
from acrcheck.helm.values import dotted, leaves

from . import chart
from .objects import mapping, mappings, name, number, text
from .workload import release_of

CHART = "coder"
HELD_BY_COMMAND = ("coderd.extraLabels.aadpodidbinding",)
"""What a values file holds that was written after the documentation."""
MOST_KEYS = 20
"""Dropped values that a line names; the evidence has all."""

DEPLOYED = note(
    "release-deployed",
    "revision {revision} of Helm release {release} is deployed: chart {chart} {chart_version}",
)
ROLLED_BACK = note("release-rolled-back", "revision {revision} of release {release} is a rollback to {to}")
PENDING = fail(
    "release-pending",
    "revision {revision} of release {release} is {status} since {since}: Helm has not ended, or was stopped",
    "release_namespace",
    "back",
)
FAILED = fail(
    "release-failed",
    "revision {revision} of release {release} has failed: {deployed}",
    "release_namespace",
    "back",
)
ONE_VERSION = note(
    "release-of-one-version", "the newest revision and the one before are of chart {chart_version}"
)
CHANGED = warn(
    "release-drift-changed",
    "{what} of {workload} is {found}, Helm rendered {wanted}",
    "release",
    "release_namespace",
)
ADDED = warn(
    "release-drift-added",
    "{what} of {workload} is {found}, and not of the release",
    "release",
    "release_namespace",
)
AS_DOCUMENTED = note(
    "release-upgrade-as-documented",
    "helm upgrade as documented takes the newest chart in place of {chart_version} (no --version), looks for release "
    "{release} in namespace {where} (no -n), and drops {count} of its values: {keys}",
)


def release(found: Workload, cluster: Cluster, target: Target) -> Looking[HelmRelease]:
    """The Helm release that makes the workload is deployed."""
    owner = release_of(found)
    if owner is None:
        raise NotApplicableError("Helm does not make the workload")
    wanted, where = owner
    listed = cluster.list(SECRETS, where, f"owner=helm,name={wanted}", metadata_only=True).items()
    if not any(map(revision, listed)):
        raise CannotLookError(
            f"Helm keeps no Secret of release {wanted} in namespace {where}: it keeps releases elsewhere "
            "(HELM_DRIVER configmap or sql, Helm 2), or a tool only renders with it",
            remedy=f"{target.helm} get values {wanted} -n {where} -o yaml",
        )
    fact = read(cluster, wanted, where, listed)
    yield from state(fact, listed)
    return fact


def read(cluster: Cluster, wanted: str, where: str, listed: list[dict[str, Any]]) -> HelmRelease:
    """Read the newest of a release's revisions, and the one that is deployed, from their Secrets.

    Raises CannotLookError for one that may not be read, or holds no release.
    """
    revisions = sorted(filter(revision, listed), key=revision)
    newest = _read(cluster, revisions[-1], where)
    deployed = next((item for item in reversed(revisions) if status_of(item) == "deployed"), revisions[-1])
    current = newest if deployed is revisions[-1] else _read(cluster, deployed, where)
    return HelmRelease(wanted, where, newest, current)


def revision(item: dict[str, Any]) -> int:
    """Give the number of the revision that a Secret of Helm's is for; 0 where it is none."""
    return number(item, "metadata", "labels", "version")


def status_of(item: dict[str, Any]) -> str:
    """Give the status of the revision that a Secret of Helm's is for."""
    return text(item, "metadata", "labels", "status")


def _read(cluster: Cluster, item: dict[str, Any], where: str) -> dict[str, Any]:
    secret = cluster.get(SECRETS, name(item), where).value()
    held = mapping(secret, "release")
    problem = text(held, "problem") if held else "it is not of the type helm.sh/release.v1"
    if problem:
        raise CannotLookError(f"malformed: the Secret {name(item)} holds no release of Helm 3: {problem}")
    return held


def state(found: HelmRelease, revisions: list[dict[str, Any]]) -> Iterator[Observation]:
    """Tell what became of the newest revision."""
    newest, deployed = found.newest, found.deployed
    before = [revision(item) for item in revisions if status_of(item) in {"deployed", "superseded"}]
    back = max((number_ for number_ in before if number_ < newest["revision"]), default=0)
    common = {"release": found.name, "revision": newest["revision"], "release_namespace": found.namespace}
    status = text(newest, "status")
    if status.startswith("pending-"):
        yield PENDING(**common, status=status, since=text(newest, "lastDeployed") or "?", back=back)
    elif status == "failed":
        runs = f"the pods are still of revision {back}" if back else "nothing was deployed before"
        yield FAILED(**common, deployed=runs, back=back)
    version = text(newest, "chart", "version")
    if back and text(deployed, "chart", "version") == version:
        yield ONE_VERSION(chart_version=version)
    told = text(newest, "description")
    if told.startswith("Rollback to "):
        yield ROLLED_BACK(
            release=found.name, revision=newest["revision"], to=told.removeprefix("Rollback to ")
        )
    if text(deployed, "status") == "deployed":
        yield DEPLOYED(
            release=found.name,
            revision=deployed["revision"],
            chart=text(deployed, "chart", "name"),
            chart_version=text(deployed, "chart", "version"),
        )


def release_values(found: Workload, made_by: HelmRelease, target: Target) -> Looking[ChartValues]:
    """The values of Coder's release, as they were last given, and what an upgrade as documented does to them."""
    version = text(made_by.newest, "chart", "version")
    parsed = chart.version_of(version)
    if not found.coder or text(made_by.newest, "chart", "name") != CHART or parsed is None or parsed[0] != 1:
        raise NotApplicableError("it is no release of Coder's chart of version 1")
    tree = mapping(made_by.newest, "values")
    yield _as_documented(made_by, tree, version, target)
    return ChartValues(
        tree=tree,
        version=version,
        assumed=False,
        origin=made_by.origin(),
        places={},
    )


def drift(found: Workload, made_by: HelmRelease) -> Looking[None]:
    """The workload is as Helm rendered it."""
    items = mappings(made_by.deployed, "deployments")
    wanted = next((item for item in items if name(item) == found.name), None)
    if wanted is None:
        raise NotApplicableError("the release's manifest has no Deployment of that name")
    common = {"release": made_by.name, "release_namespace": made_by.namespace}
    yield from _differences(
        {**common, "workload": f"{found.kind}/{found.name}"},
        chart.deployed(wanted),
        chart.deployed(found.manifest),
    )


def _differences(
    common: dict[str, str], wanted: chart.Rendered, found: chart.Rendered
) -> Iterator[Observation]:
    for what, ours, theirs in (
        ("the service account", wanted.service_account, found.service_account),
        ("the image", wanted.images.get("coderd", ""), found.images.get("coderd", "")),
        ("the pull secrets", ", ".join(wanted.pull_secrets), ", ".join(found.pull_secrets)),
    ):
        yield from _difference(common, what, ours or None, theirs or None)
    for key in sorted(wanted.labels.keys() | found.labels.keys()):
        yield from _difference(common, f"the label {key}", wanted.labels.get(key), found.labels.get(key))
    for key in sorted(wanted.env.keys() | found.env.keys()):
        yield from _difference(
            common,
            f"the variable {key}",
            _variable(wanted.env, key),
            _variable(found.env, key),
            shown=False,
        )


def _variable(env: dict[str, str | None], key: str) -> str | None:
    """Give what may be compared of a variable: a value that is not shown is as good as any other."""
    if key not in env:
        return None
    return without_user(env[key] or HIDDEN)


def _difference(
    common: dict[str, str], what: str, wanted: str | None, found: str | None, *, shown: bool = True
) -> Iterator[Observation]:
    if wanted == found or (not shown and HIDDEN in {wanted, found} and None not in {wanted, found}):
        return
    if wanted is None:
        yield ADDED(**common, what=what, found=(found or "set") if shown else "set")
    else:
        yield CHANGED(
            **common,
            what=what,
            found="gone" if found is None else found if shown else "another",
            wanted=wanted if shown else "other",
        )


def _as_documented(made_by: HelmRelease, tree: dict[str, Any], version: str, target: Target) -> Observation:
    """Say what the documentation's `helm upgrade coder coder/coder --values values.yaml` would do.

    It names no namespace and no version, and its file holds the label only; without `--reuse-values` Helm drops
    the values that were given before (helm/helm pkg/action/upgrade.go).
    """
    dropped = [key for path, _ in leaves(tree) if (key := dotted(path)) not in HELD_BY_COMMAND]
    where = target.context_namespace or "default"
    more = " …" if len(dropped) > MOST_KEYS else ""
    return AS_DOCUMENTED(
        release=made_by.name,
        chart_version=version,
        where=where if where == made_by.namespace else f"{where}, where it is not",
        count=len(dropped),
        keys=", ".join(dropped[:MOST_KEYS]) + more or "none",
        evidence={"dropped": dropped},
    )


CHECKS = (
    Check(
        "release",
        "its Helm release is deployed",
        release,
        sees=(DEPLOYED, ROLLED_BACK, ONE_VERSION, PENDING, FAILED),
        asks=(("list", "secrets"), ("get", "secrets")),
        optional=True,
    ),
    Check(
        "release-values",
        "the release's values are known",
        release_values,
        sees=(AS_DOCUMENTED,),
        optional=True,
    ),
    Check("release-drift", "it is as Helm rendered it", drift, sees=(CHANGED, ADDED), optional=True),
)
