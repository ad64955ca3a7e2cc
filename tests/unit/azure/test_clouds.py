"""The Azure clouds, and what is a registry of one of them."""

import pytest

from acrcheck.azure.clouds import CLOUDS, NAMES, cloud_of, is_acr, layer_host, near_acr


@pytest.mark.parametrize(
    ("name", "registry", "expected"),
    [
        ("", "", "public"),
        ("", "acme.azurecr.io", "public"),
        ("", "acme.azurecr.us", "usgov"),
        ("", "acme.azurecr.cn", "china"),
        ("china", "acme.azurecr.io", "china"),
        ("", "registry.example", "public"),
        ("", "acmeazurecr.us", "public"),
        ("unheard-of", "acme.azurecr.us", "public"),
    ],
)
def test_a_cloud_is_found_by_name_else_by_the_registrys_suffix(
    name: str, registry: str, expected: str
) -> None:
    """The name wins; without either it is the public cloud."""
    assert cloud_of(name, registry).name == expected


def test_the_clouds_share_nothing_but_the_registrys_audience() -> None:
    """A token for one cloud is never asked of another."""
    assert NAMES == ("public", "usgov", "china")
    for field in ("registry_suffix", "authority", "arm", "arm_audience", "environment"):
        assert len({getattr(cloud, field) for cloud in CLOUDS}) == len(CLOUDS)
    assert {cloud.registry_audience for cloud in CLOUDS} == {"https://containerregistry.azure.net"}


@pytest.mark.parametrize(
    "host", ["acme.azurecr.io", "acme-h4sh.azurecr.io", "a.westeurope.geo.azurecr.us", "1.azurecr.cn"]
)
def test_login_servers_are_recognised(host: str) -> None:
    """With a region or a hash in the name too."""
    assert is_acr(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "azurecr.io",
        ".azurecr.io",
        "acme.azurecr.de",
        "acme.azurecr.io.evil.example",
        "acme.azurecr.io/x",
        "https://acme.azurecr.io",
        "acme.azurecr.io:443",
        "acme.azurecr.io\n",
        "-acme.azurecr.io",
        "acme.azurecrxio",
        "docker.io",
    ],
)
def test_nothing_else_is_a_login_server(host: str) -> None:
    """Neither a scheme nor a path nor a name that only looks like it."""
    assert not is_acr(host)


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("acme.eastus.data.azurecr.io", "a dedicated data endpoint"),
        ("acme.chinaeast2.data.azurecr.cn", "a dedicated data endpoint"),
        ("eusmanaged1.blob.core.windows.net", "Azure's storage"),
        ("usgov1.blob.core.usgovcloudapi.net", "Azure's storage"),
        ("data.azurecr.io.example", "another host"),
        ("", "another host"),
    ],
)
def test_the_host_of_layers_is_told(host: str, what: str) -> None:
    """In each cloud by its own suffixes."""
    assert layer_host(host) == what


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("acme.azureacr.io", "acme.azurecr.io"),
        ("acme.azurcr.io", "acme.azurecr.io"),
        ("acme.azurecr.com", "acme.azurecr.io"),
        ("acme-a1b2.azureacr.us", "acme-a1b2.azurecr.us"),
        ("acme.azurecr.io", ""),
        ("harbor.example", ""),
        ("docker.io", ""),
        ("localhost", ""),
        ("", ""),
    ],
)
def test_a_misspelt_login_server_leads_to_the_one_that_was_meant(host: str, meant: str) -> None:
    """Only where the domain is nearly that of Azure's registries, and is not."""
    assert near_acr(host) == meant
