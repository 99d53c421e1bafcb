"""Knowledge distillation (Hinton et al. 2015): teachers, which are model files, and what they say of a batch."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mien.data import Dataset
from mien.data.packed import MappedFaces
from mien.errors import MienError
from mien.inference.model import Model, open_model
from mien.inference.model_file import trainable
from mien.training import networks
from mien.training.onnx_export import weights
from mien.training.pixels import to_input
from mien.training.recipes import RECIPES, Recipe

_FACES = 4096  # asked about together


def make_teacher(
    recipe: Recipe, threads: int = 1, device: torch.device | None = None, compiled: bool = False
) -> Callable[[Tensor], Tensor] | None:
    """A function to the teachers' calibrated probabilities (N, C) of each batch (N, 1, H, W) float32 as the network
    gets it, augmented and blended (Beyer et al. 2022, "A good teacher is patient and consistent"); None where no
    teacher sees it.

    On a GPU (device) a teacher whose file can be read back into torch, any but an int8 one or a cascade, runs there in
    bfloat16;
    compiled: by torch.compile.
    """
    if not recipe.teacher or recipe.teacher_input != "augmented":
        return None
    teachers = [open_model(name, threads) for name in recipe.teacher.split("+")]
    side = teachers[0].input_size
    answers = [
        teacher_in_torch(t, recipe.batch_size, device, compiled)
        if device is not None and device.type == "cuda" and network_in(t)
        else partial(_by_onnxruntime, t)
        for t in teachers
    ]

    def probabilities(x: Tensor) -> Tensor:
        if x.shape[-1] != side:
            x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
        pixels = ((x * recipe.std + recipe.mean) * 255).round().clamp(0, 255).to(torch.uint8).squeeze(1)
        return torch.stack([answer(pixels) for answer in answers]).mean(dim=0)

    return probabilities


def _by_onnxruntime(teacher: Model, pixels: Tensor) -> Tensor:
    """pixels (N, S, S) uint8 -> probabilities (N, C) float32, on the same device."""
    return torch.from_numpy(teacher.classify(pixels.cpu().numpy())).float().to(pixels.device)


def network_in(teacher: Model) -> str:
    """Which network a model file holds, for torch to build; "" where it cannot be read back: in int8, a cascade, or not
    known."""
    about = teacher.info.training
    known = RECIPES.get(about.get("recipe", ""))
    named = about.get("network") or (known.network if known else "")
    return named if trainable(teacher.info) else ""


def teacher_in_torch(
    teacher: Model, batch: int, device: torch.device, compiled: bool = False
) -> Callable[[Tensor], Tensor]:
    """The same by torch, in bfloat16: pixels (N, S, S) uint8 -> probabilities (N, C) float32. compiled: where N is
    `batch`.

    Raises MienError where the file does not fit the network of that name (`network_in`).
    """
    plain = networks.build(network_in(teacher), len(teacher.classes))
    try:
        lacking = plain.load_state_dict(weights(teacher.path), strict=False).missing_keys
    except RuntimeError:
        lacking = ["other shapes"]
    if any(not name.endswith("num_batches_tracked") for name in lacking):  # those alone are not in the file
        raise MienError(
            f"the teacher {teacher.path} is not of the network '{network_in(teacher)}' as this mien has it; train it "
            f"anew"
        )
    mean, std = float(teacher.info.mean or 0), float(teacher.info.std or 1)
    return opinion_of(plain, mean, std, teacher.temperature, batch, device, compiled)


def opinion_of(
    network: nn.Sequential,
    mean: float,
    std: float,
    temperature: float,
    batch: int,
    device: torch.device,
    compiled: bool = False,
) -> Callable[[Tensor], Tensor]:
    """A trained network as a teacher in bfloat16: normalized pixels (N, S, S) uint8 -> probabilities (N, C) float32.

    Its batch norms are folded. mean, std: of pixels in 0..1, as in its training. compiled: where N is `batch`.
    """
    plain = fold_batch_norms(network.eval())
    plain = plain.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast = torch.compile(plain) if compiled else plain

    @torch.no_grad()
    def answer(pixels: Tensor) -> Tensor:
        # Without the file's input normalization: what a network trains on is normalized already.
        x = to_input(pixels, mean, std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            z = (fast if len(x) == batch else plain)(x)
        result: Tensor = (z.float() / temperature).softmax(dim=1)
        return result

    return answer


def fold_batch_norms(model: nn.Sequential) -> nn.Sequential:
    """Take a network's batch norms into the convolutions before them, in place, for evaluation alone."""
    for layers in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for i, (first, second) in enumerate(zip(list(layers), list(layers)[1:], strict=False)):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                layers[i], layers[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return model


def fits(teacher: str, dataset: Dataset) -> bool:
    """Whether a teacher knows the data set's classes. Raises MienError for one that is not there."""
    return all(open_model(name).classes == tuple(dataset.classes) for name in teacher.split("+"))


def clean_probabilities(teacher: str, faces: NDArray[np.uint8] | MappedFaces) -> NDArray[np.float64]:
    """Calibrated probabilities (N, C) of plain faces (N, 48, 48): the mean over teachers, each face and its mirror
    image."""
    models = [open_model(name) for name in teacher.split("+")]
    return np.concatenate([
        np.mean([model.classify(faces[start : start + _FACES], flip=True) for model in models], axis=0)
        for start in range(0, max(len(faces), 1), _FACES)
    ])  # fmt: skip
