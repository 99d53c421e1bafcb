"""The study's report: tables, claims, forest plot and curves of the finished trainings, and copies of their records."""

import dataclasses
import json
import lzma
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import Dataset, split
from mien.errors import MienError, MienWarning
from mien.evaluation import claims, history, report, scaling, statistics
from mien.evaluation.audit_report import write_audit
from mien.evaluation.audit_rows import audit_rows
from mien.evaluation.classifier import open_classifier
from mien.evaluation.effects import Arm, Bootstrap, read_arm
from mien.evaluation.label_errors import read_probabilities
from mien.evaluation.record import read_record, recipe_fields
from mien.evaluation.statistics import Difference
from mien.files import atomic_write, write_short_json
from mien.training.recipes import from_record
from mien.training.study import FRACTIONS, INSTEAD, MENDS, NETWORKS, REGULARIZERS, WITHOUT, StudyRun, audit_folder, plan

COPIED = ("recipe.json", "history.csv")  # files of each run that are committed
METRICS = "metrics.json"  # kept with six decimals
PREDICTIONS = "predictions-validation.csv"  # kept packed
VARIATIONS = (
    "*bare*: the hybrid without dropout, batch norm, global pooling, augmentation and label smoothing. *full*: with "
    "all of them. *bare + X*: X added alone. *full - X*: X removed alone. *full, X*: with X in place of its other kind "
    "(single elements dropped, not whole maps; rotations to 5 degrees, not 10). *deep + X*: the deep network with X "
    "alone."
)
LINES = {
    "a": "the seven networks, the study's way and the modern way",
    "b": "each regularizer added alone and removed alone",
    "c": "five folds, for probabilities out of fold",
    "d": "what mends the deep network",
    "e": "the modern hybrid on more and more images",
    "f": "the modern hybrid on the cleaned training images",
}


def keep_records(planned: Sequence[StudyRun], output: Path) -> list[StudyRun]:
    """Copy the records of finished trainings to output/runs/, from where they are committed.

    Returns the finished trainings with output/runs/ as their folder, including those copied by an earlier session.
    """
    finished = []
    for run in planned:
        kept = output / "runs" / run.folder.name
        if run.finished and kept.resolve() != run.folder.resolve():
            for name in COPIED:
                if (run.folder / name).is_file():
                    with atomic_write(kept / name) as temporary:
                        shutil.copyfile(run.folder / name, temporary)
            if (run.folder / PREDICTIONS).is_file():
                with atomic_write(kept / f"{PREDICTIONS}.xz") as temporary:
                    temporary.write_bytes(_packed((run.folder / PREDICTIONS).read_text(), run.line == "a"))
            metrics = (run.folder / METRICS).read_text()
            rounded = json.loads(metrics, parse_float=lambda number: round(float(number), 6))
            if run.line != "a":
                rounded["evaluations"] = _validation_alone(rounded.get("evaluations", {}))
            write_short_json(kept / METRICS, rounded)  # last: it marks the run as finished
        recorded = dataclasses.replace(run, folder=kept)
        if recorded.finished:
            finished.append(recorded)
    return finished


def _validation_alone(evaluations: dict[str, Any]) -> dict[str, Any]:
    """Only validation, single view, which is what comparisons of variations need; all evaluations if it is missing."""
    if "single" not in evaluations.get("validation", {}):
        return evaluations
    return {"validation": {"single": evaluations["validation"]["single"]}}


def _packed(predictions: str, confidences: bool) -> bytes:
    """Predictions sorted by row, compressed as .xz: with confidences of two decimals a fifth of the size, without a
    tenth.

    Comparisons need no confidences; the notebooks show the most confident wrong predictions of the seven networks.
    """
    header, *lines = (line.split(",") for line in predictions.splitlines())
    rows = [[*own, f"{float(confidence):.2f}"] for *own, confidence in sorted(lines, key=lambda fields: int(fields[0]))]
    kept = [",".join(fields if confidences else fields[:-1]) for fields in (header, *rows)]
    return lzma.compress("\n".join([*kept, ""]).encode(), preset=9)


def write_report(planned: Sequence[StudyRun], output: Path) -> list[report.StudyRow]:
    """Write tables and figures of the trainings that finished all their epochs. Raises MienError if there are none;
    warns (MienWarning) of trainings that were cut short."""
    from mien.evaluation import study_figures

    kept = keep_records(planned, output)
    finished = [run for run in kept if _at_full_length(run)]
    if cut := [run.folder.name for run in kept if run not in finished]:
        warnings.warn(f"left out, for they have not all epochs of their recipe: {', '.join(cut)}",
                      MienWarning, stacklevel=2)  # fmt: skip
    if not finished:
        raise MienError("no training of the study is finished yet; run mien study")
    drawn = any(read_record(run.folder)["data"]["drawn"] for run in finished)
    rows = report.study_rows((run.folder, run.training) for run in finished if run.line != "c")
    family = [run for run in planned if run.line == "a"]
    trainings = {run.training for run in family}
    shown = [row for row in rows if row.training in trainings] or rows
    with atomic_write(output / "study.md") as temporary:
        temporary.write_text(report.study_markdown(shown, missing=_missing(family, finished)))
    if others := [row for row in rows if row not in shown]:
        with atomic_write(output / "variations.md") as temporary:
            temporary.write_text(f"{VARIATIONS}\n\n{report.study_markdown(others)}")
    report.write_study_csv(rows, output / "study.csv")
    with atomic_write(output / "progress.md") as temporary:
        temporary.write_text(progress_markdown(planned, finished))
    study_figures.study_table(shown, output / "study.png", drawn=drawn)
    curves = {(run.recipe.network, run.training): arm for run, arm in _arms(finished)}
    panels = {(network, training): curves.get((network, training))
              for network in NETWORKS for training in study_figures.TRAININGS}  # fmt: skip
    if any(panels.values()):  # otherwise no training of line a is finished
        study_figures.study_curves(panels, output / "curves.png", "How each network learned", drawn)
    bootstrap = _bootstrap(finished)
    claims.write_claims(claims.judge(bootstrap), output)
    write_scaling(bootstrap, output)
    write_cleaning(bootstrap, output)
    effects, missing = forest_effects(bootstrap)
    if any(effects.values()):
        study_figures.forest(effects, output / "effects.png", "What each change does", missing, drawn)
    return rows


def kept_effects(output: Path) -> Bootstrap:
    """The trainings recorded under output/runs, with all their epochs and today's recipes, for comparison by
    `effect`."""
    return _bootstrap([run for run in plan(output / "runs") if run.finished and _at_full_length(run)])


def _bootstrap(finished: Sequence[StudyRun]) -> Bootstrap:
    return Bootstrap({run.name: arm for run, arm in _arms([run for run in finished if _by_its_recipe(run)])})


def forest_effects(bootstrap: Bootstrap) -> tuple[dict[str, list[tuple[str, Difference, Difference, int]]], int]:
    """Effects of every change on validation accuracy and on the gap, with the fewer seeds of the two trainings, by
    heading, and the number not yet run."""
    removed = {name: f"{claims.FULL}-{name}" if name in INSTEAD else claims.FULL for name in WITHOUT}
    effects: dict[str, list[tuple[str, Difference, Difference, int]]] = {}
    missing = 0
    for heading, pairs in claims.forest_pairs(tuple(MENDS), tuple(REGULARIZERS), removed).items():
        effects[heading] = []
        for label, first, second in pairs:
            if first in bootstrap.arms and second in bootstrap.arms:
                validation, gap = (bootstrap.effect(first, second, measure) for measure in ("validation", "gap"))
                seeds = min(len(bootstrap.arms[name].seeds) for name in (first, second))
                effects[heading].append((label, validation, gap, seeds))
            else:
                missing += 1
    return effects, missing


def _arms(finished: Sequence[StudyRun]) -> list[tuple[StudyRun, Arm]]:
    """Each training with its first run. Runs of version 0.1 count only if there are no others."""
    by_name: dict[str, list[StudyRun]] = {}
    for run in finished:
        by_name.setdefault(run.name, []).append(run)
    arms = []
    for runs in by_name.values():
        complete = [run for run in runs if run.complete] or runs
        arms.append((complete[0], read_arm([run.folder for run in complete])))
    return arms


def write_scaling(bootstrap: Bootstrap, output: Path) -> None:
    """Write scaling.md and scaling.png of line e, the modern hybrid on parts of the images and on all; does nothing
    before three sizes are finished."""
    from mien.evaluation import study_figures

    names = [*(f"hybrid-1-of-{round(1 / fraction)}" for fraction in FRACTIONS), "hybrid"]
    arms = {name: bootstrap.arms[name] for name in names if name in bootstrap.arms}
    errors = {arm.n_train: (1 - arm.val[:, -1]).tolist() for arm in arms.values()}
    if len(errors) < scaling.MIN_SIZES:
        return
    law = scaling.fit_power_law(errors, {arm.n_train: bootstrap.errors(name) for name, arm in arms.items()})
    lines = ["| training images | seeds | validation error |", "|--:|--:|--:|"]
    lines += [f"| {n:,} | {len(values)} | {np.mean(values):.1%} |" for n, values in sorted(errors.items())]
    with atomic_write(output / "scaling.md") as temporary:
        temporary.write_text("\n".join([*lines, "", law.sentence()]) + "\n")
    study_figures.scaling_curve(errors, law, output / "scaling.png", "More images, fewer errors")


def write_cleaning(bootstrap: Bootstrap, output: Path) -> None:
    """Write cleaning.md: whether removing training images by an audit improves the modern hybrid."""
    names = ("hybrid", "hybrid-cleaned")
    if not all(name in bootstrap.arms for name in names):
        return
    whole, cleaned = (bootstrap.arms[name] for name in names)
    lines = ["| trained on | images | seeds | validation | training |", "|---|--:|--:|--:|--:|"]
    for words, arm in (("all training images", whole), ("those that the audit keeps", cleaned)):
        accuracies = f"{arm.val[:, -1].mean():.1%} | {arm.train[:, -1].mean():.1%}"
        lines.append(f"| {words} | {arm.n_train:,} | {len(arm.seeds)} | {accuracies} |")
    effect = bootstrap.effect(*names, "validation")
    ruling = statistics.rule(effect, "increases")
    low, high = 100 * effect.low, 100 * effect.high
    lines += [
        "",
        f"That cleaning helps is **{ruling}**: {100 * effect.estimate:+.1f} points of validation accuracy (95 % "
        f"interval {low:+.1f} to {high:+.1f}, by the study's rule), {claims.seeds_in_words([whole, cleaned])} seeds. "
        "The validation images are the same, and none is taken out.",
    ]
    with atomic_write(output / "cleaning.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def write_out_of_fold(planned: Sequence[StudyRun], dataset: Dataset, path: Path) -> bool:
    """Write probabilities of each Training face from the model of line c that was not trained on it, as `mien data
    audit --probabilities` reads them: (N, classes) float16 in row order. Returns False, writing no file, if a fold is
    not finished."""
    folds = [run for run in planned if run.line == "c"]
    if not folds or not all((run.folder / "model.onnx").is_file() and run.finished for run in folds):
        return False
    training = np.flatnonzero(dataset.usage == "Training")
    probabilities = np.full((len(dataset), len(dataset.classes)), np.nan, np.float16)
    for run in folds:
        recipe = run.recipe
        rows = split(dataset, recipe.split, fold=recipe.fold, duplicates=recipe.duplicates).validation
        probabilities[rows] = open_classifier(run.folder).probabilities(dataset.images[rows])
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, probabilities=probabilities[training])
    return True


def write_cleaned_split(dataset: Dataset, probabilities: Path, runs: Path) -> Path:
    """Path of line f's split file, written by an audit with out-of-fold probabilities unless it exists.

    Raises MienError if the probabilities are of other images.
    """
    split_file = audit_folder(runs) / "split.csv"
    if not split_file.is_file():
        write_audit(audit_rows(dataset, read_probabilities(probabilities)), split_file.parent)
    return split_file


def _at_full_length(run: StudyRun) -> bool:
    return len(history.read(run.folder / "history.csv")) == run.recipe.epochs


def _by_its_recipe(run: StudyRun) -> bool:
    """Whether the run's recipe is today's recipe of that name: version 0.1 had others for some."""
    return from_record(recipe_fields(read_record(run.folder))) == run.recipe


def _missing(family: Sequence[StudyRun], finished: Sequence[StudyRun]) -> list[str]:
    """Network and training, as text, of trainings without a finished seed."""
    finished_names = {run.name for run in finished}
    return [f"{run.recipe.network} ({run.training})" for run in _first_seeds(family) if run.name not in finished_names]


def _first_seeds(runs: Sequence[StudyRun]) -> list[StudyRun]:
    return list({run.name: run for run in reversed(runs)}.values())[::-1]


def progress_markdown(planned: Sequence[StudyRun], finished: Sequence[StudyRun]) -> str:
    """Markdown table of how many trainings of each line are finished with all their epochs by this version."""
    done = {run.folder.name for run in finished if run.complete}
    lines = ["| line | trainings | finished |", "|---|--:|--:|"]
    for line in dict.fromkeys(run.line for run in planned):
        runs = [run for run in planned if run.line == line]
        count = sum(run.folder.name in done for run in runs)
        lines.append(f"| {line}: {LINES[line]} | {len(runs)} | {count} |")
    return "\n".join(lines) + "\n"
