"""Results of an evaluation: the arrays, the record that files keep, and the reader of older records.

The record, format 2, has one shape wherever it is kept: in a run's metrics.json (beside what the training
says of itself), in its evaluation-PART.json, in what `mien evaluate --json` prints and `-o` writes:

format        2
model         name of the model, several joined by " + "
classes       the model's class names, in the order of every list below
data          {source, fingerprint, drawn, trained_on: whether it is the data set that the model was trained on}
temperature   fitted on the validation part, single view (Guo et al. 2017); null where that was not evaluated
coverage      conformal sets of 90 % of the validation part (conformal.Coverage), or of what --coverage asked for; null
              where there are too few images
left_out      {part or class: why}, what was asked for or is in the data and could not be scored
evaluations   {part: {tta: figures}}, part one of train, validation, test, all; tta a key of tta.TTA
  figures     n, accuracy, accuracy_interval (Wilson, 95 %), macro_f1, nll, ece, ece_by_chance (what a perfectly
              calibrated model would show), per_class, confusion, all of uncalibrated probabilities;
              calibrated_ece, of probabilities with a temperature fitted on the other half of the images; ece_as_read,
              of those that `mien read` gives, by the temperature in the model's file: one model, single view;
              without_duplicates, the same figures (but these two) of the images without an exact copy among the
              training images, only where there are such copies; logit_adjusted, the same with the recall of some
              classes raised, only where that was asked for

`upgrade` brings a record of format 1 (mien 0.1) to this shape.
"""

import csv
import io
import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError
from mien.evaluation import calibration, conformal, logit_adjustment, metrics, record_check
from mien.evaluation.conformal import Coverage
from mien.evaluation.metrics import Evaluation
from mien.evaluation.tta import OLD_NAMES
from mien.files import atomic_write, write_json
from mien.inference.model import softmax

FORMAT = 2
MIN_PROBABILITY = 1e-12  # lower bound of probabilities before taking the logarithm
COLUMNS = ("row", "label", "predicted", "confidence")  # of predictions-PART.csv
_MOST_BYTES = 500_000_000  # size limit of a predictions file, decompressed


@dataclass(frozen=True, repr=False)
class PartResult:
    """Probabilities of one part of a data set, and the scores computed from them.

    rows: (N,) int64, rows of the data set. labels: (N,) int64, index into classes. duplicated: (N,) bool, whether an
    exact copy of the image is in the training part. probabilities: {tta: (N, C) float64}, uncalibrated. adjusted:
    classes for the additional scores with raised recall. temperature: from the model file; None for several models.
    """

    classes: tuple[str, ...]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    duplicated: NDArray[np.bool_]
    probabilities: Mapping[str, NDArray[np.float64]]
    adjusted: tuple[str, ...] = ()
    temperature: float | None = None

    def __repr__(self) -> str:
        return f"PartResult({len(self.rows):,} images, views {', '.join(self.probabilities)})"

    def evaluation(self, tta: str) -> Evaluation:
        """Scores on all images of the part."""
        return metrics.evaluate(self.probabilities[tta], self.labels, self.classes)

    def without_duplicates(self, tta: str) -> Evaluation | None:
        """Scores on the images without an exact copy in the training part; None if no image or every image has one."""
        keep = ~self.duplicated
        if keep.all() or not keep.any():
            return None
        return metrics.evaluate(self.probabilities[tta][keep], self.labels[keep], self.classes)

    def logit_adjusted(self, tta: str) -> Evaluation | None:
        """Scores with the recall of the classes in `adjusted` raised, cross-fitted between two halves of the images
        (logit_adjustment.cross_fitted); None if no class is named."""
        if not self.adjusted:
            return None
        chosen = [self.classes.index(name) for name in self.adjusted]
        raised = logit_adjustment.cross_fitted(self.probabilities[tta], self.labels, chosen)
        return metrics.evaluate(raised, self.labels, self.classes)

    def calibrated(self, tta: str) -> NDArray[np.float64]:
        """Calibrated probabilities (N, C); each half of the images with a temperature fitted on the other half."""
        return calibration.cross_fitted(np.log(np.maximum(self.probabilities[tta], MIN_PROBABILITY)), self.labels)

    def ece_as_read(self, tta: str) -> float | None:
        """ECE with the temperature in the model file, as `mien read` uses it; None except for the single view of one
        model."""
        if self.temperature is None or tta != "single":
            return None
        probabilities = softmax(np.log(np.maximum(self.probabilities[tta], MIN_PROBABILITY)), self.temperature)
        return metrics.ece(probabilities, self.labels)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """{tta: figures}, as in the module's docstring."""
        result = {}
        for tta in self.probabilities:
            figures: dict[str, Any] = dict(self.evaluation(tta).to_dict())
            figures["calibrated_ece"] = metrics.ece(self.calibrated(tta), self.labels)
            if (as_read := self.ece_as_read(tta)) is not None:
                figures["ece_as_read"] = as_read
            others = {
                "without_duplicates": self.without_duplicates(tta),
                "logit_adjusted": self.logit_adjusted(tta),
            }
            figures |= {key: other.to_dict() for key, other in others.items() if other is not None}
            result[tta] = figures
        return result


@dataclass(frozen=True, repr=False)
class EvaluationResult:
    """Result of `evaluate`. to_dict gives the record described in the module's docstring; parts hold the arrays."""

    model: str
    classes: tuple[str, ...]
    data: Mapping[str, Any]
    parts: Mapping[str, PartResult]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def temperature(self) -> float | None:
        """Fitted on the validation part, single view (or the first evaluated); None without that part."""
        part = self.parts.get("validation")
        if part is None:
            return None
        probabilities = part.probabilities.get("single", next(iter(part.probabilities.values())))
        return calibration.fit_temperature(np.log(np.maximum(probabilities, MIN_PROBABILITY)), part.labels)

    def read_at(self, temperature: float) -> "EvaluationResult":
        """The same result for a model file with this temperature."""
        parts = {name: replace(part, temperature=temperature) for name, part in self.parts.items()}
        return replace(self, parts=parts)

    def coverage(self, share: float = conformal.COVERAGE) -> Coverage | None:
        """Conformal sets on the validation part, single view (or the first evaluated), calibrated by `temperature`, as
        a reader of the model file computes them; None without that part or with too few images."""
        part = self.parts.get("validation")
        if part is None or len(part.rows) < 2 * conformal.fewest(share):
            return None
        probabilities = part.probabilities.get("single", next(iter(part.probabilities.values())))
        calibrated = softmax(np.log(np.maximum(probabilities, MIN_PROBABILITY)), self.temperature or 1.0)
        return conformal.measure_coverage(calibrated, part.labels, share)

    def to_dict(self) -> dict[str, Any]:
        """The record, format 2: plain numbers, lists and strings."""
        return {
            "format": FORMAT,
            "model": self.model,
            "classes": list(self.classes),
            "data": dict(self.data),
            "temperature": self.temperature,
            "coverage": None if (coverage := self.coverage()) is None else coverage.to_dict(),
            "left_out": dict(self.left_out),
            "evaluations": {name: part.to_dict() for name, part in self.parts.items()},
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write evaluation-PART.json for every part into a run folder, and predictions-PART.csv (see
        `write_predictions`), which comparisons of runs read, for parts with a single view. Returns the paths."""
        paths = []
        record = self.to_dict()
        for name, part in self.parts.items():
            paths.append(Path(folder) / f"evaluation-{name}.json")
            write_json(paths[-1], {**record, "evaluations": {name: record["evaluations"][name]}})
            if "single" in part.probabilities:
                paths.append(Path(folder) / f"predictions-{name}.csv")
                write_predictions(part, paths[-1])
        return paths

    def rows(self) -> list[dict[str, Any]]:
        """One dict per part and view: part, tta, n, accuracy, low, high (of its interval), macro_f1, nll, ece,
        calibrated_ece; ready for pandas.DataFrame."""
        names = ("n", "accuracy", "macro_f1", "nll", "ece", "calibrated_ece")
        rows = []
        for part, views in self.to_dict()["evaluations"].items():
            for tta, figures in views.items():
                low, high = figures["accuracy_interval"]
                rows.append(
                    {"part": part, "tta": tta, **{name: figures[name] for name in names}, "low": low, "high": high}
                )
        return rows

    def __repr__(self) -> str:
        parts = (f"{name} {part.evaluation(next(iter(part.probabilities))).accuracy:.1%} of {len(part.rows):,}"
                 for name, part in self.parts.items())  # fmt: skip
        return f"EvaluationResult({self.model}: {', '.join(parts)})"

    def __str__(self) -> str:
        return "\n\n".join(
            f"{self.model}, {name} part\n{metrics.table(part.evaluation(next(iter(part.probabilities))))}"
            for name, part in self.parts.items()
        )

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        lines = "".join(
            f"<tr><td>{row['part']}</td><td>{row['tta']}</td><td>{row['n']:,}</td><td>{row['accuracy']:.1%}</td>"
            f"<td>{row['low']:.1%} to "
            f"{row['high']:.1%}</td><td>{row['macro_f1']:.3f}</td><td>{row['ece']:.3f}</td></tr>"
            for row in self.rows()
        )
        head = "".join(
            f"<th>{name}</th>" for name in ("part", "views", "images", "accuracy", "95 %", "macro-F1", "ECE")
        )
        return f"<p>{escape(self.model)}</p><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def write_predictions(part: PartResult, path: str | Path) -> None:
    """Write a CSV with one line per image: row in the data set, label, predicted class (both as numbers) and
    confidence, uncalibrated, of the single view, for paired tests between runs. Raises KeyError if that view was not
    evaluated."""
    probabilities = part.probabilities["single"]
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    lines = [f"{row},{label},{guess},{sure:.4f}" for row, label, guess, sure in
             zip(part.rows.tolist(), part.labels.tolist(), predicted.tolist(), confidence.tolist(),
             strict=True)]  # fmt: skip
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")


def upgrade(record: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an evaluation record of format 1 to format 2; format 2 is returned unchanged.

    Format 1: metrics.json of mien 0.1 (`evaluations` without a format), or its evaluation-PART.json ({view: figures}),
    which does not name its part: it becomes "all" of `evaluations`. Raises MienError for a newer format.
    """
    version = record.get("format", 1)
    if version == FORMAT:
        return dict(record)
    if version != 1:
        raise MienError(f"the evaluation has format {version}; it needs a newer version of mien")
    if "evaluations" not in record:
        record = {"evaluations": {"all": record}}
    evaluations = record["evaluations"]
    rest = {key: value for key, value in record.items() if key not in ("evaluations", "calibrated_ece")}
    parts = {part: _upgraded_views(views) for part, views in evaluations.items()}
    if "calibrated_ece" in record and "single" in parts.get("validation", {}):
        parts["validation"]["single"]["calibrated_ece"] = record["calibrated_ece"]
    views = next(iter(next(iter(parts.values()), {}).values()), {})
    classes = [score["name"] for score in views.get("per_class", [])]
    data = {"source": "", "fingerprint": "", "drawn": bool(record.get("drawn", False)), "trained_on": True}
    defaults = {
        "model": record.get("run", ""),
        "classes": classes,
        "data": data,
        "temperature": None,
        "coverage": None,
        "left_out": {},
    }
    return {"format": FORMAT, **defaults, **rest, "evaluations": parts}


def _upgraded_views(views: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{"ten": f, "ten, no copies": g} of format 1 as {"shift10": {**f, "without_duplicates": g}}."""
    kinds = {"no copies": "without_duplicates", "lifted": "logit_adjusted"}
    result: dict[str, dict[str, Any]] = {}
    for name, figures in views.items():
        view, _, kind = name.partition(", ")
        place = result.setdefault(OLD_NAMES.get(view, view), {})
        place.update({kinds.get(kind, kind): dict(figures)} if kind else figures)
    return result


def read_record(path: str | Path) -> dict[str, Any]:
    """Read metrics.json or evaluation-PART.json of any format, as a record of format 2.

    Raises MienError if the file cannot be read or holds no evaluation.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        result = upgrade(record)
        if wrong := record_check.fault(result):
            raise ValueError(wrong)
    except MienError as error:
        raise MienError(f"{path}: {error}") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MienError(f"{path} is not an evaluation written by mien ({error}); evaluate again") from error
    if path.stem.startswith("evaluation-") and list(result["evaluations"]) == ["all"]:
        result["evaluations"] = {path.stem.removeprefix("evaluation-"): result["evaluations"]["all"]}
    return result


def stored_predictions(folder: str | Path, part: str) -> Path | None:
    """Path of the predictions of a part in a run folder: predictions-PART.csv, or .csv.xz as the study stores it; None
    if there is neither."""
    plain = Path(folder) / f"predictions-{part}.csv"
    return next((path for path in (plain, plain.with_suffix(".csv.xz")) if path.is_file()), None)


def read_predictions(path: str | Path, most_bytes: int = _MOST_BYTES) -> dict[str, NDArray[Any]]:
    """Read predictions-PART.csv (or .csv.xz): row, label, predicted (int64) and, if the file has it (some of the
    study's records do not), confidence (float64), each (N,).

    Raises MienError if the file is not one, or exceeds most_bytes when decompressed.
    """
    path = Path(path)
    try:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
            content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise ValueError(f"it has more than {most_bytes:,} bytes")
        header, *rows = csv.reader(io.StringIO(content.decode()))
        if tuple(header) not in (COLUMNS, COLUMNS[:-1]):
            raise ValueError(f"its columns are {', '.join(header)}")
        columns = list(zip(*rows, strict=True)) or [()] * len(header)
        return {name: np.array(values, dtype=np.float64 if name == "confidence" else np.int64)
                for name, values in zip(header, columns, strict=True)}  # fmt: skip
    except (OSError, EOFError, ValueError, csv.Error, lzma.LZMAError) as error:
        raise MienError(f"{path} contains no predictions written by mien ({error}); evaluate again") from error
