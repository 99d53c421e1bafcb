"""Fill the marked blocks of the README in both languages, the model card and pages of docs from the files in
results/, so that no number there is typed by hand.

    python docs/refresh.py           writes
    python docs/refresh.py --check   exits with 1 where a block is not as its file

A block is `<!-- from FILE -->` ... `<!-- end -->`; FILE is Markdown, JSON of a submission, or that of
benchmarks/recognise.py. Three more are tables: `<!-- from results/benchmarks/recognise.json as models -->`, `<!-- from
results/submissions/hidden.json as submissions -->`, and `as classes` of a run's metrics.json. `<!-- from
results/study/study.csv as deep -->` is a sentence on one network of the study, `<!-- from results/audit/ferplus.json as
votes -->` one on people and labels, `<!-- from results/benchmarks/light.md as dim -->` one on a tenth of the light.
"""

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

from georgian import in_georgian

from mien.evaluation.results import read_record
from mien.evaluation.tta import DESCRIPTIONS, OLD_NAMES
from mien.inference.model_file import DEFAULT, WEIGHTS

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
FILES = ("README.md", "README.ka.md", "MODEL_CARD.md", *PAGES)
BLOCK = re.compile(r"(<!-- from (\S+)(?: as (\w+))? -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def block(path: Path, kind: str | None = None) -> str:
    """What stands between the marks for a file."""
    if kind is not None:
        tables = {
            "models": models_table, "submissions": submissions_table, "classes": classes_table,
            "votes": votes_sentence, "dim": dim_sentence,
        }  # fmt: skip
        return tables[kind](path) if kind in tables else network_sentence(path, kind)
    if path.suffix == ".md":
        return path.read_text().strip() + "\n"
    made = json.loads(path.read_text())
    if "tools" in made:
        return beside_fer(made)
    figures = made.get("on_the_labeled_rows") or made["on_the_labelled_rows"]  # format 2, format 1
    low, high = figures["accuracy_interval"]
    views = DESCRIPTIONS[OLD_NAMES.get(made["tta"], made["tta"])]
    members = made.get("training") or made["trained"]
    members = members if isinstance(members, list) else [members]
    many = f"{len(members)} networks averaged" if len(members) > 1 else "one network"
    epochs = listed([member["epochs"] for member in members])
    seeds = listed([member["seed"] for member in members])
    return (
        f"`{path.with_suffix('.csv').name}`: PublicTest accuracy **{figures['accuracy']:.1%}** "
        f"(95 % interval {low:.1%} to {high:.1%}, {figures['n']:,} images), {many}, {views}, "
        f"{epochs} epochs, seed {seeds}. PublicTest was looked at while the recipe was "
        "chosen; PrivateTest's labels were not used.\n"
    )


def beside_fer(made: dict[str, Any]) -> str:
    """mien's default beside the package that many use today: the benchmark in a sentence."""
    tools = {tool["tool"]: tool for tool in made["tools"]}
    ours, theirs = tools[f"mien {DEFAULT}"], tools["fer"]

    def both(what: str, unit: str, digits: int, factor: float = 1) -> str:
        return f"{ours[what] * factor:,.{digits}f} {unit} ({theirs[what] * factor:,.{digits}f})"

    right = [f"{t['accuracy']:.1%} (95 % interval {t['low']:.1%} to {t['high']:.1%})" for t in (ours, theirs)]
    return (
        f"Beside the `fer` package (its figures in brackets), one thread, in one run: a photograph "
        f"{both('photo', 'ms', 1, 1e3)}; "
        f"a cropped face {both('face', 'ms', 2, 1e3)} in the median, {both('face_mean', 'ms', 2, 1e3)} on average; "
        f"from start to first "
        f"result {both('cold', 's', 1)}; installed {both('size_mb', 'MB', 0)}. On PublicTest's {ours['n']:,} faces, "
        f"single view, mien "
        f"reads {right[0]} as they are labeled, fer {right[1]}.\n"
    )


ROLES = {
    "champion-fast": "default: nano, and the champion where nano is unsure",
    "champion": "the full network for every face; float16 weights",
    "hybrid": "the study's hybrid, modern training",
    "nano": "smallest",
}


def models_table(path: Path) -> str:
    """The shipped models: what they are, how large, how fast, and by their evaluations in results/models, how accurate
    and how well calibrated."""
    tools = {tool["tool"].removeprefix("mien "): tool for tool in json.loads(path.read_text())["tools"]}
    lines = [
        "| model | what it is | file | a face | PublicTest, single view (95 %) | copies excluded | calibration error |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name, role in ROLES.items():
        figures = read_record(ROOT / "results" / "models" / f"{name}.json")["evaluations"]["validation"]["single"]
        low, high = figures["accuracy_interval"]
        size = (WEIGHTS / f"{name}.onnx").stat().st_size
        weight = f"{size / 1e6:.1f} MB" if size > 1e6 else f"{size / 1e3:.0f} kB"
        lines.append(
            f"| `{name}` | {role} | {weight} | {tools[name]['face_mean'] * 1e3:.2f} ms "
            f"| {figures['accuracy']:.1%} ({low:.1%} to {high:.1%}) | {figures['without_duplicates']['accuracy']:.1%} "
            f"| {figures['calibrated_ece']:.1%} |"
        )
    return "\n".join(lines) + "\n"


def submissions_table(path: Path) -> str:
    """The committed submissions: PublicTest beside the scores on PrivateTest's hidden labels, with and without the
    images that stand in Training."""
    record = json.loads(path.read_text())
    scored, without = record["accuracy"], record["without_the_288_images_whose_pixels_stand_in_training"]
    others = sorted(file.name for file in path.parent.glob("*.csv") if file.name not in scored)
    lines = [
        "| submission | networks | views | PublicTest (95 %) | PrivateTest, labels hidden "
        "| PrivateTest, 288 copies excluded |",
        "|---|--:|---|--:|--:|--:|",
    ]
    for name in (*scored, *others):
        made = json.loads((path.parent / name).with_suffix(".json").read_text())
        figures = made.get("on_the_labeled_rows") or made["on_the_labelled_rows"]
        low, high = figures["accuracy_interval"]
        members = made.get("training") or made["trained"]
        n = len(members) if isinstance(members, list) else 1
        views = DESCRIPTIONS[OLD_NAMES.get(made["tta"], made["tta"])]
        hidden = [percent(scores[name]) if name in scores else "not scored" for scores in (scored, without)]
        public = f"{figures['accuracy']:.1%} ({low:.1%} to {high:.1%})"
        lines.append(f"| `{name}` | {n} | {views} | {public} | {' | '.join(hidden)} |")
    return "\n".join(lines) + "\n"


def votes_sentence(path: Path) -> str:
    """How far ten people agree with the labels of PublicTest."""
    public = next(part for part in json.loads(path.read_text())["label_errors"] if part["rows"] == "PublicTest")["all"]
    return (
        f"Ten people looked at each of PublicTest's {public['n']:,} faces (FER+): on average "
        f"{public['mean_votes_for_label']:.1f} of them name the emotion of its label, and for "
        f"{public['majority_names_another']:.1%} of the faces most, single votes left out, name another.\n"
    )


def classes_table(path: Path) -> str:
    """Recall, precision and F1 of each class of a run, on the images that validate, single view."""
    scores = read_record(path)["evaluations"]["validation"]["single"]["per_class"]
    lines = ["| class | images | recall | precision | F1 |", "|---|--:|--:|--:|--:|"]
    lines += [
        f"| {s['name']} | {s['support']:,} | {s['recall']:.1%} | {s['precision']:.1%} | {s['f1']:.3f} |" for s in scores
    ]
    return "\n".join(lines) + "\n"


def dim_sentence(path: Path) -> str:
    """What each model keeps at a tenth of the light, with its own normalization and without any."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in path.read_text().splitlines()]
    header, _, *rows = [row for row in cells if len(row) > 2]
    parts = []
    for model in dict.fromkeys(row[0] for row in rows):
        bare, own = (
            dict(zip(header, row, strict=True)) for kind in ("none", "own")
            for row in rows if row[0] == model and kind in row[1]
        )  # fmt: skip
        plain, dim, without = (text.split()[0] for text in (bare["as it is"], own["x0.1"], bare["x0.1"]))
        parts.append(f"{model} {dim} (without normalization {without}; in full light {plain})")
    return f"PublicTest's faces that are read right at a tenth of the light: {', '.join(parts)}.\n"


WAYS = {"study": "the study's way", "modern": "the modern way"}


def network_sentence(path: Path, network: str) -> str:
    """What a network of the study came to, each way that it was trained."""
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["network"] == network]
    rows = [row for row in rows if row["training"] in (*WAYS, "dropout by element")]
    parts = []
    for row in rows:
        train, val = float(row["train_accuracy"]), float(row["val_accuracy"])
        seeds = row["seeds"].split()
        many = f"mean of {len(seeds)} seeds" if len(seeds) > 1 else "one seed"
        old = ", by version 0.1" if row["version"] == "0.1" else ""
        parts.append(
            f"{WAYS.get(row['training'], row['training'])}: {train:.1%} of the faces that it learned from, "
            f"**{val:.1%}** of others, a gap of {100 * (train - val):+.1f} points ({row['epochs']} epochs, {many}{old})"
        )
    missing = [way for training, way in WAYS.items() if training not in {row["training"] for row in rows}]
    parts += [f"{way}: not yet run" for way in missing]
    return f"*{network}*, {int(rows[0]['parameters']):,} weights. " + ". ".join(
        part[0].upper() + part[1:] for part in parts) + ".\n"  # fmt: skip


def percent(share: float) -> str:
    """With one digit behind the point, or two where the second is not zero."""
    text = f"{100 * share:.2f}"
    return f"{text.removesuffix('0')}%"


def listed(numbers: list[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def refreshed(text: str, georgian: bool = False) -> str:
    translated = in_georgian if georgian else str
    return BLOCK.sub(lambda m: m[1] + translated(block(ROOT / m[2], m[3])) + m[5], text)


def main() -> int:
    stale = 0
    for path in (ROOT / name for name in FILES):
        old = path.read_text()
        new = refreshed(old, georgian=path.suffixes == [".ka", ".md"])
        stale += new != old
        if "--check" not in sys.argv:
            path.write_text(new)
    return int(stale > 0) if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
