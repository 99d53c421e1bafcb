"""From trained networks to submission.csv, with a note beside it that says how it was made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import load, load_test
from mien.errors import MienError
from mien.evaluation import metrics, submission
from mien.files import write_json
from mien.training.classifier import open_classifier


def submit(
    source: str | Path | Sequence[str | Path],
    data: str | Path,
    output: Path,
    format: str = "plain",
    tta: str = "flip",
) -> dict[str, Any]:
    """Predict the rows of test.csv and write them; OUTPUT.json beside it says from what, how, and what came out.

    source: a run folder, model file or shipped model's name, or several, whose probabilities are averaged. data: where
    test.csv is; labelled rows found there are matched to the test rows by pixel content. Raises MienError where rows
    do not match, or classes differ.
    """
    classifier = open_classifier(*([source] if isinstance(source, str | Path) else source))
    test = load_test(data)
    labelled = load(data)
    match = submission.match_test_rows(test, labelled)
    classes = classifier.classes
    if classes != tuple(test.classes):
        raise MienError(f"{classifier.name} knows {', '.join(classes)}; test.csv asks for {', '.join(test.classes)}")
    p = classifier.probabilities(test.images, tta)
    chosen = p.argmax(axis=1)
    submission.write(chosen, output, format, classes)
    counts = np.bincount(chosen, minlength=len(classes))
    made: dict[str, Any] = {
        "rows": len(chosen),
        "format": format,
        "tta": tta,
        "model": classifier.name,
        "trained": classifier.trained[0] if len(classifier.trained) == 1 else list(classifier.trained),
        "test_rows_matched_to_labels": match.known,
        "predicted": {c: int(n) for c, n in zip(classes, counts, strict=True)},
    }
    known = match.labels >= 0
    if known.any():
        found = metrics.evaluate(p[known], match.labels[known], classes)
        made["on_the_labelled_rows"] = {
            "n": found.n, "accuracy": found.accuracy, "accuracy_interval": list(found.accuracy_interval)
        }  # fmt: skip
    write_json(output.with_suffix(".json"), made)
    return made
