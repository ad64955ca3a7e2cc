"""Two runs compared, as JSON in the shape of `comparison-v1.schema.json`. Arrays are never null."""

from collections.abc import Iterable
from typing import Any

from acrcheck.compare import Change, Comparison, Turn, Turned
from acrcheck.report.json import API_VERSION, dumps
from acrcheck.report.saved import Saved

OUTCOMES = {0: "same-or-better", 1: "regression", 3: "inconclusive"}


def render(comparison: Comparison) -> str:
    """Give the comparison as indented JSON that ends with a line break."""
    return dumps(document(comparison))


def document(comparison: Comparison) -> dict[str, Any]:
    """Give the comparison as plain values."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Comparison",
        "before": _metadata(comparison.before),
        "after": _metadata(comparison.after),
        "summary": {
            "outcome": OUTCOMES[comparison.exit_code],
            "exitCode": comparison.exit_code,
            "counts": {str(turn): len(comparison.of(turn)) for turn in Turn},
        },
        "warnings": list(comparison.warnings),
        "turned": [_turned(item) for item in comparison.turned],
        "inputs": _changes(comparison.inputs),
        "upstream": _changes(comparison.upstream),
        "still": {str(status): list(names) for status, names in comparison.still.items()},
    }


def _metadata(saved: Saved) -> dict[str, str]:
    return dict(saved.metadata)


def _turned(item: Turned) -> dict[str, Any]:
    return {
        "turn": str(item.turn),
        "check": item.check,
        "title": item.title,
        "subjects": list(item.subjects),
        "before": item.before and str(item.before),
        "after": item.after and str(item.after),
        "was": item.was,
        "now": item.now,
        "causes": list(item.causes),
        "counts": item.counts,
        "changes": _changes(item.changes),
    }


def _changes(changes: Iterable[Change]) -> list[dict[str, Any]]:
    return [
        {"check": item.check or None, "observation": item.observation, "was": item.was, "now": item.now}
        for item in changes
    ]
