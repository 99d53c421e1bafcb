"""Eyes, brows, nose and mouth of a synthetic face as shapes, moved by its FACS action units.

A `Mark` is one shape in head units (see `person.py`), laid on the front of a head that looks straight ahead. How far
an action unit moves each shape was set by eye, after the descriptions of the Facial Action Coding System.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.data.synthetic.person import Person, Scene, Units

Points = NDArray[np.float64]  # (P, 2), or (P,) for one coordinate of each

T = np.linspace(-1.0, 1.0, 15)  # along a lid, a lip, a brow
BOW = 1 - T**2  # 0 at both ends, 1 in the middle
_LID, _RIM, _BOX = BOW**0.75, BOW**0.6, BOW**0.3
_CUPID = 1 - 0.4 * np.exp(-((T / 0.2) ** 2))
_ALONG = (T + 1) / 2
_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_FLIP = np.array([-1.0, 1.0])


class Mark(NamedTuple):
    """A polygon or a line of the drawing."""

    points: Points  # (P, 2)
    tone: float  # gray value; in the soft layer light added, -1..1
    width: float = 0.0  # of a line; 0 fills the polygon
    lift: float = 0.0  # distance from the dome's surface, or from the head's middle plane if not on it
    on_dome: bool = True


def fill(points: Points, tone: float, lift: float = 0.0) -> Mark:
    """A filled polygon."""
    return Mark(points, tone, 0.0, lift)


def line(points: Points, tone: float, width: float, lift: float = 0.0) -> Mark:
    """A line through points."""
    return Mark(points, tone, width, lift)


def flat(points: Points, tone: float, lift: float, width: float = 0.0) -> Mark:
    """Something that does not lie on the face: `lift` before the head's middle plane, or behind it."""
    return Mark(points, tone, width, lift, False)


def curve(x: Points, y: Points | float) -> Points:
    """Points (P, 2) of x (P,) and y, an array or one height for all."""
    out = np.empty((len(x), 2))
    out[:, 0] = x
    out[:, 1] = y
    return out


def ring(upper: Points, lower: Points) -> Points:
    """A closed shape from its two edges, both from left to right."""
    return np.concatenate((upper, lower[::-1]))


def ellipse(x: float, y: float, rx: float, ry: float) -> Points:
    """A closed ring of points, (P, 2), around (x, y)."""
    return curve(CIRCLE[:, 0] * rx + x, CIRCLE[:, 1] * ry + y)


def moved(points: Points, x: float, y: float) -> Points:
    """Points (P, 2) shifted by (x, y)."""
    return np.asarray(points + np.array((x, y)))


def both_sides(marks: list[Mark]) -> list[Mark]:
    """Marks of the right half, and their mirror images."""
    return marks + [Mark(m.points * _FLIP, *m[1:]) for m in marks]


def level(units: Units, unit: int) -> float:
    """How far an action unit (Ekman's numbers) is drawn, 0 where the face does not show it."""
    return units.get(unit, 0.0)


def eyes(p: Person, units: Units, scene: Scene) -> list[Mark]:
    """Both eyes, their lids and pupils."""
    au1, au5, au6, au7, au9 = (level(units, n) for n in (1, 5, 6, 7, 9))
    shut = min(level(units, 43), 1.0)
    rise = p.eye_height * (1 + 0.75 * au5 - 0.42 * au7 - 0.2 * au6 - 0.15 * au9) * (1 - 0.8 * shut)
    sag = p.eye_height * 0.75 * (1 + 0.2 * au5 - 0.5 * au6 - 0.4 * au7 - 0.25 * au9) * (1 - 0.4 * shut)
    rise, sag = max(rise, 0.012), max(sag, 0.006)
    droop = 0.03 * au1 * (1 - 0.6 * min(au5, 1.0))  # a raised inner brow slants the upper lid
    middle = p.eye_y + 0.02 * au6

    x = p.eye_x + p.eye_width * T
    upper = middle - p.eye_tilt * T - rise * _LID + droop * T * BOW
    lower = middle - p.eye_tilt * T + sag * BOW
    lid, under = curve(x, upper), curve(x, lower)
    white = both_sides([fill(ring(lid, under), min(238.0, 150 + 0.42 * p.skin))])

    irises = []
    for side in (-1, 1):
        center = (side * p.eye_x + p.eye_width * scene.gaze[0], p.eye_y - 0.012 + 0.1 * scene.gaze[1])
        disk = np.concatenate((CIRCLE * 0.072, CIRCLE * 0.036)) + center
        t = (side * disk[:, 0] - p.eye_x) / p.eye_width
        disk[:, 1] = np.minimum(np.maximum(disk[:, 1], np.interp(t, T, upper)), np.interp(t, T, lower))
        irises += [fill(disk[:24], p.iris), fill(disk[24:], 12)]
        if rise > 0.055:
            irises.append(fill(CIRCLE[::3] * 0.018 + (center[0] + 0.028, center[1] - 0.024), 250))

    marks = [
        line(curve(x[2:-1], upper[2:-1] - 0.045 - 0.02 * (1 - au7)), p.skin * (0.72 - 0.1 * p.age), 0.018),
        line(under, p.skin * 0.62, 0.018),
        line(lid, 0.16 * p.skin, 0.03 + 0.018 * p.lashes),
    ]
    squeeze = max(au6, 0.6 * au9, 0.4 * au7)
    if squeeze > 0.25:  # the lower lid bulges
        bag = curve(x[2:-1], lower[2:-1] + 0.045 + 0.02 * BOW[2:-1])
        marks.append(line(bag, p.skin * (1 - 0.3 * squeeze), 0.022))
    if au6 * (0.5 + p.age) > 0.45:  # crow's feet
        corner = p.eye_x + p.eye_width + 0.04
        for fan in (-0.07, 0.0, 0.07):
            foot = np.array([(corner, p.eye_y + 0.01 + 0.3 * fan), (corner + 0.09, p.eye_y + 0.01 + fan)])
            marks.append(line(foot, p.skin * (1 - 0.28 * au6), 0.016))
    return white + irises + both_sides(marks)


def brows(p: Person, units: Units) -> list[Mark]:
    """Both eyebrows."""
    au1, au2, au4 = (level(units, n) for n in (1, 2, 4))
    inner = -0.15 * au1 + 0.155 * au4 * max(0.0, 1 - 0.8 * au1) + 0.06 * level(units, 9)
    outer = -0.15 * au2 + 0.035 * au4 + 0.03 * au1 * max(0.0, 1 - au2)
    x = 0.125 - 0.045 * au4 + 0.4 * _ALONG
    y = p.brow_y + 0.03 * _ALONG**2 - p.brow_arch * BOW + inner * (1 - _ALONG) ** 1.3 + outer * _ALONG
    half = p.brow_weight * (1 + 0.15 * au4) * (1 - 0.65 * _ALONG**2)
    tone = min(0.8 * p.hair_tone + 0.1 * p.skin, 0.6 * p.skin)
    return both_sides([fill(ring(curve(x, y - half), curve(x, y + half)), tone, 0.03)])


def nose(p: Person, units: Units) -> list[Mark]:
    """Nostrils, tip and, where it is wrinkled, the lines beside it."""
    wrinkle = level(units, 9)
    flare = p.nose_width * (1 + 0.18 * wrinkle + 0.08 * level(units, 12) + 0.08 * level(units, 10))
    tip = p.nose_y - 0.045 * wrinkle
    wing = np.array([(0.8, -0.1), (1.05, -0.03), (1.0, 0.05), (0.75, 0.06)]) * (flare, 1) + (0, tip)
    marks = [
        line(wing, p.skin * 0.66, 0.022, 0.08),
        fill(ellipse(flare * 0.5, tip + 0.045, 0.045, 0.022), p.skin * 0.3, 0.12),
    ]
    if wrinkle > 0.25:
        for i in range(3):
            crinkle = np.array([(0.03, -0.19 + 0.06 * i), (0.12, -0.14 + 0.07 * i)])
            marks.append(line(crinkle, p.skin * (1 - 0.4 * min(wrinkle, 1.0)), 0.022, 0.08))
    base = curve(T[4:11] * flare * 0.9, tip + 0.075 - 0.03 * T[4:11] ** 2)
    return [*both_sides(marks), line(base, p.skin * 0.62, 0.02, 0.12)]


def mouth(p: Person, units: Units) -> list[Mark]:
    """Lips, and the teeth and tongue that an open mouth shows."""
    snarl, smile, frown = level(units, 10), level(units, 12), level(units, 15)
    stretch, tight, part, drop = (level(units, n) for n in (20, 23, 25, 26))
    half = p.mouth_width * (1 + 0.32 * smile + 0.34 * stretch - 0.2 * tight - 0.2 * drop * max(0.0, 1 - smile))
    middle = p.mouth_y + 0.015 * smile - 0.05 * snarl - 0.03 * level(units, 17) + 0.02 * drop
    corner = -0.16 * smile + 0.17 * frown + 0.035 * stretch + 0.03 * tight
    gape = 0.075 * part + 0.33 * drop + 0.05 * level(units, 16) * (part > 0.2) + 0.03 * snarl * part
    box = min(1.0, stretch + tight + 0.6 * snarl)  # how square the opening of a stretched or snarling mouth is
    bow = BOW ** (0.5 - 0.22 * box) if gape > 0.03 else BOW

    x = half * T
    rest = middle + corner * np.abs(T) ** (2 + frown)
    upper = rest - (0.16 + 0.25 * snarl) * gape * bow - 0.035 * snarl * BOW
    lower = rest + 0.84 * gape * bow + 0.05 * smile * BOW if gape >= 0.02 else upper + 0.012 * BOW
    full = p.lips * max(1 - 0.6 * min(tight, 1.0) - 0.2 * smile - 0.25 * stretch, 0.25)
    top = upper - full * _RIM * _CUPID
    bottom = lower + 1.35 * full * (1 + 0.35 * level(units, 16)) * _RIM
    top_edge, low_edge = curve(x, upper), curve(x, lower)
    marks = [
        fill(ring(curve(x, top), curve(x, upper + 0.01)), p.skin * p.lip_tone * 0.86, 0.04),
        fill(ring(curve(x, lower - 0.01), curve(x, bottom)), p.skin * p.lip_tone, 0.04),
        line(curve(x[4:11], bottom[4:11] + 0.035), p.skin * 0.74, 0.03, 0.02),
    ]
    if gape < 0.02:
        marks.append(line(top_edge, p.skin * 0.3, 0.026, 0.04))
    else:
        marks.append(fill(ring(top_edge, low_edge), 26, 0.03))
        if gape > 0.2:
            tongue = curve(0.75 * x, lower - 0.4 * gape * np.maximum(BOW - 0.25, 0))
            marks.append(fill(ring(tongue, curve(0.75 * x, lower - 0.01)), 82, 0.03))
        bared = max(smile, 0.8 * stretch, snarl, tight * part, 0.45 * part)
        teeth = np.minimum(upper + (0.03 + 0.075 * bared) * _BOX, lower)
        marks.append(fill(ring(top_edge[2:-2], curve(x, teeth)[2:-2]), 228, 0.03))
        if box * part > 0.5 and drop < 0.55:  # clenched: the lower teeth too
            teeth = np.minimum(np.maximum(lower - (0.02 + 0.05 * box) * _BOX, teeth + 0.012), lower)
            marks.append(fill(ring(curve(x, teeth)[2:-2], low_edge[2:-2]), 205, 0.03))
    creases = []
    if smile > 0.3:
        cheek = np.array([(half + 0.03, rest[0] - 0.05), (half + 0.05, rest[0] + 0.03)])
        creases.append(line(cheek, p.skin * (1 - 0.35 * smile), 0.022))
    if frown > 0.3:
        hook = np.array([(half, rest[0]), (half + 0.05, rest[0] + 0.09)])
        creases.append(line(hook, p.skin * (1 - 0.4 * frown), 0.024))
    return marks + both_sides(creases)
