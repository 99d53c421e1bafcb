"""The table of `mien train --list`: recipes with their parameters, what each reached, the time it took, and where."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "training" / "recipe_results.json"  # written by benchmarks/recipe_results.py


def table() -> str:
    """A line a recipe; below, what its run did otherwise than the recipe of today."""
    from mien.training.recipes import RECIPES

    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = [("recipe", "parameters", "epochs", "validation", "mirrored", "time", "seeds", "on")]
    notes = []
    for name, recipe in RECIPES.items():
        result = results.get(name, {"parameters": None, "reached": None})
        parameters = f"{result['parameters']:,}" if result["parameters"] else "-"
        reached = result["reached"]
        if reached is None:
            rows.append((name, parameters, str(recipe.epochs), "-", "-", "-", "-", "not measured yet"))
            continue
        mark = "*" if reached["changed"] else ""
        rows.append(
            (
                name,
                parameters,
                str(reached["epochs"]),
                f"{reached['validation_accuracy']:.1%}{mark or ' '}",
                f"{reached['validation_accuracy_flip']:.1%}{mark or ' '}",
                _time(reached["minutes"]),
                str(len(reached["seeds"])),
                reached["machine"],
            )
        )
        if reached["changed"]:
            notes.append(f"  {name}: {_changes(reached['changed'])}")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (0, len(widths) - 1)
    lines = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines += [
        "",
        "validation: accuracy on the validation images (PublicTest; for study/ recipes 15 % of train.csv), one view, "
        "mean over",
        "the seeds; mirrored: image and mirror averaged; time: of one training.",
    ]
    if notes:
        lines += ["* from runs that differ from the current recipe:", *notes]
    return "\n".join(lines)


def _time(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _changes(changed: dict[str, Any]) -> str:
    return ", ".join(f"{field} {value!s}" for field, value in changed.items())
