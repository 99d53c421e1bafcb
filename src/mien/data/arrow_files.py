"""Parquet files, and Arrow files such as Hugging Face's save_to_disk writes, opened alike."""

from pathlib import Path
from typing import Any

from mien.data.image import is_picture
from mien.errors import MienError

_PARQUET, _ARROW, _STREAM = b"PAR1", b"ARROW1"[:4], b"\xff\xff\xff\xff"
HEADS = (_PARQUET, _ARROW, _STREAM)  # the first four bytes of such files


def open_table(path: Path) -> Any:
    """A parquet or Arrow file as pyarrow's ParquetFile. Raises MienError without pyarrow, or if it is damaged."""
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MienError(
            f"{path} cannot be read without pyarrow, which reads {_what(path)} files; run: pip install pyarrow"
        ) from error
    import pyarrow

    try:
        return parquet.ParquetFile(_converted(path) if _what(path) == "Arrow" else path)
    except (pyarrow.ArrowException, OSError) as error:
        raise MienError(
            f"{path} is a damaged {_what(path)} file ({' '.join(str(error).split())[:160]}); fetch it again"
        ) from error


def names_pictures(file: Any, column: str) -> bool:
    """Whether a column holds the names of picture files, by its first value."""
    batch = next(file.iter_batches(batch_size=1, columns=[column]), None)
    value = batch.column(0)[0].as_py() if batch is not None and len(batch) else None
    return isinstance(value, str) and is_picture(value)


def records(path: Path) -> list[dict[str, Any]]:
    """The rows of a table of names and numbers, {column: value}. Raises MienError as open_table."""
    rows: list[dict[str, Any]] = open_table(path).read().to_pylist()
    return rows


def _what(path: Path) -> str:
    with path.open("rb") as file:
        return "parquet" if file.read(4) == _PARQUET else "Arrow"


def _converted(path: Path) -> Any:
    """An Arrow file, or the stream that Hugging Face's save_to_disk writes, as parquet in memory."""
    import pyarrow
    import pyarrow.parquet as parquet

    with pyarrow.memory_map(str(path)) as source:
        is_file = source.read(4) == _ARROW
        source.seek(0)
        reader = pyarrow.ipc.open_file(source) if is_file else pyarrow.ipc.open_stream(source)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
        memory = pyarrow.BufferOutputStream()
        with parquet.ParquetWriter(memory, reader.schema, compression="none") as writer:
            for batch in batches:
                writer.write_batch(batch)
    return pyarrow.BufferReader(memory.getvalue())
