"""A Secret as it may be seen: whose credentials a pull secret has for which hosts, never a password.

What the kubelet makes of each field is in github.com/kubernetes/kubernetes pkg/credentialprovider/config.go (1.36).
"""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

from acrcheck.helm import release
from acrcheck.wire.door import Secret

FIELDS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
"""The types of Secret that the kubelet takes credentials from, and the field that holds them."""
IGNORED = ("identitytoken", "registrytoken")
"""Fields that docker writes and the kubelet does not read."""
KEPT = ("name", "namespace", "creationTimestamp")
MOST_BYTES = 1_048_576
"""What etcd holds at most of one Secret."""

Hold = Callable[[str], Secret]
Json = dict[str, Any]


class _UnreadableError(Exception):
    """What the field holds is not what the kubelet reads; the message says what it is."""


def sealed(secret: Json, hold: Hold) -> Json:
    """Give a Secret without what it holds: its type, the length of each field, and its credentials as handles.

    `problem` is what makes the kubelet drop the whole keyring of a pod, in its words where it has any.
    """
    data = secret.get("data")
    fields = data if isinstance(data, dict) else {}
    metadata = secret.get("metadata") or {}
    kind = str(secret.get("type") or "Opaque")
    seen: Json = {
        "metadata": {key: metadata[key] for key in KEPT if key in metadata},
        "type": kind,
        "fields": {str(name): len(str(value)) for name, value in sorted(fields.items())},
        "problem": "",
        "entries": [],
    }
    if kind == release.TYPE:
        seen["release"] = release.sealed(str(fields.get(release.FIELD) or ""))
    field = FIELDS.get(kind)
    if field and fields.get(field):
        try:
            hosts = _hosts(_text(fields[field]), nested=field == ".dockerconfigjson")
        except _UnreadableError as error:
            return {**seen, "problem": str(error)}
        seen["entries"] = [_entry(str(key), value, hold) for key, value in hosts.items()]
        seen["problem"] = next((item["problem"] for item in seen["entries"] if item["problem"]), "")
    return seen


def read_config(text: str, hold: Hold) -> list[Json]:
    """Read the credentials of a docker configuration file. Raises ValueError saying what is wrong with it."""
    try:
        return [_entry(str(key), value, hold) for key, value in _hosts(text, nested=True).items()]
    except _UnreadableError as error:
        raise ValueError(str(error)) from error


def _text(value: object) -> str:
    try:
        raw = base64.b64decode(str(value), validate=True)
    except ValueError as error:  # also for letters that are not ASCII
        raise _UnreadableError("the field is not base64") from error
    try:
        return raw[:MOST_BYTES].decode()
    except UnicodeDecodeError as error:
        raise _UnreadableError("the field is not UTF-8 text") from error


def _hosts(text: str, *, nested: bool) -> Json:
    """Give the entries by host: those of `auths`, or of the whole for the older form."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _UnreadableError(_not_json(text)) from error
    if not isinstance(config, dict):
        raise _UnreadableError("the JSON is no object")
    hosts = _field(config, "auths") if nested else config
    if hosts is None:
        return {}
    if not isinstance(hosts, dict):
        raise _UnreadableError("`auths` is no object")
    return hosts


def _not_json(text: str) -> str:
    """Say what stands there in place of JSON, without showing it."""
    try:
        json.loads(base64.b64decode(text.strip(), validate=True))
    except (ValueError, RecursionError):
        return "the field holds no JSON"
    return "the field holds base64 of JSON: it was encoded twice"


def _field(config: Json, name: str) -> Any:
    """Read a field as Go does: by its name in any letter case, the last one of several."""
    found = [value for key, value in config.items() if str(key).lower() == name]
    return found[-1] if found else None


def _entry(key: str, value: object, hold: Hold) -> Json:
    host = key.rpartition("@")[2] if "@" in key else key
    entry: Json = {"key": host, "username": "", "password": "", "claims": {}, "remarks": [], "problem": ""}
    if not isinstance(value, dict):
        return entry | ({} if value is None else {"problem": "an entry of `auths` is no object"})
    texts = {name: _field(value, name) for name in ("username", "password", "auth", *IGNORED)}
    wrong = [name for name, item in texts.items() if not isinstance(item, str | None)]
    if wrong:
        return entry | {"problem": f"`{wrong[0]}` of an entry is no text"}
    username, password = texts["username"] or "", texts["password"] or ""
    remarks = [f"{name}-ignored" for name in IGNORED if texts[name]]
    if texts["auth"]:
        try:
            pair = _decoded(texts["auth"])
        except _UnreadableError as error:
            return entry | {"problem": str(error), "remarks": remarks}
        if any(given and given != taken for given, taken in zip((username, password), pair, strict=True)):
            remarks.append("auth-disagrees")
        username, password = pair
    return entry | credential(username, password, hold, remarks)


def credential(username: str, password: str, hold: Hold, remarks: Iterable[str] = ()) -> Json:
    """Give a user name and password as they may be seen: the password by its handle, with what is odd about both."""
    found = [
        ("username-missing", not username),
        ("password-missing", not password),
        ("username-white-space", username != username.strip()),
        ("password-white-space", password != password.strip()),
    ]
    secret = hold(password) if password else None
    return {
        "username": username,
        "password": secret.handle if secret else "",
        "claims": secret.claims if secret else {},
        "remarks": [*remarks, *(name for name, true in found if true)],
    }


def _decoded(auth: str) -> tuple[str, str]:
    """Decode `auth` as the kubelet does: standard base64, padded or not, line breaks left out."""
    text = auth.replace("\r", "").replace("\n", "")
    padded = text if text.strip().endswith("=") else text + "=" * (-len(text) % 4)
    try:
        pair = base64.b64decode(padded, validate=True)
    except ValueError as error:
        raise _UnreadableError("`auth` of an entry: illegal base64 data") from error
    username, colon, password = pair.decode(errors="replace").partition(":")
    if not colon:
        raise _UnreadableError("unable to parse auth field, must be formatted as base64(username:password)")
    return username, password
