"""`acrcheck replay`."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options
from acrcheck.cli.recording import redaction, stricter
from acrcheck.cli.run import save, show, target_options

if TYPE_CHECKING:
    from acrcheck.bundle.tapefile import Recording
    from acrcheck.catalogue import Checks
    from acrcheck.run import Options
    from acrcheck.target import Target

HELP = """Run today's checks on what was recorded: no cluster, no network, the time of the recording.

SOURCE is a bundle (acrcheck bundle), a tape (acrcheck run --report tape=FILE), a support bundle of troubleshoot, an
archive of istioctl bug-report, a folder or archive of objects as kubectl get -o yaml (or kubectl cluster-info dump)
writes them, one such file, or - for standard input. What was never asked is unknown: not recorded.

\b
Examples:
  acrcheck replay coder.tar.gz
  acrcheck replay run.tape --only token -o json
  kubectl get pod coderd-7d9f-x2x -n coder -o yaml | acrcheck replay -
  kubectl cluster-info dump --namespaces coder,kube-system --output-directory dump; acrcheck replay dump

\b
Exit codes: as acrcheck run; 3 where what was recorded does not tell.
"""
GIVEN = ("workload", "registry", "image", "identity_client_id", "identity_resource_id", "cloud", "namespace")


@click.command("replay", help=HELP, short_help="Check a recording: a bundle, a tape, a dump.")
@click.argument("source", metavar="SOURCE", type=click.Path(allow_dash=True))
@target_options
@options.option("-n", "--namespace", default="", help="Look in this namespace (default: the recording's).")
@options.option("--only", type=options.Names(), multiple=True, help="Only these checks or categories.")
@options.option("--skip", type=options.Names(), multiple=True, help="Not these checks or categories.")
@options.option("--fail-on", type=click.Choice(["fail", "warn"]), help="What makes the exit code 1.")
@options.option(
    "--report", "reports", type=options.ReportFile(), multiple=True, help="Write a report; repeatable."
)
@redaction
@options.output("text", "json", "name")
@options.presentation
def command(source: str, **given: Any) -> int:
    """Check a recording."""
    from acrcheck.bundle.load import load
    from acrcheck.bundle.pack import replayed
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.clock import SystemClock
    from acrcheck.run import refuse_unknown_names
    from acrcheck.target import Target

    _refuse_tapes(given)
    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    said: dict[str, Any] = {name: given[name] or "" for name in GIVEN}
    wanted = Target(**said)
    recording = load(source, sys.stdin.buffer, wanted, SystemClock().now(), stricter(given))
    for note in recording.notes:
        click.echo(f"acrcheck: {note}", err=True)
    chosen = _options(recording, checks, given)
    refuse_unknown_names(checks, chosen)
    aimed = replace(recording.header, target=_target(recording.header.target, wanted))
    report = replayed(replace(recording, header=aimed), checks, causes, chosen)
    show(report, given)
    save(report, given)
    return report.exit_code


def _refuse_tapes(given: dict[str, Any]) -> None:
    """Raise UsageError for a tape of a replay: it hears nothing that is not recorded already."""
    from acrcheck.errors import UsageError

    for form, path in given["reports"]:
        if form == options.TAPE:
            raise UsageError(
                "a replay makes no tape",
                input=f"--report {form}={path}",
                expected="another format",
                remedy="acrcheck bundle --from SOURCE FILE, with --redact-names or others",
            )


def _target(recorded: "Target", wanted: "Target") -> "Target":
    """Let what is said now go before what was said then."""
    said = {name: getattr(wanted, name) for name in GIVEN if getattr(wanted, name)}
    return replace(recorded, **said)


def _options(recording: "Recording", checks: "Checks", given: dict[str, Any]) -> "Options":
    from acrcheck.bundle.pack import known
    from acrcheck.cli.version import installed

    recorded = known(recording.header.options, checks)
    only, skip = options.flat(given["only"]), options.flat(given["skip"])
    return replace(
        recorded,
        only=only or recorded.only,
        skip=skip or recorded.skip,
        fail_on_warn=given["fail_on"] == "warn" if given["fail_on"] else recorded.fail_on_warn,
        metadata={**recorded.metadata, "version": installed()},
    )
