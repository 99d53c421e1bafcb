"""Metrics by group against fairlearn, and detection of a real gap."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien import data
from mien.cli.main import main
from mien.data.synthetic.generate import draw_face
from mien.errors import MienError
from mien.evaluation.groups import evaluate_groups, quality_groups, read_groups, table

CLASSES = ("no", "yes", "perhaps")


def predictions(n: int, accuracy: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of n images, each right with its own probability."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    shown = np.where(rng.random(n) < accuracy, labels, (labels + 1) % 3)
    p = np.full((n, 3), 0.15)
    p[np.arange(n), shown] = 0.7
    return p, labels


def test_figures_are_those_of_fairlearn() -> None:
    fairlearn = pytest.importorskip("fairlearn.metrics")
    from sklearn.metrics import accuracy_score, recall_score

    groups = np.random.default_rng(1).choice(["a", "b", "c"], 900, p=[0.6, 0.3, 0.1])
    p, labels = predictions(900, np.where(groups == "c", 0.5, 0.8))
    (report,) = evaluate_groups(p, labels, CLASSES, {"kind": groups}, samples=50)
    frame = fairlearn.MetricFrame(metrics=accuracy_score, y_true=labels, y_pred=p.argmax(1), sensitive_features=groups)
    assert {g.name: g.accuracy for g in report.groups} == pytest.approx(frame.by_group.to_dict())
    assert report.gap == pytest.approx(frame.difference())
    assert report.groups[0].name == frame.by_group.idxmin()
    for group in report.groups:
        here = groups == group.name
        recall = recall_score(labels[here], p[here].argmax(1), average=None, labels=range(3))
        assert list(group.recall.values()) == pytest.approx(recall.tolist())


def test_a_gap_is_told_from_chance() -> None:
    groups = np.repeat(["a", "b"], 400)
    wide, none = (
        evaluate_groups(*predictions(800, np.where(groups == "a", worse, 0.8)), CLASSES, {"kind": groups}, samples=500)[
            0
        ]
        for worse in (0.6, 0.8)
    )
    assert wide.adjusted < 0.01
    assert none.adjusted > 0.05
    assert wide.groups[0].name == "a"
    assert "more than chance explains" in table([wide])
    assert "chance alone may explain it" in table([none])


def test_small_groups_are_flagged_and_leave_the_gap_alone() -> None:
    groups = np.array(["many"] * 300 + ["more"] * 300 + ["few"] * 10 + [""] * 5)
    p, labels = predictions(615, np.where(groups == "few", 0.0, 0.8))
    (report,) = evaluate_groups(p, labels, CLASSES, {"kind": groups}, samples=200)
    assert report.groups[0].name == "few"
    assert [g.small for g in report.groups] == [True, False, False]
    assert report.gap < 0.2
    assert report.unknown == 5
    shown = table([report])
    assert "few images" in shown
    assert "5 images without a group" in shown


def test_groups_that_are_all_small_have_no_gap() -> None:
    groups = np.array(["a"] * 15 + ["b"] * 15 + ["c"] * 40 + ["d"] * 40)
    p, labels = predictions(110, np.ones(110))
    small = np.where(np.arange(110) < 30, groups, "")
    with_gap, without = evaluate_groups(p, labels, CLASSES, {"small": small, "all": groups}, samples=50)
    assert (with_gap.attribute, without.attribute) == ("all", "small")
    assert (without.gap, without.p, without.adjusted) == (None, None, None)
    assert without.to_dict()["gap"] is None
    assert "no gap: there are fewer than two groups of 30 images" in table([without])


def test_one_group_is_no_comparison() -> None:
    p, labels = predictions(10, np.ones(10))
    with pytest.raises(MienError, match="'kind' has 1 group among the 10 images"):
        evaluate_groups(p, labels, CLASSES, {"kind": np.array(["a"] * 10)})


def test_thirds_by_quality_follow_the_images() -> None:
    face = draw_face("happy", 1)
    dark = np.stack([(face * share).astype(np.uint8) for share in np.linspace(0.2, 1, 9)])
    assert quality_groups(dark)["brightness"].tolist() == ["low"] * 3 + ["middle"] * 3 + ["high"] * 3
    soft = np.stack(
        [face, *[np.asarray(Image.fromarray(face).resize((s, s)).resize((48, 48))) for s in (40, 30, 20, 12, 8)]]
    )
    assert quality_groups(soft)["sharpness"][-1] == "low"
    assert quality_groups(soft)["sharpness"][0] == "high"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folders")
    for name in ("happy", "sad"):
        (folder / "faces" / name).mkdir(parents=True)
        for seed in range(20):
            Image.fromarray(draw_face(name, seed)).save(folder / "faces" / name / f"{seed}.png")
    lines = [
        f"faces/{name}/{seed}.png,{'old' if seed % 2 else 'young'}," for name in ("happy", "sad") for seed in range(20)
    ]
    (folder / "groups.csv").write_text("file,age,hat\n" + "\n".join(line + ("yes" if i % 3 else "no") for i,
    line in enumerate(lines)))  # fmt: skip
    return folder


def test_groups_are_matched_by_file_and_by_row(folders: Path, tmp_path: Path) -> None:
    dataset = data.load(folders / "faces")
    groups = read_groups(folders / "groups.csv", dataset)
    assert list(groups) == ["age", "hat"]
    for name, label in (("happy", 0), ("sad", 1)):
        for seed in range(20):
            face = np.asarray(Image.open(folders / "faces" / name / f"{seed}.png"))
            (row,) = [i for i in range(40) if (dataset.images[i] == face).all() and dataset.labels[i] == label]
            assert groups["age"][row] == ("old" if seed % 2 else "young")
    by_row = tmp_path / "rows.csv"
    by_row.write_text("row,age\n" + "\n".join(f"{i},{groups['age'][i]}" for i in range(0, 40, 2)))
    assert read_groups(by_row, dataset)["age"].tolist() == [
        g if i % 2 == 0 else "" for i, g in enumerate(groups["age"])
    ]
    in_order = tmp_path / "order.csv"
    in_order.write_text("age\n" + "\n".join(groups["age"]))
    assert read_groups(in_order, dataset)["age"].tolist() == groups["age"].tolist()


@pytest.mark.parametrize(("text", "says"), [
    ("", "holds no groups"), ("row\n1\n", "holds no groups"), ("row,age\n", "holds no groups"),
    ("row,age\n1,old\n99,old\n", "row 3: '99' is no image"), ("row,age\n²,old\n", "row 2: '²' is no image"),
    ("row,age,age\n1,old,new\n", "two columns 'age'"), ("row,age\n1,old\n1,new\n", "row 3: image 1 has its groups"),
    ("row,age\n1\n", "row 2: 1 values instead of 2"),
    ("age\nold\n", "1 lines for 40 images"), ("file,age\nnothing.png,old\n", "row 2: there is no file nothing.png"),
])  # fmt: skip
def test_what_are_no_groups_is_refused(folders: Path, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "g.csv"
    path.write_text(text)
    with pytest.raises(MienError, match=says):
        read_groups(path, data.load(folders / "faces"))


@pytest.mark.filterwarnings("ignore::mien.errors.MienWarning")
def test_the_command_reports_groups_quality_and_coverage(folders: Path, capsys) -> None:
    argv = ["evaluate", "nano", "--data", str(folders / "faces"), "--part", "all"]
    assert main([*argv, "--groups", str(folders / "groups.csv"), "--quality"]) == 0
    out = capsys.readouterr().out
    assert "age: no gap: there are fewer than two groups of 30 images" in out
    assert "brightness: no gap: there are fewer than two groups" in out
    assert "few images" in out
    assert main([*argv, "--groups", str(folders / "groups.csv"), "--coverage", "0.8", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert {report["attribute"] for report in record["groups"]} == {"age", "hat"}
    assert record["coverage"]["promised"] == 0.8
    assert main([*argv, "--groups", str(folders / "nothing.csv")]) == 2
    assert "--groups" in capsys.readouterr().err


def test_quality_is_that_of_reading():
    faces = np.random.default_rng(0).integers(60, 200, (12, 48, 48), dtype=np.uint8)
    assert "quality" not in quality_groups(faces)  # all are clear
    faces[:4] //= 12
    groups = quality_groups(faces)
    assert groups["quality"].tolist() == ["flagged"] * 4 + ["clear"] * 8
    assert groups["brightness"][:4].tolist() == ["low"] * 4


def test_an_image_without_any_group_keeps_its_line(tmp_path: Path) -> None:
    dataset, path = data.draw(4, seed=0), tmp_path / "groups.csv"
    for text in ('age\nold\n""\nyoung\n""\n', "age,skin\nold,V\n,\nyoung,II\n,\n,\n"):
        path.write_text(text)
        assert read_groups(path, dataset)["age"].tolist() == ["old", "", "young", ""]


def test_the_index_of_a_table_and_second_keys_are_no_attributes(tmp_path: Path) -> None:
    dataset, path = data.draw(4, seed=0), tmp_path / "groups.csv"
    path.write_text("row,file,age\n0,a.png,old\n\n3,b.png,young\n")
    assert {name: column.tolist() for name, column in read_groups(path, dataset).items()} == {
        "age": ["old", "", "", "young"]
    }
    path.write_text(",age\n0,old\n1,old\n2,young\n3,old\n")
    with pytest.raises(MienError, match="column 1 has no name"):
        read_groups(path, dataset)
    path.write_text("row,age\n0,old\n\nx,young\n")
    with pytest.raises(MienError, match="row 4: 'x' is no image"):
        read_groups(path, dataset)


def test_the_same_pixels_in_two_groups_are_refused(tmp_path: Path) -> None:
    dataset, path = data.draw(4, seed=0), tmp_path / "groups.csv"
    for name in ("a.png", "b.png"):
        Image.fromarray(dataset.images[2]).save(tmp_path / name)
    path.write_text("file,age,skin\na.png,old,V\nb.png,old,\n")
    assert [column[2] for column in read_groups(path, dataset).values()] == ["old", "V"]
    path.write_text("file,age\na.png,old\nb.png,young\n")
    with pytest.raises(MienError, match="row 3: its picture is of the age 'young' here and 'old' in a row before"):
        read_groups(path, dataset)
