"""Class names: synonyms of the emotions, numbers with presets, names of splits, and classes shared by model and
data."""

import pytest

from mien.data.class_names import PRESETS, is_missing, name_classes, parse_classes, shared_classes
from mien.data.parts import part_of, suspicion
from mien.errors import MienError
from mien.labels import EMOTIONS, SYNONYMS, emotion_of

NAMES = {
    "angry": [
        "anger",
        "Angry",
        "ANGER",
        "angry ",
        "0_angry",
        "angry_faces",
        "00-Anger",
        "AngryFaces",
        "Colère",
        "wütend",
    ],
    "disgust": ["disgusted", "Disgust", "1_disgust"],
    "fear": ["fearful", "afraid", "2 fear", "scared", "miedo"],
    "happy": ["happiness", "joy", "Happy", "happyness", "3.happy", "happy2", "feliz", "emotion_happy"],
    "sad": ["sadness", "SAD", "sad images", "triste", "悲伤"],
    "surprise": ["surprised", "suprise", "Surprise", "გაოცება", "şaşkın"],
    "neutral": ["neutrality", "Neutral", "no_emotion", "neutro"],
    "contempt": ["contempt", "Contemptuous"],
}


@pytest.mark.parametrize(("emotion", "names"), NAMES.items())
def test_synonyms(emotion: str, names: list[str]) -> None:
    assert {emotion_of(name) for name in names} == {emotion}


@pytest.mark.parametrize(
    "name", ["", "0", "delighted", "smile", "train", "AF01", "happy sad", "unhappy", "ahegao", "calm"]
)
def test_other_names_are_no_emotions(name: str) -> None:
    assert emotion_of(name) is None


def test_no_word_means_two_emotions() -> None:
    words = [word for others in SYNONYMS.values() for word in others]
    assert len(words) == len(set(words))
    assert all(emotion_of(word) == emotion for emotion, others in SYNONYMS.items() for word in others)


@pytest.mark.parametrize(
    ("usage", "names"),
    [
        ("Training", "train training Train TRAIN train_set TrainSet trainset FER2013Train train2017 01_train "
                     "training(1) train-00000-of-00002 images_train trainval Train_Data"),
        ("PublicTest", "val valid validation Validation dev val_set FER2013Valid public_test PublicTest publictest"),
        ("PrivateTest", "test testing Test eval Eval evaluation test_set FER2013Test private_test PrivateTest "
                        "rafdb_test"),
        (None, "angry happy tester testsubject train_happy samples developer 1 AF01 trains"),
    ],
)  # fmt: skip
def test_names_of_splits(usage: str | None, names: str) -> None:
    assert {name: part_of(name) for name in names.split()} == dict.fromkeys(names.split(), usage)


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["AF01", "AF02", "AM01"], "people"), (["S005", "S010"], "people"), (["subject_1", "subject_2"], "people"),
        (["fold1", "fold_2"], "folds"), (["images", "labels"], "parts of a layout"), (["train", "happy"], "splits"),
        (["happy", "sad"], None), (["1", "2"], None), (["delighted", "puzzled"], None),
    ],
)  # fmt: skip
def test_names_that_look_like_no_classes(names: list[str], what: str | None) -> None:
    assert suspicion(names) == what


def test_emotions_come_first_and_decisions_are_told() -> None:
    naming = name_classes(["suprise ", "Anger", "ahegao", "contempt", "happy"])
    assert naming.classes == ("angry", "happy", "surprise", "contempt", "ahegao")
    assert [naming.classes[naming.index[label]] for label in ("Anger", "suprise ", "ahegao")] == [
        "angry",
        "surprise",
        "ahegao",
    ]
    assert any("'Anger' as angry" in line and "'suprise ' as surprise" in line for line in naming.decisions)
    assert any("ahegao" in line and "kept" in line for line in naming.decisions)
    assert name_classes(EMOTIONS).decisions == ()


def test_numbers() -> None:
    fer = name_classes([str(i) for i in range(7)])
    assert fer.classes == EMOTIONS
    assert "FER2013's order" in fer.decisions[0]
    raf = name_classes([str(i) for i in range(1, 8)])
    assert raf.classes == tuple("1234567")
    assert "classes='rafdb'" in raf.decisions[0]
    asked = name_classes([str(i) for i in range(1, 8)], "rafdb")
    assert asked.classes == EMOTIONS
    assert [asked.classes[asked.index[str(i)]] for i in range(1, 8)] == list(PRESETS["rafdb"].values())


def test_classes_as_asked() -> None:
    naming = name_classes(["1", "02", "sadness"], "1=surprise, 2=My fear")
    assert naming.classes == ("sad", "surprise", "My fear")
    assert name_classes(["Anger", "joy"], "as-is").classes == ("Anger", "joy")
    assert name_classes(["a", "b"], {"a": "glad", "b": "glad"}).classes == ("glad",)
    with pytest.raises(MienError, match=r"does not name the label 3; the data has 1, 3"):
        name_classes(["1", "3"], "1=surprise")


@pytest.mark.parametrize("asked", ["", "nonsense", "1=", "=x", "1=a,1=b", "1=a,b"])
def test_classes_that_cannot_be(asked: str) -> None:
    with pytest.raises(MienError) as caught:
        parse_classes(asked)
    assert caught.value.parameter == "classes"
    assert "\n" not in str(caught.value)


def test_shared_classes() -> None:
    shared = shared_classes(EMOTIONS, ("Anger", "contempt", "sad", "happiness"))
    assert shared.names == ("angry", "happy", "sad")
    assert shared.in_model.tolist() == [0, 3, 4]
    assert shared.in_dataset.tolist() == [0, 3, 2]
    assert shared.model_only == ("disgust", "fear", "surprise", "neutral")
    assert shared.dataset_only == ("contempt",)


def test_an_exact_name_goes_before_a_synonym() -> None:
    shared = shared_classes(("joy", "happy"), ("happy", "joy"))
    assert shared.in_dataset.tolist() == [1, 0]
    assert shared_classes(("a", "B"), ("b", "c")).names == ("B",)
    assert shared_classes(("a",), ("b",)).names == ()


@pytest.mark.parametrize(
    "label", ["", " ", "-1", "nan", "NaN", "None", "N/A", "null", "?", "-", "Unlabeled", "unlabeled"]
)
def test_what_means_no_label(label: str) -> None:
    assert is_missing(label)
    naming = name_classes([*EMOTIONS, label, label])
    assert naming.classes == EMOTIONS
    assert naming.index[label] == -1
    assert f"faces without a label ({label!r}), which stay unlabeled: 2" in naming.decisions


def test_unknown_and_numbers_are_labels() -> None:
    assert not any(is_missing(label) for label in ("unknown", "0", "no emotion", "neutral", "-2"))
    assert name_classes([*EMOTIONS, "unknown"]).classes == (*EMOTIONS, "unknown")
    assert any("unknown" in line for line in name_classes([*EMOTIONS, "unknown"]).decisions)


def test_minus_one_is_no_class_unless_it_is_named() -> None:
    seven = [str(i) for i in range(7)]
    for asked in (None, "fer2013", "affectnet", "as-is"):
        naming = name_classes({"-1": 4} | dict.fromkeys(seven, 1), asked)
        assert naming.index["-1"] == -1
        assert len(naming.classes) == 7
        assert "faces without a label ('-1'), which stay unlabeled: 4" in naming.decisions
    assert name_classes(["-1", "0", "1"], "-1=negative,0=calm,1=positive").index == {"-1": 1, "0": 0, "1": 2}
    with pytest.raises(MienError, match="the data has no labels but '-1'"):
        name_classes(["-1"])


@pytest.mark.parametrize("label", ["-2", "2.5", "inf", "1e400", "[1, 0, 0]", "{'emotion': 'happy'}", "(0, 1)"])
@pytest.mark.parametrize("asked", [None, "fer2013"])
def test_what_is_no_class(label: str, asked: str | None) -> None:
    with pytest.raises(MienError) as caught:
        name_classes(["0", "1", label], asked, where="list.csv")
    assert str(caught.value).startswith(f"list.csv has the label {label!r}, which is ")
    assert name_classes(["0", "1", label], "as-is").index[label] >= 0


def test_numbers_beside_names_are_asked_about() -> None:
    with pytest.raises(MienError, match=r"list has labels that are numbers \(0, 3\) beside names \(angry, happy\)"):
        name_classes(["0", "angry", "3", "happy"], where="list")
    naming = name_classes(["0", "angry", "3", "happy"], "fer2013")
    assert naming.classes == ("angry", "happy")
    assert naming.index == {"0": 0, "angry": 0, "3": 1, "happy": 1}
    assert name_classes(["1", "2", "smirk"]).classes == ("1", "2", "smirk")  # no emotion says what the numbers are not
