"""Image references, as the container runtime reads them.

Source: the grammar of github.com/distribution/reference.
"""

import re

from acrcheck.late import dataclass

DOCKER_HUB = "docker.io"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
HTTPS = 443
HIGHEST_PORT = 65_535
MAX_NAME = 255


class ImageReferenceError(ValueError):
    """The text is no image reference; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where an image is: registry host, repository, and tag or digest (the digest wins where both are given)."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def reference(self) -> str:
        """What the registry is asked for: the digest, else the tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.host}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def place_of(host: str) -> tuple[str, int]:
    """Split a registry's host into name and port; the name of an IPv6 address has no brackets."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, ""
    return name.removeprefix("[").removesuffix("]"), int(port or HTTPS)


def parse_image(text: str) -> ImageReference:
    """Read an image reference, its host in lower case. Raises ImageReferenceError saying what is wrong."""
    _refuse_text(text)
    rest, _, digest = text.partition("@")
    if "@" in text:
        _refuse_digest(digest)
    name, tag = rest, ""
    if ":" in rest.rsplit("/", 1)[-1]:
        name, _, tag = rest.rpartition(":")
        if not _TAG.fullmatch(tag):
            raise ImageReferenceError(f"{tag!r} is no tag: letters, digits, `_`, `.`, `-`, at most 128")
    host, repository = _split(name)
    if not _names_host(host):
        raise ImageReferenceError(f"{host!r} is no registry host")
    if not _PATH.fullmatch(repository):
        lower = " (a repository is lower case)" if repository != repository.lower() else ""
        raise ImageReferenceError(f"{repository!r} is no repository name{lower}")
    if len(repository) > MAX_NAME:
        raise ImageReferenceError(
            f"the repository has {len(repository)} characters, at most {MAX_NAME} are allowed"
        )
    return ImageReference(host.lower(), repository, tag or ("" if digest else "latest"), digest)


def is_host(text: str) -> bool:
    """Tell whether a text is a registry's host: a name with a dot or a port, or localhost; nothing more."""
    return _names_host(text) and ("." in text or ":" in text or text == "localhost")


def _names_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None and place_of(text)[1] <= HIGHEST_PORT


def _refuse_text(text: str) -> None:
    if not text:
        raise ImageReferenceError("the image reference is empty")
    if "://" in text:
        raise ImageReferenceError(
            f"{text!r} begins with a scheme: leave out {text.split('://', maxsplit=1)[0]}://"
        )
    if text != text.strip() or any(char.isspace() for char in text):
        raise ImageReferenceError(f"{text!r} contains white space")
    if "$" in text or "{" in text:
        raise ImageReferenceError(f"{text!r} contains a variable that nobody filled in")


def _refuse_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise ImageReferenceError(f"{digest!r} is no digest: expected algorithm:hex, as in sha256:…")
    if digest.startswith("sha256:") and not _SHA256.fullmatch(digest):
        raise ImageReferenceError(f"{digest!r} is no digest: sha256 has 64 hexadecimal digits in lower case")


def _split(name: str) -> tuple[str, str]:
    """Tell the host from the repository: a first part with a dot or a port, or localhost, is a host."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first.lower(), rest
    return DOCKER_HUB, name if slash else f"library/{name}"
