"""FER2013 in its common forms: csv dialects, compressed and re-encoded files, parquet and npz."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_layouts import SEVEN, USAGES, picture, rows
from mien.data import Dataset, load
from mien.data.splits import parts_of
from mien.errors import MienError
from mien.labels import EMOTIONS

HEADER = "emotion,pixels,Usage\n"
ROWS = rows()
IMAGES = np.array([picture(SEVEN[i % 7], i) for i in range(84)])


def body(line: Callable[[int, int, str, str], str]) -> str:
    return "".join(line(i, *row) + "\n" for i, row in enumerate(ROWS))


PLAIN = HEADER + body(lambda i, a, p, u: f"{a},{p},{u}")


def fault(path: Path, **options: Any) -> str:
    with pytest.raises(MienError) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check(dataset: Dataset, usages: list[str] | None = None) -> None:
    assert dataset.classes == EMOTIONS
    assert dataset.labels.tolist() == [i % 7 for i in range(84)]
    assert np.array_equal(dataset.images, IMAGES)
    assert dataset.usage.tolist() == (usages or USAGES)


OTHERS = ["anger", "Disgusted", "fearful", "joy", "sadness", "suprise ", "neutrality"]
SHORT = {"Training": "train", "PublicTest": "val", "PrivateTest": "Test"}
WIDE = "emotion," + ",".join(f"pixel{k}" for k in range(2304)) + "\n"
DIALECTS = {
    "names": (HEADER + body(lambda i, a, p, u: f"{SEVEN[a].title()},{p},{u}"), None),
    "synonyms": (HEADER + body(lambda i, a, p, u: f"{OTHERS[a]},{p},{u}"), "'joy' as happy"),
    "floats": (HEADER + body(lambda i, a, p, u: f"{a}.0,{p},{u}"), "floating-point"),
    "float pixels": (HEADER + body(lambda i, a, p, u: f"{a},{p.replace(' ', '.0 ')}.0,{u}"), None),
    "semicolon": (PLAIN.replace(",", ";"), "';'"),
    "tab": (PLAIN.replace(",", "\t"), "tabs"),
    "no header": (PLAIN.removeprefix(HEADER), "no header"),
    "no header, pixels first": (body(lambda i, a, p, u: f"{p},{u},{a}"), "no header"),
    "quoted list": (HEADER + body(lambda i, a, p, u: f'{a},"[{p.replace(" ", ", ")}]",{u}'), None),
    "quoted tuple": (HEADER + body(lambda i, a, p, u: f'{a},"({p.replace(" ", ",")})",{u}'), None),
    "bare list": (HEADER + body(lambda i, a, p, u: f"{a},[{p}],{u}"), None),
    "wide": (WIDE[:-1] + ",Usage\n" + body(lambda i, a, p, u: f"{a},{p.replace(' ', ',')},{u}"), "column of its own"),
    "wide, numbered": (
        WIDE.replace("pixel", "").replace("emotion", "label")[:-1] + ",usage\n"
        + body(lambda i, a, p, u: f"{a},{p.replace(' ', ',')},{u}"),
        "'label' holds the labels",
    ),
    "wide, no header": (body(lambda i, a, p, u: f"{a},{p.replace(' ', ',')},{u}"), "no header"),
    "wide semicolon": (
        WIDE.replace(",", ";")[:-1] + ";Usage\n" + body(lambda i, a, p, u: f"{a};{p.replace(' ', ';')};{u}"), None,
    ),
    "lower case": (HEADER.lower() + body(lambda i, a, p, u: f"{a},{p},{u.lower()}"), "'publictest' is validation"),
    "other names": ("id,Label,image,set\n" + body(lambda i, a, p, u: f"{i},{a},{p},{u}"), "'set' holds the parts"),
    "split words": ("emotion,pixels,split\n" + body(lambda i, a, p, u: f"{a},{p},{SHORT[u]}"), "'val' is validation"),
    "carriage returns": (PLAIN.replace("\n", "\r\n"), None),
    "old Mac": (PLAIN.replace("\n", "\r"), None),
    "index column": (",emotion,pixels,Usage\n" + body(lambda i, a, p, u: f"{i},{a},{p},{u}"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects(name: str, tmp_path: Path) -> None:
    content, said = DIALECTS[name]
    (tmp_path / "fer2013.csv").write_bytes(content.encode())
    dataset = load(tmp_path)
    check(dataset)
    assert said is None or any(said in line for line in dataset.decisions)


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("x.csv.gz", gzip.compress), ("x.csv.bz2", bz2.compress), ("x.csv.xz", lzma.compress),
        ("utf16.csv", lambda raw: raw.decode().encode("utf-16")),
        ("le.csv", lambda raw: raw.decode().encode("utf-16-le")),
        ("utf32.csv", lambda raw: raw.decode().encode("utf-32")), ("bom.csv", lambda raw: b"\xef\xbb\xbf" + raw),
        ("utf16.csv.gz", lambda raw: gzip.compress(raw.decode().encode("utf-16"))),
    ],
)  # fmt: skip
def test_packed_and_recoded(name: str, packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(packed(PLAIN.encode()))
    check(load(tmp_path / name))
    check(load(tmp_path))


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_that_are_cut_off(packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(packed(PLAIN.encode())[:-20])
    assert "cut off or damaged" in fault(tmp_path / "x")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"7z\xbc\xaf\x27\x1c", "7z archive"), (b"Rar!\x1a\x07", "rar archive"), (b"(\xb5/\xfd", "zstd"),
        (b"\x89HDF\r\n", "HDF5"), (b"ARROW1\0\0", "damaged Arrow"), (b"MATLAB 5.0 MAT-file", "MATLAB"),
        (b"\0\0\x08\x03", "IDX"), (b"\x93NUMPY", "npz"), (b"\x80\x04\x95", "pickle"),
    ],
)  # fmt: skip
def test_other_files_are_named(head: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(head + bytes(100))
    assert words in fault(tmp_path / "data.bin")
    assert words in fault(tmp_path)


def test_contempt_as_an_eighth_class(tmp_path: Path) -> None:
    (tmp_path / "ckextended.csv").write_text(HEADER + body(lambda i, a, p, u: f"{7 if i % 9 == 0 else a},{p},{u}"))
    dataset = load(tmp_path)
    assert dataset.classes == (*EMOTIONS, "contempt")
    assert (dataset.labels == 7).sum() == 10
    assert any("7 contempt" in line for line in dataset.decisions)


def test_labels_from_one_are_not_shifted(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(HEADER + body(lambda i, a, p, u: f"{a + 1},{p},{u}"))
    message = fault(tmp_path)
    assert "labels 1, 2, 3, 4, 5, 6, 7 and no 0" in message
    assert "classes rafdb" in message
    dataset = load(tmp_path, classes="rafdb")
    assert dataset.classes == EMOTIONS
    assert [EMOTIONS[label] for label in dataset.labels[:3]] == ["surprise", "fear", "disgust"]
    check(load(tmp_path, classes=dict(enumerate(EMOTIONS, start=1))))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEADER + f"3,{ROWS[0][1]},Training\nhappy,{ROWS[1][1]},Training\n", "emotion '3' where others are names"),
        (HEADER + f"9,{ROWS[0][1]},Training\n", "emotion '9'"),
        (HEADER + f"1.5,{ROWS[0][1]},Training\n", "emotion '1.5'"),
        (HEADER + f"3,{ROWS[0][1]},somewhere\n", "Usage 'somewhere'"),
        (WIDE.replace("pixel5,", "") + "1\n", "2,303 pixel columns instead of 2,304"),
        ("emotion,pixels\n3,\"[1 2 3 ... 4 5]\"\n", "'...' as pixel 4, not an integer"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(content)
    assert words in fault(tmp_path / "x.csv")
    assert words in fault(tmp_path)  # from a folder, the reason is the same


@pytest.mark.parametrize("names", [("train", "test"), ("train", "val", "test"), ("Train_data", "validation")])
def test_labeled_files_are_the_parts_that_their_names_tell(names: tuple[str, ...], tmp_path: Path) -> None:
    usages = {
        "train": "Training",
        "Train_data": "Training",
        "val": "PublicTest",
        "validation": "PublicTest",
        "test": "PrivateTest",
    }
    for k, name in enumerate(names):
        part = [row for i, row in enumerate(ROWS) if i % len(names) == k]
        (tmp_path / f"{name}.csv").write_text("emotion,pixels\n" + "".join(f"{a},{p}\n" for a, p, _ in part))
    dataset = load(tmp_path)
    assert len(dataset) == 84
    assert {usage: int((dataset.usage == usage).sum()) for usage in {usages[name] for name in names}} == {
        usages[name]: 84 // len(names) for name in names
    }
    assert all(any(f"{name}.csv" in line for line in dataset.decisions) for name in names)
    parts, how = parts_of(dataset)
    if names == ("train", "test"):
        assert [len(parts.train), len(parts.validation), len(parts.test)] == [35, 7, 42]
        assert (dataset.usage[parts.test] == "PrivateTest").all()
        assert "validation is cut from train" in how
    if names[-1] == "test":
        assert load(tmp_path / "test.csv").usage.tolist() == ["PrivateTest"] * (84 // len(names))


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_parquet_as_hugging_face_writes_it(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"][::-1]
    features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    for part, start, stop in (("train", 0, 70), ("test", 70, 84)):
        table = arrow.table({
            "image": [{"bytes": png(image), "path": f"{i}.png"} for i, image in enumerate(IMAGES[start:stop])],
            "label": [6 - i % 7 for i in range(start, stop)],
        })  # fmt: skip
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        (tmp_path / "data").mkdir(exist_ok=True)
        parquet.write_table(table, tmp_path / "data" / f"{part}-00000-of-00001.parquet")
    dataset = load(tmp_path)
    check(dataset, ["Training"] * 70 + ["PrivateTest"] * 14)
    assert any("named by the file itself" in line for line in dataset.decisions)
    (tmp_path / "data" / "test-00000-of-00001.parquet").write_bytes(b"PAR1 cut off")
    assert "damaged parquet" in fault(tmp_path)


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_arrow_as_save_to_disk_writes_it(kind: str, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    names = {"info": {"features": {"label": {"names": list(EMOTIONS)}}}}
    for part, some in (("train", range(70)), ("test", range(70, 84))):
        pictures = [{"bytes": png(IMAGES[row]), "path": None} for row in some]
        table = arrow.table({"image": pictures, "label": [row % 7 for row in some]})
        table = table.replace_schema_metadata({"huggingface": json.dumps(names)})
        (tmp_path / part).mkdir()
        new = arrow.ipc.new_stream if kind == "stream" else arrow.ipc.new_file
        with new(str(tmp_path / part / "data-00000-of-00001.arrow"), table.schema) as writer:
            writer.write_table(table, max_chunksize=10)
        (tmp_path / part / "state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    check(load(tmp_path), ["Training"] * 70 + ["PrivateTest"] * 14)


def test_parquet_of_pixels(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"emotion": [a for a, _, _ in ROWS], "pixels": [p for _, p, _ in ROWS], "Usage": USAGES}
    parquet.write_table(arrow.table(columns), tmp_path / "fer2013.parquet")
    check(load(tmp_path / "fer2013.parquet"))
    check(load(tmp_path))
    parquet.write_table(arrow.table({"a": [1]}), tmp_path / "other.parquet")
    assert "holds no pictures" in fault(tmp_path / "other.parquet")


def test_parquet_without_pyarrow_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1" + bytes(20))
    assert "cannot be read without pyarrow" in fault(tmp_path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": IMAGES, "labels": np.arange(84) % 7},
        {"pixels": IMAGES.reshape(84, 2304), "emotion": (np.arange(84) % 7).astype(np.uint8)},
        {"X": IMAGES[..., None].astype(np.float32) / 255, "y": (np.arange(84) % 7).reshape(-1, 1)},
    ],
)
def test_npz(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "faces.npz", **arrays)
    check(load(tmp_path / "faces.npz"), ["Training"] * 84)
    check(load(tmp_path), ["Training"] * 84)


def test_npz_with_parts_and_unknown_labels(tmp_path: Path) -> None:
    labels = np.arange(84) % 7
    np.savez(tmp_path / "a.npz", x_train=IMAGES[:70], y_train=labels[:70], x_test=IMAGES[70:], y_test=labels[70:])
    check(load(tmp_path), ["Training"] * 70 + ["PrivateTest"] * 14)
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.where(np.arange(84) < 80, labels, 255))
    assert load(tmp_path).labels.tolist() == [*labels[:80].tolist(), -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": IMAGES, "labels": np.arange(3)}, "84 pictures and 3 labels"),
        ({"images": IMAGES, "labels": np.arange(84) % 7 + 1}, "name them with classes"),
        ({"images": IMAGES.astype(np.int64) * 9, "labels": np.arange(84) % 7}, "give uint8"),
        ({"images": np.array([object()] * 3), "labels": np.arange(3)}, "Python objects"),
        ({"a": np.arange(3)}, "holds no pictures"),
    ],
)
def test_npz_that_does_not_fit(arrays: dict[str, Any], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert words in fault(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["fer2013.csv.zip", "archive.zip"])
def test_a_csv_file_in_a_zip_archive_as_kaggle_packs_it(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fer2013/fer2013.csv", PLAIN)
        archive.writestr("fer2013/README", "no faces")
    check(load(tmp_path / name))
    check(load(tmp_path))
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-200])
    assert "damaged" in fault(tmp_path)


def test_spreadsheets_and_json_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "fer2013.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    assert "spreadsheet; save it as csv" in fault(tmp_path)
    (tmp_path / "fer2013.xlsx").unlink()
    (tmp_path / "fer2013.jsonl").write_text(json.dumps({"emotion": 3, "pixels": "1 2 3"}))
    assert "is JSON" in fault(tmp_path)


@pytest.mark.parametrize("folders", [("default/train", "default/test"), ("data/partial-train", "data/test")])
def test_parquet_with_the_part_as_a_folder(folders: tuple[str, str], tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for folder, start, stop in zip(folders, (0, 70), (70, 84), strict=True):
        images = [{"bytes": png(image), "path": "x.png"} for image in IMAGES[start:stop]]
        table = arrow.table({"image": images, "label": [i % 7 for i in range(start, stop)]})
        (tmp_path / folder).mkdir(parents=True)
        for shard in range(2):
            half = len(images) // 2
            parquet.write_table(table.slice(shard * half, half), tmp_path / folder / f"{shard:04d}.parquet")
    dataset = load(tmp_path)
    check(dataset, ["Training"] * 70 + ["PrivateTest"] * 14)
    assert any("test/0000.parquet" in line for line in dataset.decisions)


def test_parquet_with_a_column_for_each_emotion_is_named(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = arrow.table({"image": [png(IMAGES[0])], "neutral": [1], "happiness": [0]})
    parquet.write_table(table, tmp_path / "train.parquet")
    assert "none that names the emotion" in fault(tmp_path)


def test_npz_with_one_hot_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "fer.npz", X=IMAGES, y=np.eye(7)[np.arange(84) % 7])
    assert load(tmp_path).labels.tolist() == [i % 7 for i in range(84)]


def test_columns_that_are_not_read_are_told(tmp_path: Path) -> None:
    text = "emotion,pixels,Usage,is_train\n" + body(lambda i, a, p, u: f"{a},{p},{u},{u == 'Training'}")
    (tmp_path / "fer2013.csv").write_text(text)
    dataset = load(tmp_path)
    check(dataset)
    assert "left out: the column is_train" in dataset.decisions


AFFECTNET = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"]


def csv(path: Path, header: str, line: Callable[[int, int, str, str], str], encoding: str = "utf-8") -> Path:
    (path / "faces.csv").write_bytes(((header + "\n" if header else "") + body(line)).encode(encoding))
    return path / "faces.csv"


def told(dataset: Dataset, words: str) -> bool:
    return any(words in line for line in dataset.decisions)


@pytest.mark.parametrize(
    ("header", "numbers", "words"),
    [
        ("emotion,pixels", [1, 2, 3, 4, 5, 6], "1, 2, 3, 4, 5, 6 and no 0"),
        ("emotion,pixels", [1, 2, 3, 4, 5], "no 0"),
        ("label,pixels", [0, 1, 2], "0, 1, 2, so they"), ("label,pixels", [0, 1], "classes ck+"),
        ("emotion,pixels", [0, 1, 2, 3, 4, 5], "0, 1, 2, 3, 4, 5, so they"),
        ("label,pixels", [0, 3, 6], "classes fer2013"),
    ],
)  # fmt: skip
def test_numbers_that_are_not_plainly_fer2013s_are_asked_about(
    header: str, numbers: list[int], words: str, tmp_path: Path
) -> None:
    message = fault(csv(tmp_path, header, lambda i, a, p, u: f"{numbers[i % len(numbers)]},{p}"))
    assert words in message
    assert "not plainly FER2013's" in message
    np.savez(tmp_path / "faces.npz", images=IMAGES, labels=np.array(numbers)[np.arange(84) % len(numbers)])
    assert "not plainly FER2013's" in fault(tmp_path / "faces.npz")
    dataset = load(tmp_path / "faces.npz", classes="fer2013")
    assert [dataset.classes[label] for label in dataset.labels[:3]] == [
        SEVEN[numbers[i % len(numbers)]] for i in range(3)
    ]


def test_an_excerpt_of_fer2013_may_lack_classes(tmp_path: Path) -> None:
    dataset = load(csv(tmp_path, "emotion,pixels", lambda i, a, p, u: f"{a if a != 1 else 0},{p}"))
    assert dataset.classes == EMOTIONS
    assert dataset.counts()["disgust"] == 0
    assert told(dataset, "FER2013's order")
    assert told(dataset, "no rows of disgust")
    (tmp_path / "faces.csv").write_text("emotion,pixels\n" + "".join(f"3,{p}\n" for _, p, _ in ROWS[:5]))
    assert load(tmp_path).labels.tolist() == [3] * 5


def test_only_fer2013s_own_columns_go_without_a_word_about_the_order(tmp_path: Path) -> None:
    assert load(csv(tmp_path, "emotion,pixels", lambda i, a, p, u: f"{a},{p}")).decisions == ()
    assert told(load(csv(tmp_path, "label,pixels", lambda i, a, p, u: f"{a},{p}")), "FER2013's order")
    assert told(load(csv(tmp_path, "", lambda i, a, p, u: f"{a},{p}")), "FER2013's order")


@pytest.mark.parametrize(
    ("header", "line", "chosen"),
    [
        ("emotion,emotion_name,pixels", "{a},{n},{p}", "emotion_name"),
        (",label,label_name,pixels", "{i},{a},{n},{p}", "label_name"),
        ("pixels,label,expression", "{p},{b},{n}", "expression"),
    ],
)
def test_names_beside_the_numbers_are_taken(header: str, line: str, chosen: str, tmp_path: Path) -> None:
    dataset = load(
        csv(tmp_path, header, lambda i, a, p, u: line.format(i=i, a=a, b=i % 2, n=AFFECTNET[a], p=p))
    )  # fmt: skip
    assert [dataset.classes[label] for label in dataset.labels[:7]] == AFFECTNET
    assert told(dataset, f"the column '{chosen}' holds the labels; left out: ")
    names = ["positive", "negative", "calm", "a", "b", "c", "d"]
    dataset = load(csv(tmp_path, "emotion,emotion_name,pixels", lambda i, a, p, u: f"{a},{names[a]},{p}"))
    assert [dataset.classes[label] for label in dataset.labels[:7]] == names


def test_the_column_of_emotions_is_the_label(tmp_path: Path) -> None:
    dataset = load(csv(tmp_path, "age,class,emo_label,pixels", lambda i, a, p, u: f"30,{i % 2},{a},{p}"))
    assert dataset.labels.tolist() == [i % 7 for i in range(84)]
    assert told(dataset, "the column 'emo_label' holds the labels; left out: 'class'")
    message = fault(csv(tmp_path, "label,pixels,happy,sad", lambda i, a, p, u: f"fer{i},{p},1,0"))
    assert "another label in most of its rows (fer0, fer1, fer2, ...)" in message
    asked = load(
        csv(tmp_path, "emotion,emotion_name,pixels", lambda i, a, p, u: f"{a},{SEVEN[a]},{p}"), classes="ferplus"
    )
    assert asked.classes[asked.labels[0]] == "neutral"  # by the numbers, as the user wants it


@pytest.mark.parametrize("label", ["-1", "nan", "None"])
def test_a_row_of_pixels_without_a_label(label: str, tmp_path: Path) -> None:
    file = csv(tmp_path, "emotion,pixels", lambda i, a, p, u: f"{label if i == 5 else f'{a}.0'},{p}")
    assert f"row 6 (line 7) has the emotion '{label}'; a label is needed" in fault(file)
    dataset = load(file, classes="fer2013")
    assert dataset.classes == EMOTIONS
    assert dataset.labels.tolist() == [-1 if i == 5 else i % 7 for i in range(84)]
    assert told(dataset, f"faces without a label ('{label}'), which stay unlabeled: 1")


def test_a_csv_file_that_is_not_utf8(tmp_path: Path) -> None:
    french = ["colère", "dégoût", "peur", "joie", "tristesse", "surprise", "neutre"]
    dataset = load(csv(tmp_path, "emotion;pixels", lambda i, a, p, u: f"{french[a]};{p}", "cp1252"))
    check(dataset, ["Training"] * 84)
    assert told(dataset, "read as Windows-1252")


def test_no_header_and_more_fields(tmp_path: Path) -> None:
    dataset = load(csv(tmp_path, "", lambda i, a, p, u: f"{i},{i * 3 % 7},{p}"))
    assert dataset.labels.tolist() == [i * 3 % 7 for i in range(84)]
    assert told(dataset, "field 2 is the emotion, field 3 is the pixels; left out: field 1")
    wide = [p.replace(" ", ",") for _, p, _ in ROWS]
    dataset = load(csv(tmp_path, "", lambda i, a, p, u: f"{wide[i]},{a}"))
    check(dataset, ["Training"] * 84)
    dark = ["0,0" + text[text.index(",", text.index(",") + 1) :] for text in wide]
    message = fault(csv(tmp_path, "", lambda i, a, p, u: f"{dark[i]},{a}"))
    assert "no header, and field 1 or field 2,305 may be the emotion; put a line with the names" in message
    both = csv(tmp_path, "", lambda i, a, p, u: f"{(a + 2) % 7},{6 - a},{p}")
    assert "field 1 or field 2 may be the emotion" in fault(both)


def test_a_second_column_of_the_same_name_is_told(tmp_path: Path) -> None:
    dataset = load(csv(tmp_path, "emotion,pixels,emotion", lambda i, a, p, u: f"{a},{p},{6 - a}"))
    assert told(dataset, "left out: the column emotion in field 3")


SEVENS = np.arange(84) % 7


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"labels": np.array(AFFECTNET)[SEVENS]}, None),
        ({"labels": np.array(AFFECTNET)[SEVENS].astype("S")}, None),
        ({"labels": SEVENS, "class_names": np.array(AFFECTNET)}, "named by the file itself: 0 neutral"),
        ({"y": SEVENS, "labels": np.array(AFFECTNET)}, "named by the file itself: 0 neutral"),
        ({"labels": SEVENS, "emotion": np.array(AFFECTNET)[SEVENS]}, "'emotion' holds the labels; left out: 'labels'"),
        ({"labels": np.array(AFFECTNET)[SEVENS], "ages": np.arange(84)}, "left out: the array ages"),
    ],
)
def test_npz_with_names(arrays: dict[str, np.ndarray], words: str | None, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, **arrays)
    dataset = load(tmp_path / "a.npz")
    assert [dataset.classes[label] for label in dataset.labels[:7]] == AFFECTNET
    assert words is None or told(dataset, words)


@pytest.mark.parametrize(
    ("arrays", "parts"),
    [
        ({"images": IMAGES, "labels": SEVENS, "split": np.repeat(["train", "test"], [60, 24])}, (60, 0, 24)),
        ({"x_train": IMAGES[:60], "y_train": SEVENS[:60], "x_dev": IMAGES[60:], "y_dev": SEVENS[60:]}, (60, 24, 0)),
        ({"x_training": IMAGES[:60], "y_training": SEVENS[:60], "testing_x": IMAGES[60:], "testing_y": SEVENS[60:]},
         (60, 0, 24)),
        ({"X_train": IMAGES[:60], "Y_train": SEVENS[:60], "X_public_test": IMAGES[60:], "Y_public_test": SEVENS[60:]},
         (60, 24, 0)),
        ({"images": IMAGES[:60], "labels": SEVENS[:60], "test_images": IMAGES[60:], "test_labels": SEVENS[60:]},
         (60, 0, 24)),
    ],
)  # fmt: skip
def test_npz_parts(arrays: dict[str, np.ndarray], parts: tuple[int, int, int], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    dataset = load(tmp_path / "a.npz")
    assert tuple((dataset.usage == usage).sum() for usage in ("Training", "PublicTest", "PrivateTest")) == parts
    assert dataset.labels.tolist() == SEVENS.tolist()
    assert np.array_equal(dataset.images, IMAGES)


def test_npz_arrays_that_are_not_read_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=SEVENS, fold=np.repeat(["a", "b"], 42), ids=np.arange(84))
    assert told(load(tmp_path), "left out: the arrays fold, ids")


@pytest.mark.parametrize("suffix", ["csv", "npz", "parquet"])
@pytest.mark.parametrize(
    ("column", "one", "other"), [("split", 0, 2), ("usage", "a", "b"), ("data_split", "x", "test")]
)
def test_parts_that_are_none_are_refused_in_every_file(
    suffix: str, column: str, one: object, other: object, tmp_path: Path
) -> None:
    faces(tmp_path / f"a.{suffix}", column, [one] * 60 + [other] * 24)
    assert "train, validation" in fault(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("suffix", ["csv", "npz", "parquet"])
@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("is_test", lambda i: int(i >= 60), (60, 0, 24)),
        ("is_train", lambda i: i < 60, (60, 0, 24)),
        ("in_validation", lambda i: "yes" if i >= 60 else "no", (60, 24, 0)),
    ],
)
def test_columns_of_true_and_false_are_parts(
    suffix: str, column: str, value: Callable[[int], object], expected: tuple[int, int, int], tmp_path: Path
) -> None:
    faces(tmp_path / f"a.{suffix}", column, [value(i) for i in range(84)])
    dataset = load(tmp_path / f"a.{suffix}")
    assert tuple((dataset.usage == usage).sum() for usage in ("Training", "PublicTest", "PrivateTest")) == expected
    assert (dataset.usage[60:] != "Training").all()


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder, part in (("training", ROWS[:60]), ("testing", ROWS[60:])):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "faces.csv").write_text("emotion,pixels\n" + "".join(f"{a},{p}\n" for a, p, _ in part))
    dataset = load(tmp_path)
    assert dataset.decisions[0] == "read: training/faces.csv, testing/faces.csv"
    assert [(dataset.usage == usage).sum() for usage in ("Training", "PrivateTest")] == [60, 24]


def test_a_file_of_pixels_for_each_class_is_named(tmp_path: Path) -> None:
    for name in SEVEN:
        (tmp_path / f"{name}.csv").write_text(f"pixels\n{ROWS[0][1]}\n")
    assert "a file of pixels for each class (angry.csv," in fault(tmp_path)


def test_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    for name in ("fer2013.csv", "faces.parquet", "faces.npz"):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12345\n")
        assert "Git LFS pointer" in fault(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "1.png happy\n2.png sad\n"), ("labels.json", '{"1.png": "happy", "2.png": "sad"}'),
        ("meta.jsonl", '{"file_name": "1.png", "label": "happy"}\n'), ("labels.csv", "image,label\n1.png,happy\n"),
        ("data.yaml", "names: [happy, sad]\n"), ("list.csv", "1.png,happy\n2.png,sad\n"),
    ],
)  # fmt: skip
def test_a_list_in_place_of_its_folder_is_named(name: str, text: str, tmp_path: Path) -> None:
    for i in (1, 2):
        Image.fromarray(picture("happy", i)).save(tmp_path / f"{i}.png")
    (tmp_path / name).write_text(text)
    said = fault(tmp_path / name)
    assert "give the folder that holds" in said
    assert "pixels" not in said


def test_pictures_without_a_suffix_are_named(tmp_path: Path) -> None:
    for folder in ("happy", "sad"):
        (tmp_path / folder).mkdir()
        for i in range(3):
            (tmp_path / folder / str(i)).write_bytes(b"x")
    assert "6 files without a suffix" in fault(tmp_path)


def faces(path: Path, column: str, values: list[Any]) -> None:
    """The 84 faces with another column, as csv, npz or parquet."""
    if path.suffix == ".npz":
        np.savez(path, images=IMAGES, labels=SEVENS, **{column: np.array(values)})
    elif path.suffix == ".csv":
        path.write_text(f"emotion,pixels,{column}\n" + body(lambda i, a, p, u: f"{a},{p},{values[i]}"))
    else:
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        columns = {"emotion": SEVENS.tolist(), "pixels": [p for _, p, _ in ROWS], column: values}
        parquet.write_table(pyarrow.table(columns), path)


def test_the_first_row_alone_does_not_tell_what_a_column_holds(tmp_path: Path) -> None:
    for n in (1, 5):
        content = body(lambda i, a, p, u, n=n: f"{a},{p},{'' if i < n else SHORT[u]}")  # type: ignore[misc]
        (tmp_path / "faces.csv").write_text(f"emotion,pixels,type\n{content}")
        assert "row 1 (line 2) has '' in its column 'type'" in fault(tmp_path)
        (tmp_path / "faces.csv").write_text("emotion,pixels,type\n" + content.replace(",\n", ",train\n"))
        assert load(tmp_path).usage.tolist() == USAGES


@pytest.mark.parametrize("value", [-2, 2.5, np.inf])
def test_npz_labels_that_are_no_classes(value: float, tmp_path: Path) -> None:
    labels = SEVENS.astype(float)
    labels[3] = value
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=labels)
    assert "row 4 has the label '" in fault(tmp_path / "a.npz")


@pytest.mark.parametrize("value", [-1, np.nan, 255])
def test_npz_labels_that_are_none(value: float, tmp_path: Path) -> None:
    labels = SEVENS.astype(float)
    labels[3] = value
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=labels)
    dataset = load(tmp_path / "a.npz")
    assert dataset.labels.tolist() == [-1 if i == 3 else i % 7 for i in range(84)]
    assert told(dataset, "stay unlabeled: 1")


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ((IMAGES / 255).astype(np.float32), "scaled to 0..255"),
        (np.clip(IMAGES / 255 * 1.0001, 0, 1.0001), "the values up to 1.0001 are cut off at 1"),
        (np.moveaxis(IMAGES, 0, -1), "the last axis"),
    ],
)
def test_npz_pixels_of_other_kinds(images: np.ndarray, words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=images, labels=SEVENS)
    dataset = load(tmp_path / "a.npz")
    assert np.array_equal(dataset.images, IMAGES)
    assert told(dataset, words)


def test_pixels_of_zero_and_one_are_black_and_white(tmp_path: Path) -> None:
    bits = IMAGES // 128
    for images in (bits, bits.astype(bool), bits.astype(np.float64), bits.astype(np.int64)):
        np.savez(tmp_path / "a.npz", images=images, labels=SEVENS)
        assert np.array_equal(load(tmp_path / "a.npz").images, bits * 255)
    lines = [" ".join(map(str, image.ravel().tolist())) for image in bits]
    dataset = load(csv(tmp_path, "emotion,pixels", lambda i, a, p, u: f"{a},{lines[i]}"))
    assert np.array_equal(dataset.images, bits * 255)
    assert told(dataset, "black and white")
    dark = IMAGES // 100  # of 0 to 255 and dark: not scaled
    np.savez(tmp_path / "a.npz", images=dark, labels=SEVENS)
    assert np.array_equal(load(tmp_path / "a.npz").images, dark)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([[i % 7] for i in range(84)], "row 1 has the label '[0]', which is a list"),
        ([{"emotion": "happy"} for i in range(84)], "which is a list and no class"),
        ([i % 7 + 0.5 for i in range(84)], "row 1 has the label '0.5'"),
        ([bool(i % 2) for i in range(84)], "the labels 0, 1, so they are not plainly"),
        ([float("nan"), *(float(i % 7) for i in range(1, 84))], None),
        ([f"{i % 7}.0" for i in range(84)], None),
        ([SEVEN[i % 7].encode() for i in range(84)], None),
    ],
)
def test_parquet_labels_of_any_type(labels: list[Any], words: str | None, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(
        arrow.table({"image": [png(image) for image in IMAGES], "label": labels}), tmp_path / "a.parquet"
    )
    if words:
        assert words in fault(tmp_path / "a.parquet")
        return
    dataset = load(tmp_path / "a.parquet")
    assert dataset.classes == EMOTIONS
    assert dataset.labels.tolist()[1:] == [i % 7 for i in range(1, 84)]
    assert dataset.labels[0] in (0, -1)


def test_parquet_takes_the_column_of_emotions(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns: dict[str, list[Any]] = {"image": [png(image) for image in IMAGES], "label": [i % 2 for i in range(84)]}
    columns["expression"] = [SEVEN[i % 7] for i in range(84)]
    parquet.write_table(arrow.table(columns), tmp_path / "a.parquet")
    dataset = load(tmp_path / "a.parquet")
    assert dataset.labels.tolist() == SEVENS.tolist()
    assert told(dataset, "the column 'expression' holds the labels; left out: 'label'")


def test_parquet_pixels_have_one_scale(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    dark = IMAGES.copy()
    dark[3] = dark[3] > 127  # of 0 and 1, among pictures of 0 to 255
    for images in (dark, dark / 255):
        table = arrow.table({"pixels": [image.ravel().tolist() for image in images], "emotion": SEVENS.tolist()})
        parquet.write_table(table, tmp_path / "a.parquet")
        assert np.array_equal(load(tmp_path / "a.parquet").images, dark)
