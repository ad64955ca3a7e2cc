"""The door to the network: four questions, put from a vantage, and their answers.

No type here belongs to an HTTP library. Secrets are opaque: wherever an answer held one, it reads
`<jwt:…>`, `<opaque:…>` or `<query:…>`, and the same text put into a later question is exchanged for the
secret behind the door. What a check sees is therefore exactly what the tape keeps.
"""

import json
from dataclasses import field
from enum import StrEnum
from typing import Any, Protocol

from acrcheck.late import dataclass


@dataclass(frozen=True, slots=True)
class Vantage:
    """The place the network is asked from.

    `kind` is `local`, `exec` (inside the workload's pod), `debug` (an ephemeral container in that pod) or
    `pod` (a short-lived pod like it).
    """

    kind: str
    namespace: str = ""
    pod: str = ""
    container: str = ""
    node: str = ""

    def __str__(self) -> str:
        """Name the place as the report does."""
        return "here" if self.kind == "local" else f"{self.kind} {self.namespace}/{self.pod}"


@dataclass(frozen=True, slots=True)
class Resolve:
    """Which addresses does this name have here?"""

    host: str
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Connect:
    """Does a TCP connection to this port open?"""

    host: str
    port: int
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Handshake:
    """Which certificate is served, and is it trusted here?"""

    host: str
    port: int = 443
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Redirects are never followed; `seconds` bounds it whole, `limit` its body in bytes.

    Handles of secrets may stand in `bearer`, in `basic`'s second place, in form values and in the URL.
    `form` makes it `application/x-www-form-urlencoded`. `digest` asks for the SHA-256 of the bytes received
    instead of their text; of a body that is a JSON object the fields named by `keep` are given beside it. An answer
    that is no success always gives its text.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    bearer: str = ""
    basic: tuple[str, str] | None = None
    form: tuple[tuple[str, str], ...] = ()
    seconds: float = 10.0
    limit: int = 262_144
    digest: bool = False
    keep: tuple[str, ...] = ()


Question = Resolve | Connect | Handshake | Request


@dataclass(frozen=True, slots=True)
class Resolved:
    """The addresses of a name, and the names it was reached through (the CNAME chain, where seen)."""

    addresses: tuple[str, ...]
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection opened, to this address."""

    address: str


@dataclass(frozen=True, slots=True)
class Shaken:
    """The certificate served. `problem` is what the client said against it, empty when it is trusted."""

    subject: str
    issuer: str
    expires: str = ""
    names: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Secret:
    """What may be known of a secret: its handle, its kind and, of a JWT, every claim but never the signature."""

    handle: str
    kind: str
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer. Header names are in lower case. `body` holds handles where secrets were.

    `length` counts the bytes received, `sha256` is theirs when asked for; `cut` says that there was more
    than the limit.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    secrets: tuple[Secret, ...] = ()
    length: int = 0
    sha256: str = ""
    cut: bool = False

    def header(self, name: str) -> str:
        """Give the first header of that name, or an empty text."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    def json(self) -> dict[str, Any] | None:
        """Give the body as a JSON object; None when it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def secret(self, handle: object) -> Secret | None:
        """Give what is known of the secret behind a handle."""
        return next((secret for secret in self.secrets if secret.handle == handle), None)


class Trouble(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    """Connected (or not known whether), and nothing came in time."""
    CONNECT_TIMEOUT = "connect-timeout"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNRESOLVED = "unresolved"
    TLS = "tls"
    BROKEN = "broken"
    """The connection ended early, or what came is no HTTP."""
    NO_TOOL = "no-tool"
    """The vantage has no program that can show this."""
    FORBIDDEN = "forbidden"
    """The API server does not let the operator look from there."""
    GONE = "gone"
    """The pod is no more."""
    NOT_RUNNING = "not-running"
    """The container does not run, so nothing can be asked from inside it."""
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer: of what kind, in the words of the program that tried, and what would help."""

    trouble: Trouble
    detail: str = ""
    tool: str = ""
    permission: tuple[str, str, str] | None = None
    """Verb, resource (with subresource) and namespace that were refused."""
    remedy: str = ""

    @property
    def blind(self) -> bool:
        """True when the network was not asked at all: the failure says nothing about it."""
        return self.trouble in {
            Trouble.NO_TOOL,
            Trouble.FORBIDDEN,
            Trouble.GONE,
            Trouble.NOT_RUNNING,
            Trouble.ERROR,
        }


class Wire(Protocol):
    """What checks may ask of the network. Live, recorded and simulated sides answer alike."""

    def resolve(self, vantage: Vantage, question: Resolve) -> Resolved | Failure:
        """Resolve a name."""

    def connect(self, vantage: Vantage, question: Connect) -> Connected | Failure:
        """Open a TCP connection and close it."""

    def handshake(self, vantage: Vantage, question: Handshake) -> Shaken | Failure:
        """Look at the certificate served."""

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Send one HTTP request."""
