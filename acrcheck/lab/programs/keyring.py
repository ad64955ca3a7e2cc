"""The kubelet's keyring: which entries of pull secrets fit an image, and what it says of those that it cannot read.

Sources: kubernetes/kubernetes pkg/credentialprovider/{config,keyring}.go and secrets/secrets.go; golang/go
src/encoding/base64/base64.go, src/net/url/url.go.
"""

import base64
import string
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from acrcheck.lab.machines import PullSecret
from acrcheck.lab.programs.containerd import Credential
from acrcheck.lab.programs.klog import quoted

ALPHABET = frozenset(string.ascii_letters + string.digits + "+/")
PATHS = ("/v1/", "/v2/")


class KeyringError(Exception):
    """One entry could not be decoded, and the whole keyring is lost."""


def credentials(secrets: Iterable[PullSecret], image: str) -> tuple[list[Credential], list[str]]:
    """The credentials that fit an image's name, the nearest first, and what is logged. Raises KeyringError."""
    decoded = [(host, _credential(entry)) for secret in secrets for host, entry in secret.auths.items()]
    log = [
        f"Entry {quoted(host)} in dockercfg invalid ({problem}), ignoring"
        for host, _ in decoded
        if (problem := _problem(host))
    ]
    usable = {_key(host): credential for host, credential in decoded if not _problem(host)}
    return matching(usable, image), log


def matching(usable: Mapping[str, Credential], image: str) -> list[Credential]:
    """The credentials whose pattern fits an image's name, in the order in which they are tried."""
    return [usable[key] for key in sorted(usable, reverse=True) if _fits(key, image)]


def _credential(entry: Mapping[str, str]) -> Credential:
    if not entry.get("auth"):
        return Credential(entry.get("username", ""), entry.get("password", ""))
    user, colon, password = _decoded(entry["auth"]).partition(":")
    if not colon:
        raise KeyringError("unable to parse auth field, must be formatted as base64(username:password)")
    return Credential(user, password)


def _decoded(field: str) -> str:
    """Base64 as Go reads it: line ends count for nothing, and an error names the place of the wrong byte."""
    body = field.rstrip("\r\n").rstrip("=")
    for place, letter in enumerate(body):
        if letter not in ALPHABET and letter not in "\r\n":
            raise KeyringError(f"illegal base64 data at input byte {place}")
    text = "".join(letter for letter in body if letter in ALPHABET)
    if len(text) % 4 == 1:
        raise KeyringError(f"illegal base64 data at input byte {len(field)}")
    return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "replace")


def _with_scheme(host: str) -> str:
    return host if host.startswith(("https://", "http://")) else f"https://{host}"


def _problem(host: str) -> str:
    """What Go's `url.Parse` has against an entry's name; empty when it is well."""
    whole = _with_scheme(host)
    if any(letter < " " for letter in whole):
        return f"parse {quoted(whole)}: net/url: invalid control character in URL"
    if " " in whole.partition("://")[2].partition("/")[0]:
        return f'parse {quoted(whole)}: invalid character " " in host name'
    return ""


def _key(host: str) -> str:
    name, slash, path = _with_scheme(host).partition("://")[2].partition("/")
    path = slash + path
    if path.startswith(PATHS):
        path = path[3:]
    return name if path in {"", "/"} else name + path


def _fits(key: str, image: str) -> bool:
    host, slash, path = key.partition("/")
    wanted, _, repository = image.partition("/")
    if host.count(".") != wanted.count(".") or host.partition(":")[2] != wanted.partition(":")[2]:
        return False
    labels = zip(wanted.split("."), host.split("."), strict=True)
    return all(fnmatchcase(*pair) for pair in labels) and f"/{repository}".startswith(slash + path)
