"""docker: its client, its daemon, and the helper programs that keep passwords.

Sources: docker/cli cli/command/registry/login.go and cli/config/credentials; docker/docker-credential-helpers
client/client.go; moby/moby client/{errors,request}.go, registry/auth.go, distribution/errors.go (release 28);
distribution/distribution registry/client/errors.go and auth/session.go.
"""

from urllib.parse import urlencode

import httpx

from acrcheck.lab.programs import go, reference
from acrcheck.lab.programs.containerd import PARAMETER, basic, server_message
from acrcheck.lab.world import World

SOCKET = "unix:///var/run/docker.sock"
CONFIG = "/home/azureuser/.docker/config.json"
DAEMON = "Error response from daemon: "
STORING = "Error saving credentials: error storing credentials - err: "
UNENCRYPTED = (
    f"\nWARNING! Your credentials are stored unencrypted in '{CONFIG}'.\n"
    "Configure a credential helper to remove this warning. See\n"
    "https://docs.docker.com/go/credential-store/\n\n"
)


class FailedError(Exception):
    """The client ended with code 1. The text is what it printed."""


def login(world: World, host: str, user: str, password: str) -> str:
    """`docker login --username USER --password-stdin HOST`. Raises FailedError."""
    _reach(world, "auth")
    client = go.Client(world, go.at_workstation(world), timeout=15.0)
    url = f"https://{host}/v2/"
    response = _authorized(client, "GET", url, (user, password))
    if not response.is_success:
        raise FailedError(f"{DAEMON}login attempt to {url} failed with status: {go.status(response)}\n")
    _store(world, host, user, password)
    return f"{UNENCRYPTED}Login Succeeded\n"


def pull(world: World, image: str) -> str:
    """`docker pull IMAGE`. Raises FailedError."""
    try:
        named = reference.parse(image)
    except reference.MalformedError as error:
        raise FailedError(f"{error}\n") from error
    _reach(world, f"images/create?{urlencode({'fromImage': named.name, 'tag': named.tag})}")
    client = go.Client(world, go.at_workstation(world))
    url = f"https://{named.api}/v2/{named.repository}/manifests/{named.tag}"
    response = _authorized(client, "GET", url, world.workstation.stored.get(named.host))
    if response.is_success:
        digest = response.headers["docker-content-digest"]
        lines = (f"{named.tag}: Pulling from {named.repository}", f"Digest: {digest}")
        return "\n".join((*lines, f"Status: Image is up to date for {image}\n"))
    raise FailedError(f"{DAEMON}{_not_pulled(response, named)}\n")


def ps(world: World) -> str:
    """`docker ps`, which only shows that there is a daemon. Raises FailedError."""
    _reach(world, "containers/json")
    return "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"


def _reach(world: World, path: str) -> None:
    """Find the daemon. Raises FailedError in the client's words."""
    state = world.workstation.docker
    if state == "stopped":
        raise FailedError(f"Cannot connect to the Docker daemon at {SOCKET}. Is the docker daemon running?\n")
    if state == "denied":
        method = "Get" if path == "containers/json" else "Post"
        raise FailedError(
            f"permission denied while trying to connect to the Docker daemon socket at {SOCKET}: "
            f'{method} "http://%2Fvar%2Frun%2Fdocker.sock/v1.51/{path}": '
            "dial unix /var/run/docker.sock: connect: permission denied\n"
        )


def _authorized(
    client: go.Client, method: str, url: str, credential: tuple[str, str] | None
) -> httpx.Response:
    """Send a request with a token where the registry asks for one. Raises FailedError."""
    try:
        response = client.send(method, url)
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return response
        challenge = dict(PARAMETER.findall(response.headers.get("www-authenticate", "")))
        token = _token(client, challenge, credential)
        if not token.is_success:
            refused = server_message(token) or f"unexpected HTTP status: {go.status(token)}"
            raise FailedError(f'{DAEMON}{method.title()} "{url}": {refused}\n')
        headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
        return client.send(method, url, headers)
    except go.GoError as error:
        raise FailedError(f"{DAEMON}{error}\n") from error


def _token(
    client: go.Client, challenge: dict[str, str], credential: tuple[str, str] | None
) -> httpx.Response:
    query = {"service": challenge.get("service", "")}
    if "scope" in challenge:
        query = {"scope": challenge["scope"], **query}
    headers = {}
    if credential is not None:
        query = {"account": credential[0], "client_id": "docker", "offline_token": "true", **query}
        headers["Authorization"] = basic(*credential)
    return client.send("GET", f"{challenge['realm']}?{urlencode(query)}", headers)


def _not_pulled(response: httpx.Response, image: reference.Reference) -> str:
    said = server_message(response) or f"unexpected HTTP status: {go.status(response)}"
    if said.startswith("manifest unknown"):
        return f"manifest for {image} not found: {said}"
    if said.startswith(("denied", "name unknown")):
        may = "repository does not exist or may require 'docker login'"
        return f"pull access denied for {image.name}, {may}: {said}"
    return said


def _store(world: World, host: str, user: str, password: str) -> None:
    """Keep a password. Raises FailedError when the helper program that should do it does not."""
    store = world.workstation.store
    if store == "absent":
        raise FailedError(
            f'{STORING}exec: "docker-credential-desktop": executable file not found in $PATH, out: ``\n'
        )
    if store == "refusing":
        told = "error getting credentials - err: exit status 1, out: `no usernames for `"
        raise FailedError(f"{STORING}exit status 1, out: `{told}`\n")
    world.workstation.stored[host] = (user, password)
