"""Stored views: teacher predictions for fixed augmented views of each training image, computed once before training.

A view follows from its random draws (seed, view number, row), so the file stores no pixels: only seeds, augmentation
and the teachers' mean probabilities. Training on stored views runs no teacher, however many epochs it takes (Shen &
Xing 2022, "A fast knowledge distillation framework for visual recognition").
"""

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.data.packed import MappedFaces
from mien.errors import MienError
from mien.files import atomic_write
from mien.inference.model import Model, open_model
from mien.inference.normalization import normalize_input
from mien.training.augment import augment, draw
from mien.training.distillation import network_in, teacher_in_torch
from mien.training.pixels import to_input
from mien.training.recipes import Augmentation, Recipe
from mien.training.seeds import generator

FORMAT = 2  # format 1 had one seed, as "seed"
_BATCH = 512  # views per teacher batch
_BATCH_ON_DEVICE = 4096


@dataclass(frozen=True)
class StoredViews:
    """Teacher predictions for V views of each of N training images, in C classes.

    probabilities: (N, V, C) float16, the teachers' calibrated mean, averaged with the mirror image's if `mirrored`.
    augmentation, seeds: how the views are made, V / len(seeds) views per seed. images: digest of the training images,
    uint8, in order. teachers: their names.
    """

    probabilities: NDArray[np.float16]
    augmentation: Augmentation
    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    images: str
    teachers: tuple[str, ...]
    mirrored: bool

    def draws(self) -> Tensor:
        """The random draws of all views: (V, N, NUMBERS) float32, as `augment` takes them."""
        n, views, _ = self.probabilities.shape
        of_each = range(views // len(self.seeds))
        return torch.stack([draw(n, seed, view) for seed in self.seeds for view in of_each])

    def pick(self, seed: int, epoch: int) -> Tensor:
        """The view used for each image in an epoch: (N,) int64, a function of seed and epoch."""
        n, views, _ = self.probabilities.shape
        return torch.randint(views, (n,), generator=generator(seed, epoch, 2))

    def turn(self, seed: int, epoch: int) -> Tensor:
        """Which images are mirrored in an epoch: (N,) bool, a function of seed and epoch. Half of them if the teachers
        saw the mirror images too, which share the target: that doubles the number of views."""
        n = len(self.probabilities)
        return (torch.rand(n, generator=generator(seed, epoch, 3)) < 0.5) & self.mirrored

    def about(self) -> dict[str, Any]:
        """A summary for a run's record."""
        return {"views": self.probabilities.shape[1], "seeds": list(self.seeds), "teachers": list(self.teachers),
                "mirrored": self.mirrored, "digest": self.digest}  # fmt: skip

    @property
    def digest(self) -> str:
        """Digest of the views' description and the probabilities, 16 hex digits."""
        return hashlib.sha256(self._about().encode() + self.probabilities.tobytes()).hexdigest()[:16]

    def _about(self) -> str:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "probabilities"}
        return json.dumps({"format": FORMAT, **fields, "augmentation": dataclasses.asdict(self.augmentation)})

    def save(self, path: Path) -> None:
        """Write the file (.npz), atomically."""
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, probabilities=self.probabilities, about=np.array(self._about()))


def load_views(path: Path) -> StoredViews:
    """Read a file of `mien distill-views`. Raises MienError if it is missing, damaged, of another kind or of a newer
    format."""
    if not path.is_file():
        raise MienError(f"{path} does not exist; create it with mien distill-views", parameter="stored_views")
    try:
        with np.load(path, allow_pickle=False) as file:
            about, probabilities = json.loads(str(file["about"])), file["probabilities"]
        if (format := about.pop("format")) not in (1, FORMAT):
            raise MienError(f"{path} has a newer format; update mien", parameter="stored_views")
        seeds = tuple(about.pop("seeds")) if format == FORMAT else (about.pop("seed"),)
        augmentation = Augmentation(**about.pop("augmentation"))
        classes, teachers = tuple(about.pop("classes")), tuple(about.pop("teachers"))
        views = StoredViews(probabilities, augmentation, seeds=seeds, classes=classes, teachers=teachers, **about)
        valid = probabilities.ndim == 3 and probabilities.shape[2] == len(classes) and probabilities.dtype == np.float16
        if not valid or not seeds or probabilities.shape[1] % len(seeds) or not np.isfinite(probabilities).all():
            raise ValueError("its probabilities are invalid")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise MienError(f"{path} contains no stored views ({error}); create it with mien distill-views",
                        parameter="stored_views") from error  # fmt: skip
    return views


def join_views(parts: Sequence[StoredViews]) -> StoredViews:
    """Join views made with different seeds. Raises MienError if images, teachers or augmentation differ, a seed occurs
    twice, or the numbers of views per seed differ."""
    first, *others = parts
    counts = {part.probabilities.shape[1] // len(part.seeds) for part in parts}
    seeds = tuple(seed for part in parts for seed in part.seeds)
    for part in others:
        if dataclasses.replace(part, probabilities=first.probabilities, seeds=first.seeds) != first:
            raise MienError("stored views of other images, teachers or augmentation cannot be joined")
    if len(counts) > 1 or len(set(seeds)) < len(seeds):
        raise MienError(f"stored views to be joined need seeds that differ and as many views of each; they have "
                        f"{', '.join(map(str, seeds))} and {' and '.join(map(str, sorted(counts)))} views")  # fmt: skip
    return dataclasses.replace(first, probabilities=np.concatenate([p.probabilities for p in parts], axis=1),
                               seeds=seeds)  # fmt: skip


def digest_of(images: NDArray[np.uint8] | MappedFaces) -> str:
    """Digest of training images (N, S, S) uint8, in order."""
    digest = hashlib.sha256()
    for start in range(0, len(images), 4096):
        digest.update(np.ascontiguousarray(images[start : start + 4096]).data)
    return digest.hexdigest()[:32]


def check_views(
    views: StoredViews, recipe: Recipe, classes: Sequence[str], images: NDArray[np.uint8] | MappedFaces
) -> None:
    """Raise MienError if a recipe cannot train on these views of these training images."""
    if recipe.teacher:
        raise MienError(
            f"stored views speak for their own teachers ({', '.join(views.teachers)}) and {recipe.teacher} cannot be "
            f"asked too; leave {{parameter}} out",
            parameter="teacher",
        )
    if views.classes != tuple(classes):
        raise MienError(
            f"the stored views are of the classes {', '.join(views.classes)}, the data of {', '.join(classes)}",
            parameter="stored_views",
        )
    if views.images != digest_of(images):
        raise MienError(
            "the stored views are of other training images; make them anew with the data, split, fold, fraction and "
            "input normalization of this training",
            parameter="stored_views",
        )
    ours, theirs = dataclasses.asdict(recipe.augmentation), dataclasses.asdict(views.augmentation)
    for name, value in theirs.items():
        if ours[name] != value:
            raise MienError(
                f"the stored views were made with {name} = {value}, but the recipe has {ours[name]}; use the same "
                f"{{parameter}} for both",
                parameter=name,
            )


Answer = Callable[[NDArray[np.uint8]], NDArray[Any]]  # faces (M, S, S) -> probabilities (M, C)


def distill_views(
    models: Sequence[str],
    images: NDArray[np.uint8] | MappedFaces,
    recipe: Recipe,
    classes: Sequence[str],
    *,
    views: int = 16,
    seed: int = 1,
    mirror: bool = False,
    threads: int = 1,
    device: torch.device | None = None,
    on_step: Callable[[int], None] = lambda count: None,
) -> StoredViews:
    """Compute the teachers' predictions for `views` augmented views of each training image.

    models: model files. images: (N, S, S) uint8, with the recipe's input normalization applied. recipe: its
    augmentation makes the views; its mean and std scale the pixels. mirror: average with the predictions for each
    view's mirror image. device: a GPU, on which float teachers run in bfloat16. on_step: called with the number of
    views just finished. Raises MienError for a teacher that does not exist or has other classes.
    """
    teachers = [open_model(name, threads) for name in models]
    for name, teacher in zip(models, teachers, strict=True):
        if tuple(teacher.classes) != tuple(classes):
            raise MienError(f"the teacher {name} knows the classes {', '.join(teacher.classes)}, the data have "
                            f"{', '.join(classes)}", parameter="model")  # fmt: skip
    answers = {name: _answer(teacher, mirror, device) for name, teacher in zip(models, teachers, strict=True)}
    result = ask(answers.values(), images, recipe, len(classes), views, seed, device=device, on_step=on_step)
    about = (recipe.augmentation, (seed,), tuple(classes), digest_of(images), tuple(map(str, models)), mirror)
    return StoredViews(result, *about)


def ask(
    answers: Collection[Answer],
    images: NDArray[np.uint8] | MappedFaces,
    recipe: Recipe,
    classes: int,
    views: int,
    seed: int,
    *,
    device: torch.device | None = None,
    on_step: Callable[[int], None] = lambda count: None,
) -> NDArray[np.float16]:
    """Mean teacher probabilities of augmented views, (N, views, classes); see `distill_views`. Views are made on the
    device."""
    n = len(images)
    result = np.empty((n, views, classes), np.float16)
    for view in range(views):
        draws = draw(n, seed, view)
        for rows, pixels in _augmented(images, recipe, draws, device or torch.device("cpu")):
            result[rows, view] = np.mean([answer(pixels) for answer in answers], axis=0)
            on_step(rows.stop - rows.start)
    return result


def _answer(teacher: Model, mirror: bool, device: torch.device | None) -> Answer:
    if device is None or not network_in(teacher):
        return lambda pixels: teacher.classify(pixels, flip=mirror)
    opinion = teacher_in_torch(teacher, _BATCH_ON_DEVICE, device)
    return on_device(opinion, teacher.info.input_normalization, mirror, device)


def on_device(opinion: Callable[[Tensor], Tensor], kind: str, mirror: bool, device: torch.device) -> Answer:
    """Wrap a torch teacher, which takes normalized pixels, as one that takes raw pixels. kind: its input normalization.
    mirror: average with the mirror image's probabilities."""

    def answer(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        x = torch.from_numpy(normalize_input(pixels, kind)).to(device)
        probabilities = (opinion(x) + opinion(x.flip(-1))) / 2 if mirror else opinion(x)
        result: NDArray[Any] = probabilities.cpu().numpy()
        return result

    return answer


def _augmented(
    images: NDArray[np.uint8] | MappedFaces, recipe: Recipe, draws: Tensor, device: torch.device
) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """The augmented views as uint8, batch by batch: slices of the rows and pixels (M, S, S)."""
    batch = _BATCH if device.type == "cpu" else _BATCH_ON_DEVICE
    for start in range(0, len(images), batch):
        rows = slice(start, min(start + batch, len(images)))
        faces = torch.from_numpy(images[rows]).to(device)
        x = augment(to_input(faces, recipe.mean, recipe.std), recipe.augmentation, draws[rows])
        pixels = ((x * recipe.std + recipe.mean) * 255).round().clamp(0, 255).to(torch.uint8).squeeze(1)
        yield rows, pixels.cpu().numpy()
