"""Give model files that were trained without it an input normalization: their metadata, and what was measured, anew.

    python benchmarks/normalize_models.py --data data/ --kind adaptive
    python benchmarks/normalize_models.py --data data/ --kind none --models mine.onnx -o out/

No weight changes. Temperature (fitted) and validation_accuracy are those on the normalized validation faces, PublicTest
for FER2013's own split, and so is the threshold of the conformal sets (90 %); the metadata become those of format 2. A
cascade is joined anew of the files named by --cascade, for the temperatures of its two networks are in its graph, and
asks its second network about the same share of faces as before.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from mien.data import load, split
from mien.evaluation import conformal
from mien.evaluation.calibration import fit_temperature
from mien.inference.model import Model, open_model, softmax
from mien.inference.model_file import FORMAT, resolve
from mien.inference.normalization import KINDS
from mien.training.cascade import join, top2_margin
from mien.training.onnx_export import describe, save


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="FER2013, as mien.load_dataset takes it")
    parser.add_argument("--kind", required=True, choices=KINDS)
    parser.add_argument("--models", nargs="*", default=["nano", "hybrid", "champion-int8", "champion"])
    parser.add_argument("--cascade", nargs=3, metavar=("MODEL", "FIRST", "SECOND"),
                        default=["champion-fast", "nano", "champion-int8"])  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, help="a folder for the new files; else they take the place of the old"
    )
    args = parser.parse_args()
    dataset = load(args.data)
    index = split(dataset, "official").validation
    faces, labels = dataset.images[index], dataset.labels[index]
    cascade = open_model(args.cascade[0])
    share = float((top2_margin(open_model(args.cascade[1]), faces) < cascade.info.cascade["below"]).mean())
    places = {}
    for source in args.models:
        path = resolve(source)
        places[source] = args.output / path.name if args.output else path
        redescribe(open_model(path), args.kind, faces, labels, places[source])
    first, second = (places.get(source, resolve(source)) for source in args.cascade[1:])
    place = args.output / cascade.path.name if args.output else cascade.path
    below = float(np.quantile(top2_margin(open_model(first), faces), share))
    join(first, second, place, below)
    redescribe(open_model(place), args.kind, faces, labels, place, fit=False)


def redescribe(
    model: Model, kind: str, faces: NDArray[np.uint8], labels: NDArray[np.int64], place: Path, fit: bool = True
) -> None:
    """Write a model's file with metadata of format 2 for this kind of normalization. fit: its temperature, too."""
    normalized = replace(model, info=replace(model.info, input_normalization=kind))
    logits = normalized.logits(faces)
    temperature = fit_temperature(logits, labels) if fit else model.temperature
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    before = model.info.validation_accuracy or float("nan")
    print(f"{place.name}: accuracy {accuracy:.2%} ({before:.2%} before), temperature {temperature:.4f}", flush=True)
    threshold = conformal.fit_threshold(softmax(logits, temperature), labels)
    proto = onnx.load(str(model.path))
    metadata = {
        **model.metadata,
        "mien_format": FORMAT,
        "input_normalization": kind,
        "temperature": repr(temperature),
        "conformal": json.dumps({"coverage": conformal.COVERAGE, "threshold": threshold}),
        "training": json.dumps({**model.info.training, "validation_accuracy": accuracy}),
    }
    describe(proto, metadata)
    save(proto, place)


if __name__ == "__main__":
    main()
