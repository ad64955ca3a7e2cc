"""The Azure side of the lab: tenants, subscriptions, identities, nodes, roles and registries, as plain data.

Everything here can be written to JSON and read back, so that simulators in other processes can be
driven by a state file. The simulators read it anew for every request.
"""

import base64
import json
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from acrcheck.lab.directory import Application, FederatedCredential, User, known

N = TypeVar("N", "Node", "ScaleSet")

ImdsState = Literal["up", "stopped", "silent", "throttled", "updating"]
"""Of a node's metadata service: `stopped` refuses connections, `silent` never answers them,
`throttled` answers 429, `updating` answers 410."""

READERS = {"owner", "contributor", "reader"}
"""The roles that may read any resource in ARM (`*` or `*/read` among their actions)."""

REGISTRY_ROLES: dict[str, frozenset[str]] = {
    "owner": frozenset({"pull", "push", "delete", "metadata_read", "metadata_write", "deleted_read"}),
    "contributor": frozenset({"pull", "push", "delete", "metadata_read", "metadata_write", "deleted_read"}),
    "reader": frozenset({"pull", "metadata_read", "deleted_read"}),
    "acrpull": frozenset({"pull", "metadata_read"}),
    "acrpush": frozenset({"pull", "push", "metadata_read", "metadata_write"}),
    "acrdelete": frozenset({"delete"}),
}
"""What a role allows on a registry that looks at registry-wide permissions."""

REPOSITORY_ROLES: dict[str, frozenset[str]] = {
    "container registry repository reader": frozenset({"pull", "metadata_read"}),
    "container registry repository writer": frozenset({"pull", "push", "metadata_read", "metadata_write"}),
    "container registry repository contributor": frozenset(
        {"pull", "push", "delete", "metadata_read", "metadata_write"}
    ),
}
"""What a role allows on a registry that looks at repository permissions; the others allow nothing there."""

CATALOG_LISTER = "container registry repository catalog lister"


@dataclass
class ManagedIdentity:
    """A user-assigned (or a scale set's system-assigned) managed identity.

    Attributes:
        federated: whose tokens may be exchanged for its own.
        known_from: when all of Entra knows of it; None for always.
    """

    name: str
    resource_id: str
    client_id: str
    object_id: str
    tenant_id: str
    deleted: bool = False
    federated: list[FederatedCredential] = field(default_factory=list)
    known_from: datetime | None = None


@dataclass
class Tenant:
    """An Entra directory.

    Attributes:
        blocked: object ids that its Conditional Access policies give no token.
    """

    id: str
    name: str = "Contoso"
    domain: str = "contoso.onmicrosoft.com"
    blocked: list[str] = field(default_factory=list)


@dataclass
class Subscription:
    """An Azure subscription and the tenant that it trusts."""

    id: str
    name: str
    tenant_id: str
    state: str = "Enabled"


@dataclass
class RoleAssignment:
    """A role given to a principal on a scope.

    Attributes:
        repositories: the repositories that its condition names, `prefix/*` for a whole prefix; empty
            without a condition.
        actions: for a custom role, which of `pull`, `push`, `delete`, `metadata_read`, `metadata_write`
            it allows on a registry; None for the built-in role of that name.
        effective_at: when the registry's token service starts to know of it; None for always.
    """

    principal_id: str
    role: str
    scope: str
    repositories: list[str] = field(default_factory=list)
    actions: list[str] | None = None
    effective_at: datetime | None = None

    def effective(self, now: datetime) -> bool:
        """Whether it has been propagated."""
        return self.effective_at is None or self.effective_at <= now

    def covers(self, resource_id: str) -> bool:
        """Whether the resource lies at or below the scope, whatever the letter case."""
        scope = self.scope.rstrip("/").lower()
        return f"{resource_id.lower()}/".startswith(f"{scope}/")

    def allows_repository(self, name: str) -> bool:
        """Whether the condition, if any, lets this repository through."""
        lowered = name.lower()
        return not self.repositories or any(
            lowered.startswith(entry[:-1].lower()) if entry.endswith("*") else lowered == entry.lower()
            for entry in self.repositories
        )


@dataclass
class ScaleSet:
    """The machines of one node pool and the identities assigned to them.

    Attributes:
        identities: resource ids of user-assigned identities.
        kubelet_identity: resource id of the one that AKS puts on every pool for the kubelet.
        system_assigned: the scale set's own identity, where it has one.
        image_subscription: of the gallery that its image is in, which is AKS's own.
        seconds: that ARM takes for what is asked of it.
        throttled: whether too much was asked of it.
    """

    name: str
    subscription_id: str
    resource_group: str
    identities: list[str] = field(default_factory=list)
    kubelet_identity: str | None = None
    system_assigned: ManagedIdentity | None = None
    location: str = "eastus"
    image_subscription: str = "109a5e88-712a-48ae-9078-9ca8b3c81345"
    seconds: float = 0.0
    throttled: bool = False

    @property
    def resource_id(self) -> str:
        """Its ARM id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Compute/virtualMachineScaleSets/{self.name}"
        )

    def user_assigned(self) -> list[str]:
        """Resource ids of all user-assigned identities, the kubelet's among them."""
        kubelet = [self.kubelet_identity] if self.kubelet_identity else []
        return list(dict.fromkeys([*kubelet, *self.identities]))


@dataclass
class Node:
    """A machine of a scale set and the state of its metadata service.

    Attributes:
        stale_identities: what its metadata service believes to be assigned when that differs from its
            scale set; None when it is up to date.
    """

    name: str
    scale_set: str
    imds: ImdsState = "up"
    stale_identities: list[str] | None = None


@dataclass
class ManagedCluster:
    """A cluster as AKS keeps it.

    Attributes:
        kubelet_identity: resource id of the identity that its nodes pull with.
        control_plane: of which kind its own identity is.
        client_id: of its service principal; empty where it has managed identities.
        issuer: of the tokens of its service accounts, slash and all.
        imds_restricted: whether its nodes drop what pods send to the metadata service.
    """

    name: str
    resource_id: str
    kubelet_identity: str
    control_plane: Literal["SystemAssigned", "UserAssigned"] = "SystemAssigned"
    client_id: str = ""
    client_secret: str = ""
    issuer: str = ""
    imds_restricted: bool = False


@dataclass
class Manifest:
    """A manifest as it is stored: its text is what its digest is computed from."""

    media_type: str
    text: str


@dataclass
class Repository:
    """Tags, each with its digest, and the manifests by digest.

    Attributes:
        quarantined: digests that no scanner has let pass.
        locked: digests that may not be read.
        behind: digests that have not come to the replica that answers.
        deleted: tags that were deleted and can be restored, each with its digest.
    """

    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    quarantined: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    deleted: dict[str, str] = field(default_factory=dict)


@dataclass
class Account:
    """A name and a password that a registry lets in: its admin user, a token, or a service principal.

    Attributes:
        name: the registry's own for the admin user, an application's id for a service principal.
        actions: what it may do with its repositories.
        repositories: those of its scope map, `prefix/*` for a whole prefix; empty for all.
        enabled: whether a token's status is that.
        expires: when its password does; None for never.
    """

    name: str
    password: str
    actions: list[str] = field(default_factory=lambda: ["pull", "metadata_read"])
    repositories: list[str] = field(default_factory=list)
    enabled: bool = True
    expires: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it may log in at all."""
        return self.enabled and (self.expires is None or now < self.expires)

    def covers(self, repository: str) -> bool:
        """Whether its scope map names a repository."""
        return not self.repositories or any(
            repository.startswith(entry[:-1]) if entry.endswith("*") else repository == entry
            for entry in self.repositories
        )


@dataclass
class Registry:
    """A container registry.

    Attributes:
        role_mode: `rbac` looks at registry-wide roles only, `abac` at repository roles only.
        ip_rules: addresses or networks let in; when there are any, everything else is refused.
        private_endpoints: addresses of its private endpoints, through which everybody is let in.
        anonymous_pull: whether its token endpoint gives a token to pull with to who shows no credential.
        refuses_ungranted_scope: answer 401 for a scope of which nothing is granted, where False gives a
            token without it.
        data_endpoint: layers come from the registry's own data host and not from blob storage.
        refuses_password_form: answer 400 to a name and a password by POST, where False looks at them: in
            January 2022 it did, by a comment in containerd's authorizer.go.
        tasks_permitted: whether its subscription may build in it.
        quarantine: whether an image is given out only when a scanner has let it pass.
        soft_delete_days: for how long what is deleted can be restored; 0 where it is gone at once.
        replicas: the other regions that it is in.
        blobs: content by digest.
    """

    name: str
    login_server: str
    resource_id: str
    tenant_id: str
    role_mode: Literal["rbac", "abac"] = "rbac"
    arm_audience_enabled: bool = True
    public_network_access: bool = True
    ip_rules: list[str] = field(default_factory=list)
    private_endpoints: list[str] = field(default_factory=list)
    anonymous_pull: bool = False
    admin_user_enabled: bool = False
    refuses_ungranted_scope: bool = False
    data_endpoint: bool = False
    refuses_password_form: bool = False
    tasks_permitted: bool = True
    quarantine: bool = False
    soft_delete_days: int = 0
    replicas: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    location: str = "eastus"
    sku: str = "Premium"
    repositories: dict[str, Repository] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def data_host(self) -> str:
        """The host that layers are downloaded from."""
        stem, _, suffix = self.login_server.partition(".")
        if self.data_endpoint:
            return f"{stem}.{self.location}.data.{suffix}"
        return f"{self.location}managed1.blob.core.windows.net"

    def lets_in(self, address: str, at: str = "") -> bool:
        """Whether its firewall accepts a client's address, who connected to that address of the registry's."""
        if at in self.private_endpoints:
            return True
        if not self.public_network_access:
            return False
        rules = [ip_network(rule, strict=False) for rule in self.ip_rules]
        return not rules or any(ip_address(address) in rule for rule in rules)


@dataclass
class Azure:
    """All that the simulated Azure knows.

    Attributes:
        token_key: what the simulated Entra signs tokens with; every simulator that must trust them
            needs the same state.
        unreachable_issuers: issuers whose keys Entra cannot fetch.
    """

    tenants: list[Tenant] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    identities: list[ManagedIdentity] = field(default_factory=list)
    scale_sets: list[ScaleSet] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    roles: list[RoleAssignment] = field(default_factory=list)
    registries: list[Registry] = field(default_factory=list)
    applications: list[Application] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    clusters: list[ManagedCluster] = field(default_factory=list)
    unreachable_issuers: list[str] = field(default_factory=list)
    token_key: str = "the simulated directory's key"  # noqa: S105 - it protects nothing outside the lab

    def identity(self, resource_id: str) -> ManagedIdentity | None:
        """The identity with this resource id, unless it has been deleted."""
        wanted = resource_id.lower()
        found = (i for i in self.identities if i.resource_id.lower() == wanted and not i.deleted)
        return next(found, None)

    def client(self, client_id: str, tenant: str, now: datetime) -> ManagedIdentity | Application | None:
        """Whoever has this client id in that directory, once all of Entra knows of it."""
        for item in self._programs():
            if item.client_id.lower() == client_id.lower() and item.tenant_id == tenant:
                return item if known(item.known_from, now) else None
        return None

    def principal(self, object_id: str, now: datetime) -> ManagedIdentity | Application | User | None:
        """Whoever has this object id, once all of Entra knows of it."""
        for user in self.users:
            if user.object_id == object_id:
                return user
        for item in self._programs():
            if item.object_id == object_id and known(item.known_from, now):
                return item
        return None

    def _programs(self) -> list[ManagedIdentity | Application]:
        return [*(item for item in self.identities if not item.deleted), *self.applications]

    def node(self, name: str) -> Node:
        """The node of that name; KeyError when there is none."""
        return _named(self.nodes, name)

    def scale_set(self, name: str) -> ScaleSet:
        """The scale set of that name; KeyError when there is none."""
        return _named(self.scale_sets, name)

    def registry(self, login_server: str) -> Registry | None:
        """The registry that is reached by this host name."""
        wanted = login_server.lower()
        return next((r for r in self.registries if r.login_server.lower() == wanted), None)

    def assigned(self, node: str) -> list[ManagedIdentity]:
        """The user-assigned identities that a node's metadata service knows and that still exist."""
        machine = self.node(node)
        ids = machine.stale_identities
        if ids is None:
            ids = self.scale_set(machine.scale_set).user_assigned()
        return [identity for i in ids if (identity := self.identity(i)) is not None]

    def system_assigned(self, node: str) -> ManagedIdentity | None:
        """The identity of the node's scale set itself."""
        return self.scale_set(self.node(node).scale_set).system_assigned

    def assignments(self, principal_id: str, now: datetime) -> list[RoleAssignment]:
        """The roles of a principal that are in effect."""
        return [r for r in self.roles if r.principal_id == principal_id and r.effective(now)]

    def repository_actions(
        self, registry: Registry, principal_id: str, repository: str, now: datetime
    ) -> frozenset[str]:
        """What a principal may do with a repository: `pull`, `push`, `metadata_read`, ..."""
        granted: set[str] = set()
        for role in self.assignments(principal_id, now):
            if role.covers(registry.resource_id) and role.allows_repository(repository):
                granted |= _actions(role, registry)
        return frozenset(granted)

    def may_list_catalog(self, registry: Registry, principal_id: str, now: datetime) -> bool:
        """Whether a principal may list the repositories of a registry."""
        roles = [r for r in self.assignments(principal_id, now) if r.covers(registry.resource_id)]
        if registry.role_mode == "abac":
            return any(r.role.lower() == CATALOG_LISTER for r in roles)
        return any("metadata_read" in _actions(r, registry) for r in roles)

    def has_registry_role(self, registry: Registry, principal_id: str, now: datetime) -> bool:
        """Whether a principal has any role that counts on the registry's data."""
        roles = [r for r in self.assignments(principal_id, now) if r.covers(registry.resource_id)]
        return any(_actions(r, registry) for r in roles) or self.may_list_catalog(registry, principal_id, now)

    def may_read(self, resource_id: str, principal_id: str, now: datetime) -> bool:
        """Whether a principal may read a resource in ARM."""
        roles = self.assignments(principal_id, now)
        return any(r.role.lower() in READERS and r.covers(resource_id) for r in roles)


Source = Callable[[], Azure]
"""Where a simulator gets the present state from."""


def _actions(role: RoleAssignment, registry: Registry) -> frozenset[str]:
    if role.actions is not None:
        return frozenset(role.actions)
    table = REPOSITORY_ROLES if registry.role_mode == "abac" else REGISTRY_ROLES
    return table.get(role.role.lower(), frozenset())


def _named(items: list[N], name: str) -> N:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)


class StateFile:
    """The state in a JSON file, read again whenever the file was replaced.

    Replace the file by renaming a complete one over it, never by writing into it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._azure = Azure()

    def __call__(self) -> Azure:
        """The state as it is now."""
        with self._lock:
            stat = self._path.stat()
            if (stat.st_mtime_ns, stat.st_ino) != self._seen:
                self._azure = load(self._path.read_text(encoding="utf-8"))
                self._seen = (stat.st_mtime_ns, stat.st_ino)
            return self._azure


def dump(azure: Azure) -> str:
    """The state as JSON text."""
    return json.dumps(to_json(azure), indent=1)


def load(text: str) -> Azure:
    """The state from JSON text; fields that are left out have their defaults.

    Raises:
        TypeError: a field is unknown or a required one is missing.
        ValueError: it is no JSON, or a date or base64 text in it is malformed.
    """
    return cast("Azure", from_json(Azure, json.loads(text)))


def to_json(value: Any) -> Any:
    """Dataclasses become objects, bytes base64 text, moments ISO 8601 text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def from_json(kind: Any, value: Any) -> Any:
    """The opposite of `to_json`, for a value of that type."""
    if get_origin(kind) in {Union, types.UnionType}:
        if value is None:
            return None
        kind = next(part for part in get_args(kind) if part is not types.NoneType)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{key: from_json(hints.get(key, Any), item) for key, item in value.items()})
    if isinstance(value, list):
        return [from_json(get_args(kind)[0], item) for item in value]
    if isinstance(value, dict):
        return {key: from_json(get_args(kind)[1], item) for key, item in value.items()}
    if isinstance(value, str):
        return _TEXT.get(kind, str)(value)
    return value


_TEXT: dict[Any, Callable[[str], Any]] = {
    bytes: lambda text: base64.b64decode(text, validate=True),
    datetime: datetime.fromisoformat,
}
