"""Archives: the same bytes for the same contents, and nothing hostile read."""

import gzip
import io
import resource
import tarfile
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from acrcheck.bundle import archive
from acrcheck.errors import UsageError

MOMENT = datetime(2026, 11, 2, 9, tzinfo=UTC)
CONTENTS = {"version.yaml": b"a: b\n", "deep/er/file": b"x" * 3000, "empty": b""}


def packed(contents: dict[str, bytes]) -> bytes:
    """Pack contents."""
    file = io.BytesIO()
    archive.write(file, "top", contents, MOMENT)
    return file.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    """Read an archive whole."""
    return {file.name: file.content.read() for file in archive.read(io.BytesIO(content), "a.tar.gz")}


def test_what_is_packed_comes_back() -> None:
    """By name, below the one top folder."""
    assert unpacked(packed(CONTENTS)) == {f"top/{name}": content for name, content in CONTENTS.items()}


def test_equal_contents_give_equal_bytes() -> None:
    """No time, no user, no order of the machine is in it."""
    assert packed(CONTENTS) == packed(dict(reversed(CONTENTS.items())))
    assert packed(CONTENTS)[4:8] == b"\0\0\0\0"


def test_other_tools_read_it() -> None:
    """Tarfile's own reader finds files with usual rights, and no owner."""
    with tarfile.open(fileobj=io.BytesIO(packed(CONTENTS)), mode="r:gz") as file:
        members = file.getmembers()
    assert {member.name for member in members} >= {"top", "top/deep/er", "top/deep/er/file"}
    assert {(member.uid, member.uname, member.mtime) for member in members} == {(0, "", MOMENT.timestamp())}


def skimmed(content: bytes) -> None:
    """Read an archive in pieces, and keep none."""
    for file in archive.read(io.BytesIO(content), "a.tar.gz"):
        while file.content.read(1 << 16):
            pass


def entry(name: str = "top/a", content: bytes = b"", **fields: object) -> Callable[[tarfile.TarFile], None]:
    """Make an entry with any fields."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return lambda file: file.addfile(info, io.BytesIO(content))


def tarred(*entries: Callable[[tarfile.TarFile], None], form: int = tarfile.GNU_FORMAT) -> bytes:
    """Make an archive of entries, as hostile as one likes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form, encoding="latin-1") as tar:
        for add in entries:
            add(tar)
    return file.getvalue()


def zipped(content: bytes) -> bytes:
    """Compress."""
    return gzip.compress(content, mtime=0)


def huge_header() -> bytes:
    """An extended header that says to be a gigabyte long."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    return info.tobuf(tarfile.GNU_FORMAT) + b"a" * 100_000


def sparse() -> bytes:
    """A sparse file, whose size is what it says."""
    pax = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": str(1 << 50),
    }
    return tarred(entry("top/hole", b"x", pax_headers=pax), form=tarfile.PAX_FORMAT)


HOSTILE = {
    "leads above": (tarred(entry("top/../../etc/cron.d/x", b"x")), "file name"),
    "leads above at once": (tarred(entry("../x")), "file name"),
    "absolute": (tarred(entry("/etc/passwd", b"x")), "file name"),
    "backslashes": (tarred(entry("top\\..\\x")), "file name"),
    "line break in a name": (tarred(entry("top/a\nb")), "file name"),
    "escape in a name": (tarred(entry("top/\x1b[2J")), "file name"),
    "endless name": (tarred(entry("top/" + "a" * 2000)), "file name"),
    "name in another encoding": (tarred(entry("top/\xe9")), "UTF-8"),
    "symbolic link": (tarred(entry(type=tarfile.SYMTYPE, linkname="/etc/passwd")), "link"),
    "symbolic link above": (tarred(entry(type=tarfile.SYMTYPE, linkname="../../passwd")), "link"),
    "hard link": (tarred(entry(type=tarfile.LNKTYPE, linkname="/etc/passwd")), "link"),
    "device": (tarred(entry(type=tarfile.CHRTYPE)), "neither file nor folder"),
    "block device": (tarred(entry(type=tarfile.BLKTYPE)), "neither file nor folder"),
    "pipe": (tarred(entry(type=tarfile.FIFOTYPE)), "neither file nor folder"),
    "sparse file": (sparse(), "neither file nor folder"),
    "the same name twice": (tarred(entry(content=b"1"), entry(content=b"2")), "twice"),
    "the same name in two forms": (tarred(entry("top/a"), entry("top/./a")), "twice"),
    "a header of a gigabyte": (huge_header(), "no whole archive"),
    "nonsense behind gzip": (b"nonsense" * 1000, "no whole archive"),
    "nothing behind gzip": (b"", "no whole archive"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_bundle_holds_is_refused(name: str, tmp_path: Path) -> None:
    """It says what it was; nothing is written anywhere."""
    content, said = HOSTILE[name]
    with pytest.raises(UsageError, match=said) as caught:
        unpacked(zipped(content))
    assert caught.value.input == "a.tar.gz"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [1, 5, 20, 200])
def test_a_truncated_archive_is_refused(left: int) -> None:
    """Also where all of its files came before the end."""
    with pytest.raises(UsageError, match="no whole archive"):
        unpacked(packed(CONTENTS)[:-left])


def test_changed_bytes_are_refused() -> None:
    """Gzip's own checksum tells."""
    content = bytearray(packed(CONTENTS))
    content[-6] ^= 1
    with pytest.raises(UsageError, match="no whole archive"):
        unpacked(bytes(content))


def test_a_bomb_is_refused_in_flat_memory() -> None:
    """A gigabyte of nothing, in a megabyte, is read until the ratio shows; nobody has it in memory."""
    file = io.BytesIO()
    info = tarfile.TarInfo("top/a")
    info.size = 1 << 30
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as out:
        out.write(info.tobuf())
        for _ in range(64):
            out.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(UsageError, match="times its size"):
        skimmed(file.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_million_entries_are_refused() -> None:
    """At the limit, without reading the rest."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, compresslevel=1) as out:
        for number in range(archive.MOST_FILES + 2):
            out.write(tarfile.TarInfo(f"top/{number * 7919 % 99991}-{number}").tobuf(tarfile.USTAR_FORMAT))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError, match=f"more than {archive.MOST_FILES} files|times its size"):
        unpacked(file.getvalue())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_an_archive_that_is_not_compressed_is_read() -> None:
    """A bare .tar is one too."""
    assert unpacked(tarred(entry("top/a", b"x"))) == {"top/a": b"x"}


def test_a_link_within_the_archive_is_left_out() -> None:
    """As troubleshoot makes them: what it points at is there anyway."""
    content = tarred(
        entry("top/a", b"x"),
        entry("top/deep/b", type=tarfile.SYMTYPE, linkname="../a"),
        entry("top/deep/c", type=tarfile.LNKTYPE, linkname="top/a"),
    )
    assert unpacked(zipped(content)) == {"top/a": b"x"}


def test_a_folder_gives_its_plain_files(tmp_path: Path) -> None:
    """Links are left out, wherever they lead."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert {file.name: file.content.read() for file in archive.walk(tmp_path)} == {"a/b": b"x"}
