"""Who is known to a directory besides managed identities, and by what Entra lets them in."""

from dataclasses import dataclass, field
from datetime import datetime

EXCHANGE = "api://AzureADTokenExchange"
"""The audience of a token that is offered in place of a secret, in the public cloud."""


@dataclass
class Secret:
    """A client secret.

    Attributes:
        id: what the portal shows beside the value, and what people send by mistake.
    """

    id: str
    value: str
    ends: datetime


@dataclass
class FederatedCredential:
    """Whose tokens Entra takes in place of a secret.

    Attributes:
        effective_at: when all of Entra knows of it; None for always.
    """

    issuer: str
    subject: str
    audience: str = EXCHANGE
    effective_at: datetime | None = None


@dataclass
class Application:
    """An application with its service principal in its own directory.

    Attributes:
        known_from: when all of Entra knows of it; None for always.
    """

    name: str
    client_id: str
    object_id: str
    tenant_id: str
    secrets: list[Secret] = field(default_factory=list)
    federated: list[FederatedCredential] = field(default_factory=list)
    known_from: datetime | None = None


@dataclass
class User:
    """A person of a directory."""

    name: str
    object_id: str
    tenant_id: str


def known(since: datetime | None, now: datetime) -> bool:
    """Whether something has reached all of Entra."""
    return since is None or since <= now
