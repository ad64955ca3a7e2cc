"""The Azure clouds: the only place where an authority, an audience or a suffix is written."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, slots=True)
class Cloud:
    """One Azure cloud: where to ask, and for what.

    Sources: azure-cli-core `cloud.py`; learn.microsoft.com/azure/container-registry.
    """

    name: str
    registry_suffix: str
    authority: str
    arm: str
    """The endpoint of Azure Resource Manager, and the audience that `https://management.azure.com` names."""
    arm_audience: str
    """The audience that az asks for when it logs in."""
    environment: str
    """The cloud's name in az."""
    storage_suffix: str
    """Of the hosts from which a registry without data endpoints gives its layers."""
    registry_audience: str = "https://containerregistry.azure.net"


CLOUDS = (
    Cloud(
        "public",
        "azurecr.io",
        "https://login.microsoftonline.com",
        "https://management.azure.com",
        "https://management.core.windows.net/",
        "AzureCloud",
        "blob.core.windows.net",
    ),
    Cloud(
        "usgov",
        "azurecr.us",
        "https://login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/",
        "AzureUSGovernment",
        "blob.core.usgovcloudapi.net",
    ),
    Cloud(
        "china",
        "azurecr.cn",
        "https://login.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "https://management.core.chinacloudapi.cn/",
        "AzureChinaCloud",
        "blob.core.chinacloudapi.cn",
    ),
)
NAMES = tuple(cloud.name for cloud in CLOUDS)


ALIKE = 0.85
"""Above this likeness (0 to 1) a suffix was probably meant to be an Azure registry's."""


def cloud_of(name: str = "", registry: str = "") -> Cloud:
    """Give the cloud by its name, else by the registry's suffix, else the public one."""
    for cloud in CLOUDS:
        if name == cloud.name or (not name and registry.endswith(f".{cloud.registry_suffix}")):
            return cloud
    return CLOUDS[0]


def is_acr(host: str) -> bool:
    """Tell whether a text is the login server of an Azure container registry: a host name, nothing more."""
    name = re.fullmatch(r"[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*?\.(azurecr\.[a-z]+)", host)
    return name is not None and any(name[1] == cloud.registry_suffix for cloud in CLOUDS)


def near_acr(host: str) -> str:
    """Give the login server that a misspelt one was probably meant to be; empty where it is none, or one as it is."""
    label, _, rest = host.partition(".")
    if is_acr(host):
        return ""
    likeness = {
        cloud.registry_suffix: SequenceMatcher(None, rest, cloud.registry_suffix).ratio() for cloud in CLOUDS
    }
    suffix = max(likeness, key=lambda item: likeness[item])
    return f"{label}.{suffix}" if likeness[suffix] >= ALIKE else ""


def layer_host(host: str) -> str:
    """Say what a host that layers come from is.

    Source: learn.microsoft.com/azure/container-registry/container-registry-dedicated-data-endpoints.
    """
    if any(host.endswith(f".data.{cloud.registry_suffix}") for cloud in CLOUDS):
        return "a dedicated data endpoint"
    if any(host.endswith(f".{cloud.storage_suffix}") for cloud in CLOUDS):
        return "Azure's storage"
    return "another host"
