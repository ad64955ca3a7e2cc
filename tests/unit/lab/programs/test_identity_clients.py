"""What clients print of Entra's refusals, and of what a pod does not give them."""

from datetime import UTC, datetime

import httpx
import pytest
from azure.identity import WorkloadIdentityCredential

from acrcheck.lab import faults
from acrcheck.lab.programs import entra, sdk
from acrcheck.lab.programs.workload import Program
from acrcheck.lab.webhook import CLIENT_ID, LABEL
from acrcheck.lab.world import TENANT, World, healthy

URL = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
RULE = "-" * 80
BODY = '{"error":"invalid_client","error_description":"AADSTS700212: No.","error_codes":[700212]}'
MOMENT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def refused(body: str = BODY, status: int = 401) -> httpx.Response:
    """An answer of Entra's."""
    request = httpx.Request("POST", URL)
    return httpx.Response(status, headers={"Content-Type": "application/json"}, text=body, request=request)


def world_of(*extra: faults.Fault) -> World:
    """A world in which the workload has its identity from Entra."""
    return faults.broken(healthy(), faults.workload_identity, *extra)


def program(*extra: faults.Fault) -> Program:
    """The program of its first pod."""
    world = world_of(*extra)
    return Program(world, world.pods[0])


def unannotated(world: World) -> None:
    """The service account names no client id."""
    world.annotations.clear()


def unlabelled(world: World) -> None:
    """The webhook passes the pods by."""
    del world.deployment["spec"]["template"]["metadata"]["labels"][LABEL]
    faults.settle(world)


def test_azidentity_shows_the_request_and_the_answer() -> None:
    """As AuthenticationFailedError.Error of azidentity puts them together."""
    assert entra.azidentity(refused()) == (
        f"WorkloadIdentityCredential authentication failed. \nPOST {URL}\n{RULE}\n"
        f"RESPONSE 401: 401 Unauthorized\n{RULE}\n"
        '{\n  "error": "invalid_client",\n  "error_description": "AADSTS700212: No.",\n'
        f'  "error_codes": [\n    700212\n  ]\n}}\n{RULE}\n'
        "To troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot#workload\n"
    )


def test_the_sample_for_go_quotes_the_answer() -> None:
    """In one line of klog's, with what Go's %q escapes."""
    assert entra.msal_go(refused(), MOMENT) == (
        'E1102 09:00:00.000000       1 token_credential.go:62] "failed to acquire token" '
        f'err="FromAssertion(): http call({URL})(POST) error: reply status code was 401:\\n'
        '{\\"error\\":\\"invalid_client\\",\\"error_description\\":\\"AADSTS700212: No.\\",'
        '\\"error_codes\\":[700212]}"\n'
    )


def test_az_says_how_to_sign_in_again() -> None:
    """With the tenant and the scope that it wanted, and something else for a wrong secret."""
    advice = (
        "Run the command below to authenticate interactively; additional arguments may be added as needed:"
    )
    assert entra.az(refused(), "t", "s") == (
        f'ERROR: AADSTS700212: No.\n{advice}\naz logout\naz login --tenant "t" --scope "s"\n'
    )
    wrong = entra.az(refused(BODY.replace("700212", "7000215")))
    assert wrong.startswith(
        "ERROR: AADSTS7000215: No.\nThe error may be caused by passing a service principal"
    )


def test_adal_names_the_request_that_wanted_the_token() -> None:
    """And the endpoint that refused it."""
    assert entra.adal(refused(), "https://management.azure.com/x") == (
        "azure.BearerAuthorizer#WithAuthorization: Failed to refresh the Token for request to "
        "https://management.azure.com/x: StatusCode=401 -- Original Error: adal: Refresh request failed. "
        f"Status Code = '401'. Response body: {BODY} Endpoint {URL}"
    )


@pytest.mark.parametrize(
    ("missing", "given"),
    [
        ("'tenant_id', 'client_id', 'token_file_path'", (unlabelled,)),
        ("'client_id'", (unannotated,)),
    ],
)
def test_python_words_are_those_of_the_library(missing: str, given: tuple[faults.Fault, ...]) -> None:
    """The real library, given the same variables, says the same."""
    runs = program(*given)
    known = {name: runs.variables.get(variable) for name, variable in sdk.VARIABLES.items()}

    with pytest.raises(ValueError, match="not fully configured") as raised:
        WorkloadIdentityCredential(**{name: value for name, value in known.items() if value})

    assert f"Missing required arguments: {missing}." in str(raised.value)
    assert sdk.python_workload(runs) == f"ValueError: {raised.value}\n"


def test_go_misses_the_client_id_first() -> None:
    """Without the annotation only that is missing; without the label it is the first of three."""
    assert sdk.go_workload(program()) == ""
    said = "no client ID specified. Check pod configuration or set ClientID in the options"
    assert sdk.go_workload(program(unannotated)) == said
    assert sdk.go_workload(program(unlabelled)) == said


def test_go_default_lists_what_it_tried() -> None:
    """The variables that are missing tell an uninjected pod from one without annotation."""
    assert sdk.go_default(program(unlabelled, faults.no_nmi())) == (
        "DefaultAzureCredential: failed to acquire a token.\nAttempted credentials:\n"
        "\tEnvironmentCredential: missing environment variable AZURE_TENANT_ID\n"
        "\tWorkloadIdentityCredential: no client ID specified. Check pod configuration or set ClientID in the "
        "options\n\tManagedIdentityCredential: no default identity is assigned to this resource\n"
        "\tAzureCLICredential: Azure CLI not found on path\n"
        "\tAzureDeveloperCLICredential: Azure Developer CLI not found on path\n"
    )
    assert "missing environment variable AZURE_CLIENT_ID\n" in sdk.go_default(program(unannotated))


def test_an_old_go_default_knows_no_workload_identity() -> None:
    """Its list goes from the environment to the metadata service, which it gives a second."""
    text = sdk.go_default(program(faults.imds_blocked), (1, 2))

    assert (
        "Only AZURE_TENANT_ID and AZURE_CLIENT_ID are set\n\tManagedIdentityCredential: IMDS token request timed out\n"
    ) in text
    assert "WorkloadIdentityCredential" not in text


def test_msal_for_go_needs_an_authority() -> None:
    """It is made of two variables that are not there."""
    said = "failed to create confidential client app: the Authority(/oauth2/token) does not appear to use https\n"
    assert sdk.msal_go_client(program(unlabelled)) == said
    assert sdk.msal_go_client(program()) == ""


def test_python_managed_wants_a_client_id() -> None:
    """Only where the webhook's variables choose workload identity without one."""
    assert sdk.python_managed(program(unannotated)).startswith(
        "ValueError: Workload identity was selected but no"
    )
    assert sdk.python_managed(program(unlabelled)) == ""
    assert sdk.python_managed(program()) == ""


def test_the_webhook_gives_four_variables() -> None:
    """And a pod's own win over them."""
    variables = program(faults.environment(AZURE_TENANT_ID="own")).variables

    assert variables["AZURE_TENANT_ID"] == "own"
    assert variables["AZURE_FEDERATED_TOKEN_FILE"] == "/var/run/secrets/azure/tokens/azure-identity-token"
    assert variables["AZURE_AUTHORITY_HOST"] == "https://login.microsoftonline.com/"
    assert variables["AZURE_CLIENT_ID"] == world_of().annotations["coder/coder"][CLIENT_ID]


def test_all_well_is_a_token() -> None:
    """The service account's token becomes one of Entra's."""
    runs = program()

    assert runs.exchange(runs.assertion()).json()["token_type"] == "Bearer"
