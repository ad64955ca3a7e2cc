"""The lines that Kubernetes' own programs write into their logs.

Source: kubernetes/klog klog.go (formatHeader).
"""

import json
from datetime import datetime

PROCESS = 2917


def header(severity: str, moment: datetime, place: str, process: int = PROCESS) -> str:
    """What a line begins with: `I`, `W` or `E`, the moment, the process, the place in the source."""
    return f"{severity}{moment:%m%d %H:%M:%S.%f} {process:7d} {place}] "


def quoted(text: str) -> str:
    """A string as Go's `%q` prints it."""
    return json.dumps(text, ensure_ascii=False)
