"""How fast FER2013's csv becomes an array of pixels: mien against the usual ways, all in one run.

    python benchmarks/read_csv.py data/fer2013.csv [--rounds 5] [--only mien polars]

Every method reads the same file (any of FER2013's layouts) to the same (N, 2304) uint8 array, which is checked.
Methods take turns, round by round, so that a busy spell of the machine strikes all of them; the best time of each
is what the machine can do. CPU seconds sum over threads (mien, polars and pyarrow use several). mien reads labels
and usages and checks every byte in the same time; the others take the pixels as they come.

mien should need at most 1.2 times the best of the others, and less than 0.2 s from its cache; says so at the end.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

PIXELS = 2304


def pandas_split(path: str) -> np.ndarray:
    """What most notebooks do."""
    import pandas as pd

    return np.stack([np.array(row.split(" "), dtype=np.uint8) for row in _pixels_column(pd.read_csv(path))])


def pandas_fromstring(path: str) -> np.ndarray:
    import pandas as pd

    return np.stack([np.fromstring(row, np.uint8, sep=" ") for row in _pixels_column(pd.read_csv(path))])


def pyarrow_split(path: str) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    table = pyarrow.csv.read_csv(path)
    column = table[next(name for name in table.column_names if name.strip() == "pixels")]
    parts = [pc.cast(pc.split_pattern(chunk, " ").flatten(), pa.uint8()).to_numpy() for chunk in column.chunks]
    return np.concatenate(parts).reshape(-1, PIXELS)


def pyarrow_columns(path: str) -> np.ndarray:
    """2304 columns between spaces; the first and the last one carry the other fields."""
    import pyarrow as pa
    import pyarrow.csv

    names = [str(i) for i in range(PIXELS)]
    types = {name: pa.uint8() for name in names[1:-1]} | {names[0]: pa.string(), names[-1]: pa.string()}
    table = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(skip_rows=1, column_names=names, block_size=4 << 20),
        parse_options=pyarrow.csv.ParseOptions(delimiter=" "),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types),
    )
    out = np.empty((len(table), PIXELS), np.uint8)
    for i in range(1, PIXELS - 1):
        out[:, i] = table[i].to_numpy()
    out[:, 0] = [int(field.split(",")[-1]) for field in table[0].to_pylist()]
    out[:, -1] = [int(field.split(",")[0]) for field in table[PIXELS - 1].to_pylist()]
    return out


def polars_split(path: str) -> np.ndarray:
    import polars as pl

    return _pixels_column(pl.read_csv(path)).str.split(" ").explode().cast(pl.UInt8).to_numpy().reshape(-1, PIXELS)


def polars_columns(path: str) -> np.ndarray:
    """As pyarrow_columns."""
    import polars as pl

    names = [str(i) for i in range(PIXELS)]
    schema = dict.fromkeys(names, pl.UInt8) | {names[0]: pl.String, names[-1]: pl.String}
    frame = pl.read_csv(path, separator=" ", has_header=False, skip_rows=1, schema=schema)
    out = np.empty((len(frame), PIXELS), np.uint8)
    for i in range(1, PIXELS - 1):
        out[:, i] = frame[names[i]].to_numpy()
    out[:, 0] = frame[names[0]].str.split(",").list.last().cast(pl.UInt8).to_numpy()
    out[:, -1] = frame[names[-1]].str.split(",").list.first().cast(pl.UInt8).to_numpy()
    return out


def mien_parse(path: str) -> np.ndarray:
    """mien.data.load without its cache."""
    from mien.data import load

    return load(path, cache=False).images.reshape(-1, PIXELS)


def mien_first(path: str) -> np.ndarray:
    """mien.data.load the first time: the file is hashed, parsed, and written to the cache."""
    from mien.data import load

    with tempfile.TemporaryDirectory() as folder:
        before = os.environ["MIEN_CACHE"]
        os.environ["MIEN_CACHE"] = folder
        try:
            return load(path).images.reshape(-1, PIXELS)
        finally:
            os.environ["MIEN_CACHE"] = before


def mien_again(path: str) -> np.ndarray:
    """mien.data.load from its cache."""
    from mien.data import load

    return load(path).images.reshape(-1, PIXELS)


METHODS: list[tuple[Callable[[str], np.ndarray], str | None]] = [
    (pandas_split, "pandas"), (pandas_fromstring, "pandas"), (pyarrow_split, "pyarrow"), (pyarrow_columns, "pyarrow"),
    (polars_split, "polars"), (polars_columns, "polars"), (mien_parse, None), (mien_first, None), (mien_again, None),
]  # fmt: skip


def _pixels_column(frame):  # type: ignore[no-untyped-def]
    return frame[next(name for name in frame.columns if name.strip() == "pixels")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="methods whose names contain this")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        os.environ["MIEN_CACHE"] = folder
        expected = mien_again(args.path)  # checked against the others below, and warms the cache and the file
        wall: dict[str, list[float]] = {}
        cpu: dict[str, list[float]] = {}
        for turn in range(args.rounds):
            for method, library in METHODS:
                name = method.__name__
                if not any(part in name for part in args.only):
                    continue
                if library and importlib.util.find_spec(library) is None:
                    if turn == 0:
                        print(f"{name}: {library} is not installed, left out", file=sys.stderr)
                    continue
                start, busy = time.perf_counter(), time.process_time()
                pixels = method(args.path)
                wall.setdefault(name, []).append(time.perf_counter() - start)
                cpu.setdefault(name, []).append(time.process_time() - busy)
                if not np.array_equal(pixels, expected):
                    sys.exit(f"{name} read other pixels")
                del pixels

    print(f"{len(expected):,} rows, {os.path.getsize(args.path) / 1e6:.0f} MB, {os.cpu_count()} processors, ", end="")
    print(f"load average {os.getloadavg()[0]:.1f}, best and median of {args.rounds}")
    others = [min(times) for name, times in wall.items() if not name.startswith("mien")]
    best = min(others, default=float("nan"))
    print(f"{'':20} {'best':>7} {'median':>7} {'CPU':>7} {'ratio':>6}")
    for name, times in sorted(wall.items(), key=lambda item: -min(item[1])):
        print(f"{name:20} {min(times):6.2f}s {np.median(times):6.2f}s {min(cpu[name]):6.2f}s {min(times) / best:6.2f}")
    for name, limit, what in (("mien_first", 1.2 * best, "1.2 x the best of the others"), ("mien_again", 0.2, "0.2 s")):
        if name in wall and limit == limit:
            verdict = "yes" if min(wall[name]) <= limit else "NO"
            print(f"{name} within {what} ({limit:.2f} s): {verdict}")


if __name__ == "__main__":
    main()
