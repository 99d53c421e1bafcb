"""Random people, expressions and scenes: everything about a synthetic face that is sampled.

`render.py` paints what is sampled here; `generate.py` makes datasets of it. Lengths are in head units: 1 is the
distance from the middle of the face (a little below the eyes) to the chin; x goes right, y goes down. Tones
are gray values, 0 black to 255 white. Angles are in radians.
"""

from dataclasses import dataclass

import numpy as np

Units = dict[int, float]  # FACS action unit number -> strength, about 0 (rest) to 1 (full)

# Ekman & Friesen, Facial Action Coding System (1978), and the emotion prototypes of its investigator's guide.
# Each line is one way to show the emotion: its share among faces of that emotion, and its action units.
#   1 inner brow raiser    2 outer brow raiser    4 brow lowerer     5 upper lid raiser     6 cheek raiser
#   7 lid tightener        9 nose wrinkler       10 upper lip raiser
#  12 lip corner puller   15 lip corner depressor   16 lower lip depressor   17 chin raiser
#  20 lip stretcher       23 lip tightener       25 lips part       26 jaw drop            43 eyes closed
PROTOTYPES: dict[str, list[tuple[float, Units]]] = {
    "angry": [
        (0.55, {4: 1.0, 5: 0.4, 7: 0.8, 23: 1.0, 17: 0.3}),
        (0.25, {4: 1.0, 7: 0.7, 10: 0.5, 23: 0.5, 25: 1.0, 16: 0.4}),
        (0.20, {4: 1.0, 5: 0.5, 7: 0.6, 10: 0.5, 25: 0.8, 26: 0.7}),
    ],
    "disgust": [
        (0.50, {9: 1.0, 4: 0.4, 7: 0.5, 15: 0.7, 16: 0.5, 25: 0.3}),
        (0.50, {9: 1.0, 4: 0.4, 6: 0.4, 7: 0.6, 10: 0.9, 15: 0.5, 17: 0.6}),
    ],
    "fear": [
        (0.60, {1: 1.0, 2: 0.6, 4: 0.6, 5: 1.0, 20: 1.0, 25: 0.8, 26: 0.35}),
        (0.25, {1: 1.0, 2: 0.5, 4: 0.7, 5: 0.9, 20: 0.8, 15: 0.2}),
        (0.15, {1: 1.0, 2: 0.7, 4: 0.6, 5: 1.0, 20: 0.6, 25: 0.6, 26: 0.8}),
    ],
    "happy": [
        (0.55, {6: 0.8, 12: 1.0, 25: 1.0}),
        (0.30, {6: 0.6, 12: 1.0}),
        (0.15, {6: 1.0, 12: 1.0, 25: 1.0, 26: 0.6}),
    ],
    "sad": [
        (0.50, {1: 1.0, 4: 0.5, 15: 1.0, 17: 0.4, 43: 0.25}),
        (0.25, {1: 0.9, 4: 0.4, 15: 0.8, 43: 0.5}),
        (0.25, {1: 1.0, 4: 0.6, 6: 0.4, 15: 0.8, 20: 0.4, 25: 0.5}),
    ],
    "surprise": [
        (0.75, {1: 1.0, 2: 1.0, 5: 0.9, 25: 0.8, 26: 1.0}),
        (0.25, {1: 1.0, 2: 1.0, 5: 1.0, 25: 0.5, 26: 0.5}),
    ],
    "neutral": [(1.0, {})],
}

# Small movements that any face makes, whatever it feels: unit, spread. Talking, blinking, habits of the brow.
_STRAY: tuple[tuple[int, float], ...] = (
    (1, 0.10), (2, 0.12), (4, 0.12), (5, 0.12), (7, 0.12), (12, 0.08), (15, 0.10), (25, 0.25), (43, 0.16),
)  # fmt: skip

HAIR = ("bald", "short", "parted", "fringe", "long", "bun", "curly", "cap", "scarf")
_HAIR_SHARES = np.array([0.08, 0.22, 0.16, 0.13, 0.17, 0.07, 0.09, 0.04, 0.04])
OCCLUSIONS = ("", "hand", "strand", "block", "dark glasses")
_OCCLUSION_SHARES = np.array([0.84, 0.06, 0.05, 0.03, 0.02])


@dataclass(frozen=True)
class Person:
    """What stays the same from one expression to the next."""

    skin: float  # tone, 80..225
    hair_tone: float
    hair: str  # one of HAIR
    hairline: float  # y of the hair's edge on the forehead
    volume: float  # how far hair stands off the skull, about 0.05..0.2
    width: float  # half width of the head
    jaw: float  # 0.6 square .. 1 oval
    taper: float  # how much narrower the chin is
    ears: float
    eye_x: float
    eye_y: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    iris: float  # tone
    brow_y: float
    brow_weight: float
    brow_arch: float
    nose_y: float  # y of the tip
    nose_width: float
    mouth_y: float
    mouth_width: float  # half width
    lips: float  # fullness
    lip_tone: float  # times the skin's tone
    age: float  # 0..1, depth of lines
    lashes: float
    beard: str  # "", "stubble", "moustache", "goatee" or "full"
    glasses: str  # "", "round" or "square"
    clothes: float  # tone


@dataclass(frozen=True)
class Scene:
    """How the picture is taken."""

    yaw: float
    pitch: float
    roll: float
    scale: float  # head units to picture heights
    shift: tuple[float, float]  # of the head from the middle, in picture heights
    light: tuple[float, float, float]  # unit vector towards the light; z towards the viewer
    hardness: float  # 0 flat light .. 1 only the light's side is lit
    backdrop: tuple[float, float, float]  # tone, change from left to right, change from top to bottom
    gaze: tuple[float, float]
    occlusion: str  # one of OCCLUSIONS
    spot: tuple[float, float, float, float]  # four chances in 0..1 that place the occlusion
    blur: float  # sigma, in 48ths of the picture
    contrast: float
    brightness: float
    noise: float  # sigma, gray values at 48 pixels


def sample_person(rng: np.random.Generator) -> Person:
    """Someone new."""
    u = rng.random(16)
    g = rng.standard_normal(20).clip(-2.2, 2.2)
    skin = 82 + 140 * u[0] ** 0.8
    gray = u[1] < 0.12
    hair_tone = 120 + 95 * u[2] if gray or (skin > 165 and u[1] < 0.5) else 18 + 60 * u[2]
    age = 0.6 + 0.4 * u[3] if gray else 0.7 * u[3]
    hair = HAIR[int(np.searchsorted(np.cumsum(_HAIR_SHARES), u[4]))]
    bearded = u[5] < 0.32 and hair in ("bald", "short", "parted", "curly", "cap", "fringe")
    beard = ("stubble", "moustache", "goatee", "full", "full")[int(5 * u[6])] if bearded else ""
    return Person(
        skin=skin,
        hair_tone=hair_tone,
        hair=hair,
        hairline=-0.68 + 0.07 * g[0],
        volume=0.1 + 0.11 * u[7],
        width=0.755 + 0.035 * g[1],
        jaw=0.68 + 0.3 * u[8],
        taper=0.14 + 0.12 * u[9],
        ears=1 + 0.15 * g[2],
        eye_x=0.315 + 0.016 * g[3],
        eye_y=-0.14 + 0.018 * g[4],
        eye_width=0.175 + 0.012 * g[5],
        eye_height=0.086 + 0.009 * g[6],
        eye_tilt=0.014 * g[7],
        iris=28 + 75 * u[10] ** 2,
        brow_y=-0.37 + 0.025 * g[8],
        brow_weight=0.034 + 0.009 * g[9],
        brow_arch=0.035 + 0.018 * g[10],
        nose_y=0.21 + 0.03 * g[11],
        nose_width=0.15 + 0.017 * g[12],
        mouth_y=0.53 + 0.022 * g[13],
        mouth_width=0.265 + 0.022 * g[14],
        lips=0.062 + 0.014 * g[15],
        lip_tone=0.66 + 0.1 * u[11],
        age=age,
        lashes=u[12],
        beard=beard,
        glasses=("round", "square")[int(2 * u[13])] if u[14] < 0.17 else "",
        clothes=20 + 210 * u[15],
    )


def sample_units(rng: np.random.Generator, emotion: str, strength: float | None = None) -> Units:
    """Action units of one showing of `emotion`; `strength` None for any, from slight (0.5) to full (1.15).

    A given strength also leaves out the stray movements that make faces hard to read.
    """
    ways = PROTOTYPES[emotion]
    u = rng.random(2)
    way = min(int(np.searchsorted(np.cumsum([share for share, _ in ways]), u[0])), len(ways) - 1)
    jitter = rng.normal(1, 0.16, size=32)
    stray = rng.standard_normal(len(_STRAY))
    overall = 0.5 + 0.65 * u[1] ** 0.7 if strength is None else strength
    units = {unit: level * overall * jitter[i] for i, (unit, level) in enumerate(ways[way][1].items())}
    if strength is None:
        for (unit, spread), amount in zip(_STRAY, stray, strict=True):
            units[unit] = units.get(unit, 0.0) + spread * amount
    return {unit: float(min(max(level, 0.0), 1.3)) for unit, level in units.items()}


def sample_scene(rng: np.random.Generator, plain: bool = False) -> Scene:
    """A way to take the picture; `plain` is a studio's: facing the viewer, soft light, nothing in the way."""
    u = rng.random(16)
    g = rng.standard_normal(8).clip(-2.2, 2.2)
    ease = 0.35 if plain else 1.0
    angle = 2 * np.pi * u[0]
    aside = (0.35 if plain else 0.75) * np.sqrt(u[1])
    light = (aside * np.cos(angle), -0.25 + aside * 0.7 * np.sin(angle), 1.0)
    length = float(np.linalg.norm(light))
    return Scene(
        yaw=0.2 * g[0] * ease,
        pitch=0.11 * g[1] * ease,
        roll=0.11 * g[2] * ease,
        scale=0.40 if plain else 0.475 + 0.028 * g[3],
        shift=(0.022 * g[4] * ease, 0.01 + 0.022 * g[5] * ease),
        light=(light[0] / length, light[1] / length, light[2] / length),
        hardness=0.35 if plain else 0.2 + 0.55 * u[2],
        backdrop=(25 + 215 * u[3], 60 * (u[4] - 0.5), 60 * (u[5] - 0.5)),
        gaze=(0.35 * g[6] * ease, 0.18 * g[7] * ease),
        occlusion="" if plain else OCCLUSIONS[int(np.searchsorted(np.cumsum(_OCCLUSION_SHARES), u[6]))],
        spot=(u[7], u[8], u[9], u[10]),
        blur=0.0 if plain else max(0.0, 1.5 * u[11] - 0.7),
        contrast=1.0 if plain else 0.65 + 0.5 * u[12],
        brightness=0.0 if plain else 60 * (u[13] - 0.5),
        noise=0.0 if plain else 6 * u[14] ** 2,
    )
