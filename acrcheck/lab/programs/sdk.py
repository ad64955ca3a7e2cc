"""What Azure's libraries say when a pod does not give them what they need.

Sources: Azure/azure-sdk-for-go sdk/azidentity (workload_identity.go, managed_identity_client.go,
chained_token_credential.go) and microsoft-authentication-library-for-go apps/confidential/confidential.go;
azure-identity for Python azure/identity/_credentials/{workload,managed}_identity.py.
"""

from http import HTTPStatus

from acrcheck.lab.path import StoppedError
from acrcheck.lab.programs.workload import Program

REGISTRY = "https://containerregistry.azure.net"
WORKLOAD_SINCE, DEVELOPER_CLI_SINCE = (1, 3), (1, 6)
GO_SECONDS = 1.0
"""That the metadata service is given where it is one of several."""
POD = "Check pod configuration or set"
VARIABLES = {
    "tenant_id": "AZURE_TENANT_ID",
    "client_id": "AZURE_CLIENT_ID",
    "token_file_path": "AZURE_FEDERATED_TOKEN_FILE",
}


def go_workload(program: Program) -> str:
    """The first thing that Go's WorkloadIdentityCredential misses; nothing when all is there."""
    variables = program.variables
    if "AZURE_CLIENT_ID" not in variables:
        return f"no client ID specified. {POD} ClientID in the options"
    if "AZURE_FEDERATED_TOKEN_FILE" not in variables:
        return f"no token file specified. {POD} TokenFilePath in the options"
    if "AZURE_TENANT_ID" not in variables:
        return f"no tenant ID specified. {POD} TenantID in the options"
    return ""


def go_default(program: Program, version: tuple[int, int] = (1, 10)) -> str:
    """Go's DefaultAzureCredential, whose every member is unavailable.

    Args:
        program: where it runs.
        version: of azidentity.
    """
    tried = [f"EnvironmentCredential: {_go_environment(program.variables)}"]
    if version >= WORKLOAD_SINCE:
        tried.append(f"WorkloadIdentityCredential: {go_workload(program)}")
    tried.append(f"ManagedIdentityCredential: {_go_managed(program)}")
    tried.append("AzureCLICredential: Azure CLI not found on path")
    if version >= DEVELOPER_CLI_SINCE:
        tried.append("AzureDeveloperCLICredential: Azure Developer CLI not found on path")
    shown = "\n".join(f"\t{item}" for item in tried)
    return f"DefaultAzureCredential: failed to acquire a token.\nAttempted credentials:\n{shown}\n"


def _go_environment(variables: dict[str, str]) -> str:
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
        if name not in variables:
            return f"missing environment variable {name}"
    return "incomplete environment variable configuration. Only AZURE_TENANT_ID and AZURE_CLIENT_ID are set"


def _go_managed(program: Program) -> str:
    """Go's ManagedIdentityCredential without an id, in the chain."""
    try:
        response = program.metadata(REGISTRY, "2018-02-01", GO_SECONDS)
    except StoppedError:
        return "IMDS token request timed out"
    if response.status_code == HTTPStatus.BAD_REQUEST:
        return "no default identity is assigned to this resource"
    return f"authentication failed. {response.text.strip()}"


def msal_go_client(program: Program) -> str:
    """MSAL for Go given an authority that is made of the variables."""
    authority = (
        f"{program.variables.get('AZURE_AUTHORITY_HOST', '')}{program.variables.get('AZURE_TENANT_ID', '')}"
    )
    if authority.startswith("https://"):
        return ""
    problem = f"the Authority({authority}/oauth2/token) does not appear to use https"
    return f"failed to create confidential client app: {problem}\n"


def python_workload(program: Program) -> str:
    """Python's WorkloadIdentityCredential; nothing when all is there."""
    missing = [f"'{name}'" for name, variable in VARIABLES.items() if variable not in program.variables]
    if not missing:
        return ""
    return (
        "ValueError: WorkloadIdentityCredential authentication unavailable. The workload options are not fully "
        "configured. See the troubleshooting guide for more information: "
        "https://aka.ms/azsdk/python/identity/workloadidentitycredential/troubleshoot. "
        f"Missing required arguments: {', '.join(missing)}.\n"
    )


def python_managed(program: Program) -> str:
    """Python's ManagedIdentityCredential where the variables of workload identity choose it; nothing otherwise."""
    variables = program.variables
    needed = ("AZURE_AUTHORITY_HOST", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")
    if not all(variables.get(name) for name in needed) or variables.get("AZURE_CLIENT_ID"):
        return ""
    return (
        "ValueError: Workload identity was selected but no client ID was provided. Configure the environment with "
        'a client ID or pass a value for "client_id" argument\n'
    )
