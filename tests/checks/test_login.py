"""Login: what `az login --identity` would come to."""

import json
from typing import Any

import pytest

from acrcheck.api import (
    CannotLookError,
    Each,
    Failure,
    Looking,
    Maybe,
    NotApplicableError,
    Response,
    Secret,
    Target,
    Trouble,
    Vantage,
)
from acrcheck.azure.image import parse_image
from acrcheck.azure.imds import Spoken
from acrcheck.facts import AccessToken, Identity, Image, Login, Manifest, Nmi, Nmis, OwnToken, Path
from checks.login import CHECKS, login, own_pod, probe_pod
from checks.settings import settings
from tests.checks.looking import (
    CLIENT_ID,
    NAMESPACE,
    NODE,
    NOW,
    OTHER_ID,
    RESOURCE_ID,
    WANTED,
    Case,
    FakeWire,
    Reply,
    declared,
    each,
    http,
    known,
    look,
    of,
    pod,
    refuse_unseen,
    sight,
    unknown,
    wire,
)

EXEC = Vantage("exec", NAMESPACE, "coderd-1", "coderd", NODE)
IDENTITY = Identity(CLIENT_ID, RESOURCE_ID, "coder/coder")
CLAIMS: dict[str, Any] = {"appid": CLIENT_ID, "oid": "o", "tid": "tenant"}
SUBSCRIPTION = {"subscriptionId": "0b1f", "displayName": "Team", "state": "Enabled"}
HEALTHY = http(200, json.dumps({"value": [SUBSCRIPTION]}))
EMPTY = http(200, '{"value": []}')
DENIED = http(
    401, '{"error": {"code": "InvalidAuthenticationToken", "message": "The access token is invalid."}}'
)
PAGE = http(200, "<html>Sign in</html>", "text/html")
DISTRUSTED = Failure(Trouble.TLS, "self-signed certificate in certificate chain")
SILENT = Failure(Trouble.CONNECT_TIMEOUT, "no answer")
PROBING = Target(allow=frozenset({"probe-pod"}))
INSIDE = Target(own_pod="tools/acrcheck-0")
TOKEN = http(
    200,
    json.dumps(
        {"access_token": "<jwt:1>", "expires_in": "3600", "expires_on": "1793624400", "resource": "r"}
    ),
    secrets=(Secret("<jwt:1>", "jwt", {}, CLAIMS),),
)
NOT_FOUND = http(
    400, '{"error": "invalid_request", "error_description": "Identity not found"}', server="IMDS/1"
)


def ask(
    *answers: Reply, target: Target | None = None, identity: Maybe[Identity] | None = None
) -> Looking[Login]:
    """Log in from a pod that has a token, with these answers of ARM."""
    arm = Spoken("nmi", status=200, token="<jwt:1>", claims=CLAIMS)
    own = OwnToken(EXEC, arm, arm, CLAIMS)
    return login(pod(), own, identity or known(IDENTITY), wire(*answers), target or Target())


def on_node(mode: str) -> Maybe[Nmis]:
    """NMI's mode on the pod's node."""
    return known(Nmis({NODE: Nmi(NODE, mode, namespaced=False, ready_since=NOW, name="n", namespace="k")}))


def probe(*answers: Reply, nmis: Maybe[Nmis] | None = None, fake: FakeWire | None = None) -> Looking[None]:
    """Log in from a throw-away pod."""
    identities = Each((of(pod(), IDENTITY),))
    return probe_pod(
        each(pod()), WANTED, identities, nmis or unknown(), Each(), fake or wire(*answers), PROBING
    )


def here(*answers: Reply, target: Target = INSIDE) -> Looking[None]:
    """Log in from acrcheck's own pod."""
    return own_pod(Each((of(pod(), IDENTITY),)), wire(*answers), target)


HOST = "acme-a1b2.azurecr.io"
REGISTRY_ID = "/subscriptions/0b1f/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/acme"
LISTED = http(200, json.dumps({"value": [{"id": "/x"}, {"id": REGISTRY_ID}]}))


def registry(mode: str = "", login_server: str = HOST, **properties: Any) -> Response:
    """A registry, as ARM gives it."""
    told = {"loginServer": login_server, "roleAssignmentMode": mode, **properties}
    return http(200, json.dumps({"location": "eastus", "properties": told}))


def reading(*answers: Reply, host: str = HOST, granted: bool = False, given: bool = False) -> Looking[None]:
    """Ask how a registry is set up that did not let the identity pull, or does not give it its image."""
    spoken = Spoken("nmi", status=200, token="<jwt:1>", claims=CLAIMS)
    image = parse_image(f"{host}/coder/envbox:1.44")
    own = OwnToken(EXEC, spoken, spoken, CLAIMS)
    at = Path("coderd-1", NODE, EXEC, host, identity=True, tokens=own, image=image)
    tokens = Each(((at.as_identity, AccessToken("<jwt:a>", frozenset({"pull"}))),) if granted else ())
    images = Each(((at.as_identity, Manifest("sha256:m", (), ())),) if given else ())
    logins = Each((of(pod(), Login((SUBSCRIPTION,))),))
    wanted = Image(str(image), ("coderd",), image)
    return settings(at, tokens, images, logins, Each(((wanted.subject, wanted),)), wire(*answers), Target())


def policies(**status: Any) -> Response:
    """A registry with these policies."""
    return registry(policies={f"{name}Policy": told for name, told in status.items()})


def regions(*names: str) -> Response:
    """The replications of a registry."""
    ready = {"status": {"displayStatus": "Ready"}}
    return http(200, json.dumps({"value": [{"location": name, "properties": ready} for name in names]}))


ON, OFF = {"status": "enabled", "retentionDays": 7}, {"status": "disabled"}
DENYING = {"defaultAction": "Deny", "ipRules": [{"value": "198.51.100.0/24"}]}
APPROVED = [{"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}]
CASES: dict[tuple[str, str], Case] = {
    ("registry-settings", "role-mode-abac"): lambda: reading(LISTED, registry("AbacRepositoryPermissions")),
    ("registry-settings", "role-mode-legacy"): lambda: reading(LISTED, registry("LegacyRegistryPermissions")),
    ("registry-settings", "registry-public-access-off"): lambda: reading(
        LISTED, registry(publicNetworkAccess="Disabled", networkRuleSet=DENYING)
    ),
    ("registry-settings", "registry-firewall-on"): lambda: reading(LISTED, registry(networkRuleSet=DENYING)),
    ("registry-settings", "registry-endpoints-approved"): lambda: reading(
        LISTED, registry(privateEndpointConnections=APPROVED)
    ),
    ("registry-settings", "registry-without-endpoint"): lambda: reading(
        LISTED, registry(privateEndpointConnections=[])
    ),
    ("registry-settings", "registry-quarantine-on"): lambda: reading(
        LISTED, policies(quarantine=ON), EMPTY, granted=True
    ),
    ("registry-settings", "registry-quarantine-off"): lambda: reading(
        LISTED, policies(quarantine=OFF), EMPTY, granted=True
    ),
    ("registry-settings", "registry-soft-delete-on"): lambda: reading(
        LISTED, policies(softDelete=ON), EMPTY, granted=True
    ),
    ("registry-settings", "registry-soft-delete-off"): lambda: reading(
        LISTED, policies(softDelete=OFF), EMPTY, granted=True
    ),
    ("registry-settings", "registry-replicated"): lambda: reading(
        LISTED, registry(), regions("eastus", "westeurope"), granted=True
    ),
    ("registry-settings", "registry-in-one-region"): lambda: reading(LISTED, registry(), EMPTY, granted=True),
    ("login", "no-subscriptions"): lambda: ask(EMPTY),
    ("login", "arm-refused"): lambda: ask(DENIED),
    ("login", "arm-answer-not-json"): lambda: ask(PAGE),
    ("login", "arm-unreachable"): lambda: ask(SILENT),
    ("login", "arm-untrusted"): lambda: ask(DISTRUSTED),
    ("login", "logged-in"): lambda: ask(HEALTHY),
    ("login-probe-pod", "probe-pod-login-failed"): lambda: probe(NOT_FOUND),
    ("login-probe-pod", "probe-pod-makes-mic-write"): lambda: probe(NOT_FOUND, nmis=on_node("standard")),
    ("login-probe-pod", "arm-refused"): lambda: probe(TOKEN, DENIED),
    ("login-probe-pod", "arm-answer-not-json"): lambda: probe(TOKEN, PAGE),
    ("login-probe-pod", "arm-unreachable"): lambda: probe(TOKEN, SILENT),
    ("login-probe-pod", "arm-untrusted"): lambda: probe(TOKEN, DISTRUSTED),
    ("login-probe-pod", "logged-in"): lambda: probe(TOKEN, HEALTHY),
    ("login-own-pod", "own-pod-login-failed"): lambda: here(NOT_FOUND),
    ("login-own-pod", "arm-refused"): lambda: here(TOKEN, DENIED),
    ("login-own-pod", "arm-answer-not-json"): lambda: here(TOKEN, PAGE),
    ("login-own-pod", "arm-unreachable"): lambda: here(TOKEN, SILENT),
    ("login-own-pod", "arm-untrusted"): lambda: here(TOKEN, DISTRUSTED),
    ("login-own-pod", "logged-in"): lambda: here(TOKEN, HEALTHY),
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some world."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


@pytest.mark.parametrize(
    ("target", "environment"),
    [
        (Target(), "AzureCloud"),
        (Target(cloud="usgov"), "AzureUSGovernment"),
        (Target(registry="acme.azurecr.cn"), "AzureChinaCloud"),
    ],
)
def test_the_evidence_is_the_block_that_az_prints(target: Target, environment: str) -> None:
    """As the documentation's expected output has it, in the cloud's own name."""
    (seen,), _ = look(ask(HEALTHY, target=target))
    assert seen.evidence == {
        "account": [
            {
                "environmentName": environment,
                "homeTenantId": "tenant",
                "id": "0b1f",
                "isDefault": True,
                "managedByTenants": [],
                "name": "Team",
                "state": "Enabled",
                "tenantId": "tenant",
                "user": {
                    "assignedIdentityInfo": f"MSIResource-{RESOURCE_ID}",
                    "name": "userAssignedIdentity",
                    "type": "servicePrincipal",
                },
            }
        ]
    }


def test_without_an_azure_identity_the_client_id_stands_for_it() -> None:
    """What az prints after a login by client id."""
    (seen,), _ = look(ask(HEALTHY, identity=unknown()))
    assert seen.evidence["account"][0]["user"]["assignedIdentityInfo"] == f"MSIClient-{CLIENT_ID}"


def paged(*links: Any) -> list[Response]:
    """One page for each link, each with one subscription."""
    return [http(200, json.dumps({"value": [SUBSCRIPTION], "nextLink": link})) for link in links]


def test_every_page_is_read_with_the_token() -> None:
    """A nextLink is followed in the same place."""
    link = "https://management.azure.com/subscriptions?api-version=2022-12-01&$skiptoken=x"
    fake = wire(*paged(link, None))
    own = OwnToken(EXEC, Spoken("nmi", token="<jwt:1>"), None, CLAIMS)
    (seen,), fact = look(login(pod(), own, unknown(), fake, Target()))
    assert seen.values["count"] == "2"
    assert len(fact.subscriptions) == 2
    first = "https://management.azure.com/subscriptions?api-version=2022-12-01"
    assert [(item.url, item.bearer) for item in fake.asked] == [(first, "<jwt:1>"), (link, "<jwt:1>")]


def test_links_in_a_circle_end() -> None:
    """A page seen before is not read again, and no subscription counted twice for it."""
    link = "https://management.azure.com/subscriptions?page=2"
    (seen,), _ = look(ask(*paged(link, link)))
    assert seen.values["count"] == "2"


def test_links_without_end_end() -> None:
    """Always another page: after twenty it is enough."""
    pages = paged(*(f"https://management.azure.com/subscriptions?page={number}" for number in range(50)))
    (seen,), _ = look(ask(*pages))
    assert seen.values["count"] == "20"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/subscriptions",
        "http://management.azure.com/subscriptions",
        "https://management.azure.com.evil.example/",
        "https://management.azure.com@evil.example/",
        "//evil.example",
        "https://[bad",
        "file:///etc/passwd",
        7,
    ],
)
def test_the_token_is_not_sent_where_a_link_leads_away(link: Any) -> None:
    """Only ARM itself is asked with the identity's token, over TLS."""
    assert sight(ask(*paged(link))) == ["arm-answer-not-json"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html></html>",
        "[]",
        "null",
        "{}",
        '{"value": null}',
        '{"value": {"a": 1}}',
        '{"value": "x"}',
        '{"val',
        "\x00",
    ],
)
def test_what_is_no_list_of_subscriptions_is_not_arms_answer(body: str) -> None:
    """A web page, truncated JSON or something else with 200 is no empty list."""
    assert sight(ask(http(200, body))) == ["arm-answer-not-json"]


@pytest.mark.parametrize("value", [[None, "x", 7], [{}], [{"displayName": None}]])
def test_odd_subscriptions_are_no_crash(value: Any) -> None:
    """What is no object is left out; a missing name is empty."""
    expected = "logged-in" if any(isinstance(item, dict) for item in value) else "no-subscriptions"
    assert sight(ask(http(200, json.dumps({"value": value})))) == [expected]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"code": "AuthorizationFailed", "message": "no"}}', "AuthorizationFailed: no"),
        ('{"error": "denied"}', "denied"),
        ('{"error": null}', ""),
        ('{"error": ["x"]}', ""),
        ('{"error": {"code": null, "message": 7}}', ": 7"),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_arms_refusal_is_quoted(status: int, body: str, said: str) -> None:
    """Status, code and message, whatever shape the error has."""
    (seen,), fact = look(ask(http(status, body)))
    assert (seen.id, seen.values["status"], seen.values["said"]) == ("arm-refused", str(status), said)
    assert fact == Login(())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_arms_own_trouble_says_nothing_of_the_token(status: int) -> None:
    """It is unknown, not refused."""
    with pytest.raises(CannotLookError, match=f"answered {status}"):
        look(ask(http(status, '{"error": {"code": "TooManyRequests", "message": "later"}}')))


def test_a_web_page_with_an_error_status_is_not_arm() -> None:
    """A proxy's 403."""
    assert sight(ask(http(403, "<html>Blocked</html>", "text/html"))) == ["arm-answer-not-json"]


def test_a_blind_failure_is_unknown() -> None:
    """ARM was not asked."""
    with pytest.raises(CannotLookError):
        look(ask(Failure(Trouble.NO_TOOL, "no curl")))


@pytest.mark.parametrize("arm", [None, Spoken("nmi", "no", 404)])
def test_without_a_token_for_arm_there_is_no_login(arm: Spoken | None) -> None:
    """It is blocked by the token."""
    with pytest.raises(NotApplicableError) as caught:
        look(login(pod(), OwnToken(EXEC, arm, None, CLAIMS), known(IDENTITY), wire(), Target()))
    assert caught.value.blocked_by == "token"


def test_a_throw_away_pod_needs_leave() -> None:
    """Nothing is created unasked."""
    fake = wire()
    with pytest.raises(NotApplicableError, match="--allow probe-pod"):
        look(probe_pod(each(pod()), WANTED, Each(), unknown(), Each(), fake, Target()))
    assert fake.asked == []


def test_a_throw_away_pod_needs_a_pod_to_be_like() -> None:
    """Without pods there is none."""
    with pytest.raises(NotApplicableError):
        look(probe_pod(each(), WANTED, Each(), unknown(), Each(), wire(), PROBING))


def test_a_throw_away_pod_is_asked_on_the_pods_node() -> None:
    """The vantage says which pod it is like; in managed mode MIC does not write."""
    fake = wire(TOKEN, HEALTHY)
    assert sight(probe(nmis=on_node("managed"), fake=fake)) == ["logged-in"]
    assert set(fake.vantages) == {Vantage("pod", NAMESPACE, "coderd-1", "coderd", NODE)}


@pytest.mark.parametrize(
    "answer", [Failure(Trouble.TIMEOUT), http(200, "<html>"), http(200, '{"access_token": 7}')]
)
def test_a_throw_away_pod_without_token_says_what_it_was_told(answer: Reply) -> None:
    """Silence and pages included."""
    assert sight(probe(answer)) == ["probe-pod-login-failed"]


def test_a_throw_away_pod_that_may_not_be_made_is_unknown() -> None:
    """A refusal says nothing about the identity."""
    denied = Failure(Trouble.FORBIDDEN, permission=("create", "pods", NAMESPACE))
    with pytest.raises(CannotLookError, match="create pods in namespace coder"):
        look(probe(denied))


def test_outside_of_the_cluster_there_is_no_own_pod() -> None:
    """The token endpoint of the operator's machine is not asked."""
    with pytest.raises(NotApplicableError):
        look(here(target=Target()))


@pytest.mark.parametrize(
    "answer",
    [
        NOT_FOUND,
        http(404, "no azure identity found for request clientID \n", "text/plain"),
        http(200, "<html>", "text/html"),
        http(200, "[]"),
        http(200, "{}"),
        http(500, "x", "text/plain"),
        Failure(Trouble.TIMEOUT, "held"),
    ],
)
def test_whatever_azure_identity_meets_is_told(answer: Reply) -> None:
    """The library raises in many ways; the endpoint's words come through, no crash."""
    (seen,), _ = look(here(*[answer] * 6))
    assert seen.id == "own-pod-login-failed"
    assert seen.values["said"] or answer == http(200, "{}")


def test_the_own_pod_asks_for_the_identity_that_is_known() -> None:
    """By the AzureIdentity's client id, else by the one of the run; without retries."""
    fake = wire(NOT_FOUND)
    look(own_pod(Each(), fake, Target(own_pod="tools/acrcheck-0", identity_client_id=OTHER_ID)))
    assert OTHER_ID in fake.asked[0].url
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    "answers",
    [
        (DENIED,),
        (SILENT,),
        (EMPTY,),
        (PAGE,),
        (LISTED, DENIED),
        (LISTED, registry("AbacRepositoryPermissions", "other.azurecr.io")),
    ],
)
def test_a_mode_that_may_not_be_read_is_not_guessed(answers: tuple[Reply, ...]) -> None:
    """Most identities may not; that is no fault."""
    with pytest.raises(NotApplicableError, match="no subscription shows the registry"):
        look(reading(*answers))


def test_the_settings_are_asked_for_only_where_the_registry_refuses() -> None:
    """And only of an Azure registry."""
    with pytest.raises(NotApplicableError, match="lets the identity pull"):
        look(reading(granted=True, given=True))
    with pytest.raises(NotApplicableError, match="is not asked with a token"):
        look(reading(host="harbor.example"))


def test_a_mode_that_is_new_is_not_told() -> None:
    """Nor is a policy whose state is no known one."""
    assert look(reading(LISTED, registry("Unheard")))[0] == []
    assert look(reading(LISTED, policies(quarantine={"status": "x"}), DENIED, granted=True))[0] == []


def test_what_a_firewall_lets_in_is_named_in_part() -> None:
    """A registry may have two hundred rules."""
    rules = [{"value": f"198.51.100.{number}"} for number in range(8)]
    seen, _ = look(reading(LISTED, registry(networkRuleSet={"defaultAction": "Deny", "ipRules": rules})))
    assert seen[0].values["rules"].endswith("198.51.100.4 and 3 more")


def test_regions_that_may_not_be_read_are_not_told() -> None:
    """A refusal says nothing of the number of replicas."""
    seen, _ = look(reading(LISTED, registry(), DENIED, granted=True))
    assert seen == []
