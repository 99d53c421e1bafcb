"""Draw faces onto a picture with Pillow: boxes, labels, and a card with a bar for every emotion."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from mien.data.image import Source, open_picture
from mien.errors import MienError
from mien.inference.face import Face, require_face
from mien.inference.occlusion import Explanation
from mien.inference.tracker import TrackedFace
from mien.labels import color

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom
MIN_SIDE = 640  # longer side of an annotated picture: smaller ones are enlarged to keep labels legible
CHIP_FROM, CARD_FROM = 28, 72  # face height in pixels from which a label or a card is drawn
COLUMN_CARDS = 4
FINE = 3  # supersampling factor of labels and cards, for smooth edges

INK, PALE = (255, 255, 255), (198, 204, 214)
CARD, TRACK, COLUMN = (17, 20, 28, 215), (62, 67, 79, 255), (30, 33, 42)


def annotate(
    image: Source,
    faces: Iterable[Face],
    explanations: Sequence[Explanation] = (),
    names: Sequence[str] = (),
    column: bool = True,
) -> Image.Image:
    """A copy of a picture with its faces marked: `annotate(image, mien.read(image))`.

    image: as for `mien.read`. faces: of that picture, or of a video frame (mien.read_video), whose labels start with
    their ids.

    Large faces get a box, a label and a card of bars, small ones a box and a label, tiny ones a box. A card never
    covers a face: if there is no room, a column is added at the right of the picture for up to COLUMN_CARDS of them; if
    there are more, or with column=False (video, where the size must stay), the card is left out. explanations: of the
    first faces, shown in their cards. names: one per face, before its label; default: the ids of tracked faces, or
    numbers if there are several faces. Small pictures are enlarged.
    """
    if isinstance(faces, Face) or not hasattr(faces, "__iter__"):
        raise MienError(f"give a list of faces, such as mien.read(picture), not a {type(faces).__name__}")
    faces = list(faces)
    for face in faces:
        require_face(face)
    if names and len(names) != len(faces):
        raise MienError(f"names has {len(names)} and faces {len(faces)}; give one name per face", parameter="names")
    picture = open_picture(image)
    scale = max(1.0, MIN_SIDE / max(picture.size))
    if scale > 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        canvas = picture.resize(size, Image.Resampling.BICUBIC)
    else:
        canvas = picture.copy()
    boxes = [_scaled(face.box, scale) for face in faces]
    labels = [f"{face.emotion} {face.confidence:.0%}" for face in faces]
    tracked = [face for face in faces if isinstance(face, TrackedFace)]
    names = names or ([f"#{face.id}" for face in tracked] if len(tracked) == len(faces) else [])
    if names or len(faces) > 1:
        names = names or [str(i + 1) for i in range(len(faces))]
        labels = [f"{name}  {label}" for name, label in zip(names, labels, strict=True)]
    for face, box in zip(faces, boxes, strict=True):
        _draw_box(canvas, box, _paint(face))
    taken: list[Box] = list(boxes)
    for face, box, label in zip(faces, boxes, labels, strict=True):
        if box[3] - box[1] >= CHIP_FROM:
            chip = _chip(label, _paint(face), _font_size(canvas, box))
            spot = _chip_spot(chip.size, box, canvas.size)
            canvas.paste(chip, spot[:2], chip)
            taken.append(spot)
    homeless = []
    for i, (face, box) in enumerate(zip(faces, boxes, strict=True)):
        if box[3] - box[1] < CARD_FROM:
            continue
        card = _card(face, _font_size(canvas, box), explanations[i] if i < len(explanations) else None)
        place = _card_spot(card.size, box, taken, canvas.size)
        if place:
            canvas.paste(card, place[:2], card)
            taken.append(place)
        else:
            homeless.append((card, _chip(labels[i], _paint(face), _font_size(canvas, box))))
    return _with_column(canvas, homeless) if column and 0 < len(homeless) <= COLUMN_CARDS else canvas


@lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, at a size in pixels."""
    return ImageFont.load_default(size)


def rgb(hexadecimal: str) -> tuple[int, int, int]:
    """Turn "#edae49" into (237, 174, 73)."""
    return int(hexadecimal[1:3], 16), int(hexadecimal[3:5], 16), int(hexadecimal[5:7], 16)


def ink_on(paint: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever is more legible on this color."""
    light = 0.299 * paint[0] + 0.587 * paint[1] + 0.114 * paint[2]
    return (20, 22, 28) if light > 150 else INK


def _paint(face: Face) -> tuple[int, int, int]:
    return rgb(color(face.emotion, list(face.probabilities).index(face.emotion)))


def _scaled(box: tuple[int, int, int, int], scale: float) -> Box:
    x, y, width, height = box
    return round(x * scale), round(y * scale), round((x + width) * scale), round((y + height) * scale)


def _font_size(canvas: Image.Image, box: Box) -> int:
    """Proportional to the face, within limits."""
    return round(min(max(0.11 * (box[3] - box[1]), 12), max(12, 0.021 * max(canvas.size))))


def _draw_box(canvas: Image.Image, box: Box, paint: tuple[int, int, int]) -> None:
    side = min(box[2] - box[0], box[3] - box[1])
    width = max(2 if side >= 40 else 1, round(min(side / 45, max(canvas.size) / 280)))
    rim = width + 1 + width // 2
    left, top = box[0] - rim, box[1] - rim
    size = (box[2] - box[0] + 2 * rim, box[3] - box[1] + 2 * rim)
    fine = 1 if max(size) > 1500 else 2
    # A faint dark rim keeps a pale box visible on a pale background.
    for out, thick, ink, opacity in ((0, rim, (10, 12, 18), 90), (rim - width, width, paint, 255)):
        mask = Image.new("L", (size[0] * fine, size[1] * fine), 0)
        edge = (out * fine, out * fine, (size[0] - out) * fine - 1, (size[1] - out) * fine - 1)
        radius = (side // 10 + rim - out) * fine
        ImageDraw.Draw(mask).rounded_rectangle(edge, radius, outline=opacity, width=thick * fine)
        canvas.paste(ink, (left, top), mask.reduce(fine))


def _chip(text: str, paint: tuple[int, int, int], size: int) -> Image.Image:
    letters = font(size * FINE)
    _, top, _, bottom = letters.getbbox("Ag|" + text)
    pad = size * FINE // 2
    width = int(letters.getlength(text)) + 2 * pad
    height = int(bottom - top) + pad
    chip = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(chip)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), height // 3, fill=(*paint, 255))
    draw.text((pad, pad // 2 - top), text, font=letters, fill=ink_on(paint))
    return chip.resize((max(1, width // FINE), max(1, height // FINE)), Image.Resampling.LANCZOS)


def _chip_spot(size: tuple[int, int], box: Box, canvas: tuple[int, int]) -> Box:
    """Above the box; below it if there is no room above; inside it if there is no room below either."""
    gap = max(3, size[1] // 5)
    x = min(max(box[0] - gap // 2, 0), max(0, canvas[0] - size[0]))
    y = box[1] - gap - size[1]
    if y < 0:
        y = box[3] + gap if box[3] + gap + size[1] <= canvas[1] else max(0, box[1] + gap)
    return x, y, x + size[0], y + size[1]


def _card(face: Face, size: int, explanation: Explanation | None) -> Image.Image:
    """Name, bar and percentage of every class on a dark translucent card, with the saliency map above them."""
    unit = size * FINE
    small = font(round(unit * 0.82))
    names = list(face.probabilities)
    pad, row = round(unit * 0.7), round(unit * 1.35)
    name_width = max(int(small.getlength(name)) for name in names)
    value_width = int(small.getlength("100%"))
    bar_width = unit * 5
    width = pad + name_width + pad + bar_width + pad // 2 + value_width + pad
    thumb = width - 2 * pad if explanation else 0
    height = pad + (thumb + pad if thumb else 0) + row * len(names) + pad // 2
    card = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(card)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), round(unit * 0.5), fill=CARD)
    y = pad
    if explanation:
        heat = Image.fromarray(explanation.overlay).resize((thumb, thumb), Image.Resampling.BICUBIC)
        card.paste(heat, (pad, y))
        y += thumb + pad
    for index, name in enumerate(names):
        share = face.probabilities[name]
        first = name == face.emotion
        ink = INK if first else PALE
        middle = y + row // 2 - round(unit * 0.15)
        draw.text((pad, middle), name, font=small, fill=ink, anchor="lm")
        x = 2 * pad + name_width
        thick = round(unit * 0.24)
        draw.rounded_rectangle((x, middle - thick, x + bar_width, middle + thick), thick, fill=TRACK)
        if share * bar_width >= 1:
            end = x + max(2 * thick, round(bar_width * share))
            draw.rounded_rectangle(
                (x, middle - thick, end, middle + thick), thick, fill=(*rgb(color(name, index)), 255)
            )
        text = f"{share:.0%}" if share >= 0.005 else "<1%"
        draw.text((width - pad, middle), text, font=small, fill=ink, anchor="rm")
        y += row
    return card.resize((width // FINE, height // FINE), Image.Resampling.LANCZOS)


def _card_spot(size: tuple[int, int], box: Box, taken: Iterable[Box], canvas: tuple[int, int]) -> Box | None:
    """Where a card fits beside its face without covering another; None if nowhere."""
    gap = max(6, (box[3] - box[1]) // 14)
    width, height = size
    middle_x = min(max((box[0] + box[2] - width) // 2, gap), max(gap, canvas[0] - width - gap))
    low_y, middle_y = box[3] - height, (box[1] + box[3] - height) // 2
    starts = [
        (box[2] + gap, box[1]),
        (box[0] - gap - width, box[1]),
        (box[2] + gap, middle_y),
        (box[0] - gap - width, middle_y),
        (box[2] + gap, low_y),
        (box[0] - gap - width, low_y),
        (middle_x, box[3] + gap),
        (middle_x, box[1] - gap - height),
        (gap, canvas[1] - height - gap),  # a face that fills the picture: any free corner
        (canvas[0] - width - gap, canvas[1] - height - gap),
    ]
    for x, y in starts:
        y = min(max(y, gap), max(gap, canvas[1] - height - gap))
        spot = (x, y, x + width, y + height)
        inside = x >= 0 and x + width <= canvas[0] and y >= 0 and y + height <= canvas[1]
        if inside and not any(_meet(spot, other) for other in taken):
            return spot
    return None


def _with_column(canvas: Image.Image, cards: Sequence[tuple[Image.Image, Image.Image]]) -> Image.Image:
    """The picture with a dark column at its right for cards and their labels; taller if they need it."""
    gap = max(8, canvas.width // 60)
    inner = max(max(card.width, chip.width) for card, chip in cards)
    height = max(canvas.height, gap + sum(card.height + chip.height + gap + gap // 3 for card, chip in cards))
    wide = Image.new("RGB", (canvas.width + inner + 2 * gap, height), COLUMN)
    wide.paste(canvas, (0, (height - canvas.height) // 2))
    x, y = canvas.width + gap, gap
    for card, chip in cards:
        wide.paste(chip, (x, y), chip)
        y += chip.height + gap // 3
        wide.paste(card, (x, y), card)
        y += card.height + gap
    return wide


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
