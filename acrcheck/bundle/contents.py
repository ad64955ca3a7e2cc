"""What stands in a bundle: made of a tape and of nothing else, so that equal tapes give equal bundles.

The layout is that of a support bundle of troubleshoot (github.com/replicatedhq/troubleshoot, pkg/collect, pkg/convert),
with a folder of acrcheck's own beside it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from acrcheck.bundle.kinds import FOLDER, KINDS, LOGS
from acrcheck.bundle.store import PATH, of_entries
from acrcheck.bundle.tape import Entry
from acrcheck.bundle.tapefile import Recording
from acrcheck.cluster.reader import Outcome
from acrcheck.model import Report, Result, Status
from acrcheck.report.reading import message

FORMAT = 1
"""The version of the layout. Every version up to it is read."""
OWN = "acrcheck"
FORMAT_FILE = f"{OWN}/format"
TAPE_FILE = f"{OWN}/tape.jsonl"
MISSING_FILE = f"{OWN}/missing.json"
SEVERITIES = {Status.FAIL: "error", Status.WARN: "warn", Status.PASS: "debug"}
Json = dict[str, Any]


def top(recording: Recording) -> str:
    """Name the one folder in which everything stands."""
    return f"acrcheck-bundle-{recording.header.started:%Y-%m-%dT%H_%M_%S}"


def contents(recording: Recording, tape: bytes, report: Report, reports: dict[str, str]) -> dict[str, bytes]:
    """Give the files of a bundle by name: the tape as it is, the reports by file name, and what troubleshoot reads."""
    entries = recording.tape.entries
    files: dict[str, bytes] = {
        "version.yaml": _version(recording.header.version),
        "analysis.json": _json(analysis(report)),
        FORMAT_FILE: f"{FORMAT}\n".encode(),
        TAPE_FILE: tape,
        MISSING_FILE: _json(missing(entries)),
        f"{OWN}/permissions.json": _json(permissions(entries)),
    }
    files |= {f"{OWN}/{name}": text.encode() for name, text in reports.items()}
    found = (_objects(entries), _logs(entries), _server(entries), _releases(entries))
    return files | {name: content for each in found for name, content in each}


def missing(entries: tuple[Entry, ...]) -> list[Json]:
    """List what was asked of the cluster and not answered in full, and why."""
    found = []
    for entry in entries:
        if entry.door != "cluster":
            continue
        question = json.loads(entry.question)
        outcome, why = entry.answer["outcome"], str(entry.answer.get("detail") or "")
        if question.get("verb") == "logs" and outcome == Outcome.OK:
            continue
        if left := left_out(entry):
            outcome, why = "truncated", f"{left} more were too large to take along"
        if outcome not in {Outcome.OK, Outcome.ABSENT, Outcome.NO_API}:
            found.append({"what": asked(question), "outcome": str(outcome), "why": why})
    found += [
        {"what": asked(question), "outcome": "truncated", "why": why}
        for question, _, why in longest_logs(entries)
        if why
    ]
    unique = {json.dumps(item, sort_keys=True): item for item in found}
    return [unique[key] for key in sorted(unique)]


def left_out(entry: Entry) -> int:
    """Say how many objects a list lacks because of its size."""
    body = entry.answer.get("body")
    metadata = body.get("metadata") if isinstance(body, dict) else None
    return int((metadata or {}).get("remainingItemCount") or 0) if isinstance(metadata, dict) else 0


def longest_logs(entries: tuple[Entry, ...]) -> list[tuple[Json, str, str]]:
    """Give of each log that was read the question that brought most, the text, and why it has no more than that."""
    logs: dict[tuple[str, bool], tuple[Json, str, str]] = {}
    for entry in entries:
        question, body = json.loads(entry.question), entry.answer.get("body")
        if question.get("verb") != "logs" or not isinstance(body, str):
            continue
        why, lines = str(entry.answer.get("detail") or ""), question["lines"]
        if not why and body.count("\n") >= lines:
            why = f"only its last {lines} lines were asked for"
        key = str(question["path"]), bool(question.get("previous"))
        if key not in logs or len(body) >= len(logs[key][1]):
            logs[key] = question, body, why
    return list(logs.values())


def asked(question: Json) -> str:
    """Say what was asked of the cluster, as kubectl would."""
    verb, path = str(question.get("verb")), str(question.get("path", ""))
    if verb == "allowed":
        held = question.get("permission") or {}
        return f"may {held.get('verb')} {held.get('resource')}"
    if verb == "logs":
        return f"{'previous ' if question.get('previous') else ''}log of {path}"
    match = PATH.fullmatch(path)
    if match is None:
        return path
    where = f" of {match['namespace']}" if match["namespace"] else ""
    return f"{match['plural']}{'/' + match['name'] if match['name'] else ''}{where}"


def permissions(entries: tuple[Entry, ...]) -> list[Json]:
    """List the permissions that were asked for, and whether they were held."""
    held = {}
    for entry in entries:
        question, body = json.loads(entry.question), entry.answer.get("body")
        if question.get("verb") == "allowed" and isinstance(body, dict):
            held[json.dumps(question["permission"], sort_keys=True)] = {
                **question["permission"],
                "held": body.get("allowed"),
            }
    return [held[key] for key in sorted(held)]


def analysis(report: Report) -> list[Json]:
    """Give the verdicts in the form of troubleshoot's `analysis.json`, what was skipped left out."""
    return [
        _verdict(number, result)
        for number, result in enumerate(
            result for result in report.results if result.status is not Status.SKIP
        )
    ]


def _verdict(number: int, result: Result) -> Json:
    title = result.check.title + (f": {result.subject.name}" if result.subject.name else "")
    name = re.sub(r"[^a-z0-9]+", ".", f"{result.check.id} {result.subject.name}".strip().lower())
    severity = SEVERITIES.get(result.status, "warn")
    labels = {"desiredPosition": str(number), "iconKey": "", "iconUri": ""}
    return {
        "name": name,
        "labels": labels,
        "insight": {
            "name": name,
            "labels": labels,
            "primary": title,
            "detail": message(result) or result.reason,
            "severity": severity,
        },
        "severity": severity,
        "analyzerSpec": "",
    }


def _version(version: str) -> bytes:
    """Write what troubleshoot takes for the mark of a bundle's top folder."""
    return (
        "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\nspec:\n"
        f"  versionNumber: {json.dumps(f'acrcheck {version}')}\n"
    ).encode()


def _objects(entries: tuple[Entry, ...]) -> Iterator[tuple[str, bytes]]:
    known = of_entries(entries)
    cut = _cut_lists(entries)
    for kind, (resource, place) in KINDS.items():
        if not place:
            continue
        version = f"{resource.group}/{resource.version}" if resource.group else resource.version
        by_namespace: dict[str, list[Json]] = {
            name: [] for name in known.namespaces_of((resource.group, resource.plural)) if name
        }
        if not resource.namespaced and known.namespaces_of((resource.group, resource.plural)):
            by_namespace[""] = []
        for item in known.objects((resource.group, resource.plural)):
            where = str(item["metadata"].get("namespace") or "")
            by_namespace.setdefault(where, []).append({"apiVersion": version, "kind": kind, **item})
        for where, items in sorted(by_namespace.items()):
            left = cut.get((resource.group, resource.plural, where)) or cut.get(
                (resource.group, resource.plural, "")
            )
            metadata = {"remainingItemCount": left} if left else {}
            body = {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": items}
            yield f"{FOLDER}/{place}{'/' + _safe(where) if where else ''}.json", _json(body)


def _cut_lists(entries: tuple[Entry, ...]) -> dict[tuple[str, str, str], int]:
    """Say how many objects were left out of the lists that were too large, by group, plural and namespace."""
    found = {}
    for entry in entries:
        match = PATH.fullmatch(str(json.loads(entry.question).get("path", "")))
        if match and (left := left_out(entry)):
            found[match["group"] or "", match["plural"], match["namespace"] or ""] = left
    return found


def _logs(entries: tuple[Entry, ...]) -> Iterator[tuple[str, bytes]]:
    for question, text, why in longest_logs(entries):
        ending = "-previous.log" if question.get("previous") else ".log"
        place = "/".join(_safe(part) for part in str(question["path"]).split("/"))
        mark = f"[acrcheck: what was before is left out: {why}]\n" if why else ""
        yield f"{LOGS}/{place}{ending}", (mark + text).encode()


def _server(entries: tuple[Entry, ...]) -> Iterator[tuple[str, bytes]]:
    for entry in entries:
        body = entry.answer.get("body")
        if json.loads(entry.question).get("path") == "/version" and isinstance(body, dict):
            yield (
                "cluster-info/cluster_version.json",
                _json({"info": body, "string": body.get("gitVersion", "")}),
            )


def _releases(entries: tuple[Entry, ...]) -> Iterator[tuple[str, bytes]]:
    """Give the Helm releases that were read, as the door sealed them: what is harmless of their values."""
    for item in of_entries(entries).objects(("", "secrets")):
        if item.get("release"):
            metadata = item["metadata"]
            place = f"{_safe(str(metadata.get('namespace') or ''))}/{_safe(str(metadata['name']))}"
            yield f"{OWN}/helm/{place}.json", _json(item["release"])


def _safe(name: str) -> str:
    """Make a file's name of a name that a server gave."""
    return re.sub(r"[^A-Za-z0-9<>_.-]", "_", name).lstrip(".") or "_"


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
