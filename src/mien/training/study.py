"""The study: the whole family of networks, each trained the study's way and the modern way; one table, one figure."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.data import Dataset
from mien.errors import MienError
from mien.evaluation import plots, report
from mien.files import atomic_write
from mien.training.networks import NETWORKS
from mien.training.recipes import Recipe, recipe
from mien.training.run import Run, load_run, train
from mien.training.runtime import Runtime
from mien.training.trainer import Row

# One regulariser taken away or added at a time, everything else as in the study: what does each of them do?
VARIATIONS: dict[str, tuple[str, dict[str, object]]] = {
    "dropout without dropout": ("study/dropout", {"conv_drop": 0.0, "fc_drop": 0.0}),
    "hybrid without dropout": ("study/hybrid", {"conv_drop": 0.0, "fc_drop": 0.0}),
    "hybrid with channel dropout": ("study/hybrid", {"drop_kind": "channel"}),
    "hybrid with rotation alone": ("study/hybrid", {"rotate": 10.0}),
    "hybrid with augmentation": (
        "study/hybrid",
        {"flip": True, "rotate": 12.0, "shift": 0.08, "scale": 0.12, "light": 0.25, "erase": 0.25},
    ),
}


@dataclass(frozen=True)
class Planned:
    """One training of the study and where it goes."""

    recipe: Recipe
    folder: Path
    training: str  # "study", "modern", or the variation's name

    @property
    def finished(self) -> bool:
        return (self.folder / "metrics.json").is_file()


class Silent:
    """Shows nothing of a training."""

    def on_epoch(self, row: Row) -> None: ...

    def on_step(self, epoch: int, step: int, steps: int) -> None: ...


def plan(runs: Path, networks: list[str], trainings: list[str], seed: int, epochs: int | None = None) -> list[Planned]:
    """Which trainings the study consists of. Raises MienError for a network or training that is not known."""
    for name in networks:
        if name not in NETWORKS:
            raise MienError(f"no network '{name}'; there are {', '.join(NETWORKS)}")
    planned: list[Planned] = []
    for training in trainings:
        if training == "variations":
            for name, (base, changes) in VARIATIONS.items():
                if base.split("/")[-1] in networks:
                    slug = name.replace(" ", "-")
                    planned.append(Planned(recipe(base, **changes), runs / f"variation-{slug}-{seed}", name))
            continue
        for name in networks:
            r = recipe(f"study/{name}" if training == "study" else name)
            planned.append(Planned(r, runs / f"{r.name.replace('/', '-')}-{seed}", training))
    if epochs:
        planned = [replace(p, recipe=replace(p.recipe, epochs=epochs)) for p in planned]
    return planned


def run_study(
    planned: list[Planned],
    dataset: Dataset,
    seed: int = 1,
    runtime: Runtime | None = None,
    track: str = "wandb",
    live: Callable[[Planned], AbstractContextManager[Any]] = lambda planned: nullcontext(Silent()),
) -> Iterator[Run]:
    """Train what is not finished yet, in order, resuming what was interrupted; yields each run when it is there.

    live: a context for a training that is about to begin, with `on_epoch` and `on_step` to be told of its course.
    Raises MienError where a folder holds a run on other data.
    """
    for p in planned:
        if p.finished:
            run = load_run(p.folder)
            if run.record["data"]["fingerprint"] != dataset.fingerprint:
                raise MienError(
                    f"{p.folder} was trained on other data than {dataset.source}; choose another --runs folder"
                )
            yield run
            continue
        resume = (p.folder / "recipe.json").is_file()
        with live(p) as shown:
            done = train(p.recipe, dataset, p.folder, seed, runtime, track, None, resume, shown.on_epoch, shown.on_step)
        if done is not None:
            yield done


def write_report(planned: list[Planned], output: Path) -> list[report.StudyRow]:
    """study.md and study.png of what is finished, and the record of each run under runs/: all but weights and states.

    Raises MienError where nothing is finished.
    """
    finished = [p for p in planned if p.finished]
    if not finished:
        raise MienError("no training of the study is finished yet; run mien study")
    for p in finished:
        for name in ("recipe.json", "history.csv", "metrics.json", "figures/curves.png", "figures/confusion.png"):
            with atomic_write(output / "runs" / p.folder.name / Path(name).name) as temporary:
                shutil.copyfile(p.folder / name, temporary)
    rows = report.study_rows((p.folder, p.training) for p in finished)
    with atomic_write(output / "study.md") as temporary:
        temporary.write_text(report.study_markdown(rows))
    drawn = any(load_run(p.folder).record["data"]["drawn"] for p in finished)
    shown = [row for row in rows if row.training in ("study", "modern")] or rows
    plots.study_table(shown, output / "study.png", drawn=drawn)
    return rows
