"""Azure Resource Manager, as az asks it."""

import pytest

from acrcheck.azure.arm import leads_away, subscriptions_request
from acrcheck.azure.clouds import cloud_of


@pytest.mark.parametrize(
    ("cloud", "url"),
    [
        ("public", "https://management.azure.com/subscriptions?api-version=2022-12-01"),
        ("usgov", "https://management.usgovcloudapi.net/subscriptions?api-version=2022-12-01"),
        ("china", "https://management.chinacloudapi.cn/subscriptions?api-version=2022-12-01"),
    ],
)
def test_the_first_page_is_asked_of_the_clouds_arm(cloud: str, url: str) -> None:
    """With the token as bearer and az's own version."""
    request = subscriptions_request(cloud_of(cloud), "<jwt:1>")
    assert (request.method, request.url, request.bearer) == ("GET", url, "<jwt:1>")


def test_a_link_is_asked_as_it_is() -> None:
    """It holds the version already."""
    assert subscriptions_request(cloud_of(), "t", "https://management.azure.com/x").url.endswith(".com/x")


@pytest.mark.parametrize(
    ("link", "away"),
    [
        ("https://management.azure.com/subscriptions?$skiptoken=x", False),
        ("https://management.azure.com:443/x", False),
        ("https://MANAGEMENT.azure.com/x", False),
        ("https://westeurope.management.azure.com/x", False),
        ("http://management.azure.com/x", True),
        ("https://management.azure.com.evil.example/x", True),
        ("https://evilmanagement.azure.com/x", True),
        ("https://management.azure.com@evil.example/x", True),
        ("https://[bad", True),
        ("/subscriptions", True),
        ("", True),
    ],
)
def test_a_link_out_of_arm_leads_away(link: str, away: bool) -> None:
    """The identity's token is for ARM only."""
    assert leads_away(cloud_of(), link) is away
