"""Records as a parquet table: the rows and columns of CSV with types, for pandas, polars, DuckDB, Spark and Ray."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.cli.records import Record, Writer, face_rows
from mien.errors import MienError, install_hint
from mien.files import atomic_write

GROUP = 4096  # rows in a row group: what is held in memory
_TEXT = ("source", "error", "emotion", "model")
_WHOLE = ("width", "height", "frame", "faces", "face", "id", "x", "y", "w", "h")


class ParquetWriter(Writer):
    """Writes records to a parquet file; made by `open_parquet`."""

    def __init__(self, path: Path, name: str, columns: Sequence[str]) -> None:
        self.kind, self.name, self.columns, self.count = "parquet", name, columns, 0
        self.schema = schema(columns)
        self.rows: list[dict[str, Any]] = []
        self.parquet = package().ParquetWriter(path, self.schema, compression="zstd")

    def write(self, record: Record) -> None:
        """Write one record, whole."""
        self.add(face_rows(record))
        self.count += 1

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Write rows of `columns`; what a row lacks is null."""
        self.rows += rows
        if len(self.rows) >= GROUP:
            self._flush()

    def say(self, text: str) -> None:
        """A table has no room for text that is no record."""

    def finish(self) -> None:
        """Write what is left and close the file."""
        self._flush()
        self.parquet.close()

    def _flush(self) -> None:
        if self.rows:
            self.parquet.write_table(to_table(self.rows, self.columns))
            self.rows = []


@contextmanager
def open_parquet(path: Path, columns: Sequence[str]) -> Iterator[ParquetWriter]:
    """A writer of a parquet file, which appears when it is complete. Raises MienError without pyarrow, or where the
    file cannot be written."""
    package()
    with atomic_write(path) as temporary:
        writer = ParquetWriter(temporary, str(path), columns)
        try:
            yield writer
        except BaseException:
            writer.parquet.close()
            raise
        writer.finish()


def schema(columns: Sequence[str]) -> Any:
    """The pyarrow schema of these columns: text, whole numbers, and float64 for all others."""
    import pyarrow

    kinds = {**dict.fromkeys(_TEXT, pyarrow.string()), **dict.fromkeys(_WHOLE, pyarrow.int64())}
    return pyarrow.schema([(name, kinds.get(name, pyarrow.float64())) for name in columns])


def to_table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Any:
    """Rows as a pyarrow.Table of these columns; what a row lacks is null."""
    import pyarrow

    plain = [{name: _plain(row.get(name)) for name in columns} for row in rows]
    return pyarrow.Table.from_pylist(plain, schema=schema(columns))


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a parquet file, a batch at a time in memory. Raises MienError where it is damaged."""
    import pyarrow

    try:
        for batch in package().ParquetFile(path).iter_batches(batch_size=GROUP):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise MienError(f"{path} is damaged ({' '.join(str(error).split())[:120]})") from error


def column_names(path: Path) -> list[str]:
    """The columns of a parquet file. Raises MienError where it is damaged."""
    import pyarrow

    try:
        return list(package().read_schema(path).names)
    except (pyarrow.ArrowException, OSError) as error:
        raise MienError(f"{path} is damaged ({' '.join(str(error).split())[:120]})") from error


def package() -> Any:
    """pyarrow.parquet. Raises MienError where it is not installed."""
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MienError(f"parquet needs pyarrow, which is not installed; run: {install_hint('parquet')}") from error
    return parquet


def _plain(value: Any) -> Any:
    """Names that are no UTF-8 have their odd bytes as escapes: a parquet file's text is always UTF-8."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
