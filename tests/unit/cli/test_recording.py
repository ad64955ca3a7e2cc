"""The tape of a run, once the run is over: what is known at its end holds for its beginning."""

import json
from pathlib import Path
from typing import Any

import pytest

from acrcheck.bundle import tapefile
from acrcheck.bundle.pack import redactions, replayed
from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.cli.recording import redactor, taping
from acrcheck.cluster import recorded as taped_cluster
from acrcheck.cluster.reader import PODS, Answer, Outcome
from acrcheck.lab.clock import START, LabClock
from acrcheck.lab.scenario import load_scenarios, look
from acrcheck.run import Options
from acrcheck.target import Target

CHECKS = load_checks(builtin_dir())
CAUSES = load_causes(builtin_dir(), CHECKS)
STRICT = {"redact_ips": True, "redact_names": True, "redact_patterns": ("PROJ-[0-9]+",)}
LATE = ("fabrikam-prod", "billing.api", "fabrikamaks", "10.244.3.7", "PROJ-17")


class LateDoor:
    """Says names in a log before it shows the objects that they are of."""

    def logs(self, *_: Any, **__: Any) -> Answer:
        """Give a log that quotes a name in each of the ways in which texts do."""
        lines = [
            "system:serviceaccount:fabrikam-prod:x cannot get pods",
            "dial tcp 10.244.3.7:8080: billing.api.fabrikam-prod.svc.cluster.local for PROJ-17",
            "/var/log/pods/fabrikam-prod_billing.api_0f3c1d2e/billing.api/0.log",
            "https://fabrikamaks-x1y2z3.hcp.westeurope.azmk8s.io:443 says no",
        ]
        return Answer(Outcome.OK, "".join(f"{line}\n" for line in lines))

    def list(self, *_: Any, **__: Any) -> Answer:
        """Give the pod whose name and namespace they are."""
        pod = {"metadata": {"name": "billing.api", "namespace": "fabrikam-prod"}, "status": {}}
        return Answer(Outcome.OK, {"metadata": {}, "items": [pod]})


@pytest.fixture
def written(tmp_path: Path) -> tuple[bytes, bytes]:
    """What the tape is while the run goes on, and when it is over."""
    path = tmp_path / "run.tape"
    header = tapefile.Header("0", START, Target(), Options())
    with taping([str(path)], header, lambda: redactor(STRICT)) as tape:
        door: Any = taped_cluster.recording(LateDoor(), tape, LabClock())  # type: ignore[arg-type]  # two verbs of it
        door.logs("other", "a", "b", since=60, lines=10)
        door.list(PODS)
        during = path.read_bytes()
    return during, path.read_bytes()


def test_a_name_that_came_before_its_object_is_replaced_too(written: tuple[bytes, bytes]) -> None:
    """In host names, file names and accounts; nothing of it is in the finished tape, which can be read."""
    during, after = written
    assert b"cannot get pods" in during
    for name in LATE:
        assert name.encode() not in after, name
    assert b"svc.cluster.local" in after
    recording = tapefile.read(after.splitlines(keepends=True), "tape")
    assert len(recording.tape.entries) == 2


def test_what_was_replaced_is_counted(written: tuple[bytes, bytes]) -> None:
    """By kind and file: names, addresses and patterns, from the finished tape alone."""
    recording = tapefile.read(written[1].splitlines(keepends=True), "tape")
    log = json.loads(written[1].splitlines()[1])["answer"]["body"].encode()
    counted = redactions({"a.log": log, "plain": b"10.0.0.1 name-9999"}, recording.header.stand_ins)
    assert counted == {"a.log": {"ip": 1, "name": 7, "pattern": 1}}


def test_a_run_without_names_comes_to_the_same(tmp_path: Path) -> None:
    """And none of the world's own names is in its tape."""
    scenario = next(item for item in load_scenarios(builtin_dir()) if item.id == "label-missing")
    world, path = scenario.build(), tmp_path / "run.tape"
    header = tapefile.Header("0", START, world.target, Options())
    with taping([str(path)], header, lambda: redactor(STRICT)) as tape:
        report, _ = look(world, CHECKS, CAUSES, Options(), tape=tape)
    content = path.read_bytes()
    for name in (b"labreg", b"aks-workers", b"coder-identity", b"20.62.128"):
        assert name not in content, name
    again = replayed(tapefile.read(content.splitlines(keepends=True), "tape"), CHECKS, CAUSES)
    assert [item.cause.id for item in again.findings] == [item.cause.id for item in report.findings]
    assert [item.status for item in again.results] == [item.status for item in report.results]
