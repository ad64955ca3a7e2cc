"""Pulls by nodes: what kubelet and containerd print of what only a text shows."""

import base64
from datetime import timedelta

from acrcheck.lab import faults
from acrcheck.lab.azure import Account, RoleAssignment
from acrcheck.lab.faults import PULL_SECRET
from acrcheck.lab.machines import Machine, PullSecret
from acrcheck.lab.programs import kubectl, virtual_kubelet
from acrcheck.lab.programs.kubelet import Kubelet
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import HOST, IMAGE, NAMESPACE, REGISTRY_ID, World, healthy

NODE = faults.WORKER_NODE
TOKEN, PASSWORD = "puller", "what-the-registry-has-generated"
APPLICATION = "3f8e2a71-0c4d-4b96-8f15-7d2ac0be6e49"
NO_CREDENTIAL = (
    "registry-credential-not-sent",
    "pull-secret-malformed",
    "pull-secret-missing",
    "pull-secret-wrong-registry",
    "kubelet-credential-cache",
    "kubelet-credential-provider-missing",
    "kubelet-credential-timeout",
    "multiple-identities-no-client-id",
    "role-on-wrong-principal",
    "service-incident",
)
"""What an anonymous 401 does not tell apart."""
REFUSED = (
    "registry-credential-stale",
    "node-bootstrapped-without-identity",
    "no-acrpull-role",
    "role-on-wrong-principal",
)
"""What a 401 for a credential that was sent does not tell apart."""


def _pulling() -> World:
    """The nodes' kubelet identity may pull."""
    world = healthy()
    kubelet = world.azure.identities[1]
    world.azure.roles.append(RoleAssignment(kubelet.object_id, "AcrPull", REGISTRY_ID))
    return world


def _node(**state: object) -> World:
    """One node is not as the others are."""
    world = _pulling()
    world.machines[NODE] = Machine(**state)  # type: ignore[arg-type]
    return world


def _with_secret(host: str, fields: dict[str, str], kubelet: str = "1.31.4") -> World:
    """The nodes have no identity that may pull, and the pod names a secret."""
    world = healthy()
    world.registry.accounts.append(Account(TOKEN, PASSWORD))
    world.machines[NODE] = Machine(kubelet=kubelet)
    world.pull_secrets.append(PullSecret(PULL_SECRET, NAMESPACE, {host: fields}))
    return world


def _auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def _pull(world: World, *secrets: str) -> Kubelet:
    return Kubelet(world, NODE).start(IMAGE, secrets)


def _events(world: World) -> str:
    return _pull(world).describe()


def _events_with_secret(world: World) -> str:
    return _pull(world, PULL_SECRET).describe()


def _journal(world: World) -> str:
    return _pull(world).journal()


def _journal_with_secret(world: World) -> str:
    return _pull(world, PULL_SECRET).journal()


def _misnamed(world: World) -> str:
    return Kubelet(world, NODE).start(f"https://{IMAGE}").describe()


def _uppercase(world: World) -> str:
    return Kubelet(world, NODE).start(f"{HOST}/Coder/Envbox:1.44").describe()


def _never(world: World) -> str:
    return Kubelet(world, NODE).start(IMAGE, policy="Never").describe()


def _registering(world: World) -> str:
    return Kubelet(world, NODE).register()


def _collecting(world: World) -> str:
    return kubectl.events(Kubelet(world, NODE).collect().events)


def _no_role() -> World:
    """The kubelet's identity is on the nodes and has no role."""
    return healthy()


def _provider_timeout() -> World:
    world = _pulling()
    faults.rule("silent", HOST, NODE)(world)
    return world


def _cached() -> World:
    world = _pulling()
    world.machines[NODE] = Machine(empty_until=world.clock.now() + timedelta(minutes=2))
    return world


def _twice(world: World) -> str:
    """The pull fails, and succeeds a few minutes after without any change."""
    kubelet = _pull(world)
    world.clock.sleep(600)
    kubelet.start(IMAGE)
    return kubelet.describe() + kubelet.journal()


def _stale() -> World:
    return _with_secret(HOST, _auth(TOKEN, "the-password-before-it-was-regenerated"))


def _identity_expired() -> World:
    """What `az acr login` leaves in a file: the null GUID without a password."""
    fields = {**_auth("00000000-0000-0000-0000-000000000000", ""), "identitytoken": "eyJhbGciOi"}
    return _with_secret(HOST, fields)


def _other_pool() -> World:
    return _node(service_principal=(APPLICATION, "the-secret-that-the-node-was-made-with"))


def _proxy_down() -> World:
    world = _node(proxy="proxy.contoso.internal:3128")
    faults.resolves("proxy.contoso.internal", "10.225.0.99")(world)
    faults.rule("refuse", "proxy.contoso.internal")(world)
    return world


def _old_containerd() -> World:
    world = _with_secret(HOST, _auth(TOKEN, PASSWORD))
    world.machines[NODE].containerd = "1.5.8"
    world.registry.refuses_password_form = True
    return world


def _virtual(world: World) -> str:
    return virtual_kubelet.create(world, IMAGE)


SCENARIOS = (
    Scenario("pull-succeeds", "not-a-failure", "a pull succeeds", _pulling, prints=_events),
    Scenario(
        "image-name-with-scheme",
        "invalid-image-reference",
        "the image's name begins with https://",
        _pulling,
        prints=_misnamed,
    ),
    Scenario(
        "image-name-in-capitals",
        "invalid-image-reference",
        "the image's name has capital letters",
        _pulling,
        prints=_uppercase,
    ),
    Scenario(
        "policy-never",
        "image-only-on-nodes",
        "the node does not have the image, and imagePullPolicy is Never",
        _pulling,
        prints=_never,
    ),
    Scenario(
        "secret-missing",
        "pull-secret-missing",
        "the pull secret that the pod names does not exist",
        healthy,
        prints=_events_with_secret,
    ),
    Scenario(
        "secret-malformed",
        "pull-secret-malformed",
        "the auth field of the pull secret is no base64",
        lambda: _with_secret(HOST, {"auth": "not-base64"}),
        prints=_events_with_secret,
    ),
    Scenario(
        "secret-malformed-1-36",
        "pull-secret-malformed",
        "the same with a kubelet that looks credentials up before the pull",
        lambda: _with_secret(HOST, {"auth": "not-base64"}, kubelet="1.36.3"),
        prints=_events_with_secret,
    ),
    Scenario(
        "secret-without-colon",
        "pull-secret-malformed",
        "the auth field of the pull secret has no colon",
        lambda: _with_secret(HOST, {"auth": base64.b64encode(b"puller").decode()}),
        prints=_events_with_secret,
    ),
    Scenario(
        "secret-host-with-blank",
        "pull-secret-malformed",
        "the host in the pull secret begins with a blank",
        lambda: _with_secret(f" {HOST}", _auth(TOKEN, PASSWORD)),
        prints=_journal_with_secret,
    ),
    Scenario(
        "secret-for-other-host",
        "pull-secret-wrong-registry",
        "the pull secret is for the host with a port",
        lambda: _with_secret(f"{HOST}:443", _auth(TOKEN, PASSWORD)),
        among=NO_CREDENTIAL,
        prints=_events_with_secret,
    ),
    Scenario(
        "secret-of-az-acr-login",
        "registry-credential-not-sent",
        "the pull secret has an identity token and no password",
        _identity_expired,
        among=NO_CREDENTIAL,
        prints=_events_with_secret,
    ),
    Scenario(
        "node-without-role",
        "registry-credential-not-sent",
        "the credential provider got no credential",
        _no_role,
        among=NO_CREDENTIAL,
        prints=_events,
    ),
    Scenario(
        "secret-regenerated",
        "registry-credential-stale",
        "the pull secret has the password before the last",
        _stale,
        among=REFUSED,
        prints=_events_with_secret,
    ),
    Scenario(
        "node-with-service-principal",
        "node-bootstrapped-without-identity",
        "one node was made with a service principal that the registry refuses",
        _other_pool,
        among=REFUSED,
        prints=_events,
    ),
    Scenario(
        "node-without-client-id",
        "multiple-identities-no-client-id",
        "azure.json names no identity, and the node has several",
        lambda: _node(identity=""),
        prints=_journal,
    ),
    Scenario(
        "provider-missing",
        "kubelet-credential-provider-missing",
        "the credential provider's program is not on the node",
        lambda: _node(provider="missing"),
        prints=_registering,
    ),
    Scenario(
        "provider-foreign",
        "kubelet-credential-provider-missing",
        "the credential provider's program is built for another processor",
        lambda: _node(provider="foreign"),
        prints=_journal,
    ),
    Scenario(
        "provider-timeout",
        "kubelet-credential-timeout",
        "the registry does not answer the credential provider in time",
        _provider_timeout,
        prints=_journal,
    ),
    Scenario(
        "credential-cached",
        "kubelet-credential-cache",
        "the kubelet keeps an empty credential for two minutes",
        _cached,
        among=NO_CREDENTIAL,
        prints=_twice,
    ),
    Scenario(
        "pull-qps",
        "kubelet-pull-qps",
        "more pulls at once than the kubelet makes",
        lambda: _node(pulls_left=0),
        prints=_events,
    ),
    Scenario(
        "pull-stalled",
        "pull-deadline-exceeded",
        "the layers make no progress",
        lambda: _node(stalled=True),
        prints=_events,
    ),
    Scenario(
        "disk-full-pull",
        "node-disk-full",
        "a layer does not fit on the node's disk",
        lambda: _node(disk=1 << 30, used=1 << 30),
        prints=_events,
    ),
    Scenario(
        "disk-full-node",
        "node-disk-full",
        "the kubelet finds no image to delete",
        lambda: _node(disk=128 << 30, used=120 << 30),
        prints=_collecting,
    ),
    Scenario(
        "proxy-down",
        "proxy-required",
        "the nodes' proxy refuses connections",
        _proxy_down,
        prints=_events,
    ),
    Scenario(
        "containerd-1-5",
        "client-regression",
        "containerd 1.5.8 does not understand the registry's answer to its password",
        _old_containerd,
        prints=_events_with_secret,
    ),
    Scenario(
        "virtual-node",
        "virtual-node-unsupported",
        "a pod on a virtual node names no pull secret",
        _pulling,
        prints=_virtual,
    ),
)
