"""Pull secrets: not there, not usable, for another host, or refused by the registry."""

import base64
from datetime import timedelta

from acrcheck.lab import faults, tokens
from acrcheck.lab.azure import Account
from acrcheck.lab.faults import PULL_SECRET, Fault, Faulty
from acrcheck.lab.machines import PullSecret
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import HOST, NAMESPACE, World

NULL_GUID = "00000000-0000-0000-0000-000000000000"
APPLICATION = "3f8e2a71-0c4d-4b96-8f15-7d2ac0be6e49"
TOKEN, PASSWORD = "puller", "what-the-registry-has-generated"
UNKNOWN_PASSWORD = "what a password is, only its owner knows"  # noqa: S105 - a reason
STALE = ("registry-credential-stale", "wrong-password", "admin-disabled", "wrong-username")
"""What a 401 for a name and its password does not tell apart."""


def _secret(host: str = HOST, kind: str = "kubernetes.io/dockerconfigjson", **fields: str) -> Fault:
    return faults.pull_secret(PullSecret(PULL_SECRET, NAMESPACE, {host: fields}, kind))


def _auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _account(name: str, *actions: str) -> Fault:
    def fault(world: World) -> None:
        world.registry.accounts.append(Account(name, PASSWORD, list(actions or ("pull", "metadata_read"))))

    return fault


def _expired(world: World) -> None:
    """What `az acr login --expose-token` gave a day ago was stored."""
    then = world.clock.now() - timedelta(days=1)
    claims = {
        "iss": "Azure Container Registry",
        "aud": HOST,
        "grant_type": "refresh_token",
        "iat": int(then.timestamp()),
        "exp": int((then + timedelta(hours=3)).timestamp()),
    }
    token = tokens.encode(tokens.entra_signer(world.azure), claims)
    _secret(username=NULL_GUID, password=token)(world)


def _misnamed(world: World) -> None:
    """A container's image has capitals, which no repository has."""
    spec = world.deployment["spec"]["template"]["spec"]
    spec["initContainers"] = [{"name": "migrate", "image": f"{HOST}/Coder/Migrate:1"}]
    faults.settle(world)


def _others(cause: str) -> tuple[str, ...]:
    return tuple(name for name in STALE if name != cause)


def _scenario(
    name: str, cause: str, title: str, *broken: Fault, among: tuple[str, ...] = (), exit_code: int = 1
) -> Scenario:
    return Scenario(
        name, cause, title, Faulty(*broken), among=among, unmended=UNKNOWN_PASSWORD, exit_code=exit_code
    )


SCENARIOS = (
    Scenario(
        "healthy-pull-secret",
        "",
        "a pull secret with a repository-scoped token",
        Faulty(_account(TOKEN), _secret(username=TOKEN, password=PASSWORD)),
        exit_code=0,
    ),
    _scenario(
        "pull-secret-absent",
        "pull-secret-missing",
        "the pull secret that the pods name is not in their namespace",
        faults.pull_secret(),
    ),
    _scenario(
        "pull-secret-opaque",
        "pull-secret-malformed",
        "the pull secret is of a type that the kubelet passes over",
        _account(TOKEN),
        _secret(kind="Opaque", username=TOKEN, password=PASSWORD),
    ),
    _scenario(
        "pull-secret-broken-auth",
        "pull-secret-malformed",
        "one field of the pull secret cannot be decoded",
        _account(TOKEN),
        _secret(auth="not base64 at all"),
    ),
    _scenario(
        "pull-secret-capitals",
        "pull-secret-wrong-registry",
        "the pull secret has the registry's host in capitals",
        _account(TOKEN),
        _secret(HOST.capitalize(), username=TOKEN, password=PASSWORD),
        exit_code=0,
    ),
    _scenario(
        "pull-secret-identity-token",
        "registry-credential-not-sent",
        "the pull secret was made from what az acr login stored",
        _secret(auth=_auth(NULL_GUID, ""), identitytoken="eyJhbGciOiJSUzI1NiJ9"),
    ),
    _scenario(
        "pull-secret-of-yesterday",
        "registry-credential-stale",
        "the pull secret holds a token of three hours, a day old",
        _expired,
    ),
    _scenario(
        "pull-secret-admin-off",
        "admin-disabled",
        "the pull secret is of the admin user, which is off",
        _account("labreg"),
        _secret(username="labreg", password=PASSWORD),
        among=_others("admin-disabled"),
    ),
    _scenario(
        "pull-secret-line-break",
        "wrong-password",
        "the password in the pull secret ends with a line break",
        _account(TOKEN),
        _secret(username=TOKEN, password=f"{PASSWORD}\n"),
    ),
    _scenario(
        "pull-secret-mail",
        "wrong-username",
        "the pull secret has a person's name",
        _secret(username="somebody@contoso.example", password=PASSWORD),
        among=_others("wrong-username"),
    ),
    _scenario(
        "pull-secret-principal-secret-wrong",
        "sp-secret-invalid",
        "the pull secret has another secret than the service principal's",
        _account(APPLICATION),
        _secret(username=APPLICATION, password=f"{PASSWORD}?"),
        among=("sp-secret-expired",),
    ),
    _scenario(
        "pull-secret-principal-secret-old",
        "sp-secret-expired",
        "the service principal's secret in the pull secret has expired",
        _account(APPLICATION),
        _secret(username=APPLICATION, password=PASSWORD[::-1]),
        among=("sp-secret-invalid",),
    ),
    _scenario(
        "pull-secret-without-pull",
        "token-scope-insufficient",
        "the token's scope map lets it read metadata and not pull",
        _account(TOKEN, "metadata_read"),
        _secret(username=TOKEN, password=PASSWORD),
    ),
    Scenario(
        "init-image-in-capitals",
        "invalid-image-reference",
        "an init container's image has capitals",
        Faulty(_misnamed),
        unmended="what the image is called, only its owner knows",
    ),
)
