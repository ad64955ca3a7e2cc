"""Very many images take few requests beside their own."""

import json
import threading
from collections import Counter
from urllib.parse import urlsplit

import pytest

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.lab.cluster import LabCluster
from acrcheck.lab.scenario import OperatorClock
from acrcheck.lab.wire import LabWire
from acrcheck.lab.world import HOST
from acrcheck.model import Report, Status
from acrcheck.run import Doors, Options, run
from acrcheck.wire.door import Failure, Request, Response, Vantage
from acrcheck.wire.vault import Vault
from tests.scenarios.many import world

IMAGES, REPOSITORIES = 40, 10


class Counted(LabWire):
    """The lab's wire, which counts the requests that are in flight at once."""

    flying = most = 0
    lock = threading.Lock()

    def request(self, vantage: Vantage, question: Request) -> Response | Failure:
        """Send one HTTP request."""
        with self.lock:
            self.flying += 1
            self.most = max(self.most, self.flying)
        try:
            return super().request(vantage, question)
        finally:
            with self.lock:
                self.flying -= 1


@pytest.fixture(scope="module")
def ran() -> tuple[Report, Counter[str], int]:
    """Run it once: the report, the registry's requests by path, and how many were in flight at once."""
    made, vault = world(IMAGES, REPOSITORIES), Vault()
    checks = load_checks(builtin_dir())
    wire = Counted(made, vault)
    doors = Doors(LabCluster(made, vault), wire)
    causes = load_causes(builtin_dir(), checks)
    report, tape = run(made.target, doors, OperatorClock(made), checks, causes, Options())
    asked = (json.loads(entry.question) for entry in tape.entries if entry.door == "wire")
    urls = [urlsplit(item["question"]["url"]) for item in asked if item["verb"] == "request"]
    return report, Counter(url.path for url in urls if url.hostname == HOST), wire.most


def test_all_images_are_looked_at(ran: tuple[Report, Counter[str], int]) -> None:
    """Each is pullable, down to its layers."""
    report, _, _ = ran
    layers = [item for item in report.results if item.check.id == "registry-layer"]
    assert report.exit_code == 0
    assert {item.status for item in layers} == {Status.PASS}
    assert len(layers) >= IMAGES


def test_tokens_are_shared(ran: tuple[Report, Counter[str], int]) -> None:
    """One for each repository; the identity's own, and its exchange, once from each of two nodes."""
    _, asked, most = ran
    nodes, audiences = 2, 2
    assert asked["/oauth2/token"] == REPOSITORIES + nodes
    assert asked["/oauth2/exchange"] == nodes * audiences
    assert asked["/v2/"] == nodes
    assert 1 < most <= 8
