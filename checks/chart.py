"""Coder's chart: what it makes of values, and which values each of its versions knows.

Source: coder/enterprise-helm, tags 1.19.0 to 1.44.3 (templates/coderd.yaml, _common.tpl, legacy.tpl, values.yaml). The
Chart.yaml of these tags is not kept up: a chart's version is the one that it was packaged with.
"""

import re
from collections.abc import Mapping
from typing import Any

from acrcheck.helm.values import at, coalesced
from acrcheck.late import dataclass

from .objects import mapping, mappings, text, texts

Version = tuple[int, int, int]
VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
LAST = "1.44.3"
"""The newest chart that was published."""
SELECTOR_LABEL = "coder.deployment"
SERVICE = "coderd"
OLD_SERVICE = "cemanager"
SINCE_SERVICE: Version = (1, 21, 0)
WITHOUT_OLD_SERVICE: Version = (1, 27, 0)
SINCE_LABELS: Version = (1, 22, 0)
SINCE_STANDARD_LABELS: Version = (1, 27, 0)
REFUSES_OLD_KEYS: Version = (1, 28, 0)
PROXY_DEFAULT = "cluster.local"
SINCE: dict[str, Version] = {
    "coderd.satellite": (1, 21, 0),
    "coderd.builtinProviderServiceAccount": (1, 21, 0),
    "coderd.extraLabels": (1, 26, 0),
    "coderd.proxy": (1, 27, 0),
    "coderd.networkPolicy": (1, 27, 0),
    "coderd.clientTLS": (1, 28, 0),
    "coderd.alternateHostnames": (1, 28, 0),
    "coderd.annotations": (1, 28, 1),
    "coderd.extraEnvs": (1, 29, 1),
    "coderd.workspaceServiceAccount": (1, 33, 0),
    "coderd.imagePullSecret": (1, 34, 0),
    "logging.verbose": (1, 34, 0),
    "postgres.noPasswordEnv": (1, 35, 0),
}
"""The first chart that reads a key; an older one passes over it without a word."""
IMAGES = {
    "coderd": ("coderd.image", "docker.io/coderenvs/coder-service"),
    "envbox": ("envbox.image", "docker.io/coderenvs/envbox"),
    "timescale": ("postgres.default.image", "docker.io/coderenvs/timescale"),
}
"""What each part runs: the value that names its image, and the repository where no value does."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What matters here of the pods of Coder's control plane."""

    name: str
    """Of the Deployment."""
    labels: dict[str, Any]
    """Of the pod template; a value that is no text is one that the API server refuses."""
    service_account: str
    """Empty where none is named, as in a satellite."""
    env: dict[str, str | None]
    """Of the container: None for a value from elsewhere, or one that may not be shown."""
    pull_secrets: tuple[str, ...]
    images: dict[str, str]
    """By part: `coderd` (which runs the migrations too), `envbox` and, with the built-in database, `timescale`."""
    refused: tuple[str, ...] = ()
    """Keys because of which the chart renders nothing."""


def version_of(said: str) -> Version | None:
    """Read a chart's version; None where it is none. What follows the third number is left out."""
    found = VERSION.match(said)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def written(version: Version) -> str:
    """Write a version."""
    return ".".join(map(str, version))


def rendered(
    values: Mapping[str, Any],
    version: str,
    *,
    defaults: Mapping[str, Any] | None = None,
    release: str = "coder",
) -> Rendered:
    """Give what the pods get of these values by the chart of this version.

    Args:
        values: the user's, as `acrcheck.helm.values.merged` joins them.
        version: of the chart, such as `1.44.3`; its images are of the same version.
        defaults: the chart's own values, where they are known: the released ones name the images.
        release: the name of the release, which a label shows.

    Raises:
        ValueError: that is no version.
    """
    chart = version_of(version)
    if chart is None:
        raise ValueError(f"{version!r} is no version of a chart")
    seen = coalesced(values, defaults or {})
    name = service_name(seen, chart)
    extra = at(seen, "coderd", "extraLabels") if chart >= SINCE["coderd.extraLabels"] else None
    satellite = chart >= SINCE["coderd.satellite"] and at(seen, "coderd", "satellite", "enable") is True
    secret = at(seen, "coderd", "imagePullSecret") if chart >= SINCE["coderd.imagePullSecret"] else None
    return Rendered(
        name=name,
        labels={**_labels(name, chart, release), **(extra if isinstance(extra, Mapping) else {})},
        service_account="" if satellite else "coder",
        env=_env(seen, chart),
        pull_secrets=(str(secret),) if secret else (),
        images=_images(seen, chart, satellite=satellite),
        refused=tuple(refused(values, chart)),
    )


def service_name(values: Mapping[str, Any], chart: Version) -> str:
    """Name the Deployment: a chart before 1.27 follows an old key of the values."""
    if chart < SINCE_SERVICE:
        return OLD_SERVICE
    return OLD_SERVICE if chart < WITHOUT_OLD_SERVICE and OLD_SERVICE in values else SERVICE


def _labels(name: str, chart: Version, release: str) -> dict[str, str]:
    labels = {SELECTOR_LABEL: name}
    if chart >= SINCE_LABELS:
        labels |= {"app": name, "app.kubernetes.io/part-of": "coder"}
        labels["app.kubernetes.io/name"] = "coder" if chart >= SINCE_STANDARD_LABELS else name
    if chart >= SINCE_STANDARD_LABELS:
        labels |= {"app.kubernetes.io/instance": release, "app.kubernetes.io/component": SERVICE}
    return labels


def _env(values: Mapping[str, Any], chart: Version) -> dict[str, str | None]:
    env: dict[str, str | None] = {}
    if chart >= SINCE["coderd.proxy"]:
        exempt = at(values, "coderd", "proxy", "exempt")
        env["http_proxy"] = str(at(values, "coderd", "proxy", "http") or "")
        env["https_proxy"] = str(at(values, "coderd", "proxy", "https") or "")
        env["no_proxy"] = PROXY_DEFAULT if exempt is None else str(exempt)
    if chart >= SINCE["coderd.extraEnvs"]:
        env |= environment(at(values, "coderd", "extraEnvs"))
    return env


def environment(entries: object) -> dict[str, str | None]:
    """Read a container's list of variables; what it refers to elsewhere, and what is hidden, is None."""
    return {
        text(entry, "name"): entry["value"] if isinstance(entry.get("value"), str) else None
        for entry in mappings({"env": entries}, "env")
        if text(entry, "name")
    }


def _images(values: Mapping[str, Any], chart: Version, *, satellite: bool) -> dict[str, str]:
    built_in = at(values, "postgres", "default", "enable") is not False and not satellite
    parts = [part for part in IMAGES if part != "timescale" or built_in]
    found = {}
    for part in parts:
        path, repository = IMAGES[part]
        image = at(values, *path.split("."))
        found[part] = image if isinstance(image, str) and image else f"{repository}:{written(chart)}"
    return found


KUBERNETES: tuple[tuple[Version, tuple[int, int]], ...] = (
    ((1, 28, 1), (1, 19)),
    ((1, 28, 0), (1, 21)),
    ((1, 27, 3), (1, 19)),
    ((1, 27, 0), (1, 20)),
    ((1, 22, 0), (1, 19)),
)
"""The oldest Kubernetes that helm installs a chart on, from which chart on (Chart.yaml, kubeVersion)."""


def kubernetes_for(chart: Version) -> tuple[int, int] | None:
    """Give the oldest Kubernetes for a chart; None where it asks for none."""
    return next((oldest for since, oldest in KUBERNETES if chart >= since), None)


REFUSED = (
    "cemanager",
    "devurls",
    "ingress.loadBalancerIP",
    "ingress.loadBalancerSourceRanges",
    "ingress.tls.hostSecretName",
    "ingress.tls.devurlsHostSecretName",
    "storageClassName",
    "timescale",
    "postgres.useDefault",
    "deploymentAnnotations",
    "serviceTolerations",
    "clusterDomainSuffix",
    "serviceType",
    "serviceAccount",
)
"""Keys at which a chart of 1.28 or later fails when they hold anything (templates/legacy.tpl)."""


def refused(values: Mapping[str, Any], chart: Version) -> list[str]:
    """Name the keys of these values at which the chart fails."""
    if chart < REFUSES_OLD_KEYS:
        return []
    return [key for key in REFUSED if at(values, *key.split("."))]


def deployed(deployment: object) -> Rendered:
    """Read the same of a Deployment, live or of a release's manifest."""
    template = mapping(deployment, "spec", "template")
    containers = mappings(template, "spec", "containers")
    main = next((item for item in containers if text(item, "name") in {SERVICE, OLD_SERVICE}), {})
    env = environment(main.get("env"))
    images = {"coderd": text(main, "image"), "envbox": env.get("ENVBOX_IMAGE") or ""}
    return Rendered(
        name=text(deployment, "metadata", "name"),
        labels=dict(texts(template, "metadata", "labels")),
        service_account=text(template, "spec", "serviceAccountName"),
        env=env,
        pull_secrets=tuple(text(item, "name") for item in mappings(template, "spec", "imagePullSecrets")),
        images={part: image for part, image in images.items() if image},
    )
