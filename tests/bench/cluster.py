"""What a healthy run on the real cluster takes, against its critical path; and how many requests it makes.

The critical path is what a bare script would do: the run's own questions, each put once, those that wait for
nothing side by side, through the same doors and with the same two requests a second to a node's IMDS.
"""

import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from acrcheck.bundle.redact import Redactor
from acrcheck.bundle.tape import Tape
from acrcheck.bundle.tapefile import Header, TapeFile
from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.clock import SystemClock
from acrcheck.cluster.kubeconfig import ConnectionFlags, connect
from acrcheck.cluster.live import LiveCluster
from acrcheck.cluster.reader import Cluster as Door
from acrcheck.run import Doors, Options, run
from acrcheck.target import Target
from acrcheck.wire.door import Wire
from acrcheck.wire.live import LiveWire
from acrcheck.wire.vault import Vault
from tests.bench.row import Row
from tests.cluster import azure, manifests, podidentity
from tests.cluster.harness import Cluster
from tests.cluster.layout import NODES

NAMESPACE = "bench"
OTHERS = "bench-others"
SELECTOR = "bench-selector"
ROUNDS = 5
GOAL = 1.15
TAPED = 1.03
IMAGE = f"{azure.REGISTRY}/{azure.IMAGE_REPOSITORY}:{azure.IMAGE_TAG}"
Call = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A verb of a door with what it was given."""


class Recorded:
    """A door that notes each call, so that it can be made again as it was made."""

    def __init__(self, inner: object, calls: list[Call]) -> None:
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        verb = getattr(self._inner, name)

        def call(*given: Any, **named: Any) -> Any:
            self._calls.append((name, given, named))
            return verb(*given, **named)

        return call


def rows(cluster: Cluster) -> tuple[list[Row], list[str]]:
    """Stage a healthy coderd and measure run and bare script in turn: the best of each, and the requests in words."""
    _stage(cluster)
    try:
        ran, bare, taped = zip(*(_round(cluster) for _ in range(ROUNDS)), strict=True)
        few = _requests(cluster)
        cluster.apply(*(manifests.pod(OTHERS, f"other-{number}") for number in range(30)))
        many = _requests(cluster)
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, OTHERS, "--wait=false")
    said = [f"API requests of a healthy run: {few}; with 30 more pods in another namespace: {many}"]
    best = min(ran)
    found = [
        Row("acrcheck run (healthy)", best, "the same questions, bare", min(bare), GOAL),
        Row("acrcheck run, taped", best + min(taped), "not taped", best, TAPED),
    ]
    return found, said


def _stage(cluster: Cluster) -> None:
    identity = azure.coder_identity()
    if not all(podidentity.redirected(cluster, node) for node in NODES):
        podidentity.install(cluster)
    cluster.apply(manifests.namespace(NAMESPACE), manifests.namespace(OTHERS))
    cluster.apply(
        *manifests.coderd(NAMESPACE, labels={"aadpodidbinding": SELECTOR}, replicas=2),
        manifests.azure_identity(NAMESPACE, identity),
        manifests.azure_identity_binding(NAMESPACE, "bench", identity.name, SELECTOR),
    )
    cluster.rollout("deployment/coderd", NAMESPACE)


def _round(cluster: Cluster) -> tuple[float, float, float]:
    """Give the seconds of one run, and of its questions put again, bare."""
    clock = SystemClock()
    door = LiveCluster(connect(ConnectionFlags(kubeconfig=str(cluster.kubeconfig)), clock, os.environ), clock)
    wire = LiveWire(door, Vault(), clock)
    asked: list[Call] = []
    sent: list[Call] = []
    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    target = Target(namespace=NAMESPACE, image=IMAGE)
    doors = Doors(cast("Door", Recorded(door, asked)), cast("Wire", Recorded(wire, sent)))
    began = time.monotonic()
    report, tape = run(target, doors, clock, checks, causes, Options())
    took = time.monotonic() - began
    if report.exit_code:
        raise RuntimeError(f"the run is not healthy: {[finding.cause.id for finding in report.findings]}")
    levels = _levels(asked)
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=16) as pool:
        for level in levels:
            list(pool.map(lambda call: getattr(door, call[0])(*call[1], **call[2]), level))
        list(
            pool.map(
                lambda chain: [getattr(wire, call[0])(*call[1], **call[2]) for call in chain], _chains(sent)
            )
        )
    return took, time.monotonic() - began, _taping(tape)


def _taping(tape: Tape) -> float:
    """Measure what it takes to redact and write all that a run heard: more than it costs the run, which also waits."""
    with tempfile.TemporaryFile() as file:
        written = TapeFile(file, Header("", SystemClock().now(), Target(), Options()), Redactor())
        began = time.monotonic()
        for entry in tape.entries:
            written.keep(entry)
        return time.monotonic() - began


def _levels(asked: list[Call]) -> list[list[Call]]:
    """Group the API reads by what they wait for: version; workload and CRDs; permissions; all the rest."""
    level = {"path": 0, "allowed": 2}

    def rank(call: Call) -> int:
        if call[0] == "path" and call[1] != ("/version",):
            return 1
        if call[0] == "list" and call[1][0].plural == "deployments":
            return 1
        return level.get(call[0], 3)

    ordered = sorted(asked, key=rank)
    return [list(group) for _, group in itertools.groupby(ordered, key=rank)]


def _chains(sent: list[Call]) -> list[list[Call]]:
    """Group the questions to the network by pod: within one, each waits for the answer before."""
    ordered = sorted(sent, key=lambda call: str(call[1][0].pod))
    return [list(group) for _, group in itertools.groupby(ordered, key=lambda call: str(call[1][0].pod))]


def _requests(cluster: Cluster) -> int:
    """Count what one run asks of the API server, by its audit log."""
    before = _audited(cluster.audit_log)
    done = cluster.run(
        str(Path(sys.executable).parent / "acrcheck"), "run", "-n", NAMESPACE, "--image", IMAGE
    )
    if done.returncode:
        raise RuntimeError(done.stdout)
    return _audited(cluster.audit_log) - before


def _audited(log: Path) -> int:
    with log.open() as lines:
        return sum(
            1
            for line in lines
            if '"userAgent":"acrcheck/' in line and json.loads(line).get("stage") == "ResponseComplete"
        )
