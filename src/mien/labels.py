"""The seven emotions of FER2013: their order, names and colours. Imports nothing."""

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

# Distinct in hue and in lightness, so that they stay apart in print and for colour-blind readers.
COLORS = {
    "angry": "#d1495b",
    "disgust": "#5b8c5a",
    "fear": "#6a4c93",
    "happy": "#edae49",
    "sad": "#30638e",
    "surprise": "#00a5a8",
    "neutral": "#8d99ae",
}

_OTHERS = ("#d1495b", "#30638e", "#edae49", "#5b8c5a", "#6a4c93", "#00a5a8", "#8d99ae", "#c06c3e", "#3d405b")


def color(name: str, index: int = 0) -> str:
    """Hex colour of an emotion; a class of another name takes the colour at its index, in turn."""
    return COLORS.get(name, _OTHERS[index % len(_OTHERS)])
