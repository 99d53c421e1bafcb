"""Evaluation and submission of model files without torch, on drawn faces."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien import data
from mien.cli.main import main
from mien.data.synthetic.generate import draw_face
from mien.errors import MienError, MienWarning
from mien.evaluation.classifier import open_classifier
from mien.evaluation.evaluate import evaluate, evaluate_corruptions
from mien.evaluation.results import read_record
from mien.labels import EMOTIONS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kaggle's files, of drawn faces."""
    folder = tmp_path_factory.mktemp("faces")
    data.draw_files(folder, n=400, seed=1)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Image folders with two emotions and a class that no model knows."""
    folder = tmp_path_factory.mktemp("folders")
    for name in ("happy", "sad", "bored"):
        (folder / name).mkdir()
        for seed in range(6):
            face = draw_face("neutral" if name == "bored" else name, seed)
            Image.fromarray(face).save(folder / name / f"{seed}.png")
    return folder


pytestmark = pytest.mark.filterwarnings("ignore::mien.errors.MienWarning")


def test_evaluates_a_shipped_model_on_each_part(place: Path) -> None:
    dataset = data.load(place)
    steps: list[tuple[int, int]] = []
    result = evaluate("nano", dataset, on_progress=lambda done, total: steps.append((done, total)))
    assert list(result.parts) == ["validation", "test"]
    assert list(result.parts["test"].probabilities) == ["single", "flip"]
    for name, part in result.parts.items():
        assert np.array_equal(part.labels, dataset.labels[part.rows]), name
        assert part.probabilities["flip"].sum(axis=1) == pytest.approx(np.ones(len(part.rows)))
    assert steps[-1][0] == steps[-1][1] == 3 * (len(result.parts["test"].rows) + len(result.parts["validation"].rows))
    assert result.data["drawn"]
    assert not result.data["trained_on"]


def test_part_all_is_every_labeled_image(place: Path) -> None:
    dataset = data.load(place)
    result = evaluate("nano", dataset, parts=("all",), tta="single")
    assert result.parts["all"].rows.tolist() == np.flatnonzero(dataset.labels >= 0).tolist()


def test_shared_classes_are_scored_and_the_rest_named(folders: Path) -> None:
    dataset = data.load(folders)
    result = evaluate("nano", dataset, parts=("all",), tta=("single",))
    part = result.parts["all"]
    assert len(part.rows) == 12
    assert {EMOTIONS[label] for label in part.labels} == {"happy", "sad"}
    assert result.left_out == {"bored": "6 images of a class that the model lacks"}
    with pytest.raises(MienError, match="all as parts"):
        evaluate("nano", dataset, parts=("validation",))


def test_several_models_are_averaged(place: Path) -> None:
    faces = data.load(place).images[:20]
    both, one, two = open_classifier(["nano", "hybrid"]), open_classifier("nano"), open_classifier("hybrid")
    mean = (one.probabilities(faces, "flip") + two.probabilities(faces, "flip")) / 2
    assert both.probabilities(faces, "flip") == pytest.approx(mean)
    assert both.name == f"{one.name} + {two.name}"


def test_the_record_on_the_command_line_is_the_one_of_python(place: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "e.json"
    argv = ["evaluate", "nano", "--data", str(place), "--part", "test", "--json", "-o", str(out)]
    assert main(argv) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == read_record(out) == json.loads(json.dumps(evaluate("nano", data.load(place), ["test"]).to_dict()))
    assert main(argv) == 2
    assert "e.json exists; replace it with --overwrite" in capsys.readouterr().err
    assert main([*argv, "--overwrite"]) == 0


def test_one_table_answers(place: Path, capsys) -> None:
    assert main(["evaluate", "nano", "--data", str(place)]) == 0
    out = capsys.readouterr().out
    assert out.count("most often mistaken for") == 1
    assert out.startswith("nano (nano-3) on ")
    assert "all, single" in out
    assert "all, flip" in out
    assert "95 %" in out
    assert all(name in out for name in EMOTIONS)


def test_old_options_work_and_say_the_new_ones(place: Path, capsys) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        argv = ["evaluate", "nano", "--data", str(place), "--split", "test", "--tta", "ten", "--lift", "sad"]
        assert main(argv) == 0
    shown = capsys.readouterr()
    assert "on the test part" in shown.out
    assert "recall raised, shift10" in shown.out
    assert "--split is now called --part" in shown.err
    assert "'ten' is now called 'shift10'" in shown.err


@pytest.mark.parametrize(("argv", "says"), [
    (["evaluate", "nobody"], "nobody"),
    (["evaluate", "nano", "--tta", "nine"], "no test-time augmentation 'nine'"),
    (["evaluate", "nano", "--lift", "bored"], "no class 'bored'"),
    (["evaluate", "nano", "--part", "half"], "invalid choice"),
    (["evaluate", "nano", "--coverage", "1.9"], "--coverage = 1.9"),
    (["evaluate", "nano", "--groups", "nowhere.csv"], "cannot read the groups nowhere.csv: no such file"),
    (["evaluate", "nano", "--corruptions", "--coverage", "0.9"], "--coverage has no effect with --corruptions"),
    (["evaluate", "nano", "--labels", "fer+", "--quality"], "--quality has no effect with --labels fer+"),
    (["submit", "nobody"], "nobody"),
    (["submit", "nano", "--format", "xml"], "xml"),
    (["submit", "nano", "--tta", "nine"], "nine"),
])  # fmt: skip
def test_wrong_input_gets_one_line(
    place: Path, tmp_path: Path, monkeypatch, capsys, argv: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main([*argv, "--data", str(place)])
    except SystemExit as stop:
        code = stop.code
    err = capsys.readouterr().err
    assert code == 2
    assert says in err
    assert not list(tmp_path.iterdir())


def test_corruptions_have_a_row_each(place: Path) -> None:
    dataset = data.load(place)
    accuracies = evaluate_corruptions(["nano"], dataset, kinds=("blur", "jpeg"))
    ((_, table),) = accuracies.items()
    assert list(table) == ["blur", "jpeg"]
    assert all(len(values) == 6 and min(values) >= 0 and max(values) <= 1 for values in table.values())


def test_submission_copies_kaggles_example_and_replaces_only_when_told(place: Path, tmp_path: Path, capsys) -> None:
    import shutil

    folder, out = tmp_path / "data", tmp_path / "s.csv"
    shutil.copytree(place, folder)
    n = len(data.load_test(folder))
    argv = ["submit", "nano", "--data", str(folder), "-o", str(out)]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "layout plain" in shown
    assert "example_submission.csv" in shown
    assert len(out.read_text().splitlines()) == n
    assert main(argv) == 2
    assert "s.csv exists; replace it with --overwrite" in capsys.readouterr().err
    (folder / "example_submission.csv").write_text("Id,Emotion\n" + "".join(f"{i},0\n" for i in range(1, n + 1)))
    assert main([*argv, "--overwrite"]) == 0
    assert "like:" in capsys.readouterr().out
    lines = out.read_text().splitlines()
    assert lines[0] == "Id,Emotion"
    assert len(lines) == n + 1
    note = json.loads(out.with_suffix(".json").read_text())
    assert note["rows"] == n
    assert note["tta"] == "flip"


def test_evaluation_and_submission_need_no_torch(place: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'matplotlib', 'safetensors', 'lightning_fabric', 'sklearn'): sys.modules[name] "
        "= None\n"
        "from mien.cli.main import main\n"
        "sys.exit(main(['evaluate', 'nano', '--data', sys.argv[1], '--tta', 'rotate6'])"
        " or main(['submit', 'nano', '--data', sys.argv[1], '-o', sys.argv[2]]))"
    )
    command = [sys.executable, "-c", code, str(place), str(tmp_path / "s.csv")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_other_data_is_warned_of(place: Path) -> None:
    with pytest.warns(MienWarning, match="not the data set that"):
        evaluate("nano", data.load(place), ["test"], ["single"])


@pytest.mark.parametrize(("name", "argv"), [
    ("hybrid", ["hybrid", "--tta", "flip"]), ("champion_single_view", ["champion", "--tta", "single"]),
])  # fmt: skip
def test_committed_submissions_are_made_again(fer2013: Path, tmp_path: Path, name: str, argv: list[str]) -> None:
    from mien.evaluation import submission

    out = tmp_path / "s.csv"
    assert (
        main(
            [
                "submit",
                *argv,
                "--data",
                str(fer2013),
                "-o",
                str(out),
                "--format",
                "plain",
                "--input-normalization",
                "none",
            ]
        )
        == 0
    )
    before, now = submission.read(ROOT / "results" / "submissions" / f"{name}.csv"), submission.read(out)
    assert (before != now).sum() <= 10
