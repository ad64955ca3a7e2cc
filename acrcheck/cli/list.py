"""`acrcheck list`."""

from typing import Any

import click

from acrcheck.cli import options
from acrcheck.cli.output import write


@click.command("list")
@options.output("text", "json", "name")
def command(output: str) -> None:
    """List the checks.

    With -o json also what each asks of the API server.
    """
    from acrcheck.catalogue import builtin_dir, load_checks

    checks = load_checks(builtin_dir()).checks
    if output == "name":
        write("".join(f"{check.id}\n" for check in checks))
    elif output == "json":
        from acrcheck.report import json

        items = [
            {
                "id": check.id,
                "category": check.category,
                "title": check.title,
                "optional": check.optional,
                "asks": [" ".join(ask) for ask in check.asks],
            }
            for check in checks
        ]
        write(json.dumps({"apiVersion": json.API_VERSION, "kind": "CheckList", "checks": items}))
    else:
        from tabulate import tabulate

        rows: list[Any] = [(check.id, check.category, check.title) for check in checks]
        write(tabulate(rows, headers=("id", "category", "title"), tablefmt="simple") + "\n")
