"""The head around the features of a synthetic face: outline, wrinkles, hair, beard, glasses, occluders."""

import numpy as np

from mien.data.synthetic.features import (
    BOW,
    CIRCLE,
    Mark,
    Points,
    T,
    both_sides,
    brows,
    curve,
    ellipse,
    eyes,
    fill,
    flat,
    level,
    line,
    mouth,
    moved,
    nose,
    ring,
)
from mien.data.synthetic.person import Person, Scene, Units

_TURN = np.linspace(0, 2 * np.pi, 56, endpoint=False)
_COS, _SIN = np.cos(_TURN), np.sin(_TURN)
_OVER = np.arange(28, 57) % 56  # the outline's points from the left ear over the top to the right ear
_COS_OVAL, _SIN_OVAL = np.sign(_COS) * np.abs(_COS) ** 0.9, 1.13 * _SIN
_ARCH = BOW**0.5


def outline(p: Person, units: Units, grow: float = 0.0) -> Points:
    """The head's outline, (56, 2), from the right ear under the chin and back over the top.

    `grow` widens the skull and jaw, but does not lower the chin.
    """
    chin = 1.0 + 0.17 * level(units, 26) - 0.02 * level(units, 17)
    x, y = _COS_OVAL.copy(), (1 + grow / 1.13) * _SIN_OVAL
    below = slice(1, 28)
    x[below] = np.sign(_COS[below]) * np.abs(_COS[below]) ** p.jaw
    y[below] = chin * _SIN[below]
    return curve((p.width + grow) * x * (1 - p.taper * np.maximum(y, 0) ** 2), y)


def jaw_patch(p: Person, units: Units, grow: float, top: float) -> Points:
    """Where a full beard grows: from the jaw's outline up to a curve that starts at `top` beside the ears."""
    jaw = outline(p, units, grow)[np.flatnonzero(_SIN - top > -0.02)]
    return np.concatenate((jaw, curve(T * (p.width * 0.84), top + 0.34 * BOW**0.6)))


def bust(p: Person, units: Units, scene: Scene) -> list[Mark]:
    """Everything from the back forward: back hair, clothes, neck, ears, head, features, hair, brows."""
    marks = []
    if p.hair == "long":
        back = ring(curve(T * 0.98, -0.15 - 1.1 * _ARCH), curve(T * 1.02, 1.35))
        marks.append(flat(back, p.hair_tone * 0.8, -0.2))
    elif p.hair == "scarf":
        back = ring(curve(T * 0.93, -0.2 - 1.05 * _ARCH), curve(T * 1.05, 1.5))
        marks.append(flat(back, p.clothes, -0.1))
    elif p.hair == "curly":
        marks.append(flat(_curls(0.97 + p.volume, 0.94 + p.volume, -0.36), p.hair_tone, -0.15))
    elif p.hair == "bun":
        marks.append(flat(ellipse(0, -1.28, 0.3, 0.24), p.hair_tone * 0.85, -0.2))
    marks.append(flat(ring(curve(T * 1.55, 1.75 - 0.5 * _ARCH), curve(T * 1.55, 3.0)), p.clothes, -0.3))
    neck = np.array([(-0.42, 0.4), (0.42, 0.4), (0.46, 1.32), (0.2, 1.45), (-0.2, 1.45), (-0.46, 1.32)])
    if p.hair == "scarf":
        marks.append(flat(neck * (1.5, 1.1), p.clothes * 0.85, -0.2))
    else:
        marks.append(flat(neck, p.skin * 0.72, -0.2))
        ear, place = ellipse(0, 0, 0.085 * p.ears, 0.19 * p.ears), np.array((p.width + 0.03, -0.03))
        shell, hollow = flat(ear + place, p.skin * 0.9, -0.22), flat(0.55 * ear + place, p.skin * 0.7, -0.22)
        marks += both_sides([shell, hollow])
    marks += [fill(outline(p, units), p.skin), *_lines(p, units), *_beard(p, units)]
    marks += eyes(p, units, scene) + mouth(p, units) + nose(p, units)
    return marks + _hair(p, units) + brows(p, units)


def _curls(rx: float, ry: float, y: float) -> Points:
    angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    bump = 1 + 0.05 * np.abs(np.sin(9 * angles))
    return curve(rx * bump * np.cos(angles), y + ry * bump * np.sin(angles))


def _lines(p: Person, units: Units) -> list[Mark]:
    """Folds beside the mouth, on the forehead and between the brows."""
    marks: list[Mark] = []
    smile = level(units, 12)
    fold = min(1.0, max(0.8 * smile, 0.9 * level(units, 9), 0.8 * level(units, 10), 0.45 * p.age))
    if fold > 0.15:
        reach = p.mouth_width * (1.08 + 0.2 * smile) + 0.05 - p.nose_width
        x = p.nose_width + 0.05 + reach * T[7:] ** 0.8
        y = p.nose_y - 0.06 + (p.mouth_y - p.nose_y - 0.02) * T[7:] ** 1.4
        marks += both_sides([line(curve(x, y), p.skin * (1 - 0.34 * fold), 0.03)])
    raised = min(level(units, 1), level(units, 2)) + 0.25 * level(units, 1)
    if raised * (0.55 + p.age) > 0.3:
        for i, height in enumerate((-0.56, -0.65, -0.74)):
            if height > p.hairline + 0.05:
                across = curve(T * (0.36 - 0.03 * i), height - 0.03 * BOW)
                marks.append(line(across, p.skin * (1 - 0.24 * min(raised, 1.0)), 0.02))
    frown = level(units, 4) * (1 - 0.5 * min(level(units, 1), 1.0))
    if frown > 0.25:
        furrow = np.array([(0.05, -0.42), (0.045, -0.27)])
        marks += both_sides([line(furrow, p.skin * (1 - 0.42 * min(frown, 1.0)), 0.024)])
    return marks


def _beard(p: Person, units: Units) -> list[Mark]:
    drop, smile = 0.17 * level(units, 26), level(units, 12)
    tone = min(0.75 * p.hair_tone + 0.25 * p.skin, 0.82 * p.skin)
    marks: list[Mark] = []
    if p.beard == "full":
        marks.append(fill(jaw_patch(p, units, 0.015, 0.0), tone))
    if p.beard == "goatee":
        marks.append(fill(ellipse(0, 0.84 + drop, 0.2, 0.16), tone))
    if p.beard in ("goatee", "moustache", "full"):
        low = p.mouth_y - 0.05 + (0.07 - 0.13 * smile) * T**2 - 0.05 * level(units, 10)
        x = T * (p.mouth_width + 0.06 * smile)
        marks.append(fill(ring(curve(x, low - 0.1 * BOW - 0.012), curve(x, low)), tone, 0.05))
    return marks


def _hair(p: Person, units: Units) -> list[Mark]:
    """Hair over the skull, from its outer rim (left, over the top, right) to the hairline on the forehead."""
    if p.hair == "bald":
        return []
    rim = outline(p, units, p.volume)[_OVER]
    edge, width = p.hairline, p.width * 0.9
    x, light = T * width, p.hair_tone + (30 if p.hair_tone < 120 else -28)
    if p.hair == "fringe":
        y = p.brow_y - 0.07 + 0.012 * np.cos(17 * T) + 0.35 * np.abs(T) ** 5
    elif p.hair == "parted":
        y = edge - 0.16 + 0.36 * np.abs(T + 0.45) ** 1.3 + 0.2 * np.abs(T) ** 8
    elif p.hair == "long":
        y = edge - 0.14 + 0.55 * np.abs(T) ** 1.4
    elif p.hair == "cap":
        y = p.brow_y - 0.1 - 0.06 * BOW
        crown = np.minimum(outline(p, units, 0.05)[_OVER], (9, y[0]))
        band = ring(curve(T * (p.width + 0.07), y - 0.16 - 0.02 * BOW), curve(T * (p.width + 0.05), y + 0.03))
        return [fill(crown, p.clothes), fill(band, p.clothes * 0.75 + 15, 0.05)]
    elif p.hair == "scarf":
        opening = ellipse(0.0, 0.12, p.width * 0.9, 0.9 + 0.1 * level(units, 26))
        shell = ellipse(0, 0.03, p.width + 0.13, 1.3)
        hole = np.concatenate([shell, shell[:1], opening[:1], opening[::-1]])
        return [fill(hole, p.clothes), line(opening, 0.75 * p.clothes, 0.03)]
    else:
        y = edge + 0.04 * T + 0.5 * np.abs(T) ** 7
    temples = np.array([(-p.width * 0.93, -0.12), (p.width * 0.93, -0.12)])
    cover = np.concatenate((rim, temples[1:], curve(x, y)[::-1], temples[:1]))
    marks = [fill(cover, p.hair_tone)]
    if p.hair == "curly":
        return [*marks, line(curve(x, y + 0.02 * np.cos(25 * T)), p.hair_tone, 0.07)]
    if p.hair == "long":
        down = np.linspace(-0.95, 1.35, 12)
        fall = (p.width + 0.13) * np.sqrt(1 - np.minimum(down / 1.3, 0) ** 2) + 0.1 * np.maximum(down, 0)
        lock = ring(curve(fall, down), curve(fall - 0.2 - 0.06 * np.cos(2 * down), down))
        marks += both_sides([fill(lock, p.hair_tone)])
    part = -0.4 * width if p.hair == "parted" else 0.0
    for i in range(6 if part else 2, 13, 2):  # strands, combed from the crown towards the hairline
        crown = np.array((part + 0.4 * (x[i] - part), -1.04 - 0.4 * p.volume))
        root = np.array((x[i], y[i] - 0.03))
        swell = moved(0.5 * (crown + root), 0.12 * (x[i] - part), -0.03)
        marks.append(line(np.stack((crown, swell, root)), 0.6 * p.hair_tone + 0.4 * light, 0.02))
    return marks


def glasses(p: Person) -> list[Mark]:
    """Rims, arms and bridge of the glasses; none where the person wears none."""
    if not p.glasses:
        return []
    tone, square = 25.0 if p.skin > 120 else 15.0, p.glasses == "square"
    rim = np.sign(CIRCLE) * np.abs(CIRCLE) ** (0.5 if square else 1.0)
    rim = moved(rim * (0.235, 0.155 if square else 0.19), p.eye_x + 0.01, p.eye_y + 0.02)
    arm = np.array([(p.eye_x + 0.245, p.eye_y - 0.03), (p.width + 0.02, p.eye_y - 0.06)])
    bridge = curve(T[4:11] / T[10] * (p.eye_x - 0.225), p.eye_y - 0.03 * BOW[4:11])
    marks = [line(np.concatenate((rim, rim[:1])), tone, 0.03, 0.08), line(arm, tone, 0.03, 0.04)]
    return [*both_sides(marks), line(bridge, tone, 0.03, 0.1)]


def occluders(p: Person, scene: Scene) -> list[Mark]:
    """A hand, a strand of hair, something in front of the lens, dark glasses."""
    a, b, c, d = scene.spot
    side = 1 if a < 0.5 else -1
    marks: list[Mark] = []
    if scene.occlusion == "hand":
        tip = np.array([side * (0.25 + 0.45 * b), 0.05 + 0.5 * c])
        marks.append(flat(ellipse(tip[0] + side * 0.25, tip[1] + 0.75, 0.36, 0.45), p.skin * 0.9, 0.6))
        for i in range(4):
            base = moved(tip, side * (0.03 + 0.15 * i), 0.62)
            end = moved(tip, side * (0.12 * i - 0.08), 0.06 * abs(i - 1))
            for tone, width in ((0.6, 0.165), (0.92, 0.135)):
                marks.append(flat(np.stack((base, end)), p.skin * tone, 0.6, width))
    elif scene.occlusion == "strand":
        for i in range(3):
            x = side * (0.15 + 0.25 * b + 0.1 * i + (0.18 + 0.1 * c) * (T + 1))
            marks.append(line(curve(x, -0.85 + (0.55 + 0.35 * d) * (T + 1)), 0.9 * p.hair_tone, 0.07, 0.1))
    elif scene.occlusion == "block":
        block = np.array([(-0.6, -0.5), (0.6, -0.4), (0.5, 0.5), (-0.5, 0.6)])
        block *= (0.6 + 0.5 * c, 0.6 + 0.5 * d)
        marks.append(flat(moved(block, side * (0.75 + 0.2 * b), 0.9 * d - 0.2), 255 * b, 0.3))
    elif scene.occlusion == "dark glasses":
        marks += both_sides([fill(ellipse(p.eye_x, p.eye_y + 0.02, 0.24, 0.17), 20 + 30 * b, 0.1)])
        frame = np.array([(-0.85, p.eye_y - 0.06), (0.85, p.eye_y - 0.06)])
        marks.append(line(frame, 20 + 30 * b, 0.04, 0.05))
    return marks
