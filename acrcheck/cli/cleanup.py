"""`acrcheck cleanup`."""

import os
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options
from acrcheck.cli.errors import Session, tell
from acrcheck.cli.output import write

if TYPE_CHECKING:
    from acrcheck.cluster.leftovers import Leftover
    from acrcheck.cluster.live import LiveCluster

REFUSED = 1
UNKNOWN = 3
HELP = """Find what runs may have left in the cluster, and delete it.

Without --yes nothing is deleted. A pod of acrcheck ends by itself after five minutes and is deleted at the end
of its run; only a run that was killed leaves one. An ephemeral container cannot be deleted by anybody: it ends
by itself and stays in the spec of its pod until that is replaced.
"""


@click.command("cleanup", help=HELP, short_help="Find and delete what runs have left.")
@options.config_file
@click.option("--yes", is_flag=True, help="Delete what is found.")
@options.output("text", "json")
@options.connection
@click.pass_context
def command(ctx: click.Context, /, yes: bool, output: str, **given: Any) -> int:
    """Find and delete what runs have left."""
    session = ctx.find_object(Session) or Session()
    session.json = output == "json"

    from acrcheck.cli.run import connection_flags
    from acrcheck.clock import SystemClock
    from acrcheck.cluster.kubeconfig import connect
    from acrcheck.cluster.leftovers import find_leftovers
    from acrcheck.cluster.live import LiveCluster
    from acrcheck.errors import UsageError
    from acrcheck.model import CannotLookError

    clock = SystemClock()
    cluster = LiveCluster(connect(connection_flags(given), clock, os.environ), clock)
    try:
        found = find_leftovers(cluster, given["namespace"])
    except CannotLookError as error:
        remedy = error.permission.can_i() if error.permission else error.remedy
        return tell(UsageError(f"cannot look: {error.reason}", remedy=remedy), UNKNOWN, session)
    rows = [{**_row(item), "result": _dealt_with(cluster, item, yes=yes)} for item in found]
    if output == "json":
        from acrcheck.report import json

        write(json.dumps({"apiVersion": json.API_VERSION, "kind": "LeftoverList", "leftovers": rows}))
    else:
        _print(rows, yes=yes)
    return REFUSED if any(row["result"].startswith("not deleted") for row in rows) else 0


def _row(item: "Leftover") -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "pod": item.pod,
        "container": item.container or None,
        "running": item.running,
    }


def _dealt_with(cluster: "LiveCluster", item: "Leftover", *, yes: bool) -> str:
    """Delete a leftover where that is wanted and can be; say what became of it."""
    if not item.deletable:
        return "stays until its pod is replaced"
    if not yes:
        return "would be deleted"
    answer = cluster.delete_pod(item.namespace, item.pod)
    return "deleted" if answer.ok or answer.nothing else f"not deleted: {answer.detail or answer.outcome}"


def _print(rows: list[dict[str, Any]], *, yes: bool) -> None:
    if not rows:
        write("nothing is left\n")
        return
    from tabulate import tabulate

    table = [
        (
            row["namespace"],
            row["pod"],
            row["container"] or "",
            "yes" if row["running"] else "no",
            row["result"],
        )
        for row in rows
    ]
    headers = ("namespace", "pod", "ephemeral container", "runs", "")
    write(tabulate(table, headers=headers, disable_numparse=True) + "\n")
    if not yes and any(row["result"] == "would be deleted" for row in rows):
        write("\nto delete: acrcheck cleanup --yes\n")
