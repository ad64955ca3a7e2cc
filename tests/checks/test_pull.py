"""What the kubelet pulls with."""

from typing import Any

import pytest

from acrcheck.api import (
    SECRETS,
    SERVICE_ACCOUNTS,
    CannotLookError,
    Each,
    Looking,
    NotApplicableError,
    Target,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.image import parse_image
from acrcheck.facts import (
    AccessToken,
    Challenged,
    Claim,
    Image,
    Keyring,
    Manifest,
    NamedSecret,
    PullSecret,
    Route,
)
from checks.given import given, here, verdict
from checks.pull import CHECKS, images, keyring, pull_secret, secret_names
from tests.checks.looking import (
    NAMESPACE,
    NOW,
    Case,
    Clock,
    FakeCluster,
    declared,
    deployment,
    each,
    ids,
    look,
    pod,
    refuse_unseen,
    refused,
    sight,
    thing,
    unknown,
    workload,
)

HOST = "acme.azurecr.io"
REFERENCE = f"{HOST}/coder/coderd:1.44"
IMAGE = Image(REFERENCE, ("coderd",), parse_image(REFERENCE))
NAME = NamedSecret("acr", NAMESPACE, "deployment/coderd")
JSON = "kubernetes.io/dockerconfigjson"
END = int(NOW.timestamp())
HANDLE = "<opaque:1>"


def entry(key: str = HOST, username: str = "acme", password: str = HANDLE, **more: Any) -> dict[str, Any]:
    """A credential, as it may be seen."""
    return {"key": key, "username": username, "password": password, "claims": {}, "remarks": [], **more}


def secret(*entries: dict[str, Any], kind: str = JSON, problem: str = "") -> dict[str, Any]:
    """A Secret, as the cluster door gives it."""
    return thing("acr") | {"type": kind, "problem": problem, "entries": list(entries)}


def linting(*secrets: dict[str, Any]) -> Looking[PullSecret]:
    """Look at the pull secret."""
    found = Each(((IMAGE.subject, IMAGE),))
    return pull_secret(NAME, found, FakeCluster({"secrets": list(secrets)}), Clock())


def remarked(*remarks: str, **more: Any) -> Looking[PullSecret]:
    """Look at a pull secret of which this is remarked."""
    return linting(secret(entry(remarks=list(remarks), **more)))


def naming(spec: dict[str, Any], *pods: Any, account: Any = None) -> Looking[Each[NamedSecret]]:
    """Find the names of the pull secrets."""
    cluster = FakeCluster({"serviceaccounts": [thing("default") | (account or {})]})
    return secret_names(workload(deployment(template={"spec": spec})), each(*pods), cluster)


def taking(*entries: dict[str, Any], image: Image = IMAGE, problem: str = "") -> Looking[Keyring]:
    """Build the keyring from one pull secret."""
    held = PullSecret("acr", problem, entries)
    return keyring(image, Each(((NAME.subject, NAME),)), Each(((NAME.subject, held),)))


def imaging(*references: str, target: Target | None = None) -> Looking[Each[Image]]:
    """Find the images."""
    spec = {"containers": [{"name": f"c{number}", "image": item} for number, item in enumerate(references)]}
    return images(workload(deployment(template={"spec": spec})), target or Target(), unknown())


ACCOUNT = {"imagePullSecrets": [{"name": "acr"}, {"name": ""}]}
CASES: dict[tuple[str, str], Case] = {
    ("images", "image-reference-invalid"): lambda: imaging("Acme.azurecr.io/Coder:1"),
    ("pull-secret-names", "pull-secret-not-in-pod"): lambda: naming({}, pod(), account=ACCOUNT),
    ("pull-secrets", "pull-secret-absent"): linting,
    ("pull-secrets", "pull-secret-wrong-type"): lambda: linting(secret(kind="Opaque")),
    ("pull-secrets", "pull-secret-unreadable"): lambda: linting(secret(problem="illegal base64 data")),
    ("pull-secrets", "pull-secret-empty"): lambda: linting(secret()),
    ("pull-secrets", "pull-secret-identity-token"): lambda: remarked(
        "identitytoken-ignored", "password-missing", password=""
    ),
    ("pull-secrets", "pull-secret-no-password"): lambda: remarked("password-missing", password=""),
    ("pull-secrets", "pull-secret-white-space"): lambda: remarked("password-white-space"),
    ("pull-secrets", "pull-secret-auth-disagrees"): lambda: remarked("auth-disagrees"),
    ("pull-secrets", "pull-secret-expired"): lambda: remarked(claims={"exp": END - 60}),
    ("pull-secrets", "pull-secret-short-lived"): lambda: remarked(
        claims={"exp": END + 7200, "iat": END - 3600}
    ),
    ("keyring", "pull-secret-near-host"): lambda: taking(entry("Acme.azurecr.io")),
    ("keyring", "pull-secret-other-hosts"): lambda: taking(entry("docker.io")),
    ("keyring", "pull-order"): lambda: taking(entry()),
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some world."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


def test_images_are_named_once_with_their_containers() -> None:
    """Init containers too, and the one asked for; a container without an image has none."""
    spec = {
        "initContainers": [{"name": "migrate", "image": REFERENCE}],
        "containers": [{"name": "coderd", "image": REFERENCE}, {"name": "odd"}],
    }
    found = look(
        images(workload(deployment(template={"spec": spec})), Target(image="docker.io/x:1"), unknown())
    )[1]

    assert [(item.text, item.containers) for item in found] == [
        (REFERENCE, ("migrate", "coderd")),
        ("docker.io/x:1", ("--image",)),
    ]


def test_an_image_that_cannot_be_read_stays_named() -> None:
    """It is a subject of which the keyring has nothing to say."""
    seen, found = look(imaging("$IMAGE"))
    (image,) = found

    assert seen[0].subject == image.subject
    with pytest.raises(NotApplicableError, match="no image reference"):
        look(taking(image=image))


def test_a_pods_own_secrets_hide_those_of_its_service_account() -> None:
    """Admission copies the account's only where the pod names none."""
    spec = {"imagePullSecrets": [{"name": "own"}, {}]}

    assert [item.name for item in look(naming(spec, account=ACCOUNT))[1]] == ["own"]
    (name,) = look(naming({}, account=ACCOUNT))[1]
    assert (name.name, name.source) == ("acr", "service account default")


def test_without_the_service_account_there_are_no_secrets() -> None:
    """A pod without one is not created at all: nothing to say here. Who may not read it does not know."""
    spec = {"serviceAccountName": "gone"}

    assert look(naming(spec))[1] == Each()
    denied = FakeCluster(
        answers={("serviceaccounts", NAMESPACE, "default"): refused(SERVICE_ACCOUNTS, verb="get")}
    )
    with pytest.raises(CannotLookError, match="not permitted to get serviceaccounts"):
        look(secret_names(workload(deployment(template={"spec": {}})), each(), denied))


def test_a_whole_secret_is_silent() -> None:
    """What it holds is a fact; other hosts' flaws are nobody's."""
    seen, fact = look(linting(secret(entry(), entry("ghcr.io", remarks=["password-missing"]))))

    assert seen == []
    assert fact.entries[0]["username"] == "acme"


def test_who_may_not_read_a_secret_does_not_know() -> None:
    """The missing permission is named; the keyring is not guessed then."""
    denied = FakeCluster(answers={("secrets", NAMESPACE, "acr"): refused(SECRETS, NAMESPACE, "get")})
    with pytest.raises(CannotLookError, match="not permitted to get secrets"):
        look(pull_secret(NAME, Each(), denied, Clock()))
    with pytest.raises(CannotLookError, match="pull secret acr could not be read"):
        look(keyring(IMAGE, Each(((NAME.subject, NAME),)), Each()))


@pytest.mark.parametrize("claims", [None, {}, {"exp": "soon"}, {"exp": 10**30}])
def test_odd_claims_are_no_crash(claims: Any) -> None:
    """Only a time that can be read is one."""
    assert set(sight(remarked(claims=claims))) <= {"pull-secret-short-lived"}


def test_the_order_of_use_is_told() -> None:
    """The most specific key first, then the node's provider, then nobody."""
    (seen,), ring = look(taking(entry("*.azurecr.io", "puller"), entry()))

    assert seen.text.endswith(
        "1. acme (registry admin account) of secret acr, 2. puller (repository-scoped token) of secret acr, "
        "3. the node's credential provider, 4. nobody (anonymous)"
    )
    assert [item.username for item in ring.credentials] == ["acme", "puller"]
    assert ring.provider


def test_no_provider_is_asked_for_another_registry() -> None:
    """AKS's knows Azure's only."""
    image = Image("ghcr.io/a:1", ("a",), parse_image("ghcr.io/a:1"))
    (seen,), ring = look(taking(image=image))

    assert not ring.provider
    assert seen.text == "the kubelet tries for ghcr.io/a:1: 1. nobody (anonymous)"


def test_one_broken_secret_empties_the_keyring() -> None:
    """As the kubelet drops it whole."""
    assert look(taking(entry(), problem="illegal base64 data"))[1].credentials == ()


def test_a_credential_without_password_is_not_sent() -> None:
    """It is listed, and pulls anonymously."""
    assert look(taking(entry(password="")))[1].credentials == ()


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("Acme.azurecr.io", "capitals do not match"),
        ("acme.azurecr.io:443", "it names port 443, the image does not"),
        ("https://acme.azurecr.io/v2", "its path /v2 is not where the image is"),
        ("acme.azurecr.io\n", "it has white space at its beginning or end"),
        ("acme", "it is the registry's name and not its host"),
        ("acme.azureacr.io", "it is another host"),
    ],
)
def test_a_key_that_was_meant_for_the_host_says_why_it_is_not(key: str, why: str) -> None:
    """In the words of the difference."""
    seen, _ = look(taking(entry(key)))

    assert ids(seen) == ["pull-secret-near-host", "pull-order"]
    assert seen[0].values["why"] == why


@pytest.mark.parametrize("key", ["docker.io", "other.azurecr.io", "acne.azurecr.io", "", "ghcr.io/acme"])
def test_a_key_for_another_registry_is_no_mistake(key: str) -> None:
    """A pull secret may well be for another image."""
    assert sight(taking(entry(key))) == ["pull-secret-other-hosts", "pull-order"]


@pytest.mark.parametrize(
    ("username", "kind"),
    [
        (acr.NULL_GUID, acr.ENTRA_TOKEN),
        ("7eb61111-2222-3333-4444-55555555a6a9", acr.PRINCIPAL),
        ("acme", acr.ADMIN),
        ("Acme", acr.ADMIN),
        ("me@example.com", acr.PERSON),
        ("puller", acr.SCOPED_TOKEN),
        ("", acr.SCOPED_TOKEN),
    ],
)
def test_the_kind_of_a_credential_is_known_by_its_name(username: str, kind: str) -> None:
    """The four kinds that the documentation has, and one that never works."""
    assert acr.kind_of(username, HOST) == kind


def test_a_registry_with_a_domain_label_has_its_name_before_the_hash() -> None:
    """Its admin account has the name."""
    assert acr.kind_of("acme", "acme-hvawabdb.azurecr.io") == acr.ADMIN


def given_credential(**changed: Any) -> Looking[Any]:
    """Look at a credential on its own."""
    held = {"username": "puller", "password": HANDLE, "claims": {}, "remarks": []} | changed
    return given(Target(image=REFERENCE, credential=held), Clock())


def trying(
    username: str = "puller",
    *,
    scheme: str = "bearer",
    token: bool = True,
    came: bool = True,
    **held: Any,
) -> Looking[None]:
    """Say what trying a credential came to."""
    target = Target(
        image=REFERENCE,
        credential={"username": username, "password": HANDLE, "claims": {}, "remarks": []} | held,
    )
    rings = look(given(target, Clock()))[1]
    (path,) = look(here(target))[1]
    assert rings is not None
    (ring,) = rings
    way = Route(path, ring.image.reference, ring.credentials)
    tokens = ((Claim(way).subject, AccessToken("<jwt:a>", frozenset({"pull"}))),) if token else ()
    images = ((way.subject, Manifest("sha256:m", (), ())),) if came else ()
    asked = Each(
        ((path.subject, Challenged(HOST, f"https://{HOST}/oauth2/token", scheme)),) if scheme else ()
    )
    return verdict(rings, Each(((way.subject, way),)), asked, Each(tokens), Each(images), target)


@pytest.mark.parametrize(
    ("looking", "seen"),
    [
        (trying, "credential-good"),
        (lambda: trying(came=False), "credential-good-without-image"),
        (lambda: trying(token=False), "credential-without-token"),
        (lambda: trying(scheme=""), "credential-not-tried"),
        (lambda: trying(scheme="none"), "credential-not-tried"),
    ],
)
def test_what_trying_a_credential_came_to_is_one_sentence(looking: Any, seen: str) -> None:
    """Good only where the registry asked for it and let it pull."""
    assert sight(looking()) == [seen]


@pytest.mark.parametrize(
    ("username", "where"),
    [
        ("acme", "until somebody regenerates it"),
        ("7eb61111-2222-3333-4444-55555555a6a9", "az ad app credential list --id 7eb61111"),
        ("puller", "az acr token show --registry acme --name puller"),
    ],
)
def test_where_the_end_of_a_given_credential_can_be_read_is_told(username: str, where: str) -> None:
    """The registry itself does not say; a token does."""
    (seen,), _ = look(trying(username))
    assert where in seen.text
    (seen,), _ = look(trying(acr.NULL_GUID, claims={"exp": 1_793_624_400}))
    assert seen.text.endswith("until 2026-11-02T13:00:00Z")


def test_a_given_token_says_when_it_ends() -> None:
    """Its claims do."""
    assert sight(given_credential(username=acr.NULL_GUID, claims={"exp": END + 60})) == [
        "pull-secret-short-lived"
    ]


def test_a_given_credential_is_tried_from_here() -> None:
    """On the image's own registry, not as anybody's identity."""
    (path,) = look(here(Target(image=REFERENCE)))[1]

    assert (str(path.vantage), path.begins, path.host, path.identity) == ("here", "here", HOST, False)
    assert path.subject.name == f"here → {HOST}"
