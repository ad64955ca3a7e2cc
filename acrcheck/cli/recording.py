"""What the commands that record or replay share: the redactor, the tape while it is written, the bundle's file."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options
from acrcheck.errors import UsageError

if TYPE_CHECKING:
    from acrcheck.bundle.pack import Packed
    from acrcheck.bundle.redact import Redactor
    from acrcheck.bundle.tape import Entry, Tape
    from acrcheck.bundle.tapefile import Header
    from acrcheck.catalogue import Checks
    from acrcheck.model import Cause

MISSING_SHOWN = 8

redaction = options.together(
    options.option("--redact-ips", is_flag=True, help="Take out IP addresses too, consistently."),
    options.option("--redact-names", is_flag=True, help="Take out names of the cluster and of Azure too."),
    options.option(
        "--redact",
        "redact_patterns",
        multiple=True,
        metavar="PATTERN",
        help="Take out what matches; repeatable.",
    ),
)
"""What is taken out of all that is written, besides secrets, which always are."""


def redactor(given: dict[str, Any]) -> "Redactor":
    """Make the redactor of one recording. Raises UsageError for a pattern that is none."""
    from acrcheck.bundle.redact import Redactor, Rules

    return Redactor(Rules(given["redact_ips"], given["redact_names"], tuple(given["redact_patterns"])))


def stricter(given: dict[str, Any]) -> "Redactor | None":
    """Make the redactor for a recording that was redacted before; None when nothing more is asked for."""
    asked = given["redact_ips"] or given["redact_names"] or given["redact_patterns"]
    return redactor(given) if asked else None


@contextmanager
def taping(paths: Sequence[str], header: "Header", by: "Callable[[], Redactor]") -> Iterator["Tape"]:
    """Give a tape that is written to files as it grows. Raises UsageError when one of them cannot be written.

    The redactor is only made, and what it needs only loaded, where there is a file. Which names there are is known
    at the end only: then the files are written anew, by a redactor that has learned all before the first text.
    """
    from acrcheck.bundle import tapefile
    from acrcheck.bundle.tape import Tape

    if not paths:
        yield Tape()
        return
    with ExitStack() as stack:
        files, with_redactor = [], by()
        for path in paths:
            try:
                file = stack.enter_context(Path(path).open("wb"))
                files.append((path, tapefile.TapeFile(file, header, with_redactor)))
            except OSError as error:
                raise unwritten("tape", path, error) from None

        def keep(entry: "Entry") -> None:
            for _, written in files:
                written.keep(entry)

        tape = Tape(keep=keep)
        yield tape
        for path, written in files:
            if written.problem:
                raise unwritten("tape", path, written.problem)
    if with_redactor.rules.names or with_redactor.rules.ips:
        content = tapefile.dumps(tapefile.again(tapefile.Recording(header, tape), by()))
        for path in paths:
            _replace(Path(path), content)


def _replace(path: Path, content: bytes) -> None:
    """Put other content into a file, so that either the old or the new one is there whole."""
    beside = path.with_name(f".{path.name}.partial")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise unwritten("tape", str(path), error) from None
    finally:
        beside.unlink(missing_ok=True)


def unwritten(what: str, path: object, error: OSError) -> UsageError:
    """Give the error for a file that cannot be written."""
    return UsageError(
        f"the {what} cannot be written: {error.strerror}",
        input=str(path),
        expected="a file that may be written",
    )


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise UsageError for a file that is there, unless it may be overwritten, and for a folder that is not."""
    if not path.parent.is_dir():
        raise UsageError(
            f"there is no folder {path.parent}", input=str(path), expected="a folder that exists"
        )
    if path.is_dir() or (path.exists() and not force):
        raise UsageError(
            f"{path} exists already",
            input=str(path),
            expected="a new file",
            remedy="" if path.is_dir() else "name another one, or --force to overwrite it",
        )


def write_bundle(tape: bytes, path: Path, checks: "Checks", causes: Iterable["Cause"]) -> "Packed":
    """Write a bundle of a tape, and tell on standard error what it is and what it lacks."""
    from acrcheck.bundle import tapefile
    from acrcheck.bundle.pack import pack

    recording = tapefile.read(tape.splitlines(keepends=True), str(path))
    try:
        packed = pack(recording, tape, path, checks, causes)
    except OSError as error:
        raise unwritten("bundle", path, error) from None
    for note in recording.notes:
        click.echo(f"acrcheck: {note}", err=True)
    for item in packed.missing[:MISSING_SHOWN]:
        cut = item["outcome"] == "truncated"
        how = "only in part in the bundle" if cut else "not in the bundle"
        why = item["why"] if cut else f"{item['outcome']}: {item['why']}"
        click.echo(f"acrcheck: {how}: {item['what']}: {why}"[:200], err=True)
    if len(packed.missing) > MISSING_SHOWN:
        click.echo(
            f"acrcheck: and {len(packed.missing) - MISSING_SHOWN} more, see acrcheck/missing.json", err=True
        )
    click.echo(f"acrcheck: {_taken_out(packed.redactions)}", err=True)
    click.echo(f"acrcheck: wrote {path} ({max(1, packed.size >> 10)} KiB): acrcheck replay {path}", err=True)
    return packed


def _taken_out(redactions: dict[str, dict[str, int]]) -> str:
    """Say how much of which kind was taken out of how many files."""
    total = Counter[str]()
    for kinds in redactions.values():
        total.update(kinds)
    if not total:
        return "no secret had to be taken out"
    kinds_said = ", ".join(f"{count} × {kind}" for kind, count in total.most_common())
    files = "1 file" if len(redactions) == 1 else f"{len(redactions)} files"
    return f"taken out of {files}: {kinds_said} (acrcheck/redactions.json)"
