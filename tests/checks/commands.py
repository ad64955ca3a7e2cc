"""The commands of the cause documents, and what a shell makes of them.

A line is run by a real bash that knows no program: whatever it would start is written down in its place. So
quoting, pipes, substitutions and guards mean here what they mean to whoever pastes the line.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.diagnosis import fill
from acrcheck.model import Cause

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {"kubectl": "kubectl", "helm": "helm", "can_i": "kubectl auth can-i create pods/exec"}
"""The placeholders without which a line is no command."""
LIMIT = 120

RECORDER = r"""
shopt -s failglob
command_not_found_handle() {
  local given=
  if [ -p /dev/stdin ]; then IFS= read -r -d '' given; fi
  printf '%s\0' "$given" "$@" >"$RECORDS/$NUMBER.$EPOCHREALTIME.$BASHPID"
  [ -z "$ANSWERING" ] || answer "$@"
}
answer() {
  case "$*" in
    *'create secret'*' --dry-run=client'*)
      echo '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"typed"},"stringData":{"a":"b"}}' ;;
    *clientId*) echo 7a4f0c1e-52d3-4b68-9c3f-1d7be02a5f34 ;;
    *principalId*) echo c2d96b57-0e1a-4f7c-8b45-93a6e7f1d820 ;;
    *issuerUrl*) echo https://eastus.oic.prod-aks.azure.com/tenant/cluster/ ;;
    *'.name|[0]'*) echo labreg ;;
    sed*) echo 1.44.3 ;;
    az*) echo /subscriptions/5f0b6d3c-2c1e-4f8f-9a51-3d2f5b7c9e10/resourceGroups/coder ;;
  esac
}
readonly PATH=/nowhere
NUMBER=0
for line in "$@"; do
  (eval "$line") <"$RECORDS/typed" >/dev/null 2>"$RECORDS/$NUMBER.error"
  echo $? >"$RECORDS/$NUMBER.status"
  NUMBER=$((NUMBER + 1))
done
"""


@dataclass(frozen=True)
class Line:
    """A line that a reader of a document may paste.

    Attributes:
        cause: the document's id.
        place: where in it: `remedy ID`, `decides` or `by hand`.
        text: its placeholders filled, as far as there are values for them.
        changes: whether it says of itself that it changes something; None where documents do not say it.
    """

    cause: str
    place: str
    text: str
    changes: bool | None = None

    def __str__(self) -> str:
        """For messages and the names of tests."""
        return f"{self.cause}, {self.place}: {self.text}"


@dataclass(frozen=True)
class Started:
    """A program that a line starts.

    Attributes:
        argv: its name and arguments, after the shell has read them.
        stdin: what is piped into it.
    """

    argv: tuple[str, ...]
    stdin: str


@dataclass(frozen=True)
class Ran:
    """What became of a line.

    Attributes:
        started: the programs, in the order in which they were.
        code: the exit status; 127 is that of a program that nobody has.
        error: what the shell itself complained of.
    """

    started: tuple[Started, ...]
    code: int
    error: str


@cache
def documents() -> tuple[Cause, ...]:
    """Load the built-in documents."""
    return load_causes(builtin_dir(), load_checks(builtin_dir()))


def by_hand(cause: Cause) -> list[str]:
    """Give the commands of the prose, one per line of its blocks."""
    return [line for block in BLOCK.findall(cause.prose) for line in block.splitlines()]


def lines(values: Mapping[str, str] = PROGRAMS) -> Iterator[Line]:
    """Give every line of every document; a placeholder without a value is left as a word in capitals."""
    for cause in documents():
        for remedy in cause.remedies:
            if remedy.command:
                place = f"remedy {remedy.id}"
                yield Line(cause.id, place, fill(remedy.command, values), changes=remedy.changes)
        for decider in cause.decides:
            if decider.command:
                yield Line(cause.id, "decides", fill(decider.command, values))
        for text in by_hand(cause):
            yield Line(cause.id, "by hand", text)


def run(texts: Sequence[str], folder: Path, *, answering: bool) -> list[Ran]:
    """Run lines in one bash that starts nothing.

    Args:
        texts: the lines.
        folder: an empty one, for its records.
        answering: whether what would have been started prints something plausible, and a question to the
            person is answered; else every substitution and every typed word is empty.
    """
    environment = {"RECORDS": str(folder), "ANSWERING": "yes" if answering else "", "HOME": str(folder)}
    (folder / "typed").write_text("typed\ntyped\n" if answering else "")
    argv = ["/bin/bash", "--norc", "-c", RECORDER, "recorder", *texts]
    subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, timeout=LIMIT, check=True)
    return [_ran(folder, number) for number in range(len(texts))]


def _ran(folder: Path, number: int) -> Ran:
    """Read what became of a line; the records' names sort by time."""
    records = sorted(folder.glob(f"{number}.[0-9]*.[0-9]*"))
    started = []
    for record in records:
        stdin, *argv = record.read_text().removesuffix("\0").split("\0")
        started.append(Started(tuple(argv), stdin))
    error = (folder / f"{number}.error").read_text()
    return Ran(tuple(started), int((folder / f"{number}.status").read_text()), error)


def without_globals(argv: Iterable[str]) -> tuple[str, ...]:
    """Leave out the options of kubectl that may stand ahead of its verb, and its own name."""
    words = list(argv)[1:]
    while words and words[0].startswith("-"):
        del words[: 1 if "=" in words[0] or words[0] in {"-A", "--all-namespaces"} else 2]
    return tuple(words)
