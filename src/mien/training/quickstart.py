"""The whole workflow in minutes: data, training, verdict, evaluation, submission.csv and figures, in one run folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.data import Dataset, draw_files, load, load_test
from mien.errors import MienError
from mien.evaluation import plots
from mien.evaluation.submit import submit
from mien.training import checkpoint
from mien.training.recipes import recipe
from mien.training.run import Run, load_run, train
from mien.training.runtime import Runtime
from mien.training.state import Callback
from mien.training.training_set import adapt_recipe

DRAWN = 4000  # synthetic faces drawn if there are no data: drawn in seconds, enough to learn from


@dataclass(frozen=True)
class Quickstart:
    """Result of a quickstart. trained: whether this call trained; False if a run with the same recipe and data
    existed."""

    run: Run
    dataset: Dataset
    submission: Path
    trained: bool


def find_data(data: Path | None, folder: Path) -> tuple[Path, bool]:
    """Path of the faces, and whether mien drew them: the given path, else data/ if it holds data files, else drawn
    faces."""
    if data is not None:
        return data, False
    if any(Path("data").glob("*.csv")) or any(Path("data").glob("*.tar.gz")):
        return Path("data"), False
    place = folder / "drawn-faces"
    if not all((place / name).is_file() for name in ("train.csv", "test.csv", "icml_face_data.csv")):
        draw_files(place, n=DRAWN, seed=0)
    return place, True


def quickstart(
    data: Path,
    folder: Path,
    changes: dict[str, object],
    runtime: Runtime,
    track: str,
    callbacks: Sequence[Callback] = (),
    on_phase: Callable[[str], None] = lambda phase: None,
    *,
    dataset: Dataset | None = None,
) -> Quickstart:
    """Train the recipe `quickstart` on the data, unless `folder` holds that run, and write submission.csv and figures.

    dataset: the data set at `data`, if already loaded. Raises MienError, before training, if there is no test.csv, or
    `folder` holds a run of another recipe.
    """
    load_test(data)
    dataset = dataset or load(data)
    adapted = adapt_recipe(recipe("quickstart", **changes), dataset)
    previous = load_run(folder) if (folder / "recipe.json").is_file() else None
    same = (
        previous is not None
        and previous.recipe == adapted
        and previous.record["data"]["fingerprint"] == dataset.fingerprint
    )
    if previous is not None and previous.recipe.name != "quickstart":
        raise MienError(
            f"{folder} contains a run of {previous.recipe.name}; choose another {{parameter}}", parameter="run"
        )
    finished = same and (folder / "metrics.json").is_file()
    if previous is not None and not same:
        for old in ("recipe.json", checkpoint.NAME, checkpoint.PREVIOUS, "metrics.json", "history.csv"):
            (folder / old).unlink(missing_ok=True)
    if previous is not None and finished:
        run = previous
    else:
        run = train(
            adapted, dataset, folder, runtime=runtime, track=track, resume=same, callbacks=callbacks, on_phase=on_phase
        ) or load_run(folder)
        on_phase("drawing the class averages")
        plots.class_averages(dataset, folder / "figures" / "class_averages.png")
    output = folder / "submission.csv"
    if not finished or not output.is_file():
        on_phase("writing submission.csv")
        submit(folder, data, output, format="plain", overwrite=True)
    return Quickstart(run, dataset, output, not finished)
