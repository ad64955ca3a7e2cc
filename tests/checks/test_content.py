"""An image's content, asked over a network that is not always good, of registries that are not always honest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.api import (
    Connected,
    Each,
    Failure,
    NotApplicableError,
    Resolved,
    Response,
    Target,
    Trouble,
    Vantage,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.image import parse_image
from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.diagnosis import diagnose
from acrcheck.facts import Challenged, Claim, Manifest, Open, Path, Resolution, Route, Trusted
from acrcheck.lab.clock import LabClock
from acrcheck.model import Result, Status
from checks.blobs import MOST_LAYERS, config, layer
from checks.manifests import MOST_NESTED, manifest
from checks.registry import access, challenge, dns, exchange, tcp
from tests.checks.looking import FakeWire, Reply, http, ids, look, sight, wire
from tests.checks.test_registry import (
    BLOB,
    CHALLENGED,
    CLOCK,
    DIGEST,
    EXEC,
    HANDLE,
    HOST,
    IMAGE,
    LINUX,
    LINUX_AMD64,
    MANIFEST,
    OCI,
    SCOPED,
    STORAGE,
    WINDOWS,
    blob,
    challenging,
    errors,
    holding,
    index,
    moved,
    path,
    reading,
    route,
    stored,
)

BROKEN = Failure(Trouble.BROKEN, "Recv failure: Connection reset by peer")
LATE = Failure(Trouble.TIMEOUT, "Operation timed out")
ARM = {"os": "linux", "architecture": "arm64"}
BOTH = (LINUX_AMD64, ("linux", "arm64"))
TWO_KINDS = Route(path(platforms=BOTH), IMAGE, (SCOPED,))
HARBOR = Path("coderd-1", "node", EXEC, "harbor.example", identity=True)


def asking(*answers: Reply) -> tuple[FakeWire, LabClock, list[Any]]:
    """Ask for the challenge over a wire that gives these answers."""
    fake, clock = wire(*answers), LabClock()
    seen, _ = look(challenge(path(), Trusted("CN=x"), fake, clock))
    return fake, clock, seen


@pytest.mark.parametrize("trouble", [BROKEN, LATE, http(503), http(429, "{}", retry_after="2")])
def test_a_trouble_that_passes_is_told_with_each_attempt(trouble: Reply) -> None:
    """What came only at the third attempt is no plain success."""
    fake, clock, (seen,) = asking(trouble, trouble, CHALLENGED)
    assert (seen.id, seen.values["attempt"], len(fake.asked)) == ("registry-unsteady", "3", 3)
    assert seen.evidence["attempts"][-1] == "status 401"
    assert len(seen.evidence["attempts"]) == 3
    assert 0 < clock.monotonic() <= 10


def test_a_denial_after_a_trouble_tells_of_both() -> None:
    """The address is denied, and the way to be told so is unsteady."""
    _, _, seen = asking(BROKEN, http(403, "{}"))
    assert ids(seen) == ["registry-forbidden", "registry-unsteady"]


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [(BROKEN, "registry-lost"), (http(502, "x"), "registry-server-error")],
)
def test_a_trouble_that_stays_is_told_after_three_attempts(trouble: Reply, kind: str) -> None:
    """Three lines of evidence, and no fourth request."""
    fake, _, (seen,) = asking(trouble, trouble, trouble)
    assert (seen.id, len(fake.asked), len(seen.evidence["attempts"])) == (kind, 3, 3)


@pytest.mark.parametrize(
    "answer",
    [
        http(429, "{}"),
        http(429, "{}", retry_after="60"),
        http(429, "{}", retry_after="²"),
        http(429, "{}", retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
        http(403, "{}"),
        Failure(Trouble.CONNECT_TIMEOUT, "timed out"),
        Failure(Trouble.REFUSED, "refused"),
        Failure(Trouble.TLS, "handshake failure"),
    ],
)
def test_what_will_not_pass_soon_is_asked_once(answer: Reply) -> None:
    """A denial, a long Retry-After, a connection that does not open."""
    fake, clock, (seen,) = asking(answer)
    assert (len(fake.asked), clock.monotonic(), "attempts" in seen.evidence) == (1, 0, False)


def test_a_throttled_layer_is_not_denied() -> None:
    """At the registry and at the storage alike: 429 passes, and says when."""
    slow = errors(429, "TOOMANYREQUESTS", retry_after="30")
    for answers in ((slow,), (moved(STORAGE), slow, Resolved(("20.1.1.1",)))):
        seen, _ = look(layers(wire(*answers), 1))
        assert seen[0].id == "registry-throttled"
        assert seen[0].values["after"] == "30"


def test_an_open_registry_needs_no_token() -> None:
    """200 at `/v2/` without a challenge: nothing secret is sent, and that is said."""
    seen, asked = look(challenge(HARBOR, Trusted("CN=x"), wire(http(200, "{}")), CLOCK))
    assert ids(seen) == ["registry-not-azure"]
    assert asked is not None
    way = Route(HARBOR, parse_image("harbor.example/a:1"), (SCOPED,))
    seen, token = look(access(Claim(way), Each(((HARBOR.subject, asked),)), Each(), wire(), CLOCK))
    fake = wire(stored(), stored())
    look(manifest(way, holding(way, token or HANDLE), fake, CLOCK))
    assert ids(seen) == ["credential-not-asked"]
    assert {(item.bearer, item.basic) for item in fake.asked} == {("", None)}
    with pytest.raises(NotApplicableError, match="no Azure registry"):
        look(exchange(HARBOR, asked, wire(), Target(), CLOCK))


@pytest.mark.parametrize(
    "answer",
    [
        http(200, "<html>Please log in</html>", "text/html"),
        http(302, "", location="https://portal.example/login"),
        http(301, "", location="http://acme.azurecr.io/v2/"),
        http(200, "<!DOCTYPE html>\n<title>x</title>", "text/plain"),
    ],
)
def test_a_captive_portal_is_no_registry(answer: Response) -> None:
    """Neither an open one nor Azure's."""
    for at in (path(), HARBOR):
        assert sight(challenge(at, Trusted("CN=x"), wire(answer), CLOCK)) == ["registry-login-page"]


@pytest.mark.parametrize(
    "answer", [http(200, ""), http(404, "<html>", "text/html"), http(302, "", location="/v2/")]
)
def test_what_is_no_registry_and_no_portal_is_told(answer: Response) -> None:
    """An empty answer, a page of an error, a redirect to itself."""
    for at in (path(), HARBOR):
        assert sight(challenge(at, Trusted("CN=x"), wire(answer), CLOCK)) == ["registry-no-challenge"]


@pytest.mark.parametrize("host", [HOST, "harbor.example"])
def test_credentials_are_not_sent_over_plain_http(host: str) -> None:
    """A challenge that wants them there is told, and ends the way."""
    answer = http(401, "", www_authenticate=f'Bearer realm="http://{host}/oauth2/token"')
    seen, fact = look(challenge(path(host=host), Trusted("CN=x"), wire(answer), CLOCK))
    assert (ids(seen), fact) == (["registry-realm-plain"], None)


def test_an_azure_registry_sends_nobody_elsewhere_for_its_tokens() -> None:
    """A password must not go to a host that is not the registry's."""
    answer = http(401, "", www_authenticate='Bearer realm="https://evil.example/oauth2/token"')
    assert sight(challenging(answer)) == ["registry-challenge-not-acr"]


def test_a_harbor_like_registry_names_its_own_token_service() -> None:
    """Another host and another path are its own business."""
    answer = http(
        401, "", www_authenticate='Bearer realm="https://core.harbor.example/service/token",service="h"'
    )
    _, fact = look(challenge(HARBOR, Trusted("CN=x"), wire(answer), CLOCK))
    assert fact == Challenged("h", "https://core.harbor.example/service/token", "bearer")


def test_an_address_of_ipv6_is_a_registry_too() -> None:
    """Its brackets belong to the name in a URL only."""
    way, fake = path(host="[::1]:5000"), wire(Connected("::1"))
    look(tcp(way, Resolution(("::1",), private=True), fake))
    assert (fake.asked[0].host, fake.asked[0].port) == ("::1", 5000)
    assert (path(host="[::1]").name, path(host="[::1]").port) == ("::1", 443)
    assert Open("::1") == look(tcp(way, Resolution((), private=True), wire(Connected("::1"))))[1]


def test_each_platform_of_the_nodes_is_read_from_the_index() -> None:
    """Configs and layers of all of them, what they share only once."""
    other = MANIFEST | {"config": MANIFEST["config"] | {"digest": "sha256:c"}}
    fake = wire(stored(), index(WINDOWS, LINUX, ARM), stored(), stored(other))
    seen, fact = look(manifest(TWO_KINDS, holding(TWO_KINDS), fake, CLOCK))
    assert seen == []
    assert fact is not None
    assert [digest for digest, _ in fact.configs] == [DIGEST, "sha256:c"]
    assert (fact.layers, fact.platforms) == ((("sha256:1", 7),), ())


def test_a_platform_that_one_node_lacks_is_named_and_the_rest_read() -> None:
    """A pull fails on that node only."""
    (seen,), fact = look(
        manifest(TWO_KINDS, holding(TWO_KINDS), wire(stored(), index(LINUX), stored()), CLOCK)
    )
    assert (seen.id, seen.values["platform"], seen.values["platforms"]) == (
        "platform-missing",
        "linux/arm64",
        "linux/amd64",
    )
    assert fact is not None


@pytest.mark.parametrize(("platforms", "chosen"), [((ARM, LINUX), "sha256:1"), ((WINDOWS, ARM), "sha256:0")])
def test_without_known_nodes_no_platform_is_missed(platforms: tuple[Any, ...], chosen: str) -> None:
    """The usual one is looked at, else the first there is: it is not known what the nodes are."""
    seen, fact = look(reading(stored(), index(*platforms), stored(), platforms=()))
    assert seen == []
    assert fact is not None
    assert fact.digest == chosen


def test_an_image_of_one_platform_says_in_its_config_for_which() -> None:
    """It has no index that could: an image built for arm64 fails on amd64 only when it runs."""
    found = Manifest("m", ((DIGEST, len(BLOB)),), (), BOTH)
    answer = blob(text='{"os": "linux", "architecture": "arm64"}')
    seen, _ = look(config(route(), holding(route()), found, wire(answer), CLOCK))
    assert [(item.id, item.values.get("platform")) for item in seen] == [
        ("blob-read", None),
        ("platform-missing", "linux/amd64"),
    ]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"os": null}', '{"os": ["linux"], "architecture": {}}'])
def test_a_config_that_names_no_platform_speaks_against_none(text: str) -> None:
    """What is not said is not guessed."""
    found = Manifest("m", ((DIGEST, len(BLOB)),), (), BOTH)
    assert sight(config(route(), holding(route()), found, wire(blob(text=text)), CLOCK)) == ["blob-read"]


def nested(*digests: str, platform: Any = None) -> Response:
    """An index of indexes."""
    entries = [{"digest": digest, "mediaType": f"{OCI}index.v1+json"} for digest in digests]
    if platform:
        entries = [entry | {"platform": platform} for entry in entries]
    return stored({"manifests": entries}, f"{OCI}index.v1+json")


def test_an_index_in_an_index_is_followed() -> None:
    """One level, whether or not the entry names a platform."""
    for outer in (nested("sha256:n"), nested("sha256:n", platform=LINUX)):
        seen, fact = look(reading(stored(), outer, index(LINUX), stored()))
        assert seen == []
        assert fact is not None
        assert fact.digest == "sha256:0"


@pytest.mark.parametrize(
    ("indexes", "said"),
    [
        ([nested("sha256:m")], "an index that leads back to itself"),
        ([nested("sha256:n"), nested("sha256:m")], "an index that leads back to itself"),
        ([nested("sha256:a"), nested("sha256:b"), nested("sha256:c")], "indexes inside one another"),
    ],
)
def test_indexes_in_a_circle_or_too_deep_end(indexes: list[Response], said: str) -> None:
    """Nothing is followed for ever."""
    (seen,), fact = look(reading(stored(), *indexes))
    assert (seen.id, seen.values["said"], fact) == ("manifest-not-an-image", said, None)


def test_an_index_of_very_many_indexes_is_not_read_whole() -> None:
    """A few are looked into."""
    outer, empty = nested(*(f"sha256:{number}" for number in range(1000))), index()
    fake = FakeWire(by=lambda question: outer if question.url.endswith(("1.44", ":m")) else empty)
    assert sight(manifest(route(), holding(route()), fake, CLOCK)) == ["platform-missing"]
    assert len(fake.asked) == 2 + MOST_NESTED


def test_a_digest_that_could_be_a_path_is_none() -> None:
    """What a manifest names is put into an address that gets the token."""
    entries = [{"digest": "../../../evil", "platform": LINUX}]
    assert sight(reading(stored(), stored({"manifests": entries}))) == ["platform-missing"]
    body = MANIFEST | {"layers": [{"digest": "x/../../y?z", "size": 1}]}
    assert sight(reading(stored(), stored(body))) == ["manifest-not-an-image"]


def test_a_manifest_that_is_too_large_is_told() -> None:
    """It is cut at the size that registries should take; nothing is read from it."""
    huge = Response(
        200, (("docker-content-digest", "sha256:m"),), "", (), acr.MANIFEST_LIMIT, "0" * 64, cut=True
    )
    (seen,), _ = look(reading(stored(), huge))
    assert (seen.id, seen.values["said"]) == (
        "manifest-not-an-image",
        f"its manifest has more than {acr.MANIFEST_LIMIT} bytes",
    )


@pytest.mark.parametrize("message", ["The operation is disallowed.", "no"])
def test_quarantine_and_locks_are_no_denial(message: str) -> None:
    """By the status, or by the words that come with another one."""
    status = 405 if message == "no" else 400
    answer = errors(status, "REGISTRY_DISALLOWED_OPERATION", message)
    (seen,), _ = look(reading(http(status), answer))
    assert (seen.id, seen.evidence["code"]) == ("image-locked", "REGISTRY_DISALLOWED_OPERATION")


def layers(fake: FakeWire, count: int, **changed: Any) -> Any:
    """Download that many different layers."""
    found = tuple((f"{DIGEST}{number}", 0) for number in range(count))
    return layer(
        route(**changed), holding(route(**changed)), Manifest("m", (), found), Each(), fake, CLOCK, Target()
    )


def test_every_layer_is_asked_for_once_and_each_host_told() -> None:
    """The registry's own, the data endpoint and the storage; their names are resolved from there too."""
    data = "acme.eastus.data.azurecr.io"
    fake = wire(
        blob(),
        moved(f"https://{data}/x"),
        blob(),
        moved(STORAGE),
        blob(),
        Resolved(("10.1.0.5",), ("acme.privatelink.azurecr.io",)),
        Resolved(("20.60.1.1",)),
    )
    seen, _ = look(layers(fake, 3))
    assert [item.values.get("host") for item in seen] == [
        HOST,
        data,
        "acmeblob.blob.core.windows.net",
        data,
        "acmeblob.blob.core.windows.net",
    ]
    assert [(item.id, item.values["what"]) for item in seen[3:]] == [
        ("blob-address-private", "a dedicated data endpoint"),
        ("blob-address-public", "Azure's storage"),
    ]
    assert seen[3].evidence == {"chain": ["acme.privatelink.azurecr.io"]}
    assert all(item.bearer == "" for item in fake.asked[:5] if HOST not in item.url)


def test_no_more_than_some_layers_are_asked_for() -> None:
    """How many there are is said."""
    fake = FakeWire(by=lambda _: blob())
    (seen,), _ = look(layers(fake, 100))
    assert len(fake.asked) == MOST_LAYERS
    assert seen.values["what"] == f"{MOST_LAYERS} of 100 layers"


def test_in_full_all_layers_are_downloaded_whole_and_verified() -> None:
    """However many there are; one of another digest is told. An unknown size bounds the download as usual."""
    found = Manifest("m", (), ((DIGEST, len(BLOB)),) * 30 + (("sha256:1", 0), ("sha256:2", len(BLOB))))
    fake = FakeWire(by=lambda _: blob())
    seen, _ = look(layer(route(), holding(route()), found, Each(), fake, CLOCK, Target(full=True)))
    assert [(item.id, item.values["what"]) for item in seen] == [
        ("blob-corrupt", "layer 32 of 32"),
        ("blob-read", "31 of 32 layers"),
    ]
    assert {item.limit for item in fake.asked} == {len(BLOB), acr.FIRST_BYTES}
    assert not any(item.headers for item in fake.asked)


def test_the_time_for_a_whole_layer_grows_with_its_size() -> None:
    """A gigabyte takes longer than a kilobyte."""
    times = [acr.whole_blob_request("h", "r", "d", size).seconds for size in (1_000, 1_000_000_000)]
    assert times[0] < 30
    assert times[1] > 600


def test_layers_that_repeat_or_are_elsewhere_are_not_asked_for() -> None:
    """The same blob once; those of Windows' base images are not the registry's to give."""
    foreign = {
        "digest": "sha256:2",
        "size": 1,
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff",
    }
    body = MANIFEST | {"layers": [{"digest": "sha256:1", "size": 7}] * 3 + [foreign]}
    _, fact = look(reading(stored(), stored(body)))
    assert fact is not None
    assert fact.layers == (("sha256:1", 7),)


def test_the_first_layer_that_does_not_come_ends_it() -> None:
    """Others would wait as long, and the pull fails anyway; those that came are told."""
    fake = wire(blob(), Failure(Trouble.CONNECT_TIMEOUT, "timed out"))
    seen, _ = look(layers(fake, 9))
    assert ids(seen) == ["blob-unreachable", "blob-read"]
    assert seen[0].values["what"] == "layer 2 of 9"


@pytest.mark.parametrize(
    ("trouble", "step"),
    [
        (Trouble.UNRESOLVED, "DNS"),
        (Trouble.CONNECT_TIMEOUT, "TCP"),
        (Trouble.REFUSED, "TCP"),
        (Trouble.UNREACHABLE, "TCP"),
        (Trouble.TLS, "TLS"),
        (Trouble.TIMEOUT, "HTTP"),
        (Trouble.BROKEN, "HTTP"),
    ],
)
def test_the_step_at_which_the_storage_is_lost_is_named(trouble: Trouble, step: str) -> None:
    """As far as the failure tells it; whether the name resolves there is asked besides."""
    lost = Failure(trouble, "x")
    fake = FakeWire(by=lambda question: moved(STORAGE) if HOST in getattr(question, "url", "") else lost)
    (seen,), _ = look(layers(fake, 2))
    assert (seen.id, seen.values["step"], seen.values["host"]) == (
        "blob-unreachable",
        step,
        "acmeblob.blob.core.windows.net",
    )


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "config",
                    "layers",
                    "manifests",
                    "digest",
                    "size",
                    "mediaType",
                    "platform",
                    "os",
                    "architecture",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(ODD, ODD)
def test_any_manifest_is_an_image_or_told_not_to_be(one: Any, other: Any) -> None:
    """Whatever a registry gives out: no crash, and a bounded number of questions."""
    turns = [one, other] * 40
    fake = FakeWire(by=lambda _: stored(json.dumps(turns.pop())))
    seen, fact = look(manifest(TWO_KINDS, holding(TWO_KINDS), fake, CLOCK))
    assert seen or fact is not None
    assert len(fake.asked) < 40


def unresolved(at: Path) -> list[str]:
    """The commands that are printed where no name resolves."""
    gone = Failure(Trouble.UNRESOLVED, "no such host")
    checks = load_checks(builtin_dir())
    check = next(item for item in checks.checks if item.id == "registry-dns")
    seen = tuple(item.on(at.subject) for item in look(dns(at, wire(gone, gone), Target()))[0])
    (finding,) = diagnose(
        [Result(check, Status.FAIL, at.subject, seen)], load_causes(builtin_dir(), checks), checks.layers, {}
    )
    assert finding.cause.id == "node-dns-broken"
    return [step.command for step in finding.steps]


def test_what_is_asked_from_here_is_not_mended_in_a_cluster() -> None:
    """No command speaks of pods where none asked."""
    assert any("kube-dns" in command for command in unresolved(path()))
    here = unresolved(path(pod="", node="", vantage=Vantage("local")))
    assert here
    assert not any("kube" in command.lower() for command in here)
