"""From a run or a model file to submission.csv, with a note beside it that says how it was made."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import load, load_test
from mien.errors import MienError
from mien.files import write_json
from mien.recognition.model import open_model
from mien.study import metrics, submission
from mien.training import predict
from mien.training.run import load_run


def submit(
    source: str | Path, data: str | Path, output: Path, format: str = "plain", tta: str = "flip"
) -> dict[str, Any]:
    """Predict the rows of test.csv and write them; OUTPUT.json beside it says from what, how, and what came out.

    source: a run folder, a model file, or a shipped model's name. data: where test.csv is; labelled rows found there
    are matched to the test rows by pixel content. Raises MienError where rows do not match, or classes differ.
    """
    test = load_test(data)
    labelled = load(data)
    match = submission.match_test_rows(test, labelled)
    if Path(source).is_dir():
        run = load_run(source)
        name, classes, trained = run.name, run.classes, dict(run.record)
        p = predict.probabilities(run.model(), test.images, run.recipe.mean, run.recipe.std, tta)
    else:
        model = open_model(source)
        name, classes, trained = model.name, model.classes, json.loads(model.metadata.get("training", "{}"))
        p = predict.over_views(model.logits, test.images, tta)
    if tuple(classes) != tuple(test.classes):
        raise MienError(f"{source} knows {', '.join(classes)}; test.csv asks for {', '.join(test.classes)}")
    chosen = p.argmax(axis=1)
    submission.write(chosen, output, format, classes)
    counts = np.bincount(chosen, minlength=len(classes))
    made: dict[str, Any] = {
        "rows": len(chosen),
        "format": format,
        "tta": tta,
        "model": name,
        "trained": trained,
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
