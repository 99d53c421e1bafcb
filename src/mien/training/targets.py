"""What a network is to learn of its training faces: their labels, FER+'s votes on them, a teacher's opinion of them."""

import numpy as np

from mien.data import Dataset, ferplus
from mien.errors import MienError
from mien.recognition.model import open_model
from mien.training.recipes import Recipe


def targets(r: Recipe, dataset: Dataset, rows: np.ndarray) -> np.ndarray | None:
    """Probabilities (len(rows), C) float64 that the loss compares with; None where the labels themselves will do.

    labels "fer+" takes the shares of FER+'s votes in place of the labels, "both" the mean of the two; where nobody voted
    for one of the seven emotions, the label stands. A teacher (several, joined by "+", are averaged) has its
    teacher_share in the result: calibrated, mean over each face and its mirror image (Hinton et al. 2015; the teacher
    sees the plain picture, the network an augmented one). Raises MienError where there are no votes, or they do not fit.
    """
    if r.labels == "own" and not r.teacher:
        return None
    found = np.eye(len(dataset.classes))[dataset.labels[rows]]
    if r.labels != "own":
        found = found + (1.0 if r.labels == "fer+" else 0.5) * (_votes(dataset, rows, found) - found)
    if r.teacher:
        found = found + r.teacher_share * (_taught(r.teacher, dataset.images[rows]) - found)
    return found


def fits(teacher: str, dataset: Dataset) -> bool:
    """Whether a teacher knows the data set's classes. Raises MienError for one that is not there."""
    return all(open_model(name).classes == tuple(dataset.classes) for name in teacher.split("+"))


def _taught(teacher: str, faces: np.ndarray) -> np.ndarray:
    return np.mean([open_model(name).classify(faces, flip=True) for name in teacher.split("+")], axis=0)


def _votes(dataset: Dataset, rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Shares of the votes on the faces at `rows` (M, 7); `own` where there are none."""
    if len(dataset.classes) != len(ferplus.SEVEN):
        raise MienError(f"{dataset.source} has {len(dataset.classes)} classes; FER+ votes are on FER2013's seven")
    known, votes = ferplus.align(dataset, ferplus.find(dataset))
    share = np.zeros((len(dataset), len(ferplus.SEVEN)))
    share[known] = ferplus.shares(votes)
    share = share[rows]
    return np.where(share.sum(axis=1, keepdims=True) > 0, share, own)
