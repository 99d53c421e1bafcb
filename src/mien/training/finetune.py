"""Fine-tuning a trained network on a small data set, with cross-validated accuracy."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data import Dataset, split
from mien.errors import MienError, MienWarning
from mien.evaluation import metrics
from mien.evaluation.classifier import open_classifier
from mien.evaluation.evaluate import model_labels
from mien.evaluation.metrics import Evaluation
from mien.files import write_json
from mien.inference.model import softmax
from mien.inference.normalization import normalize_input
from mien.training import predict
from mien.training.finetune_plan import FinetunePlan
from mien.training.pretrained import load_pretrained
from mien.training.run import Run, launch, load_run, train
from mien.training.runtime import Runtime, best_precision
from mien.training.state import Callback, FaceSet
from mien.training.targets import targets
from mien.training.trainer import Trainer

FOLDS = 5
RECORD = "finetuning.json"  # in the run folder: accuracy and how it was measured


@dataclass(frozen=True)
class FinetuneResult:
    """A fine-tuned network and its accuracy.

    run: the run, whose model file reads faces. evaluation: accuracy with its 95 % interval, recall and confusion.
    measured: which faces it was measured on, as text. before: accuracy of the original model on the same faces,
    restricted to their classes; None if it lacks one of them. last_layer: which rows of the last layer were reused.
    """

    run: Run
    evaluation: Evaluation
    measured: str
    before: float | None
    last_layer: str

    def __repr__(self) -> str:
        return f"FinetuneResult({self})"

    def __str__(self) -> str:
        low, high = self.evaluation.accuracy_interval
        return f"{self.run.folder}: accuracy {self.evaluation.accuracy:.1%} ({low:.1%} to {high:.1%}), {self.measured}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(score.name)}</td><td>{score.support:,}</td><td>{score.recall:.1%}</td></tr>"
            for score in self.evaluation.per_class
        )
        return f"<p>{escape(str(self))}</p><table><tr><th></th><th>faces</th><th>recall</th></tr>{rows}</table>"


def finetune(
    plan: FinetunePlan,
    dataset: Dataset,
    folder: Path,
    model: str,
    *,
    seed: int = 1,
    runtime: Runtime | None = None,
    track: str = "none",
    callbacks: Sequence[Callback] = (),
    on_phase: Callable[[str], None] = lambda phase: None,
) -> FinetuneResult:
    """Train into a run folder as planned, and evaluate: on the data set's own parts, or by five-fold cross-validation.

    With cross-validation the run is the first fold: it trains on four fifths of the faces, and each face is judged by
    the one of five networks that did not train on it, with exact copies in the same fold. Raises MienError if the
    folder holds a run, and for whatever `train` refuses.
    """
    runtime = runtime or Runtime()
    recipe = plan.recipe
    pretrained = load_pretrained(model, recipe, dataset.classes, seed)
    run = train(
        recipe, dataset, folder, seed=seed, runtime=runtime, track=track, pretrained=model,
        callbacks=callbacks, on_phase=on_phase,
    )  # fmt: skip
    run = run or load_run(folder)
    if plan.cross_validated:
        probabilities, rows = _cross_validate(run, dataset, model, seed, runtime, on_phase)
        evaluation = metrics.evaluate(probabilities, dataset.labels[rows], dataset.classes)
        measured = f"cross-validated: each of {len(rows):,} faces evaluated with a network that was not trained on it"
    else:
        parts = run.split(dataset)
        name = "test" if (dataset.labels[parts.test] >= 0).any() else "validation"
        rows = getattr(parts, name)
        rows = rows[dataset.labels[rows] >= 0]
        probabilities = open_classifier(run.model_file).probabilities(dataset.images[rows])
        evaluation = metrics.evaluate(probabilities, dataset.labels[rows], dataset.classes)
        measured = f"on the {len(rows):,} faces of the {name} part, which it did not train on"
    before = _accuracy_before(model, dataset, rows)
    write_json(folder / RECORD, {"measured": measured, "before": before, "model": model, **evaluation.to_dict()})
    return FinetuneResult(run, evaluation, measured, before, pretrained.decision)


def _cross_validate(
    run: Run,
    dataset: Dataset,
    model: str,
    seed: int,
    runtime: Runtime,
    on_phase: Callable[[str], None],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Out-of-fold probabilities (N, C) of every labeled face, and their rows (N,)."""
    recipe = run.recipe
    precision = runtime.precision if runtime.precision != "auto" else best_precision(runtime.accelerator)
    images = normalize_input(dataset.images, recipe.input_normalization)
    probabilities, rows = [], []
    for fold in range(FOLDS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MienWarning)  # the run has already warned of duplicates
            parts = split(dataset, "kfold", fold=fold, folds=FOLDS, duplicates=recipe.duplicates)
        if fold == recipe.fold:
            network = run.model()
        else:
            on_phase(f"cross-validating, fold {fold + 1} of {FOLDS}")
            trainer = Trainer(recipe, launch(runtime, precision), seed, compiled=runtime.compiled)
            fitted = trainer.fit(
                FaceSet(images[parts.train], dataset.labels[parts.train], targets(recipe, dataset, parts.train)),
                FaceSet(images[parts.validation], dataset.labels[parts.validation]), len(dataset.classes),
                pretrained=load_pretrained(model, recipe, dataset.classes, seed).state_dict,
            )  # fmt: skip
            network = fitted.model
        logits = predict.logits(network, images[parts.validation], recipe.mean, recipe.std)
        probabilities.append(softmax(logits))
        rows.append(parts.validation)
    return np.concatenate(probabilities), np.concatenate(rows)


def _accuracy_before(model: str, dataset: Dataset, rows: NDArray[np.int64]) -> float | None:
    """Accuracy of the original model, restricted to the data set's classes; None if it lacks one."""
    classifier = open_classifier(model)
    try:
        labels, left_out = model_labels(classifier, dataset)
    except MienError:  # no class in common
        return None
    if left_out:
        return None
    of_set = np.unique(labels[labels >= 0])
    probabilities = classifier.probabilities(dataset.images[rows])
    return float((of_set[probabilities[:, of_set].argmax(axis=1)] == labels[rows]).mean())
