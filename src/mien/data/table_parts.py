"""The parts of the rows of a table, be it parquet or npz, and the columns of parquet that may say them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import USAGES
from mien.data.label_columns import label_text
from mien.data.part_columns import PartColumns
from mien.errors import MienError


def parts_of_rows(columns: PartColumns, rows: list[list[str]], name: str) -> NDArray[np.uint8]:
    """Index into USAGES of each row, by its values in the columns of parts. Raises MienError, with the row, for
    one that is in none."""
    parts = {row: columns.part(row) for row in set(map(tuple, rows))}
    for number, row in enumerate(rows, start=1):
        if parts[tuple(row)] is None:
            raise MienError(f"{name} row {number} {columns.fault(row)}")
    return np.array([USAGES.index(str(parts[tuple(row)])) for row in rows], np.uint8)


def short_values(file: Any, pixels: str) -> dict[str, set[str]]:
    """The distinct values of the columns of a parquet file that may say the parts: words, whole numbers, flags."""
    import pyarrow.types as types

    found = {}
    for field in file.schema_arrow:
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        is_short = (
            types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind) or types.is_boolean(kind)
        )
        if field.name != pixels and (is_short or types.is_floating(kind)):
            column = file.read(columns=[field.name]).column(0)
            found[field.name] = {label_text(value) for value in column.unique().to_pylist()}
    return found
