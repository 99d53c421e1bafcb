"""Make the pictures of README.md that mien can make itself: python docs/pictures.py"""

from pathlib import Path

import numpy as np
from PIL import Image

from mien.data.synthetic.generate import draw_face
from mien.labels import EMOTIONS

IMAGES = Path(__file__).parent / "images"


def drawn_faces(people: int = 4, size: int = 96) -> Image.Image:
    """A column of drawn faces for each emotion, in the order of mien.labels; a row is one person."""
    rows = [np.concatenate([draw_face(e, seed, size, plain=True) for e in EMOTIONS], axis=1) for seed in range(people)]
    return Image.fromarray(np.concatenate(rows, axis=0))


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    drawn_faces().save(IMAGES / "drawn-faces.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
