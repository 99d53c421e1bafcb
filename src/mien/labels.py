"""The seven emotions of FER2013: order, names, synonyms and colors. Imports nothing from mien."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CONTEMPT = "contempt"  # the eighth emotion of CK+, FER+ and AffectNet: a separate class

# Synonyms of the emotions in data sets, including common misspellings, in lower case without accents.
SYNONYMS = {
    "angry": (
        "anger", "angriness", "angery", "anrgy", "angy", "agnry", "anggry", "angri", "furious", "irritated", "wut",
        "wutend", "arger", "argerlich", "colere", "en colere", "ira", "enojo", "enojado", "enfado", "rabbia", "raiva",
        "boos", "zlosc", "kizgin", "kizginlik", "ofke", "marah", "гнев", "злость", "злой", "ბრაზი", "გაბრაზებული",
        "愤怒", "憤怒", "生气", "生氣", "怒り", "분노", "क्रोध", "क्रोधित", "गुस्सा", "غضب", "غاضب", "rabia",
        "furia", "woede", "gniew", "tức giận", "злість", "гнів", "화남", "خشم",
    ),
    "disgust": (
        "disgusted", "disgusting", "disguist", "disguisted", "digust", "digusted", "disgut", "disgus", "disgusto",
        "degout", "degoute", "ekel", "asco", "nojo", "walging", "wstret", "igrenme", "tiksinti", "jijik", "отвращение",
        "ზიზღი", "厌恶", "厭惡", "嫌悪", "혐오", "घृणा", "اشمئزاز", "repugnancia", "obrzydzenie",
        "ghê tởm", "відраза", "огида", "نفرت",
    ),
    "fear": (
        "fearful", "fearfull", "feer", "afraid", "scared", "frightened", "terrified", "angst", "angstlich", "furcht",
        "peur", "miedo", "paura", "medo", "strach", "korku", "takut", "страх", "испуг", "შიში", "შეშინებული", "恐惧",
        "恐懼", "害怕", "恐れ", "恐怖", "공포", "भय", "डर", "خوف", "temor", "lęk", "sợ hãi", "두려움", "ترس",
    ),
    "happy": (
        "happiness", "happyness", "happines", "hapiness", "hapy", "happpy", "hapyy", "joy", "joyful", "joyous",
        "freude", "frohlich", "glucklich", "joie", "heureux", "felicidad", "feliz", "alegria", "gioia", "felicita",
        "felicidade", "blij", "radosc", "mutlu", "mutluluk", "senang", "bahagia", "радость", "счастье", "სიხარული",
        "ბედნიერი", "高兴", "高興", "快乐", "快樂", "开心", "開心", "幸福", "喜び", "행복", "기쁨", "खुशी", "खुश",
        "سعادة", "سعيد", "فرح", "contento", "contenta", "felice", "blijdschap", "szczęście", "szczęśliwy", "hạnh phúc",
        "vui vẻ", "радість", "щастя", "щасливий", "幸せ", "شادی",
    ),
    "sad": (
        "sadness", "sadnes", "saddness", "sadd", "sorrow", "traurig", "trauer", "traurigkeit", "triste", "tristesse",
        "tristeza", "tristezza", "verdrietig", "smutek", "uzgun", "uzuntu", "sedih", "грусть", "печаль", "სევდა",
        "მოწყენილი", "悲伤", "悲傷", "难过", "難過", "伤心", "傷心", "悲しみ", "슬픔", "दुख", "दुखी", "उदास", "उदासी",
        "حزن", "حزين", "verdriet", "smutny", "buồn", "сум", "смуток", "сумний", "غم",
    ),
    "surprise": (
        "surprised", "suprise", "suprised", "surpise", "surpised", "surprize", "surprized", "suprize", "suprized",
        "surprice", "surpriced", "supprise", "supprised", "surprising", "astonished", "astonishment", "uberraschung",
        "uberrascht", "sorpresa", "sorprendido", "surpresa", "sorpreso", "verrast", "zaskoczenie", "saskin",
        "saskinlik", "terkejut", "kaget", "удивление", "გაოცება", "გაკვირვებული", "惊讶", "驚訝", "惊奇", "驚き",
        "놀람", "आश्चर्य", "مفاجأة", "دهشة", "surpreso", "verrassing",
        "zdziwienie", "ngạc nhiên", "подив", "здивування", "გაკვირვება", "吃惊", "تعجب",
    ),
    "neutral": (
        "neutrality", "neutral expression", "no emotion", "noemotion", "nuetral", "netural", "neutal", "nutral",
        "neutrall", "neutrel", "neatral", "neurtal", "neutre", "neutralite", "neutro", "neutralidad", "neutrale",
        "neutralitat", "neutraal", "neutralny", "notr", "dogal", "netral", "нейтральный", "нейтрально", "ნეიტრალური",
        "中性", "中立", "无表情", "無表情", "중립", "무표정", "तटस्थ", "सामान्य", "محايد", "neutralna",
        "bình thường", "trung tính", "нейтральний", "خنثی",
    ),
    CONTEMPT: (
        "contemptuous", "contemptous", "contemp", "contemt", "comtempt", "verachtung", "mepris", "desprecio",
        "disprezzo", "презрение", "轻蔑", "輕蔑", "軽蔑",
    ),
}  # fmt: skip

# Abbreviations that mean an emotion only among others of their kind: KDEF's and JAFFE's two letters, and three or four.
CODES = {
    "angry": ("an", "ang", "angr"), "disgust": ("di", "dis", "disg"), "fear": ("fe", "af", "fea"),
    "happy": ("ha", "hap", "happ"), "sad": ("sa",), "surprise": ("su", "sur", "surp"), "neutral": ("ne", "neu", "neut"),
    CONTEMPT: ("co", "con", "cont"),
}  # fmt: skip

# Words often added to the name of an emotion: "angry_faces", "0_angry", "emotion-happy".
_BESIDE = {"face", "faces", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "emotion",
           "emotions", "expression", "expressions", "class", "label", "feeling"}  # fmt: skip
NEGATIONS = {"not", "no", "non", "un", "never", "without"}
_MIN_READ_SHARE = 0.8  # least share of a set's names that must match

# Distinct in hue and in lightness, so that they differ in print and for color-blind readers.
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
    """Hex color of an emotion; other classes get the color at their index, cyclically."""
    return COLORS.get(name, _OTHERS[index % len(_OTHERS)])


def emotion_of(name: str) -> str | None:
    """The emotion that a class name means ("Anger", "0_angry", "suprise " ...): one of EMOTIONS or CONTEMPT, else None.

    Ignores case, accents, spaces, leading or trailing numbers and words such as "faces".
    """
    plain = plain_name(name)
    if plain in _MEANING:
        return _MEANING[plain]
    return _MEANING.get(" ".join(_words(name)))


def emotions_of(names: Iterable[str]) -> dict[str, str]:
    """The emotions of the class names of one data set: name -> emotion, without names that mean none.

    Beyond `emotion_of`, recognizes names if nearly all of them fit: codes of three emotions or more (AN, DI, FE; ang,
    dis, sur), and emotions between words that most names share (dfh_anger_h, dfh_fear_h).
    """
    names = list(dict.fromkeys(names))
    known = {name: emotion for name in names if (emotion := emotion_of(name))}
    coded = known | {
        name: _MEANING_OF_CODE[code] for name in names if (code := " ".join(_words(name))) in _MEANING_OF_CODE
    }
    words = {name: _words(name) for name in names}
    beside = Counter(word for name in names for word in {*words[name]} if emotion_of(word) is None)
    shared = {word for word, n in beside.items() if 2 * n > len(names)} - NEGATIONS
    between = dict(known)
    for name in names:
        meant = {emotion for word in words[name] if (emotion := emotion_of(word))}
        if len(meant) == 1 and all(emotion_of(word) or word in shared for word in words[name]):
            between.setdefault(name, meant.pop())
    for read, least in ((coded, 3), (between, 2)):
        if len(read) >= _MIN_READ_SHARE * len(names) and len(set(read.values())) >= least:
            return read
    return known


def plain_name(name: str) -> str:
    """Lower case, without accents, words separated by single spaces. Indic scripts keep their vowel signs and
    viramas."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("ı", "i").replace("ß", "ss").replace("ł", "l")
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(c for c in decomposed if unicodedata.combining(c) in (0, 9) and not _unseen(c)).casefold()
    apart = re.sub(r"(?<=\d)(?=[^\W\d])|(?<=[^\W\d])(?=\d)", " ", letters)
    return " ".join("".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in apart).split())


def _unseen(c: str) -> bool:
    """Whether a character only joins or modifies others, like those between the parts of an emoji."""
    return unicodedata.category(c) == "Cf" or "\ufe00" <= c <= "\ufe0f"


def _words(name: str) -> list[str]:
    """The words that may distinguish a name from others: no numbers and no words such as "faces"."""
    return [word for word in plain_name(name).split() if not word.isdecimal() and word not in _BESIDE]


_MEANING = {plain_name(word): emotion for emotion, others in SYNONYMS.items() for word in (emotion, *others)}
_MEANING_OF_CODE = {code: emotion for emotion, codes in CODES.items() for code in codes}
