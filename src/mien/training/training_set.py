"""Training data of a run: the recipe adapted to the data set, its split, and normalized faces."""

import dataclasses
import warnings

import numpy as np
from numpy.typing import NDArray

from mien.data import Dataset, split
from mien.data.packed import MappedFaces, faces_at
from mien.data.splits import Split, split_name, take_fraction
from mien.errors import MienError, MienWarning
from mien.inference.normalization import normalize_input
from mien.training.distillation import fits
from mien.training.mapped_faces import NormalizedFaces
from mien.training.recipes import Recipe
from mien.training.state import FaceSet


def select(recipe: Recipe, dataset: Dataset, seed: int) -> tuple[Recipe, Split, NDArray[np.int64]]:
    """The recipe adapted to this data set (`adapt_recipe`), its split, and the training rows (N,) int64.

    Raises MienError if the split leaves nothing to train or to validate on.
    """
    recipe = adapt_recipe(recipe, dataset)
    parts = _parts(recipe, dataset)
    return recipe, parts, take_fraction(parts.train, dataset.labels, recipe.train_fraction, seed)


def training_set(recipe: Recipe, dataset: Dataset, seed: int) -> FaceSet:
    """The training images of this recipe and seed, in order."""
    recipe, _, rows = select(recipe, dataset, seed)
    return face_set(recipe, dataset, rows)


def face_set(
    recipe: Recipe, dataset: Dataset, rows: NDArray[np.int64], soft: NDArray[np.float64] | None = None
) -> FaceSet:
    """The faces at `rows`, with the recipe's input normalization. soft: their targets, (len(rows), C)."""
    images, kind = faces_at(dataset.images, rows), recipe.input_normalization
    normalized = NormalizedFaces(images, kind) if isinstance(images, MappedFaces) else normalize_input(images, kind)
    return FaceSet(normalized, dataset.labels[rows], soft)


def adapt_recipe(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe adapted to this data set, with a warning for each change.

    Without labeled PublicTest faces there is no official split, so the study's (70/15/15 by class) is used. A teacher
    with other classes is left out. Raises MienError for a teacher that does not exist.
    """
    if recipe.split == "official" and split_name(dataset) != "official":
        warnings.warn(
            MienWarning(
                f"{dataset.source} has no labeled PublicTest faces to validate on; splitting it 70/15/15 by class "
                "instead ({parameter} study)", parameter="split",
            ), stacklevel=2,
        )  # fmt: skip
        recipe = dataclasses.replace(recipe, split="study")
    if recipe.teacher and not fits(recipe.teacher, dataset):
        warnings.warn(
            f"the teacher '{recipe.teacher}' has other classes than {dataset.source}; training without it",
            MienWarning, stacklevel=2,
        )  # fmt: skip
        recipe = dataclasses.replace(recipe, teacher="")
    return recipe


def _parts(recipe: Recipe, dataset: Dataset) -> Split:
    parts = split(dataset, recipe.split, fold=recipe.fold, duplicates=recipe.duplicates)
    if len(parts.train) == 0 or len(parts.validation) == 0:
        raise MienError(
            f"{dataset.source}: the split '{recipe.split}' leaves {len(parts.train)} images to train on and "
            f"{len(parts.validation)} to validate on; try study as {{parameter}}",
            parameter="split",
        )
    return parts
