"""The token: what the identity endpoint says to each pod."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from acrcheck.api import (
    PODS,
    Answer,
    CannotLookError,
    Each,
    Failure,
    Looking,
    Maybe,
    NotApplicableError,
    Outcome,
    Response,
    Secret,
    Status,
    SubjectGoneError,
    Target,
    Trouble,
    Vantage,
)
from acrcheck.azure.imds import Spoken
from acrcheck.facts import (
    ApplicationLog,
    Bound,
    Identity,
    IdentityObjects,
    Nmi,
    Nmis,
    Node,
    Nodes,
    OwnToken,
    Pod,
    Tokens,
)
from acrcheck.lab.clock import LabClock
from checks.token import CHECKS, MINUTES, application, own_token, spread, tokens
from tests.checks.looking import (
    CLIENT_ID,
    NAMESPACE,
    NODE,
    NODE_2,
    NOW,
    OTHER_ID,
    OTHER_POOL,
    RESOURCE_ID,
    WANTED,
    Case,
    FakeCluster,
    FakeWire,
    Reply,
    declared,
    each,
    good,
    http,
    identity,
    known,
    look,
    of,
    pod,
    refuse_unseen,
    refused,
    sight,
    unknown,
    wire,
)

ARM, REGISTRY = "https://management.core.windows.net/", "https://containerregistry.azure.net"
EXEC = Vantage("exec", NAMESPACE, "coderd-1", "coderd", NODE)
IDENTITY = Identity(CLIENT_ID, RESOURCE_ID, "coder/coder")
CLAIMS: dict[str, Any] = {
    "appid": CLIENT_ID,
    "oid": "o",
    "tid": "t",
    "aud": ARM,
    "exp": NOW.timestamp() + 3600,
}
NOWHERE: Maybe[Any] = unknown()
NONE: Maybe[Any] = Maybe(None, Status.SKIP)
ANYTHING = Target()
MULTIPLE = (
    "Multiple user assigned identities exist, "
    "please specify the clientId / resourceId of the identity in the token request"
)


def endpoint(client_id: str = CLIENT_ID) -> str:
    """The suffix of adal's errors."""
    return (
        " Endpoint http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
        f"&client_id={client_id}&resource=https%3A%2F%2Fmanagement.azure.com%2F"
    )


def adal(description: str, suffix: str = "") -> str:
    """What NMI says of IMDS's 400."""
    body = json.dumps({"error": "invalid_request", "error_description": description})
    return f"adal: Refresh request failed. Status Code = '400'. Response body: {body}{suffix or endpoint()}"


def nmi(status: int, text: str) -> Response:
    """NMI's error: text/plain, a newline at the end, no Server header."""
    return http(status, text + "\n", "text/plain; charset=utf-8", x_content_type_options="nosniff")


def imds(status: int, description: str, error: str = "invalid_request") -> Response:
    """The error of IMDS itself: JSON, with a Server header."""
    body = json.dumps({"error": error, "error_description": description})
    return http(status, body, "application/json; charset=utf-8", server="IMDS/150.870.65.1523")


def token(**claims: Any) -> Response:
    """A token as NMI gives it."""
    body = {"access_token": "<jwt:1>", "refresh_token": "", "expires_in": "86386", "token_type": "Bearer"}
    return http(200, json.dumps(body), secrets=(Secret("<jwt:1>", "jwt", {}, CLAIMS | claims),))


def imds_token() -> Response:
    """A token as IMDS itself gives it, with keys that NMI leaves out."""
    body = {
        "access_token": "<jwt:1>",
        "client_id": CLIENT_ID,
        "expires_in": "86386",
        "ext_expires_in": "86386",
    }
    return http(200, json.dumps(body), secrets=(Secret("<jwt:1>", "jwt", {}, CLAIMS),))


def ask(
    *answers: Reply, identified: bool = False, on: Pod | None = None, leave: frozenset[str] = frozenset()
) -> Looking[Tokens]:
    """Ask from inside a pod; with the last answer again for every further question."""
    left = list(answers)
    fake = FakeWire(by=lambda _: left.pop(0) if len(left) > 1 else left[0])
    return tokens(
        on or pod(), WANTED, known(IDENTITY) if identified else unknown(), fake, Target(allow=leave)
    )


def spoken(who: str = "nmi", text: str = "", **claims: Any) -> Spoken:
    """An answer; with claims it is a token."""
    if claims:
        return Spoken(who, status=200, token="<jwt:1>", claims=claims)
    return Spoken(who, text, 403)


def own(
    claims: dict[str, Any] | None = None,
    *,
    identified: Maybe[Identity] | None = None,
    bound: Maybe[Bound] = NONE,
    objects: Maybe[IdentityObjects] = NONE,
    bare: Spoken | None = None,
    on: Pod | None = None,
    who: str = "nmi",
) -> Looking[OwnToken | None]:
    """Compare a token of these claims with the identity."""
    arm = Spoken(who, status=200, token="<jwt:1>", claims=CLAIMS if claims is None else claims)
    given = Tokens(EXEC, arm, arm, bare)
    return own_token(on or pod(), given, objects, identified or known(IDENTITY), bound, LabClock(NOW))


HAVING, LACKING = spoken(appid=CLIENT_ID), spoken(text=adal("Identity not found"))


def compare(*answers: tuple[str, Spoken | None], known_nodes: Maybe[Nodes] = NOWHERE) -> Looking[None]:
    """Compare the answers on these nodes."""
    pods = [pod(f"p{number}", node=node) for number, (node, _) in enumerate(answers)]
    asked = [
        of(item, Tokens(EXEC, answer, None, None)) for item, (_, answer) in zip(pods, answers, strict=True)
    ]
    return spread(each(*pods), WANTED, Each(tuple(asked)), known_nodes)


def nmi_ready(minutes: int) -> Maybe[Nmis]:
    """NMI became ready so many minutes after the pod started."""
    since = NOW + timedelta(minutes=minutes)
    return known(
        Nmis({NODE: Nmi(NODE, "managed", namespaced=True, ready_since=since, name="n", namespace="k")})
    )


def logged(log: Any, minutes: int = -5, on: Pod | None = None) -> Looking[ApplicationLog]:
    """Read the application's log."""
    answer = log if isinstance(log, Answer) else good(log)
    return application(
        on or pod(), OwnToken(EXEC, None, None, {}), nmi_ready(minutes), FakeCluster(log=answer)
    )


def drained(looking: Looking[Any]) -> Looking[None]:
    """Give what a check sees before it says that it cannot look."""
    try:
        yield from looking
    except CannotLookError:
        return


SAID: list[tuple[Reply, str]] = [
    (nmi(404, "no azure identity found for request clientID "), "nmi-no-identity"),
    (
        nmi(404, "no azure identity found for request clientID 9999##### REDACTED #####1111"),
        "nmi-no-identity",
    ),
    (
        nmi(404, "no azure identity found for request clientID $CLI##### REDACTED #####NTID"),
        "nmi-no-identity",
    ),
    (nmi(500, "runtime error: index out of range [0] with length 0"), "nmi-no-identity"),
    (
        nmi(
            404,
            "getting assigned identities for pod coder/coderd-1 in CREATED state failed after 16 attempts, "
            "retry duration [5]s, error: <nil>. Check MIC pod logs for identity assignment errors",
        ),
        "nmi-not-created",
    ),
    (
        nmi(
            404,
            "clientID in request: 7eb6##### REDACTED #####a6a9, getting assigned identities for pod coder/coderd-1 in "
            "CREATED state failed after 16 attempts, retry duration [5]s, error: <nil>",
        ),
        "nmi-not-created",
    ),
    (nmi(403, "no AzureAssignedIdentity found for pod:coder/coderd-1 "), "nmi-not-created"),
    (
        nmi(
            404,
            "getting assigned identities for pod coder/coderd-1 in ASSIGNED state failed after 20 attempts, "
            "retry duration [5]s, error: <nil>. Check MIC pod logs for identity assignment errors",
        ),
        "nmi-not-assigned",
    ),
    (
        nmi(503, "getting assigned identities for pod a/b in CREATED state failed after 16 attempts"),
        "nmi-not-created",
    ),
    (nmi(403, adal("Identity not found")), "imds-identity-not-found-behind-nmi"),
    (
        nmi(403, f"failed to refresh token, error: {adal('Identity not found')}"),
        "imds-identity-not-found-behind-nmi",
    ),
    (nmi(403, adal(MULTIPLE)), "imds-multiple-behind-nmi"),
    (
        nmi(
            503,
            "adal: Failed to execute the refresh request. Error = 'Get \"http://169.254.169.254\": i/o timeout'",
        ),
        "imds-unreachable-behind-nmi",
    ),
    (nmi(500, "pod list is empty"), "nmi-pod-unknown"),
    (nmi(500, "failed to match pod IP 10.244.0.7 with [a b]"), "nmi-pod-unknown"),
    (
        nmi(403, f"failed to get service principal token, error: {adal('Identity not found')}"),
        "nmi-excepted-and-failed",
    ),
    (nmi(400, "parameter resource cannot be empty"), "nmi-error"),
    (nmi(500, "request remote address is empty"), "nmi-error"),
    (nmi(503, "failed to get Kubernetes secret coder/sp, err: secrets is forbidden"), "nmi-error"),
    (nmi(403, "failed to acquire a token using the MSI VM extension, error: MSI not available"), "nmi-error"),
    (nmi(500, ""), "nmi-error"),
    (
        http(
            400,
            '{"error":"invalid_request","error_description":"Required metadata header not specified"}\n',
            "application/json; charset=utf-8",
        ),
        "nmi-error",
    ),
    (imds(400, "Identity not found"), "imds-identity-not-found"),
    (imds(400, MULTIPLE), "imds-multiple-identities"),
    (imds(429, "Too many requests"), "imds-throttled"),
    (http(429, "slow down", "text/plain", server="IMDS/150.870.65.1523"), "imds-throttled"),
    (imds(400, "Required query variable 'resource' is missing"), "imds-error"),
    (imds(400, "AADSTS500011: The resource principal was not found", "invalid_resource"), "imds-error"),
    (imds(500, "Failed to retrieve token from the Active directory", "unknown"), "imds-error"),
    (http(410, "", "text/html", server="IMDS/150.870.65.1523"), "imds-error"),
    (http(403, "<html>Blocked by policy</html>", "text/html"), "token-from-stranger"),
    (http(200, "<html>Sign in</html>", "text/plain"), "token-from-stranger"),
    (http(503, "upstream connect error", "text/plain", server="envoy"), "token-from-stranger"),
    (http(301, "", "", location="/metadata/identity/oauth2/token"), "token-from-stranger"),
    (http(200, '{"access_token": null}'), "token-from-stranger"),
    (http(200, '{"access_token": ["x"]}'), "token-from-stranger"),
    (http(200, '[{"access_token": "<jwt:1>"}]'), "token-from-stranger"),
    (http(200, '{"access_tok'), "token-from-stranger"),
    (http(200, "\x00\x01\ufffd", ""), "token-from-stranger"),
    (Failure(Trouble.TIMEOUT), "token-request-held"),
    (Failure(Trouble.CONNECT_TIMEOUT), "imds-connect-timeout"),
    (Failure(Trouble.UNREACHABLE, "No route to host"), "imds-connect-timeout"),
    (Failure(Trouble.REFUSED, "Failed to connect to 169.254.169.254 port 80"), "imds-refused"),
    (Failure(Trouble.BROKEN, "Empty reply from server"), "imds-broken"),
    (Failure(Trouble.TLS), "imds-broken"),
    (token(), "token-given"),
]
"""Each answer of the token endpoint, and what is seen in it."""

CASES: dict[tuple[str, str], Case] = {
    ("token", "token-needs-client-id"): lambda: ask(token(), token(), imds(400, MULTIPLE), identified=True),
    ("token", "pod-has-own-network"): lambda: ask(token()),
    ("token", "imds-answers-past-nmi"): lambda: ask(imds_token()),
    ("token", "asked-from-ephemeral-container"): lambda: ask(
        Failure(Trouble.NO_TOOL), token(), leave=frozenset({"debug-container"})
    ),
    ("token-identity", "token-of-another-identity"): lambda: own(CLAIMS | {"appid": OTHER_ID}),
    ("token-identity", "token-of-another-resource-id"): lambda: own(CLAIMS | {"xms_mirid": "/other"}),
    ("token-identity", "token-expired"): lambda: own(CLAIMS | {"exp": NOW.timestamp()}),
    ("token-identity", "token-not-yet-valid"): lambda: own(CLAIMS | {"nbf": NOW.timestamp() + 301}),
    ("token-identity", "token-is-its-own"): own,
    ("token-identity", "token-not-compared"): lambda: own(identified=unknown()),
    ("token-spread", "not-found-in-one-pool-only"): lambda: compare((NODE, LACKING), (OTHER_POOL, HAVING)),
    ("token-spread", "not-found-on-one-node-only"): lambda: compare((NODE, LACKING), (NODE_2, HAVING)),
    ("token-spread", "one-node-of-pool-seen"): lambda: compare((NODE, LACKING), (OTHER_POOL, HAVING)),
    ("token-spread", "not-found-everywhere"): lambda: compare((NODE, LACKING), (NODE_2, LACKING)),
    ("application", "application-still-fails"): lambda: logged("ok\nerror: Identity not found\n"),
    ("application", "pod-older-than-nmi"): lambda: logged("", minutes=5),
    ("application", "pod-older-than-nmi-unseen"): lambda: drained(
        logged(refused(PODS, NAMESPACE, "get", "log"), minutes=5)
    ),
}
CASES |= {("token", kind): partial(ask, answer) for answer, kind in reversed(SAID)}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some world."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


@pytest.mark.parametrize(("answer", "kind"), SAID)
def test_the_answer_is_told_by_who_gave_it_and_what_it_says(answer: Reply, kind: str) -> None:
    """NMI's text, IMDS's JSON, strangers and silence each have their own observation."""
    seen = [item for item in sight(ask(answer)) if item != "pod-has-own-network"]
    assert set(seen) == {kind}


def test_the_client_id_imds_does_not_know_is_told() -> None:
    """It is the AzureIdentity's, from the suffix; older releases of NMI have none."""
    seen, _ = look(ask(nmi(403, adal("Identity not found"))))
    assert seen[0].values["client_id"] == CLIENT_ID
    seen, _ = look(ask(nmi(403, adal("Identity not found", " "))))
    assert seen[0].values["client_id"] == "(none)"


def test_a_request_names_audience_and_client_id_quoted() -> None:
    """For ARM, for the registry, and for ARM without client id, in that order, with the header."""
    fake = wire(token(), token(), token())
    look(tokens(pod(), WANTED, known(IDENTITY), fake, ANYTHING))
    arm, registry = (
        "https%3A%2F%2Fmanagement.core.windows.net%2F",
        "https%3A%2F%2Fcontainerregistry.azure.net",
    )
    path = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
    assert [item.url for item in fake.asked] == [
        f"{path}&client_id={CLIENT_ID}&resource={arm}",
        f"{path}&client_id={CLIENT_ID}&resource={registry}",
        f"{path}&resource={arm}",
    ]
    assert all(item.headers == (("Metadata", "true"),) for item in fake.asked)


def test_the_cloud_decides_the_audience() -> None:
    """A registry of the US Government cloud needs its ARM."""
    fake = wire(token(), token())
    look(tokens(pod(), WANTED, unknown(), fake, Target(registry="acme.azurecr.us")))
    assert "management.core.usgovcloudapi.net" in fake.asked[0].url


def test_a_silent_endpoint_is_asked_once() -> None:
    """Nobody waits three times for the same silence."""
    fake = wire(Failure(Trouble.TIMEOUT))
    _, fact = look(tokens(pod(), WANTED, known(IDENTITY), fake, ANYTHING))
    assert (fact.registry, fact.bare) == (None, None)


def test_the_same_error_twice_is_told_once() -> None:
    """Both audiences get the same words."""
    assert sight(ask(nmi(500, "pod list is empty"))).count("nmi-pod-unknown") == 1


def test_an_error_for_one_audience_only_is_told() -> None:
    """The other's token is given."""
    seen = sight(ask(token(), imds(400, "AADSTS500011", "invalid_resource")))
    assert seen == ["token-given", "pod-has-own-network", "imds-error"]


def test_a_pod_on_its_nodes_network_is_not_said_to_have_its_own() -> None:
    """IMDS's own JSON is expected there."""
    hosted = pod(spec={"hostNetwork": True})
    assert sight(ask(imds(400, "Identity not found"), on=hosted)) == ["imds-identity-not-found"]


def test_a_long_answer_is_shortened_to_one_line() -> None:
    """Nobody pastes a page into a report."""
    seen, _ = look(ask(nmi(500, "word\n" * 500)))
    assert len(seen[0].values["said"]) <= 221
    assert "\n" not in seen[0].values["said"]


def test_without_a_tool_the_next_place_is_asked_that_leave_was_given_for() -> None:
    """An ephemeral container, then a throw-away pod; the fact says where."""
    fake = FakeWire([Failure(Trouble.NO_TOOL), token(), token()])
    _, fact = look(
        tokens(pod(), WANTED, unknown(), fake, Target(allow=frozenset({"debug-container", "probe-pod"})))
    )
    assert [item.kind for item in fake.vantages] == ["exec", "debug", "debug"]
    assert fact.vantage.kind == "debug"


def test_without_a_tool_and_without_leave_it_is_unknown_with_the_remedy() -> None:
    """The door's words say which flag would help."""
    nothing = Failure(Trouble.NO_TOOL, "no curl", remedy="--allow debug-container")
    with pytest.raises(CannotLookError, match="no curl") as caught:
        look(ask(nothing))
    assert caught.value.remedy == "--allow debug-container"


def test_without_permission_to_exec_it_is_unknown_with_the_permission() -> None:
    """The failure says nothing about the network."""
    denied = Failure(Trouble.FORBIDDEN, permission=("create", "pods/exec", NAMESPACE))
    with pytest.raises(CannotLookError) as caught:
        look(ask(denied))
    assert caught.value.permission is not None
    assert caught.value.permission.can_i() == "kubectl auth can-i create pods --subresource=exec -n coder"


@pytest.mark.parametrize("trouble", [Trouble.FORBIDDEN, Trouble.NOT_RUNNING, Trouble.ERROR, Trouble.NO_TOOL])
def test_a_blind_failure_without_details_is_still_unknown(trouble: Trouble) -> None:
    """The kind of trouble is the reason, at the first and at a later question."""
    with pytest.raises(CannotLookError, match=trouble):
        look(ask(Failure(trouble)))
    with pytest.raises(CannotLookError, match=trouble):
        look(ask(token(), Failure(trouble)))


def test_a_pod_that_vanished_is_gone() -> None:
    """The engine looks once more, then says that it was replaced."""
    with pytest.raises(SubjectGoneError):
        look(ask(Failure(Trouble.GONE)))


def test_a_container_that_does_not_run_is_not_asked() -> None:
    """The reason is the container's."""
    with pytest.raises(CannotLookError, match="CrashLoopBackOff"):
        look(ask(token(), on=pod(exec_problem="CrashLoopBackOff")))


@pytest.mark.parametrize(
    "claims",
    [
        CLAIMS,
        CLAIMS | {"appid": CLIENT_ID.upper()},
        CLAIMS | {"xms_mirid": RESOURCE_ID.upper()},
        CLAIMS | {"xms_mirid": None, "exp": None, "nbf": "soon", "oid": None},
        CLAIMS | {"exp": 1e30},
        CLAIMS | {"exp": float("nan")},
        {"azp": CLIENT_ID, "ver": "2.0"},
        {"appid": CLIENT_ID},
    ],
)
def test_an_own_token_is_recognised_whatever_its_case_and_odd_claims(claims: dict[str, Any]) -> None:
    """Ids are compared without case; a claim that cannot be read is not held against it."""
    seen, fact = look(own(claims))
    assert [item.id for item in seen] == ["token-is-its-own"]
    assert fact is not None
    assert fact.claims == claims


@pytest.mark.parametrize("claims", [{}, {"appid": ""}, {"appid": None}, {"appid": ["x"]}, {"appid": True}])
@pytest.mark.parametrize("identified", [known(IDENTITY), unknown()])
def test_a_token_that_does_not_say_whose_it_is_is_unknown(
    claims: dict[str, Any], identified: Maybe[Identity]
) -> None:
    """Neither the identity's own nor another's: not guessed."""
    with pytest.raises(CannotLookError, match="malformed"):
        look(own(claims, identified=identified))


def test_no_token_is_blocked_by_the_token() -> None:
    """There is nothing to compare."""
    nothing = Tokens(EXEC, spoken(text="x"), None, None)
    with pytest.raises(NotApplicableError) as caught:
        look(own_token(pod(), nothing, NONE, known(IDENTITY), NONE, LabClock(NOW)))
    assert caught.value.blocked_by == "token"


@pytest.mark.parametrize("unread", ["objects", "bound"])
def test_a_token_past_nmi_is_not_compared_with_what_could_not_be_read(unread: str) -> None:
    """IMDS gives whatever the node has: whether that is the identity's own is unknown."""
    hidden: Any = {unread: unknown()}
    with pytest.raises(CannotLookError, match="could not be read"):
        look(own(identified=unknown(), who="imds", **hidden))
    assert look(own(identified=unknown(), who="nmi", **hidden))[1] is not None
    assert look(own(identified=unknown(), who="imds"))[1] is not None


@pytest.mark.parametrize("claims", [{"appid": OTHER_ID}, {"xms_mirid": "/subscriptions/other"}])
def test_another_identitys_token_is_no_own_token(claims: dict[str, str]) -> None:
    """No later check prints a role for the wrong principal."""
    assert look(own(CLAIMS | claims))[1] is None


def test_an_expired_token_is_still_the_identitys_own() -> None:
    """Expiry and owner are two things."""
    seen, fact = look(own(CLAIMS | {"exp": NOW.timestamp() - 1}))
    assert [item.id for item in seen] == ["token-expired", "token-is-its-own"]
    assert fact is not None


def test_a_start_within_five_minutes_is_no_fault() -> None:
    """Entra sets nbf back by that much; clocks differ a little."""
    assert sight(own(CLAIMS | {"nbf": NOW.timestamp() + 300})) == ["token-is-its-own"]


@pytest.mark.parametrize(
    ("bare", "on", "kind"),
    [
        (spoken(appid=OTHER_ID), None, "token-of-another-identity"),
        (spoken(appid=CLIENT_ID.upper()), None, "token-is-its-own"),
        (spoken(appid=OTHER_ID), pod(spec={"hostNetwork": True}), "token-is-its-own"),
        (spoken(text="no"), None, "token-is-its-own"),
        (None, None, "token-is-its-own"),
        (spoken(oid="x"), None, "token-is-its-own"),
    ],
)
def test_a_request_without_client_id_must_not_be_answered_for_a_stranger(
    bare: Spoken | None, on: Pod | None, kind: str
) -> None:
    """Only an identity that a binding gives to the pod may answer; odd objects are none."""
    bound = known(Bound((identity(), {}, {"spec": None}, {"spec": {"clientID": 7}})))
    assert sight(own(bound=bound, bare=bare, on=on)) == [kind]


def test_nothing_asked_is_nothing_compared() -> None:
    """The spread is blocked by the token."""
    with pytest.raises(NotApplicableError):
        look(spread(each(pod()), WANTED, Each(), unknown()))


def in_pools(**pools: str) -> Maybe[Nodes]:
    """Nodes with their scale sets."""
    return known(Nodes({name: Node(name, pool, "linux", "amd64") for name, pool in pools.items()}))


@pytest.mark.parametrize(
    ("answers", "nodes", "expected"),
    [
        ([("a", LACKING), ("b", HAVING)], in_pools(a="x", b="x"), ["not-found-on-one-node-only"]),
        (
            [("a", LACKING), ("b", HAVING)],
            in_pools(a="x", b="y"),
            ["not-found-in-one-pool-only", "one-node-of-pool-seen"],
        ),
        (
            [("a", LACKING), ("b", LACKING), ("c", HAVING)],
            in_pools(a="x", b="x", c="y"),
            ["not-found-in-one-pool-only"] * 2,
        ),
        ([("a", LACKING), ("b", LACKING)], in_pools(a="x", b="y"), ["not-found-everywhere"] * 2),
        ([("a", LACKING)], in_pools(a="x"), ["not-found-everywhere", "one-node-of-pool-seen"]),
        ([("a", HAVING), ("b", HAVING)], in_pools(a="x", b="y"), []),
        ([("a", None), ("b", spoken("imds", "Identity not found"))], in_pools(a="x", b="x"), []),
        (
            [
                (
                    "a",
                    spoken(
                        text=f"failed to get service principal token, error: {adal('Identity not found')}"
                    ),
                )
            ],
            in_pools(a="x"),
            [],
        ),
        (
            [("a", LACKING), ("a", HAVING)],
            in_pools(a="x"),
            ["not-found-everywhere", "one-node-of-pool-seen"],
        ),
        (
            [("a", LACKING), ("b", HAVING)],
            in_pools(a="", b=""),
            ["not-found-in-one-pool-only", "one-node-of-pool-seen"],
        ),
        (
            [("kind-worker", LACKING), ("kind-worker2", HAVING)],
            unknown(),
            ["not-found-in-one-pool-only", "one-node-of-pool-seen"],
        ),
    ],
)
def test_the_same_words_are_compared_across_nodes_and_scale_sets(
    answers: list[tuple[str, Spoken | None]], nodes: Maybe[Nodes], expected: list[str]
) -> None:
    """One node, one pool or everywhere: each has another remedy. Nodes of no scale set stand alone."""
    assert sight(compare(*answers, known_nodes=nodes)) == expected


def test_what_is_seen_of_a_node_is_about_that_node() -> None:
    """So the cause covers what fails there."""
    seen, _ = look(compare((NODE, LACKING), (NODE_2, HAVING)))
    assert seen[0].subject.scope == {f"node/{NODE}"}
    assert seen[0].values["others"] == NODE_2


@pytest.mark.parametrize(
    ("log", "minutes", "expected"),
    [
        ("", -5, []),
        ("all well\nGET /metadata 200", -5, []),
        ('{"msg":"... Identity not found ..."}', -5, ["application-still-fails"]),
        (
            "no azure identity found for request clientID ",
            5,
            ["application-still-fails", "pod-older-than-nmi"],
        ),
        ("ManagedIdentityCredential authentication unavailable", -5, ["application-still-fails"]),
        ("", 5, ["pod-older-than-nmi"]),
        (None, -5, []),
    ],
)
def test_the_applications_own_words_are_read(log: Any, minutes: int, expected: list[str]) -> None:
    """A failure lately, and a pod older than NMI, speak for a connection that goes past it."""
    assert sight(logged(log, minutes)) == expected


def test_the_last_failure_is_quoted_shortened() -> None:
    """With the time within which it was logged."""
    (seen,), fact = look(logged("Identity not found 1\n" + "x" * 500 + " Identity not found 2\n"))
    assert seen.values["minutes"] == str(MINUTES)
    assert len(seen.values["line"]) <= 161
    assert fact.failures == 2


@pytest.mark.parametrize("on", [pod(started=None), pod(spec={"hostNetwork": True}), pod(node="elsewhere")])
def test_a_pod_without_start_or_nmi_is_not_said_to_be_older(on: Pod) -> None:
    """What is not known is not compared."""
    assert sight(logged("", 5, on)) == []


@pytest.mark.parametrize(("minutes", "warned"), [(5, True), (-5, False)])
def test_a_log_that_may_not_be_read_is_unknown_and_warns_for_an_old_pod(minutes: int, warned: bool) -> None:
    """The permission is told; a pod older than NMI may still go past it."""
    looking = logged(refused(PODS, NAMESPACE, "get", "log"), minutes)
    if warned:
        assert next(looking).id == "pod-older-than-nmi-unseen"
    with pytest.raises(CannotLookError, match="get pods/log in namespace coder"):
        next(looking)


def test_a_log_that_cannot_be_read_otherwise_is_unknown() -> None:
    """No answer is no empty log."""
    with pytest.raises(CannotLookError, match="timeout"):
        look(logged(Answer(Outcome.TIMEOUT), 5))
