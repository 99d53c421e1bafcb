"""What a network is to learn of its training faces: their labels, FER+'s votes on them, a teacher's opinion of them."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mien.data import Dataset, ferplus
from mien.errors import MienError
from mien.inference.model import Model, open_model
from mien.inference.model_file import trainable
from mien.training import networks
from mien.training.onnx_export import weights
from mien.training.predict import normalise
from mien.training.recipes import RECIPES, Recipe


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


def onlooker(
    r: Recipe, threads: int = 1, device: torch.device | None = None, compiled: bool = False
) -> Callable[[Tensor], Tensor] | None:
    """The teacher's calibrated opinion (N, C) of each batch (N, 1, H, W) float32 as the network gets it, augmented and
    blended (Beyer et al. 2022, "A good teacher is patient and consistent"); None where no teacher sees it.

    On a GPU (device) a teacher whose file can be read back into torch, any but an int8 one or a cascade, runs there in bfloat16;
    compiled: by torch.compile.
    """
    if not r.teacher or r.teacher_sees != "view":
        return None
    teachers = [open_model(name, threads) for name in r.teacher.split("+")]
    side = teachers[0].input_size
    judges = [
        by_torch(t, r.batch_size, device, compiled)
        if device is not None and device.type == "cuda" and network_in(t)
        else partial(_by_onnxruntime, t)
        for t in teachers
    ]

    def opinion(x: Tensor) -> Tensor:
        if x.shape[-1] != side:
            x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
        pixels = ((x * r.std + r.mean) * 255).round().clamp(0, 255).to(torch.uint8).squeeze(1)
        return torch.stack([judge(pixels) for judge in judges]).mean(dim=0)

    return opinion


def _by_onnxruntime(teacher: Model, pixels: Tensor) -> Tensor:
    """pixels (N, S, S) uint8 -> probabilities (N, C) float32, on the same device."""
    return torch.from_numpy(teacher.classify(pixels.cpu().numpy())).float().to(pixels.device)


def network_in(teacher: Model) -> str:
    """Which network a model file holds, for torch to build; "" where it cannot be read back: in int8, a cascade, or not known."""
    about = teacher.info.training
    known = RECIPES.get(about.get("recipe", ""))
    named = about.get("network") or (known.network if known else "")
    return named if trainable(teacher.info) else ""


def by_torch(teacher: Model, batch: int, device: torch.device, compiled: bool = False) -> Callable[[Tensor], Tensor]:
    """The same by torch, in bfloat16: pixels (N, S, S) uint8 -> probabilities (N, C) float32. compiled: where N is `batch`.

    Raises MienError where the file does not fit the network of that name (`network_in`).
    """
    plain = networks.build(network_in(teacher), len(teacher.classes))
    try:
        lacking = plain.load_state_dict(weights(teacher.path), strict=False).missing_keys
    except RuntimeError:
        lacking = ["other shapes"]
    if any(not name.endswith("num_batches_tracked") for name in lacking):  # those alone are not in the file
        raise MienError(
            f"the teacher {teacher.path} is not of the network '{network_in(teacher)}' as this mien has it; train it anew"
        )
    plain = plain.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    fast = torch.compile(plain) if compiled else plain
    mean, std = float(teacher.info.mean or 0), float(teacher.info.std or 1)

    @torch.no_grad()
    def judge(pixels: Tensor) -> Tensor:
        x = normalise(pixels, mean, std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            z = (fast if len(x) == batch else plain)(x)
        return (z.float() / teacher.temperature).softmax(dim=1)

    return judge


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
