"""PublicTest accuracy and calibration of some model files, alone and averaged, with each kind of test-time
augmentation.

python benchmarks/ensemble.py data/ src/mien/inference/weights/champion.onnx results/champion/champion-5.onnx
"""

import itertools
import sys

import numpy as np

from mien.data import load, split
from mien.evaluation import calibration, metrics
from mien.evaluation.tta import TTA, predict_with_tta
from mien.inference.model import open_model

data = load(sys.argv[1])
index = split(data, "official").validation
faces, labels = data.images[index], data.labels[index]
probabilities: dict[str, dict[str, np.ndarray]] = {}


def accuracies(names: tuple[str, ...]) -> str:
    shares = {
        view: (np.mean([probabilities[n][view] for n in names], axis=0).argmax(1) == labels).mean() for view in TTA
    }
    return "  ".join(f"{view} {share:.2%}" for view, share in shares.items())


for path in sys.argv[2:]:
    model = open_model(path, threads=2)
    probabilities[model.name] = {view: predict_with_tta(model.logits, faces, view) for view in TTA}
    error = metrics.ece(calibration.cross_fitted(model.logits(faces), labels), labels)
    print(f"{model.name}  {accuracies((model.name,))}  calibration error {error:.2%}", flush=True)
for count in range(2, len(probabilities) + 1):
    for names in itertools.combinations(probabilities, count):
        print(f"{' + '.join(names)}  {accuracies(names)}")
