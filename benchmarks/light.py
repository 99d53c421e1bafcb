"""What changes of light cost, with and without input normalization: accuracy on FER2013's PublicTest, the same faces
each time.

    python benchmarks/light.py --data data/ -o results/benchmarks/light.md
    python benchmarks/light.py --data data/ --models nano runs/mine/model.onnx --kinds none percentile equalize

Light is changed in whole numbers, as a picture of 8 bits would hold it. A model is measured with each kind of
normalization in place of its own; "lost" is against the same model on the faces as they are, without any, in points.
The best use of a kind is with a model that was trained on it: the table says so where that is the case.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data import load
from mien.files import atomic_write
from mien.inference.model import Model, open_model
from mien.inference.model_file import shipped
from mien.inference.normalization import KINDS

Light = Callable[[NDArray[np.float64]], NDArray[np.float64]]
LIGHTS: dict[str, Light] = {
    "as it is": lambda v: v,
    "x0.5": lambda v: v * 0.5,
    "x0.25": lambda v: v * 0.25,
    "x0.1": lambda v: v * 0.1,
    "0.3x+90": lambda v: v * 0.3 + 90,
    "gamma 3": lambda v: 255 * (v / 255) ** 3,
    "x1.5 clipped": lambda v: v * 1.5,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="FER2013, as mien.load_dataset takes it")
    parser.add_argument("--models", nargs="*", help="shipped names, run folders or model files (default: all shipped)")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=["none", "percentile"])
    parser.add_argument("-o", "--output", type=Path, help="write the table there too")
    args = parser.parse_args()
    dataset = load(args.data)
    rows = (dataset.usage == "PublicTest") & (dataset.labels >= 0)
    faces, labels = dataset.images[rows], dataset.labels[rows]
    lines = [
        f"PublicTest, {len(faces):,} images, single view. In brackets: points lost against the faces as they are, "
        "without normalization.\n",
        f"| model | normalization | {' | '.join(LIGHTS)} |",
        f"|---|---|{'--:|' * len(LIGHTS)}",
    ]
    for source in args.models or shipped():
        model = open_model(source)
        plain = accuracy(model, "none", faces, labels)
        for kind in args.kinds:
            cells = []
            for change in LIGHTS.values():
                right = accuracy(model, kind, relit(faces, change), labels)
                cells.append(f"{right:.1%} ({100 * (plain - right):+.1f})")
            own = " (its own)" if kind == model.info.input_normalization else ""
            name = Path(source).parent.name if Path(source).is_file() else source
            lines.append(f"| {name} | {kind}{own} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    lines.append("\n`python benchmarks/light.py --data data/ -o results/benchmarks/light.md` makes this table.")
    if args.output:
        with atomic_write(args.output) as temporary:
            temporary.write_text("\n".join(lines) + "\n")


def relit(faces: NDArray[np.uint8], change: Light) -> NDArray[np.uint8]:
    """Faces (N, 48, 48) under another light, uint8 again."""
    table = np.clip(np.rint(change(np.arange(256, dtype=np.float64))), 0, 255).astype(np.uint8)
    relit_faces: NDArray[np.uint8] = table[faces]
    return relit_faces


def accuracy(model: Model, kind: str, faces: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Share of the faces that a model gets right with this normalization in place of its own."""
    with_kind = replace(model, info=replace(model.info, input_normalization=kind))
    return float((with_kind.logits(faces).argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    main()
