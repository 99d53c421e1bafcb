"""Training targets: the labels, FER+'s votes as soft labels, or a mix with a teacher's probabilities."""

import numpy as np
from numpy.typing import NDArray

from mien.data import Dataset, ferplus
from mien.data.packed import faces_at
from mien.errors import MienError
from mien.training.distillation import clean_probabilities
from mien.training.recipes import Recipe


def targets(recipe: Recipe, dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Probabilities (len(rows), C) float64 that the loss compares with; None where the labels themselves will do.

    labels "fer+" takes the shares of FER+'s votes in place of the labels, "both" the mean of the two; where nobody
    voted for one of the seven emotions, the label stands. A teacher that sees the plain picture (several, joined by
    "+", are averaged) has its distillation_weight in the result: calibrated, mean over each face and its mirror image
    (Hinton et al. 2015). For one that sees each view, see `distillation.make_teacher`. Raises MienError where there are
    no votes, or they do not fit.
    """
    once = recipe.teacher and recipe.teacher_input == "clean"
    if recipe.labels == "own" and not once:
        return None
    probabilities = np.eye(len(dataset.classes))[dataset.labels[rows]]
    if recipe.labels != "own":
        share = 1.0 if recipe.labels == "fer+" else 0.5
        probabilities = probabilities + share * (_votes(dataset, rows, probabilities) - probabilities)
    if once:
        taught = clean_probabilities(recipe.teacher, faces_at(dataset.images, rows))
        probabilities = probabilities + recipe.distillation_weight * (taught - probabilities)
    return probabilities


def _votes(dataset: Dataset, rows: NDArray[np.int64], own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the votes on the faces at `rows` (M, 7); `own` where there are none."""
    if len(dataset.classes) != len(ferplus.SEVEN):
        raise MienError(
            f"{dataset.source} has {len(dataset.classes)} classes; FER+ votes are on FER2013's seven",
            parameter="labels",
        )
    try:
        known, votes = ferplus.align(dataset, ferplus.find(dataset))
    except MienError as error:
        raise MienError(error.message, parameter="labels") from error
    share = np.zeros((len(dataset), len(ferplus.SEVEN)))
    share[known] = ferplus.shares(votes)
    share = share[rows]
    return np.where(share.sum(axis=1, keepdims=True) > 0, share, own)
