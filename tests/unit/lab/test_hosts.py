"""The public hosts, by name."""

import httpx
import pytest

from acrcheck.lab.clock import LabClock
from acrcheck.lab.hosts import PublicHosts
from tests.unit.lab import worlds
from tests.unit.lab.worlds import get


def test_each_name_leads_to_its_service() -> None:
    """Whatever the letter case or port; a registry that is added later is found as well."""
    azure = worlds.azure()
    hosts = PublicHosts(lambda: azure, LabClock())

    assert get(hosts, "https://management.azure.com/subscriptions").json()["error"]["code"]
    assert get(hosts, "https://login.microsoftonline.com/x").status_code == 404
    assert get(hosts, "https://LABREG.azurecr.io:443/v2/").headers["server"] == "openresty"
    assert get(hosts, "https://eastusmanaged1.blob.core.windows.net/x").status_code == 403
    azure.registries[0].login_server = "other.azurecr.io"
    assert get(hosts, "https://other.azurecr.io/v2/").status_code == 401


def test_the_host_header_decides() -> None:
    """As behind a real socket, where the address says nothing."""
    hosts = PublicHosts(worlds.azure, LabClock())

    assert get(hosts, "http://127.0.0.1:8443/v2/", {"Host": worlds.LOGIN}).status_code == 401


def test_an_unknown_name_does_not_resolve() -> None:
    """Neither a registry of another name nor anything else."""
    hosts = PublicHosts(worlds.azure, LabClock())

    with pytest.raises(httpx.ConnectError, match="Name or service not known"):
        get(hosts, "https://nowhere.azurecr.io/v2/")


def test_it_is_a_transport_for_httpx() -> None:
    """A client follows the redirect to a layer's host in one process."""
    clock, azure = LabClock(), worlds.azure()
    hosts = PublicHosts(lambda: azure, clock)

    with httpx.Client(transport=httpx.MockTransport(hosts)) as client:
        assert client.get(f"https://{worlds.LOGIN}/v2/").status_code == 401


def test_all_names_are_known() -> None:
    """For whoever has to give them addresses and certificates."""
    assert PublicHosts(worlds.azure, LabClock()).names() == [
        "management.azure.com",
        "login.microsoftonline.com",
        "labreg.azurecr.io",
        "eastusmanaged1.blob.core.windows.net",
    ]
