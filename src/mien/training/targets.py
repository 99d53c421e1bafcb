"""What a network is to learn of its training faces: their labels, FER+'s votes on them, a teacher's opinion of them."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mien.data import Dataset, ferplus
from mien.errors import MienError
from mien.recognition.model import open_model
from mien.training.recipes import Recipe


def targets(r: Recipe, dataset: Dataset, rows: np.ndarray) -> np.ndarray | None:
    """Probabilities (len(rows), C) float64 that the loss compares with; None where the labels themselves will do.

    labels "fer+" takes the shares of FER+'s votes in place of the labels, "both" the mean of the two; where nobody voted
    for one of the seven emotions, the label stands. A teacher that sees the plain picture (several, joined by "+", are
    averaged) has its teacher_share in the result: calibrated, mean over each face and its mirror image (Hinton et al.
    2015). For one that sees each view, see `onlooker`. Raises MienError where there are no votes, or they do not fit.
    """
    once = r.teacher and r.teacher_sees == "picture"
    if r.labels == "own" and not once:
        return None
    found = np.eye(len(dataset.classes))[dataset.labels[rows]]
    if r.labels != "own":
        found = found + (1.0 if r.labels == "fer+" else 0.5) * (_votes(dataset, rows, found) - found)
    if once:
        found = found + r.teacher_share * (_taught(r.teacher, dataset.images[rows]) - found)
    return found


def onlooker(r: Recipe, threads: int = 1) -> Callable[[Tensor], Tensor] | None:
    """The teacher's calibrated opinion (N, C) of each batch (N, 1, H, W) float32 as the network gets it, augmented and
    blended (Beyer et al. 2022, "A good teacher is patient and consistent"); None where no teacher sees it."""
    if not r.teacher or r.teacher_sees != "view":
        return None
    teachers = [open_model(name, threads) for name in r.teacher.split("+")]
    side = teachers[0].input_size

    def opinion(x: Tensor) -> Tensor:
        if x.shape[-1] != side:
            x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
        faces = ((x * r.std + r.mean) * 255).round().clamp(0, 255).to(torch.uint8).squeeze(1).cpu().numpy()
        return torch.from_numpy(np.mean([t.classify(faces) for t in teachers], axis=0)).float().to(x.device)

    return opinion


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
