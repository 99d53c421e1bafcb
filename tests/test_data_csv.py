"""The csv parser: all layouts, exact error messages, and no input that fails in any other way."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mien.data import Dataset, load
from mien.data.fer2013_csv import read_rows
from mien.data.rows import Rows
from mien.errors import MienError

NAMES = ["Training", "PublicTest", "PrivateTest"]
PLAIN = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
CALM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def text(image: np.ndarray) -> str:
    return " ".join(map(str, image.reshape(-1).tolist()))


def train_csv(images: np.ndarray = PLAIN, labels: list[int] | None = None) -> str:
    rows = zip(labels or [i % 7 for i in range(len(images))], images, strict=True)
    return "emotion,pixels\n" + "".join(f"{label},{text(image)}\n" for label, image in rows)


def read(content: str | bytes) -> Rows:
    return read_rows(io.BytesIO(content.encode() if isinstance(content, str) else content), "faces.csv")


def fault(content: str | bytes) -> str:
    with pytest.raises(MienError) as caught:
        read(content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("emotion,pixels,Usage", "3,{p},PublicTest"),
        ("emotion, Usage, pixels", "3,PublicTest,{p}"),
        (" emotion , pixels , usage ", "3 ,{p}, PublicTest"),
        ('"emotion","pixels","Usage"', '"3","{p}","PublicTest"'),
        (",emotion,pixels,Usage", "0,3,{p},PublicTest"),
        ("\ufeffemotion,pixels,Usage", "3,{p},PublicTest"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_header_is_understood(header: str, row: str, end: str) -> None:
    rows = read(header + end + end.join(row.format(p=text(image)) for image in PLAIN) + end)
    assert np.array_equal(rows.images, PLAIN)
    assert rows.labels is not None
    assert rows.labels.tolist() == [3] * 5
    assert rows.labels.dtype == np.int64
    assert rows.usage is not None
    assert [NAMES[code] for code in rows.usage] == ["PublicTest"] * 5


def test_columns_that_are_not_there_are_none() -> None:
    assert read(train_csv()).usage is None
    rows = read("pixels\n" + "\n".join(text(image) for image in PLAIN))
    assert rows.labels is None
    assert np.array_equal(rows.images, PLAIN)


@pytest.mark.parametrize(
    "odd",
    [
        lambda s: s.replace(" ", "  ", 3),
        lambda s: s.replace(" ", "\t", 3),
        lambda s: " " + s + " ",
        lambda s: "000" + s,
        lambda s: f'"{s}"',
    ],
)
def test_harmless_oddities_of_pixels_are_read(odd: Callable[[str], str]) -> None:
    assert np.array_equal(read("pixels\n" + "\n".join(odd(text(image)) for image in PLAIN)).images, PLAIN)


def test_blank_lines_and_a_missing_last_newline_do_not_matter() -> None:
    content = train_csv()
    assert np.array_equal(read(content.replace("\n", "\n\n").rstrip()).images, PLAIN)


@pytest.mark.parametrize("values", [[0] * 2304, [255] * 2304, [9] * 2304, [200, 5] * 1152, [199, 99, 9] * 768])
def test_extreme_rows(values: list[int]) -> None:
    image = np.array(values, np.uint8).reshape(1, 48, 48)
    assert np.array_equal(read("pixels\n" + text(image[0])).images, image)


def with_pixel(word: str, row: int = 3, pixel: int = 100) -> str:
    words = text(PLAIN[row - 1]).split()
    words[pixel - 1] = word
    lines = train_csv().splitlines()
    lines[row] = f"0,{' '.join(words)}"
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (with_pixel("256"), ["row 3 (line 4)", "'256' as pixel 100", "not in 0..255"]),
        (with_pixel("300"), ["row 3", "'300'", "not in 0..255"]),
        (with_pixel("999"), ["row 3", "'999'", "not in 0..255"]),
        (with_pixel("1000"), ["row 3", "'1000'", "not in 0..255"]),
        (with_pixel("9" * 5000), ["row 3", "'99999", "not in 0..255"]),
        (with_pixel("-1"), ["row 3", "'-1' as pixel 100", "not in 0..255"]),
        (with_pixel("1.5"), ["row 3", "'1.5' as pixel 100", "not an integer"]),
        (with_pixel("x"), ["row 3", "'x'", "not an integer", "correct or delete the row"]),
        (with_pixel("²"), ["row 3", "not an integer"]),
        (with_pixel(""), ["row 3", "2,303 pixels instead of 2,304 (48x48)"]),
        (with_pixel("1 2"), ["row 3", "2,305 pixels instead of 2,304"]),
        (with_pixel("7", row=5, pixel=2304).rstrip()[:-3], ["row 5", "pixels instead of 2,304", "cut off"]),
        (train_csv(labels=[0, 1, 8, 3, 4]), ["row 3 (line 4)", "emotion '8'", "0 angry", "6 neutral"]),
        (train_csv(labels=[0, 1, -1, 3, 4]), ["row 3", "emotion '-1'"]),
        ("emotion,pixels\n,1 2 3\n", ["row 1 (line 2)", "emotion ''"]),
        ("emotion,pixels\n1 2 3\n", ["row 1", "1 fields where the header has 2"]),
        ("emotion,pixels,Usage\n1,2,Rest\n", ["row 1", "Usage 'Rest'", "PublicTest"]),
        ("emotion,Usage\n1,Training\n", ["no 'pixels' column", "emotion,Usage"]),
        ("kind,pixels\n1,2\n", ["no 'emotion' column", "kind,pixels", "rename"]),
        ("angry,happy,sad,pixels\n1,0,0,2\n", ["a column for each emotion", "a column 'emotion'"]),
        ("", ["empty", "mien data fetch"]),
        ("\n\n", ["empty"]),
        ("emotion,pixels\n", ["no rows"]),
        ("emotion,pixels\n\n \n", ["no rows"]),
        (b"\xff\xfee\0m\0", ["no 'pixels' column"]),
        ("pixels\n" + "1" * 2_000_000, ["row 1", "longer than a megabyte"]),
    ],
)
def test_faults_are_told_with_file_row_and_remedy(content: str | bytes, parts: list[str]) -> None:
    message = fault(content)
    assert message.startswith("faces.csv ")
    for part in parts:
        assert part in message


def test_rows_are_counted_right_far_into_a_file() -> None:
    row = f"0,{text(PLAIN[0])}\n"
    content = "emotion,pixels\n" + row * 700 + "0,1 2 3\n" + row * 100
    assert "row 701 (line 702) has 3 pixels" in fault(content)


def test_a_pixel_too_many_in_one_row_is_not_made_up_for_by_the_next() -> None:
    shifted = [text(PLAIN[0]) + " 7", text(PLAIN[1]).split(" ", 1)[1]]
    assert "row 1 (line 2) has 2,305 pixels" in fault("pixels\n" + "\n".join(shifted))


@CALM
@given(
    images=hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.just(48), st.just(48))),
    seed=st.integers(0, 99),
    quoted=st.booleans(),
    layout=st.sampled_from(["emotion,pixels", "emotion, Usage, pixels", "emotion,pixels,Usage", "pixels"]),
)
def test_what_is_written_is_read_back(images: np.ndarray, seed: int, quoted: bool, layout: str) -> None:
    rng = np.random.default_rng(seed)
    labels, usage = rng.permutation(np.arange(len(images)) % 7), rng.integers(0, 3, len(images))
    lines = [layout]
    for image, label, code in zip(images, labels, usage, strict=True):
        field = {"emotion": str(label), "pixels": text(image), "Usage": NAMES[code]}
        lines.append(",".join(f'"{field[c.strip()]}"' if quoted else field[c.strip()] for c in layout.split(",")))
    rows = read("\n".join(lines))
    assert np.array_equal(rows.images, images)
    assert rows.labels is None or np.array_equal(rows.labels, labels)
    assert rows.usage is None or np.array_equal(rows.usage, usage)


def data_or_message(file: Path) -> Dataset | str:
    try:
        return load(file, cache=False)
    except MienError as error:
        return str(error)


WHOLE = f"emotion,pixels,Usage\n3,{text(PLAIN[0])},Training\n4,{text(PLAIN[1])},PublicTest\n".encode()


@settings(parent=CALM, max_examples=150)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, len(WHOLE)), st.integers(0, 6), st.binary(max_size=4) | st.sampled_from([b"\n", b",", b" "])
        ),
        min_size=1,
        max_size=4,
    )
)
def test_mutated_bytes_give_a_data_set_or_a_mien_error(changes: list[tuple[int, int, bytes]], tmp_path: Path) -> None:
    content = WHOLE
    for start, removed, inserted in changes:
        content = content[:start] + inserted + content[start + removed :]
    file = tmp_path / "faces.csv"
    file.write_bytes(content)
    outcome = data_or_message(file)
    if isinstance(outcome, str):
        assert "\n" not in outcome
    else:
        assert outcome.images.shape == (len(outcome), 48, 48)
        assert len(outcome.labels) == len(outcome.usage) == len(outcome) > 0
        assert set(outcome.labels.tolist()) <= set(range(-1, 7))


@CALM
@given(values=hnp.arrays(np.uint16, 2304, elements=st.integers(0, 300)))
def test_no_value_over_255_slips_through(values: np.ndarray) -> None:
    content = f"pixels\n{' '.join(map(str, values.tolist()))}\n"
    above = np.flatnonzero(values > 255)
    if len(above):
        assert f"as pixel {above[0] + 1}, not in 0..255" in fault(content)
    else:
        assert np.array_equal(read(content).images.reshape(-1), values)


def test_a_pixel_with_thousands_of_leading_zeros_is_its_number(tmp_path: Path) -> None:
    row = " ".join(["0" * 5000 + "7", *["1"] * 2303])
    (tmp_path / "zeros.csv").write_text(f"emotion,pixels\n0,{row}\n1,{row}\n")
    assert load(tmp_path / "zeros.csv", cache=False).images[0, 0, :2].tolist() == [7, 1]
    (tmp_path / "nines.csv").write_text(f"emotion,pixels\n0,{row.replace('7', '9999')}\n")
    with pytest.raises(MienError, match=r"has '9999' as pixel 1, not in 0\.\.255"):
        load(tmp_path / "nines.csv", cache=False)
