"""The programs that pull: names of images, the kubelet's keyring, and the registry's accounts behind them."""

import base64

import pytest

from acrcheck.lab import faults
from acrcheck.lab.azure import Account
from acrcheck.lab.machines import Machine, PullSecret
from acrcheck.lab.programs import docker, keyring, reference
from acrcheck.lab.programs.containerd import Credential, Puller, PullError
from acrcheck.lab.programs.kubelet import Kubelet
from acrcheck.lab.world import HOST, IMAGE, NAMESPACE, healthy

REPOSITORY = "labreg.azurecr.io/team/app"
GIVEN = Credential("puller", "word")


def secret(host: str, **fields: str) -> PullSecret:
    """A pull secret with one entry."""
    return PullSecret("registry-login", NAMESPACE, {host: fields})


def auth(text: str) -> str:
    """An auth field."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("labreg.azurecr.io", True),
        ("https://labreg.azurecr.io", True),
        ("labreg.azurecr.io/", True),
        ("https://labreg.azurecr.io/v2/", True),
        ("*.azurecr.io", True),
        ("*.azurecr.*", True),
        ("labreg.azurecr.io/team", True),
        ("labreg.azurecr.io/te", True),
        ("labreg.azurecr.io:443", False),
        ("LabReg.azurecr.io", False),
        ("https://labreg.azurecr.io/v2", False),
        ("labreg.azurecr.io/other", False),
        ("*azurecr.io", False),
        ("docker.io", False),
    ],
)
def test_entries_fit_images_as_in_the_kubelet(host: str, *, fits: bool) -> None:
    """Hosts, paths and wildcards are compared as pkg/credentialprovider does."""
    found, log = keyring.credentials([secret(host, auth=auth("puller:word"))], REPOSITORY)
    assert (found, log) == ([GIVEN] if fits else [], [])


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("not-base64", "illegal base64 data at input byte 3"),
        ("bm90X2Jhc2_2", "illegal base64 data at input byte 10"),
        (auth("puller"), "unable to parse auth field, must be formatted as base64(username:password)"),
    ],
)
def test_a_bad_entry_loses_the_keyring(field: str, problem: str) -> None:
    """Good secrets beside it are lost too, in Go's words."""
    good = secret("labreg.azurecr.io", auth=auth("puller:word"))
    with pytest.raises(keyring.KeyringError) as raised:
        keyring.credentials([good, secret("x.io", auth=field)], REPOSITORY)
    assert str(raised.value) == problem


def test_unpadded_base64_is_read() -> None:
    """As since kubernetes#82147."""
    field = auth("puller:words").rstrip("=")
    found, _ = keyring.credentials([secret("labreg.azurecr.io", auth=field)], REPOSITORY)
    assert found == [Credential("puller", "words")]


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("team/app:1", "docker.io/team/app:1"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        (IMAGE, IMAGE),
    ],
)
def test_short_names_are_made_full(text: str, full: str) -> None:
    """Docker Hub, its library and the tag `latest` are what is left out."""
    assert str(reference.parse(text)) == full


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("https://labreg.azurecr.io/app", "invalid reference format"),
        ("labreg.azurecr.io/App", "invalid reference format: repository name (App) must be lowercase"),
        ("labreg.azurecr.io/app: 1", "invalid reference format"),
    ],
)
def test_what_is_no_name_is_refused(text: str, problem: str) -> None:
    """In the words of distribution/reference."""
    with pytest.raises(reference.MalformedError) as raised:
        reference.parse(text)
    assert str(raised.value) == problem


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.5.8", 'desc = failed to pull and unpack image "{0}": failed to resolve reference "{0}": {1}{2}'),
        ("1.7.27", 'desc = failed to pull and unpack image "{0}": failed to resolve reference "{0}": {1}{3}'),
        ("2.1.4", 'failed to pull and unpack image "{0}": failed to resolve image: {1}{3}'),
    ],
)
def test_containerd_tells_a_refused_token_by_its_version(version: str, words: str) -> None:
    """1.5 without the address, 2.1 by the transfer service and without gRPC's prefix."""
    world = healthy()
    world.machines[faults.WORKER_NODE] = Machine(containerd=version)
    address = f"https://{HOST}/oauth2/token?scope=repository%3Acoder%2Fenvbox%3Apull&service={HOST}"
    with pytest.raises(PullError) as raised:
        Puller(world, faults.WORKER_NODE).pull(reference.parse(IMAGE), None)
    anonymous = "failed to authorize: failed to fetch anonymous token: unexpected status"
    told = f" from GET request to {address}: 401 Unauthorized"
    expected = words.format(IMAGE, anonymous, ": 401 Unauthorized", told)
    assert str(raised.value).removeprefix("rpc error: code = Unknown ") == expected


def test_a_registrys_account_pulls() -> None:
    """With its own password, for what it may do, and no other."""
    world = healthy()
    world.registry.accounts.append(Account(*GIVEN))
    puller = Puller(world, faults.WORKER_NODE)
    assert puller.pull(reference.parse(IMAGE), GIVEN) > 0
    with pytest.raises(PullError, match="failed to fetch oauth token"):
        puller.pull(reference.parse(IMAGE), Credential("puller", "other"))
    world.registry.accounts[0].actions = []
    with pytest.raises(PullError, match="server message: insufficient_scope: authorization failed"):
        puller.pull(reference.parse(IMAGE), GIVEN)


def test_the_admin_user_is_an_account_while_it_is_on() -> None:
    """Its name is the registry's."""
    world = healthy()
    world.registry.accounts.append(Account("labreg", "word"))
    with pytest.raises(docker.FailedError, match="unauthorized: authentication required"):
        docker.login(world, HOST, "labreg", "word")
    world.registry.admin_user_enabled = True
    assert docker.login(world, HOST, "labreg", "word").endswith("Login Succeeded\n")


def test_an_unknown_secret_is_told_and_the_pull_goes_on() -> None:
    """The event names it; what comes after is an anonymous pull."""
    events = Kubelet(healthy(), faults.WORKER_NODE).start(IMAGE, ("absent",)).events
    assert [event.reason for event in events[:3]] == ["FailedToRetrieveImagePullSecret", "Pulling", "Failed"]
    assert "(absent)" in events[0].message
    assert "failed to fetch anonymous token" in events[2].message
