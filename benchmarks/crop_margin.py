"""How loosely FER2013 frames its faces, and which framing the classifier reads best.

    python benchmarks/crop_margin.py DATA [--model champion] [--usage PublicTest] [--every 1]

DATA is anything `mien.data.load` takes: Kaggle's files, say. Every face of the given usage is found with YuNet, as
`mien read` would find it. The first table compares FER2013's frame (48 pixels) with the box found in it: the measure
of the box with the smallest spread is what the margin of mien.inference.crop is a multiple of. The second table
re-crops the same faces by their boxes, in the frame alone and in a wider picture (the frame's edge pixels repeated),
at several margins, and classifies them. Turning tilted faces level gained nothing and is gone (commit 6372713).
Deterministic; nothing is written; about four minutes of one core for PublicTest.
"""

import argparse

import numpy as np
from PIL import Image

from mien.data import load
from mien.errors import MienError
from mien.inference.crop import MARGIN, crop_face
from mien.inference.detections import Detections
from mien.inference.detector import open_detector
from mien.inference.model import open_model

MARGINS = (0.9, 1.0, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4)
WIDER = 24  # pixels repeated around the frame for the second half of the second table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--model", help="a shipped model's name or an ONNX file; without it no accuracy is measured")
    parser.add_argument("--usage", default="PublicTest")
    parser.add_argument("--every", type=int, default=1, help="take every n-th face only")
    args = parser.parse_args()
    dataset = load(args.data)
    rows = np.flatnonzero((dataset.usage == args.usage) & (dataset.labels >= 0))[:: args.every]
    if not len(rows):
        raise MienError(f"{args.data} has no labeled {args.usage} rows")
    images, labels = dataset.images[rows], dataset.labels[rows]
    found = find(images)
    print_boxes(found, len(images))
    if args.model:
        print_accuracy(images, labels, found, args.model)


def find(images: np.ndarray) -> list[Detections | None]:
    """The largest face found in each (48, 48) image, alone, or None."""
    detect = open_detector(find_turned=False)
    faces = [detect(Image.fromarray(image).convert("RGB")) for image in images]
    return [each[np.array([0])] if len(each) else None for each in faces]


def print_boxes(found: list[Detections | None], total: int) -> None:
    faces = Detections.concatenate([face for face in found if face is not None])
    boxes, eyes = faces.boxes, faces.landmarks[:, 1] - faces.landmarks[:, 0]
    x, y, width, height = boxes.T
    print(f"{len(boxes)} of {total} faces found ({len(boxes) / total:.1%})\n")
    print("frame (48 px) over     median   quartiles       spread")
    measures = {
        "box width": width,
        "box height": height,
        "sqrt(width*height)": np.sqrt(width * height),
        "longer side": np.maximum(width, height),
        "eye distance": np.hypot(*eyes.T),
    }
    for name, pixels in measures.items():
        low, middle, high = np.quantile(48 / pixels, [0.25, 0.5, 0.75])
        print(f"{name:<22} {middle:6.3f}   {low:.3f}..{high:.3f}   {(high - low) / middle:6.1%}")
    print("\ncenter of the box from the center of the frame, in sides of the frame")
    for name, offset in {"right": (x + width / 2 - 24) / 48, "down": (y + height / 2 - 24) / 48}.items():
        low, middle, high = np.quantile(offset, [0.25, 0.5, 0.75])
        print(f"{name:<22} {middle:+6.3f}   {low:+.3f}..{high:+.3f}")


def print_accuracy(images: np.ndarray, labels: np.ndarray, found: list[Detections | None], name: str) -> None:
    model = open_model(name)
    seen = np.array([face is not None for face in found])

    def accuracy(crops: np.ndarray, where: np.ndarray) -> float:
        return float((model.classify(crops).argmax(axis=1) == labels[where]).mean())

    everything = np.ones(len(images), bool)
    print(f"\naccuracy of {model.name} on {len(images)} frames as they are: {accuracy(images, everything):.4f}")
    print(f"on the {seen.sum()} of them with a face found:         {accuracy(images[seen], seen):.4f}")
    wider = np.pad(images, ((0, 0), (WIDER, WIDER), (WIDER, WIDER)), mode="edge")

    def right(pictures: np.ndarray, shift: int, margin: float) -> np.ndarray:
        """Whether each found face is read right, cut out with this margin."""
        crops = [
            crop_face(
                Image.fromarray(picture),
                face.boxes[0] + [shift, shift, 0, 0],
                model.input_size,
                margin,
            )
            for picture, face in zip(pictures, found, strict=True)
            if face is not None
        ]
        return model.classify(np.array(crops)).argmax(axis=1) == labels[seen]

    print("\nre-cropped by the box")
    print("margin                  in the frame alone   in a wider picture")
    for margin in MARGINS:
        both = ((images, 0), (wider, WIDER))
        alone, around = (right(pictures, shift, margin).mean() for pictures, shift in both)
        mark = "  <- used" if margin == MARGIN else ""
        print(f"{margin:<22.3f}  {alone:.4f}               {around:.4f}{mark}", flush=True)


if __name__ == "__main__":
    main()
