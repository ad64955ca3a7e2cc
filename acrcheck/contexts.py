"""What is said around a signature, loaded and validated: `contexts.toml` beside the cause documents."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from acrcheck.model import Cause, Context
from acrcheck.wiring import CatalogueError

FILE = "contexts.toml"
KEYS: dict[str, Any] = {
    "id": str,
    "texts": list,
    "unless": list,
    "wide": bool,
    "layer_reached": list,
    "weighs": dict,
}
MOST = 10
"""A context makes a cause no more than so many times likelier: more is a signature's word."""


def in_context(folder: Path, causes: Iterable[Cause], layers: tuple[str, ...]) -> tuple[Cause, ...]:
    """Give the causes with the contexts that weigh for or against them.

    A layer that a context shows to be reached excludes the causes in it. Raises CatalogueError where the file is
    wrong, or where a signature names a context that is not in it.
    """
    causes = tuple(causes)
    items = _items(folder / FILE)
    for number, item in enumerate(items, 1):
        if problem := _problem(item, {cause.id: cause for cause in causes}, layers):
            raise CatalogueError(f"{folder / FILE}: context {item.get('id', number)}: {problem}")
    contexts = {item["id"]: _context(item) for item in items}
    if len(contexts) < len(items):
        raise CatalogueError(f"{folder / FILE}: two contexts have the same id")
    return tuple(replace(cause, contexts=tuple(_of(cause, items, contexts))) for cause in causes)


def _items(path: Path) -> list[dict[str, Any]]:
    import tomllib

    if not path.is_file():
        return []
    try:
        head = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path}: {error}") from error
    if unknown := head.keys() - {"contexts"}:
        raise CatalogueError(f"{path}: unknown key {', '.join(sorted(unknown))}")
    return list(head.get("contexts", ()))


def _problem(item: Mapping[str, Any], causes: Mapping[str, Cause], layers: tuple[str, ...]) -> str:
    """Say what is wrong with a context; empty when nothing is."""
    if unknown := item.keys() - KEYS.keys():
        return f"unknown key {', '.join(sorted(unknown))}"
    if wrong := [key for key, value in item.items() if not isinstance(value, KEYS[key])]:
        return f"{wrong[0]} is of the wrong type"
    weighs: dict[str, float] = item.get("weighs", {})
    problems = [
        *(f"{key} is missing" for key in ("id", "texts") if not item.get(key)),
        *(f"there is no cause {name}" for name in sorted(weighs.keys() - causes.keys())),
        *(
            f"the factor of {name} is from 0 to {MOST}"
            for name, much in weighs.items()
            if not 0 <= much <= MOST
        ),
        *(f"{name} is no layer" for name in sorted(set(item.get("layer_reached", ())) - set(layers))),
    ]
    return problems[0] if problems else ""


def _context(item: Mapping[str, Any]) -> Context:
    return Context(item["id"], tuple(item["texts"]), tuple(item.get("unless", ())), item.get("wide", False))


def _of(
    cause: Cause, items: Iterable[Mapping[str, Any]], contexts: Mapping[str, Context]
) -> Iterable[tuple[Context, float]]:
    """Give the contexts that concern a cause, each with the factor by which it makes the cause likelier."""
    named = {name for signature in cause.signatures for name in (*signature.where, *signature.unless)}
    if unknown := named - contexts.keys():
        raise CatalogueError(f"{cause.place}: signature: there is no context {', '.join(sorted(unknown))}")
    for item in items:
        factor = float(item.get("weighs", {}).get(cause.id, 1))
        factor = 0.0 if cause.layer in item.get("layer_reached", ()) else factor
        if factor != 1 or item["id"] in named:
            yield contexts[item["id"]], factor
