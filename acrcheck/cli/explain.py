"""`acrcheck explain`."""

from typing import Any

import click

from acrcheck.cli import options
from acrcheck.cli.output import look, page, write


def _offer(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks

    checks = load_checks(builtin_dir())
    ids = [check.id for check in checks.checks]
    ids += [cause.id for cause in load_causes(builtin_dir(), checks)]
    return [name for name in ids if name.startswith(incomplete)]


@click.command("explain")
@click.argument("name", metavar="ID", shell_complete=_offer)
@options.output("text", "markdown", "json")
def command(name: str, output: str) -> None:
    """Explain a check or a cause: what it means, how it is known, what mends it."""
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.report import explanation

    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    found = _find(name, checks.checks, causes)
    is_check = found in checks.checks
    if output == "json":
        from acrcheck.report import json

        values = explanation.check_values(found, causes) if is_check else explanation.cause_values(found)
        write(json.dumps({"apiVersion": json.API_VERSION, **values}))
        return
    markdown = (
        explanation.explain_check(found, checks, causes)
        if is_check
        else explanation.explain_cause(found, checks)
    )
    if output == "markdown":
        write(markdown)
    else:
        shown = look("never", ascii=False, verbose=0)
        page(explanation.as_text(markdown, min(shown.width, 100)))


def _find(name: str, checks: Any, causes: Any) -> Any:
    """Find a check or a cause by its id, or by `check/ID` and `cause/ID`. A cause goes before a check."""
    from acrcheck.errors import UsageError

    kind, _, rest = name.rpartition("/")
    pool = {"check": checks, "cause": causes, "": (*causes, *checks)}.get(kind)
    if pool is not None:
        for item in pool:
            if item.id == rest:
                return item
    raise UsageError(
        f"no check and no cause is called {name}",
        input=rest,
        expected="the id of a check or a cause",
        remedy="acrcheck list",
        candidates=[item.id for item in (*causes, *checks)],
    )
