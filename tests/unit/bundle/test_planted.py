"""A world with secrets planted everywhere: none is in a byte of its bundle, of its reports, or on the terminal."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrcheck.bundle import tapefile
from acrcheck.bundle.pack import pack
from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.lab.faults import settle
from acrcheck.lab.scenario import load_scenarios, record
from acrcheck.lab.world import HOST, NAMESPACE, Canned, World
from acrcheck.report import json as report_json
from acrcheck.report import terminal
from acrcheck.run import Options
from tests.unit.bundle.canaries import CANARIES, ENCODINGS, Canary, traces

CHECKS = load_checks(builtin_dir())
CAUSES = load_causes(builtin_dir(), CHECKS)
HEALTHY = next(item for item in load_scenarios(builtin_dir()) if item.id == "healthy")
PLACES = 8


def planted(texts: list[str]) -> World:
    """Make a world that has these texts in all that a run and a bundle read."""
    world = HEALTHY.build()
    env, args, note, message, term, body, challenge, command = texts
    container = world.deployment["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [*container["env"], {"name": "SETTING", "value": env}]
    container["args"] = ["serve", args]
    container["lifecycle"] = {"preStop": {"exec": {"command": ["sh", "-c", command]}}}
    world.deployment["spec"]["template"]["metadata"].setdefault("annotations", {})["note"] = note
    settle(world)
    for number, pod in enumerate(world.pods):
        pod["status"]["message"] = term
        involved = {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": NAMESPACE}
        world.kubernetes.put(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"planted-{number}", "namespace": NAMESPACE},
                "involvedObject": involved,
                "reason": "Failed",
                "type": "Warning",
                "message": message,
            }
        )
    said = json.dumps({"errors": [{"code": "UNKNOWN", "message": body}]})
    world.network.answers[HOST] = Canned(
        500, (("Content-Type", "application/json"), ("X-Note", challenge)), said
    )
    return world


def outputs(world: World, path: Path) -> Iterator[str]:
    """Run, pack, and give all that comes of it."""
    report, tape = record(world, CHECKS, CAUSES, Options())
    yield tape.decode()
    yield report_json.render(report)
    yield terminal.render(report, width=400, ascii=False, color=False, verbose=2)
    pack(tapefile.read(tape.splitlines(keepends=True), "tape"), tape, path, CHECKS, CAUSES)
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            yield member.name
            if file := archive.extractfile(member):
                yield file.read().decode()


@settings(max_examples=12, deadline=None)
@given(
    canaries=st.lists(CANARIES, min_size=PLACES, max_size=PLACES),
    encodings=st.lists(st.sampled_from(sorted(ENCODINGS)), min_size=PLACES, max_size=PLACES),
)
def test_no_planted_secret_leaves(
    canaries: list[Canary], encodings: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever its kind, encoding and place."""
    texts = [ENCODINGS[name](canary.text) for name, canary in zip(encodings, canaries, strict=True)]
    given_out = list(outputs(planted(texts), tmp_path_factory.mktemp("planted") / "b.tar.gz"))

    assert len(given_out) > PLACES
    assert any("SETTING" in text for text in given_out)
    for canary in canaries:
        found = [trace for trace in traces(canary.secret) for text in given_out if trace in text]
        assert not found, (canary.kind, found)
