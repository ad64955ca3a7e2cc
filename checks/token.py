"""The token: what the identity endpoint says to each pod."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from acrcheck.api import (
    CannotLookError,
    Check,
    Clock,
    Cluster,
    Each,
    Failure,
    Looking,
    Maybe,
    NotApplicableError,
    Observation,
    Outcome,
    Response,
    Status,
    Target,
    Trouble,
    Vantage,
    Wire,
    fail,
    note,
    warn,
)
from acrcheck.azure.clouds import cloud_of
from acrcheck.azure.imds import HELD_AFTER, Spoken, listen, token_request
from acrcheck.facts import (
    ApplicationLog,
    Bound,
    Identity,
    IdentityObjects,
    Nmis,
    Nodes,
    OwnToken,
    Pod,
    PodIdentity,
    Tokens,
)

from .asking import EXEC, refuse_blind, vantages
from .binding import node_subject
from .objects import text

HELD = fail(
    "token-request-held",
    "the token endpoint took pod {pod}'s request and gave no answer within {seconds} s (NMI on node {node} is "
    "holding the request, or IMDS behind it is silent)",
)
NO_WAY = fail("imds-connect-timeout", "pod {pod} cannot connect to 169.254.169.254:80: timeout")
REFUSED = fail(
    "imds-refused", "connection from pod {pod} to 169.254.169.254:80 refused on node {node}: {said}"
)
BROKEN = fail("imds-broken", "the token endpoint ended pod {pod}'s request early: {said}", "node")
NMI_NO_IDENTITY = fail("nmi-no-identity", "NMI answered pod {pod} with {status}: {said}")
NMI_NOT_CREATED = fail("nmi-not-created", "NMI answered pod {pod} with {status}: {said}")
NMI_NOT_ASSIGNED = fail("nmi-not-assigned", "NMI answered pod {pod} with {status}: {said}")
BEHIND_NOT_FOUND = fail(
    "imds-identity-not-found-behind-nmi",
    "IMDS told NMI `Identity not found` for client id {client_id} (pod {pod}, node {node})",
    "said",
)
BEHIND_MULTIPLE = fail("imds-multiple-behind-nmi", "IMDS told NMI for pod {pod}: {said}")
BEHIND_UNREACHABLE = fail(
    "imds-unreachable-behind-nmi", "NMI on node {node} cannot reach IMDS: {said}", "pod"
)
NMI_POD_UNKNOWN = fail("nmi-pod-unknown", "NMI on node {node} does not know pod {pod}: {said}")
NMI_EXCEPTED = fail("nmi-excepted-and-failed", "NMI treated pod {pod} as excepted, and IMDS refused: {said}")
NMI_OTHER = fail("nmi-error", "NMI answered pod {pod} with {status}: {said}")
IMDS_NOT_FOUND = fail(
    "imds-identity-not-found",
    "IMDS itself, not NMI, told pod {pod} on node {node}: Identity not found",
    "said",
)
IMDS_MULTIPLE = fail("imds-multiple-identities", "IMDS itself, not NMI, told pod {pod}: {said}")
IMDS_THROTTLED = fail("imds-throttled", "IMDS limits node {node}: {status} {said}")
IMDS_OTHER = fail("imds-error", "IMDS answered pod {pod} with {status}: {said}")
STRANGER = fail(
    "token-from-stranger", "neither IMDS nor NMI answered pod {pod} but something else ({status}): {said}"
)
GIVEN = note("token-given", "pod {pod} was given a token for {audience}")
PAST_NMI = warn(
    "imds-answers-past-nmi",
    "IMDS itself, not NMI, gave pod {pod} its token on node {node}: NMI does not intercept there",
)
NEEDS_ID = note("token-needs-client-id", "without a client id pod {pod} is told: {said}")
POD_HAS_NETWORK = note("pod-has-own-network", "pod {pod} is not hostNetwork")
EPHEMERAL = note(
    "asked-from-ephemeral-container",
    "asked from an ephemeral container in pod {pod}: it ends by itself and stays in the pod's spec until that is "
    "replaced (acrcheck cleanup lists it)",
)

OTHER_IDENTITY = fail(
    "token-of-another-identity",
    "pod {pod} was given a token of client id {got}; AzureIdentity {identity} has {wanted}",
    "node",
)
OTHER_RESOURCE = fail(
    "token-of-another-resource-id",
    "pod {pod}'s token is of {got}; AzureIdentity {identity} has {wanted}",
    "node",
)
EXPIRED = fail("token-expired", "pod {pod} was given a token that expired at {expired} (it is {now})")
NOT_YET = fail("token-not-yet-valid", "pod {pod} was given a token valid from {begins} (it is {now})")
OWN = note("token-is-its-own", "the token is of client id {client_id} (object id {object_id})")
UNCOMPARED = note("token-not-compared", "no AzureIdentity is known to compare the token with")

POOL = fail(
    "not-found-in-one-pool-only", "only scale set {pool} lacks the identity; {others} have it", "client_id"
)
ONE_NODE = fail(
    "not-found-on-one-node-only",
    "node {node} lacks the identity; {others} of the same scale set {pool} have it",
)
ONE_NODE_SEEN = note("one-node-of-pool-seen", "only one node of scale set {pool} was asked")
EVERYWHERE = note("not-found-everywhere", "no node that was asked has the identity")

STILL_FAILS = fail("application-still-fails", "the log of pod {pod} (last {minutes} min): {line}")
OLDER = note(
    "pod-older-than-nmi", "pod {pod} started {started}, before NMI was ready on node {node} ({ready})"
)
MAY_BYPASS = warn(
    "pod-older-than-nmi-unseen",
    "pod {pod} started {started}, before NMI was ready on node {node} ({ready}): a connection it keeps since then "
    "goes past NMI; its log could not be read",
)

MINUTES = 5
LOG_LINES = 2000
APPLICATION_SAYS = re.compile(
    r"Identity not found|Multiple user assigned identities exist|no azure identity found for request"
    r"|ManagedIdentityCredential authentication unavailable",
)
"""Token failures as SDKs log them (azure-identity, azidentity, adal quote the endpoint's words)."""
TIMESTAMP = re.compile(r"^\s*\S*\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*\s+")
CLIENT_ID = re.compile(r"client_id=([0-9a-fA-F-]{36})")
NMI_SAYS = (
    ("no azure identity found for request clientID", NMI_NO_IDENTITY),
    ("in CREATED state failed", NMI_NOT_CREATED),
    ("no AzureAssignedIdentity found for pod", NMI_NOT_CREATED),
    ("in ASSIGNED state failed", NMI_NOT_ASSIGNED),
    ("runtime error: index out of range", NMI_NO_IDENTITY),
    ("failed to get service principal token", NMI_EXCEPTED),
    ("Identity not found", BEHIND_NOT_FOUND),
    ("Multiple user assigned identities exist", BEHIND_MULTIPLE),
    ("Failed to execute the refresh request", BEHIND_UNREACHABLE),
    ("pod list is empty", NMI_POD_UNKNOWN),
    ("failed to match pod IP", NMI_POD_UNKNOWN),
)
"""What NMI says, the first match decides (aad-pod-identity pkg/nmi)."""


def tokens(
    pod: Pod,
    wanted: PodIdentity,  # noqa: ARG001 - else it asks for none
    identity: Maybe[Identity],
    wire: Wire,
    target: Target,
) -> Looking[Tokens]:
    """The token endpoint answers from inside the pod, for ARM and for the registry, with and without the client id."""
    cloud = cloud_of(target.cloud, target.registry)
    client_id = identity.value.client_id if identity.value else target.identity_client_id
    vantage, first = _first(pod, target, wire, token_request(cloud.arm_audience, client_id))
    arm = listen(first)
    yield from _seen(arm, pod, cloud.arm_audience)
    if not pod.host_network:
        yield POD_HAS_NETWORK(pod=pod.name)
    if vantage.kind == "debug":
        yield EPHEMERAL(pod=pod.name)
    if arm.trouble is not None:
        return Tokens(vantage, arm, None, None)
    registry = _ask(wire, vantage, cloud.registry_audience, client_id, pod)
    if not (arm.text and arm.text == registry.text):
        yield from _seen(registry, pod, cloud.registry_audience)
    bare = _ask(wire, vantage, cloud.arm_audience, "", pod) if client_id else None
    if bare and bare.text and arm.token:
        yield NEEDS_ID(pod=pod.name, said=_short(bare.text))
    return Tokens(vantage, arm, registry, bare)


def _first(pod: Pod, target: Target, wire: Wire, request: Any) -> tuple[Vantage, Response | Failure]:
    """Ask from the first place that has a program to ask with. Raises CannotLookError when there is none."""
    if pod.exec_problem:
        raise CannotLookError(
            f"the container does not run ({pod.exec_problem.partition(':')[0]}): nothing can be asked from inside it"
        )
    answer: Response | Failure = Failure(Trouble.NO_TOOL)
    vantage = Vantage("exec")
    for vantage in vantages(pod, target):
        answer = wire.request(vantage, request)
        if not (isinstance(answer, Failure) and answer.trouble is Trouble.NO_TOOL):
            break
    if isinstance(answer, Failure):
        refuse_blind(answer, pod.name)
    return vantage, answer


def _ask(wire: Wire, vantage: Vantage, audience: str, client_id: str, pod: Pod) -> Spoken:
    answer = wire.request(vantage, token_request(audience, client_id))
    if isinstance(answer, Failure):
        refuse_blind(answer, pod.name)
    return listen(answer)


def _seen(spoken: Spoken, pod: Pod, audience: str) -> Iterator[Observation]:
    """Turn an answer into what was seen, by who gave it and what it says."""
    values = {"pod": pod.name, "node": pod.node, "said": _short(spoken.text), "status": spoken.status}
    if spoken.token:
        yield GIVEN(pod=pod.name, audience=audience)
        if spoken.who == "imds" and not pod.host_network:
            yield PAST_NMI(pod=pod.name, node=pod.node)
    elif spoken.trouble is not None:
        yield _pick(_KINDS_OF_TROUBLE.get(spoken.trouble, BROKEN), values | {"seconds": f"{HELD_AFTER:g}"})
    elif spoken.who == "nmi":
        client_id = CLIENT_ID.search(spoken.text)
        yield _pick(_nmi_kind(spoken), values | {"client_id": client_id[1] if client_id else "(none)"})
    elif spoken.who == "imds":
        yield _pick(_imds_kind(spoken), values)
    else:
        yield _pick(STRANGER, values)


def _nmi_kind(spoken: Spoken) -> Any:
    return next((kind for words, kind in NMI_SAYS if words in spoken.text), NMI_OTHER)


def _imds_kind(spoken: Spoken) -> Any:
    if "Identity not found" in spoken.text:
        return IMDS_NOT_FOUND
    if "Multiple user assigned identities exist" in spoken.text:
        return IMDS_MULTIPLE
    return IMDS_THROTTLED if spoken.status == 429 else IMDS_OTHER  # noqa: PLR2004 - HTTP's own number


_KINDS_OF_TROUBLE = {
    Trouble.TIMEOUT: HELD,
    Trouble.CONNECT_TIMEOUT: NO_WAY,
    Trouble.UNREACHABLE: NO_WAY,
    Trouble.REFUSED: REFUSED,
}


def _pick(kind: Any, values: dict[str, Any]) -> Observation:
    """Make an observation from those values that its kind declares."""
    observation: Observation = kind(**{key: values[key] for key in kind.keys})
    return observation


def _short(text: str, most: int = 220) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"


def own_token(
    pod: Pod,
    given: Tokens,
    objects: Maybe[IdentityObjects],
    identity: Maybe[Identity],
    bound: Maybe[Bound],
    clock: Clock,
) -> Looking[OwnToken | None]:
    """The token is of the identity that the AzureIdentity names, and valid now."""
    spoken = next((item for item in (given.arm, given.registry, given.bare) if item and item.token), None)
    if spoken is None:
        raise NotApplicableError("no token was given", blocked_by="token")
    claims = spoken.claims or {}
    yield from _times(pod, claims, clock)
    wanted = identity.value
    got, resource_id = _application(spoken), text(claims, "xms_mirid")
    if not got:
        raise CannotLookError(
            f"malformed: the token given to pod {pod.name} does not say whose it is (no appid)"
        )
    if wanted is None:
        yield UNCOMPARED()
        if spoken.who == "imds" and Status.UNKNOWN in {objects.status, bound.status}:
            raise CannotLookError(
                f"IMDS itself gave pod {pod.name} a token of client id {got}, and the AzureIdentity that says whose it "
                "should be could not be read"
            )
    elif got.lower() != wanted.client_id.lower():
        seen = OTHER_IDENTITY(
            pod=pod.name, node=pod.node, got=got, identity=wanted.name, wanted=wanted.client_id
        )
        yield seen.on(node_subject(pod.node))  # whoever asks on this node is served so
        return None
    elif resource_id and resource_id.lower() != wanted.resource_id.lower():
        seen = OTHER_RESOURCE(
            pod=pod.name, node=pod.node, got=resource_id, identity=wanted.name, wanted=wanted.resource_id
        )
        yield seen.on(node_subject(pod.node))
        return None
    elif stranger := _stranger(pod, given, bound.value):
        seen = OTHER_IDENTITY(
            pod=pod.name, node=pod.node, got=stranger, identity=wanted.name, wanted=wanted.client_id
        )
        yield seen.on(node_subject(pod.node))
        return None
    else:
        evidence = {key: claims.get(key) for key in ("aud", "tid", "oid", "appid", "exp")}
        yield OWN(client_id=got, object_id=claims.get("oid", ""), evidence=evidence)
    return OwnToken(given.vantage, given.arm, given.registry, claims)


def _application(spoken: Spoken) -> str:
    """Give the client id a token is of: `appid` in version 1.0 of Entra's access tokens, `azp` in 2.0."""
    return text(spoken.claims, "appid") or text(spoken.claims, "azp")


def _stranger(pod: Pod, given: Tokens, bound: Bound | None) -> str:
    """Give the client id that a request naming none was answered for, where no binding gives it to the pod."""
    if pod.host_network or not (given.bare and given.bare.token and bound):
        return ""
    got = _application(given.bare)
    known = {text(item, "spec", "clientID").lower() for item in bound.identities}
    return "" if got.lower() in known else got


def _times(pod: Pod, claims: dict[str, Any], clock: Clock) -> Iterator[Observation]:
    now = clock.now()
    expires, begins = _time(claims.get("exp")), _time(claims.get("nbf"))
    if expires and expires <= now:
        yield EXPIRED(pod=pod.name, expired=expires.isoformat(), now=now.isoformat(timespec="seconds"))
    if begins and (begins - now).total_seconds() > 300:  # noqa: PLR2004 - Entra sets nbf five minutes back
        yield NOT_YET(pod=pod.name, begins=begins.isoformat(), now=now.isoformat(timespec="seconds"))


def _time(seconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None


def spread(
    pods: Each[Pod],
    wanted: PodIdentity,  # noqa: ARG001 - else nobody was asked
    asked: Each[Tokens],
    nodes: Maybe[Nodes],
) -> Looking[None]:
    """What one pod is told, the others are told too: `Identity not found` compared across nodes and scale sets."""
    if not len(asked):
        raise NotApplicableError("no pod could be asked", blocked_by="token")
    node_of = {pod.subject: pod.node for pod in pods}
    lacking, having = {}, set()
    for subject, given in asked.items:
        spoken = given.arm
        if spoken and spoken.who == "nmi" and _nmi_kind(spoken) is BEHIND_NOT_FOUND:
            match = CLIENT_ID.search(spoken.text)
            lacking[node_of[subject]] = match[1] if match else ""
        elif spoken and spoken.token:
            having.add(node_of[subject])
    known = nodes.value.by_name if nodes.value else {}
    pool_of = {
        name: (known[name].scale_set or name) if name in known else _pool_by_name(name)
        for name in node_of.values()
    }
    for node, client_id in sorted(lacking.items()):
        here = _compared(node, client_id, having, pool_of, len(set(node_of.values())))
        for observation in here:
            yield observation.on(node_subject(node))


def _compared(
    node: str, client_id: str, having: set[str], pool_of: dict[str, str], asked: int
) -> Iterator[Observation]:
    pool = pool_of[node]
    same = sorted(other for other in having - {node} if pool_of[other] == pool)
    others = sorted({pool_of[other] for other in having} - {pool})
    if same:
        yield ONE_NODE(node=node, pool=pool, others=", ".join(same))
    elif others:
        yield POOL(pool=pool, others=", ".join(others), client_id=client_id)
        if sum(1 for name in pool_of.values() if name == pool) == 1:
            yield ONE_NODE_SEEN(pool=pool)
    else:
        yield EVERYWHERE()
        if asked == 1:
            yield ONE_NODE_SEEN(pool=pool)


def _pool_by_name(node: str) -> str:
    """AKS names the nodes of a scale set alike, with six characters at the end; any other node stands alone."""
    return re.sub(r"^(aks.+)[0-9a-z]{6}$", r"\1", node)


def application(pod: Pod, token: OwnToken, nmis: Maybe[Nmis], cluster: Cluster) -> Looking[ApplicationLog]:
    """The application itself gets what a fresh request gets: it has not logged a token failure lately."""
    del token
    node = nmis.value.by_node.get(pod.node) if nmis.value else None
    ready = node.ready_since if node else None
    older = bool(ready and pod.started and pod.started < ready and not pod.host_network)
    times = {"started": _stamp(pod.started), "ready": _stamp(ready), "pod": pod.name, "node": pod.node}
    answer = cluster.logs(pod.namespace, pod.name, pod.container, since=MINUTES * 60, lines=LOG_LINES)
    if answer.outcome is Outcome.FORBIDDEN and older:
        yield MAY_BYPASS(**times)
    lines = [line for line in str(answer.value()).splitlines() if APPLICATION_SAYS.search(line)]
    if lines:
        yield STILL_FAILS(pod=pod.name, minutes=MINUTES, line=_short(TIMESTAMP.sub("", lines[-1]), 160))
    if older:
        yield OLDER(**times)
    return ApplicationLog(len(lines))


def _stamp(time: datetime | None) -> str:
    return time.isoformat() if time else ""


CHECKS = (
    Check(
        "token",
        "the token endpoint answers inside the pod",
        tokens,
        sees=(
            HELD,
            NO_WAY,
            REFUSED,
            BROKEN,
            NMI_NO_IDENTITY,
            NMI_NOT_CREATED,
            NMI_NOT_ASSIGNED,
            BEHIND_NOT_FOUND,
            BEHIND_MULTIPLE,
            BEHIND_UNREACHABLE,
            NMI_POD_UNKNOWN,
            NMI_EXCEPTED,
            NMI_OTHER,
            IMDS_NOT_FOUND,
            IMDS_MULTIPLE,
            IMDS_THROTTLED,
            IMDS_OTHER,
            STRANGER,
            GIVEN,
            PAST_NMI,
            NEEDS_ID,
            POD_HAS_NETWORK,
            EPHEMERAL,
        ),
        each=Pod,
        asks=EXEC,
    ),
    Check(
        "token-identity",
        "the token is the identity's own",
        own_token,
        sees=(OTHER_IDENTITY, OTHER_RESOURCE, EXPIRED, NOT_YET, OWN, UNCOMPARED),
        each=Pod,
    ),
    Check(
        "token-spread",
        "no node lacks an identity that others have",
        spread,
        sees=(POOL, ONE_NODE, ONE_NODE_SEEN, EVERYWHERE),
    ),
    Check(
        "application",
        "the application gets a token too",
        application,
        sees=(STILL_FAILS, OLDER, MAY_BYPASS),
        each=Pod,
        asks=(("get", "pods/log"),),
        optional=True,
    ),
)
