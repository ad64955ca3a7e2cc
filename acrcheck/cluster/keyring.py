"""Which stored credential the kubelet takes for an image: its keyring, rule for rule.

Source: github.com/kubernetes/kubernetes pkg/credentialprovider/keyring.go and secrets/secrets.go (1.36). The names
of hosts are compared as they stand, capitals too; a `*` stands within one label; a path is a prefix of characters.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit

from acrcheck.late import dataclass

SCHEMES = ("https://", "http://")
VERSIONS = ("/v1/", "/v2/")
DOCKER_HUB_INDEX = "index.docker.io"
DOCKER_HUB_HOSTS = frozenset({"docker.io", DOCKER_HUB_INDEX})


@dataclass(frozen=True, slots=True)
class Entry:
    """One credential of a pull secret: under which key, whose, and what it holds. `password` is a handle."""

    secret: str
    key: str
    username: str
    password: str


def lookup(entries: Iterable[Entry], name: str) -> tuple[Entry, ...]:
    """Give the entries that match an image's name (`host/repository`), in the order in which they are tried.

    Not the order of the secrets decides but the key: the reverse of the alphabet, which puts the longer first.
    """
    keyed = [(key, entry) for entry in entries if (key := index_key(entry.key)) is not None]
    keys = sorted({key for key, _ in keyed}, reverse=True)
    found = tuple(entry for wanted in keys if matches(wanted, name) for key, entry in keyed if key == wanted)
    if not found and name.partition("/")[0] in DOCKER_HUB_HOSTS:
        return tuple(entry for key, entry in keyed if key == DOCKER_HUB_INDEX)
    return found


def index_key(key: str) -> str | None:
    """Give what a key of `auths` is compared as: without scheme and version. None where it is dropped as no URL."""
    value = key if key.startswith(SCHEMES) else f"https://{key}"
    parsed = _parse(value)
    if parsed is None:
        return None
    path = parsed.path[3:] if parsed.path.startswith(VERSIONS) else parsed.path
    host = parsed.netloc.rpartition("@")[2]
    return host if path in {"", "/"} else f"{host}{path}"


def matches(key: str, name: str) -> bool:
    """Tell whether a key, as `index_key` gives it, matches an image's name."""
    glob, target = _parse(f"https://{key}"), _parse(f"https://{name}")
    if glob is None or target is None or not target.path.startswith(glob.path):
        return False
    globs, glob_port = _labels(glob)
    labels, port = _labels(target)
    return (
        glob_port == port
        and len(globs) == len(labels)
        and all(fnmatchcase(label, part) for part, label in zip(globs, labels, strict=True))
    )


def _parse(url: str) -> SplitResult | None:
    """Split a URL; None where Go's parser refuses it: white space, control characters, a broken port or escape."""
    if any(char.isspace() or not char.isprintable() for char in url):
        return None
    try:
        parsed = urlsplit(url)
        _ = parsed.port
    except ValueError:
        return None
    return parsed


def _labels(parsed: SplitResult) -> tuple[list[str], str]:
    host, _, port = parsed.netloc.rpartition("@")[2].partition(":")
    return host.split("."), port
