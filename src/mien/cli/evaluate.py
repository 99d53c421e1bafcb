"""Evaluate models on labeled faces: accuracy with its 95 % interval, per class, calibration, confusion.

mien evaluate runs/hybrid-1 --data data/                      on the validation part of its split
mien evaluate champion --data photos/ --part all              on all labeled images, in the classes that both share
mien evaluate champion nano --data data/ --tta rotate6 --json
mien evaluate hybrid champion --data data/ --corruptions -o robustness.md
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.data import Dataset
    from mien.evaluation.groups import GroupReport
    from mien.evaluation.results import EvaluationResult, PartResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from mien.cli.data import add_loading_arguments

    parser.add_argument("source", nargs="+", metavar="MODEL",
                        help="a run folder, a model.onnx, or the name of a shipped model; several models are evaluated "
                             "separately")  # fmt: skip
    parser.add_argument("--data", type=Path, default=Path("data"), help="labeled faces in any layout (default: data)")
    add_loading_arguments(parser)
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="validation",
                        help="part of the model's split; all: all labeled images (default: validation)")  # fmt: skip
    parser.add_argument("--split", dest="old_part", help=argparse.SUPPRESS)
    parser.add_argument("--tta", nargs="+", metavar="VIEWS",
                        help="test-time augmentation: single, flip (image and mirror), shift10 (five shifts and "
                        "mirrors), rotate6 (three rotations and mirrors) (default: single flip)")  # fmt: skip
    parser.add_argument("--labels", choices=("own", "fer+"), default="own",
                        help="compare with the data's own labels or with FER+ votes (fer2013new.csv beside the "
                             "data)")  # fmt: skip
    parser.add_argument("--raise-recall", "--lift", nargs="+", default=[], metavar="CLASS", dest="raise_recall",
                        help="also report the model with a higher recall of these classes, at a cost of 0.25 points of "
                             "accuracy where this is fitted")  # fmt: skip
    parser.add_argument("--corruptions", action="store_true",
                        help="report only a table of accuracy under blur, noise, brightness, JPEG, occlusion, "
                             "...")  # fmt: skip
    parser.add_argument("--groups", type=Path, metavar="CSV",
                        help="also report by group: a csv with a column `row` or `file`, and one column per attribute "
                             "(docs/bias.md)")  # fmt: skip
    parser.add_argument(
        "--quality", action="store_true", help="also report by brightness, contrast and sharpness of the images"
    )
    parser.add_argument("--coverage", type=float, metavar="SHARE",
                        help="also report conformal sets that contain the correct class for this share of images, such "
                             "as 0.9")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE",
                        help="also write the results as JSON (with --corruptions, a table unless FILE ends in "
                             ".json)")  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    parser.add_argument("--threads", type=int, default=1, help="number of threads (default: 1)")


def run(args: argparse.Namespace) -> None:
    import warnings

    from mien.cli.data import load_dataset
    from mien.errors import MienError, MienWarning
    from mien.evaluation.classifier import refuse_repeated
    from mien.files import refuse_input
    from mien.inference.model_file import resolve

    if args.old_part:
        warnings.warn("--split is now called --part", MienWarning, stacklevel=1)
        args.part = args.old_part
    if args.output and args.output.is_file() and not args.overwrite:
        raise MienError(f"{args.output} exists; replace it with --overwrite")
    if args.output:
        if args.output.is_dir():
            raise MienError(f"{args.output} is a folder; give the name of a file")
        refuse_input(args.output, args.data)
    _check(args)
    refuse_repeated(args.source)
    for source in args.source:
        resolve(source)
    dataset = load_dataset(args.data, args)
    if args.corruptions:
        _corruptions(args, dataset)
    elif args.labels == "fer+":
        _votes(args, dataset)
    else:
        _evaluate(args, dataset)


def _check(args: argparse.Namespace) -> None:
    """What can be known to be wrong before the data are read. Raises MienError for options that do not go together."""
    from mien.errors import MienError
    from mien.evaluation import groups
    from mien.evaluation.conformal import check_coverage
    from mien.evaluation.evaluate import check_names

    instead = "--corruptions" if args.corruptions else "--labels fer+" if args.labels == "fer+" else ""
    unused = ["raise_recall", "groups", "quality", "coverage", *(["labels", "tta"] if args.corruptions else [])]
    for name in unused if instead else ():
        if getattr(args, name) not in (None, [], False, "own"):
            raise MienError(f"{{parameter}} has no effect with {instead}; use only one of them", parameter=name)
    _, args.tta, _ = check_names(args.part, args.tta or ["single", "flip"], args.raise_recall)
    if args.coverage is not None:
        check_coverage(args.coverage)
    if args.groups:
        groups.read_lines(args.groups)


def _evaluate(args: argparse.Namespace, dataset: "Dataset") -> None:
    from mien.cli.progress import Progress
    from mien.evaluation.evaluate import evaluate

    results, records, reports = {}, {}, {}
    for source in args.source:
        with Progress(None, "faces", alone=True, before="preparing") as progress:
            result = evaluate(source, dataset, (args.part,), args.tta, args.raise_recall, args.threads, progress)
        if Path(source).is_dir() and result.data["trained_on"]:
            result.save(source)
        results[source] = result
        reports[source] = _group_reports(args, dataset, result)
        records[source] = {**result.to_dict(), **_further(args, result, reports[source])}
    everything = records if len(records) > 1 else next(iter(records.values()))
    _write(args, json.dumps(everything, indent=2) + "\n")
    if args.json:
        print(json.dumps(everything, indent=2))
        return
    for number, (source, result) in enumerate(results.items()):
        print(("\n" if number else "") + summary_table(result, source))
        if records[source].get("coverage"):
            print("\n" + _coverage_line(records[source]["coverage"]))
        if reports[source]:
            from mien.evaluation import groups

            print("\n" + groups.table(reports[source]))


def _further(args: argparse.Namespace, result: "EvaluationResult", reports: Sequence["GroupReport"]) -> dict[str, Any]:
    """What --groups, --quality and --coverage add to the record: `groups`, `coverage`."""
    from mien.evaluation import conformal

    (part,) = result.parts.values()
    view = next(iter(part.probabilities))
    further: dict[str, Any] = {}
    if args.coverage is not None:
        measured = conformal.measure_coverage(part.calibrated(view), part.labels, args.coverage)
        further["coverage"] = measured.to_dict()
    if reports:
        further["groups"] = [report.to_dict() for report in reports]
    return further


def _group_reports(args: argparse.Namespace, dataset: "Dataset", result: "EvaluationResult") -> list["GroupReport"]:
    """By the attributes of --groups and --quality; none where neither is asked for."""
    from mien.evaluation import groups

    if not (args.groups or args.quality):
        return []
    (part,) = result.parts.values()
    columns: dict[str, Any] = {}
    if args.groups:
        columns |= {name: column[part.rows] for name, column in groups.read_groups(args.groups, dataset).items()}
    if args.quality:
        columns |= groups.quality_groups(dataset.images[part.rows])
    return groups.evaluate_groups(part.calibrated(next(iter(part.probabilities))), part.labels, part.classes, columns)


def _coverage_line(coverage: Mapping[str, Any]) -> str:
    low, high = coverage["interval"]
    single = (
        ""
        if coverage["single_accuracy"] is None
        else (
            f"; {coverage['sizes'][0]:.0%} of the sets have one class, which is correct for "
            f"{coverage['single_accuracy']:.1%}"
        )
    )
    return (
        f"sets with {coverage['promised']:.0%} coverage: the correct class is in {coverage['measured']:.1%} of them "
        f"({low:.1%} to {high:.1%}), {coverage['mean_size']:.2f} classes on average{single} (threshold "
        f"{coverage['threshold']:.4f}; each half is measured with the threshold of the other)"
    )


def summary_table(result: "EvaluationResult", source: str) -> str:
    """One table of an evaluation of one part: a row a class, then a row for all images by each view, and without the
    images that have a copy among the training images. source: the model as it was typed."""
    from mien.cli.table import printable
    from mien.evaluation import metrics
    from mien.evaluation.classifier import typed
    from mien.evaluation.tta import DESCRIPTIONS

    ((name, part),) = result.parts.items()
    views = list(part.probabilities)
    evaluation = part.evaluation(views[0])
    what = "all labeled images" if name == "all" else f"the {name} part"
    measured = f"{what} of {result.data['source']}: {evaluation.n:,} images, {DESCRIPTIONS[views[0]]}"
    lines = [f"{typed(source, result.model)} on {measured}", ""]
    titles = {("all", v): f"all, {v}" for v in views} | {("without copies", v): f"copies excluded, {v}" for v in views}
    titles |= {("recall raised", v): f"recall raised, {v}" for v in views}
    width = max(len(text) for text in [*evaluation.classes, *titles.values()])
    lines.append(f"{'':<{width}}  {'images':>7}  {'precision':>9}  {'recall':>7}  {'F1':>6}  most often mistaken for")
    lines += [metrics.class_row(evaluation, i, width) for i in range(len(evaluation.classes))]
    lines.append(f"{'':<{width}}  {'':>7}  {'':>9}  accuracy  macro-F1")
    for view in views:
        rows = {"all": part.evaluation(view), "without copies": part.without_duplicates(view),
                "recall raised": part.logit_adjusted(view)}  # fmt: skip
        for kind, figures in rows.items():
            if figures is None:
                continue
            low, high = figures.accuracy_interval
            after = _calibration(part, view) if kind == "all" else ""
            lines.append(
                f"{titles[kind, view]:<{width}}  {figures.n:>7,}  {'':>9}  {figures.accuracy:>7.1%}  "
                f"{figures.macro_f1:>6.3f}  {low:.1%} to {high:.1%} (95 %), ECE {figures.ece:.3f} "
                f"({figures.ece_by_chance:.3f} by chance){after}"
            )
    lines += [f"left out: {what} ({why})" for what, why in result.left_out.items()]
    return "\n".join(map(printable, lines))


def _calibration(part: "PartResult", view: str) -> str:
    """The calibration errors after a temperature: that of the model's file, and one fitted on the other half."""
    from mien.evaluation import metrics

    as_read = part.ece_as_read(view)
    given = "" if as_read is None else f", {as_read:.3f} as `mien read` reports it"
    return f"{given}, {metrics.ece(part.calibrated(view), part.labels):.3f} with a temperature fitted on these data"


def _votes(args: argparse.Namespace, dataset: "Dataset") -> None:
    from mien.cli.progress import Progress
    from mien.evaluation.evaluate import evaluate_votes

    results: dict[str, Mapping[str, Any]] = {}
    for source in args.source:
        with Progress(None, "faces", alone=True, before="preparing") as progress:
            results[source] = evaluate_votes(source, dataset, args.part, args.tta, progress)
    _write(args, json.dumps(results, indent=2) + "\n")
    if args.json:
        print(json.dumps(results, indent=2))
        return
    for source, by_view in results.items():
        for view, figures in by_view.items():
            low, high = figures["majority_interval"]
            print(
                f"{source}  {args.part}  {view}: FER+ majority {figures['majority']:.1%} ({low:.1%} to {high:.1%}, "
                f"{figures['n']:,} images), soft {figures['soft']:.1%} ({figures['n_soft']:,} images)"
            )


def _corruptions(args: argparse.Namespace, dataset: "Dataset") -> None:
    from mien.cli.progress import Progress
    from mien.evaluation import corruptions
    from mien.evaluation.evaluate import evaluate_corruptions

    images: list[int] = []
    with Progress(None, "faces", alone=True, before="preparing") as progress:
        accuracies = evaluate_corruptions(
            args.source, dataset, args.part, on_progress=progress, on_images=images.append
        )
    part = "all labeled images" if args.part == "all" else f"the {args.part} part"
    counts = " and ".join(f"{n:,}" for n in dict.fromkeys(images))
    heading = f"Accuracy in percent on {part} of {args.data}: {counts} images, one view.\n\n"
    table, record = heading + corruptions.table(accuracies), json.dumps(accuracies, indent=2) + "\n"
    print(record if args.json else table, end="")
    as_json = args.json or (args.output is not None and args.output.suffix == ".json")
    _write(args, record if as_json else table)


def _write(args: argparse.Namespace, text: str) -> None:
    from mien.files import atomic_write

    if args.output:
        with atomic_write(args.output) as temporary:
            temporary.write_text(text)
        print(f"mien: {args.output} written", file=sys.stderr)
