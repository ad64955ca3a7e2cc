"""NMI's answers, compared with those of the real one."""

from typing import Any

import httpx
import pytest

from acrcheck.lab import tokens
from acrcheck.lab.azure import Azure
from acrcheck.lab.clock import LabClock
from acrcheck.lab.imds import Imds
from acrcheck.lab.nmi import Nmi, Settings, redacted
from tests.unit.lab import worlds
from tests.unit.lab.worlds import FakeObjects, assigned, azure_identity, binding, error, get, pod

BASE = "http://169.254.169.254"
PATH = "/metadata/identity/oauth2/token"
QUERY = "?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.core.windows.net%2F"
METADATA = {"Metadata": "true"}
UPPER = worlds.CLIENT.upper()
ENDPOINT = (
    f"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&client_id={worlds.CLIENT}"
    "&resource=https%3A%2F%2Fmanagement.core.windows.net%2F"
)
NO_ID = "no azure identity found for request clientID "
STANDARD = Settings(mode="standard")


class Bench:
    """A node with NMI, its metadata service and a clock."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.azure: Azure = worlds.azure()
        self.clock = LabClock()
        self.objects = FakeObjects()
        imds = Imds(lambda: self.azure, worlds.NODE, self.clock)
        self.nmi = Nmi(self.objects, imds, self.clock, worlds.NODE, settings)

    def get(
        self, path: str = PATH + QUERY, headers: dict[str, str] | None = None, **extensions: Any
    ) -> httpx.Response:
        """Ask as coderd's pod, with the Metadata header unless others are given."""
        given = {"client": worlds.POD_IP} | extensions
        return get(self.nmi, BASE + path, METADATA if headers is None else headers, **given)


def check_text(response: httpx.Response, status: int, text: str) -> None:
    """A text answer, with all that goes with it."""
    assert (response.status_code, response.text) == (status, f"{text}\n")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "server" not in response.headers


def test_success_has_nmis_keys_in_their_order() -> None:
    """No `client_id` and no `ext_expires_in`: another sign of who answered."""
    response = Bench().get()

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert "server" not in response.headers
    document = response.json()
    assert list(document) == [
        "access_token",
        "refresh_token",
        "expires_in",
        "expires_on",
        "not_before",
        "resource",
        "token_type",
    ]
    assert document["refresh_token"] == ""
    assert response.text.startswith('{"access_token":"')
    assert response.text.endswith('"}')
    claims = tokens.claims_of(document["access_token"])
    assert claims is not None
    assert claims["appid"] == worlds.CLIENT


def test_the_metadata_header_is_required() -> None:
    """In JSON, with a newline; also on paths that are passed on; `True` is not `true`."""
    for path, headers in (
        (PATH + QUERY, {}),
        (PATH + QUERY, {"Metadata": "True"}),
        ("/metadata/versions", {}),
    ):
        response = Bench().get(path, headers)

        assert response.status_code == 400
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        assert response.text == error("Required metadata header not specified") + "\n"
        assert len(response.content) == 89


def test_the_header_can_be_made_optional() -> None:
    """As it was by default before 1.8.4."""
    assert Bench(Settings(metadata_header_required=False)).get(headers={}).status_code == 200


def test_a_resource_is_required() -> None:
    """NMI never looks at the api-version."""
    check_text(Bench().get(PATH), 400, "parameter resource cannot be empty")
    assert Bench().get(f"{PATH}?resource=https://management.azure.com/").status_code == 200


@pytest.mark.parametrize(
    ("client_id", "text"),
    [
        ("99990000-0000-0000-0000-000000001111", "9999##### REDACTED #####1111"),
        ("$CLIENTID", "$CLI##### REDACTED #####NTID"),
        (UPPER, redacted(UPPER)),
        ("short", "short"),
    ],
)
def test_managed_an_unknown_client_id_is_redacted(client_id: str, text: str) -> None:
    """Also the literal text of a shell variable in single quotes; letter case counts."""
    check_text(Bench().get(f"{PATH}{QUERY}&client_id={client_id}"), 404, NO_ID + text)


def break_label(objects: FakeObjects) -> None:
    """The pod has no label."""
    objects.pods = [pod(label=None)]


def break_case(objects: FakeObjects) -> None:
    """The label differs in letter case only."""
    objects.pods = [pod(label="Coder")]


def break_identity(objects: FakeObjects) -> None:
    """The binding names an AzureIdentity that does not exist."""
    objects.kinds["azureidentitybindings"] = [binding(name="missing")]


def break_namespace(objects: FakeObjects) -> None:
    """The objects are in another namespace than the pod."""
    objects.pods = [pod(namespace="elsewhere")]


@pytest.mark.parametrize("fault", [break_label, break_case, break_identity, break_namespace])
def test_managed_four_causes_have_one_text(fault: Any) -> None:
    """With a trailing blank and nothing after it, at once."""
    bench = Bench()
    fault(bench.objects)

    check_text(bench.get(), 404, NO_ID)
    assert bench.clock.monotonic() == 0


def test_managed_a_pod_without_label_matches_an_empty_selector() -> None:
    """A missing label counts as an empty value."""
    bench = Bench()
    bench.objects.pods = [pod(label=None)]
    bench.objects.kinds["azureidentitybindings"] = [binding(selector="")]

    assert bench.get().status_code == 200


def test_managed_one_of_several_identities_is_taken() -> None:
    """Without a client id any one will do; with it, that one."""
    bench = Bench()
    bench.objects.kinds["azureidentities"].append(azure_identity("kubelet", client=worlds.KUBELET_CLIENT))
    bench.objects.kinds["azureidentitybindings"].append(binding(name="kubelet"))

    assert bench.get().status_code == 200
    named = bench.get(f"{PATH}{QUERY}&client_id={worlds.KUBELET_CLIENT}").json()
    claims = tokens.claims_of(named["access_token"])
    assert claims is not None
    assert claims["appid"] == worlds.KUBELET_CLIENT


def test_a_resource_id_selects_too_and_other_parameters_do_not() -> None:
    """`msi_res_id`, else `mi_res_id`; an `object_id` counts as nothing asked."""
    bench = Bench()

    assert bench.get(f"{PATH}{QUERY}&msi_res_id={worlds.IDENTITY}").status_code == 200
    assert bench.get(f"{PATH}{QUERY}&mi_res_id={worlds.IDENTITY}").status_code == 200
    assert bench.get(f"{PATH}{QUERY}&object_id=nobody").status_code == 200
    check_text(bench.get(f"{PATH}{QUERY}&msi_res_id=/other"), 404, NO_ID)


def test_identity_not_found_comes_wrapped_in_adals_words() -> None:
    """IMDS's body verbatim, and the client id of the AzureIdentity rather than of the request."""
    bench = Bench()
    bench.azure.scale_sets[0].identities = []

    expected = (
        "adal: Refresh request failed. Status Code = '400'. Response body: "
        '{"error":"invalid_request","error_description":"Identity not found"} '
        f"Endpoint {ENDPOINT}"
    )
    check_text(bench.get(), 403, expected)
    assert bench.clock.monotonic() == 0


def test_no_identity_can_be_told_to_come_back() -> None:
    """With --set-retry-after-header it is 503 with Retry-After: 20 and the same text."""
    bench = Bench(Settings(set_retry_after=True))
    break_label(bench.objects)

    response = bench.get()

    check_text(response, 503, NO_ID)
    assert response.headers["retry-after"] == "20"


def exhausted(state: str, attempts: int) -> str:
    """What standard mode says after it has looked in vain."""
    return (
        f"getting assigned identities for pod coder/coderd-1 in {state} state failed after {attempts} attempts, "
        "retry duration [5]s, error: <nil>. Check MIC pod logs for identity assignment errors"
    )


@pytest.mark.parametrize(
    ("query", "prefix"),
    [
        ("", ""),
        (f"&client_id={worlds.CLIENT}", f"clientID in request: {redacted(worlds.CLIENT)}, "),
        (f"&msi_res_id={worlds.IDENTITY}", "clientID in request: , "),
    ],
)
def test_standard_without_an_assignment_holds_for_80_seconds(query: str, prefix: str) -> None:
    """Seventeen looks, five seconds apart, before it says so."""
    bench = Bench(STANDARD)

    check_text(bench.get(PATH + QUERY + query), 404, prefix + exhausted("CREATED", 16))
    assert bench.clock.monotonic() == 80


def test_standard_an_assignment_that_stays_created_holds_for_100_seconds() -> None:
    """The text has no client id even if one was asked for."""
    bench = Bench(STANDARD)
    bench.objects.kinds["azureassignedidentities"] = [assigned("Created")]

    check_text(bench.get(f"{PATH}{QUERY}&client_id={worlds.CLIENT}"), 404, exhausted("ASSIGNED", 20))
    assert bench.clock.monotonic() == 100


@pytest.mark.parametrize("state", ["Assigned", ""])
def test_standard_an_assigned_identity_is_served_at_once(state: str) -> None:
    """An empty state, as a very old MIC wrote it, is usable too."""
    bench = Bench(STANDARD)
    bench.objects.kinds["azureassignedidentities"] = [assigned(state)]

    assert bench.get().status_code == 200
    assert bench.clock.monotonic() == 0


def test_standard_an_assignment_without_its_node_label_is_invisible() -> None:
    """NMI only watches those labelled with its own node."""
    bench = Bench(STANDARD)
    item = assigned("Assigned")
    item["metadata"]["labels"] = {}
    bench.objects.kinds["azureassignedidentities"] = [item]

    check_text(bench.get(), 404, exhausted("CREATED", 16))


def test_standard_a_hopeless_request_ends_with_the_callers_patience() -> None:
    """A caller with a limit of five seconds sees a timeout after five seconds."""
    bench = Bench(STANDARD)

    with pytest.raises(httpx.ReadTimeout):
        bench.get(timeout={"read": 5})

    assert bench.clock.monotonic() == 5


def test_standard_letter_case_is_waited_for_but_not_accepted() -> None:
    """The wait ignores it, the final choice does not: 404 at once."""
    bench = Bench(STANDARD)
    bench.objects.kinds["azureassignedidentities"] = [assigned("Assigned")]

    check_text(bench.get(f"{PATH}{QUERY}&client_id={UPPER}"), 404, NO_ID + redacted(UPPER))
    assert bench.clock.monotonic() == 0


def test_standard_a_namespaced_identity_elsewhere_is_ignored() -> None:
    """404 when it was asked for; a runtime error when nothing was."""
    bench = Bench(STANDARD)
    identity = azure_identity(namespace="elsewhere")
    identity["metadata"]["annotations"] = {"aadpodidentity.k8s.io/Behavior": "namespaced"}
    bench.objects.kinds["azureassignedidentities"] = [assigned("Assigned", identity)]

    asked = bench.get(f"{PATH}{QUERY}&client_id={worlds.CLIENT}")

    check_text(asked, 404, NO_ID + redacted(worlds.CLIENT))
    check_text(bench.get(), 500, "runtime error: index out of range [0] with length 0")


def test_standard_identities_may_be_elsewhere_by_default() -> None:
    """Unless NMI runs with --forceNamespaced."""
    for namespaced, status in ((False, 200), (True, 500)):
        bench = Bench(Settings(mode="standard", namespaced=namespaced))
        elsewhere = assigned("Assigned", azure_identity(namespace="elsewhere"))
        bench.objects.kinds["azureassignedidentities"] = [elsewhere]

        assert bench.get().status_code == status


def test_an_unknown_caller_is_looked_for_a_second() -> None:
    """Five looks at the cache, 300 ms apart; a finished pod and a hostNetwork one do not count."""
    bench = Bench()
    finished, on_host = pod(), pod()
    finished["status"]["phase"] = "Succeeded"
    on_host["spec"]["hostNetwork"] = True
    bench.objects.pods = [finished, on_host]

    check_text(bench.get(), 500, "pod list is empty")
    assert bench.clock.monotonic() == pytest.approx(1.2)


def test_two_pods_with_one_address_are_an_error() -> None:
    """NMI does not choose."""
    bench = Bench()
    bench.objects.pods = [pod(), pod()]

    response = bench.get()

    assert response.status_code == 500
    assert response.text.startswith(f"failed to match pod IP {worlds.POD_IP} with [")


def test_an_ipv6_caller_has_no_address() -> None:
    """It comes before the resource is looked at."""
    check_text(Bench().get(PATH, client="fd00::7"), 500, "request remote address is empty")


def except_coderd(bench: Bench) -> None:
    """An exception by one of two labels, written in another letter case."""
    exception = {
        "metadata": {"name": "e", "namespace": "coder"},
        "spec": {"podLabels": {"app": "CODERD", "no": "such"}},
    }
    bench.objects.kinds["azurepodidentityexceptions"] = [exception]


def test_an_excepted_pod_asks_for_itself() -> None:
    """What it asks for goes to IMDS, by client id only, without any binding."""
    bench = Bench()
    except_coderd(bench)
    bench.objects.kinds["azureidentitybindings"] = []

    token = bench.get(f"{PATH}{QUERY}&client_id={worlds.KUBELET_CLIENT}").json()["access_token"]

    claims = tokens.claims_of(token)
    assert claims is not None
    assert claims["appid"] == worlds.KUBELET_CLIENT


def test_an_excepted_pod_has_its_own_prefix() -> None:
    """Whatever fails upstream is 403."""
    bench = Bench()
    except_coderd(bench)

    response = bench.get()

    assert response.status_code == 403
    assert response.text.startswith(
        "failed to get service principal token, error: adal: Refresh request failed. Status Code = '400'. "
    )
    assert "Multiple user assigned identities exist" in response.text


def test_what_looks_like_mic_needs_no_binding() -> None:
    """A ReplicaSet whose name begins like MIC's, in MIC's namespace."""
    bench = Bench(Settings(mic_namespace="coder"))
    bench.azure.nodes[0].stale_identities = [worlds.IDENTITY]
    bench.objects.kinds["azureidentitybindings"] = []
    bench.objects.pods[0]["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "micro-5f"}]

    assert bench.get().status_code == 200


def test_a_throttled_metadata_service_is_asked_five_times() -> None:
    """It pauses 2, 6, 14, 30 and 60 seconds, as adal does, before NMI says what IMDS said."""
    bench = Bench()
    bench.azure.nodes[0].imds = "throttled"

    response = bench.get()

    assert bench.clock.monotonic() == 112
    assert response.status_code == 403
    assert response.text.startswith("adal: Refresh request failed. Status Code = '429'. Response body: {")


def test_a_dead_metadata_service_is_503_in_the_end() -> None:
    """With Go's words for a refused connection, after adal's five attempts."""
    bench = Bench()
    bench.azure.nodes[0].imds = "stopped"

    text = (
        "adal: Failed to execute the refresh request. Error = "
        f"'Get \"{ENDPOINT}\": dial tcp 169.254.169.254:80: connect: connection refused'"
    )
    check_text(bench.get(), 503, text)
    assert bench.clock.monotonic() == 112


@pytest.mark.parametrize("state", ["stopped", "silent"])
def test_behind_a_living_nmi_a_dead_metadata_service_is_a_held_request(state: Any) -> None:
    """A caller with a limit of 20 seconds hears nothing at all."""
    bench = Bench()
    bench.azure.nodes[0].imds = state

    with pytest.raises(httpx.ReadTimeout):
        bench.get(timeout={"connect": 20, "read": 20})

    assert bench.clock.monotonic() == 20


def test_a_silent_metadata_service_costs_five_dials() -> None:
    """30 seconds each, beside the pauses."""
    bench = Bench()
    bench.azure.nodes[0].imds = "silent"

    response = bench.get()

    assert response.status_code == 503
    assert "dial tcp 169.254.169.254:80: i/o timeout" in response.text
    assert bench.clock.monotonic() == 5 * 30 + 112


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (1, 'failed to get Kubernetes secret coder/pw, err: secrets "pw" not found'),
        (7, "unsupported identity type 7"),
    ],
)
def test_other_types_of_identity_are_503(kind: int, text: str) -> None:
    """A service principal whose Secret is missing, and a type that does not exist."""
    bench = Bench()
    secret = {"name": "pw", "namespace": "coder"}
    bench.objects.kinds["azureidentities"][0]["spec"] |= {"type": kind, "clientPassword": secret}

    check_text(bench.get(), 503, text)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        (f"//metadata/identity/oauth2/token{QUERY}", PATH + QUERY),
        ("/metadata//instance/", "/metadata/instance/"),
    ],
)
def test_an_untidy_path_is_redirected(path: str, location: str) -> None:
    """301 with an empty body, whoever asks."""
    response = Bench().get(path, {})

    assert (response.status_code, response.content) == (301, b"")
    assert response.headers["location"] == location
    assert "server" not in response.headers


@pytest.mark.parametrize(
    "path", [f"{PATH}/", "/Metadata/identity/oauth2/token", "/METADATA/identity/oauth2/tokens"]
)
def test_the_token_route_is_generous(path: str) -> None:
    """A final slash, anything that begins so, and `metadata` in any letter case."""
    assert list(Bench().get(path + QUERY).json())[1] == "refresh_token"


@pytest.mark.parametrize("path", ["/metadata/identity/v2/oauth2/token", "/metadata/identity/oauth2/v1/token"])
def test_almost_the_token_route_is_refused(path: str) -> None:
    """Before any header is looked at."""
    check_text(Bench().get(path, {}), 400, "Invalid request")


def test_any_method_will_do() -> None:
    """POST to the token path works like GET."""
    bench = Bench()
    request = httpx.Request(
        "POST", BASE + PATH + QUERY, headers=METADATA, extensions={"client": worlds.POD_IP}
    )

    assert bench.nmi(request).status_code == 200


def test_other_paths_are_passed_on() -> None:
    """IMDS's status, headers and body; its Server header tells that it answered."""
    bench = Bench()

    good = bench.get("/metadata/instance?api-version=2021-02-01")
    bad = bench.get("/metadata/instance")

    assert good.headers["server"].startswith("IMDS/")
    assert good.json()["compute"]["vmScaleSetName"] == "pool1"
    assert (bad.status_code, bad.headers["content-type"]) == (400, "application/json; charset=utf-8")


def test_the_instance_route_can_be_blocked() -> None:
    """With --block-instance-metadata."""
    bench = Bench(Settings(block_instance_metadata=True))

    check_text(bench.get("/metadata/instance", {}), 403, "Request blocked by AAD Pod Identity NMI")


def test_passing_on_to_a_dead_metadata_service_is_500() -> None:
    """With Go's transport error, at once."""
    bench = Bench()
    bench.azure.nodes[0].imds = "stopped"

    text = (
        'Get "http://169.254.169.254:80/metadata/versions": '
        "dial tcp 169.254.169.254:80: connect: connection refused"
    )
    check_text(bench.get("/metadata/versions"), 500, text)


def test_the_host_route_is_for_the_host() -> None:
    """First its own headers, then the loopback address, then a resource; never the Metadata header."""
    bench = Bench(STANDARD)
    bench.objects.kinds["azureassignedidentities"] = [assigned("Assigned")]
    named = {"podname": "coderd-1", "podns": "coder"}

    check_text(bench.get("/host/token/", {}), 400, "missing 'podname' and 'podns' from request header")
    check_text(bench.get("/host/token/", named), 500, "request remote address is not from a host")
    empty = bench.get("/host/token/", named, client="127.0.0.1")
    check_text(empty, 400, "parameter resource cannot be empty")
    served = bench.get(f"/host/token/{QUERY}", named, client="127.0.0.1").json()
    assert list(served) == ["token", "clientid"]
    assert served["clientid"] == worlds.CLIENT
