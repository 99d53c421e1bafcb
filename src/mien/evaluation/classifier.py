"""A trained classifier behind one face: a run folder, a model file, a shipped model, or several of them averaged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.data import Dataset, load, split, split_file
from mien.data.packed import MappedFaces
from mien.data.splits import Split
from mien.errors import MienError, require
from mien.evaluation.tta import predict_with_tta
from mien.inference.model import Ensemble, Model, open_model
from mien.inference.normalization import KINDS


class Trained(Protocol):
    """A finished run, as training returns it."""

    @property
    def model_file(self) -> Path:
        """Its trained model."""


# A trained model: a shipped one's name, a run folder, a model file, what mien.load_model or mien.train returned.
Source: TypeAlias = str | Path | Model | Trained
Sources: TypeAlias = Source | Sequence[Source]


@dataclass(frozen=True)
class Classifier:
    """One or more models with the same classes.

    training: what each model file says of its training. fingerprint: of the data set they were trained on, "" where
    that is unknown or not one and the same.
    """

    name: str
    classes: tuple[str, ...]
    members: tuple[Model, ...]
    training: tuple[Mapping[str, Any], ...]
    fingerprint: str

    def probabilities(
        self,
        faces: NDArray[np.uint8] | MappedFaces,
        tta: str = "single",
        on_progress: Callable[[int], None] = lambda faces: None,
    ) -> NDArray[np.float64]:
        """Faces (N, S, S) uint8 to probabilities (N, C): the mean over models and views, at temperature 1.

        on_progress gets the number of faces classified since its last call, each view of each model counted.
        """
        result: NDArray[np.float64] = np.mean(
            [predict_with_tta(member.logits, faces, tta, on_progress=on_progress) for member in self.members], axis=0
        )
        return result

    def as_trained(self, dataset: Dataset) -> tuple[Dataset, NDArray[np.int64]]:
        """The data set as the training had it, and its rows (M,) int64 in the one that is given: where a split file
        lies beside the model file, and makes it the data that the model was trained on, by that file; else as it is.

        Raises MienError where the split file is damaged.
        """
        whole = np.arange(len(dataset))
        if not self.fingerprint or dataset.fingerprint == self.fingerprint:
            return dataset, whole
        for path in {member.path.parent / split_file.NAME for member in self.members}:
            if path.is_file() and split_file.length(path) == len(dataset):
                chosen, rows = split_file.split_rows(dataset, path)
                if chosen.fingerprint == self.fingerprint:
                    return chosen, rows
        return dataset, whole

    def split(self, dataset: Dataset) -> Split:
        """The data set split as the first model's training split it. Raises MienError where it cannot be split so."""
        trained = self.training[0]
        duplicates = trained.get("duplicates", trained.get("copies", "warn"))  # "copies" until format 2
        if duplicates == "warn":  # training has warned; an evaluation gives the figures without copies
            duplicates = "ignore"
        return split(dataset, trained.get("split", "official"), fold=trained.get("fold", 0), duplicates=duplicates)


def open_classifier(source: Sources, threads: int = 1, input_normalization: str = "") -> Classifier:
    """The classifier of a trained model; of several, their average.

    threads: of each model. input_normalization: in place of the one that the files name (a key of KINDS). Raises
    MienError where one is none of these, or their classes differ.
    """
    several = source if isinstance(source, Sequence) and not isinstance(source, str) else [source]
    require(len(several) > 0, "model", source, "one model or more")
    models = [_opened(one, threads) for one in several]
    if input_normalization:
        require(input_normalization in KINDS, "input_normalization", input_normalization, f"one of {', '.join(KINDS)}")
        models = [replace(m, info=replace(m.info, input_normalization=input_normalization)) for m in models]
    ensemble = Ensemble(models)
    training = tuple(member.info.training for member in ensemble.members)
    fingerprints = {member.info.fingerprint for member in ensemble.members}
    fingerprint = fingerprints.pop() if len(fingerprints) == 1 else ""
    return Classifier(ensemble.name, ensemble.classes, ensemble.members, training, fingerprint)


def _opened(source: Source, threads: int) -> Model:
    if isinstance(source, Model):
        return source
    if not isinstance(source, str | Path) and not hasattr(source, "model_file"):
        raise MienError(
            f"{{parameter}} is a {type(source).__name__}; it should be a shipped model's name, a run, a model file, or "
            f"what load_model returned",
            parameter="model",
        )
    return open_model(source if isinstance(source, str | Path) else source.model_file, threads)


def open_dataset(dataset: Dataset | str | Path) -> Dataset:
    """A data set, or the one at a path. Raises MienError for anything else, and where it cannot be read."""
    if isinstance(dataset, Dataset):
        return dataset
    if not isinstance(dataset, str | Path):
        raise MienError(
            f"{{parameter}} is a {type(dataset).__name__}; it should be what load_dataset returned, or a path",
            parameter="dataset",
        )
    return load(dataset)


def typed(source: object, name: str) -> str:
    """How a model is called where it was typed: as typed, with its own name behind it where that is another one."""
    if not isinstance(source, str | Path):
        return name
    path = Path(source)
    return str(source) if name in (*path.parts, path.stem) else f"{source} ({name})"


def refuse_repeated(sources: Sequence[str | Path]) -> None:
    """Raise MienError where a model or run is named twice, which would count it twice."""
    places = [Path(source).resolve() for source in sources]
    for source, place in zip(sources, places, strict=True):
        if places.count(place) > 1:
            raise MienError(f"{source} is named twice; give each model once", parameter="source")
