"""Do the shipped models answer alike on a processor without 8-bit dot products (VNNI)? Emulated by qemu-x86_64 (Debian:
qemu-user).

python benchmarks/emulated.py data/ champion-fast nano > results/champion/emulated.txt
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mien.data import load, split
from mien.inference.model import open_model

FACES = 400  # of PublicTest, the first ones: an emulated processor takes some ten seconds for them
ALONE = """
import sys, numpy as np
from mien.inference.model import open_model
np.save(sys.argv[3], open_model(sys.argv[1]).logits(np.load(sys.argv[2])))
"""

data = load(sys.argv[1])
index = split(data, "official").validation[:FACES]
faces, labels = data.images[index], data.labels[index]
for name in sys.argv[2:]:
    with TemporaryDirectory() as scratch:
        given, answered = Path(scratch) / "faces.npy", Path(scratch) / "logits.npy"
        np.save(given, faces)
        emulated = ["qemu-x86_64", "-cpu", "Haswell", sys.executable, "-c", ALONE, name, str(given), str(answered)]
        subprocess.run(emulated, check=True, stderr=subprocess.DEVNULL)
        there = np.load(answered)
    here = open_model(name).logits(faces)
    changed = int((here.argmax(1) != there.argmax(1)).sum())
    right = [f"{(logits.argmax(1) == labels).mean():.2%}" for logits in (here, there)]
    print(
        f"{name}  {len(faces)} faces  here {right[0]}  emulated Haswell {right[1]}  {changed} predictions changed  "
        f"logits within {np.abs(here - there).max():.3f}",
        flush=True,
    )
