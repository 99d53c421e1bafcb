"""One recipe trained with several seeds: accuracy of each run, their mean, and its 95 % interval over seeds (Student's
t).

python benchmarks/seeds.py results/champion/runs/champion-4 results/champion/runs/champion-8 ... >
results/champion/seeds.md
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import t

folders = [Path(argument) for argument in sys.argv[1:]]
runs = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
seeds = [json.loads((folder / "recipe.json").read_text())["seed"] for folder in folders]
views = [run["evaluations"]["validation"] for run in runs]
figures = 100 * np.array(
    [
        [view["single"]["accuracy"], view["flip"]["accuracy"], run["calibrated_ece"]]
        for run, view in zip(runs, views, strict=True)
    ]
)
mean = figures.mean(axis=0)
half = t.ppf(0.975, len(runs) - 1) * figures.std(axis=0, ddof=1) / np.sqrt(len(runs))

print(f"| PublicTest, {views[0]['single']['n']:,} images | seed | single view | mirror averaged | calibration error |")
print("|---|--:|--:|--:|--:|")
for folder, seed, (single, flip, ece) in zip(folders, seeds, figures, strict=True):
    print(f"| {folder.name} | {seed} | {single:.1f} | {flip:.1f} | {ece:.1f} % |")
print(
    f"| mean of {len(runs)} seeds (95 %) | | "
    f"{' | '.join(f'{m:.1f} ±{h:.1f}' for m, h in zip(mean, half, strict=True))} % |"
)
