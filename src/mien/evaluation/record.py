"""recipe.json, the record of a run: read in format 2, and in that of mien 0.1, whose names one table translates."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.errors import MienError

FORMAT = 2

# What stands in recipe.json beside the fields of the recipe.
KEYS = (
    "format", "seed", "pretrained", "stored_views", "classes", "group", "data", "runtime", "machine", "mien",
    "tracker", "trackers", "removed",
)  # fmt: skip

# Names of mien 0.1 -> today's.
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
# Fields whose experiments failed and are gone, with the value that did nothing. A run that used one can be read, not
# resumed.
REMOVED = {"sam": 0.0, "self_share": 0.0, "class_weighting": 0.0}

# Fields that 0.1 had from some day on, with what it did before.
_ADDED = {
    "labels": "own", "teacher": "", "distillation_weight": 0.5, "teacher_input": "clean", "bn_images": 0, "mixup": 0.0,
    "input_normalization": "none", "pretrained": "", "train_fraction": 1.0,
}  # fmt: skip
# How 0.1 built its networks: (batch norm, head), and the dropouts that a network had no place for.
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
    """The record of a run folder, in format 2. Raises MienError where there is none or it cannot be understood."""
    path = Path(folder) / "recipe.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MienError(f"{path} does not exist; a run is a folder that 'mien train' made") from None
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
    """A record of format 1 or 2 in format 2. source: what messages call it. Raises MienError for a later format.

    What a run of 0.1 used and mien has no more stands under "removed", by its old name.
    """
    number = record.get("format", 1)
    if number == FORMAT:
        return dict(record)
    if number != 1:
        raise MienError(f"{source} is of format {number}, which is newer than this mien; update mien")
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
    """The fields of the recipe in a record of format 2."""
    return {key: value for key, value in record.items() if key not in KEYS}
