"""The live side of the wire door: every question goes to the side that its vantage names."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from acrcheck.clock import Clock
from acrcheck.cluster.hands import Hands
from acrcheck.cluster.shortlived import LEAVE
from acrcheck.wire import probe
from acrcheck.wire.debug import DebugContainers
from acrcheck.wire.door import (
    Connect,
    Connected,
    Failure,
    Handshake,
    Request,
    Resolve,
    Resolved,
    Response,
    Shaken,
    Trouble,
    Vantage,
)
from acrcheck.wire.exec import ExecWire
from acrcheck.wire.local import LocalWire, Received
from acrcheck.wire.pace import Pace
from acrcheck.wire.pod import ProbePods
from acrcheck.wire.vault import Vault

DEBUG_CONTAINER = "debug-container"
T = TypeVar("T")


class LiveWire:
    """The network as it is. A node's metadata service is asked slowly, from whatever vantage.

    A vantage of kind `debug` or `pod` names the workload's own pod and container: what is put beside it is
    made at the first question, when `allow` holds `debug-container` or `probe-pod`, from `probe_image` or
    else from the workload's image where that has a client, or the documentation's image. `close` takes it
    away again.
    """

    def __init__(
        self,
        hands: Hands,
        vault: Vault,
        clock: Clock,
        *,
        allow: frozenset[str] = frozenset(),
        probe_image: str = "",
        received: Received = lambda _, __: None,
    ) -> None:
        self._local = LocalWire(vault, clock, received)
        self._inside = ExecWire(hands, vault, clock)
        self._pace = Pace(clock)
        self._allow = allow
        self._image = probe_image
        self._debug = DebugContainers(hands, clock)
        self._pods = ProbePods(hands, clock)

    def resolve(self, vantage: Vantage, question: Resolve) -> Resolved | Failure:
        """Resolve a name."""
        return self._at(vantage, lambda side, place: side.resolve(place, question))

    def connect(self, vantage: Vantage, question: Connect) -> Connected | Failure:
        """Open a TCP connection and close it."""
        return self._at(vantage, lambda side, place: side.connect(place, question), question.host)

    def handshake(self, vantage: Vantage, question: Handshake) -> Shaken | Failure:
        """Look at the certificate served."""
        return self._at(vantage, lambda side, place: side.handshake(place, question))

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Send one HTTP request."""
        return self._at(vantage, lambda side, place: side.request(place, question), _host(question.url))

    def close(self) -> tuple[str, ...]:
        """Close connections, delete the short-lived pods. Gives the `namespace/name` of those that are left."""
        self._local.close()
        return self._pods.close()

    def _at(
        self, vantage: Vantage, ask: Callable[[LocalWire | ExecWire, Vantage], T | Failure], host: str = ""
    ) -> T | Failure:
        """Put a question from where the vantage says, in its turn."""
        place = self._place(vantage)
        if isinstance(place, Failure):
            return place
        with self._pace.turn(vantage.node, host):
            return ask(self._local if vantage.kind == "local" else self._inside, place)

    def _place(self, vantage: Vantage) -> Vantage | Failure:
        """Give the container in which a vantage really is."""
        makers = {"debug": (DEBUG_CONTAINER, self._debug.place), "pod": (LEAVE, self._pods.place)}
        if vantage.kind not in makers:
            return vantage
        leave, make = makers[vantage.kind]
        if leave not in self._allow:
            detail = f"without leave nothing is created beside {vantage.namespace}/{vantage.pod}"
            return Failure(Trouble.NO_TOOL, detail, remedy=f"--allow {leave}")
        return make(vantage, lambda: self._image or self._fitting_image(vantage))

    def _fitting_image(self, vantage: Vantage) -> str:
        """Give an image with a client: empty for the workload's own, which is on the node already."""
        workload = replace(vantage, kind="exec")
        return probe.DOCUMENTED_IMAGE if self._inside.lacks_client(workload) else ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
