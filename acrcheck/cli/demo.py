"""`acrcheck demo`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options
from acrcheck.cli.output import Look, look, write

if TYPE_CHECKING:
    from acrcheck.lab.scenario import Scenario
    from acrcheck.lab.story import Story
    from acrcheck.model import Report

HELP = """Show acrcheck at work on a simulated AKS and Azure, without a cluster and without a network.

Without SCENARIO, it tells the documentation's own story: "Identity not found", what acrcheck says of it, the
command that it prints, and all well again. With SCENARIO, the real checks are run on that simulated world; where
only a program's words show the cause, they are printed and diagnosed. The id of a cause means its first scenario.

\b
Examples:
  acrcheck demo
  acrcheck demo --list
  acrcheck demo label-missing -o json
  acrcheck demo dockerhub-rate-limit
  acrcheck demo label-missing --bundle label.tar.gz
"""


def _offer(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [item.id for item in _scenarios() if item.id.startswith(incomplete)]


@click.command("demo", help=HELP, short_help="Show it at work on a simulated cluster.")
@click.argument("scenario", required=False, shell_complete=_offer)
@click.option("--profile", default="", metavar="NAME|FILE", help="Judge by this profile, as `run` does.")
@click.option("--list", "listing", is_flag=True, help="List the scenarios.")
@click.option(
    "--bundle", "file", type=click.Path(path_type=Path), help="Pack the run as acrcheck bundle would."
)
@click.option("--force", is_flag=True, help="Overwrite that file.")
@options.output("text", "json", "name")
@options.presentation
def command(scenario: str | None, listing: bool, file: Path | None, force: bool, **given: Any) -> int:
    """Show acrcheck at work on a simulated cluster."""
    if listing:
        _list(given["output"])
        return 0
    if file is not None:
        return _packed(scenario, file, given, force=force)
    if scenario is None:
        _story(given)
        return 0
    found = _find(scenario)
    return _printed(found.prints(found.build()), given) if found.prints else _one(found, given)


def _scenarios() -> "tuple[Scenario, ...]":
    from acrcheck.catalogue import builtin_dir
    from acrcheck.lab.scenario import load_scenarios

    return load_scenarios(builtin_dir())


def _find(name: str) -> "Scenario":
    from acrcheck.errors import UsageError

    scenarios: dict[str, Scenario] = {}
    for item in _scenarios():
        scenarios[item.id] = item
        if item.cause:
            scenarios.setdefault(item.cause, item)
    if name not in scenarios:
        raise UsageError(
            f"there is no scenario {name}",
            input=name,
            expected="the id of a scenario, or of a cause that has one",
            remedy="acrcheck demo --list",
            candidates=scenarios,
        )
    return scenarios[name]


def _list(output: str) -> None:
    scenarios = _scenarios()
    if output == "name":
        write("".join(f"{item.id}\n" for item in scenarios))
    elif output == "json":
        from acrcheck.report import json

        items = [
            {"id": item.id, "title": item.title, "cause": item.cause or None, "seen": _seen(item)}
            for item in scenarios
        ]
        write(json.dumps({"apiVersion": json.API_VERSION, "kind": "ScenarioList", "scenarios": items}))
    else:
        from tabulate import tabulate

        rows = [(item.id, item.title, item.cause, _seen(item)) for item in scenarios]
        headers = ("scenario", "what is wrong", "cause", "seen by")
        write(tabulate(rows, headers=headers, tablefmt="simple") + "\n")


def _seen(scenario: "Scenario") -> str:
    return "text" if scenario.prints else "run"


def _printed(text: str, given: dict[str, Any]) -> int:
    """Show what a program prints, and what it means."""
    from io import BytesIO

    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.cli.diagnose import show
    from acrcheck.text.diagnose import diagnose

    checks = load_checks(builtin_dir())
    diagnosis = diagnose(BytesIO(text.encode()), load_causes(builtin_dir(), checks), checks.layers)
    if given["output"] == "text":
        write(f"{text.rstrip()}\n\n")
    return show(diagnosis, given)


def _one(scenario: "Scenario", given: dict[str, Any]) -> int:
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.cli.run import show
    from acrcheck.cli.version import installed
    from acrcheck.lab.scenario import look as look_at
    from acrcheck.profile import Profile, load

    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    profile = load(given["profile"], builtin_dir(), checks) if given["profile"] else Profile("")
    world = scenario.build()
    if profile.name:
        world.target = replace(world.target, upgrade=profile.upgrade, thresholds=dict(profile.thresholds))
    metadata = {"version": installed(), "scenario": scenario.id}
    report, _ = look_at(world, checks, causes, profile.options(metadata))
    show(report, given)
    return report.exit_code


def _packed(name: str | None, path: Path, given: dict[str, Any], *, force: bool) -> int:
    """Run the checks on a scenario's world, and pack what they heard."""
    from acrcheck.cli.recording import refuse_existing, write_bundle
    from acrcheck.cli.run import show
    from acrcheck.errors import UsageError

    scenario = _find(name) if name else None
    if scenario is None or scenario.prints:
        raise UsageError(
            "there is no run to pack",
            input=name or "no SCENARIO",
            expected="a scenario that a run sees",
            remedy="acrcheck demo --list",
        )
    refuse_existing(path, force=force)
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.cli.version import installed
    from acrcheck.lab.scenario import record
    from acrcheck.run import Options

    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    options = Options(metadata={"version": installed(), "scenario": scenario.id})
    report, tape = record(scenario.build(), checks, causes, options)
    show(report, given)
    write_bundle(tape, path, checks, causes)
    return report.exit_code


def _story(given: dict[str, Any]) -> None:
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.lab import story

    checks = load_checks(builtin_dir())
    told = story.tell(_find(story.SCENARIO), checks, load_causes(builtin_dir(), checks))
    if given["output"] == "json":
        from acrcheck.report import json

        document = {
            "apiVersion": json.API_VERSION,
            "kind": "Story",
            "before": json.document(told.before),
            "commands": [command for command, _ in told.remedies],
            "after": json.document(told.after),
        }
        write(json.dumps(document))
    elif given["output"] == "name":
        from acrcheck.report import names

        write(names.render(told.before))
    else:
        how = look(given["color"], ascii=given["ascii"], verbose=given["verbose"])
        write("\n".join(_lines(told, how)) + "\n", color=how.color)


def _lines(told: "Story", how: Look) -> list[str]:
    lines = [
        "The cluster and its Azure are simulated, the checks are the real ones.",
        "Coder's control plane cannot get a token for its registry. What the log says:",
        "",
        f"  $ {told.kubectl} -n coder logs deployment/coderd --tail=1",
        f"  {told.log}",
        "",
        "The documentation's own test, a fresh request from the same pod, succeeds: it gets a token of client id",
        f"{told.client_id}. So what is wrong?",
        "",
        "  $ acrcheck run",
        *_told(told.before, how),
        "",
    ]
    for command, output in told.remedies:
        lines += ["What it printed, applied to the same cluster:", "", f"  $ {command}"]
        lines += [*(f"  {line}" for line in output.splitlines()), ""]
    return [*lines, "  $ acrcheck run", *_told(told.after, how)]


def _told(report: "Report", how: Look) -> list[str]:
    """What a report says of failures, and its last line: one screen has no room for all that is well."""
    from acrcheck.model import Status
    from acrcheck.report import terminal

    def render(part: "Report") -> list[str]:
        return terminal.render(
            part, width=how.width - 2, ascii=how.ascii, color=how.color, verbose=how.verbose
        ).splitlines()

    failed = tuple(result for result in report.results if result.status is Status.FAIL)
    findings = tuple(
        finding
        for finding in report.findings
        if any(seen in result.observations for result in failed for seen in finding.observations)
    )
    shown = render(replace(report, results=failed, findings=findings, metadata={}))[:-1] if failed else []
    return [f"  {line}".rstrip() for line in (*shown, render(report)[-1])]
