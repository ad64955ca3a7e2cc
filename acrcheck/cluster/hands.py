"""What the wire may do in the cluster, beyond reading: run a program in a container, create what is allowed.

Checks never see this; the leave to create is asked for before (`Target.allow`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from acrcheck.cluster.reader import Answer, Cluster, Resource

NO_PROGRAM = 127
"""The exit code of a program that is not in the image, as a shell gives it."""
NOT_EXECUTABLE = 126


@dataclass(frozen=True, slots=True)
class Executed:
    """A program ran in a container.

    `cut` says that it wrote more than was read. It has no code when it was cut, and when it did not end in time.
    """

    code: int | None
    stdout: bytes = b""
    stderr: bytes = b""
    cut: bool = False

    @property
    def missing(self) -> bool:
        """True when the image has no such program, or none that this user may run."""
        return self.code in {NO_PROGRAM, NOT_EXECUTABLE}

    @property
    def late(self) -> bool:
        """True when the program did not end in the time it was given."""
        return self.code is None and not self.cut


class Hands(Cluster, Protocol):
    """A cluster in which programs can be run and short-lived things created."""

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        limit: int = 1_048_576,
    ) -> Executed | Answer:
        """Run a program, give it its whole input, and read at most `limit` bytes of its output.

        An Answer tells why it did not run: forbidden (with the permission), absent or gone (no such pod),
        invalid (the container does not run), timeout (of the API server), unreachable. Its outcome is never `ok`.
        """

    def list_by_fields(self, resource: Resource, namespace: str, fields: str) -> Answer:
        """Read the objects that a field selector leaves, of a namespace or (empty) of all."""

    def create_pod(self, namespace: str, body: dict[str, Any]) -> Answer:
        """Create a pod."""

    def delete_pod(self, namespace: str, name: str) -> Answer:
        """Delete a pod at once, without grace."""

    def add_ephemeral_container(self, namespace: str, pod: str, container: dict[str, Any]) -> Answer:
        """Add an ephemeral container to a running pod. It can never be taken away again."""
