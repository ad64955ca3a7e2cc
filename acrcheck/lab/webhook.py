"""The webhook of Azure Workload Identity, and the tokens of service accounts.

Sources: azure-workload-identity pkg/webhook/webhook.go and consts.go (1.5.1); learn.microsoft.com
"workload-identity-overview".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from acrcheck.lab import tokens
from acrcheck.lab.clock import START
from acrcheck.lab.directory import EXCHANGE

LABEL = "azure.workload.identity/use"
CLIENT_ID = "azure.workload.identity/client-id"
TOKEN_FILE = "/var/run/secrets/azure/tokens/azure-identity-token"  # noqa: S105 - a path
AUTHORITY = "https://login.microsoftonline.com/"
LIFETIME = timedelta(hours=1)


@dataclass
class Webhook:
    """The mutating webhook: it changes pods as they are created, and never afterwards.

    Attributes:
        tenant: the directory that it tells pods of.
        answers: `absent` where its pods do not run, `silent` where nothing comes back, `plain` where something
            before it answers without TLS.
        since: from when on it has answered.
        failure_policy: what the API server does with a pod when it does not answer.
        certificate: until when its certificate holds.
    """

    tenant: str
    namespace: str = "kube-system"
    answers: Literal["yes", "absent", "silent", "plain"] = "yes"
    since: datetime = START - timedelta(days=30)
    failure_policy: Literal["Fail", "Ignore"] = "Fail"
    certificate: datetime = START + timedelta(days=3650)

    def variables(self, pod: Mapping[str, Any], annotations: Mapping[str, str]) -> dict[str, str]:
        """The environment that a pod has from it; empty where it has left the pod alone."""
        metadata = pod["metadata"]
        created = datetime.fromisoformat(metadata["creationTimestamp"])
        if (metadata.get("labels") or {}).get(LABEL) != "true" or created < self.since:
            return {}
        given = {
            "AZURE_CLIENT_ID": annotations.get(CLIENT_ID, ""),
            "AZURE_TENANT_ID": self.tenant,
            "AZURE_FEDERATED_TOKEN_FILE": TOKEN_FILE,
            "AZURE_AUTHORITY_HOST": AUTHORITY,
        }
        return {key: value for key, value in given.items() if value}


def service_account_token(
    issuer: str, namespace: str, name: str, issued: datetime, audience: str = EXCHANGE
) -> str:
    """The token that a cluster projects into a pod."""
    claims = {
        "aud": [audience],
        "exp": int((issued + LIFETIME).timestamp()),
        "iat": int(issued.timestamp()),
        "iss": issuer,
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name}},
        "nbf": int(issued.timestamp()),
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }
    return tokens.encode(tokens.HmacSigner(issuer.encode()), claims)
