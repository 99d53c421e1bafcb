"""Csv text out of a file, be it plain or UTF-16, packed with gzip, bzip2 or xz, in a tar archive, or both."""

import bz2
import codecs
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from mien.data.csv_columns import columns, first_rows, telling_row
from mien.errors import MienError

_ZIP = b"PK\x03\x04"
HEADER = 1 << 18  # bytes in which a first line must end: one without a header has 12 KB, one of 2,304 names 25
_MEMBERS = 20  # files of an archive that are looked at
_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
# What else a file may be, by its first bytes, and what to do.
_OTHERS = {
    b"version https://git-lfs": "is a Git LFS pointer, which stands for a file that was not fetched; run: git lfs pull",
    b"7z\xbc\xaf": "is a 7z archive; unpack it and give the folder",
    b"Rar!": "is a rar archive; unpack it and give the folder",
    b"(\xb5/\xfd": "is packed with zstd; unpack it (zstd -d) and give the csv file",
    b"\x89HDF": "is an HDF5 file, which mien does not read; save its arrays as npz (images (N, 48, 48), labels (N,))",
    b"MATLAB 5.0": "is a MATLAB file, which mien does not read; save its arrays as npz (scipy.io.loadmat, numpy.savez)",
    b"\0\0\x08\x03": "is an IDX file of MNIST's kind, which mien does not read; save images and labels as npz",
    b"\x93NUMPY": "is a single array without labels; save images and labels together as npz (numpy.savez)",
    b"SQLite": "is a database, which mien does not read; export it as csv",
    b"\x80\x02": "is a pickle, which may run any code and is never opened; save its arrays as npz or csv",
    b"\x80\x03": "is a pickle, which may run any code and is never opened; save its arrays as npz or csv",
    b"\x80\x04": "is a pickle, which may run any code and is never opened; save its arrays as npz or csv",
    b"\x80\x05": "is a pickle, which may run any code and is never opened; save its arrays as npz or csv",
}


@contextmanager
def open_csv(path: Path) -> Iterator[BinaryIO]:
    """The csv text of a file, utf-8; packed data is checked to its end.

    Raises MienError for damaged or cut off archives, also while the text is read, and for other kinds of files by name.
    """
    try:
        with path.open("rb") as raw:
            head = raw.peek(512)[:512]
            if head.startswith(_ZIP):
                with _in_zip(raw, path) as stream:
                    yield stream
                return
            for start, what in _OTHERS.items():
                if head.startswith(start):
                    raise MienError(f"{path} {what}")
            unpack = next((unpack for start, unpack in _PACKED.items() if head.startswith(start)), None)
            if unpack is None:
                with _unpacked(raw, head, path) as stream:
                    yield stream
                return
            with cast(BinaryIO, unpack(raw)) as text:
                inner = text.read(512)
                text.seek(0)
                with _unpacked(text, inner, path) as stream:
                    yield stream
                    read_to_the_end = not stream.read(1)
                while read_to_the_end and text.read(1 << 20):
                    pass  # the check sum stands at the very end
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is None:  # bzip2's damage is an OSError without a number
            raise _damaged(path, error) from error
        raise


def first_lines(path: Path) -> tuple[bytes, bytes]:
    """The first line of a csv file, and the row that tells best what its columns hold, each cut off at a quarter of a
    megabyte. Raises MienError as `open_csv`."""
    with open_csv(path) as stream:
        return stream.readline(HEADER), telling_row(first_rows(stream, HEADER))


def _damaged(path: Path, error: Exception) -> MienError:
    return MienError(f"{path} is cut off or damaged ({error}); fetch it again (mien data fetch)")


@contextmanager
def _unpacked(stream: BinaryIO, head: bytes, path: Path) -> Iterator[BinaryIO]:
    """The stream itself as utf-8, or if it is a tar archive the first csv file of faces in it."""
    if head[257:262] != b"ustar":
        yield _utf8(stream, head)
        return
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        members = zip(archive, range(_MEMBERS), strict=False)
        for member, _ in members:
            header, file = _member(archive, member)
            if file is None or not columns(header, f"{path}:{member.name}"):
                continue
            yield file
            if not file.read(1):  # read to the end, so that the others may be looked at
                others = [other.name for other, _ in members if _is_csv_of_faces(archive, other, path)]
                if others:
                    raise MienError(
                        f"{path} holds several csv files of faces ({', '.join([member.name, *others])}); unpack it "
                        f"(tar -xf {path}) and give the folder"
                    )
            return
    raise MienError(
        f"{path} holds no csv file of faces; give fer2013.tar.gz, or unpack it (tar -xf {path}) and give the folder"
    )


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[bytes, BinaryIO | None]:
    """The first line of an archive's member, and its content; None for one that is no file, or begins with nothing."""
    file = archive.extractfile(member) if member.isfile() and member.size else None
    if file is None:
        return b"", None
    buffered = io.BufferedReader(cast(io.RawIOBase, file), HEADER)
    header = buffered.peek(HEADER).split(b"\n")[0]
    return header, cast(BinaryIO, buffered) if header.strip() else None


def _is_csv_of_faces(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bool:
    header, file = _member(archive, member)
    try:
        return file is not None and columns(header, f"{path}:{member.name}") is not None
    except MienError:
        return False


@contextmanager
def _in_zip(raw: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """The only csv file of faces in a zip archive, as utf-8, as Kaggle packs a file that is fetched alone."""
    with zipfile.ZipFile(raw) as archive:
        names = [each.filename for each in archive.infolist() if not each.is_dir() and "__MACOSX" not in each.filename]
        if "xl/workbook.xml" in names:
            raise MienError(f"{path} is a spreadsheet; save it as csv")
        tables = [name for name in names[:_MEMBERS] if name.lower().endswith((".csv", ".tsv"))]
        faces = [name for name in tables if _is_table(archive, name, path)]
        if len(faces) != 1:
            what = f"holds several csv files of faces ({', '.join(faces)})" if faces else "is a zip archive"
            target = path.with_suffix("")
            raise MienError(f"{path} {what}; unpack it and give the folder: unzip {path} -d {target}")
        with archive.open(faces[0]) as file:
            yield _utf8(cast(BinaryIO, file), cast(io.BufferedReader, file).peek(512)[:512])


def _is_table(archive: zipfile.ZipFile, name: str, path: Path) -> bool:
    with archive.open(name) as file:
        header = _utf8(cast(BinaryIO, file), cast(io.BufferedReader, file).peek(512)[:512]).readline(HEADER)
    try:
        return bool(header.strip() and columns(header, f"{path}:{name}"))
    except MienError:
        return False


def _utf8(stream: BinaryIO, head: bytes) -> BinaryIO:
    """The stream with UTF-16, UTF-32 and the line ends of old Macs turned into utf-8 and newlines."""
    encoding = ""
    for mark, name in ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
                       (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):  # fmt: skip
        if head.startswith(mark):
            encoding = name
            break
    if not encoding and len(head) >= 8 and not head[1::2].strip(b"\0") and head[::2].isascii():
        encoding = "utf-16-le"
    elif not encoding and len(head) >= 8 and not head[::2].strip(b"\0"):
        encoding = "utf-16-be"
    if encoding or (b"\r" in head and b"\n" not in head and b"\r\n" not in head):
        return cast(BinaryIO, io.BufferedReader(_Recoded(stream, encoding)))
    return stream


class _Recoded(io.RawIOBase):
    """A stream of bytes in another encoding, read as utf-8 with newlines."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        # Line ends of old Macs are changed without looking at what the bytes mean.
        self._text = io.TextIOWrapper(stream, encoding=encoding or "latin-1", errors="replace", newline=None)
        self._to = "utf-8" if encoding else "latin-1"
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = self._text.read(1 << 16).encode(self._to)
        n = min(len(buffer), len(self._left))
        buffer[:n], self._left = self._left[:n], self._left[n:]
        return n

    def close(self) -> None:
        if not self.closed:
            self._text.detach()  # the stream below is its owner's to close
        super().close()
