"""containerd pulling an image for the kubelet: the error that its CRI plugin gives back.

Sources: containerd/containerd (release/1.7) remotes/docker/{resolver,authorizer,fetcher,httpreadseeker}.go and
auth/fetch.go, remotes/errors/errors.go, content/helpers.go and local/writer.go, images/{image,handlers}.go, pull.go,
pkg/cri/server/image_pull.go; since 2.1 core/transfer/local/pull.go and internal/cri/server/images/image_pull.go.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from acrcheck.lab.programs import go
from acrcheck.lab.programs.reference import Reference
from acrcheck.lab.world import World

PARAMETER = re.compile(r'(\w+)="([^"]*)"')
INDEX = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
PLATFORM = ("linux", "amd64")
INGEST = "/var/lib/containerd/io.containerd.content.v1.content/ingest"
PROGRESS_TIMEOUT = 300.0
TRANSFER_SERVICE = (2, 1)
"""The version since which the CRI plugin pulls by the transfer service."""
WITH_ADDRESS = (1, 7)
"""The version since which an unexpected status is told with the request (late 1.6 has it too)."""
GET_AFTER_400 = (1, 6)
"""The version since which a token that was refused by POST with 400 is asked for by GET (1.5.9 has it too)."""
UNKNOWN, NOT_FOUND, CANCELED, FAILED_PRECONDITION = "Unknown", "NotFound", "Canceled", "FailedPrecondition"


class Credential(NamedTuple):
    """What the kubelet hands to containerd."""

    user: str
    password: str


class PullError(Exception):
    """A pull failed. The text is the whole message that the kubelet is given."""


class _StepError(Exception):
    """A step failed: its words, and the code of gRPC that its kind of error has."""

    def __init__(self, text: str, code: str = UNKNOWN) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Puller:
    """containerd on one node."""

    world: World
    node: str

    def pull(self, image: Reference, credential: Credential | None) -> int:
        """Pull an image and give its size in bytes. Raises PullError."""
        client = go.Client(self.world, go.at_node(self.world, self.node))
        session = _Session(client, image, credential, self._version)
        try:
            session.resolve()
        except _StepError as error:
            modern = self._version >= TRANSFER_SERVICE
            stage = "failed to resolve image" if modern else f'failed to resolve reference "{image}"'
            raise self._error(image, f"{stage}: {error}", error.code) from error
        try:
            return self._fetch(session)
        except _StepError as error:
            raise self._error(image, str(error), error.code) from error

    def log(self, image: Reference) -> str:
        """What containerd's own log says of a pull that stopped."""
        moment = f"{self.world.clock.now():%Y-%m-%dT%H:%M:%S}.000000000Z"
        return (
            f'time="{moment}" level=error msg="cancel pulling image {image} because of no progress in 5m0s"'
        )

    def _fetch(self, session: "_Session") -> int:
        """Fetch all content. A layer first goes as it comes into the content store, on the disk."""
        machine = self.world.machine(self.node)
        size = 0
        for descriptor in session.content():
            if machine.stalled:
                self.world.clock.sleep(PROGRESS_TIMEOUT)
                raise _StepError("context canceled", CANCELED)
            size += len(session.blob(descriptor))
            if machine.used + size > machine.disk:
                path = f"{INGEST}/{descriptor['digest'].partition(':')[2]}/data"
                raise _StepError(f"failed to copy: write {path}: no space left on device")
        return size

    def _error(self, image: Reference, text: str, code: str) -> PullError:
        said = f'failed to pull and unpack image "{image}": {text}'
        modern = self._version >= TRANSFER_SERVICE
        return PullError(said if modern else f"rpc error: code = {code} desc = {said}")

    @property
    def _version(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.world.machine(self.node).containerd.split(".")[:2])


@dataclass
class _Session:
    """The conversation with a registry about one image."""

    client: go.Client
    image: Reference
    credential: Credential | None
    version: tuple[int, ...]
    token: str = ""
    _digest: str = ""

    def resolve(self) -> None:
        """Ask whether the tag is there."""
        url = self._url("manifests", self.image.tag)
        response = self._authorized("HEAD", url)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise _StepError(f"{self.image}: not found", NOT_FOUND)
        if not response.is_success:
            raise _StepError(self._unexpected(response))

    def content(self) -> list[dict[str, Any]]:
        """The config and the layers, for the node's platform."""
        media_type, manifest = self._manifest(self.image.tag)
        if media_type in INDEX:
            fitting = [item for item in manifest["manifests"] if _runs_here(item.get("platform", {}))]
            if not fitting:
                raise _StepError("no match for platform in manifest: not found", NOT_FOUND)
            media_type, manifest = self._manifest(fitting[0]["digest"])
        if media_type not in MANIFESTS:
            said = f"unexpected media type {media_type} for {self._digest}: not found"
            raise _StepError(f"failed to unpack image on snapshotter overlayfs: {said}", NOT_FOUND)
        return [manifest["config"], *manifest["layers"]]

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        """The bytes of a config or of a layer."""
        digest = descriptor["digest"]
        content = self._opened(self._url("blobs", digest)).content
        actual = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if actual != digest:
            kind = "config" if "config" in descriptor["mediaType"] else "layer"
            said = f"unexpected commit digest {actual}, expected {digest}: failed precondition"
            raise _StepError(f'failed commit on ref "{kind}-{digest}": {said}', FAILED_PRECONDITION)
        return content

    def _manifest(self, reference: str) -> tuple[str, dict[str, Any]]:
        """A manifest with its media type, which is the answer's where it is no JSON."""
        response = self._opened(self._url("manifests", reference))
        self._digest = f"sha256:{hashlib.sha256(response.content).hexdigest()}"
        media_type = response.headers.get("content-type", "")
        try:
            document: dict[str, Any] = response.json()
        except ValueError:
            return media_type, {}
        return document.get("mediaType", media_type), document

    def _opened(self, url: str) -> httpx.Response:
        prefix = "failed to copy: httpReadSeeker: failed open: "
        try:
            response = self._authorized("GET", url)
        except _StepError as error:
            raise _StepError(f"{prefix}{error}", error.code) from error
        if response.is_success:
            return response
        reached = str(response.request.url)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise _StepError(f"{prefix}content at {reached} not found: not found", NOT_FOUND)
        said = f"{prefix}unexpected status code {reached}: {go.status(response)}"
        message = server_message(response)
        raise _StepError(f"{said} - Server message: {message}" if message else said)

    def _url(self, kind: str, reference: str) -> str:
        return f"https://{self.image.api}/v2/{self.image.repository}/{kind}/{reference}"

    def _authorized(self, method: str, url: str) -> httpx.Response:
        """Send a request, and once more with a token where the registry asks for one."""
        response = self._send(method, url)
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return response
        challenge = dict(PARAMETER.findall(response.headers.get("www-authenticate", "")))
        self.token = self._fetch_token(challenge)
        response = self._send(method, url)
        error = dict(PARAMETER.findall(response.headers.get("www-authenticate", ""))).get("error")
        if response.status_code == httpx.codes.UNAUTHORIZED and error:
            raise _StepError(
                "pull access denied, repository does not exist or may require authorization: "
                f"server message: {error}: authorization failed"
            )
        return response

    def _send(self, method: str, url: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            return self.client.send(method, url, headers)
        except go.GoError as error:
            raise _StepError(f"failed to do request: {error}") from error

    def _fetch_token(self, challenge: dict[str, str]) -> str:
        """By POST with a password, then by GET where that is refused; by GET alone without a password."""
        scope = challenge.get("scope", f"repository:{self.image.repository}:pull")
        query = {"scope": scope, "service": challenge.get("service", "")}
        given = self.credential if self.credential and self.credential.password else None
        words = "oauth" if given else "anonymous"
        try:
            response = self._post(challenge["realm"], query, given) if given else None
            again = {401, 404} if self.version < GET_AFTER_400 else {400, 401, 404}
            if response is None or response.status_code in again:
                headers = {"Authorization": basic(*given)} if given else {}
                response = self.client.send("GET", f"{challenge['realm']}?{urlencode(query)}", headers)
        except go.GoError as error:
            raise _StepError(f"failed to authorize: failed to fetch {words} token: {error}") from error
        if not response.is_success:
            said = self._unexpected(response)
            raise _StepError(f"failed to authorize: failed to fetch {words} token: {said}")
        try:
            return str(response.json()["access_token"])
        except ValueError as error:
            problem = f"invalid character '{response.text[:1]}' looking for beginning of value"
            said = f"unable to decode token response: {problem}"
            raise _StepError(f"failed to authorize: failed to fetch {words} token: {said}") from error

    def _post(self, realm: str, query: dict[str, str], given: Credential) -> httpx.Response:
        form = {**query, "client_id": "containerd-client"}
        if given.user:
            form |= {"grant_type": "password", "username": given.user, "password": given.password}
        else:
            form |= {"grant_type": "refresh_token", "refresh_token": given.password}
        return self.client.send("POST", realm, form=form)

    def _unexpected(self, response: httpx.Response) -> str:
        if self.version < WITH_ADDRESS:
            return f"unexpected status: {go.status(response)}"
        request = response.request
        return f"unexpected status from {request.method} request to {request.url}: {go.status(response)}"


def _runs_here(platform: dict[str, str]) -> bool:
    return (platform.get("os"), platform.get("architecture")) == PLATFORM


def basic(user: str, password: str) -> str:
    """The value of a Basic Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def server_message(response: httpx.Response) -> str:
    """The registry's errors as Go's distribution client joins code and message; empty when there are none."""
    try:
        errors = response.json()["errors"]
    except (ValueError, KeyError, TypeError):
        return ""
    said = [f"{item['code'].replace('_', ' ').lower()}: {item['message']}" for item in errors]
    return said[0] if len(said) == 1 else "errors:\n" + "".join(f"{item}\n" for item in said)
