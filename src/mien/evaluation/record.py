"""recipe.json, the record of a run: reads format 2, and converts the format of mien 0.1."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.errors import MienError

FORMAT = 2

# Keys of recipe.json besides the recipe's fields.
KEYS = (
    "format", "seed", "pretrained", "stored_views", "classes", "group", "data", "runtime", "machine", "mien",
    "tracker", "trackers", "removed",
)  # fmt: skip

# Names of mien 0.1 -> current names.
RENAMED = {
    "copies": "duplicates",
    "teacher_share": "distillation_weight",
    "teacher_sees": "teacher_input",
    "ema": "ema_decay",
    "settle": "bn_images",
    "keep": "checkpoint_metric",
    "start_size": "progressive_resizing_from",
    "shift": "translate",
    "light": "brightness_contrast",
    "erase": "random_erasing",
    "from": "pretrained",
}
VALUES = {
    "checkpoint_metric": {"best": "val_accuracy"},
    "teacher_input": {"picture": "clean", "view": "augmented"},
}
# Fields of failed experiments that were removed, with the value that had no effect. A run that used one can be read,
# but not resumed.
REMOVED = {"sam": 0.0, "self_share": 0.0, "class_weighting": 0.0}

# Fields added during 0.1, with the behavior before they existed.
_ADDED = {
    "labels": "own", "teacher": "", "distillation_weight": 0.5, "teacher_input": "clean", "bn_images": 0, "mixup": 0.0,
    "input_normalization": "none", "pretrained": "", "train_fraction": 1.0,
}  # fmt: skip
# Networks of 0.1: (batch norm, head), and the dropout fields that a network does not use.
_BUILT: dict[str, tuple[bool, str]] = {
    "normal": (False, "dense"), "baseline": (False, "dense"), "deep": (False, "dense"), "dropout": (False, "dense"),
    "dropout_heavy": (False, "dense"), "globalpool": (False, "global_max"),
}  # fmt: skip
_WITHOUT = {
    "normal": ("conv_drop", "fc_drop"),
    "baseline": ("conv_drop", "fc_drop"),
    "deep": ("conv_drop", "fc_drop"),
    "globalpool": ("conv_drop",),
}


def read_record(folder: str | Path) -> dict[str, Any]:
    """The record of a run folder, in format 2. Raises MienError if there is none or it is invalid."""
    path = Path(folder) / "recipe.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MienError(f"{path} does not exist; give a run folder made by 'mien train'") from None
    except (OSError, ValueError, RecursionError) as error:
        raise MienError(f"{path} cannot be read as a run's record ({error})") from error
    if not isinstance(record, dict):
        raise MienError(f"{path} is not a run's record: it holds no object")
    for name, kind in (
        ("data", dict),
        ("runtime", dict),
        ("machine", dict),
        ("trackers", dict),
        ("classes", list),
    ):
        if not isinstance(record.get(name, kind()), kind):
            raise MienError(f"{path} is not a run's record: its {name} are {str(record[name])[:40]!r}")
    return upgrade(record, str(path))


def upgrade(record: Mapping[str, Any], source: str = "the record") -> dict[str, Any]:
    """Convert a record of format 1 to format 2; format 2 is returned unchanged. source: its name in messages. Raises
    MienError for a later format.

    Features of a 0.1 run that mien no longer has are listed under "removed", by their old names.
    """
    number = record.get("format", 1)
    if number == FORMAT:
        return dict(record)
    if number != 1:
        raise MienError(f"{source} is of format {number}, which is newer than this version of mien; update mien")
    upgraded: dict[str, Any] = {"format": FORMAT}
    for key, value in record.items():
        if key not in REMOVED:
            name = RENAMED.get(key, key)
            upgraded[name] = VALUES.get(name, {}).get(value, value) if isinstance(value, str) else value
    for key, value in _ADDED.items():
        upgraded.setdefault(key, value)
    network = str(record.get("network"))
    upgraded["batch_norm"], upgraded["head"] = _BUILT.get(network, (True, "global_avg"))
    for field in _WITHOUT.get(network, ()):
        upgraded[field] = 0.0
    upgraded["removed"] = {key: record[key] for key, inert in REMOVED.items() if record.get(key, inert) != inert}
    if record.get("optimizer") == "muon":
        upgraded["removed"]["optimizer"] = "muon"
    data = upgraded.get("data")
    if isinstance(data, dict) and "copies_crossing" in data:
        upgraded["data"] = {("leaked" if key == "copies_crossing" else key): value for key, value in data.items()}
    return upgraded


def recipe_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's fields in a record of format 2."""
    return {key: value for key, value in record.items() if key not in KEYS}
