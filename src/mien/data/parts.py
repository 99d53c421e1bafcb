"""Names of folders and files that name a part of a data set (train, validation, test), or that are no classes."""

import re
from collections.abc import Sequence

from mien.data.dataset import USAGES
from mien.labels import plain_name

# As in Hugging Face's datasets: eval and evaluation are the test set. FER2013's own two test sets keep their names.
_NAMES = {
    "Training": (
        "train", "training", "trainset", "trainval", "trn", "trainings", "entrainement", "apprentissage",
        "entrenamiento", "treino", "treinamento", "addestramento", "egitim", "latih", "обучение", "обучающая",
        "სატრენინგო", "训练", "训练集", "訓練", "学習", "훈련", "학습", "प्रशिक्षण",
    ),
    "PublicTest": (
        "val", "valid", "validation", "validate", "valset", "validset", "dev", "devset", "devel", "development",
        "publictest", "validierung", "validierungs", "validacion", "validacao", "convalida", "validazione", "validatie",
        "dogrulama", "validasi", "валидация", "валидационная", "ვალიდაცია", "验证", "验证集", "驗證", "検証", "검증",
    ),
    "PrivateTest": (
        "test", "testing", "tests", "testset", "tst", "eval", "evaluation", "evalset", "heldout", "holdout", "unseen",
        "privatetest", "prueba", "pruebas", "teste", "testes", "uji", "тест", "тестовая", "სატესტო", "测试", "测试集",
        "測試", "テスト", "테스트", "परीक्षण",
    ),
}  # fmt: skip
_WORDS = {plain_name(name): part for part, names in _NAMES.items() for name in names}
# Words that may stand beside them: "train_set", "FER2013Train", "test-00000-of-00001", "Validation Data".
_BESIDE = {
    "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "split", "face", "faces", "folder", "picture",
    "pictures", "photo", "photos", "part", "of", "fer", "raf", "rafdb", "db", "affectnet", "affect", "net", "ck",
    "kdef", "jaffe", "expw", "plus", "emotion", "emotions", "expression", "expressions", "aligned", "cropped", "labels",
    "label", "phase", "subset", "sample", "samples", "partial", "x", "instances", "coco", "annotations", "the", "my",
    "new", "final", "manual", "manually", "annotated", "clean", "labelled", "labeled", "list", "daten",
}  # fmt: skip
# Words beside them that tell one form of a part from another: "test_easy" and "test_hard", "train_augmented".
_FORMS = {
    "easy", "medium", "hard", "augmented", "augmentation", "aug", "balanced", "oversampled", "undersampled", "flipped",
    "resized", "enhanced", "gray", "grey", "grayscale", "small", "large", "big", "mini", "full", "extra",
}  # fmt: skip
_PEOPLE = re.compile(
    r"(s|p|id|sub|subj|subject|person|participant|patient|actor|actress|user|student|model|face|identity|human|man|woman|"
    r"male|female|volunteer|[abfm]?[fm]|tm|tf)[ _.-]?\d+[a-z]?",
    re.IGNORECASE,
)
_FOLDS = re.compile(r"(fold|split|set|part|batch|chunk|shard|session|round|cv|k)[ _.-]?\d+", re.IGNORECASE)
_STRUCTURE = {
    "images", "image", "imgs", "img", "labels", "label", "annotations", "annotation", "masks", "landmarks", "pictures",
    "photos", "raw", "processed", "originals", "original", "cropped", "crops", "metadata", "src", "docs", "models",
    "code", "notebooks", "runs", "output", "outputs", "results",
}  # fmt: skip


def part_of(name: str) -> str | None:
    """The part that a folder, a file or a csv value names: "Training", "PublicTest", "PrivateTest", or None.

    "train", "Train_set", "FER2013Valid", "dev", "eval", "public_test", "test-00000-of-00002", "test_easy" are such
    names. Case and accents do not matter.
    """
    words = _words(name)
    parts = {_WORDS[word] for word in words if word in _WORDS}
    if len(parts) == 1 and all(word in _WORDS or word in _BESIDE or word in _FORMS for word in words):
        return parts.pop()
    return None


def says_nothing(name: str) -> bool:
    """Whether a folder's name tells nothing of what is in it, as images, data or train."""
    words = _words(name)
    return all(word in _WORDS or word in _BESIDE or word in _STRUCTURE for word in words)


def is_form(name: str) -> bool:
    """Whether the name of a part tells that it is one form of it among others, as "train_augmented" or "test_easy"."""
    return any(word in _FORMS for word in _words(name))


def other_form_of(name: str, beside: Sequence[str]) -> str | None:
    """The name of the part beside it of which `name` is another form, so that both hold the same faces: train/ of
    train_augmented/, train_cropped/ or "train (1)/"; None where there is none.
    """
    for other in beside:
        if plain_name(other) == plain_name(name) or part_of(other) != part_of(name):
            continue
        words = _words(other)
        bare = words == [plain_name(other).replace(" ", "")]  # it names the part and nothing else
        if (bare and words[0] in _words(name)) or (is_form(name) and not is_form(other)):
            return other
    return None


def class_and_part(name: str) -> tuple[str, str] | None:
    """The class and the part that a folder such as happy_train or test-sad names, or None."""
    if part_of(name):
        return None
    pieces = re.split(r"[\s_.-]+", name.strip())
    for end, others in ((-1, pieces[:-1]), (0, pieces[1:])):
        if others and (part := part_of(pieces[end])):
            return " ".join(others), part
    return None


def _words(name: str) -> list[str]:
    """The words of a name without numbers, pairs such as "hold out" as one."""
    words = " ".join(word for word in plain_name(name).split() if not word.isdecimal())
    for pair in ("public test", "private test", "hold out", "held out", "train val", "train set", "test set"):
        words = words.replace(pair, pair.replace(" ", ""))
    return words.split()


def suspicion(names: Sequence[str]) -> str | None:
    """What folder names look like if not classes ("people", "folds", "splits", ...); None where they may be classes."""
    if all(_PEOPLE.fullmatch(name) for name in names):
        return "people"
    if all(_FOLDS.fullmatch(name) for name in names):
        return "folds"
    if all(name.lower() in _STRUCTURE for name in names):
        return "parts of a layout"
    if any(part_of(name) for name in names):
        return "splits"
    return None


def rank_of(usage: str) -> int:
    """The place of a usage in the order of rows: none, Training, PublicTest, PrivateTest."""
    return ("", *USAGES).index(usage)


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names as numbers: 9 before 10."""
    pieces = re.split(r"([0-9]+)", text)  # text, number, text, number, ...
    return [(int(piece), "") if i % 2 else (-1, piece) for i, piece in enumerate(pieces)]
