"""Synthetic faces, drawn by mien itself, in FER2013's layouts: for demonstrations and tests only.

    draw(6000, seed=0)              a Dataset, with FER2013's balance of classes and of usages
    draw_files("data/drawn", 6000)  the same as Kaggle's files
    draw_face("happy", seed=3)      one face, of any size

Heads, hair, skin, age, glasses, beards, pose, light, occluders, blur and noise are sampled; brows, eyes, nose and mouth
move by action units (Ekman & Friesen 1978), often weakly; LABEL_NOISE of the labels are wrong. A number measured on
these faces says that the software works; it says nothing about people.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import SIZE, USAGES, Dataset
from mien.errors import MienError
from mien.files import atomic_write
from mien.labels import EMOTIONS

MARKER = "DRAWN_BY_MIEN.txt"  # beside the csv files; mien.data.load sets Dataset.drawn where it stands
LABEL_NOISE = 0.03  # share of faces that show another emotion than their label says
FER2013_COUNTS = {
    "angry": 4953,
    "disgust": 547,
    "fear": 5121,
    "happy": 8989,
    "sad": 6077,
    "surprise": 4002,
    "neutral": 6198,
}

# What a careless labeller would take each emotion for.
_MISTAKEN = {
    "angry": ("disgust", "neutral", "sad"),
    "disgust": ("angry", "sad"),
    "fear": ("surprise", "sad"),
    "happy": ("neutral", "surprise"),
    "sad": ("neutral", "fear", "angry"),
    "surprise": ("fear", "happy"),
    "neutral": ("sad", "angry", "happy"),
}
_KAGGLE_FILES = ("train.csv", "test.csv", "icml_face_data.csv", "fer2013.csv", "fer2013.tar.gz")
_GOLDEN = (5**0.5 - 1) / 2


def draw(n: int = 6000, seed: int = 0) -> Dataset:
    """`n` drawn faces: images (n, 48, 48) uint8, labels (n,) int64, about two milliseconds each.

    Classes come in FER2013's shares (to within a few faces, whatever n), usages in its order and shares (80 %
    Training, then PublicTest, then PrivateTest). Face i of a seed and its label are the same for every n; the
    same versions of numpy and Pillow give the same pixels. Raises MienError for n < 1 or seed < 0.
    """
    _check(n, seed)
    from mien.data.synthetic.person import sample_person, sample_scene, sample_units
    from mien.data.synthetic.render import paint

    labels = _labels(n, seed)
    images = np.empty((n, SIZE, SIZE), dtype=np.uint8)
    for i, label in enumerate(labels):
        rng = np.random.default_rng([seed, i])
        shown = EMOTIONS[label]
        if rng.random() < LABEL_NOISE:
            shown = str(rng.choice(_MISTAKEN[shown]))
        person = sample_person(rng)
        units = sample_units(rng, shown)
        images[i] = paint(person, units, sample_scene(rng), SIZE, rng)
    held_out = round(n * 3589 / 35887)
    usage = np.repeat(np.array(USAGES), [n - 2 * held_out, held_out, held_out])
    source = f"{n:,} faces drawn by mien, seed {seed}"
    return Dataset(images, labels, usage, EMOTIONS, source=source, drawn=True)


def draw_face(emotion: str, seed: int = 0, size: int = SIZE, plain: bool = False) -> NDArray[np.uint8]:
    """One face showing `emotion`, (size, size) uint8. The same seed gives the same person for every emotion.

    `plain`: a full expression in a studio, facing the viewer, sharp, nothing in the way; else as in `draw`.
    Raises MienError for an emotion that is not one of the seven, a size under 16, or seed < 0.
    """
    if emotion not in EMOTIONS:
        raise MienError(f"cannot draw {emotion!r}; choose one of {', '.join(EMOTIONS)}")
    if size < 16:
        raise MienError(f"cannot draw a face of {size} pixels; choose a size of 16 or more")
    _check(1, seed)
    from mien.data.synthetic.person import sample_person, sample_scene, sample_units
    from mien.data.synthetic.render import paint

    person = sample_person(np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 1 + EMOTIONS.index(emotion)])
    units = sample_units(rng, emotion, 1.0 if plain else None)
    return paint(person, units, sample_scene(rng, plain), size, rng)


def draw_files(directory: str | Path, n: int = 6000, seed: int = 0) -> Dataset:
    """Write `draw(n, seed)` to `directory` as Kaggle's files, and return it; each file appears whole or not.

    train.csv (`emotion,pixels`, the Training rows), test.csv (`pixels`, PublicTest then PrivateTest),
    icml_face_data.csv (`emotion, Usage, pixels`, all rows, all labeled), and a note, DRAWN_BY_MIEN.txt, by
    which `load` knows that the faces are drawn. Raises MienError where it cannot write, and where the
    directory holds data without that note: real data is never written over, nor taken for drawn.
    """
    if not str(directory):
        raise MienError("the name of the folder is empty; give one to draw faces into")
    directory = Path(directory)
    if not (directory / MARKER).exists():
        for name in _KAGGLE_FILES:
            if (directory / name).exists():
                raise MienError(f"{directory / name} was not drawn by mien, so it stays; choose another folder")
    dataset = draw(n, seed)
    held_out = dataset.usage != "Training"
    note = (
        f"{n} faces drawn by mien (seed {seed}), in the layouts of FER2013's files.\n"
        "They are for demonstrations and tests. Nothing measured on them says anything about real faces.\n"
    )
    _write(directory / MARKER, [note])
    _write(directory / "train.csv", _rows("emotion,pixels", dataset.subset(~held_out), "{emotion},{pixels}"))
    _write(directory / "test.csv", _rows("pixels", dataset.subset(held_out), "{pixels}"))
    _write(
        directory / "icml_face_data.csv",
        _rows("emotion, Usage, pixels", dataset, "{emotion},{usage},{pixels}"),
    )
    return dataset


def _labels(n: int, seed: int) -> NDArray[np.int64]:
    """Class of each face, (n,) int64: the golden ratio's steps fill FER2013's shares evenly at every n."""
    shares = np.array([FER2013_COUNTS[name] for name in EMOTIONS])
    edges = np.cumsum(shares / shares.sum())
    place = (np.random.default_rng(seed).random() + _GOLDEN * np.arange(n)) % 1.0
    return np.minimum(np.searchsorted(edges, place, side="right"), len(EMOTIONS) - 1).astype(np.int64)


def _rows(header: str, dataset: Dataset, layout: str) -> Iterator[str]:
    yield header + "\n"
    for image, label, usage in zip(dataset.images, dataset.labels, dataset.usage, strict=True):
        pixels = " ".join(map(str, image.ravel().tolist()))
        yield layout.format(emotion=label, usage=usage, pixels=pixels) + "\n"


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic_write(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(lines)


def _check(n: int, seed: int) -> None:
    if n < 1:
        raise MienError(f"cannot draw {n} faces; ask for 1 or more")
    if seed < 0:
        raise MienError(f"cannot draw with seed {seed}; choose 0 or more")
