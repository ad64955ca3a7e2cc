"""kubectl's tables.

Source: kubernetes/kubernetes staging/src/k8s.io/kubectl/pkg/describe/describe.go (DescribeEvents).
"""

from collections.abc import Iterable
from typing import NamedTuple


class Event(NamedTuple):
    """An event, and how many seconds ago it was."""

    type: str
    reason: str
    message: str
    age: int = 1
    source: str = "kubelet"


def events(items: Iterable[Event]) -> str:
    """The last part of what `kubectl describe` prints of a pod or of a node."""
    rows = [
        ("Type", "Reason", "Age", "From", "Message"),
        ("----", "------", "----", "----", "-------"),
        *((item.type, item.reason, f"{item.age}s", item.source, item.message) for item in items),
    ]
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(4)]
    lines = ["".join(f"{row[i]:{widths[i]}}" for i in range(4)) + row[4] for row in rows]
    return "Events:\n" + "".join(f"  {line}\n" for line in lines)
