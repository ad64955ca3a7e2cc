"""Values files and settings together, as `helm upgrade -f FILE --set NAME=VALUE` takes them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from acrcheck.helm.setting import applied
from acrcheck.helm.values import Path, Place, Values, ValuesFiles, at, has, merged
from acrcheck.helm.yamltext import Document


def together(
    documents: Sequence[Document],
    settings: Iterable[str] = (),
    text_settings: Iterable[str] = (),
    *,
    chart_version: str = "",
) -> ValuesFiles:
    """Join files in their order, then `--set`, then `--set-string`. Raises UsageError for a malformed setting."""
    values: Values = {}
    places: dict[Path, Place] = {}
    written: dict[Path, str] = {}
    for document in documents:
        values = merged(values, document.values)
        places |= document.places
        written |= document.written
    for option, given in (("--set", settings), ("--set-string", text_settings)):
        for setting in given:
            before, values = values, applied(values, setting, as_text=option == "--set-string")
            place = Place(f"{option} {setting}", 1, 1)
            changed = dict.fromkeys(_changed(before, values), place)
            places |= changed
            written = {path: text for path, text in written.items() if path not in changed}
    return ValuesFiles(
        files=tuple(document.file for document in documents),
        values=values,
        places={path: place for path, place in places.items() if has(values, *path)},
        twice=tuple(item for document in documents for item in document.twice),
        more=tuple(document.more for document in documents if document.more),
        chart_version=chart_version,
        written={path: text for path, text in written.items() if not isinstance(at(values, *path), str)},
    )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], path: Path = ()) -> Iterable[Path]:
    """Name what a setting has changed, and the maps on the way to it that it has made."""
    for key, value in after.items():
        known = at(before, key)
        if key in before and known == value:
            continue
        if key not in before or not isinstance(value, Mapping):
            yield (*path, key)
        if isinstance(value, Mapping):
            yield from _changed(known if isinstance(known, Mapping) else {}, value, (*path, key))
