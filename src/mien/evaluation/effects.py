"""Effects between the study's trainings: differences in validation accuracy and in the gap, with bootstrap intervals
over seeds and images.

Every sample draws the validation images once, shared by all trainings validated on them, and the seeds of each training
(statistics.paired_bootstrap does the same for one pair). Training accuracy is drawn from its binomial distribution,
because outcomes per image are not stored; so is the validation accuracy of runs of mien 0.1, which stored no
predictions, and of epochs before the last.
"""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError
from mien.evaluation import history, results
from mien.evaluation.curves import WIDE_GAP
from mien.evaluation.record import read_record
from mien.evaluation.report import final_validation
from mien.evaluation.statistics import CHUNK, SAMPLES, Difference

EARLY = 5  # the epoch whose training accuracy measures how fast a network learns
Measure = Literal["validation", "gap", "early training", "gap over 10 points", "later training", "later validation"]


@dataclass(frozen=True)
class Arm:
    """One training of the study with all its seeds.

    train, val: accuracies (S, E), 0..1, by seed and epoch; the last validation accuracy is the finished model's, single
    view, if metrics.json has it. n_train, n_validation: numbers of images. correct: (S, N) bool, of the finished model,
    single view, in the order of rows (N,); both None if a seed has no predictions. unique: the finished model's
    accuracy (S,) on validation images without an exact copy in the training set, NaN if metrics.json lacks it. version:
    "0.2", or "0.1" for records of that version.
    """

    seeds: tuple[int, ...]
    train: NDArray[np.float64]
    val: NDArray[np.float64]
    n_train: int
    n_validation: int
    rows: NDArray[np.int64] | None = None
    correct: NDArray[np.bool_] | None = None
    unique: NDArray[np.float64] | None = None
    version: str = "0.2"


def read_arm(folders: Sequence[Path]) -> Arm:
    """The arm of finished run folders that differ only in their seed. Raises MienError if a folder is not a finished
    run, or they differ in epochs or validation images."""
    histories, records, predictions = [], [], []
    for folder in folders:
        histories.append(history.read(folder / "history.csv"))
        records.append(read_record(folder))
        path = results.stored_predictions(folder, "validation")
        predictions.append(_sorted_predictions(path) if path else None)
    if len({len(rows) for rows in histories}) != 1 or not histories[0]:
        raise MienError(
            f"{folders[0]} and its other seeds have different numbers of epochs; train them in the same way"
        )
    correct = rows = None
    if all(prediction is not None for prediction in predictions):
        rows = predictions[0][0]  # type: ignore[index]
        if any(not np.array_equal(rows, prediction[0]) for prediction in predictions):  # type: ignore[index]
            raise MienError(
                f"{folders[0]} and its other seeds were validated on different images; train them in the same way"
            )
        correct = np.stack([prediction[1] for prediction in predictions])  # type: ignore[index]
    train, val = (
        np.array([[epoch[f"{part}_accuracy"] for epoch in epochs] for epochs in histories]) for part in ("train", "val")
    )
    for folder, curve in zip(folders, zip(train, val, strict=True), strict=True):
        if not all(((accuracies >= 0) & (accuracies <= 1)).all() for accuracies in curve):
            raise MienError(f"{folder / 'history.csv'} has an accuracy outside 0 to 1; train the run again")
    unique = np.full(len(folders), np.nan)
    for seed, folder in enumerate(folders):
        val[seed, -1] = _of_finished_model(folder, val[seed, -1])
        unique[seed] = _of_finished_model(folder, math.nan, without_copies=True)
    return Arm(
        seeds=tuple(int(record["seed"]) for record in records), train=train, val=val,
        n_train=int(records[0]["data"]["n_train"]), n_validation=int(records[0]["data"]["n_validation"]),
        rows=rows, correct=correct, unique=unique, version="0.2" if all(map(_of_format_2, folders)) else "0.1",
    )  # fmt: skip


def _of_finished_model(folder: Path, otherwise: float, without_copies: bool = False) -> float:
    """Validation accuracy from metrics.json, as in the study's table."""
    path = folder / "metrics.json"
    try:
        accuracy = final_validation(json.loads(path.read_text()), without_copies)[1] if path.is_file() else None
    except (OSError, ValueError, AttributeError) as error:
        raise MienError(f"{path} contains no evaluation written by mien ({error}); evaluate again") from error
    return otherwise if accuracy is None else accuracy


def _sorted_predictions(path: Path) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    columns = results.read_predictions(path)
    order = np.argsort(columns["row"], kind="stable")
    return columns["row"][order], (columns["label"] == columns["predicted"])[order]


def _of_format_2(folder: Path) -> bool:
    return bool(json.loads((folder / "recipe.json").read_text()).get("format") == 2)


class Bootstrap:
    """Bootstrap samples of the accuracies of several arms, drawn jointly so that differences are paired."""

    def __init__(self, arms: Mapping[str, Arm], samples: int = SAMPLES, seed: int = 0) -> None:
        self.arms, self.samples, self.seed = dict(arms), samples, seed
        self._val = self._validation_samples()
        self._seeds = {
            name: self._generator("seeds", name).integers(0, len(arm.seeds), (samples, len(arm.seeds)))
            for name, arm in self.arms.items()
        }

    def _generator(self, *words: str) -> np.random.Generator:
        """A separate generator for each quantity, so that it does not depend on which other arms are included."""
        return np.random.default_rng([self.seed, zlib.crc32(" ".join(words).encode())])

    def _validation_samples(self) -> dict[str, NDArray[np.float64]]:
        """Accuracy (B, S) of each arm on resampled images; the same resamples for arms that share images."""
        drawn = {name: self._binomial(name, "val", -1) for name, arm in self.arms.items() if arm.correct is None}
        by_images: dict[bytes, list[str]] = {}
        for name, arm in self.arms.items():
            if arm.rows is not None:
                by_images.setdefault(arm.rows.tobytes(), []).append(name)
        for names in by_images.values():
            stacked = np.concatenate([_correct(self.arms[name]) for name in names]).astype(np.float32)  # (sum S, N)
            accuracies = self._resampled(stacked)
            ends = np.cumsum([len(self.arms[name].seeds) for name in names])
            drawn |= dict(zip(names, np.split(accuracies, ends[:-1], axis=1), strict=True))
        return drawn

    def _resampled(self, correct: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean of each row of (R, N) over N columns drawn with replacement, `samples` times: (B, R)."""
        n = correct.shape[1]
        generator = self._generator("images")
        accuracies = np.empty((self.samples, len(correct)))
        for start in range(0, self.samples, CHUNK):
            size = min(CHUNK, self.samples - start)
            images = generator.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
            weights = np.bincount(images.ravel(), minlength=size * n).reshape(size, n).astype(np.float32)
            accuracies[start : start + size] = weights @ correct.T / n
        return accuracies

    def _binomial(self, name: str, part: Literal["train", "val"], epoch: int) -> NDArray[np.float64]:
        """Accuracies (B, S) of an arm's seeds in an epoch, drawn from a binomial distribution over images."""
        arm = self.arms[name]
        accuracy, n = (arm.train, arm.n_train) if part == "train" else (arm.val, arm.n_validation)
        generator = self._generator(name, part, str(epoch))
        drawn: NDArray[np.float64] = generator.binomial(n, accuracy[:, epoch], (self.samples, len(arm.seeds))) / n
        return drawn

    def _over_seeds(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean (B,) of values (B, S) over the resampled seeds, which are the same for every measure of an arm."""
        mean: NDArray[np.float64] = np.take_along_axis(values, self._seeds[name], axis=1).mean(axis=1)
        return mean

    def _value(self, name: str, measure: Measure) -> tuple[float, NDArray[np.float64]]:
        """A measure of one arm: its estimate, and its samples (B,)."""
        arm = self.arms[name]
        val = (arm.val[:, -1], self._val[name])

        def train_at(epoch: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            return arm.train[:, epoch], self._binomial(name, "train", epoch)

        half = arm.train.shape[1] // 2 - 1
        if measure == "validation":
            parts = [(1, val)]
        elif measure in ("gap", "gap over 10 points"):
            parts = [(1, train_at(-1)), (-1, val)]
        elif measure == "early training":
            parts = [(1, train_at(min(EARLY, arm.train.shape[1]) - 1))]
        elif measure == "later training":
            parts = [(1, train_at(-1)), (-1, train_at(half))]
        else:
            parts = [(1, val), (-1, (arm.val[:, half], self._binomial(name, "val", half)))]
        estimate = sum(sign * float(values.mean()) for sign, (values, _) in parts)
        samples = self._over_seeds(name, np.sum([sign * samples for sign, (_, samples) in parts], axis=0))
        if measure == "gap over 10 points":
            return estimate - WIDE_GAP, samples - WIDE_GAP
        return estimate, samples

    def errors(self, name: str) -> NDArray[np.float64]:
        """Samples (B,) of the validation error of an arm, the mean over its seeds."""
        return 1 - self._value(name, "validation")[1]

    def effect(self, first: str | None, second: str, measure: Measure) -> Difference:
        """A measure of the second arm minus that of the first, or of the second alone if first is None."""
        estimate, samples = self._value(second, measure)
        if first is not None:
            other, other_samples = self._value(first, measure)
            estimate, samples = estimate - other, samples - other_samples
        low, high = np.quantile(samples, [0.025, 0.975])
        return Difference(estimate, float(low), float(high))

    def effect_without_copies(self, first: str, second: str) -> float | None:
        """Difference in validation accuracy on images without an exact copy in the training set; None if unknown."""
        means = [math.nan if arm.unique is None else float(arm.unique.mean())
                 for arm in (self.arms[second], self.arms[first])]  # fmt: skip
        return None if any(map(math.isnan, means)) else means[0] - means[1]


def _correct(arm: Arm) -> NDArray[np.bool_]:
    assert arm.correct is not None
    return arm.correct
