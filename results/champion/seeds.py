"""One recipe trained with several seeds: accuracy of each run, their mean, and its 95 % interval over seeds (Student's t).

python results/champion/seeds.py results/champion/runs/champion-4 results/champion/runs/champion-8 ... > results/champion/seeds.md
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import t

VIEWS = {"single": "single view", "flip": "mirror averaged"}

rows = []
for folder in map(Path, sys.argv[1:]):
    metrics = json.loads((folder / "metrics.json").read_text())
    found = metrics["evaluations"]["validation"]
    seed = json.loads((folder / "recipe.json").read_text())["seed"]
    rows.append([100 * found[view]["accuracy"] for view in VIEWS] + [100 * metrics["calibrated_ece"]])
    print(end="" if len(rows) > 1 else f"| PublicTest, {found['single']['n']:,} images | seed | {' | '.join(VIEWS.values())} "
          "| calibration error |\n|---|--:|--:|--:|--:|\n")  # fmt: skip
    print(f"| {folder.name} | {seed} | {rows[-1][0]:.1f} | {rows[-1][1]:.1f} | {rows[-1][2]:.1f} % |")
n = len(rows)
mean = np.mean(rows, axis=0)
half = t.ppf(0.975, n - 1) * np.std(rows, axis=0, ddof=1) / np.sqrt(n)
print(f"| mean of {n} seeds (95 %) | | {' | '.join(f'{m:.1f} ±{h:.1f}' for m, h in zip(mean, half, strict=True))} % |")
