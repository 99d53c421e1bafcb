"""Run records: format 2, and every committed record of mien 0.1 read with its original values."""

import json
from pathlib import Path

import pytest

from mien.errors import MienError
from mien.evaluation import history
from mien.evaluation.record import RENAMED, VALUES, read_record, recipe_fields, upgrade
from mien.training.recipes import RECIPES, from_record

ROOT = Path(__file__).parents[1]
RUNS = sorted(path.parent for path in (ROOT / "results").rglob("recipe.json"))


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.parents[1].name}-{run.name}")
def test_every_committed_record_reads_back_with_its_values(run):
    written = json.loads((run / "recipe.json").read_text())
    record = read_record(run)
    recipe = from_record(recipe_fields(record))
    for key, value in written.items():
        name = RENAMED.get(key, key)
        if hasattr(recipe, name) and name not in ("conv_drop", "fc_drop"):
            expected = VALUES.get(name, {}).get(value, value) if isinstance(value, str) else value
            assert getattr(recipe, name) == expected
    if written.get("format") != 2:
        unused = {
            "normal",
            "baseline",
            "deep",
        }  # networks of 0.1 without a place for dropout: it was written down, and not used
        assert recipe.fc_drop == (0 if recipe.network in unused else written["fc_drop"])
        assert record["removed"] == {
            k: written[k] for k in ("sam", "self_share", "class_weighting") if written.get(k)
        } | ({"optimizer": "muon"} if written["optimizer"] == "muon" else {})
    rows = history.read(run / "history.csv")
    assert all(row["test_accuracy"] == row["val_accuracy"] for row in rows)


def test_a_record_of_this_version_is_read_as_it_is():
    record = {"format": 2, **vars(RECIPES["hybrid"]), "seed": 1}
    assert upgrade(record) == record
    assert from_record(recipe_fields(record)) == RECIPES["hybrid"]


def test_an_unknown_field_is_an_error():
    record = {"format": 2, **vars(RECIPES["hybrid"]), "warmth": 3}
    with pytest.raises(MienError, match="no field 'warmth'"):
        from_record(recipe_fields(record))
    fields = recipe_fields({"format": 2, **vars(RECIPES["hybrid"])})
    del fields["epochs"]
    with pytest.raises(MienError, match="lacks epochs"):
        from_record(fields)
    with pytest.raises(MienError, match="epochs is 'many'"):
        from_record({**fields, "epochs": "many"})


def test_a_later_format_is_refused():
    with pytest.raises(MienError, match="format 9, which is newer"):
        upgrade({"format": 9})


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 2000])
def test_a_damaged_record_is_a_line(tmp_path, text):
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(MienError, match=r"recipe\.json"):
        read_record(tmp_path)
