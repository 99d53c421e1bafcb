"""Members of an ensemble on PublicTest: each one's accuracy, how often two of them disagree, and their plain average.

    python benchmarks/members.py data/ results/champion/*.onnx runs/vgg-1 > results/champion/members.md
    python benchmarks/members.py data/ OUT/*.safetensors                     as benchmarks/gpu_members.py writes them

A source is a model file, a run folder, the name of a shipped model, or a file of logits. Accuracy is of one view and of
image and mirror averaged; two members disagree on the faces that they give different classes, image and mirror
averaged. Nothing is chosen here: all sources are averaged, and each is left out in turn. The temperature is fitted to
the average, on one half of PublicTest for the other.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data import load, split
from mien.evaluation import history, metrics
from mien.evaluation.calibration import cross_fitted
from mien.inference.model import open_model, softmax

Views = dict[str, NDArray[np.float64]]  # single, mirrored: probabilities (N, C)


def opinions(source: str, faces: NDArray[np.uint8]) -> tuple[str, Views, float]:
    """Name, probabilities, and training accuracy (nan where it is not known) of a source."""
    path = Path(source)
    if path.suffix == ".safetensors":
        from gpu_members import read

        _, logits, about = read(path)
        one, other = softmax(logits["single"]), softmax(logits["mirrored"])
        trained = about.get("training_accuracy", float("nan"))
        return path.stem, {"single": one, "mirrored": (one + other) / 2}, trained
    model = open_model(source, threads=2)
    name = path.name if path.is_dir() else model.name
    views = {
        "single": model.classify(faces, temperature=1),
        "mirrored": model.classify(faces, flip=True, temperature=1),
    }
    record = path / "history.csv"
    return name, views, history.read(record)[-1]["train_accuracy"] if record.is_file() else float("nan")


def line(name: str, members: list[Views], labels: NDArray[np.int64], trained: float = float("nan")) -> str:
    """A row of the table: the plain average of some members."""
    mean = {view: np.mean([member[view] for member in members], axis=0) for view in ("single", "mirrored")}
    shares = [f"{(p.argmax(1) == labels).mean():.1%}" for p in mean.values()]
    calibrated = cross_fitted(np.log(np.maximum(mean["mirrored"], 1e-12)), labels)
    known = "" if np.isnan(trained) else f"{trained:.1%}"
    return f"| {name} | {known} | {' | '.join(shares)} | {metrics.ece(calibrated, labels):.1%} |"


def main() -> None:
    dataset = load(sys.argv[1])
    index = split(dataset, "official").validation
    faces, labels = dataset.images[index], dataset.labels[index]
    rows = [opinions(source, faces) for source in sys.argv[2:]]
    print("| PublicTest, 3,589 images | training | single view | mirror averaged | calibration error |")
    print("|---|--:|--:|--:|--:|")
    for name, views, trained in rows:
        print(line(name, [views], labels, trained))
    everything = [views for _, views, _ in rows]
    print(line(f"**all {len(rows)} averaged**", everything, labels))
    if len(rows) > 2:
        for i, (name, _, _) in enumerate(rows):
            print(line(f"without {name}", everything[:i] + everything[i + 1 :], labels))
    classes = np.array([views["mirrored"].argmax(1) for views in everything])
    disagree = (classes[:, None] != classes[None]).mean(axis=2)  # (members, members)
    print(f"\n| disagree on | {' | '.join(name for name, _, _ in rows)} |")
    print(f"|---|{'--:|' * len(rows)}")
    for (name, _, _), row in zip(rows, disagree, strict=True):
        print(f"| {name} | {' | '.join(f'{share:.1%}' if share else '' for share in row)} |")
    if len(rows) > 1:
        pairs = disagree[np.triu_indices(len(rows), 1)]
        print(f"\nMean of the pairs: {pairs.mean():.1%}.")


if __name__ == "__main__":
    main()
