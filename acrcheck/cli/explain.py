"""`acrcheck explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options
from acrcheck.cli.output import UNSEEN_WIDTH, look, page, write

if TYPE_CHECKING:
    from acrcheck.catalogue import Checks
    from acrcheck.model import Cause


def _offer(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks

    checks = load_checks(builtin_dir())
    ids = [check.id for check in checks.checks]
    ids += [cause.id for cause in load_causes(builtin_dir(), checks)]
    return [name for name in ids if name.startswith(incomplete)]


@click.command("explain")
@click.argument("name", metavar="[ID]", required=False, shell_complete=_offer)
@click.option("--all", "everything", is_flag=True, help="Every cause and every check: the handbook.")
@options.output("text", "markdown", "json")
def command(name: str | None, everything: bool, output: str) -> None:
    """Explain a check or a cause: what it means, how it is known, what mends it."""
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks

    if everything == (name is not None):
        raise _neither_one_nor_all(name)
    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks, texts=everything)
    show = _as_json if output == "json" else _as_text
    show(checks, causes, name, output)


def _as_json(checks: "Checks", causes: "tuple[Cause, ...]", name: str | None, _: str) -> None:
    from acrcheck.report import explanation, json

    def values(item: Any) -> dict[str, Any]:
        is_check = item in checks.checks
        return explanation.check_values(item, causes) if is_check else explanation.cause_values(item)

    if name is None:
        found = {"kind": "Handbook", "items": [values(item) for item in (*causes, *checks.checks)]}
    else:
        found = values(_find(name, checks.checks, causes))
    write(json.dumps({"apiVersion": json.API_VERSION, **found}))


def _as_text(checks: "Checks", causes: "tuple[Cause, ...]", name: str | None, output: str) -> None:
    from acrcheck.report import explanation, handbook

    if name is None:
        markdown = handbook.whole(checks, causes, examples(checks, causes))
    elif (found := _find(name, checks.checks, causes)) in checks.checks:
        markdown = explanation.explain_check(found, checks, causes)
    else:
        markdown = explanation.explain_cause(found, checks)
    if output == "markdown":
        write(markdown)
    else:
        shown = look("never", ascii=False, verbose=0)
        page(explanation.as_text(markdown, min(shown.width, 100)))


def examples(checks: "Checks", causes: "tuple[Cause, ...]") -> dict[str, str]:
    """Give what the demo shows of each cause that it can show, by the cause's id."""
    from acrcheck.catalogue import builtin_dir
    from acrcheck.lab.scenario import load_scenarios
    from acrcheck.lab.scenario import look as look_at
    from acrcheck.report import terminal

    found: dict[str, str] = {}
    for scenario in load_scenarios(builtin_dir()):
        if scenario.cause and scenario.cause not in found and scenario.prints is None:
            report, _ = look_at(scenario.build(), checks, causes)
            text = terminal.render(report, width=UNSEEN_WIDTH, ascii=False, color=False)
            found[scenario.cause] = f"$ acrcheck demo {scenario.id}\n{text}"
    return found


def _neither_one_nor_all(name: str | None) -> Exception:
    from acrcheck.errors import UsageError

    return UsageError(
        "explain takes one ID, or --all" if name is None else "explain takes one ID or --all, not both",
        input=name or "",
        expected="the id of a check or a cause, or --all",
        remedy="acrcheck list",
    )


def _find(name: str, checks: Any, causes: Any) -> Any:
    """Find a check or a cause by its id, or by `check/ID` and `cause/ID`. A cause goes before a check."""
    from acrcheck.catalogue import parse_cause
    from acrcheck.errors import UsageError

    kind, _, rest = name.rpartition("/")
    pool = {"check": checks, "cause": causes, "": (*causes, *checks)}.get(kind)
    if pool is not None:
        for item in pool:
            if item.id == rest:
                return item if item in checks else parse_cause(Path(item.place))
    raise UsageError(
        f"no check and no cause is called {name}",
        input=rest,
        expected="the id of a check or a cause",
        remedy="acrcheck list",
        candidates=[item.id for item in (*causes, *checks)],
    )
