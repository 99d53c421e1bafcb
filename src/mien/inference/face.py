"""The Face: emotion, probabilities, box and quality of one face, with its notebook and table views."""

import base64
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.errors import MienError
from mien.inference.prediction_sets import prediction_sets
from mien.inference.quality import Quality
from mien.labels import color

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Face:
    """One face and its predicted emotion.

    emotion: the most probable class. confidence: its probability, 0..1, calibrated by the model's temperature.
    probabilities: of every class, in the model's order. box: x, y, width, height in pixels of the upright picture.
    score: the detector's, 0..1; None if the whole picture was treated as the face. landmarks: (x, y) of both eyes, the
    nose and both corners of the mouth, if known. crop: (S, S) uint8, the cropped gray face, upright, before the model's
    input normalization. model: the model file. quality: size, sharpness, brightness, tilt and more. set_threshold: of
    the model's conformal sets, None if its file has none.
    """

    emotion: str
    confidence: float
    probabilities: dict[str, float] = field(hash=False)
    box: tuple[int, int, int, int]
    score: float | None
    landmarks: dict[str, tuple[float, float]] = field(hash=False)
    crop: NDArray[np.uint8] = field(repr=False, compare=False)
    model: str = field(repr=False, compare=False)
    quality: Quality | None = field(default=None, repr=False, compare=False)
    set_threshold: float | None = field(default=None, repr=False, compare=False)

    @property
    def options(self) -> tuple[str, ...]:
        """The classes in the face's conformal prediction set, most probable first; it contains the true class with the
        probability promised in the model file (model.info.conformal). () if the file has no threshold."""
        if self.set_threshold is None:
            return ()
        names = sorted(self.probabilities, key=lambda name: -self.probabilities[name])
        ranked = [[self.probabilities[name] for name in names]]
        return tuple(
            name for name, member in zip(names, prediction_sets(ranked, self.set_threshold)[0], strict=True) if member
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields except crop, model and set_threshold, JSON-serializable."""
        return {
            "emotion": self.emotion,
            "confidence": digits(self.confidence),
            "probabilities": {name: digits(p) for name, p in self.probabilities.items()},
            "box": list(self.box),
            "score": None if self.score is None else digits(self.score),
            "landmarks": {name: [round(x, 1), round(y, 1)] for name, (x, y) in self.landmarks.items()},
            **({} if self.quality is None else {"quality": self.quality.to_dict()}),
        }

    def _repr_html_(self) -> str:
        """The face beside a bar for every class, for notebooks."""
        rows = "".join(
            f'<tr><td style="text-align:right">{html.escape(name)}</td><td style="text-align:left">'
            f'<div style="display:inline-block;height:0.8em;width:{100 * share:.0f}px;'
            f'background:{color(name, i)}"></div>'
            f" {share:.0%}</td></tr>"
            for i, (name, share) in enumerate(self.probabilities.items())
        )
        flags = ", ".join(self.quality.flags) if self.quality else ""
        note = f"<div>{html.escape(flags)}</div>" if flags else ""
        image = f'<img alt="face" width="144" height="144" src="data:image/png;base64,{png_base64(self.crop)}">'
        return (
            f'<div style="display:flex;gap:1em;align-items:center">{image}<div><table>{rows}</table>{note}</div></div>'
        )


def to_frame(faces: Iterable[Any]) -> "pandas.DataFrame":
    """Faces as a pandas DataFrame, one row per face.

    faces: Face values (from `read` or video frames); or an iterable of lists as `read_many` yields, which adds a column
    `picture`, counted from 0; or of `stream` results, which adds a column `source`. Columns: emotion, confidence,
    p_CLASS for each class, x, y, w, h, score, and size, sharpness, brightness, contrast, tilt, turned, cut; for videos,
    id, for their frames, time, and with a baseline, change_CLASS for each class after p_CLASS. Without any face the
    table is empty, with columns emotion, confidence, x, y, w, h, score. Raises MienError for other values, and if
    pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MienError(
            "to_frame needs pandas (pip install pandas); without it: [face.to_dict() for face in faces]"
        ) from error
    rows = []
    for number, item in enumerate(_listed(faces)):
        if isinstance(item, Face):
            rows.append(_row(item))
        elif hasattr(item, "faces"):
            where = {"source": item.source} if hasattr(item, "source") else {"time": item.time}
            rows += [{**where, **_row(face)} for face in item.faces]
        else:
            rows += [{"picture": number, **_row(face)} for face in _listed(item)]
    if not rows:
        return pandas.DataFrame(columns=["emotion", "confidence", *"xywh", "score"])
    frame = pandas.DataFrame(rows)
    return frame.drop(columns=[name for name in frame if name.startswith("change_") and frame[name].isna().all()])


def require_face(face: object) -> None:
    """Raise MienError unless this is a Face."""
    if not isinstance(face, Face):
        message = f"give one Face, such as mien.read(picture)[0], not a value of type {type(face).__name__}"
        raise MienError(message, parameter="face")


def _listed(faces: Any) -> Iterable[Any]:
    if isinstance(faces, (str, bytes, Face)) or not hasattr(faces, "__iter__"):
        what = "one Face" if isinstance(faces, Face) else f"a value of type {type(faces).__name__}"
        message = f"to_frame takes a list of faces as {{parameter}}, such as mien.read(picture), not {what}"
        raise MienError(message, parameter="values")
    return faces  # type: ignore[no-any-return]


def _row(face: Face) -> dict[str, Any]:
    require_face(face)
    quality = face.quality.to_dict() if face.quality else {}
    quality.pop("flags", None)
    identity = {"id": face.id} if hasattr(face, "id") else {}
    change = getattr(face, "change", None) or {}
    changes = {f"change_{name}": change.get(name) for name in face.probabilities} if identity else {}
    return {
        **identity,
        "emotion": face.emotion,
        "confidence": face.confidence,
        **{f"p_{name}": share for name, share in face.probabilities.items()},
        **changes,
        **dict(zip("xywh", face.box, strict=True)),
        "score": face.score,
        **quality,
    }


def png_base64(array: NDArray[np.uint8]) -> str:
    """(H, W) or (H, W, 3) uint8 -> PNG in base64, for HTML."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG", compress_level=1)
    return base64.b64encode(file.getvalue()).decode("ascii")


def digits(value: float) -> float:
    """Round to seven significant digits: short in a file, and small values do not become 0."""
    return float(f"{value:.7g}")
