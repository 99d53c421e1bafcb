"""What abstaining wins: accuracy of the faces that a model is surest of, and conformal sets, on FER2013's PublicTest.

    python benchmarks/abstain.py data/

Writes results/benchmarks/abstain.md and docs/images/calibration.png and abstain.png. Temperatures and thresholds are
fitted on one half of the images and measured on the other.
"""

import sys
from pathlib import Path

import numpy as np

from mien.data import load
from mien.evaluation import plots
from mien.evaluation.calibration import cross_fitted, reliability
from mien.evaluation.conformal import accuracy_by_coverage, measure_coverage
from mien.evaluation.metrics import wilson
from mien.files import atomic_write
from mien.inference.model import open_model

ROOT = Path(__file__).parents[1]
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)


def main() -> None:
    dataset = load(sys.argv[1] if len(sys.argv) > 1 else "data")
    rows = (dataset.usage == "PublicTest") & (dataset.labels >= 0)
    images, labels = dataset.images[rows], dataset.labels[rows]
    model = open_model()
    logits = model.logits(images)
    probabilities = cross_fitted(logits, labels)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    lines = ["| answers from a confidence of | faces answered | accuracy on them (95 %) |", "|--:|--:|--:|"]
    for threshold in THRESHOLDS:
        answered = confidence >= threshold
        n, right = int(answered.sum()), int(correct[answered].sum())
        low, high = wilson(right, n)
        name = "any" if threshold == 0 else f"{threshold:.0%}"
        lines.append(f"| {name} | {n / len(labels):.0%} | {right / n:.1%} ({low:.1%} to {high:.1%}) |")
    sets, bins = measure_coverage(probabilities, labels), reliability(probabilities, labels)
    low, high = sets.interval
    lines += [
        "",
        f"Conformal sets that promise {sets.promised:.0%} hold the right class for {sets.measured:.1%} of the faces "
        f"({low:.1%} to {high:.1%}) and have {sets.mean_size:.1f} classes in the mean; {sets.sizes[0]:.0%} of the sets "
        f"have one class, and those are right for {sets.single_accuracy:.1%}.",
        "",
        f"The expected calibration error is {bins.ece:.1%}; a perfectly calibrated model would show "
        f"{bins.ece_by_chance:.1%} with so many images, by chance alone.",
        "",
        f"{model.name} on the {len(labels):,} faces of PublicTest, single view; what is fitted was fitted on one "
        "half of them and measured on the other. PublicTest was looked at while the model was chosen.",
    ]
    with atomic_write(ROOT / "results" / "benchmarks" / "abstain.md") as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    champion = open_model("champion")  # its logits are those of one network: there is a before and an after
    logits = champion.logits(images)
    raw = np.exp(logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    raw /= raw.sum(axis=1, keepdims=True)
    folder = ROOT / "docs" / "images"
    curves = {
        "as it comes": reliability(raw, labels),
        "calibrated": reliability(cross_fitted(logits, labels), labels),
    }
    plots.reliability(curves, folder / "calibration.png", f"{champion.name}: confidence against accuracy")
    by_share = {model.name: accuracy_by_coverage(probabilities, labels)}
    plots.accuracy_by_coverage(by_share, folder / "abstain.png", "Accuracy on the faces that are answered")


if __name__ == "__main__":
    main()
