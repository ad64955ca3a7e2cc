"""helm: adding a repository, and installing over objects that somebody else has made.

Sources: helm/helm (release 3.22) pkg/repo/chartrepo.go, pkg/getter/{getter,httpgetter}.go,
cmd/helm/{repo_add,install}.go, pkg/action/{install,validate}.go; k8s.io/cli-runtime pkg/resource/mapper.go. What it
says of oci:// was printed by 3.22.0 itself.
"""

from urllib.parse import urlsplit

from acrcheck.cluster.reader import Resource
from acrcheck.lab.kube import Json
from acrcheck.lab.programs import go
from acrcheck.lab.world import World

WITH_OCI = (3, 8)
"""The version since which charts are in registries without an experiment being switched on."""
MANAGED_BY = "app.kubernetes.io/managed-by"
RELEASE_NAME, RELEASE_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"


def repo_add(world: World, url: str) -> str:
    """`helm repo add NAME URL`: what is printed."""
    unusable = f'Error: looks like "{url}" is not a valid chart repository or cannot be reached: '
    if urlsplit(url).scheme == "oci" and world.workstation.helm < WITH_OCI:
        return "Error: could not find protocol handler for: oci\n"
    if urlsplit(url).scheme == "oci":
        return f'{unusable}failed to perform "FetchReference" on source: invalid reference\n'
    index = f"{url}/index.yaml"
    try:
        response = go.Client(world, go.at_workstation(world), timeout=120.0).send("GET", index)
    except go.GoError as error:
        return f"{unusable}{error}\n"
    if response.is_success:
        return '"labreg" has been added to your repositories\n'
    return f"{unusable}failed to fetch {index} : {go.status(response)}\n"


def install(world: World, release: str, namespace: str, objects: list[tuple[Resource, Json]]) -> str:
    """`helm install RELEASE CHART --namespace NAMESPACE`, for the objects that the chart renders: what is printed."""
    unknown = [item for resource, item in objects if not world.kubernetes.serves(resource)]
    if unknown:
        said = ", ".join(map(_unknown, unknown))
        built = "unable to build kubernetes objects from release manifest"
        return f"Error: INSTALLATION FAILED: {built}: {said if len(unknown) == 1 else f'[{said}]'}\n"
    for resource, item in objects:
        name, place = item["metadata"]["name"], item["metadata"].get("namespace", "")
        existing = world.kubernetes.find(resource, name, place)
        problems = _not_owned(existing, release, namespace) if existing is not None else []
        if problems:
            said = f'{item["kind"]} "{name}" in namespace "{place}"'
            owned = "; ".join(["invalid ownership metadata", *problems])
            return (
                "Error: INSTALLATION FAILED: Unable to continue with install: "
                f"{said} exists and cannot be imported into the current release: {owned}\n"
            )
    return f"NAME: {release}\nNAMESPACE: {namespace}\nSTATUS: deployed\nREVISION: 1\n"


def _unknown(item: Json) -> str:
    name, place = item["metadata"]["name"], item["metadata"].get("namespace", "")
    return (
        f'resource mapping not found for name: "{name}" namespace: "{place}" from "": '
        f'no matches for kind "{item["kind"]}" in version "{item["apiVersion"]}"\nensure CRDs are installed first'
    )


def _not_owned(item: Json, release: str, namespace: str) -> list[str]:
    metadata = item["metadata"]
    wanted = (
        ("label", metadata.get("labels") or {}, MANAGED_BY, "Helm"),
        ("annotation", metadata.get("annotations") or {}, RELEASE_NAME, release),
        ("annotation", metadata.get("annotations") or {}, RELEASE_NAMESPACE, namespace),
    )
    return [
        f"{kind} validation error: {problem}"
        for kind, held, key, value in wanted
        if (problem := _differs(held, key, value))
    ]


def _differs(held: dict[str, str], key: str, value: str) -> str:
    if key not in held:
        return f'missing key "{key}": must be set to "{value}"'
    return "" if held[key] == value else f'key "{key}" must equal "{value}": current value is "{held[key]}"'
