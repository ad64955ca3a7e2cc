"""The registry's answers: challenge, tokens and content."""

import base64
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from acrcheck.lab import images, tokens
from acrcheck.lab.azure import Account, RoleAssignment
from acrcheck.lab.clock import START, LabClock
from acrcheck.lab.rsa import RsaSigner
from tests.unit.lab import worlds
from tests.unit.lab.worlds import RegistryBench as Bench
from tests.unit.lab.worlds import get

BASE = "https://labreg.azurecr.io"
PULL = worlds.PULL
MINUTE = timedelta(minutes=1)
NAME_UNKNOWN = (
    '"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"name":"library/busybox"}'
)
VISIT = "authentication required, visit https://aka.ms/acr/authorization for more information."
GUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def claims_of(token: str) -> tokens.Claims:
    """The claims, which must be there."""
    claims = tokens.claims_of(token)
    assert claims is not None
    return claims


def granted(response: httpx.Response) -> list[Any]:
    """What an access token allows."""
    assert response.status_code == 200
    access: list[Any] = claims_of(response.json()["access_token"])["access"]
    return access


# -- challenge


def test_the_challenge_has_acrs_shape() -> None:
    """No blank after the comma, no scope, and the headers around it."""
    response = get(Bench().hosts, f"{BASE}/v2/")

    assert response.status_code == 401
    assert (b"Www-Authenticate", f'Bearer realm="{BASE}/oauth2/token",service="{worlds.LOGIN}"'.encode()) in (
        response.headers.raw
    )
    assert response.headers["server"] == "openresty"
    assert response.headers["docker-distribution-api-version"] == "registry/2.0"
    assert response.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers.get_list("access-control-expose-headers") == [
        "Docker-Content-Digest",
        "WWW-Authenticate",
        "Link",
        "X-Ms-Correlation-Request-Id",
    ]
    correlation = response.headers["x-ms-correlation-request-id"]
    assert re.fullmatch(GUID, correlation)
    assert response.text == (
        f'{{"errors":[{{"code":"UNAUTHORIZED","message":"{VISIT} CorrelationId: {correlation}"}}]}}\n'
    )


@pytest.mark.parametrize(
    ("path", "scope", "detail"),
    [
        (
            "/v2/coder/envbox/manifests/1.2.3",
            "repository:coder/envbox:pull",
            '{"Type":"repository","Name":"coder/envbox","Action":"pull"}',
        ),
        (
            "/v2/coder/envbox/tags/list",
            "repository:coder/envbox:metadata_read",
            '{"Type":"repository","Name":"coder/envbox","Action":"metadata_read"}',
        ),
        ("/v2/_catalog", "registry:catalog:*", '{"Type":"registry","Name":"catalog","Action":"*"}'),
    ],
)
def test_a_resource_names_the_missing_action(path: str, scope: str, detail: str) -> None:
    """In the challenge and in the body's detail, which ends with a newline."""
    response = get(Bench().hosts, BASE + path)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == (
        f'Bearer realm="{BASE}/oauth2/token",service="{worlds.LOGIN}",scope="{scope}"'
    )
    correlation = response.headers["x-ms-correlation-request-id"]
    assert response.text == (
        f'{{"errors":[{{"code":"UNAUTHORIZED","message":"{VISIT} CorrelationId: {correlation}",'
        f'"detail":[{detail}]}}]}}\n'
    )


def test_a_rejected_token_is_told_why() -> None:
    """`invalid_token` when it is none, `insufficient_scope` when it does not reach."""
    bench = Bench()
    path = f"{BASE}/v2/{worlds.IMAGE}/tags/list"
    invalid = get(bench.hosts, path, {"Authorization": "Bearer abc"})
    short = get(bench.hosts, path, bench.bearer(f"repository:{worlds.IMAGE}:pull"))

    assert invalid.headers["www-authenticate"].endswith(',error="invalid_token"')
    assert short.headers["www-authenticate"].endswith(',error="insufficient_scope"')
    assert invalid.status_code == short.status_code == 401


def test_the_base_answers_a_valid_token() -> None:
    """200 with an empty object; a null GUID with the refresh token as Basic is refused."""
    bench = Bench()
    assert bench.get("/v2/").text == "{}"

    basic = base64.b64encode(
        f"00000000-0000-0000-0000-000000000000:{bench.refresh_token()}".encode()
    ).decode()
    assert get(bench.hosts, f"{BASE}/v2/", {"Authorization": f"Basic {basic}"}).status_code == 401


# -- exchange


def test_the_exchange_gives_a_refresh_token_for_three_hours() -> None:
    """With the claims of a refresh token of this registry."""
    bench = Bench()

    response = bench.exchange()

    assert response.status_code == 200
    assert list(response.json()) == ["refresh_token"]
    assert response.text.endswith('"}')
    claims = claims_of(response.json()["refresh_token"])
    assert (claims["iss"], claims["aud"]) == ("Azure Container Registry", worlds.LOGIN)
    assert (claims["grant_type"], claims["tenant"], claims["version"]) == (
        "refresh_token",
        worlds.TENANT,
        "1.0",
    )
    assert claims["exp"] - claims["nbf"] == 3 * 3600
    assert claims["permissions"] == {"actions": ["metadata_read", "pull"], "notActions": None}


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant": worlds.TENANT},
        {"grant_type": "access_token_refresh_token"},
        {"service": worlds.LOGIN.upper()},
    ],
)
def test_the_forms_of_older_clients_are_accepted(changes: dict[str, str]) -> None:
    """A tenant, and the deprecated grant."""
    assert Bench().exchange(**changes).status_code == 200


@pytest.mark.parametrize(
    "changes", [{"grant_type": "password"}, {"service": "other.azurecr.io"}, {"access_token": ""}]
)
def test_a_form_that_lacks_something_is_400(changes: dict[str, str]) -> None:
    """Before any token is looked at."""
    assert Bench().exchange(**changes).status_code == 400


def test_the_exchange_wants_a_posted_form() -> None:
    """GET does not exist, JSON is not understood."""
    hosts = Bench().hosts

    assert get(hosts, f"{BASE}/oauth2/exchange").status_code == 404
    assert hosts(httpx.Request("POST", f"{BASE}/oauth2/exchange", json={})).status_code == 400


def check_unauthorized(response: httpx.Response) -> None:
    """The token service's 401: no detail, and the few headers of that service."""
    correlation = response.headers["x-ms-correlation-request-id"]
    assert response.status_code == 401
    assert response.text == (
        f'{{"errors":[{{"code":"UNAUTHORIZED","message":"{VISIT} CorrelationId: {correlation}"}}]}}'
    )
    assert [name.decode() for name, _ in response.headers.raw] == [
        "Server",
        "Date",
        "Content-Type",
        "X-Ms-Correlation-Request-Id",
        "Strict-Transport-Security",
        "Content-Length",
    ]


def without_role(bench: Bench) -> None:
    """No role at all."""
    bench.azure.roles = []


def with_acrpull_on_abac(bench: Bench) -> None:
    """AcrPull on a registry that looks at repository roles."""
    bench.registry.role_mode = "abac"


def with_role_elsewhere(bench: Bench) -> None:
    """A role on another registry."""
    bench.azure.roles = [RoleAssignment(worlds.PRINCIPAL, "AcrPull", f"{worlds.REGISTRY}2")]


def in_another_tenant(bench: Bench) -> None:
    """The registry belongs to another tenant."""
    bench.registry.tenant_id = "another"


@pytest.mark.parametrize(
    "fault", [without_role, with_acrpull_on_abac, with_role_elsewhere, in_another_tenant]
)
def test_an_identity_without_a_role_is_refused_at_the_exchange(fault: Any) -> None:
    """401 here, whichever audience, and not only later."""
    bench = Bench()
    fault(bench)

    check_unauthorized(bench.exchange())
    check_unauthorized(bench.exchange(worlds.ARM_RESOURCE))


def test_arm_tokens_can_be_switched_off() -> None:
    """By default both audiences are accepted; then only the registry's own."""
    bench = Bench()
    assert bench.exchange(worlds.ARM_RESOURCE).status_code == 200

    bench.registry.arm_audience_enabled = False

    check_unauthorized(bench.exchange(worlds.ARM_RESOURCE))
    assert bench.exchange(worlds.ACR_RESOURCE).status_code == 200


def test_foreign_expired_and_unfit_tokens_are_refused() -> None:
    """Not signed by the directory, too old, or for another audience."""
    bench = Bench()
    old = worlds.token(bench.azure, bench.clock)
    check_unauthorized(bench.exchange(access_token="a.b.c"))
    check_unauthorized(bench.exchange("https://vault.azure.net"))
    bench.clock.sleep(25 * 3600)
    check_unauthorized(bench.exchange(access_token=old))


def test_a_role_may_still_be_on_its_way() -> None:
    """The same request works once the assignment has been propagated."""
    bench = Bench()
    bench.azure.roles[0].effective_at = bench.clock.now() + timedelta(minutes=10)
    check_unauthorized(bench.exchange())

    bench.clock.sleep(600)

    assert bench.exchange().status_code == 200


# -- firewall


@pytest.mark.parametrize("path", ["/v2/", "/oauth2/exchange", "/oauth2/token", "/v2/coder/envbox/tags/list"])
def test_the_firewall_names_the_address_everywhere(path: str) -> None:
    """403 with DENIED on every path, before anything else is looked at."""
    bench = Bench()
    bench.registry.ip_rules = ["10.0.0.0/8"]

    response = get(bench.hosts, BASE + path, client="20.249.167.56")

    correlation = response.headers["x-ms-correlation-request-id"]
    assert response.status_code == 403
    assert response.text.rstrip("\n") == (
        '{"errors":[{"code":"DENIED","message":"client with IP \'20.249.167.56\' is not allowed access. '
        f'Refer https://aka.ms/acr/firewall to grant access. CorrelationId: {correlation}"}}]}}'
    )
    assert get(bench.hosts, BASE + path, client="10.1.2.3").status_code != 403


def test_anonymous_pull_gives_a_token_to_who_shows_nothing() -> None:
    """Only where it is switched on; a credential that is shown still has to be a good one."""
    bench = Bench()
    url = f"{BASE}/oauth2/token?service=registry&scope=repository:{worlds.IMAGE}:pull"

    assert get(bench.hosts, url).status_code == 401
    bench.registry.anonymous_pull = True
    assert granted(get(bench.hosts, url)) == [
        {"type": "repository", "name": worlds.IMAGE, "actions": ["pull"]}
    ]
    assert get(bench.hosts, url, headers={"Authorization": "Basic eDp5"}).status_code == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, 200), ({"enabled": False}, 401), ({"expires": START}, 401), ({"expires": START + MINUTE}, 200)],
)
def test_a_token_logs_in_while_it_is_enabled_and_its_password_has_not_expired(
    changes: dict[str, Any], status: int
) -> None:
    """Afterwards it is refused as a wrong password is."""
    bench = Bench()
    bench.registry.accounts = [Account("puller", "word", **changes)]

    assert by_name(bench, worlds.IMAGE).status_code == status


@pytest.mark.parametrize(
    ("repositories", "holds"),
    [
        ([], True),
        ([worlds.IMAGE], True),
        (["coder/*"], True),
        (["team/*"], False),
        ([f"{worlds.IMAGE}-x"], False),
    ],
)
def test_a_scope_map_decides_by_repository(repositories: list[str], holds: bool) -> None:
    """What it does not name is left out of the token, which is given all the same."""
    bench = Bench()
    bench.registry.accounts = [Account("puller", "word", ["pull"], repositories)]

    entry = {"type": "repository", "name": worlds.IMAGE, "actions": ["pull"]}
    assert granted(by_name(bench, worlds.IMAGE)) == ([entry] if holds else [])


def by_name(bench: Bench, repository: str) -> httpx.Response:
    """Ask for a token to pull with, as puller."""
    url = f"{BASE}/oauth2/token?service={worlds.LOGIN}&scope=repository:{repository}:pull"
    basic = base64.b64encode(b"puller:word").decode()
    return get(bench.hosts, url, headers={"Authorization": f"Basic {basic}"})


# -- access tokens


def test_an_access_token_says_what_it_allows_for_75_minutes() -> None:
    """Decoding it is the only proof of a permission."""
    response = Bench().token()

    assert list(response.json()) == ["access_token"]
    claims = claims_of(response.json()["access_token"])
    assert (claims["iss"], claims["aud"]) == ("Azure Container Registry", worlds.LOGIN)
    assert claims["grant_type"] == "access_token"
    assert claims["exp"] - claims["nbf"] == 4500
    assert claims["access"] == [
        {"type": "repository", "name": worlds.IMAGE, "actions": ["pull", "metadata_read"]}
    ]
    assert {"sub", "iat", "jti"} < claims.keys()


def test_more_than_is_granted_is_silently_left_out() -> None:
    """200 all the same: push and delete are missing from the token."""
    scope = f"repository:{worlds.IMAGE}:pull,push,metadata_write,metadata_read,delete"

    assert granted(Bench().token(scope))[0]["actions"] == ["pull", "metadata_read"]


def test_several_scopes_and_unknown_ones() -> None:
    """Repeated fields and blanks both separate scopes; what means nothing grants nothing."""
    bench = Bench()
    one, two = "repository:a:pull", "repository:b:pull"

    assert [a["name"] for a in granted(bench.token([one, two]))] == ["a", "b"]
    assert [a["name"] for a in granted(bench.token(f"{one} {two}"))] == ["a", "b"]
    assert granted(bench.token("registry:None:*")) == []
    assert granted(bench.token("registry:catalog:*")) == [
        {"type": "registry", "name": "catalog", "actions": ["*"]}
    ]


def abac(bench: Bench, role: str, *repositories: str) -> None:
    """Make it an ABAC registry with one role."""
    bench.registry.role_mode = "abac"
    bench.azure.roles = [
        RoleAssignment(worlds.PRINCIPAL, role, worlds.REGISTRY, repositories=list(repositories))
    ]


def test_abac_grants_by_repository() -> None:
    """The exchange succeeds with a role somewhere; the token is empty for other repositories."""
    bench = Bench()
    abac(bench, "Container Registry Repository Reader", "team/*")

    assert granted(bench.token()) == []
    assert granted(bench.token("repository:team/x:pull,metadata_read"))[0]["actions"] == [
        "pull",
        "metadata_read",
    ]
    assert granted(bench.token("registry:catalog:*")) == []


def test_abac_lists_with_a_role_of_its_own() -> None:
    """The Catalog Lister may list and nothing else."""
    bench = Bench()
    abac(bench, "Container Registry Repository Catalog Lister")

    assert granted(bench.token("registry:catalog:*"))[0]["actions"] == ["*"]
    assert granted(bench.token()) == []


def test_an_ungranted_scope_may_be_refused_instead() -> None:
    """The other way in which the service might answer."""
    bench = Bench()
    abac(bench, "Container Registry Repository Reader", "team/*")
    bench.registry.refuses_ungranted_scope = True

    check_unauthorized(bench.token())


def test_the_token_endpoint_also_takes_get_with_basic() -> None:
    """The null GUID says that the password is a refresh token."""
    bench = Bench()
    url = f"{BASE}/oauth2/token?service={worlds.LOGIN}&scope={PULL}"

    def ask(user: str) -> httpx.Response:
        basic = base64.b64encode(f"{user}:{bench.refresh_token()}".encode()).decode()
        return get(bench.hosts, url, {"Authorization": f"Basic {basic}"})

    assert granted(ask("00000000-0000-0000-0000-000000000000"))[0]["name"] == worlds.IMAGE
    check_unauthorized(ask("labreg"))
    check_unauthorized(get(bench.hosts, url))
    check_unauthorized(get(bench.hosts, url, {"Authorization": "Basic !"}))


def test_unfit_refresh_tokens_are_refused() -> None:
    """An access token in its place, one that is over, or of an identity that has lost its role."""
    bench = Bench()
    refresh = bench.refresh_token()
    check_unauthorized(bench.token(refresh_token=bench.token().json()["access_token"]))
    check_unauthorized(bench.token(grant_type="password"))
    assert bench.token(grant_type="").status_code == 400
    assert bench.token(service="other").status_code == 400
    bench.azure.roles = []
    check_unauthorized(bench.token(refresh_token=refresh))
    bench.azure.roles = worlds.azure().roles
    bench.clock.sleep(3 * 3600)
    check_unauthorized(bench.token(refresh_token=refresh))


def test_an_access_token_ends() -> None:
    """After 75 minutes the content is closed again."""
    bench = Bench()
    header = bench.bearer()
    bench.clock.sleep(4500)

    response = get(bench.hosts, f"{BASE}/v2/", header)

    assert response.status_code == 401
    assert response.headers["www-authenticate"].endswith('error="invalid_token"')


# -- content


def test_tags_and_repositories_are_listed() -> None:
    """By name, in pages when asked, with a Link to the next."""
    bench = Bench()
    for tag in ("1.2.4", "latest"):
        images.push(bench.registry, worlds.IMAGE, tag)
    path = f"/v2/{worlds.IMAGE}/tags/list"

    assert bench.get(path).json() == {"name": worlds.IMAGE, "tags": ["1.2.3", "1.2.4", "latest"]}
    page = bench.get(f"{path}?n=2")
    assert page.json()["tags"] == ["1.2.3", "1.2.4"]
    target = page.headers["link"].partition(">")[0].lstrip("<")
    rest = bench.get(target)
    assert rest.json()["tags"] == ["latest"]
    assert "link" not in rest.headers
    assert bench.get("/v2/_catalog", "registry:catalog:*").json() == {"repositories": [worlds.IMAGE]}


def test_a_manifest_comes_by_tag_and_by_digest() -> None:
    """Byte for byte what its digest was made of, with type, digest and length; HEAD gives the headers alone."""
    bench = Bench()
    path = f"/v2/{worlds.IMAGE}/manifests/"

    by_tag = bench.get(f"{path}1.2.3")
    digest = by_tag.headers["docker-content-digest"]
    by_digest = bench.get(path + digest)
    head = bench.hosts(httpx.Request("HEAD", f"{BASE}{path}1.2.3", headers=bench.bearer()))

    assert by_tag.headers["content-type"] == images.OCI_INDEX
    assert images.digest_of(by_tag.content) == digest
    assert by_digest.content == by_tag.content
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(by_tag.content))
    assert head.headers["docker-content-digest"] == digest


@pytest.mark.parametrize(
    ("path", "scope", "error"),
    [
        (
            "/v2/coder/envbox/manifests/9.9",
            PULL,
            r'"MANIFEST_UNKNOWN","message":"manifest tagged by \"9.9\" is not found","detail":{"Tag":"9.9"}',
        ),
        (
            "/v2/coder/envbox/manifests/sha256:00",
            PULL,
            (
                '"MANIFEST_UNKNOWN","message":"manifest sha256:00 is not found",'
                '"detail":{"Name":"coder/envbox","Revision":"sha256:00"}'
            ),
        ),
        ("/v2/library/busybox/tags/list", "repository:library/busybox:metadata_read", NAME_UNKNOWN),
        ("/v2/library/busybox/manifests/1", "repository:library/busybox:pull", NAME_UNKNOWN),
        ("/v2/library/busybox/blobs/sha256:00", "repository:library/busybox:pull", NAME_UNKNOWN),
        (
            "/v2/coder/envbox/blobs/sha256:00",
            PULL,
            '"BLOB_UNKNOWN","message":"blob unknown to registry","detail":"sha256:00"',
        ),
    ],
)
def test_what_does_not_exist_is_404_in_its_own_words(path: str, scope: str, error: str) -> None:
    """Tag, digest, repository and blob each differently; a newline ends the body."""
    response = Bench().get(path, scope)

    assert (response.status_code, response.text) == (404, f'{{"errors":[{{"code":{error}}}]}}\n')


def test_writing_is_not_supported_and_needs_push() -> None:
    """401 without the right, 405 with it."""
    bench = Bench()
    request = httpx.Request("PUT", f"{BASE}/v2/{worlds.IMAGE}/manifests/x", headers=bench.bearer())
    assert bench.hosts(request).status_code == 401

    bench.azure.roles[0].role = "AcrPush"
    header = bench.bearer(f"repository:{worlds.IMAGE}:push")
    request = httpx.Request("PUT", f"{BASE}/v2/{worlds.IMAGE}/manifests/x", headers=header)
    assert bench.hosts(request).status_code == 405


def test_other_paths_do_not_exist() -> None:
    """404 outside of the API, too."""
    for path in ("/", "/v2/a", "/v2/a/b/c"):
        assert get(Bench().hosts, BASE + path).status_code == 404


# -- with a real registry behind


def test_a_real_registry_can_hold_the_content() -> None:
    """It sees the client's own token for manifests and uploads, and the data host's own for layers."""
    seen: list[httpx.Request] = []

    def backend(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"content")

    signer = RsaSigner.generate(LabClock().now())
    bench = Bench(signer=signer, backend=backend)
    bench.azure.roles[0].role = "AcrPush"
    header = bench.bearer(f"repository:{worlds.IMAGE}:pull,push")

    manifest = get(bench.hosts, f"{BASE}/v2/{worlds.IMAGE}/manifests/1", header)
    upload = bench.hosts(httpx.Request("POST", f"{BASE}/v2/{worlds.IMAGE}/blobs/uploads/", headers=header))
    redirect = get(bench.hosts, f"{BASE}/v2/{worlds.IMAGE}/blobs/sha256:abc", header)
    layer = get(bench.hosts, redirect.headers["location"])

    assert manifest.content == upload.content == layer.content == b"content"
    assert [(r.method, r.url.path) for r in seen] == [
        ("GET", f"/v2/{worlds.IMAGE}/manifests/1"),
        ("POST", f"/v2/{worlds.IMAGE}/blobs/uploads/"),
        ("GET", f"/v2/{worlds.IMAGE}/blobs/sha256:abc"),
    ]
    assert seen[0].headers["authorization"] == header["Authorization"]
    for request in seen:
        token = request.headers["authorization"].removeprefix("Bearer ")
        claims = tokens.verified(signer, token)
        assert claims is not None
        assert claims["iss"] == "Azure Container Registry"
        assert claims["access"][0]["name"] == worlds.IMAGE


def test_the_real_registrys_catalog_is_passed_on() -> None:
    """Once the token allows listing."""
    bench = Bench(backend=lambda _request: httpx.Response(200, json={"repositories": ["real"]}))

    assert bench.get("/v2/_catalog", "registry:catalog:*").json() == {"repositories": ["real"]}


@pytest.mark.parametrize(
    ("name", "rest", "code"),
    [
        (worlds.IMAGE, "manifests/9", "MANIFEST_UNKNOWN"),
        ("other", "manifests/9", "NAME_UNKNOWN"),
        ("other", "tags/list", "NAME_UNKNOWN"),
    ],
)
def test_what_the_real_registry_lacks_is_told_in_acrs_words(name: str, rest: str, code: str) -> None:
    """Its own 404s differ; the headers around the answer are the front's in any case."""
    known = f"/v2/{worlds.IMAGE}/tags/list"

    def backend(request: httpx.Request) -> httpx.Response:
        if request.url.path == known:
            return httpx.Response(200, headers={"Server": "real"}, json={"tags": []})
        return httpx.Response(404, json={"errors": [{"code": "UNKNOWN"}]})

    bench = Bench(backend=backend)
    response = bench.get(f"/v2/{name}/{rest}", f"repository:{name}:pull,metadata_read")

    assert (response.status_code, response.json()["errors"][0]["code"]) == (404, code)
    assert bench.get(known).headers.get_list("server") == ["openresty"]
