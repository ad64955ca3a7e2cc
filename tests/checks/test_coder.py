"""Coder's own view, by answers of its API that a test says."""

import json
from datetime import timedelta
from typing import Any

import pytest

from acrcheck.api import (
    CannotLookError,
    Each,
    Failure,
    Looking,
    NotApplicableError,
    Response,
    Subject,
    Target,
    Trouble,
)
from acrcheck.facts import (
    CoderApi,
    CoderEntries,
    CoderUser,
    Image,
    RefreshToken,
    Workload,
    Workspaces,
)
from checks.coder import CHECKS, api, entries, flag, tags, user
from tests.checks import looking
from tests.checks.looking import (
    NOW,
    Case,
    Clock,
    FakeWire,
    declared,
    deployment,
    http,
    known,
    look,
    refuse_unseen,
    unknown,
    wire,
)

URL = "https://coder.example.com"
HOST = "acme.azurecr.io"
ASKING = Target(coder_url=URL, coder_token="<opaque:1>", registry=HOST)
API = CoderApi(URL, "1.44.3", "v1")
V2 = CoderApi(URL, "v2.20.0", "v2")
MANAGER, MEMBER = CoderUser(frozenset({"site-manager"})), CoderUser(frozenset({"site-member"}))
ENTRY = {"id": "r1", "organization_id": "o1", "friendly_name": "acr", "registry": HOST}
IMAGE = {"id": "i1", "repository": "coder/envbox", "registry": {"id": "r1"}}
OLD, NEW = NOW - timedelta(hours=9), NOW - timedelta(minutes=20)


def text(body: Any, status: int = 200) -> Any:
    """An answer of JSON."""
    return http(status, json.dumps(body))


VERSION, V2_VERSION = text({"version": "1.44.3"}), text({"version": "v2.20.0+0a1b2c3"})
NOTHING = text({}, 404)


def coderd(
    image: str = "docker.io/coderenvs/coder-service:1.44.3",
    *,
    v2: bool = False,
    coder: bool = True,
    label: str | None = "coder",
) -> Workload:
    """The control plane with that image, and that label on its pods."""
    labels = {} if label is None else {looking.LABEL: label}
    spec = {"containers": [{"name": "coderd", "image": image}]}
    manifest = deployment(template={"metadata": {"labels": labels}, "spec": spec})
    return Workload("deployment", "coderd", looking.NAMESPACE, manifest, coder and not v2, v2)


def asked(*answers: Any, v2: bool = False, target: Target = ASKING) -> Looking[CoderApi]:
    """Ask the API for its version."""
    return api(coderd(v2=v2), target, wire(*answers))


def switch(
    *answers: Any,
    roles: CoderUser = MANAGER,
    label: str | None = "coder",
    image: str = "docker.io/coderenvs/coder-service:1.44.3",
    target: Target = ASKING,
) -> Looking[None]:
    """Look at the switch."""
    found = known(API) if target.coder_url else unknown()
    return flag(coderd(image, label=label), found, known(roles), target, wire(*answers))


def audit(word: str) -> Any:
    """The audit log's answer."""
    return text([{"action": "write", "target": "features", "field": "azure auth aad", "diff": word}])


def listed(
    *registries: Any, roles: CoderUser = MANAGER, target: Target = ASKING
) -> Looking[CoderEntries | None]:
    """Look for the registry's entry among these."""
    fake = wire(text([{"id": "o1"}]), text(list(registries)))
    return entries(coderd(), known(API), known(roles), Each(), unknown(), target, fake)


def fresh(*times: Any, images: Any = (IMAGE,), let_in: bool = True) -> Looking[None]:
    """Look at tags that were looked up at these times."""
    shown = [{"tag": f"t{place}", "hash_last_updated_at": str(time)} for place, time in enumerate(times)]
    path = (Subject("pod/a"), RefreshToken("<jwt:1>"))
    held = CoderEntries(HOST, (ENTRY,))
    fake = wire(text(list(images)), text(shown))
    return tags(API, held, Each((path,) if let_in else ()), ASKING, Clock(), fake)


def until_it_cannot(check: Looking[Any]) -> tuple[list[str], str]:
    """What a check sees before it says that it cannot look, or need not; and why."""
    ids = []
    try:
        for observation in check:
            ids.append(observation.id)  # noqa: PERF401 - what came before the exception is kept
    except (CannotLookError, NotApplicableError) as error:
        return ids, error.reason
    return ids, ""


CASES: dict[tuple[str, str], Case] = {
    ("coder-api", "coder-version"): lambda: asked(VERSION),
    ("coder-api", "coder-url-of-other-version"): lambda: asked(text({"version": "1.43.0"})),
    ("coder-token", "coder-role-too-low"): lambda: user(API, ASKING, wire(text({"roles": ["site-member"]}))),
    ("coder-flag", "coder-one-flag-only"): lambda: switch(image="coder-service:1.26.0", target=Target()),
    ("coder-flag", "coder-flag-off"): lambda: switch(audit("disabled")),
    ("coder-flag", "coder-flag-off-unused"): lambda: switch(audit("disabled"), label=None),
    ("coder-flag", "coder-flag-on"): lambda: switch(audit("enabled")),
    ("coder-registry", "coder-registry-absent"): lambda: listed({**ENTRY, "registry": "docker.io"}),
    ("coder-registry", "coder-registry-differs"): lambda: listed({**ENTRY, "registry": "acme"}),
    ("coder-registry", "coder-registry-entry"): lambda: listed(ENTRY),
    ("coder-registry", "coder-registry-kind"): lambda: listed({**ENTRY, "kind": "whatever"}),
    ("coder-tags", "coder-no-images"): lambda: fresh(images=()),
    ("coder-tags", "coder-tags-stale"): lambda: fresh(OLD),
    ("coder-tags", "coder-tags-stale-too"): lambda: fresh(OLD, let_in=False),
    ("coder-tags", "coder-tag-stale"): lambda: fresh(OLD, NEW),
    ("coder-tags", "coder-tags-fresh"): lambda: fresh(NEW),
}
BLIND: dict[tuple[str, str], Case] = {
    ("coder-api", "coder-url-untrusted"): lambda: asked(Failure(Trouble.TLS, "self-signed certificate")),
    ("coder-api", "coder-url-login-page"): lambda: asked(
        http(302, location="https://login.example/x"), NOTHING
    ),
    ("coder-api", "coder-url-of-other-coder"): lambda: asked(NOTHING, V2_VERSION),
    ("coder-token", "coder-token-refused"): lambda: user(API, ASKING, wire(text({}, 401))),
    ("coder-token", "coder-v2-health"): lambda: user(V2, ASKING, wire(text({"severity": "ok"}))),
}
"""What is seen before a check says that it cannot look, or need not."""


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some world."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


@pytest.mark.parametrize(("check", "kind"), sorted(BLIND))
def test_what_keeps_it_from_looking_is_seen(check: str, kind: str) -> None:
    """The reason is told, and so is what to do about it."""
    ids, reason = until_it_cannot(BLIND[check, kind]())
    assert ids[-1] == kind
    assert reason


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) | set(BLIND) == declared(CHECKS)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((Failure(Trouble.UNRESOLVED, "Name or service not known"),), "does not answer: Name or service"),
        ((Failure(Trouble.CONNECT_TIMEOUT),), "does not answer: connect-timeout"),
        ((http(200, "<html>", "text/html"), NOTHING), "is not Coder's API"),
        ((text({"error": {"msg": "no"}}, 500), NOTHING), "HTTP 500: no"),
        ((http(200, "not json"), Failure(Trouble.TIMEOUT)), "is not Coder's API"),
    ],
)
def test_what_does_not_answer_as_coder_is_unknown(answers: tuple[Any, ...], reason: str) -> None:
    """Nothing is concluded of it."""
    with pytest.raises(CannotLookError, match=reason):
        look(asked(*answers))


def test_a_redirect_to_https_is_told_as_that() -> None:
    """The right address is in the answer."""
    target = Target(coder_url="http://coder.example.com")
    with pytest.raises(CannotLookError, match=r"leads to https://coder\.example\.com") as caught:
        look(
            asked(http(301, location="https://coder.example.com/api/private/version"), NOTHING, target=target)
        )
    assert caught.value.remedy == "--coder-url https://coder.example.com"


def test_the_version_is_asked_for_without_the_token() -> None:
    """Before it is known who answers, nobody is given a secret."""
    fake = wire(NOTHING, V2_VERSION)
    with pytest.raises(CannotLookError):
        look(api(coderd(), ASKING, fake))
    assert [question.headers for question in fake.asked] == [(("Accept", "application/json"),)] * 2


def test_version_2_of_a_workload_of_version_2_is_right() -> None:
    """Nothing is said against it."""
    manifest = coderd("ghcr.io/coder/coder:v2.20.0", v2=True)
    seen, fact = look(api(manifest, ASKING, wire(NOTHING, V2_VERSION)))
    assert (looking.ids(seen), fact.generation) == (["coder-version"], "v2")


def test_version_1_of_a_workload_of_version_2_is_another_coder() -> None:
    """As the other way round."""
    with pytest.raises(CannotLookError, match="that is Coder v2"):
        look(asked(VERSION, v2=True))


def test_without_an_address_the_clicks_are_named() -> None:
    """By the names that the interface of this version has."""
    with pytest.raises(NotApplicableError, match="--coder-url"):
        look(asked(target=Target()))
    with pytest.raises(
        NotApplicableError, match='Infrastructure > "Azure Registry Authentication" must be on'
    ):
        look(switch(image="coder-service:1.28.1", target=Target()))
    with pytest.raises(NotApplicableError, match=r"Images > Registries must list acme\.azurecr\.io"):
        look(entries(coderd(), unknown(), unknown(), Each(), unknown(), Target(registry=HOST), wire()))


def test_what_is_not_coders_has_no_api() -> None:
    """Nor a switch, nor an entry."""
    other = coderd(coder=False)
    for check in (
        api(other, ASKING, wire()),
        flag(other, unknown(), unknown(), ASKING, wire()),
        entries(other, unknown(), unknown(), Each(), unknown(), ASKING, wire()),
    ):
        with pytest.raises(NotApplicableError, match="is not Coder's"):
            look(check)


def test_without_a_token_it_is_said_where_one_is_read_from() -> None:
    """That is no failure."""
    with pytest.raises(NotApplicableError, match="--coder-token-file"):
        look(user(API, Target(coder_url=URL), wire()))


def test_a_session_token_goes_in_the_header_of_its_version() -> None:
    """As a handle, and nowhere else."""
    fake = wire(text({"roles": ["site-admin"]}))
    assert look(user(API, ASKING, fake)) == ([], CoderUser(frozenset({"site-admin"})))
    assert fake.asked[0].headers[1] == ("Session-Token", "<opaque:1>")
    newer = wire(text({"severity": "ok"}))
    with pytest.raises(NotApplicableError, match="has no registries"):
        look(user(V2, ASKING, newer))
    assert newer.asked[0].headers[1] == ("Coder-Session-Token", "<opaque:1>")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (text({"roles": "site-manager"}), "tells no roles"),
        (text([]), "no JSON that can be read"),
        (http(200, "<!doctype html>", "text/html"), "a page for people"),
        (text({"error": {"msg": "down"}}, 503), "HTTP 503: down"),
        (Failure(Trouble.TIMEOUT), "gives no answer: timeout"),
    ],
)
def test_a_user_that_is_not_told_is_unknown(answer: Any, reason: str) -> None:
    """Malformed answers are no roles."""
    with pytest.raises(CannotLookError, match=reason):
        look(user(API, ASKING, wire(answer)))


def test_an_owner_of_version_2_is_needed_for_its_health() -> None:
    """Whoever is none is told so."""
    ids, reason = until_it_cannot(user(V2, ASKING, wire(text({}, 403))))
    assert ids == ["coder-role-too-low"]
    assert "has no registries" in reason


@pytest.mark.parametrize(
    ("answer", "roles", "reason"),
    [
        (text([]), MANAGER, "do not name it"),
        (audit("changed"), MANAGER, "not its state"),
        (text({}, 403), MANAGER, "HTTP 403"),
        (None, MEMBER, "is for site managers"),
    ],
)
def test_a_switch_that_the_log_does_not_tell_is_unknown_with_the_click(
    answer: Any, roles: CoderUser, reason: str
) -> None:
    """No public API has it, so it is never guessed."""
    with pytest.raises(CannotLookError, match=reason) as caught:
        look(switch(*([answer] if answer else []), roles=roles))
    assert "by hand: Manage > Admin > Infrastructure" in caught.value.reason


def test_an_api_that_could_not_be_asked_leaves_the_switch_unknown() -> None:
    """An address and a token were given, so it is no skip."""
    with pytest.raises(CannotLookError, match="by hand"):
        look(flag(coderd(), known(API), unknown(), ASKING, wire()))


def test_an_auditor_may_read_the_log() -> None:
    """Though not all registries."""
    seen, _ = look(switch(audit("enabled"), roles=CoderUser(frozenset({"site-auditor"}))))
    assert looking.ids(seen) == ["coder-flag-on"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"https://{HOST}", "begins with https://"),
        ("acme", "the registry's name and not its host"),
        (f"{HOST}/coder", "its path"),
        (f"{HOST}:443", "names port 443"),
        ("acme.azurecr.oi", "another host"),
    ],
)
def test_an_entry_that_was_meant_says_what_is_wrong_with_it(name: str, why: str) -> None:
    """The host of an entry is the login server and nothing more."""
    ((seen,), fact) = look(listed({**ENTRY, "registry": name}))
    assert (seen.id, fact) == ("coder-registry-differs", None)
    assert why in seen.text


def test_hosts_are_equal_whatever_their_case() -> None:
    """An entry in capitals is the same registry."""
    assert look(listed({**ENTRY, "registry": HOST.upper()}))[1] is not None


def test_who_is_not_shown_all_entries_does_not_say_that_there_is_none() -> None:
    """A member sees what a member sees."""
    with pytest.raises(CannotLookError, match="is not shown all of them"):
        look(listed({**ENTRY, "registry": "docker.io"}, roles=MEMBER))


def test_the_registry_is_found_by_an_image_of_coder_or_of_a_workspace() -> None:
    """What is named comes first; of images only Azure's count."""
    pod = looking.pod(spec={"containers": [{"image": "docker.io/x"}, {"image": f"{HOST}/y:1"}, {}, None]})
    spaces = known(Workspaces((pod,)))
    images = Each(((Subject("i"), Image("docker.io/coderenvs/coder-service:1.44.3", (), None)),))
    bare = Target(coder_url=URL, coder_token="<opaque:1>")
    for target, found in ((bare, HOST), (Target(coder_url=URL, image="x.example/y:1"), "x.example")):
        fake = wire(text([{"id": "o1"}]), text([{**ENTRY, "registry": found}]))
        _, fact = look(entries(coderd(), known(API), known(MANAGER), images, spaces, target, fake))
        assert fact
        assert fact.host == found


def test_without_any_registry_every_entry_of_azure_counts() -> None:
    """And where there is none, one has to be named."""
    bare = Target(coder_url=URL, coder_token="<opaque:1>")
    assert look(listed(ENTRY, target=bare))[1] is not None
    with pytest.raises(NotApplicableError, match="--registry"):
        look(listed({**ENTRY, "registry": "docker.io"}, target=bare))


@pytest.mark.parametrize(
    "answer", [text({}), text({"error": {"msg": "x"}}, 500), http(200, "<html>", "text/html")]
)
def test_a_list_that_is_none_is_unknown(answer: Any) -> None:
    """It is not an empty one."""
    with pytest.raises(CannotLookError, match="/api/v0/orgs gives"):
        look(entries(coderd(), known(API), known(MANAGER), Each(), unknown(), ASKING, wire(answer)))


def test_a_list_that_was_cut_off_is_unknown() -> None:
    """What is missing may be what is looked for."""
    cut = Response(200, (("content-type", "application/json"),), "[]", cut=True)
    with pytest.raises(CannotLookError, match="more than can be read"):
        look(entries(coderd(), known(API), known(MANAGER), Each(), unknown(), ASKING, wire(cut)))


@pytest.mark.parametrize(
    ("times", "ids"),
    [
        ((NOW - timedelta(hours=2),), ["coder-tags-fresh"]),
        ((NOW - timedelta(hours=2, seconds=1),), ["coder-tags-stale"]),
        ((NEW, OLD, OLD), ["coder-tags-fresh", "coder-tag-stale", "coder-tag-stale"]),
    ],
)
def test_the_newest_tag_tells_whether_coder_keeps_up(times: tuple[Any, ...], ids: list[str]) -> None:
    """One that is old beside others is itself the matter."""
    assert looking.sight(fresh(*times)) == ids


@pytest.mark.parametrize("times", [(), ("yesterday",), (None,)])
def test_tags_without_a_time_are_unknown(times: tuple[Any, ...]) -> None:
    """They are not old."""
    with pytest.raises(CannotLookError, match="malformed"):
        look(fresh(*times))


def test_images_of_other_registries_do_not_count() -> None:
    """Docker Hub's tags say nothing of Azure's."""
    assert looking.sight(fresh(NEW, images=({**IMAGE, "registry": {"id": "other"}}, {}))) == [
        "coder-no-images"
    ]


def test_nothing_but_get_is_ever_asked() -> None:
    """A look changes nothing."""
    fake = FakeWire(by=lambda _: text([]))
    look(entries(coderd(), known(API), known(MANAGER), Each(), unknown(), ASKING, fake))
    look(tags(API, CoderEntries(HOST, (ENTRY,)), Each(), ASKING, Clock(), fake))
    assert {question.method for question in fake.asked} == {"GET"}
