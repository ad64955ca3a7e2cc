"""The wire door to a lab world: who answers, and what the programs in the pod say."""

from dataclasses import replace
from datetime import timedelta

import pytest

from acrcheck.azure.imds import listen, token_request
from acrcheck.cluster.reader import PODS
from acrcheck.lab import faults
from acrcheck.lab.faults import WORKER_NODE, Fault
from acrcheck.lab.wire import LabWire
from acrcheck.lab.world import CLIENT_ID, HOST, NAMESPACE, Certificate, Forbidden, World, healthy
from acrcheck.wire.door import (
    Connect,
    Connected,
    Failure,
    Handshake,
    Request,
    Resolve,
    Resolved,
    Response,
    Shaken,
    Trouble,
    Vantage,
    Wire,
)
from acrcheck.wire.exec import REMEDY

AUDIENCE = "https://management.core.windows.net/"


def inside(world: World, kind: str = "exec", node: str = WORKER_NODE) -> Vantage:
    """The vantage of the pod on a node."""
    pod = next(pod for pod in world.pods if pod["spec"]["nodeName"] == node)
    return Vantage(kind, NAMESPACE, pod["metadata"]["name"], "coderd", node)


def asked(world: World, client_id: str = CLIENT_ID, kind: str = "exec") -> Response | Failure:
    """What the token endpoint says to the pod on the worker node."""
    return LabWire(world).request(inside(world, kind), token_request(AUDIENCE, client_id))


def trouble(answer: object) -> tuple[Trouble, str]:
    """Kind and words of a failure."""
    assert isinstance(answer, Failure)
    return answer.trouble, answer.detail


def test_it_is_a_wire() -> None:
    """It can stand where checks want the door."""
    wire: Wire = LabWire(healthy())
    assert isinstance(wire.resolve(Vantage("local"), Resolve(HOST)), Resolved)


def test_nmi_answers_the_pods() -> None:
    """A healthy pod gets a token from NMI, which leaves out IMDS's own fields, and the token is sealed."""
    answer = asked(healthy())
    spoken = listen(answer)
    assert (spoken.who, (spoken.claims or {})["appid"]) == ("nmi", CLIENT_ID)
    assert isinstance(answer, Response)
    assert answer.body.startswith('{"access_token":"<jwt:')


@pytest.mark.parametrize(
    ("fault", "who", "words"),
    [
        (faults.relabel(), "nmi", "no azure identity found for request clientID"),
        (faults.unassigned(*faults.POOLS), "nmi", "Identity not found"),
        (faults.blind_nmi(WORKER_NODE), "nmi", "pod list is empty"),
        (faults.pod_spec(hostNetwork=True), "imds", ""),
        (faults.no_nmi(WORKER_NODE), "imds", ""),
        (faults.missing_redirect(WORKER_NODE), "imds", ""),
        (
            faults.node_label("kubernetes.azure.com/ebpf-host-routing", "true", WORKER_NODE),
            "imds",
            "",
        ),
        (faults.environment(http_proxy="http://proxy:3128"), "proxy", "ERR_CONNECT_FAIL"),
    ],
)
def test_who_answers_at_the_metadata_address(fault: Fault, who: str, words: str) -> None:
    """NMI, IMDS itself, or a proxy: by the pod's network, the node and what runs on it."""
    spoken = listen(asked(faults.broken(healthy(), fault)))
    assert spoken.who == who
    assert words in spoken.text


@pytest.mark.parametrize(
    ("fault", "expected", "words"),
    [
        (
            faults.nmi_crashing(WORKER_NODE),
            Trouble.REFUSED,
            "Failed to connect to 169.254.169.254 port 80 after 0 ms: Couldn't connect to server",
        ),
        (faults.imds_blocked, Trouble.CONNECT_TIMEOUT, "Connection timed out after 5001 milliseconds"),
        (faults.imds_restricted, Trouble.CONNECT_TIMEOUT, "Connection timed out after 5001 milliseconds"),
        (
            faults.imds("silent"),
            Trouble.TIMEOUT,
            "Operation timed out after 5001 milliseconds with 0 bytes received",
        ),
    ],
)
def test_nobody_answers_at_the_metadata_address(fault: Fault, expected: Trouble, words: str) -> None:
    """A redirect that leads nowhere refuses, a firewall drops, a silent IMDS behind NMI holds."""
    world = faults.broken(healthy(), fault)
    assert trouble(asked(world)) == (expected, words)


def test_a_held_request_takes_the_questions_time_and_no_more() -> None:
    """In standard mode NMI waits for MIC; the lab's clock moves on by what the question allows."""
    world = faults.broken(healthy(mode="standard"), faults.mic_idle)
    before = world.clock.now()
    assert trouble(asked(world))[0] is Trouble.TIMEOUT
    assert timedelta(seconds=5) <= world.clock.now() - before < timedelta(seconds=7)


def test_a_proxy_that_exempts_the_address_is_not_used() -> None:
    """no_proxy with the address lets the request go to NMI."""
    fault = faults.environment(http_proxy="http://proxy:3128", no_proxy="cluster.local,169.254.169.254")
    assert listen(asked(faults.broken(healthy(), fault))).who == "nmi"


def test_the_metadata_service_is_asked_slowly() -> None:
    """Two requests to one node are half a second apart, on the lab's clock."""
    world = healthy()
    wire = LabWire(world)
    before = world.clock.monotonic()
    for _ in range(2):
        wire.request(inside(world), token_request(AUDIENCE))
    assert world.clock.monotonic() - before == pytest.approx(0.5)


def test_a_pod_without_a_client_says_what_was_wanted() -> None:
    """No tool: the failure names those that would do, and the leave that would help."""
    answer = asked(faults.broken(healthy(), faults.tools()))
    assert isinstance(answer, Failure)
    assert (answer.trouble, answer.tool) == (Trouble.NO_TOOL, "curl, wget, python3")
    assert answer.remedy == REMEDY


def test_wget_carries_no_secret() -> None:
    """It asks the metadata service, and is not used where a token must be sent."""
    world = faults.broken(healthy(), faults.tools("wget"))
    wire = LabWire(world)
    spoken = listen(wire.request(inside(world), token_request(AUDIENCE)))
    assert spoken.token
    request = Request("GET", "https://management.azure.com/subscriptions", bearer=spoken.token)
    assert trouble(wire.request(inside(world), request))[0] is Trouble.NO_TOOL


def test_busybox_hides_what_comes_with_an_error() -> None:
    """Its wget gets tokens, and of a refusal only the number."""
    world = faults.broken(healthy(), faults.tools("busybox-wget"))
    assert listen(asked(world)).token
    answer = asked(faults.broken(world, faults.relabel()))
    assert trouble(answer) == (Trouble.NO_TOOL, "BusyBox wget got HTTP 404 and hides what came with it")


@pytest.mark.parametrize(("kind", "leave"), [("debug", "debug-container"), ("pod", "probe-pod")])
def test_nothing_is_created_without_leave(kind: str, leave: str) -> None:
    """Without --allow the answer names it; with it the question is answered, although the image is bare."""
    world = faults.broken(healthy(), faults.tools())
    answer = asked(world, kind=kind)
    assert isinstance(answer, Failure)
    assert (answer.trouble, answer.remedy) == (Trouble.NO_TOOL, f"--allow {leave}")
    world.target = replace(world.target, allow=frozenset({leave}))
    assert listen(asked(world, kind=kind)).token


def test_the_probe_pod_has_the_bindings_label_only_and_goes_away() -> None:
    """None of the labels by which anything else would find it; deleted when the door is closed."""
    world = healthy()
    world.target = replace(world.target, allow=frozenset({"probe-pod"}))
    wire = LabWire(world)
    wire.request(inside(world, "pod"), token_request(AUDIENCE))
    (probe,) = [pod for pod in world.kubernetes.items(PODS, NAMESPACE) if "probe" in pod["metadata"]["name"]]
    assert set(probe["metadata"]["labels"]) == {"aadpodidbinding", "app.kubernetes.io/managed-by"}
    wire.close()
    assert len(world.kubernetes.items(PODS, NAMESPACE)) == 2


def test_exec_that_is_forbidden_gone_or_hopeless() -> None:
    """The operator may not, the pod is no more, the container does not run: three troubles."""
    world = healthy()
    vantage = inside(world)
    world.operator.forbidden.append(Forbidden("create", "pods", subresource="exec"))
    answer = LabWire(world).resolve(vantage, Resolve(HOST))
    assert isinstance(answer, Failure)
    assert (answer.trouble, answer.permission) == (Trouble.FORBIDDEN, ("create", "pods/exec", NAMESPACE))
    world.operator.forbidden.clear()
    faults.crash_workload(world)
    assert trouble(LabWire(world).resolve(vantage, Resolve(HOST)))[0] is Trouble.NOT_RUNNING
    gone = replace(vantage, pod="coderd-gone")
    assert trouble(LabWire(world).resolve(gone, Resolve(HOST)))[0] is Trouble.GONE


def test_names() -> None:
    """Known names resolve, others do not; the chain of names is seen with nslookup only."""
    world = healthy()
    wire = LabWire(world)
    assert wire.resolve(inside(world), Resolve(HOST)) == Resolved(("20.62.128.13",))
    assert trouble(wire.resolve(inside(world), Resolve("labrge.azurecr.io"))) == (
        Trouble.UNRESOLVED,
        "labrge.azurecr.io does not resolve",
    )
    faults.tools("nslookup")(world)
    resolved = wire.resolve(inside(world), Resolve(HOST))
    assert isinstance(resolved, Resolved)
    assert resolved.chain[0] == "eus.fe.azcr.io"


def test_rules_hold_where_they_are_meant_to() -> None:
    """A rule for one node leaves the other alone."""
    world = faults.broken(healthy(), faults.rule("drop", HOST, WORKER_NODE))
    wire, question = LabWire(world), Connect(HOST, 443)
    assert trouble(wire.connect(inside(world), question))[0] is Trouble.CONNECT_TIMEOUT
    assert wire.connect(inside(world, node=faults.SYSTEM_NODE), question) == Connected("20.62.128.13")


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.rule("inspect", HOST), "SSL certificate problem: unable to get local issuer certificate"),
        (
            lambda world: world.network.certificates.insert(
                0, Certificate(("*.azurecr.io",), expires=world.clock.now() - timedelta(days=1))
            ),
            "SSL certificate problem: certificate has expired",
        ),
        (
            lambda world: (
                world.network.certificates.insert(0, Certificate((HOST[4:],)))
                or world.network.certificates.pop(1)
            ),
            f"SSL: no alternative certificate subject name matches target host name '{HOST}'",
        ),
    ],
)
def test_certificates_that_are_not_trusted(fault: Fault, problem: str) -> None:
    """The certificate is shown with what curl says against it, and no request gets through."""
    world = faults.broken(healthy(), fault)
    wire = LabWire(world)
    shaken = wire.handshake(inside(world), Handshake(HOST))
    assert isinstance(shaken, Shaken)
    assert shaken.problem == problem
    answer = wire.request(inside(world), Request("GET", f"https://{HOST}/v2/"))
    assert trouble(answer) == (Trouble.TLS, problem)


def test_a_trusted_certificate() -> None:
    """Issuer, names and the end of its time."""
    world = healthy()
    shaken = LabWire(world).handshake(inside(world), Handshake(HOST))
    assert isinstance(shaken, Shaken)
    assert (shaken.problem, shaken.names) == ("", ("*.azurecr.io",))
    assert "Microsoft Azure RSA TLS Issuing CA" in shaken.issuer


def test_python_has_its_own_words() -> None:
    """What stands in the way is told as the program in the image tells it."""
    world = faults.broken(healthy(), faults.tools("python3"), faults.nmi_crashing(WORKER_NODE))
    assert trouble(asked(world)) == (
        Trouble.REFUSED,
        "ConnectionRefusedError: [Errno 111] Connection refused",
    )


def test_bodies_are_cut_and_digested_as_on_the_live_side() -> None:
    """No more than the limit comes back, and only a digest where that was asked for."""
    world = healthy()
    where = f"{world.registry.tenant_id}/v2.0/.well-known/openid-configuration"
    wire, url = LabWire(world), f"https://login.microsoftonline.com/{where}"
    cut = wire.request(inside(world), Request("GET", url, limit=10))
    digested = wire.request(inside(world), Request("GET", url, digest=True))
    assert isinstance(cut, Response)
    assert isinstance(digested, Response)
    assert (cut.length, cut.cut, digested.body, len(digested.sha256)) == (10, True, "", 64)
