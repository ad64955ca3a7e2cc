"""Azure Resource Manager, as `az login --identity` asks it.

Source: azure-cli-core `_profile.py`: one call, `GET /subscriptions?api-version=2022-12-01`, following nextLink.
"""

from urllib.parse import quote, urlsplit

from acrcheck.azure.clouds import Cloud
from acrcheck.wire.door import Request

API_VERSION = "2022-12-01"
REGISTRY_API_VERSION = "2025-11-01"
REGISTRY_TYPE = "Microsoft.ContainerRegistry/registries"
PAGES = 20
"""More pages than any login has; a server that links in circles ends here."""


def subscriptions_request(cloud: Cloud, token: str, link: str = "") -> Request:
    """Ask for the first page, or for the one a nextLink names."""
    url = link or f"{cloud.arm}/subscriptions?api-version={API_VERSION}"
    return _get(url, token)


def registries_request(cloud: Cloud, token: str, subscription: str) -> Request:
    """Ask for the ids of a subscription's registries, as `az acr` does to find one."""
    kind = quote(f"resourceType eq '{REGISTRY_TYPE}'")
    url = f"{cloud.arm}/subscriptions/{quote(subscription, safe='')}/resources?$filter={kind}&api-version=2021-04-01"
    return _get(url, token)


def registry_request(cloud: Cloud, token: str, resource_id: str) -> Request:
    """Ask for one registry, by its id (learn.microsoft.com, Registries - Get)."""
    url = f"{cloud.arm}{quote(resource_id)}?api-version={REGISTRY_API_VERSION}"
    return _get(url, token)


def replications_request(cloud: Cloud, token: str, resource_id: str) -> Request:
    """Ask in which regions a registry is (learn.microsoft.com, Replications - List)."""
    url = f"{cloud.arm}{quote(resource_id)}/replications?api-version={REGISTRY_API_VERSION}"
    return _get(url, token)


def _get(url: str, token: str) -> Request:
    return Request("GET", url, headers=(("Accept", "application/json"),), bearer=token, seconds=15.0)


def is_registry_of(resource_id: str, host: str) -> bool:
    """Tell whether a registry's id may be that of a host: with a domain name label, a hash is behind its name."""
    parts = resource_id.split("/")
    label = host.partition(".")[0].lower()
    typed = resource_id.startswith("/") and "/".join(parts[-3:-1]).lower() == REGISTRY_TYPE.lower()
    return typed and parts[-1].lower() in {label, label.rpartition("-")[0]}


def leads_away(cloud: Cloud, link: str) -> bool:
    """Tell whether a nextLink leads out of ARM: the identity's token must not be sent there."""
    try:
        url = urlsplit(link)
        host = url.hostname or ""
    except ValueError:
        return True
    own = urlsplit(cloud.arm).hostname or ""
    return url.scheme != "https" or not (host == own or host.endswith(f".{own}"))
