"""Reading Kubernetes objects, whatever is in them.

The API server does not look into custom resources whose definition has no schema, and a dump may come from anywhere:
null, another type and a missing field all read as empty, as Kubernetes itself takes null for absent.
"""

from datetime import UTC, datetime
from typing import Any

from acrcheck.api import waits_for_image


def _at(item: object, path: tuple[str, ...]) -> object:
    for key in path:
        if not isinstance(item, dict):
            return None
        item = item.get(key)
    return item


def mapping(item: object, *path: str) -> dict[str, Any]:
    """Give the mapping at a path inside an object; empty when there is none."""
    found = _at(item, path)
    return found if isinstance(found, dict) else {}


def mappings(item: object, *path: str) -> list[dict[str, Any]]:
    """Give the mappings of the list at a path; what else the list holds is left out."""
    found = _at(item, path)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def texts(item: object, *path: str) -> dict[str, str]:
    """Give labels, annotations and the like: the mapping at a path without values that are no text."""
    return {key: value for key, value in mapping(item, *path).items() if isinstance(value, str)}


def text(item: object, *path: str) -> str:
    """Give the text or number at a path as text; empty when there is none."""
    found = _at(item, path)
    return str(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


def number(item: object, *path: str, default: int = 0) -> int:
    """Give the whole number at a path, also one that was written as text."""
    found = text(item, *path)
    return int(found) if found.isascii() and found.removeprefix("-").isdigit() else default


def moment(item: object, *path: str) -> datetime | None:
    """Give the time at a path; None when there is none that can be read."""
    try:
        found = datetime.fromisoformat(text(item, *path))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def name(item: object) -> str:
    """Give an object's name."""
    return text(item, "metadata", "name")


def namespace(item: object) -> str:
    """Give an object's namespace."""
    return text(item, "metadata", "namespace")


def title(item: object) -> str:
    """Give an object's namespace and name, as they are shown."""
    return f"{namespace(item)}/{name(item)}"


def awaited(status: object) -> list[tuple[str, dict[str, Any]]]:
    """Give the containers of a pod's status that wait for their image, each with its state `waiting`."""
    return [
        (name, waiting)
        for field in ("initContainerStatuses", "containerStatuses")
        for item in mappings(status, field)
        if (name := text(item, "name")) and (waiting := mapping(item, "state", "waiting"))
        if waits_for_image(waiting)
    ]
