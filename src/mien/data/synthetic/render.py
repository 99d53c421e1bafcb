"""Rendering a synthetic face: features laid on a domed head, turned, lit and photographed. numpy and Pillow only.

Shapes are filled at several times the final size and averaged down, which smooths their edges. A turn of the head
moves what stands out (nose, brows) further than what lies at its rim. The light, and all that is soft (cheeks,
sockets), is a second layer that the image is multiplied with.
"""

from math import cos, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mien.data.synthetic.features import Mark, Points, both_sides, curve, ellipse, fill, level, line
from mien.data.synthetic.head import bust, glasses, jaw_patch, occluders
from mien.data.synthetic.person import Person, Scene, Units

Polygon = tuple[Points, float]  # corners (P, 2) in pixels, gray value

_DEPTH = 0.8  # of the dome, in head units
_SOFT_SCALE = 2  # the soft layer is drawn this much larger than the image; it is blurred anyway
_CAP = np.linspace(0.5, -0.5, 9)[1:-1, None] * np.pi  # angles of a round line end, (7, 1)
_SINE, _COSINE = np.sin(_CAP), np.cos(_CAP)


def paint(person: Person, units: Units, scene: Scene, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The image, (size, size) uint8. `rng` gives the grain of the film, its only use."""
    oversampling = max(4, round(240 / size))
    side = oversampling * size
    base, soft, front = bust(person, units, scene), _soft(person, units, scene), glasses(person)
    front += occluders(person, scene)
    polygons = _polygons(base + soft + front, scene, side)
    base_polygons, polygons = polygons[: len(base)], polygons[len(base) :]
    soft_polygons, front_polygons = polygons[: len(soft)], polygons[len(soft) :]

    canvas = Image.fromarray(_backdrop(scene, size)).resize((side, side), Image.Resampling.NEAREST)
    _fill(canvas, base_polygons)
    image = (
        _reduced(canvas, oversampling)
        * _shade(person, scene, size)
        * _soft_light(soft_polygons, scene, size, oversampling)
    )
    if front:
        tones, mask = Image.new("L", canvas.size), Image.new("L", canvas.size)
        _fill(tones, front_polygons)
        _fill(mask, [(points, 255) for points, _ in front_polygons])
        image = image * (1 - _reduced(mask, oversampling) / 255) + _reduced(tones, oversampling)
    image = np.minimum(image, 255)
    if scene.blur > 0.05:
        image = _gaussian_blur(image, scene.blur * size / 48)
    middle = 0.5 * person.skin + 60
    image = (image - middle) * scene.contrast + (middle + scene.brightness)
    if scene.noise > 0:
        image += scene.noise * rng.standard_normal((size, size), dtype=np.float32)
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def _reduced(canvas: Image.Image, factor: int) -> NDArray[np.float64]:
    """Averages of factor x factor pixels."""
    return np.asarray(canvas.reduce(factor), dtype=np.float64)


def _gaussian_blur(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """`image` (size, size) blurred; at the border the kernel is cut and normalized again."""
    size = len(image)
    weights = np.exp(-0.5 * (np.arange(1 - size, size) / sigma) ** 2)
    kernel = np.lib.stride_tricks.sliding_window_view(weights, size)[::-1]  # (size, size), constant along diagonals
    kernel = kernel / kernel.sum(axis=1, keepdims=True)
    blurred: NDArray[np.float64] = kernel @ image @ kernel.T
    return blurred


def _project(points: Points, lift: Points, depth: Points, scene: Scene) -> Points:
    """Head units to head units as seen: lifted onto the dome, turned, tilted, rolled. All (M, ...)."""
    x, y = points[:, 0], points[:, 1]
    z = lift + depth * np.sqrt(np.maximum(1 - (x / 0.84) ** 2 - ((y + 0.05) / 1.25) ** 2, 0))
    x = x * cos(scene.yaw) + z * sin(scene.yaw)
    y = y * cos(scene.pitch) - z * sin(scene.pitch)
    c, s = cos(scene.roll), sin(scene.roll)
    return curve(c * x - s * y, s * x + c * y)


def _polygons(marks: list[Mark], scene: Scene, side: int) -> list[Polygon]:
    """What to fill for each mark on a canvas of `side` pixels: polygons as seen, lines with round ends."""
    scale = side * scene.scale  # pixels a head unit
    lengths = [len(mark.points) for mark in marks]
    lift = np.repeat([mark.lift for mark in marks], lengths)
    depth = np.repeat([_DEPTH * mark.on_dome for mark in marks], lengths)
    points = _project(np.concatenate([mark.points for mark in marks]), lift, depth, scene) * scale
    points += (side * (0.5 + scene.shift[0]), side * (0.5 + scene.shift[1]))
    ends = np.cumsum(lengths).tolist()
    shapes = [points[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    lines = [i for i, mark in enumerate(marks) if mark.width]
    outlines = _outlines([shapes[i] for i in lines], [marks[i].width * scale for i in lines])
    for i, outline in zip(lines, outlines, strict=True):
        shapes[i] = outline
    return [(shape, mark.tone) for shape, mark in zip(shapes, marks, strict=True)]


def _fill(canvas: Image.Image, polygons: list[Polygon]) -> None:
    """Fill `polygons` in order on a canvas of mode L."""
    pen = ImageDraw.Draw(canvas)
    for points, tone in polygons:
        pen.polygon(points.ravel().tolist(), fill=int(min(max(tone, 0.0), 255.0) + 0.5))


def _outlines(lines: list[Points], widths: list[float]) -> list[Points]:
    """Polygons, each (P, 2), that cover lines of two points or more, with round ends.

    A closed line becomes a ring, cut where it begins.
    """
    points = np.concatenate(lines)
    lengths = np.array([len(line) for line in lines])
    ends = np.cumsum(lengths)
    starts, last = ends - lengths, ends - 1
    # Directions from each point to the next, and the mean of the directions before and after it.
    step = np.empty_like(points)
    np.subtract(points[1:], points[:-1], out=step[:-1])
    step[last] = step[last - 1]
    step /= np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)[:, None]
    ahead = step.copy()
    ahead[1:] += step[:-1]
    ahead[starts] = step[starts]
    ahead /= np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9)[:, None]
    # Pillow's polygons hold the pixels under their edges too: half a pixel more on each side than meant.
    reach = np.maximum(0.5 * np.repeat(widths, lengths) - 0.5, 0.25)
    ahead *= (reach / np.maximum(np.einsum("ij,ij->i", ahead, step), 0.6))[:, None]
    aside = ahead[:, ::-1] * (-1.0, 1.0)
    left, right = points + aside, points - aside
    ending = points[last, None] + _SINE * aside[last, None] + _COSINE * ahead[last, None]
    beginning = points[starts, None] - _SINE * aside[starts, None] - _COSINE * ahead[starts, None]
    closed = (points[starts] == points[last]).all(axis=1).tolist()
    outlines = []
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        there, back = left[start:end], right[start:end][::-1]
        outlines.append(np.concatenate((there, back) if closed[i] else (there, ending[i], back, beginning[i])))
    return outlines


def _backdrop(scene: Scene, size: int) -> NDArray[np.uint8]:
    left, across, down = scene.backdrop
    ramp = (2 * np.arange(size) + 1) / size - 1
    return np.clip(left + across * ramp[None, :] + down * ramp[:, None], 0, 255).astype(np.uint8)


def _shade(p: Person, scene: Scene, size: int) -> NDArray[np.float64]:
    """Light on the dome of the head, (size, size), times which the image is taken; 1 beside the head."""
    x = ((np.arange(size) + 0.5) / size - 0.5 - scene.shift[0]) / scene.scale
    y = ((np.arange(size) + 0.5) / size - 0.5 - scene.shift[1]) / scene.scale
    c, s = cos(scene.roll), sin(scene.roll)
    across = (c * x[None, :] + s * y[:, None]) / (p.width * 1.06)
    down = (c * y[:, None] - s * x[None, :]) / 1.22
    across *= 1 + 0.2 * np.maximum(down, 0) ** 2  # narrower at the chin
    rest = 1 - across * across - down * down
    on_head = np.minimum(np.maximum(6 * rest - 0.12, 0), 1)
    towards = scene.light[2] * np.sqrt(np.maximum(rest, 0.08))
    lambert = np.maximum(scene.light[0] * across + scene.light[1] * down + towards, 0)
    return 1 + scene.hardness * on_head * (1.12 * lambert - 1)


def _soft_light(polygons: list[Polygon], scene: Scene, size: int, oversampling: int) -> NDArray[np.float64]:
    """Soft highlights and shadows of the face, (size, size), times which the image is taken."""
    canvas = Image.new("L", (_SOFT_SCALE * size,) * 2, 128)
    shrink = _SOFT_SCALE / oversampling
    _fill(canvas, [(shrink * points, 128 + 200 * tone) for points, tone in polygons])
    soft = _gaussian_blur(_reduced(canvas, _SOFT_SCALE), max(0.4, 0.05 * size * scene.scale))
    return 1 + (soft - 128) / 200


def _soft(p: Person, units: Units, scene: Scene) -> list[Mark]:
    """Sockets, cheeks, the flanks of the nose and the like; their tones are light added, -1 to 1."""
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
