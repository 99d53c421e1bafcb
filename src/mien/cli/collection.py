"""Very large collections in blocks: a folder, a list of names, a parquet file, or any of these at an fsspec address."""

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

from mien.cli.inputs import find_images, find_videos
from mien.data.image import is_picture
from mien.errors import MienError, install_hint
from mien.inference.video_source import AMBIGUOUS, is_video
from mien.inference.video_source import SUFFIXES as VIDEO_SUFFIXES

LISTS = (".txt", ".lst")
PATHS = ("path", "file", "filename", "file_name", "source", "uri", "url")
IMAGE_COLUMNS = ("bytes", "image", "img", "picture", "content", "data")
_ROWS = 1024  # of a parquet file, read together


@dataclass(frozen=True)
class Item:
    """One picture or film. name: its path or address, as in the output. error: why it cannot be read. row: of the
    parquet file that holds its bytes, None where the name says where it is."""

    name: str
    error: str = ""
    row: int | None = None


@dataclass(frozen=True)
class Block:
    """Items that are read together. number: from 0, in the order of the collection. table: the parquet file whose
    rows they are, and its column of pictures; "" for none."""

    number: int
    items: tuple[Item, ...]
    table: str = ""
    column: str = ""

    @property
    def digest(self) -> str:
        """Of what it is made of, to know it again."""
        return hashlib.sha256(repr((self.items, self.table, self.column)).encode("utf-8", "replace")).hexdigest()[:32]


def blocks_of(collection: str, size: int) -> Iterator[Block]:
    """The blocks of a collection, in its order: pictures, then films. Memory does not grow with it.

    Raises MienError where there is none.
    """
    remote = is_address(collection)
    suffix = os.path.splitext(collection)[1].lower()
    if suffix == ".parquet":
        yield from _parquet_blocks(collection, size)
        return
    if suffix in LISTS:
        items: Iterable[Item] = _listed(collection)
    elif remote:
        items = _remote_folder(collection)
    elif os.path.isdir(collection):
        found = (found for find in (find_images, find_videos) for found in find([collection]))
        items = (Item(each.name, str(each.error or "")) for each in found)
    else:
        raise MienError(
            f"{collection} is not a collection; give a folder, a list of names ({', '.join(LISTS)}), a .parquet file, "
            "or the address of one (s3://...)"
        )
    yield from (Block(number, part) for number, part in enumerate(_parts(items, size)))


def is_address(name: str) -> bool:
    """Whether fsspec is to open it: s3://bucket/folder, gs://..., file://..."""
    return "://" in name


def is_film(name: str) -> bool:
    """Whether an item is a film, by its name; where that may be something else too, by its contents."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix in VIDEO_SUFFIXES - AMBIGUOUS or (suffix in AMBIGUOUS and not is_address(name) and is_video(name))


class Named(io.BytesIO):
    """Bytes that messages call by a name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def open_item(name: str) -> Path | BinaryIO:
    """What the reader reads of a picture: its path, or its bytes from an address. Raises MienError where it fails."""
    return Named(_fetch(name), name) if is_address(name) else Path(name)


@contextmanager
def local_film(name: str) -> Iterator[str]:
    """The path of a film; one at an address is copied for as long as it is read. Raises MienError where it fails."""
    if not is_address(name):
        yield name
        return
    with NamedTemporaryFile(suffix=os.path.splitext(name)[1]) as file:
        file.write(_fetch(name))
        file.flush()
        yield file.name


def pictures_in(block: Block) -> list[BinaryIO | None]:
    """The pictures of a block that are bytes in a parquet file; None where a cell holds none. Raises MienError."""
    wanted = {item.row: i for i, item in enumerate(block.items)}
    first, last = min(item.row or 0 for item in block.items), max(item.row or 0 for item in block.items)
    pictures: list[BinaryIO | None] = [None] * len(block.items)
    with _open_parquet(block.table) as file:
        start, groups = 0, []
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if start <= last and start + rows > first:
                groups.append((group, start))
            start += rows
        if not groups:
            raise MienError(f"{block.table} has changed since it was listed; start again with --overwrite")
        row = groups[0][1]
        numbers = [group for group, _ in groups]
        for batch in file.iter_batches(batch_size=_ROWS, row_groups=numbers, columns=[block.column]):
            for value in batch.column(0):
                if row in wanted:
                    content = value.as_py()
                    content = content.get("bytes") if isinstance(content, dict) else content
                    if isinstance(content, bytes):
                        pictures[wanted[row]] = Named(content, block.items[wanted[row]].name)
                row += 1
    return pictures


def _parts(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    rest = iter(items)
    while part := tuple(islice(rest, size)):
        yield part


def _listed(collection: str) -> Iterator[Item]:
    """The lines of a list, empty ones left out: pictures first, then films, as a folder's are."""
    for films in (False, True):
        with _open(collection) as file:
            for line in io.TextIOWrapper(file, "utf-8", errors="surrogateescape"):
                name = line.rstrip("\r\n")
                if name.strip() and is_film(name) == films:
                    yield Item(name)


def _remote_folder(collection: str) -> Iterator[Item]:
    system, root = _system(collection)
    try:
        names: Sequence[str] = sorted(system.find(root), key=lambda name: name.split("/"))
    except Exception as error:  # each service has exceptions of its own
        raise MienError(f"cannot list {collection}: {_line(error)}") from error
    shown = [name for name in names if not any(part.startswith(".") for part in name[len(root) :].split("/"))]
    if not shown:
        raise MienError(f"there is nothing at {collection}; check the address and your permission to list it")
    pictures = (name for name in shown if is_picture(name))
    films = (name for name in shown if is_film(name))
    yield from (Item(str(system.unstrip_protocol(name))) for group in (pictures, films) for name in group)


def _parquet_blocks(collection: str, size: int) -> Iterator[Block]:
    import pyarrow

    with _open_parquet(collection) as file:
        schema = file.schema_arrow
        names = {name.lower(): name for name in reversed(schema.names)}
        columns = [names[name] for name in IMAGE_COLUMNS if name in names]
        kinds = {name: schema.field(name).type for name in columns}
        content = next((name for name, kind in kinds.items() if pyarrow.types.is_binary(kind)
                        or pyarrow.types.is_large_binary(kind) or pyarrow.types.is_struct(kind)), "")  # fmt: skip
        path = next((names[name] for name in PATHS if name in names), "")
        if not content and not path:
            raise MienError(
                f"{collection} has no column of paths ({', '.join(PATHS[:3])}) or bytes ({IMAGE_COLUMNS[0]})"
            )
        if path:
            values = (value for batch in file.iter_batches(batch_size=_ROWS, columns=[path])
                      for value in batch.column(0).to_pylist())  # fmt: skip
        else:
            values = (f"{collection} row {row + 1}" for row in range(file.metadata.num_rows))
        items = (
            Item(str(value), "" if value else f"{collection} row {row + 1} has no name", row if content else None)
            for row, value in enumerate(values)
        )
        table = (collection, content) if content else ("", "")
        yield from (Block(number, part, *table) for number, part in enumerate(_parts(items, size)))


@contextmanager
def _open_parquet(name: str) -> Iterator[Any]:
    import pyarrow

    from mien.cli.parquet import package

    with _open(name) as file:
        try:
            yield package().ParquetFile(file)
        except (pyarrow.ArrowException, OSError) as error:
            raise MienError(f"{name} is a damaged parquet file ({_line(error)}); download it again") from error


@contextmanager
def _open(name: str) -> Iterator[BinaryIO]:
    """A file at a path or an address, open for reading bytes. Raises MienError."""
    try:
        file = _system(name)[0].open(name, "rb") if is_address(name) else open(name, "rb")  # noqa: SIM115
    except MienError:
        raise
    except Exception as error:  # each service has exceptions of its own
        raise MienError(f"cannot open {name}: {getattr(error, 'strerror', None) or _line(error)}") from error
    with file:
        yield file


def _fetch(name: str) -> bytes:
    with _open(name) as file:
        try:
            return file.read()
        except Exception as error:
            raise MienError(f"cannot read {name}: {_line(error)}") from error


def _system(name: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise MienError(f"{name} is an address; to open it, run: {install_hint('ray')}") from error
    try:
        return fsspec.core.url_to_fs(name)  # type: ignore[no-any-return]
    except ImportError as error:
        raise MienError(f"{name} cannot be opened: {_line(error)}") from error
    except Exception as error:
        raise MienError(f"fsspec cannot open the address {name}: {_line(error)}") from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
