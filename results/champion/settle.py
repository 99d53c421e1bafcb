"""Settle the batch norms of a finished run that was trained before recipes had `settle`, and judge and export it anew.

python results/champion/settle.py runs/champion-2 data/
"""

import sys
from pathlib import Path

import torch
from lightning_fabric import Fabric
from mien.training.fit import Fitted
from mien.training.settle import settle

from mien.data import load
from mien.evaluation import history
from mien.files import write_json
from mien.training.run import finish, load_run
from mien.training.tracking import NoTracker

folder, data = Path(sys.argv[1]), load(sys.argv[2])
run = load_run(folder)
write_json(folder / "recipe.json", {**run.record, "settle": 2048})
run = load_run(folder)
parts, model, kept = run.split(data), run.model(), run.metrics()["kept_epoch"]
faces = torch.from_numpy(data.images[parts.train])
settle(model, faces, run.recipe, len(faces), run.record["seed"], Fabric(accelerator="cpu", devices=1))
finish(run, data, parts, Fitted(model, history.read(folder / "history.csv"), kept), NoTracker())
found = load_run(folder).metrics()["evaluations"]["validation"]
print(folder.name, {view: f"{e['accuracy']:.2%}" for view, e in found.items()})
