"""Bundles as archives: written the same for the same contents, read without trust.

What is read is never unpacked to the disk, and links are not followed. Whatever an archive may try (names that lead
elsewhere, links out of it, devices, more than it says, the same name twice) is refused with a UsageError that says what
it was.
"""

import gzip
import io
import posixpath
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, BinaryIO

from acrcheck.errors import UsageError

MOST_BYTES = 4 * 1024**3
"""Of all that an archive unpacks to."""
MOST_FILES = 50_000
RATIO = 200
"""How many times its size an archive may unpack to: texts reach some 30, an empty disk 1000."""
RATIO_FROM = 16 * 1024**2
"""Bytes below which the ratio is not looked at."""
LONGEST_NAME = 1024
LARGEST_HEADER = 65_536
"""Bytes of one extended header: tarfile holds it in memory whole."""
CHUNK = 65_536
GZIP = b"\x1f\x8b"
EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


@dataclass(frozen=True, slots=True)
class File:
    """One file of an archive or a folder: its name below the top, and its bytes, to be read before the next one."""

    name: str
    size: int
    content: IO[bytes]


def write(file: BinaryIO, top: str, contents: Mapping[str, bytes], moment: datetime) -> None:
    """Write contents by name below one folder, as .tar.gz that depends on nothing else."""
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        names = {f"{top}/{name}": content for name, content in contents.items()}
        folders = {str(folder) for name in names for folder in Path(name).parents} - {"."}
        for name in sorted(folders | names.keys()):
            info = tarfile.TarInfo(name)
            info.mtime = int(moment.timestamp())
            if name in names:
                info.size = len(names[name])
                archive.addfile(info, io.BytesIO(names[name]))
            else:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)


def joined(start: bytes, file: IO[bytes]) -> BinaryIO:
    """Give a file again from its start, which was read to see what it is."""
    return io.BufferedReader(_Joined(start, file))


def read(file: IO[bytes], name: str) -> Iterator[File]:
    """Give the files of an archive, one after the other.

    Raises:
        UsageError: it is damaged, or holds what no bundle holds.
    """
    start = file.read(len(GZIP))
    unpacked: Any = _Unpacked(joined(start, file), name, packed=start == GZIP)
    seen: set[str] = set()
    try:
        with tarfile.open(
            fileobj=unpacked, mode="r|", tarinfo=_Info, encoding="utf-8", errors="strict"
        ) as archive:
            for info in archive:
                inner = _checked(info, name)
                if inner in seen and not info.isdir():
                    raise _hostile(name, f"holds {inner} twice")
                seen.add(inner)
                if len(seen) > MOST_FILES:
                    raise _hostile(name, f"holds more than {MOST_FILES} files")
                content = archive.extractfile(info) if info.isreg() else None  # a link is not followed
                if content is not None:
                    yield File(inner, info.size, content)
        unpacked.drain()
    except UnicodeError as error:
        raise _hostile(name, "has a file name that is not UTF-8") from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise UsageError(
            f"{name} is no whole archive: {str(error) or type(error).__name__}",
            input=name,
            expected="a .tar.gz that was copied to its end",
            remedy="copy it again, in binary mode",
        ) from error


def walk(folder: Path) -> Iterator[File]:
    """Give the files of a folder, one after the other; links and all that is no plain file are left out."""
    count = total = 0
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):
            continue
        count, total = count + 1, total + about.st_size
        if count > MOST_FILES or total > MOST_BYTES:
            raise _hostile(str(folder), f"holds more than {MOST_FILES} files or {MOST_BYTES >> 30} GiB")
        with path.open("rb") as content:
            yield File(path.relative_to(folder).as_posix(), about.st_size, content)


class _Info(tarfile.TarInfo):
    """A header that is looked at before tarfile makes room for what it announces."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Info":
        info = super().frombuf(buf, encoding, errors)
        if info.type in EXTENDED and not 0 <= info.size <= LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


class _Joined(io.RawIOBase):
    """The bytes read already, and the rest of a file."""

    def __init__(self, start: bytes, file: IO[bytes]) -> None:
        self._start, self._file = start, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # io's own buffers are these
        chunk = self._start or self._file.read(len(buffer))
        part, self._start = chunk[: len(buffer)], chunk[len(buffer) :] if self._start else b""
        buffer[: len(part)] = part
        return len(part)


class _Unpacked:
    """The bytes behind gzip, counted: reading ends with an error where they are more than a bundle's."""

    def __init__(self, file: IO[bytes], name: str, *, packed: bool) -> None:
        self._file, self._name = file, name
        self._unzip = zlib.decompressobj(31) if packed else None
        self._taken = self._given = 0

    def read(self, size: int) -> bytes:
        """Give up to that many bytes; none at the end."""
        chunk = self._file.read(size) if self._unzip is None else self._unpack(size)
        self._given += len(chunk)
        if self._given > MOST_BYTES:
            raise _hostile(self._name, f"unpacks to more than {MOST_BYTES >> 30} GiB")
        if self._unzip and self._given > RATIO_FROM and self._given > RATIO * self._taken:
            raise _hostile(self._name, f"unpacks to more than {RATIO} times its size")
        return chunk

    def drain(self) -> None:
        """Read to the end, so that what was cut off is noticed."""
        while self.read(CHUNK):
            pass

    def _unpack(self, size: int) -> bytes:
        unzip = self._unzip
        while unzip is not None and not unzip.eof:
            packed = unzip.unconsumed_tail or self._file.read(CHUNK)
            if not packed:
                raise EOFError("it ends in the middle of its compressed data")
            self._taken += 0 if unzip.unconsumed_tail else len(packed)
            chunk = unzip.decompress(packed, size)
            if chunk:
                return chunk
        return b""


def _checked(info: tarfile.TarInfo, archive: str) -> str:
    """Give the name of an entry. Raises UsageError for what is no plain file or folder of a harmless name."""
    name = info.name
    odd = not name.isprintable() or "\\" in name or len(name) > LONGEST_NAME
    if odd or name.startswith("/") or ".." in name.split("/"):
        raise _hostile(archive, f"has the file name {name[:80]!r}")
    link = info.issym() or info.islnk()
    if link and _leads_out(name if info.issym() else "", info.linkname):
        raise _hostile(archive, f"holds a link that leads out of it: {name[:80]}")
    if not (info.isreg() or info.isdir() or link) or info.issparse():
        raise _hostile(archive, f"holds what is neither file nor folder: {name[:80]}")
    return posixpath.normpath(name)


def _leads_out(name: str, target: str) -> bool:
    """Tell whether a link's target is elsewhere: troubleshoot links each log from its collector's folder."""
    place = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    return place.startswith(("/", "../")) or place == ".."


def _hostile(name: str, what: str) -> UsageError:
    return UsageError(
        f"{name} {what}: it is not read",
        input=name,
        expected=f"files and folders below it, at most {MOST_FILES} and {MOST_BYTES >> 30} GiB",
        remedy="ask whoever made it for another",
    )
