"""`acrcheck values`."""

import sys
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options
from acrcheck.cli.output import write

if TYPE_CHECKING:
    from acrcheck.helm.edit import Edit
    from acrcheck.helm.yamltext import Document
    from acrcheck.model import Report

BACKUP = ".orig"
HELP = """Say what Coder's chart makes of values files, and what is wrong with them.

FILE is a values file, `-` for standard input; several are joined as helm joins them, --set and --set-string come last.
Nothing is asked of a cluster: acrcheck run --only release,values looks at the release that is deployed.
With --fix a patch is printed for what can be mended at its place, with --write it is made, and FILE.orig keeps what
there was. Comments and the order of keys are kept.

\b
Examples:
  acrcheck values values.yaml
  acrcheck values base.yaml prod.yaml --set coderd.replicas=2 --chart-version 1.33.2
  acrcheck values --fix values.yaml | patch
  helm get values coder -n coder -o yaml | acrcheck values -

\b
Exit codes: 0 sound, 1 not, 2 what was given cannot be values.
"""


@click.command("values", help=HELP, short_help="Check values files of Coder's chart.")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="As helm takes it; repeatable.")
@click.option(
    "--set-string",
    "text_settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="The same, always text; repeatable.",
)
@click.option(
    "--chart-version", default="", metavar="VERSION", help="The chart that they are for (default: the last)."
)
@click.option("--fix", is_flag=True, help="Print a patch in place of the findings.")
@click.option("--write", "write_", is_flag=True, help="Change the files, and keep what was in them.")
@options.option("--registry", default="", metavar="HOST", help="A registry that the pods will ask.")
@options.output("text", "json")
@options.option("-v", "--verbose", count=True, envvar=None, help="Show all that was seen.")
def command(files: tuple[str, ...], **given: Any) -> int:
    """Check values files of Coder's chart."""
    from acrcheck.helm.files import together

    _refuse_misfits(files, given)
    documents = [read_file(file) for file in files]
    values = together(
        documents, given["settings"], given["text_settings"], chart_version=given["chart_version"]
    )
    report = _checked(values, given)
    if given["fix"] or given["write_"]:
        _mend(report, documents, write_back=given["write_"])
        return report.exit_code
    if given["output"] == "json":
        from acrcheck.report import json

        write(json.render(report))
    else:
        from acrcheck.report import lint

        write(lint.render(report, verbose=given["verbose"]))
    return report.exit_code


def _refuse_misfits(files: tuple[str, ...], given: dict[str, Any]) -> None:
    from acrcheck.errors import UsageError

    if not files and not given["settings"] and not given["text_settings"]:
        raise UsageError(
            "no values were given",
            input="no FILE",
            expected="a values file, `-` for standard input, or --set",
            remedy="acrcheck run --only release,values looks at the release that is deployed",
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


def _checked(values: Any, given: dict[str, Any]) -> "Report":
    from acrcheck.bundle.store import Store
    from acrcheck.bundle.tape import Tape
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.cli.version import installed
    from acrcheck.clock import SystemClock
    from acrcheck.run import Doors, Options, run
    from acrcheck.target import Target
    from acrcheck.wire.recorded import recorded as no_wire

    target = Target(registry=given["registry"].lower(), values=values)
    causes = load_causes(builtin_dir(), load_checks(builtin_dir()))
    checks = load_checks(builtin_dir(), "VALUES_ORDER")
    doors = Doors(Store(), no_wire(Tape()))
    metadata = {"version": installed(), "files": ", ".join(values.files)}
    report, _ = run(target, doors, SystemClock(), checks, causes, Options(metadata=metadata))
    return report


def _mend(report: "Report", documents: "list[Document]", *, write_back: bool) -> None:
    """Print the patch of what can be mended, or make it; what cannot is said on standard error."""
    from acrcheck.helm.edit import CannotEditError, edited, patch

    for document in documents:
        changed = document
        for name, edits in _edits(report, document.file):
            try:
                changed = edited(changed, edits)
            except CannotEditError as error:
                click.echo(f"acrcheck: {name} is left as it is: {error}", err=True)
        if changed.text == document.text:
            continue
        if write_back:
            _write_back(document, changed)
        else:
            write(patch(document, changed))


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
