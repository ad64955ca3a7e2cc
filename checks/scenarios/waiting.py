"""Pods that wait for their image: what the kubelet said in events and statuses names the cause."""

from acrcheck.lab import faults, images
from acrcheck.lab.azure import Account
from acrcheck.lab.faults import PULL_SECRET, SYSTEM_NODE, WORKER_NODE, Fault
from acrcheck.lab.machines import Machine, PullSecret
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.waiting import forgets_events, kubelet_may_pull, of_image, pull_policy, pulls
from acrcheck.lab.world import HOST, NAMESPACE, REPOSITORY, TAG, World, healthy

from .pulls import APPLICATION, NO_CREDENTIAL, REFUSED

UNKNOWN_TAG = f"{HOST}/{REPOSITORY}:1.45"
TOKEN, PASSWORD = "puller", "what-the-registry-has-generated"
ROLLOUT = ("rollout-incomplete",)
OWNERS = "the image is the registry owner's"
NETWORK = "the network is not the cluster's to change"
NODES_OWN = "the nodes' identity and its roles are not the cluster's to change"
NOBODY = (*NO_CREDENTIAL, "no-acrpull-role", "node-bootstrapped-without-identity")
"""What an anonymous 401 does not tell apart."""
KEPT = ("image-only-on-nodes",)
"""What a pull that fails is for pods that have their image already."""
RESET = ("egress-blocked", "registry-name-wrong")
"""What a connection that was reset does not tell apart, to somebody who may not read the pull secret."""
FORBIDDEN = ("firewall-ip-denied", "private-endpoint-dns", "public-access-disabled")
"""What a 403 does not tell apart."""


class Waiting:
    """How to make a world in which a pod waits: anew at each call. No controller may work on it afterwards."""

    def __init__(self, *broken: Fault) -> None:
        self.broken = broken

    def __call__(self) -> World:
        """Make the world."""
        return faults.broken(healthy(), *self.broken)


def _arm_only(world: World) -> None:
    images.push(world.registry, REPOSITORY, TAG, platforms=("linux/arm64", "windows/amd64"))


def _machine(**state: object) -> Fault:
    """The worker pool's node is not as the others are."""

    def fault(world: World) -> None:
        world.machines[WORKER_NODE] = Machine(**state)  # type: ignore[arg-type]

    return fault


_newer_kubelet = _machine(kubelet="1.34.1", containerd="2.1.4")
disk_full = _machine(disk=1 << 30, used=1 << 30)


def _secret(password: str = PASSWORD) -> Fault:
    fields = {"username": TOKEN, "password": password}
    return faults.pull_secret(PullSecret(PULL_SECRET, NAMESPACE, {HOST: fields}))


def _account(world: World) -> None:
    world.registry.accounts.append(Account(TOKEN, PASSWORD))


_no_name = faults.rule("unresolved", HOST, WORKER_NODE)


def _later(minutes: int) -> Fault:
    def fault(world: World) -> None:
        world.clock.sleep(minutes * 60.0)

    return fault


def works_again(world: World) -> None:
    """Nothing is in the way of the network any more."""
    world.network.rules.clear()


SCENARIOS = (
    Scenario(
        "waits-for-missing-tag",
        "tag-not-found",
        "a pod waits for a tag that is not there",
        Waiting(kubelet_may_pull, faults.target(image=""), of_image(UNKNOWN_TAG), pulls()),
        beside=ROLLOUT,
        unmended=OWNERS,
    ),
    Scenario(
        "waits-for-platform",
        "platform-mismatch",
        "a pod waits for an image that is not made for its node",
        Waiting(kubelet_may_pull, _arm_only, _newer_kubelet, of_image(), pulls()),
        beside=ROLLOUT,
        unmended=OWNERS,
    ),
    Scenario(
        "waits-without-credential",
        "registry-credential-not-sent",
        "a pod waits, no pull secret and no role of the node gives the kubelet a credential",
        Waiting(of_image(), pulls()),
        among=NOBODY,
        beside=ROLLOUT,
        unmended=NODES_OWN,
    ),
    Scenario(
        "waits-without-provider",
        "registry-credential-not-sent",
        "a pod waits, the credential provider's program is not on its node",
        Waiting(kubelet_may_pull, _machine(provider="missing"), of_image(), pulls()),
        among=NOBODY,
        beside=ROLLOUT,
        unmended=NODES_OWN,
    ),
    Scenario(
        "waits-with-refused-principal",
        "no-acrpull-role",
        "a pod waits, the service principal of its node has no role on the registry",
        Waiting(_machine(service_principal=(APPLICATION, "of last year")), of_image(), pulls()),
        among=REFUSED,
        beside=ROLLOUT,
        unmended=NODES_OWN,
    ),
    Scenario(
        "waits-with-wrong-password",
        "wrong-password",
        "a pod waits, the password in its pull secret is not the registry's",
        Waiting(_account, _secret("another password"), of_image(), pulls()),
        among=("wrong-username", *REFUSED),
        beside=ROLLOUT,
        unmended="what a password is, only its owner knows",
    ),
    Scenario(
        "waits-behind-firewall",
        "firewall-ip-denied",
        "a pod waits, the registry's firewall does not know its node",
        Waiting(kubelet_may_pull, of_image(), faults.registry(ip_rules=["198.51.100.0/24"]), pulls()),
        among=FORBIDDEN,
        beside=ROLLOUT,
        unmended=NETWORK,
    ),
    Scenario(
        "waits-without-dns",
        "node-dns-broken",
        "a pod waits, its node does not resolve the registry's name",
        Waiting(kubelet_may_pull, of_image(), _no_name, pulls()),
        among=("registry-name-wrong",),
        beside=ROLLOUT,
        unmended=NETWORK,
    ),
    Scenario(
        "waits-for-missing-secret",
        "pull-secret-missing",
        "a pod waits, the pull secret that it names is not there",
        Waiting(faults.pull_secret(), of_image(), pulls()),
        among=("registry-credential-not-sent",),
        beside=(*ROLLOUT, "pull-secret-malformed"),
        unmended="what a password is, only its owner knows",
    ),
    Scenario(
        "waits-for-invalid-name",
        "invalid-image-reference",
        "a pod waits, its image's name has capitals",
        Waiting(kubelet_may_pull, of_image(f"{HOST}/Coder/Envbox:{TAG}"), pulls()),
        beside=ROLLOUT,
        unmended="what the image is called, only its owner knows",
    ),
    Scenario(
        "waits-with-full-disk",
        "node-disk-full",
        "a pod waits, the image does not fit on its node's disk",
        Waiting(kubelet_may_pull, disk_full, of_image(), pulls()),
        beside=ROLLOUT,
        unmended="the node's disk is not the cluster's to change",
    ),
    Scenario(
        "waits-and-nobody-says-why",
        "image-pull-failed",
        "a pod waits, its events are gone, and the status of an old kubelet has no error",
        Waiting(disk_full, of_image(), pulls(), forgets_events),
        beside=ROLLOUT,
        unmended="what is wrong, only the node's log says",
    ),
    Scenario(
        "waits-for-next-attempt",
        "pull-retry-pending",
        "a pod waits, and what its pull failed for has been mended",
        Waiting(
            _account,
            _secret(),
            faults.scale(3),
            of_image(),
            faults.rule("reset", HOST, SYSTEM_NODE),
            pulls(SYSTEM_NODE, times=5),
            works_again,
        ),
        beside=(*ROLLOUT, *RESET),
        mended_by=("delete-pod",),
    ),
    Scenario(
        "password-changed-image-kept",
        "wrong-password",
        "the pull secret's password is the registry's no more, and coderd runs from an image that its nodes have",
        Waiting(_account, _secret("another password"), of_image(), pull_policy("IfNotPresent")),
        among=("wrong-username", *REFUSED),
        beside=KEPT,
        unmended="what a password is, only its owner knows",
    ),
    Scenario(
        "image-never-pulled",
        "image-only-on-nodes",
        "nodes may not fetch coderd's image: imagePullPolicy is Never",
        Waiting(pull_policy("Never")),
        unmended="where the image is chosen, only its owner knows",
        exit_code=0,
    ),
    Scenario(
        "waits-where-it-is-never-pulled",
        "image-only-on-nodes",
        "a pod waits on a node that has no image and may not fetch it",
        Waiting(pull_policy("Never"), pulls()),
        beside=ROLLOUT,
        unmended="where the image is chosen, only its owner knows",
    ),
    Scenario(
        "healthy-waited-before",
        "",
        "a pod waited for its image, and has got it since",
        Waiting(
            kubelet_may_pull,
            of_image(),
            _no_name,
            pulls(),
            works_again,
            pulls(),
            _later(40),
        ),
        exit_code=0,
    ),
)
