"""`acrcheck values`."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options
from acrcheck.cli.output import write

if TYPE_CHECKING:
    from acrcheck.helm.edit import Edit
    from acrcheck.helm.yamltext import Document
    from acrcheck.model import Observation, Report
    from acrcheck.target import Target

BACKUP = ".orig"
FILE = "values.yaml"
"""What the values of a release are written to, by the commands that are printed."""
HELP = """Say what Coder's chart makes of values, and what is wrong with them.

FILE is a values file, `-` for standard input; several are joined as helm joins them, --set and --set-string come last.
Nothing is asked of a cluster then. Without FILE, the values of the deployed release are read from the Secret that helm
keeps, of its newest revision, as `helm get values` does; places are lines and columns of what that prints with
`-o yaml`. Secrets among them are not shown.
With --fix a patch is printed for what can be mended at its place, with --write it is made, and FILE.orig keeps what
there was. Comments and the order of keys are kept. A release has no file to write: what is printed leads to one.

\b
Examples:
  acrcheck values values.yaml
  acrcheck values base.yaml prod.yaml --set coderd.replicas=2 --chart-version 1.33.2
  acrcheck values --fix values.yaml | patch
  acrcheck values --context aks-prod -n coder --release coder

\b
Exit codes: 0 sound, 1 not, 2 what was given cannot be values, 3 the release cannot be read.
"""


@click.command("values", help=HELP, short_help="Check values of Coder's chart: files, or a release's.")
@options.config_file
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="As helm takes it; repeatable.")
@click.option(
    "--set-string",
    "text_settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="The same, always text; repeatable.",
)
@click.option(
    "--chart-version", default="", metavar="VERSION", help="The chart that files are for (default: the last)."
)
@click.option(
    "--release", default="", metavar="NAME", help="The Helm release (default: the only one of Coder's chart)."
)
@click.option("--fix", is_flag=True, help="Print a patch in place of the findings.")
@click.option("--write", "write_", is_flag=True, help="Change the files, and keep what was in them.")
@options.option("--registry", default="", metavar="HOST", help="A registry that the pods will ask.")
@options.output("text", "json")
@options.option("-v", "--verbose", count=True, envvar=None, help="Show all that was seen.")
@options.connection
@click.pass_context
def command(ctx: click.Context, /, files: tuple[str, ...], **given: Any) -> int:
    """Check values of Coder's chart: files, or a release's."""
    _refuse_patch_as_json(given)
    of_release = not files and not given["settings"] and not given["text_settings"]
    if of_release:
        _refuse_for_release(given)
        report = _of_release(given)
        documents = _printed(report)
    else:
        _refuse_for_files(ctx, files, given)
        documents = [read_file(file) for file in files]
        report = _of_files(documents, given)
    if given["fix"] or given["write_"]:
        _mend(report, documents, write_back=given["write_"], shown_whole=not of_release)
        _say_what_follows(report)
    elif given["output"] == "json":
        from acrcheck.report import json

        write(json.render(report))
    else:
        from acrcheck.report import lint

        write(lint.render(report, verbose=given["verbose"]))
    return report.exit_code


def _refuse_patch_as_json(given: dict[str, Any]) -> None:
    from acrcheck.errors import UsageError

    if given["fix"] and given["output"] == "json":
        raise UsageError(
            "--fix prints a patch, which is no JSON",
            input="--fix -o json",
            expected="one of the two: the JSON has the changes as `edits`",
        )


def _refuse_for_release(given: dict[str, Any]) -> None:
    from acrcheck.errors import UsageError

    if given["write_"]:
        raise UsageError(
            "no FILE is given, and the values of a release are in no file that could be written",
            input="--write",
            expected="--fix, which prints a patch, or a file",
            remedy="helm get values RELEASE -n NAMESPACE -o yaml > values.yaml; acrcheck values --write values.yaml",
        )
    if given["chart_version"]:
        raise UsageError(
            "a release says itself of which chart it is",
            input=f"--chart-version {given['chart_version']}",
            expected="no --chart-version without FILE",
            remedy=f"acrcheck run --profile pre-upgrade --to-chart {given['chart_version']}",
        )


def _refuse_for_files(ctx: click.Context, files: tuple[str, ...], given: dict[str, Any]) -> None:
    from acrcheck.errors import UsageError

    typed = click.core.ParameterSource.COMMANDLINE
    for name in ("release", "namespace"):
        if given[name] and ctx.get_parameter_source(name) is typed:
            raise UsageError(
                f"--{name} is for the values of a release, and others are given",
                input=f"--{name} {given[name]} {' '.join(files)}".strip(),
                expected="files and settings, or a release",
            )
    if files.count("-") > 1:
        raise UsageError("standard input can be read once", input="- -", expected="`-` once")
    if given["write_"] and "-" in files:
        raise UsageError(
            "standard input cannot be written back", input="--write -", expected="--fix, or a file"
        )
    version = given["chart_version"]
    if version and not version.lstrip("v")[:1].isdigit():
        raise UsageError(
            f"{version} is no version of a chart",
            input=f"--chart-version {version}",
            expected="one like 1.44.3",
            remedy="helm list -n coder",
        )


def read_file(file: str) -> "Document":
    """Read one values file, or standard input for `-`. Raises UsageError where it is none."""
    from pathlib import Path

    from acrcheck.errors import UsageError
    from acrcheck.helm.yamltext import MOST_BYTES, decode, read

    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror}", input=file, expected="a values file that can be read"
        ) from error
    name = "<stdin>" if file == "-" else file
    return read(decode(raw, name), name)


def _of_files(documents: "list[Document]", given: dict[str, Any]) -> "Report":
    from acrcheck.bundle.store import Store
    from acrcheck.bundle.tape import Tape
    from acrcheck.helm.files import together
    from acrcheck.run import Doors
    from acrcheck.target import Target
    from acrcheck.wire.recorded import recorded as no_wire

    values = together(
        documents, given["settings"], given["text_settings"], chart_version=given["chart_version"]
    )
    target = Target(registry=given["registry"].lower(), values=values)
    doors = Doors(Store(), no_wire(Tape()))
    return _checked(target, doors, "VALUES_ORDER", {"files": ", ".join(values.files)})


def _of_release(given: dict[str, Any]) -> "Report":
    from acrcheck.cli.doors import opened
    from acrcheck.cli.run import connection_flags
    from acrcheck.clock import SystemClock
    from acrcheck.target import Target
    from acrcheck.wire.vault import Vault

    target = Target(
        registry=given["registry"].lower(), namespace=given["namespace"], release=given["release"]
    )
    with opened(connection_flags(given), target, SystemClock(), os.environ, Vault()) as world:
        known = {"cluster": world.connection.server}
        return _checked(world.target, world.doors, "RELEASE_VALUES_ORDER", known)


def _checked(target: "Target", doors: Any, order: str, known: dict[str, str]) -> "Report":
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.cli.version import installed
    from acrcheck.clock import SystemClock
    from acrcheck.run import Options, run

    causes = load_causes(builtin_dir(), load_checks(builtin_dir()))
    checks = load_checks(builtin_dir(), order)
    chosen = Options(metadata={"version": installed(), **known})
    report, _ = run(target, doors, SystemClock(), checks, causes, chosen)
    return report


def _release(report: "Report") -> "Observation | None":
    """Give what was seen of the release; None where the values are those of files, or it cannot be read."""
    from acrcheck.report.lint import RELEASE

    seen = (item for result in report.results for item in result.observations)
    return next((item for item in seen if item.id == RELEASE), None)


def _printed(report: "Report") -> "list[Document]":
    from acrcheck.helm.yamltext import read

    seen = _release(report)
    return [read(seen.evidence["text"], seen.evidence["file"])] if seen else []


def _mend(report: "Report", documents: "list[Document]", *, write_back: bool, shown_whole: bool) -> None:
    """Print the patch of what can be mended, or make it; what cannot is said on standard error."""
    from acrcheck.helm.edit import CannotEditError, edited, patch, refuse_hidden

    for document in documents:
        changed = document
        for name, edits in _edits(report, document.file):
            try:
                tried = edited(changed, edits)
                if not shown_whole:
                    refuse_hidden(changed, tried)
                changed = tried
            except CannotEditError as error:
                click.echo(f"acrcheck: {name} is left as it is: {error}", err=True)
        if changed.text == document.text:
            continue
        if write_back:
            _write_back(document, changed)
        else:
            write(patch(document, changed) if shown_whole else patch(document, changed, FILE, around=0))


def _say_what_follows(report: "Report") -> None:
    """Say how the patch of a release's values gets to the release."""
    seen = _release(report)
    if seen and report.exit_code:
        click.echo(
            "acrcheck: the patch is for what the first of these writes; all of them mend the release:",
            err=True,
        )
        for line in seen.evidence["mend"]:
            click.echo(f"  {line}", err=True)


def _edits(report: "Report", file: str) -> "list[tuple[str, list[Edit]]]":
    """Give the changes that were proposed for what stands in a file, each with the place it is for."""
    from acrcheck.helm.edit import Drop, Move, Quote

    made: dict[str, Any] = {
        "move": lambda item: Move(tuple(item["from"]), tuple(item["to"])),
        "drop": lambda item: Drop(tuple(item["at"])),
        "quote": lambda item: Quote(tuple(item["at"])),
    }
    return [
        (item.values["place"], [made[edit["op"]](edit) for edit in item.evidence["edits"]])
        for result in report.results
        for item in result.observations
        if item.evidence.get("edits") and item.evidence.get("place", {}).get("file") == file
    ]


def _write_back(document: "Document", changed: "Document") -> None:
    from pathlib import Path

    from acrcheck.errors import UsageError

    path = Path(document.file)
    backup = path.with_name(path.name + BACKUP)
    if backup.exists():
        raise UsageError(
            f"{backup} is there already: nothing was changed",
            input=document.file,
            expected=f"no file {backup}",
        )
    try:
        backup.write_bytes(path.read_bytes())
        path.write_bytes(changed.text.encode())
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}",
            input=document.file,
            expected="a file that may be written",
        ) from error
    click.echo(f"acrcheck: {path} is changed; what it was is in {backup}", err=True)
