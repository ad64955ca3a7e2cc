"""Azure Resource Manager, as `az login --identity` asks it.

Source: azure-cli-core `_profile.py`: one call, `GET /subscriptions?api-version=2022-12-01`, following nextLink.
"""

from urllib.parse import urlsplit

from acrcheck.azure.clouds import Cloud
from acrcheck.wire.door import Request

API_VERSION = "2022-12-01"
PAGES = 20
"""More pages than any login has; a server that links in circles ends here."""


def subscriptions_request(cloud: Cloud, token: str, link: str = "") -> Request:
    """Ask for the first page, or for the one a nextLink names."""
    url = link or f"{cloud.arm}/subscriptions?api-version={API_VERSION}"
    return Request("GET", url, headers=(("Accept", "application/json"),), bearer=token, seconds=15.0)


def leads_away(cloud: Cloud, link: str) -> bool:
    """Tell whether a nextLink leads out of ARM: the identity's token must not be sent there."""
    try:
        url = urlsplit(link)
        host = url.hostname or ""
    except ValueError:
        return True
    own = urlsplit(cloud.arm).hostname or ""
    return url.scheme != "https" or not (host == own or host.endswith(f".{own}"))
