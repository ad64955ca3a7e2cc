"""Helm's releases in a world, as the Secrets that helm keeps of them.

Source: helm/helm (3.22) pkg/storage/driver/{secrets,util}.go, pkg/release/{release,info}.go.
"""

import copy

from acrcheck.cluster.reader import DEPLOYMENTS
from acrcheck.helm.release import FIELD, TYPE, packed
from acrcheck.lab.kube import Json
from acrcheck.lab.world import Release, World


def secrets(world: World) -> list[Json]:
    """Every Secret that helm keeps here: one for each revision of a release."""
    return [
        _secret(world, release, *revision)
        for release in world.releases
        if release.stored
        for revision in _revisions(release)
    ]


def _revisions(release: Release) -> list[tuple[int, str, Json]]:
    """The revisions of a release with their status and values, the oldest first."""
    deployed = (release.revision, release.status, release.values)
    if release.attempted is None:
        return [deployed]
    return [deployed, (release.revision + 1, *release.attempted)]


def _secret(world: World, release: Release, revision: int, status: str, values: Json) -> Json:
    name = f"sh.helm.release.v1.{release.name}.v{revision}"
    labels = {"name": release.name, "owner": "helm", "status": status, "version": str(revision)}
    data = packed(_release(world, release, revision, status, values))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": release.namespace, "labels": labels},
        "type": TYPE,
        "data": {FIELD: data},
    }


def _release(world: World, release: Release, revision: int, status: str, values: Json) -> Json:
    import yaml

    item = release.rendered or world.kubernetes.find(DEPLOYMENTS, "coderd", release.namespace)
    rendered = copy.deepcopy(
        {key: item[key] for key in ("apiVersion", "kind", "metadata", "spec")} if item else {}
    )
    made = rendered.get("metadata", {}).get("creationTimestamp") or world.kubernetes.stamp()
    metadata = {
        "name": release.chart,
        "version": release.version,
        "appVersion": release.version,
        "apiVersion": "v2",
    }
    told = {
        **dict.fromkeys(("deployed", "superseded"), "Upgrade complete"),
        "pending-upgrade": "Preparing upgrade",
    }
    return {
        "name": release.name,
        "namespace": release.namespace,
        "version": revision,
        "info": {"status": status, "description": told.get(status, "Upgrade failed"), "last_deployed": made},
        "chart": {"metadata": metadata, "values": {}},
        **({"config": values} if values else {}),
        "manifest": f"---\n# Source: {release.chart}/templates/coderd.yaml\n{yaml.safe_dump(rendered)}",
    }
