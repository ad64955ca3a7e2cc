"""`acrcheck bundle`."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options
from acrcheck.cli.recording import redaction, redactor, refuse_existing, stricter, taping, write_bundle
from acrcheck.cli.run import (
    connection_flags,
    options_of,
    profile_of,
    running_options,
    save,
    show,
    target_of,
    target_options,
)
from acrcheck.errors import UsageError

if TYPE_CHECKING:
    from acrcheck.bundle.collect import Limits

HELP = """Run the checks, read what a second engineer asks for, and pack both into FILE for somebody else.

What is packed holds no secret: it is redacted before it is written. It replays anywhere (acrcheck replay FILE), and
troubleshoot's tools read it too. What could not be read is named, on standard error and in the bundle. FILE is
acrcheck-bundle-TIME.tar.gz by default. While it runs, FILE.tape holds what was heard so far.

\b
Examples:
  acrcheck bundle
  acrcheck bundle coder.tar.gz -n coder --since 2h
  acrcheck bundle --dry-run -n coder
  acrcheck bundle --from run.tape coder.tar.gz

\b
Exit codes: as acrcheck run, whatever could not be read for the bundle; 130 when that was interrupted.
"""

collecting_options = options.together(
    options.option(
        "--since", type=options.Duration(), default="24h", show_default=True, help="How far logs reach back."
    ),
    options.option(
        "--log-lines",
        type=click.IntRange(1, 100_000),
        default=2000,
        show_default=True,
        help="Of each log, its last lines.",
    ),
    options.option(
        "--item-size",
        type=click.IntRange(1, 256),
        default=8,
        show_default=True,
        metavar="MIB",
        help="Of each list; what is left out is said.",
    ),
    options.option(
        "--read-timeout",
        type=options.Duration(),
        default="1m",
        show_default=True,
        help="For all that is read after the checks.",
    ),
)


@click.command("bundle", help=HELP, short_help="Pack a run and its evidence for somebody else.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--from", "tape", metavar="TAPE", help="Pack what acrcheck run --report tape=TAPE wrote; asks nothing."
)
@click.option("--dry-run", is_flag=True, help="Say what would be read, and read nothing.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@options.config_file
@target_options
@running_options
@collecting_options
@redaction
@options.output("text", "json", "name")
@options.presentation
@options.connection
def command(file: Path | None, tape: str | None, dry_run: bool, force: bool, **given: Any) -> int:
    """Pack a run and its evidence."""
    if dry_run:
        return _would_read(given)
    from acrcheck.clock import SystemClock

    path = file or Path(f"acrcheck-bundle-{SystemClock().now():%Y%m%dT%H%M%SZ}.tar.gz")
    refuse_existing(path, force=force)
    return _wrap(tape, path, given) if tape else _run(path, given, force=force)


def limits_of(given: dict[str, Any]) -> "Limits":
    """Take how much is read out of what was given."""
    from acrcheck.bundle.collect import Limits

    return Limits(int(given["since"]), given["log_lines"], given["item_size"] * 1024 * 1024)


def _refuse_left_behind(kept: Path, path: Path, *, force: bool) -> None:
    """Raise UsageError for the tape that a killed run has left: it may be all that is known of it."""
    if kept.exists() and not force:
        raise UsageError(
            f"{kept} is left of a run that was killed",
            input=str(path),
            expected="a new file",
            remedy=f"acrcheck bundle --from {kept} {path}; or --force to overwrite it",
        )


def _run(path: Path, given: dict[str, Any], *, force: bool) -> int:
    from acrcheck.bundle.collect import Collector
    from acrcheck.bundle.tapefile import Header
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.cli.doors import opened
    from acrcheck.cli.progress import Progress
    from acrcheck.clock import SystemClock
    from acrcheck.run import refuse_unknown_names, run
    from acrcheck.wire.vault import Vault

    checks, clock, vault = load_checks(builtin_dir()), SystemClock(), Vault()
    profile = profile_of(given, checks)
    chosen = options_of(given, profile)
    causes = load_causes(builtin_dir(), checks)
    refuse_unknown_names(checks, chosen)
    kept = path.with_name(f"{path.name}.tape")
    _refuse_left_behind(kept, path, force=force)
    target = target_of(given, profile, vault)
    tapes = [str(kept), *(name for form, name in given["reports"] if form == options.TAPE)]
    try:
        with (
            Progress() as progress,
            opened(connection_flags(given), target, clock, os.environ, vault, progress.received) as world,
        ):
            chosen.metadata["cluster"] = world.connection.server
            header = Header(chosen.metadata["version"], clock.now(), world.target, chosen)
            with taping(tapes, header, lambda: redactor(given)) as tape:
                report, _ = run(world.target, world.doors, clock, checks, causes, chosen, progress, tape)
                where = report.metadata.get("namespace", ""), report.metadata.get("workload", "")
                collector = Collector(
                    world.doors.cluster,
                    tape,
                    clock,
                    limits_of(given),
                    given["read_timeout"],
                    progress.reading,
                )
                whole = not report.interrupted and collector.collect(*where)
    except UsageError:
        kept.unlink(missing_ok=True)  # nothing was checked
        raise
    show(report, given)
    save(report, given)
    write_bundle(kept.read_bytes(), path, checks, causes)
    with suppress(OSError):
        kept.unlink()
    if not whole:
        click.echo("acrcheck: interrupted: the bundle holds what was read until then", err=True)
        return 130
    return report.exit_code


def _wrap(source: str, path: Path, given: dict[str, Any]) -> int:
    """Pack a tape that was written before."""
    from acrcheck.bundle.load import load
    from acrcheck.bundle.pack import replayed
    from acrcheck.bundle.tapefile import dumps
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.clock import SystemClock
    from acrcheck.target import Target

    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    recording = load(source, sys.stdin.buffer, Target(), SystemClock().now(), stricter(given))
    if recording.store is not None:
        raise UsageError(
            f"{source} is no recording of acrcheck",
            input=f"--from {source}",
            expected="a tape or a bundle of acrcheck",
            remedy=f"acrcheck replay {source}",
        )
    for note in recording.notes:
        click.echo(f"acrcheck: {note}", err=True)
    report = replayed(recording, checks, causes)
    show(report, given)
    save(report, given)
    write_bundle(dumps(recording), path, checks, causes)
    return report.exit_code


def _would_read(given: dict[str, Any]) -> int:
    """Say what would be asked of the cluster, of which nothing is asked now."""
    from acrcheck.bundle.collect import described
    from acrcheck.catalogue import builtin_dir, load_checks
    from acrcheck.cli.output import write

    checks = load_checks(builtin_dir())
    lines = described(checks, given["namespace"] or "NAMESPACE", limits_of(given))
    if given["output"] == "json":
        from acrcheck.report import json

        write(json.dumps({"apiVersion": json.API_VERSION, "kind": "BundlePlan", "reads": list(lines)}))
    else:
        write("".join(f"{line}\n" for line in lines))
    return 0
