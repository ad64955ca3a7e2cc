"""What programs find on the machine that they run on: a node, or the operator's workstation."""

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from acrcheck.lab.azure import ManagedIdentity
from acrcheck.lab.directory import User
from acrcheck.lab.kube import Json

GIGABYTE = 1 << 30


@dataclass
class Machine:
    """A node, as its kubelet and containerd find it.

    Attributes:
        distribution: of Linux.
        kubelet: its version.
        containerd: its version.
        provider: of the credential provider's program: `foreign` is built for another processor.
        identity: the client id in azure.json; None for the kubelet identity of its scale set.
        service_principal: application id and secret in azure.json, where a node was made with those in its place.
        empty_until: until when the kubelet keeps an answer without a credential.
        disk: bytes of the disk that images are on.
        used: bytes of it that are taken.
        pulls_left: pulls that the kubelet still makes in this second.
        stalled: whether layers stop in the middle of their way.
        proxy: `host:port` of the proxy that its programs are told to use.
    """

    distribution: Literal["Ubuntu", "AzureLinux"] = "Ubuntu"
    kubelet: str = "1.31.4"
    containerd: str = "1.7.27"
    provider: Literal["installed", "missing", "foreign"] = "installed"
    identity: str | None = None
    service_principal: tuple[str, str] | None = None
    empty_until: datetime | None = None
    disk: int = 128 * GIGABYTE
    used: int = 40 * GIGABYTE
    pulls_left: int = 10
    stalled: bool = False
    proxy: str = ""


@dataclass
class PullSecret:
    """A Secret that the kubelet reads credentials from.

    Attributes:
        auths: by host, the fields of each entry of the docker configuration.
        type: of the Secret.
    """

    name: str
    namespace: str
    auths: dict[str, dict[str, str]]
    type: str = "kubernetes.io/dockerconfigjson"

    @property
    def manifest(self) -> Json:
        """The object that the API server holds."""
        config = json.dumps({"auths": self.auths})
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "type": self.type,
            "data": {".dockerconfigjson": base64.b64encode(config.encode()).decode()},
        }


@dataclass
class Workstation:
    """Where the operator, or a build, runs docker, az, helm and kubectl.

    Attributes:
        docker: of its daemon: `denied` does not let this user in, `absent` means that there is no docker.
        store: where docker puts passwords: a file, a helper program that is not there, or one that refuses.
        stored: host, user name and password that docker has kept.
        login: who is logged in to az.
        user: the person who is, where it is a person.
        signed_in: when that person last signed in.
        subscription: id of the one that az looks at.
        helm: the first two parts of its version.
        kubectl: whether there is one.
        proxy: `host:port` of the proxy that its programs are told to use.
    """

    docker: Literal["running", "stopped", "denied", "absent"] = "running"
    store: Literal["file", "absent", "refusing"] = "file"
    stored: dict[str, tuple[str, str]] = field(default_factory=dict)
    login: ManagedIdentity | None = None
    user: User | None = None
    signed_in: datetime | None = None
    subscription: str = ""
    helm: tuple[int, int] = (3, 22)
    kubectl: bool = True
    proxy: str = ""
