"""What each recipe reached, from the runs in results/: writes src/mien/training/recipe_results.json, which `mien train
--list` shows.

    python benchmarks/recipe_results.py
    python benchmarks/recipe_results.py --check      fails where the file is not what the runs say

Of a recipe's runs those count that were trained from nothing and differ from today's recipe in the fewest fields; with
several such, those of the most epochs. Of runs that differ in their seed alone, those at full length with records of
format 2 count where there are any, as in the study's table. Their seeds are averaged.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from mien.errors import MienError
from mien.evaluation import history
from mien.evaluation.record import FORMAT, read_record, recipe_fields
from mien.evaluation.results import read_record as read_evaluation
from mien.files import write_json
from mien.training import networks
from mien.training.recipes import RECIPES, from_record

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "src" / "mien" / "training" / "recipe_results.json"


def changes(folder: Path) -> dict[str, Any] | None:
    """The fields in which a run differs from today's recipe of its name; None where it does not count."""
    record = read_record(folder)
    if record["name"] not in RECIPES or record["pretrained"] or record.get("removed"):
        return None
    if record["data"]["drawn"] or not (folder / "metrics.json").is_file():
        return None
    try:
        recipe = from_record(recipe_fields(record))
    except MienError:
        return None
    today = RECIPES[recipe.name]
    return {name: value for name, value in vars(recipe).items() if value != getattr(today, name)}


def complete(folders: list[Path]) -> list[Path]:
    """The runs with all their epochs by a mien that writes records of format 2."""
    return [
        folder
        for folder in folders
        if json.loads((folder / "recipe.json").read_text()).get("format") == FORMAT
        and len(history.read(folder / "history.csv")) == read_record(folder)["epochs"]
    ]


def summary(folders: list[Path], changed: dict[str, Any]) -> dict[str, Any]:
    """The mean over the runs of one recipe, one a seed."""
    records = [read_record(folder) for folder in folders]
    views = [read_evaluation(folder / "metrics.json")["evaluations"]["validation"] for folder in folders]
    rows = [history.read(folder / "history.csv") for folder in folders]
    machine = records[0]["machine"]
    threads = records[0]["runtime"].get("threads") or machine.get("threads")
    return {
        "runs": sorted(folder.relative_to(ROOT).as_posix() for folder in folders),
        "seeds": sorted({record["seed"] for record in records}),
        "changed": changed,
        "images": views[0]["single"]["n"],
        "validation_accuracy": round(mean(view["single"]["accuracy"] for view in views), 4),
        "validation_accuracy_flip": round(mean(view["flip"]["accuracy"] for view in views), 4),
        "epochs": round(mean(len(row) for row in rows)),
        "minutes": round(mean(sum(line["seconds"] for line in row) for row in rows) / 60, 1),
        "machine": machine["gpu"] or f"{threads} thread{'s' if threads != 1 else ''} of a CPU",
        "mien": sorted({record["mien"].split("+")[0] for record in records})[-1],
    }


def results() -> dict[str, Any]:
    """{recipe: its parameters, and what its runs reached, null where there are none}."""
    groups: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((ROOT / "results").glob("**/runs/*/recipe.json")):
        changed = changes(path.parent)
        if changed is not None:
            groups[read_record(path.parent)["name"]][json.dumps(changed, sort_keys=True)].append(path.parent)
    table = {}
    for name, recipe in RECIPES.items():
        best: dict[str, Any] | None = None
        ordered = sorted(groups[name].items(), key=lambda item: (len(json.loads(item[0])), -len(item[1])))
        if ordered:
            fewest = len(json.loads(ordered[0][0]))
            candidates = [
                summary(complete(runs) or runs, json.loads(key))
                for key, runs in ordered
                if len(json.loads(key)) == fewest
            ]
            best = max(candidates, key=lambda candidate: (candidate["epochs"], len(candidate["seeds"])))
        table[name] = {"parameters": networks.parameters(networks.build_from(recipe, 7)), "reached": best}
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    table = results()
    if parser.parse_args().check:
        if json.loads(OUTPUT.read_text()) != table:
            sys.exit(f"{OUTPUT.name} is not what results/ says; run python benchmarks/recipe_results.py")
        return
    write_json(OUTPUT, table)


if __name__ == "__main__":
    main()
