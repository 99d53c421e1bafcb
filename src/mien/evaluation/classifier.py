"""One interface for trained classifiers: a run folder, a model file, a shipped model, or an average of several."""

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
        """Path of its trained model."""


# A trained model: a shipped one's name, a run folder, a model file, what mien.load_model or mien.train returned.
Source: TypeAlias = str | Path | Model | Trained
Sources: TypeAlias = Source | Sequence[Source]


@dataclass(frozen=True)
class Classifier:
    """One or more models with the same classes.

    training: the training metadata of each model file. fingerprint: of the data set they were trained on, "" if it is
    unknown or differs.
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
        """Faces (N, S, S) uint8 -> probabilities (N, C): the mean over models and views, at temperature 1.

        on_progress: called with the number of faces classified since the last call, counting each view of each model.
        """
        result: NDArray[np.float64] = np.mean(
            [predict_with_tta(member.logits, faces, tta, on_progress=on_progress) for member in self.members], axis=0
        )
        return result

    def as_trained(self, dataset: Dataset) -> tuple[Dataset, NDArray[np.int64]]:
        """The data set as used in training, and its rows (M,) int64 in the given one: if a split file beside the model
        file turns the given data into the training data, it is applied; otherwise the data set is returned unchanged.

        Raises MienError if the split file is damaged.
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
        """Split a data set like the first model's training did. Raises MienError if that is not possible."""
        trained = self.training[0]
        duplicates = trained.get("duplicates", trained.get("copies", "warn"))  # "copies" until format 2
        if duplicates == "warn":  # training has already warned; evaluation also reports results without copies
            duplicates = "ignore"
        return split(dataset, trained.get("split", "official"), fold=trained.get("fold", 0), duplicates=duplicates)


def open_classifier(source: Sources, threads: int = 1, input_normalization: str = "") -> Classifier:
    """Open a trained model, or the average of several.

    threads: per model. input_normalization: overrides the files' (a key of KINDS). Raises MienError if a source is not
    a model, or classes differ.
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
    """A data set, or the one at a path. Raises MienError for anything else, and if it cannot be read."""
    if isinstance(dataset, Dataset):
        return dataset
    if not isinstance(dataset, str | Path):
        raise MienError(
            f"{{parameter}} is a {type(dataset).__name__}; it should be what load_dataset returned, or a path",
            parameter="dataset",
        )
    return load(dataset)


def typed(source: object, name: str) -> str:
    """Display name of a model given on the command line: as typed, followed by its own name if that differs."""
    if not isinstance(source, str | Path):
        return name
    path = Path(source)
    return str(source) if name in (*path.parts, path.stem) else f"{source} ({name})"


def refuse_repeated(sources: Sequence[str | Path]) -> None:
    """Raise MienError if a model or run is given twice, because it would count twice."""
    places = [Path(source).resolve() for source in sources]
    for source, place in zip(sources, places, strict=True):
        if places.count(place) > 1:
            raise MienError(f"{source} is given twice; give each model once", parameter="source")
