"""`mien read --resume` only continues records with the same settings and columns."""

import csv
import shutil
from pathlib import Path

import pytest

from mien.cli.main import main
from read_fixtures import PORTRAIT, Run, crowd, make_film, make_model, portrait, tiny_model


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        model = () if "--model" in arguments else ("--model", str(tiny_model()))
        return main(["read", *map(str, arguments), *model]), *capfd.readouterr()

    return call


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Two pictures, the first with a face."""
    folder = tmp_path / "album"
    folder.mkdir()
    shutil.copy(PORTRAIT, folder / "a.jpg")
    crowd(2, 1, 90).save(folder / "b.png")
    return folder


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("options", [("--flip",), ("--min-score", "0.99"), ("--cropped",)])
def test_resume_refuses_records_that_were_made_with_other_settings(
    options: tuple[str, ...], kind: str, run: Run, album: Path, tmp_path: Path
) -> None:
    output = tmp_path / f"out.{kind}"
    for before, after in (((), options), (options, ())):
        run(album, "-o", output, "--overwrite", *before)
        written = output.read_bytes()
        output.write_bytes(written[:-4])  # killed in its last record
        code, _, err = run(album, "-o", output, "--resume", *after)
        assert (code, output.read_bytes()) == (2, written[:-4])
        assert err.count("\n") == 1
        assert "was written with other settings" in err
        assert str(album / "a.jpg") in err
        assert run(album, "-o", output, "--resume", *before)[0] == 0
        assert output.read_bytes() == written


def test_a_face_below_the_least_score_of_today_is_noticed_wherever_it_stands(run: Run, tmp_path: Path) -> None:
    folder, output = tmp_path / "folder", tmp_path / "out.csv"
    folder.mkdir()
    for name in "abcd":
        shutil.copy(PORTRAIT, folder / f"{name}.jpg")
    portrait().rotate(35).save(folder / "e.png")
    run(folder, "-o", output)
    with open(output, newline="") as file:
        scores = [float(row["score"]) for row in csv.DictReader(file)]
    between = (scores[-1] + scores[0]) / 2
    assert scores[-1] < between < scores[0]
    code, _, err = run(folder, "-o", output, "--resume", "--min-score", f"{between:.3f}")
    assert (code, "e.png" in err) == (2, True)


def test_resume_refuses_records_of_a_model_file_that_was_changed(run: Run, album: Path, tmp_path: Path) -> None:
    output, model = tmp_path / "out.csv", make_model(tmp_path / "m.onnx")
    run(album, "-o", output, "--model", model)
    make_model(model, seed=1)
    assert run(album, "-o", output, "--resume", "--model", model)[0] == 2


def test_resume_passes_over_pictures_that_are_gone(run: Run, album: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    run(album, "-o", output)
    for name in ("a.jpg", "b.png"):
        (album / name).unlink()
    portrait().save(album / "c.png")
    assert run(album, "-o", output, "--resume")[0] == 0


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("--every", "0.5s"), ("--every", "0.2s")),
        (("--every", "0.5s"), ("--every", "0.5s", "--flip")),
        (("--every", "0.5s", "--baseline", "1s"), ("--every", "0.5s", "--baseline", "0.5s")),
        (("--every", "0.5s", "--baseline", "0.5s"), ("--every", "0.5s", "--baseline", "1s")),
        (("--every", "0.5s", "--baseline", "0.5s"), ("--every", "0.5s")),
        (("--every", "0.5s"), ("--every", "0.5s", "--baseline", "0.5s")),
    ],
)
def test_resume_refuses_films_that_were_read_otherwise(
    before: tuple[str, ...], after: tuple[str, ...], kind: str, run: Run, tmp_path: Path
) -> None:
    films, output = tmp_path / "films", tmp_path / f"out.{kind}"
    films.mkdir()
    make_film(films / "a.mp4", seconds=2)
    make_film(films / "b.mp4", seconds=1)
    run(films, "-o", output, *before)
    written = output.read_bytes()
    code, _, err = run(films, "-o", output, "--resume", *after)
    assert (code, output.read_bytes(), err.count("\n")) == (2, written, 1), err
    assert ("--baseline" if kind == "csv" and ("--baseline" in before) != ("--baseline" in after) else "a.mp4") in err
    assert run(films, "-o", output, "--resume", *before)[0] == 0
    assert output.read_bytes() == written


def test_resume_says_why_the_columns_are_others(run: Run, album: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    run(album, "-o", output)
    make_film(album / "film.mp4", seconds=1)
    code, _, err = run(album, "-o", output, "--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert "images only" in err
    assert ".jsonl" in err
    run(album, "-o", output, "--overwrite", "--baseline", "1s")
    assert "written with --baseline" in run(album, "-o", output, "--resume")[2]
    (album / "film.mp4").unlink()
    assert "written for videos" in run(album, "-o", output, "--resume")[2]
    other = make_model(tmp_path / "other.onnx", ("a", "b"))
    assert "other classes" in run(album, "-o", output, "--resume", "--model", other)[2]
    with open(output, newline="") as file:
        assert "change_happy" in next(csv.reader(file))
