"""Bring the verdicts in the metrics.json of finished runs up to date with mien.evaluation.diagnose.

python benchmarks/verdicts.py results/*/runs/* results/*/*/runs/*
"""

import json
import sys
from pathlib import Path

from mien.evaluation import history
from mien.evaluation.diagnose import diagnose_record
from mien.evaluation.results import upgrade
from mien.files import write_short_json


def main() -> None:
    for folder in map(Path, sys.argv[1:]):
        path = folder / "metrics.json"
        if not path.is_file():
            continue
        record = json.loads(path.read_text())
        verdict = diagnose_record(history.read(folder / "history.csv"), upgrade(record)).to_dict()
        if verdict != record["verdict"]:
            write_short_json(path, {**record, "verdict": verdict})
            print(f"{folder}: {record['verdict']['kind']} -> {verdict['kind']}: {verdict['evidence']}")


if __name__ == "__main__":
    main()
