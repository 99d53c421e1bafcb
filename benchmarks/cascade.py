"""What a cascade is worth by the share of faces that its second network is asked about, and by how much that one's
opinion counts there.

python benchmarks/cascade.py data/ nano champion-int8.onnx > results/champion/cascade.md
"""

import sys

import numpy as np

from mien.data import load, split
from mien.evaluation.metrics import ece
from mien.inference.model import open_model, softmax
from mien.training.cascade import top2_margin

data = load(sys.argv[1])
index = split(data, "official").validation
faces, labels = data.images[index], data.labels[index]
first, second = map(open_model, sys.argv[2:])
a, b = (model.logits(faces) / model.temperature for model in (first, second))
sure = top2_margin(first, faces)
print(
    f"| PublicTest, {len(index):,} images, single view | second's weight | accuracy | negative log-likelihood | "
    f"calibration error |"
)
print("|---|--:|--:|--:|--:|")
for share in (0, 0.1, 0.15, 0.18, 0.2, 0.25, 0.3, 0.5, 1):
    asked = (sure < np.quantile(sure, share) if share < 1 else sure <= 1)[:, None]
    for weight in (1 / 2, 2 / 3, 1) if share else (0,):
        p = softmax(np.where(asked, weight * b + (1 - weight) * a, a), 1)
        loss = -np.log(p[np.arange(len(p)), labels]).mean()
        right = (p.argmax(1) == labels).mean()
        print(
            f"| {second.name} asked about {share:.0%} by {first.name} | {weight:.2f} | {right:.1%} | {loss:.3f} | "
            f"{ece(p, labels):.1%} |"
        )

asked = sure < np.quantile(sure, 0.18)
for rows, which in ((~asked, "82 % of which the first is surest"), (asked, "other 18 %")):
    right = [f"{(z[rows].argmax(1) == labels[rows]).mean():.1%}" for z in (a, b)]
    print(f"\nOf the {which}, {first.name} is right on {right[0]} and {second.name} on {right[1]}.")
