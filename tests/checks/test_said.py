"""What people say around a text, and what programs call the same thing: the likeliest cause follows it."""

from io import BytesIO

import pytest

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.text.diagnose import Reader

CHECKS = load_checks(builtin_dir())
READER = Reader(load_causes(builtin_dir(), CHECKS), CHECKS.layers)
NO_METADATA = "curl: (28) Failed to connect to 169.254.169.254 port 80: Operation timed out"
PUBLIC_ENDED = 'failed to do request: Head "https://mcr.microsoft.com/v2/shop/web/manifests/v1": EOF'
ENDED = 'failed to do request: Head "https://demo.azurecr.io/v2/shop/web/manifests/v1": EOF'
ANONYMOUS = (
    'Failed to pull image "demo.azurecr.io/shop/web:v1": failed to authorize: failed to fetch anonymous token:'
    " unexpected status from GET request to https://demo.azurecr.io/oauth2/token?scope=x: 401 Unauthorized"
)


def named(text: str) -> list[str]:
    """Name the causes, likeliest first."""
    return [finding.cause.id for finding in READER.read(BytesIO(text.encode())).findings]


@pytest.mark.parametrize(
    ("text", "said", "cause"),
    [
        (NO_METADATA, "We use Calico network policies.", "imds-blocked-by-network-policy"),
        (PUBLIC_ENDED, "All outbound traffic goes through an Azure Firewall.", "egress-blocked"),
        (
            "unauthorized: authentication required",
            "Login Succeeded, docker pull works; it began after updating.",
            "client-regression",
        ),
        ("AADSTS90002: Tenant 'a' not found.", "az cloud set --name AzureUSGovernment", "wrong-cloud"),
        (ENDED, "The private DNS zone is shared with another cluster.", "private-endpoint-dns"),
        (ENDED, "There have been no changes on our side, and the status page is green.", "service-incident"),
        (
            "AADSTS7000215: Invalid client secret is provided.",
            "It had worked for a year.",
            "sp-secret-expired",
        ),
    ],
)
def test_what_a_person_says_counts(text: str, said: str, cause: str) -> None:
    """The cause that the words speak for is first, before the text as after it."""
    assert named(f"{text}\n{said}\n")[0] == cause
    assert named(f"{said}\n{text}\n")[0] == cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "Access to registry 'demo.azurecr.io' was denied. Response code: 503. Please try again.",
            "service-incident",
        ),
        (
            "429 Too Many Requests: GET http://169.254.169.254/metadata/identity/oauth2/token",
            "rate-limited-imds",
        ),
        ("Error: connect EHOSTUNREACH 169.254.169.254:80", "imds-unreachable"),
        ('Error: logging into "demo.azurecr.io": invalid username/password', "wrong-password"),
        ("Error: INSTALLATION FAILED: demo.azurecr.io/helm/web:1.0.0: not found", "tag-not-found"),
        ("repository demo.azurecr.io/web not found: does not exist or no pull access", "image-not-found"),
        (
            "unable to pull image using Managed identity system for registry demo.azurecr.io",
            "no-acrpull-role",
        ),
        ("AZURE_FEDERATED_TOKEN_FILE variable is not set", "wi-pod-label-missing"),
        ("An error response is received from the docker registry 'index.docker.io'", "dockerhub-rate-limit"),
        ("Tunnel connection failed: 407 Proxy Authentication Required", "proxy-required"),
        ('Failed to apply default image tag "demo.azurecr.io/Web": it is odd', "invalid-image-reference"),
        ("Error: connect ETIMEDOUT 20.1.2.3:443", "egress-blocked"),
        ("Error: connect ETIMEDOUT 10.1.2.3:443", "private-endpoint-unreachable"),
        (
            "reading manifest 1 in demo.azurecr.io/web: unauthorized: authentication required",
            "registry-credential-not-sent",
        ),
        ("AADSTS700027: invalid signature. Thumbprint of key used by client: 'A1'", "sp-secret-invalid"),
    ],
)
def test_other_programs_say_it_otherwise(text: str, cause: str) -> None:
    """Each client's wording leads to the cause."""
    assert named(text)[0] == cause


def test_a_pull_without_a_credential_has_many_causes_in_their_order() -> None:
    """No credential is what is certain; on nodes, what most often stands behind it is a role that is missing."""
    assert named(ANONYMOUS)[:2] == ["registry-credential-not-sent", "no-acrpull-role"]
    assert len(named(ANONYMOUS)) > 5
