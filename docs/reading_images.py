"""Make the pictures of docs/reading.md anew: python docs/reading_images.py [MODEL]

The portrait is NASA's of Eileen Collins (public domain, src/mien/inference/sample/SOURCE.txt); all other faces are
drawn by mien. Deterministic for a given model.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import mien
from mien.cli.main import main as command
from mien.data.synthetic.generate import draw_face
from mien.inference.annotate import annotate
from mien.inference.video_writer import open_video_writer

IMAGES = Path(__file__).parent / "images"
PORTRAIT = Path(mien.__file__).parent / "inference/sample/astronaut.jpg"
ACTS = {  # what two drawn people show, two seconds each
    5: ("neutral", "neutral", "happy", "happy", "surprise", "neutral", "sad", "sad", "angry", "neutral"),
    4: (None, "neutral", "neutral", "happy", "happy", None, None, "surprise", "fear", "sad"),
}


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else "default"
    IMAGES.mkdir(exist_ok=True)
    reader = mien.Reader(model)
    picture = Image.open(PORTRAIT).convert("RGB").resize((900, 900), Image.Resampling.BICUBIC).crop((0, 0, 900, 640))
    faces = reader.read(picture)
    annotate(picture, faces, [reader.explain(face) for face in faces]).save(IMAGES / "portrait.jpg", quality=85)
    group = Image.fromarray(
        np.hstack(
            [draw_face(name, seed, 330, plain=True) for seed, name in ((5, "surprise"), (0, "happy"), (4, "sad"))]
        )
    ).convert("RGB")
    canvas = Image.new("RGB", (group.width, group.height + 300), (52, 56, 66))
    canvas.paste(group, (0, 0))
    annotate(canvas, reader.read(canvas)).save(IMAGES / "group.jpg", quality=85)
    with tempfile.TemporaryDirectory() as folder:
        film = draw_film(Path(folder) / "drawn film.avi")
        command(
            [
                "read",
                str(film),
                "--timeline",
                str(Path(folder) / "course"),
                "--baseline",
                "3s",
                "--quiet",
                "--model",
                model,
            ]
        )
        Image.open(Path(folder) / "course.png").quantize(96).save(IMAGES / "timeline.png", optimize=True)


def draw_film(path: Path) -> Path:
    """Twenty seconds, five frames a second: two drawn people whose faces fade from one act to the next."""
    with open_video_writer(path, 5) as writer:
        for frame in range(100):
            canvas = np.full((320, 640), 60, np.uint8)
            act, part = divmod(frame, 10)
            for place, (seed, acts) in enumerate(ACTS.items()):
                now, following = acts[act], acts[min(act + 1, len(acts) - 1)]
                if now:
                    face = draw_face(now, seed, 260, plain=True).astype(float)
                    if following and part >= 6:
                        share = (part - 5) / 5
                        face = (1 - share) * face + share * draw_face(following, seed, 260, plain=True)
                    canvas[30:290, 30 + 310 * place : 290 + 310 * place] = face.astype(np.uint8)
            writer.write(Image.fromarray(canvas).convert("RGB"), frame / 5, 1 / 5)
    return path


if __name__ == "__main__":
    main()
