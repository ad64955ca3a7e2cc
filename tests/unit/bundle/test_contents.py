"""What stands in a bundle, made of a tape: the files, their forms, and names that no server can choose."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import click
import yaml

from acrcheck.bundle.contents import contents, top
from acrcheck.bundle.pack import rendered
from acrcheck.bundle.redact import Redactor
from acrcheck.bundle.tape import Tape
from acrcheck.bundle.tapefile import Header, Recording, TapeFile, read
from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.cli.options import FORMATS, TAPE
from acrcheck.cli.run import command
from acrcheck.cluster import recorded as taped_cluster
from acrcheck.cluster.reader import NODES, PODS, SECRETS, Answer, Outcome, Resource
from acrcheck.lab.clock import LabClock
from acrcheck.model import Report
from acrcheck.report.formats import ENDINGS
from acrcheck.run import Options, replay
from acrcheck.target import Target

CHECKS = load_checks(builtin_dir())
CAUSES = load_causes(builtin_dir(), CHECKS)
ITEMS: dict[str, list[Any]] = {
    "pods": [
        {"metadata": {"name": "a", "namespace": "coder"}},
        {"metadata": {"name": "b", "namespace": "../../etc"}},
    ],
    "nodes": [{"metadata": {"name": "n"}}],
    "secrets": [
        {
            "metadata": {"name": "sh.helm.release.v1.coder.v3", "namespace": "coder"},
            "release": {"version": 3},
        },
        {"metadata": {"name": "pull", "namespace": "coder"}, "entries": []},
    ],
}


class Cluster:
    """Answers lists and logs."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self, f"_{name}")

    def _list(self, resource: Resource, *_: Any, **__: Any) -> Answer:
        return Answer(Outcome.OK, {"metadata": {}, "items": ITEMS[resource.plural]})

    def _path(self, _: str) -> Answer:
        return Answer(Outcome.OK, {"gitVersion": "v1.36.3"})

    def _logs(self, namespace: str, pod: str, container: str, **_: Any) -> Answer:
        return Answer(Outcome.OK, f"{namespace} {pod} {container}\n")


def questions(cluster: Any) -> None:
    """Ask of everything a little."""
    cluster.path("/version")
    for resource in (PODS, NODES, SECRETS):
        cluster.list(resource)
    cluster.logs("coder", "a", "main", since=60, lines=10)
    cluster.logs("..", "..", "../../passwd", since=60, lines=10, previous=True)


def recording(
    door: Cluster | None = None, ask: Callable[[Any], object] = questions
) -> tuple[Recording, bytes]:
    """A tape of a few questions."""
    file = io.BytesIO()
    header = Header("1.2.3", datetime(2026, 11, 2, 9, tzinfo=UTC), Target(), Options())
    tape = Tape(keep=TapeFile(file, header, Redactor()).keep)
    ask(taped_cluster.recording(cast("Any", door or Cluster()), tape, LabClock()))
    return read(file.getvalue().splitlines(keepends=True), "tape"), file.getvalue()


def files() -> dict[str, bytes]:
    """The files of a bundle of it."""
    found, tape = recording()
    return contents(found, tape, report(found), {"report.txt": "all well"})


def report(found: Recording) -> Report:
    """What the checks say of it."""
    return replay(found.header.target, found.tape, LabClock(), CHECKS, CAUSES, Options())


def test_troubleshoots_marks() -> None:
    """The version file that marks the top folder, and the verdicts with the severities of its analyzers."""
    found = files()
    assert yaml.safe_load(found["version.yaml"]) == {
        "apiVersion": "troubleshoot.sh/v1beta2",
        "kind": "SupportBundle",
        "spec": {"versionNumber": "acrcheck 1.2.3"},
    }
    verdicts = json.loads(found["analysis.json"])
    assert {item["severity"] for item in verdicts} <= {"debug", "warn", "error"}
    assert verdicts[0]["insight"] | {"name": "", "labels": {}} == {
        "name": "",
        "labels": {},
        "primary": "the API server answers",
        "detail": verdicts[0]["insight"]["detail"],
        "severity": "debug",
    }


def test_objects_stand_where_troubleshoot_puts_them() -> None:
    """As lists with their kinds; by namespace where they have one."""
    found = files()
    pods = json.loads(found["cluster-resources/pods/coder.json"])
    assert (pods["kind"], pods["items"][0]["kind"]) == ("PodList", "Pod")
    assert json.loads(found["cluster-resources/nodes.json"])["items"][0]["metadata"]["name"] == "n"
    assert found["cluster-resources/pods/logs/coder/a/main.log"] == b"coder a main\n"
    assert json.loads(found["cluster-info/cluster_version.json"])["string"] == "v1.36.3"


def test_the_report_is_there_in_every_format() -> None:
    """In each that `acrcheck run -o` and `--report` write; a tape is no report."""
    reports = rendered(report(recording()[0]))
    chosen = next(option.type for option in command.params if option.name == "output")
    assert isinstance(chosen, click.Choice)
    assert set(chosen.choices) == set(FORMATS) - {TAPE} == set(ENDINGS)
    assert set(reports) == {f"report.{ending}" for ending in ENDINGS.values()}
    assert json.loads(reports["report.json"])["kind"] == "CheckReport"
    assert reports["report.names"].startswith("check/")
    assert "workload" in reports["report.txt"]


class Cut(Cluster):
    """Answers with what is not all."""

    def _logs(self, namespace: str, pod: str, container: str, **asked: Any) -> Answer:
        whole = [f"{pod} {number}" for number in range(7)]
        cut = "only the last 1 KiB of it were kept" if container == "large" else ""
        return Answer(Outcome.OK, "".join(f"{line}\n" for line in whole[-asked["lines"] :]), cut)

    def _list(self, resource: Resource, *_: Any, **__: Any) -> Answer:
        body = {"metadata": {"remainingItemCount": 4}, "items": ITEMS[resource.plural]}
        return Answer(Outcome.OK, body)


def test_what_was_cut_is_marked_in_the_file_and_named_as_missing() -> None:
    """A log by size or by lines, above its first line; a list as the API does. What is whole bears no mark."""
    found, tape = recording(
        Cut(),
        lambda door: (
            door.list(PODS, "coder"),
            door.logs("coder", "a", "large", since=60, lines=100),
            door.logs("coder", "a", "long", since=60, lines=2),
            door.logs("coder", "a", "long", since=60, lines=5),
            door.logs("coder", "a", "short", since=60, lines=100),
        ),
    )
    files = contents(found, tape, report(found), {})
    logs = "cluster-resources/pods/logs/coder/a"
    mark = "[acrcheck: what was before is left out: only"
    assert files[f"{logs}/large.log"].decode().startswith(f"{mark} the last 1 KiB of it were kept]\na 0\n")
    assert files[f"{logs}/long.log"].decode().startswith(f"{mark} its last 5 lines were asked for]\na 2\n")
    assert files[f"{logs}/short.log"].startswith(b"a 0\n")
    pods = json.loads(files["cluster-resources/pods/coder.json"])
    assert pods["metadata"] == {"remainingItemCount": 4}
    cut = {item["what"]: item["why"] for item in json.loads(files["acrcheck/missing.json"])}
    assert cut == {
        "log of coder/a/large": "only the last 1 KiB of it were kept",
        "log of coder/a/long": "only its last 5 lines were asked for",
        "pods of coder": "4 more were too large to take along",
    }


def test_secrets_stand_nowhere_but_releases() -> None:
    """Of which the door leaves what is harmless."""
    found = files()
    assert json.loads(found["acrcheck/helm/coder/sh.helm.release.v1.coder.v3.json"]) == {"version": 3}
    assert not [name for name in found if "pull" in name]


def test_no_server_chooses_where_a_file_stands() -> None:
    """Whatever its objects are called."""
    for name in files():
        assert not name.startswith("/")
        assert ".." not in name.split("/"), name


def test_the_top_folder_is_named_after_the_time() -> None:
    """Of the recording."""
    assert top(recording()[0]) == "acrcheck-bundle-2026-11-02T09_00_00"
