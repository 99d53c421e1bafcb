"""Small data sets in common layouts: the structures of public data sets, filled with plain pictures."""

from pathlib import Path

import numpy as np
from PIL import Image

SEVEN = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
SAME = dict(zip(SEVEN, SEVEN, strict=True))
ADJECTIVES = dict(zip(["angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral"], SEVEN, strict=True))
NOUNS = dict(zip(["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"], SEVEN, strict=True))
RAFDB = dict(zip("1234567", ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"], strict=True))
NUMBERS = {str(i): emotion for i, emotion in enumerate(SEVEN)}
USAGES = ["Training"] * 56 + ["PublicTest"] * 14 + ["PrivateTest"] * 14


def picture(emotion: str, seed: int, size: int = 48) -> np.ndarray:
    """Noise, (size, size) uint8, that differs by emotion and seed."""
    return np.random.default_rng([seed, SEVEN.index(emotion)]).integers(0, 256, (size, size), dtype=np.uint8)


def put(path: Path, emotion: str = "happy", seed: int = 0, size: int = 48) -> Path:
    """One picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(emotion, seed, size)).save(path)
    return path


def tree(root: Path, folders: dict[str, str] | list[str], n: int = 4, seed: int = 0, ext: str = "png") -> Path:
    """n pictures in each folder; folders: name -> the emotion in it."""
    for name in folders:
        emotion = folders[name] if isinstance(folders, dict) else "happy"
        for s in range(seed, seed + n):
            put(root / name / f"{s:04d}.{ext}", emotion, s)
    return root


def rows() -> list[tuple[int, str, str]]:
    """Label, pixels as text and usage of 84 faces, twelve of each emotion."""
    return [
        (i % 7, " ".join(map(str, picture(SEVEN[i % 7], i).ravel().tolist())), usage) for i, usage in enumerate(USAGES)
    ]
