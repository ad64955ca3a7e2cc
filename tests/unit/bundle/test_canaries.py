"""No secret survives, of whatever kind, in whatever encoding, in whatever place."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrcheck.bundle.redact import Redactor
from acrcheck.bundle.tapefile import Header, TapeFile
from acrcheck.cluster.pullsecret import sealed
from acrcheck.helm.release import TYPE, packed
from acrcheck.helm.values import ValuesFiles
from acrcheck.run import Options
from acrcheck.target import Target
from acrcheck.wire.vault import Vault
from tests.unit.bundle.canaries import CANARIES, ENCODINGS, SHAPED, Canary, traces

LOG = "2026-11-02T09:00:00Z coderd[1]: {} (request 5f0b6d3c-2c1e-4f8f-9a51-3d2f5b7c9e10)\nanother line\n"


def in_text(text: str) -> str:
    """Plant it in a log."""
    return Redactor().text(LOG.format(text), "log")


def in_stream(text: str) -> str:
    """Plant it in a log that comes byte by byte."""
    return "".join(Redactor().stream([bytes([byte]) for byte in LOG.format(text).encode()], "log"))


def in_answer(text: str) -> str:
    """Plant it in the body of an error, in a list and in a field's name."""
    return json.dumps(
        Redactor().value({"errors": [{"message": text}], text: 1, "output": ["ok", text]}, "answer")
    )


def in_object(text: str) -> str:
    """Plant it everywhere in a pod."""
    container = {
        "name": "a",
        "env": [{"name": "X", "value": text}],
        "args": ["serve", text],
        "command": [text],
    }
    pod = {
        "kind": "Pod",
        "metadata": {"name": "a", "annotations": {"note": text}, "labels": {"x": text}},
        "spec": {"containers": [container]},
        "status": {"message": text, "containerStatuses": [{"lastState": {"terminated": {"message": text}}}]},
    }
    event = {"kind": "Event", "message": text, "involvedObject": {"name": "a"}}
    settings_map = {"kind": "ConfigMap", "data": {"config.yaml": text}, "binaryData": {}}
    redactor = Redactor()
    return json.dumps([redactor.object(item, "objects") for item in (pod, event, settings_map)])


def in_values(text: str) -> str:
    """Plant it in the values of a release: as its Secret keeps them, and in files that are to be checked."""
    values = {"coder": {"env": [{"name": "A", "value": text}], "extra": text}, "postgres": {"password": text}}
    config = {"config": values, "chart": {"values": values}, "info": {"description": text}, "name": "coder"}
    metadata = {"name": "sh.helm.release.v1.coder.v1"}
    secret = {"kind": "Secret", "type": TYPE, "metadata": metadata, "data": {"release": packed(config)}}
    seen = sealed(secret, Vault().keep)
    assert seen["release"]["values"]["coder"]["extra"], "the release was not read"
    file, target = io.BytesIO(), Target(values=ValuesFiles(("values.yaml",), values, {}))
    TapeFile(file, Header("", datetime(2026, 11, 2, tzinfo=UTC), target, Options()), Redactor())
    return json.dumps(Redactor().object(seen, "objects")) + file.getvalue().decode()


PLACES = (in_text, in_stream, in_answer, in_object, in_values)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("plant", PLACES, ids=lambda place: place.__name__)
@settings(max_examples=25, deadline=None)
@given(canary=CANARIES)
def test_no_canary_survives(plant: Callable[[str], str], encoding: str, canary: Canary) -> None:
    """Neither plain nor in an encoding that hides it."""
    out = plant(ENCODINGS[encoding](canary.text))

    assert not [trace for trace in traces(canary.secret) if trace in out], (canary.kind, out)


@settings(max_examples=100, deadline=None)
@given(canary=SHAPED, ending=st.sampled_from(["", ".log", ".json.gz"]))
def test_no_canary_survives_in_a_file_name(canary: Canary, ending: str) -> None:
    """What has a form of its own is found in a name."""
    text = quote(canary.text, safe=" =:") if set("/\n") & set(canary.text) else canary.text
    name = Redactor().name(text + ending)

    assert not [trace for trace in traces(canary.secret) if trace in name], canary.kind


@settings(max_examples=300, deadline=None)
@given(canary=CANARIES, encoding=st.sampled_from(sorted(ENCODINGS)))
def test_redacting_twice_is_redacting_once(canary: Canary, encoding: str) -> None:
    """What stands there afterwards is taken for no secret."""
    once = in_text(ENCODINGS[encoding](canary.text))

    assert Redactor().text(once, "log") == once


@settings(max_examples=300, deadline=None)
@given(canary=CANARIES, levels=st.integers(0, 2))
def test_json_stays_json(canary: Canary, levels: int) -> None:
    """However often a document was quoted, it can be read afterwards."""
    value: Any = {"msg": canary.text, "n": [1, None, "x"]}
    for _ in range(levels):
        value = {"inner": json.dumps(value)}

    read = json.loads(Redactor().text(json.dumps(value), "log"))
    for _ in range(levels):
        read = json.loads(read["inner"])
    assert read["n"] == [1, None, "x"]
