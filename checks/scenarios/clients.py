"""docker, az and helm on a workstation: what they print of what only a text shows."""

from collections.abc import Callable
from dataclasses import replace

from acrcheck.cluster.reader import AZURE_IDENTITIES
from acrcheck.lab import faults, objects
from acrcheck.lab.azure import Account, RoleAssignment, Subscription
from acrcheck.lab.kube import CRDS
from acrcheck.lab.machines import Machine
from acrcheck.lab.programs import curl, docker, helm
from acrcheck.lab.programs.az import Az
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import (
    CLIENT_ID,
    GROUP,
    HOST,
    IDENTITY,
    IMAGE,
    NAMESPACE,
    REPOSITORY,
    SUBSCRIPTION,
    TENANT,
    Canned,
    World,
    healthy,
    managed_identity,
)

NAME = HOST.partition(".")[0]
OTHER_SUBSCRIPTION = "a17c2f04-98be-4d35-b2e6-0c4f7d91e853"
OPERATOR = "5b3c7d10-4f62-4ea8-91d7-e86f0a2c9b34"
APPLICATION = "3f8e2a71-0c4d-4b96-8f15-7d2ac0be6e49"
TOKEN, PASSWORD = "puller", "what-the-registry-has-generated"
WRONG = "what-somebody-remembers"
DOCKER_HUB = "registry-1.docker.io"
LIMIT = (
    '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your unauthenticated pull rate limit. '
    'https://www.docker.com/increase-rate-limit"}]}'
)
REFUSED = (
    "registry-credential-not-sent",
    "registry-credential-stale",
    "node-bootstrapped-without-identity",
    "no-acrpull-role",
    "role-on-wrong-principal",
    "role-propagation-delay",
)
"""What the registry's plain 401 does not tell apart."""


def _workstation() -> World:
    """Somebody who owns the registry works on a machine that has docker."""
    world = healthy()
    world.registry.accounts.append(Account(TOKEN, PASSWORD))
    operator = managed_identity(
        "operator",
        "coder",
        "91c5d0ab-7e24-4c3f-8d16-2b5a09f7c48e",
        OPERATOR,
    )
    world.workstation.login = operator
    world.azure.roles.append(RoleAssignment(OPERATOR, "Owner", f"/subscriptions/{SUBSCRIPTION}"))
    return world


def _docker(state: str) -> World:
    world = _workstation()
    world.workstation.docker = state  # type: ignore[assignment]
    return world


def _store(state: str) -> World:
    world = _workstation()
    world.workstation.store = state  # type: ignore[assignment]
    return world


def _without_tasks() -> World:
    world = _workstation()
    world.registry.tasks_permitted = False
    return world


def _many_rules() -> World:
    world = _workstation()
    world.registry.ip_rules = [f"203.0.113.{number}" for number in range(200)]
    world.registry.ip_rules.append(world.network.egress)
    return world


def _suspended() -> World:
    world = _workstation()
    world.azure.subscriptions[0].state = "Disabled"
    return world


def _other_subscription() -> World:
    world = _workstation()
    world.azure.subscriptions.append(Subscription(OTHER_SUBSCRIPTION, "sandbox", TENANT))
    world.workstation.subscription = OTHER_SUBSCRIPTION
    return world


def _pull_only() -> World:
    world = _workstation()
    world.azure.roles = [RoleAssignment(OPERATOR, role, GROUP) for role in ("AcrPull", "Reader")]
    return world


def _azure_linux() -> World:
    world = _workstation()
    world.machines[faults.WORKER_NODE] = Machine(distribution="AzureLinux")
    return world


def _long_term_support() -> World:
    world = _workstation()
    world.server_version = "v1.28.100-akslts"
    return world


def _without_kubectl() -> World:
    world = _workstation()
    world.workstation.kubectl = False
    return world


def _docker_hub() -> World:
    world = _workstation()
    faults.resolves(DOCKER_HUB, "98.85.153.80")(world)
    world.network.certificates.append(replace(world.network.certificates[0], names=(DOCKER_HUB,)))
    world.network.answers[f"{DOCKER_HUB}/v2/"] = Canned(429, (("Content-Type", "application/json"),), LIMIT)
    return world


def _without_subscription() -> World:
    world = _workstation()
    world.azure.subscriptions = []
    return world


def _arm_audience() -> World:
    world = _workstation()
    kubelet = world.azure.identities[1]
    world.azure.roles.append(RoleAssignment(kubelet.object_id, "AcrPull", GROUP))
    world.registry.arm_audience_enabled = False
    return world


def _puller() -> World:
    world = _workstation()
    world.registry.accounts = [Account(TOKEN, PASSWORD, actions=["pull"])]
    return world


def _old_helm() -> World:
    world = _workstation()
    world.workstation.helm = (3, 7)
    return world


def _proxy() -> World:
    world = _workstation()
    world.workstation.proxy = "proxy.contoso.internal:3128"
    faults.resolves("proxy.contoso.internal", "10.225.0.99")(world)
    faults.rule("drop", "proxy.contoso.internal")(world)
    return world


def _printed(call: Callable[[World], str]) -> Callable[[World], str]:
    """What docker prints where it ends well, and where it does not."""

    def prints(world: World) -> str:
        try:
            return call(world)
        except docker.FailedError as error:
            return str(error)

    return prints


def _az(call: Callable[[Az], str]) -> Callable[[World], str]:
    return lambda world: call(Az(world))


def _login(user: str, password: str) -> Callable[[World], str]:
    return _printed(lambda world: docker.login(world, HOST, user, password))


def _pull(image: str) -> Callable[[World], str]:
    return _printed(lambda world: docker.pull(world, image))


def _install(world: World) -> str:
    definitions = [(CRDS, item) for item in world.kubernetes.items(CRDS)]
    return helm.install(world, "aad-pod-identity", "kube-system", definitions)


def _install_identity(world: World) -> str:
    identity = objects.azure_identity(NAMESPACE, world.azure.identities[0], IDENTITY)
    return helm.install(world, "coder-identity", NAMESPACE, [(AZURE_IDENTITIES, identity)])


def _tags(world: World) -> str:
    return curl.tags(world, HOST, REPOSITORY, TOKEN, PASSWORD)


def _layer(world: World) -> str:
    return curl.layer(world, HOST, REPOSITORY, TOKEN, PASSWORD, trusted=True)


ACR_LOGIN = _az(lambda az: az.acr_login(NAME))
CHECK_ACR = _az(lambda az: az.aks_check_acr(HOST, faults.WORKER_NODE))

SCENARIOS = (
    Scenario(
        "login-succeeds",
        "not-a-failure",
        "docker logs in, and warns",
        _workstation,
        prints=_login(TOKEN, PASSWORD),
    ),
    Scenario(
        "docker-stopped",
        "docker-daemon-unavailable",
        "az acr login finds no daemon",
        lambda: _docker("stopped"),
        prints=ACR_LOGIN,
    ),
    Scenario(
        "docker-denied",
        "docker-daemon-unavailable",
        "the daemon's socket is not for this user",
        lambda: _docker("denied"),
        prints=_login(TOKEN, PASSWORD),
    ),
    Scenario(
        "docker-absent",
        "docker-daemon-unavailable",
        "az acr check-health finds no docker",
        lambda: _docker("absent"),
        prints=_az(lambda az: az.acr_check_health(NAME)),
    ),
    Scenario(
        "store-absent",
        "docker-credential-store",
        "the helper program that keeps passwords is not installed",
        lambda: _store("absent"),
        prints=ACR_LOGIN,
    ),
    Scenario(
        "store-refusing",
        "docker-credential-store",
        "the helper program that keeps passwords refuses",
        lambda: _store("refusing"),
        prints=_login(TOKEN, PASSWORD),
    ),
    Scenario(
        "admin-off",
        "admin-disabled",
        "the admin user's password is asked for, and it is off",
        _workstation,
        prints=_az(lambda az: az.acr_credential_show(NAME)),
    ),
    Scenario(
        "user-name-unknown",
        "wrong-username",
        "an application id that the directory does not know",
        _workstation,
        among=("admin-disabled",),
        prints=_login(APPLICATION, WRONG),
    ),
    Scenario(
        "password-wrong",
        "wrong-password",
        "a token's name with another password",
        _workstation,
        among=REFUSED,
        prints=_login(TOKEN, WRONG),
    ),
    Scenario(
        "tasks-closed",
        "acr-tasks-not-permitted",
        "the subscription may not build in its registry",
        _without_tasks,
        prints=_az(lambda az: az.acr_build(NAME)),
    ),
    Scenario(
        "ip-rules-full",
        "ip-rule-quota",
        "one IP rule more than a registry can have",
        _many_rules,
        prints=_az(lambda az: az.acr_network_rule_add(NAME, "198.51.100.9")),
    ),
    Scenario(
        "subscription-disabled",
        "registry-suspended",
        "the registry's subscription is disabled",
        _suspended,
        prints=_az(lambda az: az.acr_build(NAME)),
    ),
    Scenario(
        "other-subscription",
        "registry-in-other-subscription",
        "az looks at another subscription",
        _other_subscription,
        prints=_az(lambda az: az.acr_credential_show(NAME)),
    ),
    Scenario(
        "check-health-pull-only",
        "check-tool-false-alarm",
        "check-health wants more than a pull needs",
        _pull_only,
        prints=_az(lambda az: az.acr_check_health(NAME, REPOSITORY)),
    ),
    Scenario(
        "check-acr-azure-linux",
        "check-tool-false-alarm",
        "canipull does not see the certificates that the node trusts",
        _azure_linux,
        prints=CHECK_ACR,
    ),
    Scenario(
        "check-acr-long-term-support",
        "check-tool-false-alarm",
        "check-acr cannot read the version of the API server",
        _long_term_support,
        prints=CHECK_ACR,
    ),
    Scenario(
        "check-acr-without-kubectl",
        "check-tool-false-alarm",
        "check-acr finds no kubectl",
        _without_kubectl,
        prints=CHECK_ACR,
    ),
    Scenario(
        "docker-hub-limit",
        "dockerhub-rate-limit",
        "Docker Hub limits pulls without a login",
        _docker_hub,
        prints=_pull("nginx"),
    ),
    Scenario(
        "proxy-unreachable",
        "proxy-required",
        "docker's proxy does not answer",
        _proxy,
        prints=_pull(IMAGE),
    ),
    Scenario(
        "helm-repo-add",
        "helm-repo-vs-oci",
        "the registry is added as a chart repository",
        _workstation,
        prints=lambda world: helm.repo_add(world, f"https://{HOST}/helm/v1/repo"),
    ),
    Scenario(
        "helm-repo-add-oci",
        "helm-repo-vs-oci",
        "an oci:// address is added as a chart repository",
        _workstation,
        prints=lambda world: helm.repo_add(world, f"oci://{HOST}/helm"),
    ),
    Scenario(
        "helm-3-7-repo-add-oci",
        "helm-repo-vs-oci",
        "the same with helm 3.7",
        _old_helm,
        prints=lambda world: helm.repo_add(world, f"oci://{HOST}/helm"),
    ),
    Scenario(
        "helm-install-over-definitions",
        "helm-ownership-conflict",
        "a chart has definitions that are there already",
        _workstation,
        prints=_install,
    ),
    Scenario(
        "helm-install-without-definitions",
        "crd-not-installed",
        "a chart has an AzureIdentity, and its definition is not there",
        lambda: faults.broken(_workstation(), faults.no_crds),
        prints=_install_identity,
    ),
    Scenario(
        "login-without-subscription",
        "no-subscription-visible",
        "az logs in as an identity that has no role in any subscription",
        _without_subscription,
        prints=_az(lambda az: az.login_identity(CLIENT_ID)),
    ),
    Scenario(
        "check-acr-arm-audience",
        "arm-audience-disabled",
        "canipull asks with a token for ARM",
        _arm_audience,
        among=REFUSED,
        prints=CHECK_ACR,
    ),
    Scenario(
        "tags-without-metadata",
        "token-scope-insufficient",
        "a token that may pull asks for the list of tags",
        _puller,
        prints=_tags,
    ),
    Scenario(
        "layer-with-token",
        "auth-header-forwarded-to-blob",
        "curl sends its token on to the storage",
        _workstation,
        prints=_layer,
    ),
)
