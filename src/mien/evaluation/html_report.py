"""A report as one self-contained HTML file: learning curves, confusion, reliability, per-class scores and plain
sentences; no network, no scripts.

For several runs or models it adds a table, a chart of their accuracies, and their differences with intervals and tests.
"""

from collections.abc import Callable, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from mien import __version__
from mien.data import Dataset
from mien.errors import MienError
from mien.evaluation import svg
from mien.evaluation.calibration import reliability_of
from mien.evaluation.statistics import Difference, holm, wilson
from mien.evaluation.subjects import Subject, compare, read_subjects
from mien.evaluation.tta import DESCRIPTIONS
from mien.files import atomic_write
from mien.labels import color

OPEN = 3  # with up to this many subjects all sections are unfolded
PARTS = {"train": "training", "validation": "validation", "test": "test", "all": "labeled"}


def write_report(
    sources: Sequence[str | Path],
    output: str | Path = "report.html",
    dataset: Dataset | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Subject]:
    """Write the report of runs, studies or model files (see `subjects.read_subjects`) and return its subjects.

    Raises MienError as `check_output` and read_subjects.
    """
    output = Path(output)
    check_output(output, overwrite)
    subjects = read_subjects(sources, dataset, on_progress)
    folder = Path(sources[0]).resolve().name if len(sources) == 1 and Path(sources[0]).is_dir() else ""
    text = render(subjects, f"{folder}: {len(subjects)} runs" if folder and len(subjects) > 1 else "")
    with atomic_write(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return subjects


def check_output(output: Path, overwrite: bool) -> None:
    """Raise MienError if the output is not an .html file, or exists and `overwrite` is not set."""
    if output.exists() and not overwrite:
        raise MienError(f"{output} exists; replace it with {{parameter=True}}", parameter="overwrite")
    if output.suffix.lower() not in (".html", ".htm"):
        raise MienError(
            f"a report is a page for a browser: name it {output.with_suffix('.html')}, not {output}", parameter="output"
        )


def render(subjects: Sequence[Subject], title: str = "") -> str:
    """The whole page as HTML. title: default: made from the subjects."""
    title = title or (subjects[0].name if len(subjects) == 1 else f"{len(subjects)} runs and models")
    drawn = any(subject.evaluation["data"].get("drawn") for subject in subjects)
    note = '<p class="note">Measured on synthetic faces: a demo, not a result.</p>' if drawn else ""
    body = [f"<h1>{escape(title)}</h1>{note}"]
    if len(subjects) > 1:
        body.append(_overview(subjects))
    for i, subject in enumerate(subjects):
        inner = "".join(_section(subject))
        if len(subjects) == 1:
            body.append(inner)
        else:
            unfolded = " open" if len(subjects) <= OPEN else ""
            body.append(
                f'<details id="s{i}"{unfolded}><summary><h2>{escape(subject.name)}</h2></summary>{inner}</details>'
            )
    style = (resources.files("mien.evaluation") / "static" / "report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)} – mien report</title><style>{style}</style></head><body><main>{''.join(body)}</main>"
        f"<footer>Written by mien {__version__}. Intervals are 95 % intervals.</footer></body></html>\n"
    )


def sentences(subject: Subject) -> list[str]:
    """Plain sentences about the results."""
    figures, part = subject.figures, PARTS.get(subject.part, subject.part)
    low, high = figures["accuracy_interval"]
    scores = [score for score in figures["per_class"] if score["support"]]
    largest = max(scores, key=lambda score: score["support"])
    said = [
        f"Of {figures['n']:,} {part} images, {figures['accuracy']:.1%} are classified correctly (interval {low:.1%} to "
        f"{high:.1%}). Always guessing “{largest['name']}” would give {largest['support'] / figures['n']:.1%}."
    ]
    best, worst = (chosen(scores, key=lambda score: score["recall"]) for chosen in (max, min))
    said.append(
        f"“{best['name']}” is recognized best (recall {best['recall']:.0%}), “{worst['name']}” least "
        f"({worst['recall']:.0%} of {worst['support']:,} images){_mistake(figures, worst['name'])}."
    )
    calibrated = figures.get("calibrated_ece")
    after = "" if calibrated is None else f", {100 * calibrated:.1f} after its temperature was fitted on other images"
    chance = figures.get("ece_by_chance")  # missing in records of version 0.1
    alone = "" if chance is None else f" ({100 * chance:.1f} of them by chance, with this number of images)"
    said.append(f"Confidence and accuracy differ by {100 * figures['ece']:.1f} points on average{alone}{after}.")
    for view, others in subject.evaluation["evaluations"][subject.part].items():
        if others is not figures and view in DESCRIPTIONS:
            said.append(f"With {DESCRIPTIONS[view]} it is correct for {others['accuracy']:.1%}.")
    without = figures.get("without_duplicates")
    if without:
        copies = figures["n"] - without["n"]
        said.append(f"{copies:,} of the images have an exact copy among the training images; without them it is "
                    f"correct for {without['accuracy']:.1%}.")  # fmt: skip
    return said


def _mistake(figures: dict[str, Any] | Any, name: str) -> str:
    names = [score["name"] for score in figures["per_class"]]
    row = list(figures["confusion"][names.index(name)])
    total, row[names.index(name)] = sum(row), 0
    if not total or not max(row):
        return ""
    return f", most often mistaken for “{names[int(np.argmax(row))]}” ({max(row) / total:.0%})"


def _section(subject: Subject) -> list[str]:
    figures = subject.figures
    parts = []
    if subject.verdict is not None:
        kind = subject.verdict.kind.replace(" ", "-")
        parts.append(
            f'<section class="verdict {kind}"><h3>{escape(subject.verdict.title.capitalize())}</h3>'
            f"<p>{escape(_capital(subject.verdict.evidence))}.</p><p><b>Try:</b> "
            f"{escape(subject.verdict.advice)}.</p></section>"
        )
    parts.append("<section><p>" + " ".join(escape(s) for s in sentences(subject)) + "</p></section>")
    parts.append(f'<section class="charts">{_curves(subject)}{_calibration(subject)}</section>')
    classes = [score["name"] for score in figures["per_class"]]
    parts.append(
        "<section><h3>Confusion matrix</h3><p>Rows are the true class, columns what it is taken for; shares of "
        f"each row.</p>{svg.confusion_table(figures['confusion'], classes)}</section>"
    )
    parts.append(f"<section><h3>Each class</h3>{_class_table(figures)}</section>")
    other = [name for name in subject.evaluation["evaluations"] if name != subject.part]
    if other:
        parts.append(f"<section><h3>Other parts</h3>{_parts_table(subject, other)}</section>")
    if subject.recipe:
        parts.append(f"<details><summary>How it was trained</summary>{_recipe_table(subject)}</details>")
    return parts


def _curves(subject: Subject) -> str:
    if not subject.rows:
        return ""
    epochs = [row["epoch"] for row in subject.rows]
    mark = (
        (subject.verdict.epoch, f"epoch {subject.verdict.epoch}") if subject.verdict and subject.verdict.epoch else None
    )
    charts = ""
    for what, kind in (("accuracy", "percent"), ("loss", "number")):
        lines = [
            svg.Line(name, list(zip(epochs, (row[f"{column}_{what}"] for row in subject.rows), strict=True)),
            f"var(--{name})")
            for name, column in (("training", "train"), ("validation", "val"))
        ]  # fmt: skip
        charts += svg.line_chart(_capital(what), lines, "epoch", kind, mark=mark)
    return charts


def _calibration(subject: Subject) -> str:
    table = subject.predictions.get(subject.part)
    if table is None or "confidence" not in table:
        return ""
    confidence, correct = table["confidence"], table["label"] == table["predicted"]
    curve = reliability_of(np.clip(confidence, 0, 1), correct)
    charts = svg.reliability_chart(
        "Calibration: is it correct as often as it claims?", curve.confidence, curve.accuracy, curve.count, curve.edges
    )
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    points = list(zip((answered / len(order)).tolist(), (np.cumsum(correct[order]) / answered).tolist(), strict=True))
    start = min(len(points) - 1, max(20, len(points) // 50))  # skip the first few images, which are too noisy
    line = svg.Line("accuracy", points[start:], "var(--validation)")
    return charts + svg.line_chart(
        "Accuracy with abstention", [line], "share of images answered, most confident first", x_format="percent"
    )


def _class_table(figures: Any) -> str:
    rows = ""
    for i, score in enumerate(figures["per_class"]):
        low, high = wilson(int(figures["confusion"][i][i]), int(score["support"]))
        bar = (
            f'<span class="bar" style="width:{100 * score["recall"]:.0f}%;background:{color(score["name"], i)}"></span>'
        )
        recall = f"{score['recall']:.1%}" if score["support"] else "–"
        spread = f"{low:.0%} to {high:.0%}" if score["support"] else "–"
        rows += (
            f'<tr><th scope="row">{escape(score["name"])}</th><td>{score["support"]:,}</td>'
            f"<td>{score['precision']:.1%}</td>"
            f'<td>{recall}</td><td>{spread}</td><td>{score["f1"]:.3f}</td><td class="wide">{bar}</td></tr>'
        )
    head = ("class", "images", "precision", "recall", "interval", "F1", "")
    return _table(head, rows)


def _parts_table(subject: Subject, names: Sequence[str]) -> str:
    rows = ""
    for name in names:
        for view, figures in subject.evaluation["evaluations"][name].items():
            low, high = figures["accuracy_interval"]
            rows += (
                f'<tr><th scope="row">{escape(name)}</th><td>{escape(DESCRIPTIONS.get(view, view))}</td>'
                f"<td>{figures['n']:,}</td>"
                f"<td>{figures['accuracy']:.1%}</td><td>{low:.1%} to "
                f"{high:.1%}</td><td>{figures['macro_f1']:.3f}</td></tr>"
            )
    return _table(("part", "views", "images", "accuracy", "interval", "macro-F1"), rows)


def _recipe_table(subject: Subject) -> str:
    plain = {k: v for k, v in subject.recipe.items() if isinstance(v, (str, int, float, bool)) and k != "format"}
    data = {
        f"data: {k}": v for k, v in subject.recipe.get("data", {}).items() if isinstance(v, (str, int, float, bool))
    }
    rows = "".join(
        f'<tr><th scope="row">{escape(str(name).replace("_", " "))}</th><td class="text">{escape(str(value))}</td></tr>'
        for name, value in {**plain, **data}.items()
    )
    return _table(("field", "value"), rows)


def _overview(subjects: Sequence[Subject]) -> str:
    rows = ""
    for i, subject in enumerate(subjects):
        figures, last = subject.figures, subject.rows[-1] if subject.rows else None
        low, high = figures["accuracy_interval"]
        gap = f"{100 * (last['train_accuracy'] - last['val_accuracy']):+.1f}" if last else "–"
        parameters = subject.evaluation.get("parameters")
        verdict = subject.verdict.kind if subject.verdict else "–"
        cells = (
            f"{figures['accuracy']:.1%}", f"{low:.1%} to {high:.1%}", gap, verdict, f"{figures['macro_f1']:.3f}",
            f"{100 * figures['ece']:.1f}", f"{parameters:,}" if parameters else "–", str(len(subject.rows) or "–"),
        )  # fmt: skip
        values = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        rows += f'<tr><th scope="row"><a href="#s{i}">{escape(subject.name)}</a></th>{values}</tr>'
    head = (
        "name",
        "accuracy",
        "interval",
        "gap (points)",
        "verdict",
        "macro-F1",
        "ECE (points)",
        "parameters",
        "epochs",
    )
    return f"<section><h2>Overview</h2>{_table(head, rows)}</section>{_differences(subjects)}"


def _differences(subjects: Sequence[Subject]) -> str:
    """Each subject against the first one evaluated on the same images, with Holm-adjusted p values."""
    bases: list[Subject] = []
    charts, words = "", []
    compared: dict[int, list[tuple[Subject, Difference]]] = {}
    for subject in subjects:
        for number, base in enumerate(bases):
            difference = compare(base, subject)
            if isinstance(difference, Difference):
                compared.setdefault(number, []).append((subject, difference))
                break
        else:
            bases.append(subject)
    p_values = [d.p for pairs in compared.values() for _, d in pairs if d.p is not None]
    adjusted = iter(holm(p_values))
    for number, pairs in compared.items():
        base = bases[number]
        bars = []
        for subject, difference in pairs:
            sign = f"{100 * difference.estimate:+.1f}"
            bars.append((subject.name, difference.estimate, difference.low, difference.high, sign))
            p = None if difference.p is None else next(adjusted)
            test = "" if p is None else f"; McNemar p = {p:.3f}, Holm"
            sure = difference.significant and (p is None or p < 0.05)
            surely = "not clearly more or less" if not sure else "more" if difference.estimate > 0 else "less"
            words.append(
                f"<li>{escape(subject.name)} is {surely} accurate than {escape(base.name)}: {sign} points "
                f"({100 * difference.low:+.1f} to {100 * difference.high:+.1f}{test})</li>"
            )
        charts += svg.interval_chart(f"Accuracy minus that of {base.name}, in points", bars, zero=True)
    if len(bases) > 1:
        names = ", ".join(base.name for base in bases)
        words.append(
            f"<li>Not compared with each other, because they were measured on different images: {escape(names)}</li>"
        )
    bars = [
        (s.name, s.figures["accuracy"], *s.figures["accuracy_interval"], f"{s.figures['accuracy']:.1%}")
        for s in subjects
    ]
    return (
        f'<section class="charts">{svg.interval_chart("Accuracy", bars)}{charts}</section>'
        f'<section><ul class="differences">{"".join(words)}</ul></section>'
    )


def _table(head: Sequence[str], rows: str) -> str:
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(head[0])} '
        f'table"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
