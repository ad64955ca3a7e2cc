"""The tape as a file: written while the run goes on, read whatever became of it."""

import errno
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from acrcheck.bundle.redact import Redactor
from acrcheck.bundle.tape import Entry, Tape
from acrcheck.bundle.tapefile import (
    FORMAT,
    LONGEST_LINE,
    Header,
    Recording,
    TapeFile,
    dumps,
    is_tape,
    read,
)
from acrcheck.cluster.reader import Answer, Outcome
from acrcheck.errors import UsageError
from acrcheck.helm.values import ValuesFiles
from acrcheck.lab.clock import LabClock
from acrcheck.run import Options
from acrcheck.target import Target

STARTED = datetime(2026, 11, 2, 9, tzinfo=UTC)
HEADER = Header(
    "1.2.3",
    STARTED,
    Target(namespace="coder", workload="deployment/coderd", allow=frozenset({"probe-pod"})),
    Options(only=("token",), timeout=7, fail_on_warn=True, metadata={"cluster": "https://k8s"}),
)
PASSWORD = "Zx9-" + "q7Kw2pLm8Rt4" * 3


def taped(*answers: Any) -> bytes:
    """Write a tape with answers to one question after the other."""
    file = io.BytesIO()
    tape = Tape(keep=TapeFile(file, HEADER, Redactor()).keep)
    for number, answer in enumerate(answers):
        tape.record(
            LabClock(), "cluster", {"verb": "path", "path": f"/{number}"}, partial(lambda it: it, answer)
        )
    return file.getvalue()


def lines(content: bytes) -> list[bytes]:
    """Cut a file into its lines."""
    return content.splitlines(keepends=True)


def test_header_and_answers_come_back() -> None:
    """What a replay needs of the run, and all that was answered."""
    recording = read(lines(taped(Answer(Outcome.OK, {"a": 1}), Answer(Outcome.TIMEOUT))), "tape")
    assert recording.header == HEADER
    assert recording.notes == ()
    assert recording.tape.answer("cluster", {"verb": "path", "path": "/0"}) == Answer(Outcome.OK, {"a": 1})
    assert recording.tape.answer("cluster", {"verb": "path", "path": "/1"}) == Answer(Outcome.TIMEOUT)


def test_a_recording_is_written_as_it_was_read() -> None:
    """Wrapped later, a tape is the same tape."""
    content = taped(Answer(Outcome.OK, {"a": 1}))
    assert dumps(read(lines(content), "tape")) == content


def test_an_answer_that_is_too_long_to_be_read_again_is_not_written() -> None:
    """The rest of the tape can be read, and a replay is told why this one is not there."""
    huge = Entry(
        "cluster",
        '{"path":"/0","verb":"path"}',
        0,
        {"type": "Answer", "outcome": "ok", "body": "x" * LONGEST_LINE, "detail": "", "permission": None},
        "",
        0,
    )
    small = replace(huge, question='{"path":"/1","verb":"path"}', answer={**huge.answer, "body": "y"})
    again = read(lines(dumps(Recording(HEADER, Tape((huge, small))))), "tape").tape
    told = again.answer("cluster", {"verb": "path", "path": "/0"})
    assert (told.outcome, told.detail) == (Outcome.NOT_RECORDED, "the answer is larger than 64 MiB")
    assert again.answer("cluster", {"verb": "path", "path": "/1"}).body == "y"


def test_every_line_is_there_as_soon_as_it_is_answered() -> None:
    """A run that is killed leaves all that it had heard until then."""
    flushed: list[bytes] = []

    class Slow(io.BytesIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    tape = Tape(keep=TapeFile(Slow(), HEADER, Redactor()).keep)
    for number in range(3):
        tape.record(LabClock(), "cluster", {"n": number}, lambda: Answer(Outcome.OK))
        assert len(read(lines(flushed[-1]), "tape").tape.entries) == number + 1


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_last_line_that_was_cut_off_is_left_out_and_said(cut: int) -> None:
    """All before it counts."""
    recording = read(lines(taped(Answer(Outcome.OK), Answer(Outcome.OK, {"b": "c"}))[:-cut]), "run.tape")
    assert len(recording.tape.entries) == (2 if cut == 1 else 1)
    assert bool(recording.notes) == (cut > 1)


def test_a_broken_line_in_the_middle_is_damage() -> None:
    """It is refused, and the line is named."""
    content = lines(taped(Answer(Outcome.OK), Answer(Outcome.OK)))
    content[1] = content[1][:20] + b"\n"
    with pytest.raises(UsageError, match="line 2"):
        read(content, "run.tape")


@pytest.mark.parametrize(
    "content",
    [b"", b"{}\n", b"no\n", b"\xff\xfe\n", b"[1]\n", b'{"kind": "acrcheck-tape"}\n', b"[" * 100_000 + b"\n"],
)
def test_what_is_no_tape_is_refused(content: bytes) -> None:
    """In words, whatever it is."""
    with pytest.raises(UsageError, match="is no tape"):
        read(lines(content), "run.tape")


@pytest.mark.parametrize(
    "change",
    [
        {"door": 1},
        {"ordinal": "x"},
        {"question": "{"},
        {"question": "[]"},
        {"answer": {"type": "Nothing"}},
        {"answer": {"type": "Answer", "outcome": "fine", "body": None, "detail": "", "permission": None}},
        {"answer": []},
        {"more": 1},
    ],
)
def test_an_entry_of_another_shape_is_damage(change: dict[str, Any]) -> None:
    """What no acrcheck wrote does not reach a check."""
    content = lines(taped(Answer(Outcome.OK), Answer(Outcome.OK)))
    content[1] = json.dumps({**json.loads(content[1]), **change}).encode() + b"\n"
    with pytest.raises(UsageError, match="damaged"):
        read(content, "run.tape")


def test_a_newer_format_is_refused() -> None:
    """It says which one it is, and which one is read."""
    content = taped().replace(f'"format":{FORMAT}'.encode(), f'"format":{FORMAT + 1}'.encode())
    with pytest.raises(UsageError, match=f"format {FORMAT + 1}"):
        read(lines(content), "run.tape")


def test_what_another_version_knows_of_target_and_options_does_no_harm() -> None:
    """Fields that are not known here are left out, those that are missing have their defaults."""
    header = HEADER.plain()
    header["target"] = {"namespace": "coder", "colour": "red"}
    header["options"] = {"retries": 3}
    assert read([json.dumps(header).encode()], "tape").header.target == Target(namespace="coder")


def test_secrets_are_out_before_the_file_is_reached() -> None:
    """In bodies, details and the header."""
    content = taped(
        Answer(Outcome.OK, {"metadata": {"name": "a"}, "password": PASSWORD}),
        Answer(Outcome.ERROR, detail=f"password={PASSWORD}"),
    )
    assert PASSWORD.encode() not in content


def test_a_full_disk_ends_no_run() -> None:
    """What could not be written is kept as the problem; the answers go on."""

    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            if self.tell():
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(_)

    file = TapeFile(Full(), HEADER, Redactor())
    file.keep(Entry("cluster", "{}", 0, {"type": "Answer"}, "", 0.0))
    assert file.problem
    assert file.problem.errno == errno.ENOSPC


def test_a_tape_is_known_by_its_first_line() -> None:
    """A JSON file of anything else is none."""
    assert is_tape(taped())
    assert not is_tape(b'{"kind": "Pod"}\n{"kind":"acrcheck-tape"}')
    assert not is_tape(b"")


def test_the_values_of_a_gate_are_kept_without_their_texts() -> None:
    """A replay of the gate knows which labels and images there will be, and no password."""
    given = {"coderd": {"extraLabels": {"a": "b"}, "image": "c"}, "postgres": {"password": PASSWORD}}
    target = Target(upgrade=True, to_chart="1.44.3", values=ValuesFiles(("values.yaml",), given, {}))
    file = io.BytesIO()
    TapeFile(file, replace(HEADER, target=target), Redactor())
    again = read(lines(file.getvalue()), "tape").header.target.values

    assert PASSWORD.encode() not in file.getvalue()
    assert again
    assert again.files == ("values.yaml",)
    assert again.values["coderd"] == given["coderd"]
    assert again.values["postgres"]["password"]
