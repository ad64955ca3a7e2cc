"""`acrcheck redact`."""

import sys
from pathlib import Path
from typing import Any

import click

from acrcheck.cli import options
from acrcheck.cli.recording import redaction, redactor, refuse_existing, write_bundle
from acrcheck.errors import UsageError

HELP = """Redact a bundle or a tape once more, more strictly, and write the bundle FILE. BUNDLE stays as it is.

Secrets are not in it as it is; --redact-ips, --redact-names and --redact PATTERN take out more. Names and addresses
give way to others, the same one to the same one: what the checks come to stays, and FILE replays. The report in it is
made anew. FILE is BUNDLE's name with -redacted by default. What was taken out is counted on standard error and in FILE.

\b
Examples:
  acrcheck redact coder.tar.gz --redact-names --redact-ips
  acrcheck redact coder.tar.gz public.tar.gz --redact 'PROJ-[0-9]+' --redact '(?i)contoso'
"""
ENDINGS = (".tar.gz", ".tgz", ".tape", ".jsonl")


@click.command("redact", help=HELP, short_help="Redact a bundle once more, more strictly.")
@click.argument("bundle", type=click.Path(allow_dash=True))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@redaction
@options.presentation
def command(bundle: str, file: Path | None, force: bool, **given: Any) -> int:
    """Redact a bundle once more."""
    from acrcheck.bundle.load import load
    from acrcheck.bundle.tapefile import dumps
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.clock import SystemClock
    from acrcheck.target import Target

    path = file or _beside(bundle)
    refuse_existing(path, force=force)
    by = redactor(given)
    recording = load(bundle, sys.stdin.buffer, Target(), SystemClock().now(), by)
    if recording.store is not None:
        raise UsageError(
            f"{bundle} is no recording of acrcheck",
            input=bundle,
            expected="a bundle or a tape of acrcheck",
            remedy="only what acrcheck recorded can be packed again",
        )
    for note in recording.notes:
        click.echo(f"acrcheck: {note}", err=True)
    renamed = {"ip": "addresses", "name": "names"}
    for kind, what in renamed.items():
        if count := sum(kinds.get(kind, 0) for kinds in by.counts.values()):
            click.echo(f"acrcheck: {count} places have other {what} now", err=True)
    checks = load_checks(builtin_dir())
    write_bundle(dumps(recording), path, checks, load_causes(builtin_dir(), checks))
    return 0


def _beside(bundle: str) -> Path:
    if bundle == "-":
        return Path("redacted.tar.gz")
    path = Path(bundle)
    ending = next((ending for ending in ENDINGS if path.name.endswith(ending)), "")
    return path.with_name(f"{path.name.removesuffix(ending)}-redacted.tar.gz")
