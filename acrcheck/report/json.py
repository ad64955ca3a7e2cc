"""The report as JSON, in the shape of `report-v1.schema.json`. Arrays are never null."""

import json
from datetime import UTC, datetime
from typing import Any

from acrcheck.errors import UsageError
from acrcheck.model import Finding, Observation, Report, Result, Status, Waived, Waiver
from acrcheck.report.reading import findings_for, message, root_causes, status

API_VERSION = "acrcheck/v1"


def render(report: Report) -> str:
    """Give the report as indented JSON that ends with a line break."""
    return dumps(document(report))


def dumps(value: object) -> str:
    """Write JSON as every command of acrcheck does: in ASCII, which every locale can print."""
    return json.dumps(value, indent=2, default=str) + "\n"


def document(report: Report) -> dict[str, Any]:
    """Give the report as plain values."""
    return {
        "apiVersion": API_VERSION,
        "kind": "CheckReport",
        "metadata": {
            **report.metadata,
            "startedAt": _time(report.started),
            "finishedAt": _time(report.finished),
        },
        "summary": {
            "status": status(report),
            "exitCode": report.exit_code,
            "counts": {str(each): sum(result.status is each for result in report.results) for each in Status},
            **({"waived": sum(bool(result.waivers) for result in report.results)} if report.waived else {}),
            "rootCauses": list(
                dict.fromkeys(finding.cause.id for group in root_causes(report) for finding in group)
            ),
        },
        "categories": [
            {
                "id": category,
                "title": title,
                "checks": [
                    _check(result, report) for result in report.results if result.check.category == category
                ],
            }
            for category, title in report.categories
        ],
        "causes": [_cause(finding) for finding in report.findings],
        **({"waivers": [_waived(item) for item in report.waived]} if report.waived else {}),
    }


def _waived(item: Waived) -> dict[str, Any]:
    return {**_waiver(item.waiver), "expired": item.expired, "covers": item.covers}


def _waiver(waiver: Waiver) -> dict[str, Any]:
    return {
        "check": waiver.check or None,
        "observation": waiver.observation or None,
        "subject": waiver.subject or None,
        "reason": waiver.reason,
        "expires": waiver.expires.isoformat(),
        "place": waiver.place,
    }


def _check(result: Result, report: Report) -> dict[str, Any]:
    return {
        "id": result.check.id,
        "title": result.check.title,
        "category": result.check.category,
        "status": str(result.status),
        "subject": result.subject.name or None,
        "message": message(result),
        "causes": [finding.cause.id for finding in findings_for(result, report)],
        "blockedBy": result.blocked_by or None,
        "reason": result.reason or None,
        "missingPermission": result.permission.text if result.permission else None,
        "remedy": result.remedy or (result.permission.can_i(report.kubectl) if result.permission else None),
        "attempts": result.attempts,
        "durationMs": round(result.duration * 1000),
        "evidence": [_observation(item) for item in result.observations],
        **({"waivedBy": [_waiver(item) for item in result.waivers]} if result.waivers else {}),
    }


def _observation(item: Observation) -> dict[str, Any]:
    return {
        "id": item.id,
        "level": str(item.kind.level),
        "check": item.check,
        "subject": item.subject.name or None,
        "message": item.text,
        "values": dict(sorted(item.values.items())),
        "data": item.evidence,
    }


def _cause(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.cause.id,
        "title": finding.cause.title,
        "layer": finding.cause.layer,
        "means": finding.cause.means,
        **({"identity": finding.behalf, "whose": finding.whose} if finding.behalf else {}),
        "confidence": finding.confidence,
        "explains": list(dict.fromkeys((*finding.explains, *finding.blocks))),
        "checks": list(dict.fromkeys(item.check for item in finding.observations)),
        "evidence": [_observation(item) for item in finding.observations],
        "toDecide": [{"evidence": text, "command": command} for text, command in finding.to_decide],
        "remedies": [
            {
                "id": step.id,
                "text": step.text,
                "command": step.command,
                "changes": step.changes,
                "who": step.who,
            }
            for step in finding.steps
        ],
    }


def error(exit_code: int, problem: UsageError) -> dict[str, Any]:
    """Give an error as plain values."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Error",
        "exitCode": exit_code,
        "message": problem.message,
        "input": problem.input,
        "expected": problem.expected,
        "near": list(problem.near),
        "remedy": problem.remedy,
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
