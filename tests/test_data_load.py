"""`load` and `load_test`: layouts are recognized by content, and several files form one data set."""

import gzip
import io
import tarfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.data import Dataset, draw_files, load, load_test
from mien.data.fer2013 import FER2013, recognized, warn_if_altered
from mien.errors import MienError, MienWarning
from mien.labels import EMOTIONS

USAGES = ["Training"] * 6 + ["PublicTest"] * 3 + ["PrivateTest"] * 3
IMAGES = np.random.default_rng(1).integers(0, 256, (12, 48, 48), dtype=np.uint8)
LABELS = [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4]


def text(image: np.ndarray) -> str:
    return " ".join(map(str, image.reshape(-1).tolist()))


def train_csv(rows: range = range(6)) -> str:
    return "emotion,pixels\n" + "".join(f"{LABELS[i]},{text(IMAGES[i])}\n" for i in rows)


def unlabeled_csv(rows: range = range(6, 12)) -> str:
    return "pixels\n" + "".join(f"{text(IMAGES[i])}\n" for i in rows)


def full_csv(rows: range = range(12)) -> str:
    return "emotion,pixels,Usage\n" + "".join(f"{LABELS[i]},{text(IMAGES[i])},{USAGES[i]}\n" for i in rows)


def icml_csv(rows: range = range(12)) -> str:
    return "emotion, Usage, pixels\n" + "".join(f"{LABELS[i]},{USAGES[i]},{text(IMAGES[i])}\n" for i in rows)


def put(folder: Path, **contents: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.csv").write_text(content)
    return folder


def tar_gz(path: Path, content: str, before: str | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in (("fer2013/README", before), ("fer2013/fer2013.csv", content)):
            if data is not None:
                member = tarfile.TarInfo(name)
                member.size = len(data.encode())
                archive.addfile(member, io.BytesIO(data.encode()))
    return path


def same(dataset: Dataset, labels: list[int], usage: list[str], rows: range = range(12)) -> bool:
    return (
        np.array_equal(dataset.images, IMAGES[list(rows)])
        and dataset.labels.tolist() == labels
        and dataset.labels.dtype == np.int64
        and dataset.usage.tolist() == usage
        and dataset.classes == EMOTIONS
        and not dataset.drawn
    )


def test_names_do_not_matter(tmp_path: Path) -> None:
    for i, content in enumerate((full_csv(), icml_csv())):
        file = tmp_path / f"{i}.dat"
        file.write_text(content)
        assert same(load(file), LABELS, USAGES)
        assert load(file).source == str(file)
        assert same(load(str(file)), LABELS, USAGES)


def test_train_csv_alone_is_training(tmp_path: Path) -> None:
    put(tmp_path, a=train_csv())
    assert same(load(tmp_path / "a.csv"), LABELS[:6], USAGES[:6], range(6))


def test_test_csv_alone_is_public_then_private_without_labels(tmp_path: Path) -> None:
    put(tmp_path, a=unlabeled_csv())
    for dataset in (load(tmp_path / "a.csv"), load_test(tmp_path / "a.csv"), load_test(tmp_path)):
        assert same(dataset, [-1] * 6, USAGES[6:], range(6, 12))


def test_train_and_test_csv_join(tmp_path: Path) -> None:
    assert same(load(put(tmp_path, train=train_csv(), test=unlabeled_csv())), LABELS[:6] + [-1] * 6, USAGES)


@pytest.mark.parametrize("labeled", [full_csv, icml_csv])
def test_withheld_private_rows_come_from_test_csv(tmp_path: Path, labeled: object) -> None:
    assert callable(labeled)
    put(tmp_path, some=labeled(range(9)), test=unlabeled_csv(), train=train_csv())
    assert same(load(tmp_path), LABELS[:9] + [-1] * 3, USAGES)


def test_nothing_comes_twice_when_all_labels_are_there(tmp_path: Path) -> None:
    put(tmp_path, icml_face_data=icml_csv(), fer2013=full_csv(), test=unlabeled_csv(), train=train_csv())
    assert same(load(tmp_path), LABELS, USAGES)
    put(tmp_path, test=unlabeled_csv(range(11, 5, -1)))
    assert same(load(tmp_path), LABELS, USAGES)
    assert np.array_equal(load_test(tmp_path).images, IMAGES[11:5:-1])


def test_copies_in_test_csv_are_counted(tmp_path: Path) -> None:
    twice = unlabeled_csv(range(6, 9)) + f"{text(IMAGES[7])}\n" + f"{text(IMAGES[9])}\n"
    dataset = load(put(tmp_path, fer2013=full_csv(range(9)), test=twice))
    assert np.array_equal(dataset.images, IMAGES[[*range(9), 7, 9]])
    assert dataset.usage.tolist() == [*USAGES[:9], "PrivateTest", "PrivateTest"]


def test_a_test_csv_of_other_faces_is_remarked_upon(tmp_path: Path) -> None:
    put(tmp_path, fer2013=full_csv(range(9)), test=unlabeled_csv(range(9, 12)))
    with pytest.warns(MienWarning, match=r"test\.csv lacks 3 of the 3 test images of .*fer2013\.csv"):
        load(tmp_path)


@pytest.mark.parametrize("before", [None, "\nFER2013\n", "emotion counts of the pixels\n"])
def test_archives(tmp_path: Path, before: str | None) -> None:
    archive = tar_gz(tmp_path / "fer2013.tar.gz", full_csv(), before)
    assert same(load(archive), LABELS, USAGES)
    assert same(load(tmp_path), LABELS, USAGES)
    (tmp_path / "plain.tar").write_bytes(gzip.decompress(archive.read_bytes()))
    assert same(load(tmp_path / "plain.tar"), LABELS, USAGES)
    (tmp_path / "x.gz").write_bytes(gzip.compress(full_csv().encode()))
    assert same(load(tmp_path / "x.gz"), LABELS, USAGES)


def test_an_archive_of_several_csv_files_is_not_guessed_at(tmp_path: Path) -> None:
    for order in (("train", "test"), ("test", "train")):
        with tarfile.open(tmp_path / "faces.tar.gz", "w:gz") as archive:
            for name in (*order, "README"):
                data = (train_csv() if name == "train" else unlabeled_csv() if name == "test" else "FER2013\n").encode()
                member = tarfile.TarInfo(f"{name}.csv")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        message = fault(load, tmp_path / "faces.tar.gz")
        assert f"holds several csv files of faces ({order[0]}.csv, {order[1]}.csv); unpack it" in message


def test_an_unpacked_archive_is_found_one_folder_down(tmp_path: Path) -> None:
    put(tmp_path / "fer2013", fer2013=full_csv())
    assert same(load(tmp_path), LABELS, USAGES)


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, fer2013=full_csv(), fer2013new="Usage,Image name,neutral\nTraining,fer0.png,4\n", submission="3\n4\n")
    (tmp_path / "README").write_text("\nFER2013\n")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04")
    (tmp_path / "runs").mkdir()
    assert same(load(tmp_path), LABELS, USAGES)


def test_test_rows_of_a_file_with_usage_keep_their_labels(tmp_path: Path) -> None:
    put(tmp_path, a=icml_csv())
    assert same(load_test(tmp_path / "a.csv"), LABELS[6:], USAGES[6:], range(6, 12))


def data_or_message(file: Path) -> Dataset | str:
    try:
        return load(file, cache=False)
    except MienError as error:
        return str(error)


def fault(call: object, path: Path) -> str:
    assert callable(call)
    with pytest.raises(MienError) as caught:
        call(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_where_test_csv_cannot_be_had(tmp_path: Path) -> None:
    put(tmp_path, a=icml_csv(range(9)))
    assert "no PrivateTest rows" in fault(load_test, tmp_path)
    assert "no test.csv" in fault(load_test, put(tmp_path / "b", train=train_csv()))


def test_nothing_found(tmp_path: Path) -> None:
    assert "nothing at" in fault(load, tmp_path / "absent")
    message = fault(load, tmp_path)
    assert "no faces in" in message
    assert "mien data fetch" in message
    (tmp_path / "notes.txt").write_text("hello\n")
    assert "no faces in" in fault(load, tmp_path)
    assert "no 'pixels' column (it begins with 'hello')" in fault(load, tmp_path / "notes.txt")


@pytest.mark.parametrize("path", [None, 3, b"faces", ["faces"], "", "a\0b", np.zeros((2, 48, 48))])
def test_what_is_no_path_is_told(path: Any) -> None:
    for read in (load, load_test):
        with pytest.raises(MienError, match="is no path") as caught:
            read(path)
        assert caught.value.parameter == "path"
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("classes", [["a", "b"], 3, {0: 0}, {0: ""}, {1.5: "a"}, {}, "", " ", "nonsense", b"rafdb"])
def test_what_names_no_classes_is_told_before_anything_is_read(classes: Any, tmp_path: Path) -> None:
    with pytest.raises(MienError) as caught:
        load(tmp_path / "absent", classes=classes)
    assert caught.value.parameter == "classes"


def test_a_csv_file_that_is_broken_is_told_even_beside_good_ones(tmp_path: Path) -> None:
    put(tmp_path, train=train_csv(), test="")
    assert "test.csv is empty" in fault(load, tmp_path)
    put(tmp_path, test="kind,pixels\n")
    assert "test.csv has no 'emotion' column" in fault(load, tmp_path)


def test_several_files_of_one_kind_are_not_guessed_at(tmp_path: Path) -> None:
    put(tmp_path, one=train_csv(), two=train_csv())
    assert "several train files (one.csv, two.csv)" in fault(load, tmp_path)
    put(tmp_path, train=train_csv())
    assert len(load(tmp_path)) == 6


def test_damaged_archives(tmp_path: Path) -> None:
    archive = tar_gz(tmp_path / "a.tar.gz", full_csv())
    whole = archive.read_bytes()
    for end in (5, 100, len(whole) // 2, len(whole) - 4):
        archive.write_bytes(whole[:end])
        assert "is cut off or damaged" in fault(load, archive)
    archive.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    assert "is cut off or damaged" in fault(load, archive)
    packed = gzip.compress(train_csv().encode())
    archive.write_bytes(packed[:-9])
    assert "is cut off or damaged" in fault(load, archive)
    assert "holds no csv file of faces" in fault(load, tar_gz(tmp_path / "b.tar.gz", "a,b\n1,2\n"))
    (tmp_path / "c.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    assert "is cut off or damaged" in fault(load, tmp_path / "c.zip")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=3), packed=st.booleans())
def test_mutated_archives_give_a_data_set_or_a_mien_error(
    changes: list[tuple[float, int]], packed: bool, tmp_path: Path
) -> None:
    content = bytearray(tar_gz(tmp_path / "a.tar.gz", full_csv(range(2))).read_bytes())
    if not packed:
        content = bytearray(gzip.decompress(content))
    for place, value in changes:
        content[int(place**3 * (len(content) - 1))] = value  # more often in the headers
    file = tmp_path / "b"
    file.write_bytes(content)
    outcome = data_or_message(file)
    assert "\n" not in outcome if isinstance(outcome, str) else len(outcome) > 0


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = put(tmp_path, a=train_csv()) / "a.csv"
    file.chmod(0)
    try:
        file.read_bytes()
    except PermissionError:
        assert "cannot be read (Permission denied)" in fault(load, file)
    else:
        pytest.skip("this user may read everything")


def test_drawn_faces_stay_marked_whichever_file_is_loaded(tmp_path: Path) -> None:
    drawn = draw_files(tmp_path, n=60, seed=1)
    whole = load(tmp_path)
    assert whole.drawn
    assert whole.fingerprint == drawn.fingerprint
    for name in ("train.csv", "test.csv", "icml_face_data.csv"):
        assert load(tmp_path / name).drawn
    assert load_test(tmp_path).drawn
    assert np.array_equal(load_test(tmp_path).images, drawn.images[drawn.usage != "Training"])
    (tmp_path / "icml_face_data.csv").unlink()
    assert load(tmp_path).usage.tolist() == drawn.usage.tolist()


def of_counts(counts: dict[str, dict[str, int]], drawn: bool = False) -> Dataset:
    labels = [np.repeat(np.arange(7), list(per_class.values())) for per_class in counts.values()]
    usage = np.repeat(np.array(list(counts)), [len(part) for part in labels])
    return Dataset(np.zeros((len(usage), 1, 1), np.uint8), np.concatenate(labels), usage, source="here", drawn=drawn)


def test_the_published_class_counts_are_known() -> None:
    assert recognized(of_counts(FER2013)) == {"Training": [], "PublicTest": [], "PrivateTest": []}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_altered(of_counts(FER2013))
        warn_if_altered(of_counts({usage: FER2013[usage] for usage in ("Training", "PublicTest")}))
        warn_if_altered(of_counts({"Training": dict.fromkeys(EMOTIONS, 50)}))


def test_altered_class_counts_are_told() -> None:
    altered = FER2013 | {"Training": FER2013["Training"] | {"sad": 4829, "happy": 7216}}
    with pytest.warns(
        MienWarning, match=r"here looks like FER2013, .*happy 7,216 instead of 7,215, sad 4,829 instead of"
    ):
        warn_if_altered(of_counts(altered))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_altered(of_counts(altered, drawn=True))


def test_the_real_fer2013(fer2013: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = load(fer2013)
    assert len(dataset) == 35887
    assert [dataset.counts(usage) for usage in ("Training", "PublicTest")] == [
        FER2013["Training"],
        FER2013["PublicTest"],
    ]
    assert (dataset.usage[[0, 28708, 28709, 32297, 32298, 35886]]).tolist() == [
        "Training", "Training", "PublicTest", "PublicTest", "PrivateTest", "PrivateTest"
    ]  # fmt: skip
    test = load_test(fer2013)
    assert np.array_equal(test.images, dataset.images[28709:])
    assert test.usage.tolist() == dataset.usage[28709:].tolist()
