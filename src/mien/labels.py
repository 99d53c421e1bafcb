"""The seven emotions of FER2013: their order, names, synonyms and colors. Imports nothing of mien."""

import re
import unicodedata

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CONTEMPT = "contempt"  # the eighth of CK+, FER+ and AffectNet: a class of its own

# Other names of the emotions in data sets, common misspellings among them, in lower case and without accents.
SYNONYMS = {
    "angry": (
        "anger", "angriness", "angery", "anrgy", "wut", "wutend", "arger", "argerlich", "colere", "en colere", "ira",
        "enojo", "enojado", "enfado", "rabbia", "raiva", "boos", "zlosc", "kizgin", "ofke", "marah", "гнев", "злость",
        "ბრაზი", "გაბრაზებული", "愤怒", "生气", "怒り", "분노",
    ),
    "disgust": (
        "disgusted", "disgusting", "disguist", "digust", "disgut", "disgusto", "degout", "degoute", "ekel", "asco",
        "nojo", "walging", "wstret", "igrenme", "tiksinti", "jijik", "отвращение", "ზიზღი", "厌恶", "嫌悪", "혐오",
    ),
    "fear": (
        "fearful", "fearfull", "afraid", "scared", "frightened", "angst", "angstlich", "furcht", "peur", "miedo",
        "paura", "medo", "strach", "korku", "takut", "страх", "შიში", "შეშინებული", "恐惧", "害怕", "恐れ", "공포",
    ),
    "happy": (
        "happiness", "happyness", "happines", "hapiness", "hapy", "joy", "joyful", "joyous", "freude", "frohlich",
        "glucklich", "joie", "heureux", "felicidad", "feliz", "alegria", "gioia", "felicita", "felicidade", "blij",
        "radosc", "mutlu", "mutluluk", "senang", "bahagia", "радость", "счастье", "სიხარული", "ბედნიერი", "高兴",
        "快乐", "开心", "幸福", "喜び", "행복", "기쁨",
    ),
    "sad": (
        "sadness", "sadnes", "saddness", "traurig", "trauer", "traurigkeit", "triste", "tristesse", "tristeza",
        "tristezza", "verdrietig", "smutek", "uzgun", "uzuntu", "sedih", "грусть", "печаль", "სევდა", "მოწყენილი",
        "悲伤", "难过", "伤心", "悲しみ", "슬픔",
    ),
    "surprise": (
        "surprised", "suprise", "suprised", "surpise", "surprize", "surprized", "surprice", "surprising",
        "uberraschung", "uberrascht", "sorpresa", "sorprendido", "surpresa", "sorpreso", "verrast", "zaskoczenie",
        "saskin", "saskinlik", "terkejut", "kaget", "удивление", "გაოცება", "გაკვირვებული", "惊讶", "惊奇",
        "驚き", "놀람",
    ),
    "neutral": (
        "neutrality", "neutral expression", "no emotion", "noemotion", "nuetral", "netural", "neutal", "nutral",
        "neutre", "neutralite", "neutro", "neutralidad", "neutrale", "neutralitat", "neutraal", "neutralny", "notr",
        "netral", "нейтральный", "ნეიტრალური", "中性", "中立", "无表情", "중립", "무표정",
    ),
    CONTEMPT: ("contemptuous", "contemptous", "contemp", "comtempt", "verachtung", "mepris", "desprecio", "disprezzo"),
}  # fmt: skip

# Words that people put beside the name of an emotion: "angry_faces", "0_angry", "emotion-happy".
_BESIDE = {"face", "faces", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "emotion",
           "emotions", "expression", "expressions", "class", "label", "feeling"}  # fmt: skip

# Distinct in hue and in lightness, so that they stay apart in print and for color-blind readers.
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
    """Hex color of an emotion; a class of another name takes the color at its index, in turn."""
    return COLORS.get(name, _OTHERS[index % len(_OTHERS)])


def emotion_of(name: str) -> str | None:
    """The emotion that a class name means ("Anger", "0_angry", "suprise " ...): one of EMOTIONS or CONTEMPT, else None.

    Case, accents, spaces, leading or trailing numbers and words such as "faces" do not matter.
    """
    plain = _plain(name)
    if plain in _MEANING:
        return _MEANING[plain]
    words = [word for word in plain.split() if not word.isdigit() and word not in _BESIDE]
    return _MEANING.get(" ".join(words))


def _plain(name: str) -> str:
    """Lower case, without accents, words apart by single spaces."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("ı", "i").replace("ß", "ss").replace("ł", "l")
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    apart = re.sub(r"(?<=\d)(?=[^\W\d])|(?<=[^\W\d])(?=\d)", " ", letters)
    return " ".join(re.split(r"[\W_]+", apart)).strip()


_MEANING = {_plain(word): emotion for emotion, others in SYNONYMS.items() for word in (emotion, *others)}
