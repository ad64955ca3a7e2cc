"""The chart's values: what the pods will get of them."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from acrcheck.api import Check, Looking, Observation, Target, fail, note, warn
from acrcheck.azure.clouds import CLOUDS, cloud_of
from acrcheck.azure.image import ImageReferenceError, parse_image
from acrcheck.facts import ChartValues
from acrcheck.helm.values import Path, at, dotted, has, snippet

from . import chart
from .label import LABEL
from .label import UNKNOWN_SELECTOR as SELECTOR
from .objects import text

IMDS = "169.254.169.254"
PLACE: Path = ("coderd", "extraLabels")
ASIDE = ("x-", ".")
"""What keys of the top begin with that only hold what anchors are for, by convention."""
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
"""What Kubernetes takes as a label's value (apimachinery, pkg/util/validation)."""
TEXT_MAPS: tuple[Path, ...] = (
    ("coderd", "builtinProviderServiceAccount", "annotations"),
    ("coderd", "builtinProviderServiceAccount", "labels"),
    ("coderd", "workspaceServiceAccount", "annotations"),
    ("coderd", "workspaceServiceAccount", "labels"),
    ("coderd", "annotations"),
    ("services", "annotations"),
)
"""Maps that the chart writes into metadata as they are: Kubernetes takes text only there."""
TEXTS: dict[Path, str] = {
    ("coderd", "imagePullSecret"): "the name of a secret",
    ("coderd", "image"): "an image's name",
    ("coderd", "proxy", "exempt"): "text: hosts with commas between them",
}
MOVED: tuple[tuple[str, str], ...] = (
    ("cemanager", "coderd"),
    ("devurls.host", "coderd.devurlsHost"),
    ("ingress.loadBalancerIP", "coderd.serviceSpec.loadBalancerIP"),
    ("ingress.loadBalancerSourceRanges", "coderd.serviceSpec.loadBalancerSourceRanges"),
    ("ingress.service.externalTrafficPolicy", "coderd.serviceSpec.externalTrafficPolicy"),
    ("ingress.tls.hostSecretName", "coderd.tls.hostSecretName"),
    ("ingress.tls.devurlsHostSecretName", "coderd.tls.devurlsHostSecretName"),
    ("storageClassName", "postgres.default.storageClassName"),
    ("timescale", "postgres.default"),
    ("postgres.useDefault", "postgres.default.enable"),
    ("deploymentAnnotations", "services.annotations"),
    ("serviceTolerations", "services.tolerations"),
    ("clusterDomainSuffix", "services.clusterDomainSuffix"),
    ("serviceType", "services.type"),
    ("serviceAccount.annotations", "coderd.builtinProviderServiceAccount.annotations"),
    ("serviceAccount.labels", "coderd.builtinProviderServiceAccount.labels"),
)
"""Keys of charts before 1.21, and what took their place (templates/_migrate.tpl, legacy.tpl)."""
GONE_SINCE: chart.Version = (1, 27, 0)
ARM_ENDPOINT = "AZURE_ARM_ENDPOINT"
OF_OTHER_CHART = frozenset(
    {"env", "envFrom", "image", "podLabels", "serviceAccount", "labels", "podAnnotations"}
)
"""Keys under `coder` of the chart of Coder 2 (coder/coder, helm/coder/values.yaml)."""

MISPLACED = fail(
    "values-label-misplaced",
    "{place}: {key} stands at {path}, where the chart does not look{documented}",
    *("selector", "unset"),
)
STRAY = warn("values-label-stray", "{place}: {path} has no effect")
EMPTY = warn("values-extra-labels-empty", "{place}: {path} holds nothing: the pods get no label of it")
NO_MAP = fail(
    "values-extra-labels-no-map", "{place}: coderd.extraLabels is {what}, and must be a map of labels"
)
NOT_TEXT = fail(
    "values-label-not-text",
    "{place}: {key} is the {what} {value}, and a label is text: {instead}",
)
WRONG_CASE = fail(
    "values-label-wrong-case",
    "{place}: the label's key is written {wrong}: NMI looks for aadpodidbinding only",
    "selector",
)
NO_LABEL_VALUE = fail(
    "values-label-invalid",
    "{place}: {key} is {value}: a label takes 63 letters, digits, -, _ and .",
)
OF_SELECTOR = fail(
    "values-label-of-selector",
    "{place}: {key} is what the Deployment selects its pods by: it cannot be changed",
)
UNREAD_LABEL = fail(
    "values-label-not-read",
    "{place}: coderd.extraLabels is read since chart {since}, not by {chart_version}",
)
LABELLED = note("values-labelled", "{place}: the pods get {key}={value}")
UNREAD = warn("values-key-not-read", "{place}: {key} is read since chart {since}, not by {chart_version}")
REMOVED = fail("values-key-removed", "{place}: {key} is {successor} since chart 1.27: {effect}")
DEPRECATED = warn(
    "values-key-deprecated",
    "{place}: {key} is {successor} now, charts since 1.28 fail because of it{effect}",
)
OTHER_CHART = fail(
    "values-of-coder-2",
    "{place}: {key} is a key of the chart of Coder 2: chart {chart_version} does not read it",
)
TRUST_PROXY = warn(
    "values-trust-proxy", "{place}: coderd.trustProxyIP is deprecated: coderd.reverseProxy takes its place"
)
OLD_IMAGE = warn(
    "values-image-of-other-version",
    "{place}: {key} is {image}, and the chart is {chart_version}: they belong together",
)
COVERS_IMDS = fail(
    "values-proxy-covers-imds",
    "{place}: coderd.proxy.exempt lacks 169.254.169.254: token requests would go to the proxy",
    "exempt",
)
COVERS_REGISTRY = note("values-proxy-covers-registry", "{place}: {host} is reached through {proxy}")
WRONG_SHAPE = fail("values-wrong-shape", "{place}: {key} is {what}, and must be {wanted}")
HALF_CERTIFICATE = fail(
    "values-certificate-half",
    "{place}: certs.secret names no {missing}: the certificate is not mounted as it should be",
)
NO_ARM_ENDPOINT = warn(
    "values-arm-endpoint-missing",
    "{place}: no AZURE_ARM_ENDPOINT for {cloud}: coderd asks for a token of the public cloud",
    "endpoint",
)
MADE = note(
    "values-made",
    "chart {chart_version} makes of it: {made}",
)


def _seen(values: ChartValues, path: Path, **found: Any) -> dict[str, Any]:
    """Give what each observation carries: the place, and what the change of it would be."""
    place = values.places.get(path)
    at_place = {"file": place.file, "line": place.line, "column": place.column} if place else {}
    return {"path": dotted(path), **({"place": at_place} if at_place else {}), **found}


def label(values: ChartValues) -> Looking[None]:
    """The label stands where the chart reads it, as Kubernetes takes it."""
    held = at(values.tree, *PLACE)
    right = isinstance(held, Mapping) and LABEL in held
    yield from _misplaced(values, right=right)
    if isinstance(held, Mapping):
        yield from _labels(values, held)
    elif held is not None:
        yield NO_MAP(
            place=values.place(PLACE),
            what=_kind(held),
            evidence=_seen(values, PLACE, instead=snippet((*PLACE, LABEL), SELECTOR)),
        )


def _misplaced(values: ChartValues, *, right: bool) -> Iterator[Observation]:
    """Find labels that no pod gets, and the empty parents that were meant to hold them."""
    wrong = [path for path in _everywhere(values.tree) if path[:-1] != PLACE]
    empty = [
        path for path in (("extraLabels",), PLACE) if has(values.tree, *path) and not at(values.tree, *path)
    ]
    for path in wrong:
        value = at(values.tree, *path)
        if str(path[0]).startswith(ASIDE):
            continue
        if right or isinstance(value, Mapping | list):
            yield STRAY(
                place=values.place(path), path=dotted(path), evidence=_seen(values, path, edits=[_drop(path)])
            )
            continue
        written = _as_text(values, path)
        edits: list[dict[str, Any]] = [{"op": "move", "from": list(path), "to": [*PLACE, LABEL]}]
        if not isinstance(value, str):
            edits.insert(0, {"op": "quote", "at": list(path)})
        documented = path == (LABEL,) and ("extraLabels",) in empty
        if documented:
            edits.append(_drop(("extraLabels",)))
        yield MISPLACED(
            place=values.place(path),
            key=LABEL,
            path=dotted(path) if len(path) > 1 else "the top level",
            documented=": the documentation's snippet, which has lost its indentation and its parent"
            if documented
            else "",
            selector=written if written and LABEL_VALUE.fullmatch(written) else SELECTOR,
            unset=f"--set {shlex.quote(f'{dotted(path)}=null')}",
            evidence=_seen(values, path, instead=snippet((*PLACE, LABEL), written), edits=edits),
        )
        right = True
    top = at(values.tree, "extraLabels")
    for key in top if isinstance(top, Mapping) else ():
        if not _is_label(key):
            path = ("extraLabels", key)
            move = {"op": "move", "from": list(path), "to": [*PLACE, key]}
            yield STRAY(
                place=values.place(path), path=dotted(path), evidence=_seen(values, path, edits=[move])
            )
    for path in empty if not wrong else ():
        if at(values.tree, *path) is None:
            yield EMPTY(place=values.place(path), path=dotted(path), evidence=_seen(values, path))


def _drop(path: Path) -> dict[str, Any]:
    return {"op": "drop", "at": list(path)}


def _everywhere(values: object, path: Path = ()) -> Iterator[Path]:
    """Find each key that is the label's, in whatever letter case: those of the top first."""
    if not isinstance(values, Mapping):
        return
    for key in values:
        if _is_label(key):
            yield (*path, key)
    for key, value in values.items():
        yield from _everywhere(value, (*path, key))


def _is_label(key: object) -> bool:
    return str(key).lower().replace("-", "").replace("_", "") == LABEL


def _labels(values: ChartValues, held: Mapping[str, Any]) -> Iterator[Observation]:
    """Look at each label that the chart would put onto the pods."""
    since = chart.SINCE["coderd.extraLabels"]
    version = chart.version_of(values.version)
    if held and version and version < since:
        yield UNREAD_LABEL(
            place=values.place(PLACE),
            chart_version=values.version,
            since=chart.written(since),
            evidence=_seen(values, PLACE),
        )
    for key, value in held.items():
        path = (*PLACE, key)
        place = values.place(path)
        if key == chart.SELECTOR_LABEL:
            yield OF_SELECTOR(place=place, key=key, evidence=_seen(values, path, edits=[_drop(path)]))
        elif not isinstance(value, str):
            written = _as_text(values, path)
            edits = [] if isinstance(value, Mapping | list) else [{"op": "quote", "at": list(path)}]
            yield NOT_TEXT(
                place=place,
                key=key,
                what=_kind(value),
                value=_shown(value) + (f" (written {written})" if written != _shown(value) else ""),
                instead=f'"{written}"',
                evidence=_seen(values, path, instead=snippet(path, written), edits=edits),
            )
        elif not LABEL_VALUE.fullmatch(value):
            yield NO_LABEL_VALUE(place=place, key=key, value=value[:80], evidence=_seen(values, path))
        elif _is_label(key) and key != LABEL and LABEL in held:
            yield STRAY(place=place, path=dotted(path), evidence=_seen(values, path, edits=[_drop(path)]))
        elif _is_label(key) and key != LABEL:
            move = {"op": "move", "from": list(path), "to": [*PLACE, LABEL]}
            instead = snippet((*PLACE, LABEL), value)
            yield WRONG_CASE(
                place=place,
                wrong=key,
                selector=value,
                evidence=_seen(values, path, instead=instead, edits=[move]),
            )
        elif key == LABEL:
            yield LABELLED(place=place, key=key, value=value)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Mapping):
        return "map"
    return {type(None): "null", str: "text", list: "list"}.get(type(value), "number")


def _shown(value: object) -> str:
    if isinstance(value, Mapping | list):
        return "…"
    return json.dumps(value) if isinstance(value, bool | None) else str(value)


def _is_scalar(value: object) -> bool:
    return not isinstance(value, Mapping | list)


def _as_text(values: ChartValues, path: Path) -> str:
    """Write a value as the text it was probably meant to be."""
    value = at(values.tree, *path)
    shown = "" if value is None else value if isinstance(value, str) else _shown(value)
    return values.written.get(path, shown)


def keys(values: ChartValues) -> Looking[None]:
    """The chart reads the keys that are set."""
    version = chart.version_of(values.version) or (0, 0, 0)
    for old, new in MOVED:
        path = tuple(old.split("."))
        if has(values.tree, *path) and (at(values.tree, *path) or version < GONE_SINCE):
            yield _moved(values, path, new, version)
    for key, since in chart.SINCE.items():
        path = tuple(key.split("."))
        if version < since and path != PLACE and at(values.tree, *path):
            yield UNREAD(
                place=values.place(path),
                key=key,
                chart_version=values.version,
                since=chart.written(since),
                evidence=_seen(values, path),
            )
    other = at(values.tree, "coder")
    if isinstance(other, Mapping) and OF_OTHER_CHART & other.keys():
        yield OTHER_CHART(
            place=values.place(("coder",)),
            key="coder",
            chart_version=values.version,
            evidence=_seen(values, ("coder",)),
        )
    path = ("coderd", "trustProxyIP")
    if at(values.tree, *path) is True:
        yield TRUST_PROXY(place=values.place(path), evidence=_seen(values, path))
    yield from _old_images(values, version)
    yield _made(values)


def _old_images(values: ChartValues, version: chart.Version) -> Iterator[Observation]:
    """Find images that the values name and that are of another version than the chart: left there by an upgrade."""
    for key, _ in chart.IMAGES.values():
        path = tuple(key.split("."))
        image = at(values.tree, *path)
        if not isinstance(image, str) or values.assumed:
            continue
        tagged = chart.version_of(image.rpartition(":")[2].partition("@")[0])
        if tagged and tagged != version:
            yield OLD_IMAGE(
                place=values.place(path),
                key=key,
                image=image,
                chart_version=values.version,
                evidence=_seen(values, path),
            )


def _moved(values: ChartValues, path: Path, new: str, version: chart.Version) -> Observation:
    old, target = dotted(path), tuple(new.split("."))
    value = at(values.tree, *path)
    edits = _moves(values, path, target)
    shown = {"instead": snippet(target, value)} if _is_scalar(value) else {}
    found = {"place": values.place(path), "key": old, "successor": new}
    evidence = _seen(values, path, edits=edits, **shown)
    if version < GONE_SINCE:
        renames = old == chart.OLD_SERVICE and version >= chart.SINCE_SERVICE
        effect = "; until then it names the Deployment cemanager" if renames else ""
        return DEPRECATED(**found, effect=effect, evidence=evidence)
    refused = any(old.startswith(key) for key in chart.refused(values.tree, version))
    effect = "the chart fails because of it" if refused else "the chart does not read it"
    return REMOVED(**found, effect=effect, evidence=evidence)


def _moves(values: ChartValues, path: Path, target: Path) -> list[dict[str, Any]]:
    """Give the changes that move what stands at an old key: key by key, where the new one is there, or will be.

    What is there under the new one stays, and a map that holds nothing but the label is moved with the label.
    """
    value, known = at(values.tree, *path), at(values.tree, *target)
    made = target == PLACE[:1] and any(found[:-1] != PLACE for found in _everywhere(values.tree))
    if not isinstance(value, Mapping) or not (known or made):
        return [{"op": "move", "from": list(path), "to": list(target)}]
    return [
        {"op": "move", "from": [*path, key], "to": [*target, key]}
        for key, held in value.items()
        if not (isinstance(known, Mapping) and key in known)
        and not (isinstance(held, Mapping) and held and all(map(_is_label, held)))
    ]


def proxy(values: ChartValues, target: Target) -> Looking[None]:
    """A proxy does not take the token requests."""
    path = ("coderd", "proxy")
    url = next((url for key in ("http", "https") if (url := at(values.tree, *path, key))), None)
    if not url:
        return
    exempt = at(values.tree, *path, "exempt")
    exempt = chart.PROXY_DEFAULT if exempt is None else str(exempt)
    if at(values.tree, *path, "http") and not _exempts(exempt, IMDS):
        wanted = f"{exempt},{IMDS}".strip(",")
        yield COVERS_IMDS(
            place=values.place((*path, "exempt")),
            exempt=wanted,
            evidence=_seen(values, (*path, "exempt"), instead=snippet((*path, "exempt"), wanted)),
        )
    for host in sorted(_registries(values, target)):
        if not _exempts(exempt, host):
            yield COVERS_REGISTRY(place=values.place(path), host=host, proxy=_harmless(str(url)))


def _exempts(exempt: str, host: str) -> bool:
    """Tell whether Go's proxy rules leave a host out (golang.org/x/net/http/httpproxy)."""
    for entry in exempt.lower().replace(",", " ").split():
        name = entry.partition(":")[0].removeprefix("*")
        if entry == "*" or host == name or (name and host.endswith(f".{name.removeprefix('.')}")):
            return True
        if "/" in name and _within(host, name):
            return True
    return False


def _within(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _registries(values: ChartValues, target: Target) -> set[str]:
    """Name the registries of Azure that are spoken of."""
    hosts = {target.registry} if target.registry else set()
    images = [target.image, *(at(values.tree, *path.split(".")) for path, _ in chart.IMAGES.values())]
    for image in images:
        if isinstance(image, str) and image:
            try:
                hosts.add(parse_image(image).host)
            except ImageReferenceError:
                continue
    suffixes = tuple(f".{cloud.registry_suffix}" for cloud in CLOUDS)
    return {host for host in hosts if host.endswith(suffixes)}


def _harmless(url: str) -> str:
    scheme, slashes, rest = url.rpartition("//")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"


def shapes(values: ChartValues) -> Looking[None]:
    """Secrets, certificates, annotations and variables have the shape that the chart writes on."""
    for path, wanted in TEXTS.items():
        found = at(values.tree, *path)
        if found is not None and not isinstance(found, str):
            yield _wrong(values, path, found, wanted)
    for path in TEXT_MAPS:
        yield from _texts(values, path)
    yield from _variables(values)
    secret = at(values.tree, "certs", "secret")
    if isinstance(secret, Mapping) and bool(secret.get("name")) != bool(secret.get("key")):
        path = ("certs", "secret")
        missing = "key" if secret.get("name") else "name"
        yield HALF_CERTIFICATE(place=values.place(path), missing=missing, evidence=_seen(values, path))


def _wrong(values: ChartValues, path: Path, found: object, wanted: str, **more: Any) -> Observation:
    what = f"a {_kind(found)}" if found is not None else "null"
    return WRONG_SHAPE(
        place=values.place(path),
        key=dotted(path),
        what=what,
        wanted=wanted,
        evidence=_seen(values, path, **more),
    )


def _texts(values: ChartValues, path: Path) -> Iterator[Observation]:
    held = at(values.tree, *path)
    if held is None:
        return
    if not isinstance(held, Mapping):
        yield _wrong(values, path, held, "a map")
        return
    for key, value in held.items():
        if not isinstance(value, str):
            inner = (*path, key)
            scalar = _is_scalar(value)
            more: dict[str, Any] = {"edits": [{"op": "quote", "at": list(inner)}]} if scalar else {}
            if scalar:
                more["instead"] = snippet(inner, _as_text(values, inner))
            yield _wrong(values, inner, value, "text", **more)


def _variables(values: ChartValues) -> Iterator[Observation]:
    path: Path = ("coderd", "extraEnvs")
    held = at(values.tree, *path)
    if held is None:
        return
    if not isinstance(held, list):
        yield _wrong(values, path, held, "a list of variables, each with `name` and `value`")
        return
    for index, entry in enumerate(held):
        inner: Path = (*path, index)
        if not isinstance(entry, Mapping) or not text(entry, "name"):
            yield _wrong(values, inner, entry, "a variable with `name` and `value`")
        elif "value" in entry and not isinstance(entry["value"], str | None):
            yield _wrong(values, (*inner, "value"), entry["value"], "text")


def cloud(values: ChartValues, target: Target) -> Looking[None]:
    """In another cloud than the public one, coderd is told where Azure Resource Manager is."""
    hosts = _registries(values, target)
    found = cloud_of(target.cloud, next(iter(sorted(hosts)), ""))
    if found is CLOUDS[0]:
        return
    if ARM_ENDPOINT not in chart.environment(at(values.tree, "coderd", "extraEnvs")):
        path: Path = ("coderd", "extraEnvs")
        yield NO_ARM_ENDPOINT(
            place=values.place(path),
            cloud=found.name,
            endpoint=found.arm_audience,
            evidence=_seen(values, path),
        )


def _made(values: ChartValues) -> Observation:
    """Say what the pods get."""
    rendered = chart.rendered(values.tree, values.version)
    extra = at(values.tree, *PLACE)
    own = (
        {key: rendered.labels[key] for key in extra if key in rendered.labels}
        if isinstance(extra, Mapping)
        else {}
    )
    labels = ", ".join(f"{key}={_shown(value)}" for key, value in own.items()) or "none but the chart's own"
    made = (
        f"Deployment {rendered.name}, service account {rendered.service_account or 'default'}, "
        f"image {rendered.images['coderd']}, labels {labels}"
    )
    return MADE(
        chart_version=f"{values.version} (assumed)" if values.assumed else values.version,
        made=f"nothing, it fails at {', '.join(rendered.refused)}" if rendered.refused else made,
        evidence={
            "labels": rendered.labels,
            "serviceAccount": rendered.service_account,
            "images": rendered.images,
            "pullSecrets": list(rendered.pull_secrets),
        },
    )


CHECKS = (
    Check(
        "values-label",
        "the label stands where the chart reads it",
        label,
        sees=(
            MISPLACED,
            STRAY,
            EMPTY,
            NO_MAP,
            NOT_TEXT,
            WRONG_CASE,
            NO_LABEL_VALUE,
            OF_SELECTOR,
            UNREAD_LABEL,
            LABELLED,
        ),
        optional=True,
    ),
    Check(
        "values-keys",
        "the chart reads the keys that are set",
        keys,
        sees=(UNREAD, REMOVED, DEPRECATED, OTHER_CHART, TRUST_PROXY, OLD_IMAGE, MADE),
        optional=True,
    ),
    Check(
        "values-proxy",
        "a proxy leaves token requests alone",
        proxy,
        sees=(COVERS_IMDS, COVERS_REGISTRY),
        optional=True,
    ),
    Check(
        "values-shapes",
        "secrets, certificates and variables are written right",
        shapes,
        sees=(WRONG_SHAPE, HALF_CERTIFICATE),
        optional=True,
    ),
    Check("values-cloud", "coderd is told its cloud", cloud, sees=(NO_ARM_ENDPOINT,), optional=True),
)
