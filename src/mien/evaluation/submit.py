"""Write submission.csv from trained models, with a JSON file beside it that records how it was made. No torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import load, load_test
from mien.errors import MienError, require
from mien.evaluation import metrics, submission
from mien.evaluation.classifier import Sources, open_classifier
from mien.evaluation.tta import TTA, resolve_tta
from mien.files import refuse_input, write_json

EXAMPLE = "example_submission.csv"  # Kaggle's example, if it is beside test.csv


def submit(
    model: Sources,
    data: str | Path,
    output: str | Path = "submission.csv",
    *,
    format: str = "auto",
    tta: str = "flip",
    overwrite: bool = False,
    threads: int = 1,
    input_normalization: str = "",
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Write submission.csv, the emotion of every row of Kaggle's test.csv in its order; returns the record in
    OUTPUT.json: sources, settings and results.

    model: one, or several whose probabilities are averaged. data: folder of test.csv; labeled rows found there are
    matched to the test rows by their pixels. format: "auto" (like an example_submission.csv beside test.csv, else
    plain), "plain", "id0", "id1" or "like:FILE". tta: test-time augmentation, as in mien.evaluate. overwrite: replace
    existing files. input_normalization: overrides the model files'. on_progress: called with the number of faces
    classified so far and in total, counting each view. Raises MienError if the output exists, rows do not match, or
    classes differ.
    """
    for name, value in (("data", data), ("output", output)):
        require(isinstance(value, str | Path), name, value, "a path")
    output = Path(output)
    note = output.with_suffix(".json")
    if output == note:
        raise MienError(f"{output} is the name of the record beside a submission; name it .csv", parameter="output")
    refuse_input(output, data)
    for path in (output, note):
        if path.exists() and not overwrite:
            raise MienError(f"{path} exists; replace it with {{parameter=True}}", parameter="overwrite")
    classifier = open_classifier(model, threads, input_normalization)
    tta = resolve_tta(tta)
    test = load_test(data)
    match = submission.match_test_rows(test, load(data))
    if format == "auto":
        example = find_example(data)
        format = f"like:{example}" if example else "plain"
    classes = classifier.classes
    if classes != tuple(test.classes):
        raise MienError(
            f"{classifier.name} has the classes {', '.join(classes)}, but test.csv needs {', '.join(test.classes)}",
            parameter="model",
        )
    submission.check_format(format, len(test), classes)
    done, total = 0, len(test) * len(TTA[tta]) * len(classifier.members)

    def count(faces: int) -> None:
        nonlocal done
        done += faces
        on_progress(done, total)

    probabilities = classifier.probabilities(test.images, tta, count)
    predicted = probabilities.argmax(axis=1)
    submission.write(predicted, output, format, classes)
    counts = np.bincount(predicted, minlength=len(classes))
    record: dict[str, Any] = {
        "format": 2,
        "rows": len(predicted),
        "layout": format,
        "tta": tta,
        "model": classifier.name,
        "training": [dict(trained) for trained in classifier.training],
        "test_rows_matched_to_labels": match.known,
        "predicted": {name: int(n) for name, n in zip(classes, counts, strict=True)},
    }
    is_labeled = match.labels >= 0
    if is_labeled.any():
        evaluation = metrics.evaluate(probabilities[is_labeled], match.labels[is_labeled], classes)
        record["on_the_labeled_rows"] = {
            "n": evaluation.n,
            "accuracy": evaluation.accuracy,
            "accuracy_interval": list(evaluation.accuracy_interval),
        }
    write_json(note, record)
    return record


def find_example(data: str | Path) -> Path | None:
    """Kaggle's example_submission.csv beside test.csv, if it exists."""
    data = Path(data)
    example = (data if data.is_dir() else data.parent) / EXAMPLE
    return example if example.is_file() else None
