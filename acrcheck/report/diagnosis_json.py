"""What a text means, as JSON."""

from collections.abc import Iterable

from acrcheck.model import Finding
from acrcheck.report.json import dumps


def render(findings: Iterable[Finding]) -> str:
    """Give the causes, most likely first, as indented JSON that ends with a line break."""
    return dumps(
        {
            "kind": "Diagnosis",
            "causes": [
                {
                    "id": finding.cause.id,
                    "confidence": finding.confidence,
                    "evidence": [
                        {
                            "line": int(item.values["line"]),
                            "text": item.values["text"],
                            "why": item.values["why"],
                        }
                        for item in finding.observations
                    ],
                    "toDecide": [
                        {"evidence": text, "command": command} for text, command in finding.to_decide
                    ],
                }
                for finding in findings
            ],
        }
    )
