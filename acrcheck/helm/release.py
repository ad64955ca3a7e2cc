"""A Helm release as its Secret keeps it: read without helm, and sealed so that no password can be in what is left.

The Secret holds base64 of base64 of gzip of JSON (helm/helm pkg/storage/driver/{secrets,util}.go). Of the values only
what is known to be harmless stays: keys, booleans, numbers, labels, images, names of secrets, proxies without their
credentials. Any other text is replaced by `HIDDEN`, or by `(not shown: N lines)`, so that its place is still seen.
"""

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

TYPE = "helm.sh/release.v1"
FIELD = "release"
HIDDEN = "(not shown)"
_HIDDEN_LINES = re.compile(r"\(not shown: (\d+) lines\)")
MOST_BYTES = 32 * 1024 * 1024
"""What a release may come to when it is unpacked."""
DESCRIPTION = re.compile(r"(Rollback to \d+|Install complete|Upgrade complete|Preparing \w+)")
_LABELS = frozenset({"labels", "extraLabels", "podLabels", "nodeSelector"})
_LABEL = "aadpodidbinding"
_IMAGES = frozenset({"image", "repository", "tag"})
_IMAGE = re.compile(r"[\w./:-]{1,255}(@sha256:[0-9a-f]{64})?")
_NAMES = frozenset(
    {"imagePullSecret", "hostSecretName", "devurlsHostSecretName", "secretName", "storageClassName"}
)
_PAIRS = frozenset(
    {("secret", "name"), ("secret", "key"), ("passwordSecret", "name"), ("authSecret", "name")}
)
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_PROXY = frozenset({"http", "https", "exempt"})
_SECRET = re.compile(r"pass|pwd|secret|token|key|cred|auth", re.IGNORECASE)
HARMLESS_VARIABLES = frozenset(
    {
        *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
        *("AZURE_ARM_ENDPOINT", "AZURE_AUTHORITY_HOST", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "ENVBOX_IMAGE"),
    }
)
"""Environment variables whose values are shown."""
_USER = re.compile(r"(?<=//)[^/@\s]*@")
_DEPLOYMENT = re.compile(r"^kind: [\"']?Deployment[\"']?\s*$", re.MULTILINE)


class UnreadableReleaseError(Exception):
    """What the Secret holds is no release; the message says what it is."""


def sealed(field: str) -> Json:
    """Give what may be seen of a release, from the field of its Secret. `problem` says why it cannot be read."""
    try:
        release = unpacked(field)
        return {"problem": "", **_shown(release)}
    except UnreadableReleaseError as error:
        return {"problem": str(error)}


def unpacked(field: str) -> Json:
    """Decode a release. Raises UnreadableReleaseError."""
    try:
        inner = base64.b64decode(base64.b64decode(field, validate=True), validate=True)
    except binascii.Error as error:
        raise UnreadableReleaseError(
            "it is not base64 of base64: not written by Helm 3, or cut off"
        ) from error
    try:
        text = _unzipped(inner) if inner.startswith(b"\x1f\x8b\x08") else inner
        release = json.loads(text)
    except (ValueError, RecursionError, OSError, EOFError, zlib.error) as error:
        raise UnreadableReleaseError("it is cut off, or no JSON") from error
    if not isinstance(release, dict):
        raise UnreadableReleaseError("it is no JSON object")
    return release


def _unzipped(packed: bytes) -> bytes:
    from io import BytesIO

    with gzip.GzipFile(fileobj=BytesIO(packed)) as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise UnreadableReleaseError(f"it comes to more than {MOST_BYTES // 1024 // 1024} MB")
    return text


def packed(release: Json) -> str:
    """Encode a release as helm does; what a Secret's `data` has in its field."""
    text = gzip.compress(json.dumps(release).encode(), mtime=0)
    return base64.b64encode(base64.b64encode(text)).decode()


def _shown(release: Json) -> Json:
    info, chart = _map(release.get("info")), _map(release.get("chart"))
    metadata = _map(chart.get("metadata"))
    said = str(info.get("description") or "")
    return {
        "name": str(release.get("name") or ""),
        "namespace": str(release.get("namespace") or ""),
        "revision": release.get("version") if isinstance(release.get("version"), int) else 0,
        "status": str(info.get("status") or "unknown"),
        "description": said if DESCRIPTION.fullmatch(said) else "",
        "lastDeployed": str(info.get("last_deployed") or "")[:40],
        "chart": {key: str(metadata.get(key) or "")[:80] for key in ("name", "version", "appVersion")},
        "values": _values(_map(release.get("config")), ()),
        "defaults": _values(_map(chart.get("values")), ()),
        "deployments": [_deployment(item) for item in _deployments(str(release.get("manifest") or ""))],
    }


def _map(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _values(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        if path[-2:] == ("extraEnvs", "[]"):
            return _variable(value, path)
        return {str(key): _values(item, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [_values(item, (*path, "[]")) for item in value]
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int | float):
        secret = any(map(_SECRET.search, path)) and not _LABELS & set(path[:-1])
        return HIDDEN if secret else value
    return _text(str(value), path)


def _hidden(value: str, path: tuple[str, ...]) -> str:
    """Say that there is a text, and how many lines it takes in what helm prints of the values."""
    from acrcheck.helm.printed import height

    lines = height(value, path)
    return HIDDEN if lines == 1 else f"(not shown: {lines} lines)"


def as_printed(values: Any) -> str:
    """Give sealed values as `helm get values -o yaml` prints them: each line is that of the same number."""
    from acrcheck.helm.printed import printed

    def lines(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: lines(item) for key, item in value.items()}
        if isinstance(value, list):
            return [lines(item) for item in value]
        found = _HIDDEN_LINES.fullmatch(value) if isinstance(value, str) else None
        return f"{HIDDEN}\n" * (int(found[1]) - 1) if found else value

    return printed(lines(values))


def _text(value: str, path: tuple[str, ...]) -> str:
    """Give a text that is harmless where it stands, else only that there is one."""
    last = path[-1] if path else ""
    if not value or _LABELS & set(path[:-1]) or last.lower().replace("-", "").replace("_", "") == _LABEL:
        return value
    if (last in _IMAGES and _IMAGE.fullmatch(value)) or (
        (last in _NAMES or path[-2:] in _PAIRS) and _NAME.fullmatch(value)
    ):
        return value
    if last in _PROXY and path[-2:-1] == ("proxy",):
        return without_user(value)
    return _hidden(value, path)


def without_user(text: str) -> str:
    """Take user name and password out of the URLs in a text."""
    return _USER.sub("", text)


def _variable(entry: Mapping[str, Any], path: tuple[str, ...] = ()) -> Json:
    """Seal an environment variable: its name, and its value where that is known to be harmless.

    Where it stands is told for one of the values only.
    """
    name = str(entry.get("name") or "")
    return {
        str(key): name
        if key == "name"
        else _variable_value(name, value, path)
        if key == "value"
        else _values(value, (*path, str(key)))
        for key, value in entry.items()
    }


def _variable_value(name: str, value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping | list | bool | None):
        return _values(value, (*path, "value"))
    if isinstance(value, int | float):
        return HIDDEN if _SECRET.search(name) else value
    if name in HARMLESS_VARIABLES:
        return without_user(value)
    return _hidden(value, (*path, "value")) if path else HIDDEN


def _deployments(manifest: str) -> list[Json]:
    """Find the Deployments in a rendered manifest; one that cannot be read is left out."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = []
    for text in re.split(r"^---.*$", manifest, flags=re.MULTILINE):
        if _DEPLOYMENT.search(text):
            try:
                item = yaml.load(text, Loader=loader)  # noqa: S506 - one of the safe loaders
            except (yaml.YAMLError, RecursionError):
                continue
            found.append(_map(item))
    return found


def _deployment(item: Json) -> Json:
    """Seal a Deployment: what decides how its pods pull and authenticate."""
    metadata = _map(item.get("metadata"))
    template = _map(_map(item.get("spec")).get("template"))
    spec = _map(template.get("spec"))
    return {
        "metadata": {"name": str(metadata.get("name") or "")},
        "spec": {
            "template": {
                "metadata": {"labels": _map(_map(template.get("metadata")).get("labels"))},
                "spec": {
                    "serviceAccountName": str(spec.get("serviceAccountName") or ""),
                    "imagePullSecrets": [
                        {"name": str(_map(entry).get("name") or "")}
                        for entry in spec.get("imagePullSecrets") or ()
                    ],
                    "containers": [_container(_map(entry)) for entry in spec.get("containers") or ()],
                },
            }
        },
    }


def _container(item: Json) -> Json:
    return {
        "name": str(item.get("name") or ""),
        "image": str(item.get("image") or ""),
        "env": [_variable(_map(entry)) for entry in item.get("env") or ()],
    }
