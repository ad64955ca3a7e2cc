"""The demo's story: the documentation's "Identity not found", what acrcheck says, its remedy, and all well again."""

from collections.abc import Iterable
from dataclasses import dataclass

from acrcheck.azure.clouds import CLOUDS
from acrcheck.azure.imds import listen, token_request
from acrcheck.catalogue import Checks
from acrcheck.lab.cluster import LabCluster
from acrcheck.lab.scenario import Scenario, look, mend
from acrcheck.lab.wire import LabWire
from acrcheck.lab.world import World
from acrcheck.model import Cause, Report
from acrcheck.wire.door import Vantage

SCENARIO = "old-connection"
TAIL = 600
"""Seconds of the application's log that are looked at."""


@dataclass(frozen=True, slots=True)
class Story:
    """What happens in it.

    Attributes:
        kubectl: the command that acts in the lab.
        log: the last line of the application's log.
        client_id: whose token a fresh request from the same pod is given.
        before: the run on the broken world.
        remedies: the commands that the run printed, with what each said when it was applied.
        after: the run on the mended world.
    """

    kubectl: str
    log: str
    client_id: str
    before: Report
    remedies: tuple[tuple[str, str], ...]
    after: Report


def tell(scenario: Scenario, checks: Checks, causes: Iterable[Cause]) -> Story:
    """Let the story happen. Raises LookupError or CommandError when the remedy printed does not fit the world."""
    causes = tuple(causes)
    world = scenario.build()
    log, client_id = _by_hand(world)
    before, _ = look(world, checks, causes)
    remedies = tuple(mend(world, scenario, before))
    after, _ = look(world, checks, causes)
    return Story(world.target.kubectl, log, client_id, before, remedies, after)


def _by_hand(world: World) -> tuple[str, str]:
    """What one sees without acrcheck: the application's words, and whose token a fresh request gets."""
    pod = world.pods[0]
    name, namespace, node = pod["metadata"]["name"], pod["metadata"]["namespace"], pod["spec"]["nodeName"]
    answer = LabCluster(world).logs(namespace, name, "coderd", since=TAIL, lines=1)
    vantage = Vantage("exec", namespace, name, "coderd", node)
    fresh = listen(LabWire(world).request(vantage, token_request(CLOUDS[0].arm_audience)))
    return str(answer.value()).strip(), str((fresh.claims or {}).get("appid", ""))
