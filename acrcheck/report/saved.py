"""Reports that were kept as JSON, read again."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acrcheck.errors import UsageError
from acrcheck.model import Status
from acrcheck.report.json import API_VERSION

EXPECTED = "what `acrcheck run -o json` or `--report json=FILE` wrote"
STATUSES = frozenset(map(str, Status))
NAMED = re.compile(r"^(pod|node)/\S+|(?<=→ )(pod|node)/\S+")
TAGGED = re.compile(r"((?:^image |→ )\S*?/[^\s:@]+)[:@]\S+")
"""An image's tag or digest: what stands before it has a path, so that a port is none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check came to on one subject, as a kept report says it."""

    check: str
    title: str
    category: str
    status: str
    subject: str
    message: str
    reason: str
    blocked_by: str
    causes: tuple[str, ...]
    evidence: tuple[dict[str, Any], ...]
    waived: bool = False

    @property
    def role(self) -> str:
        """What the subject is, but for what another run calls otherwise: names of pods and nodes, tags of images."""
        return TAGGED.sub(r"\1", NAMED.sub(r"\1\2", self.subject))

    @property
    def pod(self) -> str:
        """The name of the pod it is about; empty when it is about none."""
        found = re.match(r"pod/(\S+)", self.subject)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Saved:
    """A report as it was kept: where it was made, what each check came to, and the causes' titles."""

    metadata: dict[str, str]
    checks: tuple[Seen, ...]
    causes: dict[str, str]

    @property
    def pods(self) -> frozenset[str]:
        """The names of the pods that were looked at."""
        return frozenset(item.pod for item in self.checks if item.pod)

    def by_check(self, name: str) -> tuple[Seen, ...]:
        """Give what the check of that id came to."""
        return tuple(item for item in self.checks if item.check == name)


def load(path: str) -> Saved:
    """Read a report from a file, or from standard input for `-`. Raises UsageError saying what it is instead."""
    return read(_content(path), "standard input" if path == "-" else path)


def _content(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", input=path, expected="a file that can be read"
        ) from None


def read(content: bytes, place: str) -> Saved:
    """Read a report from its bytes; `place` says in errors where they are from. Raises UsageError."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        said = "it is empty" if not content.strip() else str(error)
        raise UsageError(f"{place} is no JSON: {said}", input=place, expected=EXPECTED) from None
    if not isinstance(document, dict) or document.get("kind") != "CheckReport":
        raise UsageError(f"{place} is no report: {_what(document)}", input=place, expected=EXPECTED)
    version = document.get("apiVersion")
    if version != API_VERSION:
        raise UsageError(
            f"{place} is a report of {version}, which this acrcheck does not read",
            input=f"apiVersion {version}",
            expected=API_VERSION,
            remedy="compare with the acrcheck that wrote it",
        )
    try:
        return Saved(
            metadata={
                key: value
                for key, value in _get(document, "metadata", dict).items()
                if isinstance(value, str)
            },
            checks=tuple(_seen(document)),
            causes={_get(cause, "id", str): _get(cause, "title", str) for cause in _list(document, "causes")},
        )
    except _ShapeError as error:
        raise UsageError(f"{place} is no whole report: {error}", input=place, expected=EXPECTED) from None


def _what(document: object) -> str:
    if not isinstance(document, dict):
        return f"it holds {type(document).__name__} and no object"
    if document.get("kind") == "Error":
        return f"the run did not take place: {document.get('message')}"
    return f"its kind is {document.get('kind')}" if "kind" in document else "it has no kind"


class _ShapeError(Exception):
    """Something in the document is not what its schema says."""


def _get(item: object, key: str, kind: type, *, null: bool = False) -> Any:
    value = item.get(key) if isinstance(item, dict) else None
    if null and value is None:
        return kind()
    if not isinstance(value, kind):
        raise _ShapeError(f"{key} is {'missing' if value is None else f'no {kind.__name__}'}")
    return value


def _list(item: object, key: str) -> list[dict[str, Any]]:
    found = _get(item, key, list)
    if not all(isinstance(entry, dict) for entry in found):
        raise _ShapeError(f"{key} holds something other than objects")
    return list(found)


def _seen(document: dict[str, Any]) -> Iterator[Seen]:
    for category in _list(document, "categories"):
        for check in _list(category, "checks"):
            status = _get(check, "status", str)
            if status not in STATUSES:
                raise _ShapeError(f"{status} is no status of a check")
            yield Seen(
                check=_get(check, "id", str),
                title=_get(check, "title", str),
                category=_get(category, "id", str),
                status=status,
                subject=_get(check, "subject", str, null=True),
                message=_get(check, "message", str, null=True),
                reason=_get(check, "reason", str, null=True),
                blocked_by=_get(check, "blockedBy", str, null=True),
                causes=tuple(map(str, _get(check, "causes", list))),
                evidence=tuple(_list(check, "evidence")),
                waived=bool(check.get("waivedBy")),
            )
