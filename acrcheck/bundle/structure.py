"""Kubernetes objects without what is never kept: Secret data, environment values, copies of whole manifests."""

from collections.abc import Callable
from typing import Any

from acrcheck.bundle.forms import JWT
from acrcheck.bundle.names import is_empty
from acrcheck.cluster.pullsecret import sealed
from acrcheck.wire.door import Secret

Json = dict[str, Any]
COPIES = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "objectset.rio.cattle.io/applied",
        "kapp.k14s.io/original",
        "banzaicloud.com/last-applied",
    }
)
"""Annotations that hold the object as somebody applied it, secrets and all."""
ENVIRONMENT = frozenset(
    {
        *(
            "AZURE_CLIENT_ID",
            "AZURE_TENANT_ID",
            "AZURE_SUBSCRIPTION_ID",
            "AZURE_AUTHORITY_HOST",
            "AZURE_CLOUD",
        ),
        *(
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_ENVIRONMENT",
            "AZURE_REGIONAL_AUTHORITY_NAME",
            "AZURE_CONFIG_DIR",
        ),
        *(
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
            "AZURE_ADDITIONALLY_ALLOWED_TENANTS",
            "AZURE_TOKEN_CREDENTIALS",
        ),
        *("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "ARM_CLIENT_ID", "ARM_TENANT_ID", "ARM_SUBSCRIPTION_ID"),
        *(
            "ARM_USE_MSI",
            "ARM_USE_OIDC",
            "ARM_ENVIRONMENT",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "NO_PROXY",
            "ALL_PROXY",
        ),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"),
        *(
            "FORCENAMESPACED",
            "NODENAME",
            "NODE_NAME",
            "HOST_IP",
            "POD_IP",
            "POD_NAME",
            "POD_NAMESPACE",
            "NAMESPACE",
        ),
        *("KUBERNETES_NAMESPACE", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBERNETES_PORT"),
        *("SERVICE_ACCOUNT", "HOSTNAME", "CLUSTER_ADDRESS", "PATH", "HOME", "LANG", "TZ", "LOG_LEVEL"),
        *("GOMAXPROCS", "GOMEMLIMIT", "GODEBUG", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE"),
        *(
            "CODER_ACCESS_URL",
            "CODER_WILDCARD_ACCESS_URL",
            "CODER_HTTP_ADDRESS",
            "CODER_VERBOSE",
            "CODER_TELEMETRY",
        ),
    }
)
"""Variables that say how a program finds its identity and its network. The value of any other is taken out."""


def bare(item: Json, hold: Callable[[str], Secret], taken: Callable[[str, str], str]) -> Json:
    """Give an object without what is never kept.

    `hold` gives what may be known of a password, `taken` what stands in place of a value of some kind.
    """
    if is_secret(item):
        kept: Json = {key: item[key] for key in ("apiVersion", "kind") if key in item}
        return {**kept, **sealed({**item, "data": _data(item)}, hold)}
    return {key: _bare(key, value, taken) for key, value in item.items()}


def is_secret(item: Json) -> bool:
    """Tell whether an object is a Secret as the API gives it; what was sealed is none."""
    data = item.get("data") or item.get("stringData")
    if item.get("kind") not in {None, "Secret"} or "fields" in item:
        return False
    return item.get("kind") == "Secret" or (isinstance(data, dict) and "type" in item)


def _data(item: Json) -> Json:
    import base64

    data = item.get("data")
    texts = item.get("stringData")
    encoded = (
        {str(key): base64.b64encode(str(value).encode()).decode() for key, value in texts.items()}
        if isinstance(texts, dict)
        else {}
    )
    return {**(data if isinstance(data, dict) else {}), **encoded}


def _bare(key: str, value: Any, taken: Callable[[str, str], str]) -> Any:
    if isinstance(value, dict):
        if key == "annotations":
            return {name: text for name, text in value.items() if name not in COPIES}
        return {name: _bare(name, item, taken) for name, item in value.items() if name != "managedFields"}
    if isinstance(value, list):
        if key == "env":
            return [_variable(item, taken) for item in value]
        return [_bare(key, item, taken) if isinstance(item, dict) else item for item in value]
    return value


def _variable(item: Any, taken: Callable[[str, str], str]) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get("value"), str) or not item["value"]:
        return item
    left = (
        str(item.get("name")).upper() in ENVIRONMENT
        or JWT.fullmatch(item["value"])
        or is_empty(item["value"])
    )
    if left:
        return item
    return {**item, "value": taken("env", item["value"])}
