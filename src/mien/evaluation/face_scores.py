"""Face scores: the face detector's confidence that a small, tightly cropped image shows a face.

YuNet expects some space around a face, so an image is scored as it is and, if the score is low, enlarged and padded
with its mean gray. The highest score counts.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.inference.detector import YUNET
from mien.inference.session import open_session

# Below this score, 70 % of FER2013's images are labeled no face by most FER+ taggers; among all images it is one in
# 200.
NO_FACE = 0.25
_SURE_SCORE = 0.6  # stop at a score of this or more
_LOOKS = (
    (96, 96),
    (192, 256),
    (256, 256),
)  # sides in pixels of the enlarged image and of the padded canvas, multiples of 32
_OUTPUTS = [f"{kind}_{stride}" for stride in (8, 16, 32) for kind in ("cls", "obj")]
_BLOCK = 256


def face_scores(
    images: NDArray[np.uint8], threads: int = 1, on_rows: Callable[[int], None] | None = None
) -> NDArray[np.float64]:
    """A score per image, (N,) float64, 0 (no face) to 1 (certainly a face); about half a millisecond per image and
    thread.

    images: (N, H, W) uint8, gray. on_rows: called occasionally with a number of images done.
    """
    session = open_session(YUNET, 1)
    blocks = [images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK)]
    scores = [np.zeros(0)]
    with ThreadPoolExecutor(threads) as pool:
        for block in pool.map(lambda part: np.array([_score(session, image) for image in part]), blocks):
            scores.append(block)
            if on_rows:
                on_rows(len(block))
    return np.concatenate(scores)


def _score(session: Any, image: NDArray[np.uint8]) -> float:
    best = 0.0
    for side, canvas_side in _LOOKS:
        enlarged = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
        canvas = np.full((canvas_side, canvas_side), image.mean(), dtype=np.float32)
        margin = (canvas_side - side) // 2
        canvas[margin : margin + side, margin : margin + side] = np.asarray(enlarged)
        planes = np.repeat(canvas[None, None], 3, axis=1)  # (1, 3, H, W): gray has three equal channels
        outputs = session.run(_OUTPUTS, {session.get_inputs()[0].name: planes})
        for of_class, of_object in zip(outputs[::2], outputs[1::2], strict=True):
            both = np.clip(of_class, 0, 1) * np.clip(of_object, 0, 1)
            best = max(best, float(both.max()) ** 0.5)
        if best >= _SURE_SCORE:
            break
    return best
