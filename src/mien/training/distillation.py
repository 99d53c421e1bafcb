"""Knowledge distillation (Hinton et al. 2015): the predictions of teachers, which are model files."""

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

_FACES = 4096  # faces per batch


def make_teacher(
    recipe: Recipe, threads: int = 1, device: torch.device | None = None, compiled: bool = False
) -> Callable[[Tensor], Tensor] | None:
    """A function from batches (N, 1, H, W) float32, augmented and blended as the network receives them, to the
    teachers' mean calibrated probabilities (N, C) (Beyer et al. 2022, "A good teacher is patient and consistent"). None
    if the recipe has no teacher that sees augmented images.

    device: on a GPU, a teacher that can be loaded into torch (not int8, not a cascade) runs there in bfloat16;
    compiled: with torch.compile.
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
    """Teacher in onnxruntime: pixels (N, S, S) uint8 -> probabilities (N, C) float32, on the device of pixels."""
    return torch.from_numpy(teacher.classify(pixels.cpu().numpy())).float().to(pixels.device)


def network_in(teacher: Model) -> str:
    """Name of the network in a model file, for torch to build; "" if it cannot be loaded: int8, a cascade, or
    unknown."""
    training_info = teacher.info.training
    recipe = RECIPES.get(training_info.get("recipe", ""))
    network = training_info.get("network") or (recipe.network if recipe else "")
    return network if trainable(teacher.info) else ""


def teacher_in_torch(
    teacher: Model, batch: int, device: torch.device, compiled: bool = False
) -> Callable[[Tensor], Tensor]:
    """A teacher in torch, in bfloat16: pixels (N, S, S) uint8 -> probabilities (N, C) float32. compiled: torch.compile
    for batches of N == batch.

    Raises MienError if the file does not fit the network of that name (`network_in`).
    """
    plain = networks.build(network_in(teacher), len(teacher.classes))
    try:
        missing = plain.load_state_dict(weights(teacher.path), strict=False).missing_keys
    except RuntimeError:
        missing = ["other shapes"]
    if any(not name.endswith("num_batches_tracked") for name in missing):  # model files do not hold these
        raise MienError(
            f"the teacher {teacher.path} is not of the network '{network_in(teacher)}' in this version of mien; "
            f"train it again"
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

    Folds the network's batch norms. mean, std: of pixels in 0..1, as in training. compiled: torch.compile for batches
    of N == batch.
    """
    plain = fold_batch_norms(network.eval())
    plain = plain.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast = torch.compile(plain) if compiled else plain

    @torch.no_grad()
    def teacher_probabilities(pixels: Tensor) -> Tensor:
        # The faces a network trains on already have the input normalization.
        x = to_input(pixels, mean, std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            z = (fast if len(x) == batch else plain)(x)
        result: Tensor = (z.float() / temperature).softmax(dim=1)
        return result

    return teacher_probabilities


def fold_batch_norms(model: nn.Sequential) -> nn.Sequential:
    """Fold a network's batch norms into the convolutions before them, in place; for evaluation only."""
    for layers in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for i, (first, second) in enumerate(zip(list(layers), list(layers)[1:], strict=False)):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                layers[i], layers[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return model


def fits(teacher: str, dataset: Dataset) -> bool:
    """Whether the teachers have the data set's classes. Raises MienError for a teacher that does not exist."""
    return all(open_model(name).classes == tuple(dataset.classes) for name in teacher.split("+"))


def clean_probabilities(teacher: str, faces: NDArray[np.uint8] | MappedFaces) -> NDArray[np.float64]:
    """Calibrated probabilities (N, C) of unaugmented faces (N, 48, 48) uint8: the mean over teachers and over each face
    and its mirror image."""
    models = [open_model(name) for name in teacher.split("+")]
    return np.concatenate([
        np.mean([model.classify(faces[start : start + _FACES], flip=True) for model in models], axis=0)
        for start in range(0, max(len(faces), 1), _FACES)
    ])  # fmt: skip
