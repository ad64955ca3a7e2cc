"""How docker, containerd and the kubelet read the name of an image.

Source: distribution/reference normalize.go, reference.go and regexp.go.
"""

import re
from typing import NamedTuple

DOMAIN = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::\d+)?"
PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
WHOLE = re.compile(
    rf"(?P<host>{DOMAIN})/(?P<repository>{PART}(?:/{PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
HEXADECIMAL = re.compile("[a-f0-9]{64}")
DOCKER_HUB = "docker.io"


class MalformedError(ValueError):
    """A string is no name of an image."""


class Reference(NamedTuple):
    """The name of an image, in full."""

    host: str
    repository: str
    tag: str

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.host}/{self.repository}"

    @property
    def api(self) -> str:
        """The host that is asked: Docker Hub's API is not on the host of its names."""
        return "registry-1.docker.io" if self.host == DOCKER_HUB else self.host

    def __str__(self) -> str:
        """The full name."""
        return f"{self.name}:{self.tag}"


def parse(text: str) -> Reference:
    """Read a name, with Docker Hub and `latest` where it has no host or tag. Raises MalformedError."""
    if HEXADECIMAL.fullmatch(text):
        raise MalformedError(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    first, slash, rest = text.partition("/")
    named = slash and (bool({".", ":"} & set(first)) or first == "localhost" or first.lower() != first)
    host, remainder = (first, rest) if named else (DOCKER_HUB, text)
    if host == DOCKER_HUB and "/" not in remainder:
        remainder = f"library/{remainder}"
    remote = remainder.partition(":")[0]
    if remote.lower() != remote:
        raise MalformedError(f"invalid reference format: repository name ({remote}) must be lowercase")
    match = WHOLE.fullmatch(f"{host}/{remainder}")
    if match is None:
        raise MalformedError("invalid reference format")
    return Reference(match["host"], match["repository"], match["tag"] or "latest")
