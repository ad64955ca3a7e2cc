"""Login: what `az login --identity` would come to."""

from collections.abc import Iterator
from typing import Any

from acrcheck.api import (
    CannotLookError,
    Check,
    Each,
    Failure,
    Looking,
    Maybe,
    NotApplicableError,
    Observation,
    Response,
    Target,
    Trouble,
    Vantage,
    Wire,
    fail,
    note,
    warn,
)
from acrcheck.azure.arm import (
    PAGES,
    leads_away,
    subscriptions_request,
)
from acrcheck.azure.clouds import Cloud, cloud_of
from acrcheck.azure.imds import listen, token_request
from acrcheck.azure.sdk import managed_identity_token
from acrcheck.facts import (
    Identity,
    Login,
    Nmis,
    OwnToken,
    Path,
    Pod,
    PodIdentity,
    Tokens,
)

from . import asking, settings
from .objects import mapping, mappings, text

OK, TOO_MANY, SERVER = 200, 429, 500

NO_SUBSCRIPTIONS = warn(
    "no-subscriptions",
    "the identity sees no subscription: `az login --identity` would end with `No access was configured for the "
    "managed identity, hence no subscriptions were found`; a role on the registry alone may show none, and the "
    "registry checks say whether it suffices",
)
ARM_REFUSED = fail("arm-refused", "ARM refused the identity's token: {status} {said}")
ARM_ODD = fail("arm-answer-not-json", "{host} answered {status}, and not as ARM does: {said}")
ARM_UNREACHABLE = fail("arm-unreachable", "pod {pod} does not reach {host}: {said}")
ARM_UNTRUSTED = fail("arm-untrusted", "pod {pod} does not trust the certificate served as {host}: {said}")
LOGGED_IN = note("logged-in", "az login would succeed: {count} subscription(s), first {first}")
PROBE_FAILED = fail(
    "probe-pod-login-failed", "in a throw-away pod with the label the token endpoint said: {said}"
)
OWN_POD_FAILED = warn(
    "own-pod-login-failed", "in acrcheck's own pod azure-identity got no token (has it the label?): {said}"
)
PROBE_WRITES = note(
    "probe-pod-makes-mic-write",
    "standard mode: MIC assigns the identity for the throw-away pod too (scale set write)",
)


def login(pod: Pod, own: OwnToken, identity: Maybe[Identity], wire: Wire, target: Target) -> Looking[Login]:
    """ARM accepts the identity's token and shows its subscriptions."""
    if not own.arm or not own.arm.token:
        raise NotApplicableError("no token for ARM", blocked_by="token")
    cloud = cloud_of(target.cloud, target.registry)
    subscriptions = yield from _subscriptions(wire, own.vantage, cloud, own.arm.token, pod.name)
    if subscriptions is None:
        return Login(())
    account = _account(subscriptions, own.claims, identity.value, cloud)
    if not subscriptions:
        yield NO_SUBSCRIPTIONS()
    else:
        yield LOGGED_IN(
            count=len(subscriptions), first=subscriptions[0].get("displayName", ""), evidence=account
        )
    return Login(tuple(subscriptions))


def _subscriptions(wire: Wire, vantage: Vantage, cloud: Cloud, token: str, pod: str) -> Any:
    """Read every page of subscriptions; None when ARM did not give them."""
    found: list[dict[str, Any]] = []
    link, seen = "", {""}
    for _ in range(PAGES):
        answer = wire.request(vantage, subscriptions_request(cloud, token, link))
        problem = list(_refusals(answer, cloud, pod))
        if problem or isinstance(answer, Failure):
            yield from problem
            return None
        found += mappings(answer.json(), "value")
        link = text(answer.json(), "nextLink")
        if link in seen:
            break
        seen.add(link)
        if leads_away(cloud, link):
            yield ARM_ODD(host=_host(cloud), status=answer.status, said=f"its nextLink is {link[:120]}")
            return None
    return found


def _refusals(answer: Response | Failure, cloud: Cloud, pod: str) -> Iterator[Observation]:
    host = _host(cloud)
    if isinstance(answer, Failure):
        asking.refuse_blind(answer, pod)
        kind = ARM_UNTRUSTED if answer.trouble is Trouble.TLS else ARM_UNREACHABLE
        yield kind(pod=pod, host=host, said=f"{answer.trouble}: {answer.detail}")
        return
    body = answer.json()
    error = mapping(body, "error")
    said = f"{text(error, 'code')}: {text(error, 'message')}" if error else text(body, "error")
    if body is None or (answer.status == OK and not isinstance(body.get("value"), list)):
        yield ARM_ODD(host=host, status=answer.status, said=answer.body.strip()[:160])
    elif answer.status == TOO_MANY or answer.status >= SERVER:
        raise CannotLookError(
            f"{host} answered {answer.status}, which says nothing of the token: {said[:160]}"
        )
    elif answer.status != OK:
        yield ARM_REFUSED(status=answer.status, said=said[:200])


def _host(cloud: Cloud) -> str:
    return cloud.arm.removeprefix("https://")


def _account(
    subscriptions: list[dict[str, Any]], claims: dict[str, Any], identity: Identity | None, cloud: Cloud
) -> dict[str, Any]:
    """Give the block that az prints after `az login --identity`, as the documentation shows it."""
    info = f"MSIResource-{identity.resource_id}" if identity else f"MSIClient-{claims.get('appid', '')}"
    return {
        "account": [
            {
                "environmentName": cloud.environment,
                "homeTenantId": claims.get("tid"),
                "id": item.get("subscriptionId"),
                "isDefault": number == 0,
                "managedByTenants": [],
                "name": item.get("displayName"),
                "state": item.get("state"),
                "tenantId": claims.get("tid"),
                "user": {
                    "assignedIdentityInfo": info,
                    "name": "userAssignedIdentity",
                    "type": "servicePrincipal",
                },
            }
            for number, item in enumerate(subscriptions)
        ]
    }


def probe_pod(
    pods: Each[Pod],
    wanted: PodIdentity,  # noqa: ARG001 - else there is nobody to log in as
    identities: Each[Identity],
    nmis: Maybe[Nmis],
    asked: Each[Tokens],
    wire: Wire,
    target: Target,
) -> Looking[None]:
    """The same login from a throw-away pod with the label, as the documentation does it by hand."""
    del (
        asked
    )  # comes after: where a pod has nothing to ask with, its token was asked for from this very place
    if "probe-pod" not in target.allow:
        raise NotApplicableError("needs leave: --allow probe-pod")
    pod = next(iter(pods), None)
    if pod is None:
        raise NotApplicableError("no pod to make a throw-away pod like", blocked_by="pods")
    node = nmis.value.by_node.get(pod.node) if nmis.value else None
    if node and node.mode == "standard":
        yield PROBE_WRITES()
    cloud = cloud_of(target.cloud, target.registry)
    identity = next(iter(identities), None)
    vantage = Vantage("pod", pod.namespace, pod.name, pod.container, pod.node)
    client_id = identity.client_id if identity else target.identity_client_id
    answer = wire.request(vantage, token_request(cloud.arm_audience, client_id))
    if isinstance(answer, Failure):
        asking.refuse_blind(answer, pod.name)
    spoken = listen(answer)
    if not spoken.token:
        yield PROBE_FAILED(said=spoken.text or str(spoken.trouble))
        return
    subscriptions = yield from _subscriptions(wire, vantage, cloud, spoken.token, "the throw-away pod")
    if subscriptions:
        account = _account(subscriptions, spoken.claims or {}, identity, cloud)
        yield LOGGED_IN(
            count=len(subscriptions), first=subscriptions[0].get("displayName", ""), evidence=account
        )


def own_pod(identities: Each[Identity], wire: Wire, target: Target) -> Looking[None]:
    """The same login where acrcheck itself runs in a pod of the cluster, through azure-identity."""
    if not target.own_pod:
        raise NotApplicableError("acrcheck does not run in a pod of the cluster")
    cloud = cloud_of(target.cloud, target.registry)
    identity = next(iter(identities), None)
    client_id = identity.client_id if identity else target.identity_client_id
    here = Vantage("local")
    attempt = managed_identity_token(wire, here, cloud.arm_audience, client_id)
    if not attempt.token:
        said = listen(attempt.answers[-1]).text if attempt.answers else attempt.message
        yield OWN_POD_FAILED(said=said or attempt.message)
        return
    subscriptions = yield from _subscriptions(
        wire, here, cloud, attempt.token, f"acrcheck's own ({target.own_pod})"
    )
    if subscriptions:
        yield LOGGED_IN(count=len(subscriptions), first=subscriptions[0].get("displayName", ""))


CHECKS = (
    Check(
        "login",
        "az login --identity would succeed",
        login,
        sees=(NO_SUBSCRIPTIONS, ARM_REFUSED, ARM_ODD, ARM_UNREACHABLE, ARM_UNTRUSTED, LOGGED_IN),
        each=Pod,
        asks=asking.EXEC,
    ),
    Check(
        "login-probe-pod",
        "it would in a throw-away pod too",
        probe_pod,
        sees=(PROBE_FAILED, PROBE_WRITES, ARM_REFUSED, ARM_ODD, ARM_UNREACHABLE, ARM_UNTRUSTED, LOGGED_IN),
        optional=True,
    ),
    Check(
        "login-own-pod",
        "it would in acrcheck's own pod too",
        own_pod,
        sees=(OWN_POD_FAILED, ARM_REFUSED, ARM_ODD, ARM_UNREACHABLE, ARM_UNTRUSTED, LOGGED_IN),
        optional=True,
    ),
    Check(
        "registry-settings",
        "how the registry is set up is known, where it gives no image",
        settings.settings,
        sees=settings.SEES,
        each=Path,
        asks=asking.EXEC,
        optional=True,
    ),
)
