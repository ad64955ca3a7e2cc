"""`acrcheck diagnose`."""

import sys
from typing import TYPE_CHECKING, Any, Self

import click

from acrcheck.cli import options
from acrcheck.cli.output import look, write

if TYPE_CHECKING:
    from acrcheck.text.diagnose import Diagnosis

INCONCLUSIVE = 3
HELP = """Name the causes of which a text speaks, most likely first.

Any text will do: events, logs of kubelet, containerd, coderd, NMI or MIC, the output of az, the body of an answer;
from files, from standard input, or both (`-`). Where the text leaves several causes, each has its share of the
confidence, with what would decide. Nothing is asked of a cluster or of the network.

\b
Examples:
  kubectl -n coder describe pod coderd-0 | acrcheck diagnose
  acrcheck diagnose kubelet.log.1 kubelet.log
  az acr login -n myregistry 2>&1 | acrcheck diagnose -o json

\b
Exit codes: 0 a cause is named, 2 usage, 3 none is.
"""


@click.command("diagnose", help=HELP)
@click.argument("files", metavar="[FILE…|-]", nargs=-1, type=click.Path(allow_dash=True))
@options.output("text", "json")
@options.presentation
def command(files: tuple[str, ...], **given: Any) -> int:
    """Read the files one after the other, and say what they mean."""
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.text.diagnose import diagnose

    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    with _Files(files or ("-",)) as stream:
        diagnosis = diagnose(stream, causes, checks.layers)
    return show(diagnosis, given)


def show(diagnosis: "Diagnosis", given: dict[str, Any]) -> int:
    """Write a diagnosis as the flags want it, and give the exit code."""
    if given["output"] == "json":
        from acrcheck.report import diagnosis_json

        write(diagnosis_json.render(diagnosis.findings))
    elif given["output"] == "name":
        write("".join(f"{finding.cause.id}\n" for finding in diagnosis.findings))
    elif diagnosis.findings:
        from acrcheck.report import diagnosis_text
        from acrcheck.report.page import Page

        seen = look(given["color"], ascii=given["ascii"], verbose=given["verbose"])
        page = Page(seen.width, seen.ascii, seen.color)
        text = diagnosis_text.render(diagnosis.findings, page, verbose=given["verbose"])
        write(text, color=seen.color)
    else:
        write(f"{diagnosis.said}\n")
    return 0 if diagnosis.findings else INCONCLUSIVE


class _Files:
    """Several files read as one. Raises UsageError for one that cannot be read."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = list(names)
        self._open: Any = None

    def __enter__(self) -> Self:
        self._next()
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None and self._open is not sys.stdin.buffer:
            self._open.close()

    def read(self, size: int = -1, /) -> bytes:
        """Give at most so many bytes of the file whose turn it is; a file ends with a line."""
        from acrcheck.errors import UsageError

        while self._open is not None:
            try:
                data: bytes = self._open.read(size)
            except OSError as error:
                raise UsageError(f"cannot read: {error.strerror}", input=str(self._open.name)) from error
            if data:
                return data
            self.__exit__()
            self._next()
            if self._open is not None:
                return b"\n"
        return b""

    def _next(self) -> None:
        from acrcheck.errors import UsageError

        name = self._names.pop(0) if self._names else ""
        try:
            self._open = sys.stdin.buffer if name == "-" else open(name, "rb") if name else None  # noqa: PTH123, SIM115 - closed by __exit__
        except OSError as error:
            raise UsageError(
                f"cannot read {name}: {error.strerror}",
                input=name,
                expected="a file that can be read, or - for standard input",
            ) from error
