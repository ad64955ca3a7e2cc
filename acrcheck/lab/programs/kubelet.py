"""A node's kubelet getting the image of a container: its events and its log.

Sources: kubernetes/kubernetes pkg/kubelet/images/{image_manager,helpers,image_gc_manager}.go,
kubelet_pods.go, kuberuntime/kuberuntime_image.go, nodestatus/setters.go, eviction/,
pkg/credentialprovider/plugin/plugin.go, cmd/kubelet/app/server.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from acrcheck.lab.machines import PullSecret
from acrcheck.lab.programs import credential_provider, keyring, reference
from acrcheck.lab.programs.containerd import Credential, Puller, PullError
from acrcheck.lab.programs.klog import header, quoted
from acrcheck.lab.programs.kubectl import Event, events
from acrcheck.lab.world import World

PROVIDERS = "/var/lib/kubelet/credential-provider"
PLUGIN_SECONDS = 60.0
LIFETIME = timedelta(minutes=5)
KEYRING_BEFORE_PULL = (1, 33)
"""The version since which credentials are looked up before the pull, whose error then stands alone (KEP 2535)."""
HIGH, LOW = 85, 80
"""Per cent of the disk in use: above the first the kubelet deletes images, down to the second."""


@dataclass
class Kubelet:
    """The kubelet of one node.

    Attributes:
        events: what it told the API server, in order.
        log: the lines that it wrote.
        fresh_until: until when it keeps what the node's own docker configuration has.
    """

    world: World
    node: str
    events: list[Event] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    fresh_until: datetime | None = None

    def start(
        self, image: str, secrets: Sequence[str] = (), namespace: str = "coder", *, policy: str = "Always"
    ) -> "Kubelet":
        """Get a container's image as the kubelet does once, and wait for the next time where that fails.

        With the policy `Never` it only looks whether the node has it, which a node that pulls has not.
        """
        if policy == "Never":
            said = f'Container image "{image}" is not present with pull policy of Never'
            self._tell("Warning", "ErrImageNeverPull", said)
            self._tell("Warning", "Failed", "Error: ErrImageNeverPull")
            return self
        try:
            full = reference.parse(image)
        except reference.MalformedError as error:
            self._tell("Warning", "InspectFailed", _untagged(image, error))
            self._tell("Warning", "Failed", "Error: InvalidImageName")
            return self
        held = self._secrets(secrets, namespace)
        self._tell("Normal", "Pulling", f'Pulling image "{image}"')
        began = self.world.clock.monotonic()
        try:
            size = self._pull(full, held)
        except keyring.KeyringError as error:
            self._no_keyring(image, error)
        except PullError as error:
            self._failed(image, str(error))
        else:
            took = f"{max(1, round((self.world.clock.monotonic() - began) * 1000))}ms"
            self._tell(
                "Normal",
                "Pulled",
                f'Successfully pulled image "{image}" in {took} ({took} including waiting). '
                f"Image size: {size} bytes.",
            )
        return self

    def describe(self) -> str:
        """The events as `kubectl describe` prints them."""
        return events(self.events)

    def journal(self) -> str:
        """The log."""
        return "".join(f"{line}\n" for line in self.log)

    def register(self) -> str:
        """What the kubelet says at its own start where the provider's program is not there."""
        path = f"{PROVIDERS}/{credential_provider.NAME}"
        problem = f"plugin binary executable {path} did not exist"
        place = header("E", self.world.clock.now(), "kuberuntime_manager.go:269")
        return f'{place}"Failed to register CRI auth plugins" err={quoted(problem)}\n'

    def collect(self) -> "Kubelet":
        """Look at the disk, and delete images where too much of it is taken."""
        machine = self.world.machine(self.node)
        if machine.used * 100 // machine.disk < HIGH:
            return self
        wanted = machine.disk * (100 - LOW) // 100 - (machine.disk - machine.used)
        said = (
            "Failed to garbage collect required amount of images. "
            f"Attempted to free {wanted} bytes, but only found 0 bytes eligible to free."
        )
        self._tell("Warning", "FreeDiskSpaceFailed", said)
        self._tell("Normal", "NodeHasDiskPressure", f"Node {self.node} status is now: NodeHasDiskPressure")
        return self

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self.events.append(Event(type_, reason, message))

    def _write(self, severity: str, place: str, text: str) -> None:
        self.log.append(header(severity, self.world.clock.now(), place) + text)

    def _secrets(self, names: Sequence[str], namespace: str) -> list[PullSecret]:
        known = {item.name: item for item in self.world.pull_secrets if item.namespace == namespace}
        missing = [name for name in names if name not in known]
        if missing:
            said = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
            said += "attempting to pull the image may not succeed."
            self._tell("Warning", "FailedToRetrieveImagePullSecret", said)
        return [known[name] for name in names if name in known]

    def _pull(self, image: reference.Reference, secrets: list[PullSecret]) -> int:
        """Try every credential. Raises KeyringError, or PullError with all that went wrong."""
        found, log = keyring.credentials(secrets, image.name)
        for line in log:
            self._write("E", "keyring.go:149", line)
        found += self._node_credentials(image)
        machine = self.world.machine(self.node)
        errors: dict[str, None] = {}
        credentials: list[Credential | None] = [*found] or [None]
        for credential in credentials:
            if machine.pulls_left <= 0:
                raise PullError("pull QPS exceeded")
            machine.pulls_left -= 1
            try:
                return Puller(self.world, self.node).pull(image, credential)
            except PullError as error:
                errors[str(error)] = None
        raise PullError(next(iter(errors)) if len(errors) == 1 else f"[{', '.join(errors)}]")

    def _node_credentials(self, image: reference.Reference) -> list[Credential]:
        """What the credential provider gives; nothing when it failed, of which only the log speaks."""
        machine, clock = self.world.machine(self.node), self.world.clock
        self._refresh()
        if machine.empty_until is not None and clock.now() < machine.empty_until:
            return []
        name = credential_provider.NAME
        failed = f"error execing credential provider plugin {name} for image {image.name}: "
        problem = ""
        given: dict[str, Credential] = {}
        began = clock.monotonic()
        try:
            if machine.provider == "foreign":
                problem = f"{failed}fork/exec {PROVIDERS}/{name}: exec format error: "
            elif machine.provider == "installed":
                given = credential_provider.credentials(self.world, self.node, image.name)
        except credential_provider.FailedError as error:
            late = clock.monotonic() - began >= PLUGIN_SECONDS
            problem = f"{failed}context deadline exceeded: " if late else f"{failed}exit status 1: {error}"
        if problem:
            said = "Failed getting credential from external registry credential provider"
            self._write("E", "plugin.go:235", f"{said}: {problem}")
        return keyring.matching(given, image.name)

    def _refresh(self) -> None:
        """What is logged of the provider that reads the node's own docker configuration, every five minutes."""
        if self.fresh_until is None or self.world.clock.now() >= self.fresh_until:
            provider = "*credentialprovider.defaultDockerConfigProvider"
            self._write("I", "provider.go:102", f"Refreshing cache for provider: {provider}")
            self.fresh_until = self.world.clock.now() + LIFETIME

    def _no_keyring(self, image: str, error: keyring.KeyringError) -> None:
        """The error stands alone where the credentials are looked up before the pull."""
        version = tuple(int(part) for part in self.world.machine(self.node).kubelet.split(".")[:2])
        if version < KEYRING_BEFORE_PULL:
            self._failed(image, str(error))
        else:
            self.events.pop()
            self._tell("Warning", "Failed", f"Error: {error}")

    def _failed(self, image: str, error: str) -> None:
        self._tell("Warning", "Failed", f'Failed to pull image "{image}": {error}')
        self._tell("Warning", "Failed", "Error: ErrImagePull")
        self._tell("Normal", "BackOff", f'Back-off pulling image "{image}"')
        self._tell("Warning", "Failed", "Error: ImagePullBackOff")


def _untagged(image: str, error: reference.MalformedError) -> str:
    return f"Failed to apply default image tag {quoted(image)}: couldn't parse image name {quoted(image)}: {error}"
