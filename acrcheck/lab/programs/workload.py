"""What a program in a pod finds around itself: variables, the service account's token, and the way to Entra."""

from dataclasses import dataclass
from datetime import timedelta

import httpx

from acrcheck.lab.directory import EXCHANGE
from acrcheck.lab.kube import Json
from acrcheck.lab.path import Path, Place
from acrcheck.lab.programs import go
from acrcheck.lab.webhook import AUTHORITY, service_account_token
from acrcheck.lab.world import World

IMDS_TOKEN = "http://169.254.169.254/metadata/identity/oauth2/token"  # noqa: S105 - an address
REGISTRY_SCOPE = "https://containerregistry.azure.net/.default"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECONDS = 130.0


@dataclass(frozen=True)
class Program:
    """A program that runs in a pod."""

    world: World
    pod: Json

    @property
    def variables(self) -> dict[str, str]:
        """Its environment: the pod's own first, then what the webhook has put there."""
        metadata = self.pod["metadata"]
        account = f"{metadata['namespace']}/{self.pod['spec'].get('serviceAccountName', 'default')}"
        own = {item["name"]: item["value"] for item in self.pod["spec"]["containers"][0].get("env", [])}
        if self.world.webhook is None:
            return own
        return self.world.webhook.variables(self.pod, self.world.annotations.get(account, {})) | own

    def assertion(self, age: timedelta = timedelta(), audience: str = EXCHANGE) -> str:
        """The service account's token, of that age."""
        namespace = self.pod["metadata"]["namespace"]
        account = self.pod["spec"].get("serviceAccountName", "default")
        issued = self.world.clock.now() - age
        return service_account_token(
            self.world.azure.clusters[0].issuer, namespace, account, issued, audience
        )

    def exchange(self, assertion: str, scope: str = REGISTRY_SCOPE) -> httpx.Response:
        """Offer a token to Entra for one of its own. Raises go.GoError when Entra cannot be reached."""
        variables = self.variables
        form = {
            "client_id": variables["AZURE_CLIENT_ID"],
            "scope": scope,
            "grant_type": "client_credentials",
            "client_assertion_type": BEARER,
            "client_assertion": assertion,
        }
        host = variables.get("AZURE_AUTHORITY_HOST", AUTHORITY)
        url = f"{host}{variables['AZURE_TENANT_ID']}/oauth2/v2.0/token"
        return go.Client(self.world, Place(self.pod)).send("POST", url, form=form)

    def metadata(self, resource: str, version: str, seconds: float = SECONDS, **more: str) -> httpx.Response:
        """Ask the metadata service for a token. Raises StoppedError when nothing answers."""
        query = {"api-version": version, "resource": resource, **more}
        request = httpx.Request("GET", IMDS_TOKEN, params=query, headers={"Metadata": "true"})
        response = Path(self.world).send(Place(self.pod), request, seconds)
        response.request = request
        return response
