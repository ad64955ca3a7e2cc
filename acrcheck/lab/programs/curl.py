"""curl, by hand: a token from inside a pod, or a layer with a token in a header.

Sources: curl/curl docs/cmdline-opts/location-trusted.md (the header goes on to every host that is redirected to)
and lib/connect.c; learn.microsoft.com how-to-use-vm-token for the request for a token.
"""

from urllib.parse import urlencode, urljoin

import httpx

from acrcheck.lab.path import Path, Place, StoppedError
from acrcheck.lab.programs import go
from acrcheck.lab.programs.containerd import basic
from acrcheck.lab.world import World
from acrcheck.wire.door import Trouble
from acrcheck.wire.pace import IMDS

SECONDS = 300.0
TOKEN = f"http://{IMDS}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/"
REFUSED = f"curl: (7) Failed to connect to {IMDS} port 80 after 0 ms: Couldn't connect to server\n"
TIMEOUT = f"curl: (28) Failed to connect to {IMDS} port 80 after 130012 ms: Couldn't connect to server\n"


def token(world: World, client_id: str = "") -> str:
    """`kubectl exec POD -- curl -s -H Metadata:true URL`: the body, or what curl says."""
    query = f"&client_id={client_id}" if client_id else ""
    request = httpx.Request("GET", TOKEN + query, headers={"Metadata": "true"})
    try:
        return Path(world).send(Place(world.pods[0]), request, SECONDS).text
    except StoppedError as stopped:
        return REFUSED if stopped.trouble is Trouble.REFUSED else TIMEOUT


def layer(world: World, host: str, repository: str, user: str, password: str, *, trusted: bool) -> str:
    """`curl --location URL`, or with `--location-trusted`: the body of the last answer."""
    registry = world.azure.registry(host)
    assert registry is not None  # noqa: S101 - whoever calls has it from the world
    headers = _authorized(world, host, repository, (user, password))
    url = f"https://{host}/v2/{repository}/blobs/{next(iter(registry.blobs))}"
    answer = _get(world, url, headers)
    if answer.has_redirect_location:
        answer = _get(world, urljoin(url, answer.headers["location"]), headers if trusted else {})
    return answer.text


def tags(world: World, host: str, repository: str, user: str, password: str) -> str:
    """`curl URL` for a repository's tags: the body."""
    headers = _authorized(world, host, repository, (user, password))
    return _get(world, f"https://{host}/v2/{repository}/tags/list", headers).text


def _authorized(world: World, host: str, repository: str, login: tuple[str, str]) -> dict[str, str]:
    query = urlencode({"service": host, "scope": f"repository:{repository}:pull,metadata_read"})
    answer = _get(world, f"https://{host}/oauth2/token?{query}", {"Authorization": basic(*login)})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def _get(world: World, url: str, headers: dict[str, str]) -> httpx.Response:
    return Path(world).send(go.at_workstation(world), httpx.Request("GET", url, headers=headers), SECONDS)
