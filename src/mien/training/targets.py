"""Training targets: labels, FER+ votes as soft labels, or a mix with a teacher's probabilities."""

import numpy as np
from numpy.typing import NDArray

from mien.data import Dataset, ferplus
from mien.data.packed import faces_at
from mien.errors import MienError
from mien.training.distillation import clean_probabilities
from mien.training.recipes import Recipe


def targets(recipe: Recipe, dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Target probabilities (len(rows), C) float64 for the loss; None if the labels themselves are the targets.

    labels "fer+" uses the shares of FER+'s votes instead of the labels, "both" the mean of the two; where nobody voted
    for one of the seven emotions, the label is used. The probabilities of a teacher that sees the unaugmented image
    (the mean of several, joined by "+") are blended in with distillation_weight: calibrated, averaged over each face
    and its mirror image (Hinton et al. 2015). For a teacher that sees augmented images, see
    `distillation.make_teacher`. Raises MienError if the votes are missing or do not fit the data.
    """
    uses_clean_teacher = recipe.teacher and recipe.teacher_input == "clean"
    if recipe.labels == "own" and not uses_clean_teacher:
        return None
    probabilities = np.eye(len(dataset.classes))[dataset.labels[rows]]
    if recipe.labels != "own":
        share = 1.0 if recipe.labels == "fer+" else 0.5
        probabilities = probabilities + share * (_votes(dataset, rows, probabilities) - probabilities)
    if uses_clean_teacher:
        teacher_probabilities = clean_probabilities(recipe.teacher, faces_at(dataset.images, rows))
        probabilities = probabilities + recipe.distillation_weight * (teacher_probabilities - probabilities)
    return probabilities


def _votes(dataset: Dataset, rows: NDArray[np.int64], label_targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the votes on the faces at `rows` (M, 7); `own`, the labels, for faces without votes."""
    if len(dataset.classes) != len(ferplus.SEVEN):
        raise MienError(
            f"{dataset.source} has {len(dataset.classes)} classes; FER+ votes are on FER2013's seven",
            parameter="labels",
        )
    try:
        voted_rows, votes = ferplus.align(dataset, ferplus.find(dataset))
    except MienError as error:
        raise MienError(error.message, parameter="labels") from error
    share = np.zeros((len(dataset), len(ferplus.SEVEN)))
    share[voted_rows] = ferplus.shares(votes)
    share = share[rows]
    return np.where(share.sum(axis=1, keepdims=True) > 0, share, label_targets)
