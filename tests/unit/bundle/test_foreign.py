"""What other tools write, odd and hostile: read where it can be, and refused in words where not."""

import base64
import contextlib
import io
import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.bundle.foreign import LARGEST_YAML
from acrcheck.bundle.load import load
from acrcheck.bundle.redact import Redactor
from acrcheck.bundle.store import Store
from acrcheck.bundle.tapefile import Recording
from acrcheck.cluster.reader import AZURE_IDENTITIES, NODES, PODS, SECRETS, Outcome
from acrcheck.errors import UsageError
from acrcheck.target import Target

NOW = datetime(2030, 1, 1, tzinfo=UTC)
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "coderd-1", "namespace": "coder", "creationTimestamp": "2026-11-02T08:00:00Z"},
    "spec": {"containers": [{"name": "coderd", "image": "a.azurecr.io/b:1"}]},
    "status": {"startTime": "2026-11-02T08:00:05Z"},
}
PASSWORD = "Hx7-" + "pQ9rT2wX" * 4


def piped(content: bytes) -> Recording:
    """Read standard input."""
    return load("-", io.BytesIO(content), Target(), NOW)


def store_of(recording: Recording) -> Store:
    """What is known of the cluster."""
    assert recording.store is not None
    return recording.store


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(POD).encode(),
        yaml.dump(POD).encode(),
        b"\xef\xbb\xbf" + yaml.dump(POD).encode(),
        yaml.dump(POD).encode("utf-16"),
        yaml.dump(POD).replace("\n", "\r\n").encode(),
        b"---\n# a comment\n---\n" + yaml.dump(POD).encode(),
    ],
    ids=["json", "yaml", "bom", "powershell", "crlf", "documents"],
)
def test_one_pod_is_the_smallest_bundle(content: bytes) -> None:
    """In any form that kubectl and shells write; it is what is looked at, at the time that it tells."""
    recording = piped(content)
    assert (recording.header.target.namespace, recording.header.target.workload) == ("coder", "pod/coderd-1")
    assert recording.header.started == datetime(2026, 11, 2, 8, tzinfo=UTC)
    assert store_of(recording).get(PODS, "coderd-1", "coder").value()["spec"] == POD["spec"]
    assert store_of(recording).get(PODS, "coderd-2", "coder").outcome is Outcome.NOT_RECORDED


def test_times_stay_texts() -> None:
    """YAML's own times are no JSON."""
    recording = piped(yaml.dump(POD).replace("'2026-11-02T08:00:00Z'", "2026-11-02T08:00:00Z").encode())
    assert store_of(recording).get(PODS, "coderd-1", "coder").value()["metadata"]["creationTimestamp"] == (
        "2026-11-02T08:00:00Z"
    )


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "aliases": (BOMB.encode(), "aliases"),
    "a loop": (b"a: &a\n  b: *a\n", "aliases"),
    "brackets": (b"[" * 1_000_000, "nested too deep"),
    "braces in YAML": (b"- " + b"{a: " * 100_000, "nested deeper"),
    "dashes": (b"- " * 100_000, "nested deeper"),
    "an object of Python": (b"!!python/object/apply:os.system ['true']\n", "no YAML"),
    "nothing": (b"", "no object"),
    "binary": (bytes(range(256)) * 10, "no object"),
    "half a pod": (json.dumps(POD).encode()[:-40], "no object"),
    "an unknown kind": (b"kind: Frob\nmetadata: {name: x}\n", "no object"),
    "a list of texts": (b"- a\n- b\n", "no object"),
    "a zip": (b"PK\x03\x04rest", "is a .zip"),
    "numbers without end": (b'{"a": ' + b"9" * 5000 + b"}", "no object"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_object_is_refused(name: str) -> None:
    """At once, and in words."""
    content, said = HOSTILE[name]
    began = time.monotonic()
    with pytest.raises(UsageError, match=said):
        piped(content)
    assert time.monotonic() - began < 20


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Nothing else comes of them."""
    with contextlib.suppress(UsageError):
        assert store_of(piped(content)).objects(("", "pods"))


def test_a_broken_file_beside_good_ones_is_left_out_and_said(tmp_path: Path) -> None:
    """The rest counts."""
    (tmp_path / "pod.yaml").write_text(yaml.dump(POD))
    (tmp_path / "bad.yaml").write_text("a: [\n")
    (tmp_path / "bomb.yml").write_text(BOMB)
    recording = load(str(tmp_path), io.BytesIO(), Target(), NOW)
    assert [re.split(" is left out", note)[0] for note in recording.notes] == ["bad.yaml", "bomb.yml"]
    assert store_of(recording).get(PODS, "coderd-1", "coder").ok


def test_a_list_of_one_namespace_is_whole_for_it(tmp_path: Path) -> None:
    """Of several it is whole for all; of things that are in no namespace too."""
    other = {**POD, "metadata": {"name": "x", "namespace": "blue"}}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    one = store_of(piped(json.dumps({"kind": "List", "apiVersion": "v1", "items": [POD]}).encode()))
    two = store_of(
        piped(json.dumps({"kind": "List", "apiVersion": "v1", "items": [POD, other, node]}).encode())
    )
    assert one.get(PODS, "nosuch", "coder").outcome is Outcome.ABSENT
    assert one.get(PODS, "nosuch", "blue").outcome is Outcome.NOT_RECORDED
    assert two.get(PODS, "nosuch", "red").outcome is Outcome.ABSENT
    assert two.get(NODES, "nosuch").outcome is Outcome.ABSENT


def test_a_secret_is_sealed_when_it_is_read(tmp_path: Path) -> None:
    """What it holds is nowhere in what is kept."""
    config = {"auths": {"a.azurecr.io": {"username": "u", "password": PASSWORD}}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull", "namespace": "coder"},
        "data": {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()},
    }
    (tmp_path / "all.json").write_text(json.dumps([POD, secret]))
    answer = store_of(load(str(tmp_path), io.BytesIO(), Target(), NOW)).get(SECRETS, "pull", "coder")
    assert answer.value()["entries"][0]["key"] == "a.azurecr.io"
    assert PASSWORD not in json.dumps(answer.body)


def test_what_troubleshoot_could_not_collect_is_said(tmp_path: Path) -> None:
    """Forbidden stays forbidden, with the permission."""
    folder = tmp_path / "cluster-resources"
    (folder / "pods").mkdir(parents=True)
    (folder / "pods" / "coder.json").write_text(json.dumps({"kind": "PodList", "items": [POD]}))
    (folder / "nodes-errors.json").write_text(json.dumps(["nodes is forbidden: User x cannot list"]))
    (folder / "pods-errors.json").write_text(json.dumps({"blue": "pods is forbidden"}))
    store = store_of(load(str(tmp_path), io.BytesIO(), Target(), NOW))
    assert store.list(NODES).outcome is Outcome.FORBIDDEN
    assert store.list(PODS, "blue").permission == PODS.permission("list", "blue")
    assert store.list(PODS, "coder").ok


def test_custom_resources_that_are_defined_and_have_no_file_have_no_objects(tmp_path: Path) -> None:
    """As troubleshoot writes them; those that are not defined are not served."""
    folder = tmp_path / "cluster-resources"
    (folder / "pods").mkdir(parents=True)
    (folder / "pods" / "coder.json").write_text(json.dumps([POD]))
    crd = {"metadata": {"name": "azureidentities.aadpodidentity.k8s.io"}}
    for items, outcome in (([crd], Outcome.OK), ([], Outcome.NO_API)):
        (folder / "custom-resource-definitions.json").write_text(json.dumps({"items": items}))
        store = store_of(load(str(tmp_path), io.BytesIO(), Target(), NOW))
        assert store.list(AZURE_IDENTITIES, "coder").outcome is outcome
        assert store.path("/apis/aadpodidentity.k8s.io/v1").outcome is outcome


def test_logs_find_their_containers(tmp_path: Path) -> None:
    """In the layouts of troubleshoot, of kubectl and of people; the instance before by its name."""
    (tmp_path / "pod.json").write_text(json.dumps(POD))
    line = "2026-11-02T07:59:50Z text\n"
    names: dict[str, Any] = {
        "coder/coderd-1/coderd.log": False,
        "coder/coderd-1/coderd-previous.log": True,
        "coderd-1.log": False,
        "coderd-1-coderd.txt": False,
        "logs/coderd-1_coderd.log": False,
    }
    for name, previous in names.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line)
        store = store_of(load(str(tmp_path), io.BytesIO(), Target(), NOW))
        answer = store.logs("coder", "coderd-1", "coderd", since=60, lines=5, previous=previous)
        assert answer.body == line, name
        path.unlink()


def test_of_a_large_log_the_end_is_read(tmp_path: Path) -> None:
    """That is said, and what was before is not taken for never said."""
    (tmp_path / "pod.json").write_text(json.dumps(POD))
    lines = [f"2026-11-02T07:59:50Z {number:06}\n" for number in range(60_000)]
    (tmp_path / "coderd-1.log").write_text("".join(lines))
    recording = load(str(tmp_path), io.BytesIO(), Target(), NOW)
    assert recording.notes == ("coderd-1.log: only the last 1024 KiB of it were kept",)
    store = store_of(recording)
    answer = store.logs("coder", "coderd-1", "coderd", since=60, lines=30_000)
    assert answer.body == "".join(lines[-30_000:])
    assert store.logs("coder", "coderd-1", "coderd", since=60, lines=50_000).outcome is Outcome.NOT_RECORDED


def test_a_list_that_says_that_there_is_more_is_not_all(tmp_path: Path) -> None:
    """As a bundle writes one that was cut."""
    folder = tmp_path / "cluster-resources" / "pods"
    folder.mkdir(parents=True)
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {"remainingItemCount": 1}, "items": [POD]}
    (folder / "coder.json").write_text(json.dumps(body))
    store = store_of(load(str(tmp_path), io.BytesIO(), Target(), NOW))
    assert store.get(PODS, "coderd-1", "coder").ok
    assert store.get(PODS, "coderd-2", "coder").outcome is Outcome.NOT_RECORDED


def test_what_is_too_large_is_said_whatever_its_name(tmp_path: Path) -> None:
    """As the file without an ending in which other tools write all objects."""
    (tmp_path / "pod.json").write_text(json.dumps(POD))
    (tmp_path / "k8s-resources").write_bytes(b"a: b\n" * (LARGEST_YAML // 5 + 1))
    recording = load(str(tmp_path), io.BytesIO(), Target(), NOW)
    assert recording.notes == ("k8s-resources is left out: it is larger than 16 MiB",)


def test_asked_for_it_is_redacted() -> None:
    """As a bundle would be."""
    pod = json.loads(json.dumps(POD))
    pod["metadata"]["annotations"] = {"note": f"login with password={PASSWORD} failed"}
    recording = load("-", io.BytesIO(json.dumps(pod).encode()), Target(), NOW, Redactor())
    assert PASSWORD not in json.dumps(store_of(recording).objects(("", "pods")))
