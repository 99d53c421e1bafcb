"""Own faces in two commands: what `mien data crop` and `mien finetune` reach on photographs, and without the first one.

    python benchmarks/own_faces.py --data data/ -o results/benchmarks/own_faces.md
    python benchmarks/own_faces.py --data data/ --pair fear neutral --model hybrid --photos my_backgrounds/

Photographs are made on this machine and deleted in the end: faces of FER2013's PublicTest, 200 of each of two classes
to train on and others of both to test, are enlarged to between 90 and 240 pixels, tilted by up to 20 degrees and pasted
at a random place into a photograph in the public domain (scikit-image's `rocket`, `coffee`, `hubble_deep_field`,
`brick`, `grass` and `gravel`: NASA's, or given to the public domain as CC0; none shows a person). The classes get names
of their own, so that no row of the last layer is taken over by name, and the pictures lie in a folder for each.

Then, as a user would: `mien data crop` on the photographs to train on and on those to test, `mien finetune`, `mien
evaluate --part all` on the test; and the last two on the photographs uncut. A test photograph in which no face was
found counts as wrong. Deterministic, for one kind of processor.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from mien.data import Dataset, load
from mien.errors import MienError
from mien.evaluation.statistics import wilson
from mien.files import atomic_write

PHOTOS = ("rocket.jpg", "coffee.png", "hubble_deep_field.jpg", "brick.png", "grass.png", "gravel.png")
NAMES = ("delighted", "downcast")
SIZE = (640, 480)  # of a made photograph
SIDES, TILT = (90, 240), 20.0  # of the pasted face: pixels, degrees to either side
N_TRAIN, N_TEST = 200, 200  # of each class


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="FER2013, as mien.load_dataset takes it")
    parser.add_argument("--pair", nargs=2, default=["happy", "sad"], metavar="CLASS", help="(default: happy sad)")
    parser.add_argument("--model", default="champion", help="what finetune begins with (default: champion)")
    parser.add_argument("--photos", type=Path, help="a folder of photographs to paste into (default: scikit-image's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, help="write the table there too")
    args = parser.parse_args()
    backgrounds = [Image.open(path).convert("RGB") for path in photographs(args.photos)]
    dataset = load(args.data)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        make_photos(dataset, args.pair, backgrounds, place / "photos", args.seed)
        total = len(list((place / "photos" / "test").rglob("*.jpg")))
        rows = []
        for part in ("train", "test"):
            mien("data", "crop", place / "photos" / part, "-o", place / "faces" / part)
        for name, folder, cross in (("cut", "faces", "--cross-validate"), ("uncut", "photos", "--no-cross-validate")):
            rows.append(measure(name, place / folder, place / "runs", args.model, cross, total))
            print(rows[-1], flush=True)
    given = {"pair": " ".join(args.pair), "model": args.model, "seed": args.seed}
    options = "".join(f" --{k} {v}" for k, v in given.items() if getattr(args, k) != parser.get_default(k))
    output = args.output or Path("results/benchmarks/own_faces.md")
    command = f"python benchmarks/own_faces.py --data data/{options} -o {output}"
    text = table(rows, args.pair, args.model, total, command)
    print(text)
    if args.output:
        with atomic_write(args.output) as temporary:
            temporary.write_text(text)


def photographs(folder: Path | None) -> list[Path]:
    """The photographs to paste faces into."""
    if folder is not None:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    package = importlib.util.find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        raise MienError("the photographs are scikit-image's; run: pip install scikit-image, or give --photos FOLDER")
    return [Path(package.submodule_search_locations[0]) / "data" / name for name in PHOTOS]


def make_photos(dataset: Dataset, pair: list[str], backgrounds: list[Image.Image], folder: Path, seed: int) -> None:
    """Write train/ and test/ with a folder for each class; no face is in both, nor a copy of one."""
    rng = np.random.default_rng(seed)
    seen: set[bytes] = set()
    for emotion, name in zip(pair, NAMES, strict=True):
        rows = np.flatnonzero((dataset.usage == "PublicTest") & (dataset.labels == dataset.classes.index(emotion)))
        own = [row for row in rng.permutation(rows).tolist() if not _repeated(dataset.images[row], seen)]
        for part, chosen in (("train", own[:N_TRAIN]), ("test", own[N_TRAIN : N_TRAIN + N_TEST])):
            (folder / part / name).mkdir(parents=True)
            for row in chosen:
                photo = paste(dataset.images[row], backgrounds[rng.integers(len(backgrounds))], rng)
                photo.save(folder / part / name / f"{row}.jpg", quality=90)


def _repeated(image: np.ndarray, seen: set[bytes]) -> bool:
    pixels = image.tobytes()
    before = pixels in seen
    seen.add(pixels)
    return before


def paste(face: np.ndarray, background: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A photograph (640 x 480) with the face (48, 48) in it, enlarged and tilted, somewhere."""
    width, height = SIZE
    photo = background.resize(SIZE, box=_region(background, rng))
    side, tilt = int(rng.integers(*SIDES, endpoint=True)), float(rng.uniform(-TILT, TILT))
    large = Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC)
    mask = Image.new("L", large.size, 255).rotate(tilt, Image.Resampling.BICUBIC, expand=True)
    turned = large.rotate(tilt, Image.Resampling.BICUBIC, expand=True)
    left, top = (int(rng.integers(0, most - turned_side + 1)) for most, turned_side in
                 ((width, turned.width), (height, turned.height)))  # fmt: skip
    photo.paste(turned.convert("RGB"), (left, top), mask)
    return photo


def _region(background: Image.Image, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A part of a photograph with the shape of SIZE, of half to all of what fits."""
    most = min(background.width / SIZE[0], background.height / SIZE[1])
    scale = most * rng.uniform(0.5, 1.0)
    width, height = scale * SIZE[0], scale * SIZE[1]
    left, top = rng.uniform(0, background.width - width), rng.uniform(0, background.height - height)
    return left, top, left + width, top + height


def measure(name: str, place: Path, runs: Path, model: str, cross: str, total: int) -> dict[str, object]:
    """Fine-tune on train/, evaluate on test/; accuracy counts all photographs, also those without a face found."""
    before = os.times()
    mien("finetune", place / "train", "--model", model, "--runs", runs, "--name", name, "--threads", "1", cross)
    seconds = os.times().children_user - before.children_user
    own = json.loads((runs / name / "finetuning.json").read_text())
    record = json.loads(
        mien("evaluate", runs / name, "--data", place / "test", "--part", "all", "--tta", "single", "--json")
    )
    figures = record["evaluations"]["all"]["single"]
    hits = round(figures["accuracy"] * figures["n"])
    trained = len(list((place / "train").rglob("*.jpg"))) or len(list((place / "train").rglob("*.png")))
    return {"name": name, "trained": trained, "own": own, "found": figures["n"], "hits": hits, "seconds": seconds,
            "accuracy": hits / total, "interval": wilson(hits, total)}  # fmt: skip


def mien(*words: object) -> str:
    """Run a command; its standard output. Raises MienError where it fails."""
    done = subprocess.run([sys.executable, "-m", "mien", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MienError(f"mien {' '.join(map(str, words))} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def table(rows: list[dict[str, object]], pair: list[str], model: str, total: int, command: str) -> str:
    lines = [
        "| photographs | to train on | accuracy that `mien finetune` told | accuracy on the test (95 %) | "
        "minutes of one core |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        own, (low, high) = row["own"], row["interval"]
        lines.append(
            f"| {row['name']} | {row['trained']:,} | {own['accuracy']:.1%} ({own['measured'].split(':')[0]}) | "
            f"{row['accuracy']:.1%} ({low:.1%} to {high:.1%}; a face found in {row['found']:,} of {total:,}) | "
            f"{row['seconds'] / 60:.1f} |"
        )
    gain = 100 * (rows[0]["accuracy"] - rows[1]["accuracy"])
    lines += [
        "",
        f"Two classes, FER2013's {pair[0]} and {pair[1]} under names of their own; {N_TRAIN} PublicTest faces of each "
        f"to train on, others to test, pasted into photographs; fine-tuned from `{model}`. Cutting gains {gain:.1f} "
        f"points. `{command}` makes this table.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
