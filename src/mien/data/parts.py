"""Names of folders and files that name a part of a data set (train, validation, test), or that are no classes."""

import re
from collections.abc import Sequence

from mien.data.dataset import USAGES

# As in Hugging Face's datasets: eval and evaluation are the test set. FER2013's own two test sets keep their names.
_WORDS = {
    "train": "Training", "training": "Training", "trainset": "Training", "trainval": "Training", "trn": "Training",
    "val": "PublicTest", "valid": "PublicTest", "validation": "PublicTest", "validate": "PublicTest",
    "valset": "PublicTest", "validset": "PublicTest", "dev": "PublicTest", "devset": "PublicTest",
    "devel": "PublicTest", "development": "PublicTest", "publictest": "PublicTest",
    "test": "PrivateTest", "testing": "PrivateTest", "tests": "PrivateTest", "testset": "PrivateTest",
    "heldout": "PrivateTest", "unseen": "PrivateTest", "entrainement": "Training", "entrenamiento": "Training",
    "treino": "Training", "prueba": "PrivateTest", "teste": "PrivateTest", "validacion": "PublicTest",
    "tst": "PrivateTest", "eval": "PrivateTest", "evaluation": "PrivateTest", "evalset": "PrivateTest",
    "holdout": "PrivateTest", "privatetest": "PrivateTest",
}  # fmt: skip
# Words that may stand beside them: "train_set", "FER2013Train", "test-00000-of-00001", "Validation Data".
_BESIDE = {
    "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "split", "face", "faces", "folder", "picture",
    "pictures", "photo", "photos", "part", "of", "fer", "raf", "rafdb", "db", "affectnet", "affect", "net", "ck",
    "kdef", "jaffe", "expw", "plus", "emotion", "emotions", "expression", "expressions", "aligned", "cropped", "labels",
    "label", "phase", "subset", "sample", "samples", "partial", "x", "instances", "coco", "annotations", "the", "my",
    "new", "final", "manual", "manually", "annotated", "clean", "labelled", "labeled", "list",
}  # fmt: skip
_PEOPLE = re.compile(
    r"(s|p|id|sub|subj|subject|person|participant|patient|actor|actress|user|student|model|face|identity|human|man|woman|"
    r"male|female|volunteer|[abfm][fm]|tm|tf)[ _.-]?\d+[a-z]?",
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

    "train", "Train_set", "FER2013Valid", "dev", "eval", "public_test", "test-00000-of-00002" are such names.
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\d)(?=[A-Za-z])|(?<=[A-Za-z])(?=\d)", " ", name.strip())
    words = [word for word in re.split(r"[\W_]+", apart.lower()) if word and not word.isdigit()]
    text = " ".join(words)
    for pair, joined in (("public test", "publictest"), ("private test", "privatetest"), ("hold out", "holdout"),
                         ("held out", "heldout"),
                         ("train val", "trainval"), ("train set", "trainset"), ("test set", "testset")):  # fmt: skip
        text = text.replace(pair, joined)
    words = text.split()
    parts = {_WORDS[word] for word in words if word in _WORDS}
    if len(parts) == 1 and all(word in _WORDS or word in _BESIDE for word in words):
        return parts.pop()
    return None


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
