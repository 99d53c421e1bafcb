"""Paints a drawn face: features laid on a domed head, turned, lit, photographed.

Hard shapes are painted with OpenCV at a few times the final size. A turn of the head moves what stands out
(nose, brows) further than what lies at its rim. The light, and all that is soft (cheeks, sockets), is a
second layer that the picture is multiplied with.
"""

from math import cos, sin

import cv2
import numpy as np

from mien.data.synthetic.features import Mark, both_sides, curve, ellipse, fill, level, line
from mien.data.synthetic.head import bust, glasses, in_the_way, jaw_patch
from mien.data.synthetic.person import Person, Scene, Units

_RAMP = np.linspace(-1, 1, 9)
_DEPTH = 0.8  # of the dome, in head units
_FINE = 16  # OpenCV's sub-pixel units: 4 bits


def paint(person: Person, units: Units, scene: Scene, size: int, rng: np.random.Generator) -> np.ndarray:
    """The picture, (size, size) uint8. `rng` gives the grain of the film, its only use."""
    side = max(2, round(144 / size)) * size
    scale = side * scene.scale  # pixels a head unit while painting
    left, across, down = scene.backdrop
    ramp = np.minimum(np.maximum(left + across * _RAMP[None, :] + down * _RAMP[:, None], 0), 255)
    canvas = cv2.resize(ramp.astype(np.uint8), (side, side))
    _lay(canvas, bust(person, units, scene), scene, side, scale)
    light = cv2.resize(_light(person, units, scene, size), (side, side))
    canvas = cv2.multiply(canvas, light, dtype=cv2.CV_8U)
    _lay(canvas, glasses(person) + in_the_way(person, scene), scene, side, scale)
    picture: np.ndarray = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    if scene.blur > 0.05:
        picture = cv2.GaussianBlur(picture, (0, 0), scene.blur * size / 48)
    middle = 0.5 * person.skin + 60
    picture = (picture - middle) * scene.contrast + (middle + scene.brightness)
    if scene.noise > 0:
        picture += scene.noise * rng.standard_normal((size, size), dtype=np.float32)
    return np.rint(np.minimum(np.maximum(picture, 0), 255)).astype(np.uint8)


def _project(points: np.ndarray, lift: np.ndarray, depth: np.ndarray, scene: Scene) -> np.ndarray:
    """Head units to head units as seen: lifted onto the dome, turned, tilted, rolled. All (M, ...)."""
    x, y = points[:, 0], points[:, 1]
    z = lift + depth * np.sqrt(np.maximum(1 - (x / 0.84) ** 2 - ((y + 0.05) / 1.25) ** 2, 0))
    x = x * cos(scene.yaw) + z * sin(scene.yaw)
    y = y * cos(scene.pitch) - z * sin(scene.pitch)
    c, s = cos(scene.roll), sin(scene.roll)
    return curve(c * x - s * y, s * x + c * y)


def _lay(
    canvas: np.ndarray,
    marks: list[Mark],
    scene: Scene,
    side: int,
    scale: float,
    gray: float = 1,
    zero: float = 0,
) -> None:
    """Paint `marks` in order onto `canvas` (side, side) uint8, tone t as zero + gray * t."""
    if not marks:
        return
    lengths = [len(m.points) for m in marks]
    lift = np.repeat([m.lift for m in marks], lengths)
    depth = np.repeat([_DEPTH * m.on_dome for m in marks], lengths)
    seen = _project(np.concatenate([m.points for m in marks]), lift, depth, scene)
    middle = (side * _FINE * (0.5 + scene.shift[0]), side * _FINE * (0.5 + scene.shift[1]))
    fixed = np.rint(seen * (scale * _FINE) + middle).astype(np.int32)
    start = 0
    for mark, length in zip(marks, lengths, strict=True):
        points = fixed[start : start + length]
        start += length
        tone = min(max(zero + gray * mark.tone, 0), 255)
        if mark.width:
            cv2.polylines(canvas, [points], False, tone, max(1, round(mark.width * scale)), cv2.LINE_AA, 4)
        else:
            cv2.fillPoly(canvas, [points], tone, cv2.LINE_AA, 4)


def _light(p: Person, units: Units, scene: Scene, size: int) -> np.ndarray:
    """What the picture is multiplied with, (size, size) float32: the dome in the light, and soft shadow."""
    scale = size * scene.scale
    x = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5 - scene.shift[0]) / scene.scale
    y = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5 - scene.shift[1]) / scene.scale
    c, s = cos(scene.roll), sin(scene.roll)
    across = (c * x[None, :] + s * y[:, None]) / (p.width * 1.06)
    down = (c * y[:, None] - s * x[None, :]) / 1.22
    across *= 1 + 0.2 * np.maximum(down, 0) ** 2  # narrower at the chin
    rest = 1 - across * across - down * down
    on_head = np.minimum(np.maximum(6 * rest - 0.12, 0), 1)
    towards = scene.light[2] * np.sqrt(np.maximum(rest, 0.08))
    lambert = np.maximum(scene.light[0] * across + scene.light[1] * down + towards, 0)
    shade = 1 + scene.hardness * on_head * (1.12 * lambert - 1)
    soft = np.full((size, size), 128, np.uint8)
    _lay(soft, _soft(p, units, scene), scene, size, scale, 200, 128)
    blurred = cv2.GaussianBlur(soft, (0, 0), max(0.4, 0.05 * scale)).astype(np.float32)
    return shade * (1 + (blurred - 128) / 200)


def _soft(p: Person, units: Units, scene: Scene) -> list[Mark]:
    smile, cheek = level(units, 12), level(units, 6)
    drop = 0.17 * level(units, 26)
    shadow = -1 if scene.light[0] > 0 else 1
    marks = both_sides([fill(ellipse(p.eye_x, p.eye_y - 0.03, 0.22, 0.15), -0.14 - 0.08 * p.age)])
    wing, base = p.nose_width, p.nose_y
    flank = np.array([(0.06, -0.25), (0.08, 0.0), (1.1 * wing, base), (0.3 * wing, base - 0.02)])
    marks.append(fill(flank * (shadow, 1), -0.1 - 0.28 * scene.hardness, 0.05))
    marks.append(line(np.array([(0, -0.3), (0, base - 0.03)]), 0.16, 0.07, 0.12))
    marks.append(fill(ellipse(0, base + 0.09, wing, 0.045), -0.22, 0.05))
    marks.append(fill(ellipse(0, p.mouth_y + 0.19 + drop, 0.15, 0.04), -0.16))
    marks.append(fill(ellipse(0, 0.84 + drop, 0.13, 0.08), 0.1 - 0.25 * level(units, 17)))
    if p.beard == "stubble":
        marks.append(fill(jaw_patch(p, units, -0.02, 0.1), -0.14))
    apple = ellipse(0.43, 0.2 - 0.06 * cheek, 0.15, 0.1 + 0.02 * cheek)
    hollow = ellipse(p.mouth_width + 0.24, p.mouth_y - 0.03, 0.07, 0.16)
    marks += both_sides([fill(apple, 0.05 + 0.13 * max(smile, cheek))])
    marks += both_sides([fill(hollow, -0.06 - 0.16 * smile - 0.08 * p.age)])
    marks.append(fill(ellipse(0, -0.33, 0.09, 0.1), -0.22 * min(1.0, level(units, 4) + level(units, 9))))
    return marks
