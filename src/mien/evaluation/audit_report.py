"""Write an audit's files: audit.json (counts), audit.csv (doubtful rows), split.csv (all rows), audit.html (a review
page).

The page is one self-contained file. It contains the doubtful images themselves, so share it only where the data may be
shared.
"""

import base64
import csv
import io
import json
from importlib.resources import files as package_files
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mien.data.split_file import PARTS, write_split
from mien.evaluation.audit_rows import REASONS, RowAudit
from mien.files import atomic_write, write_json

FILES = ("audit.json", "audit.csv", "split.csv", "audit.html")
COLUMNS = (
    "row", "part", "label", "reasons", "keep", "group", "suggested_label", "label_probability", "suggested_probability",
    "face_score", "brightness", "contrast", "sharpness",
)  # fmt: skip
_PER_ROW = 32  # images per row of a sheet
_PER_SHEET = 1024
_JPEG_QUALITY = 88


def write_audit(audit: RowAudit, folder: str | Path) -> dict[str, Any]:
    """Write the FILES of an audit into `folder`, each atomically; returns the contents of audit.json.

    Raises MienError if the folder cannot be written.
    """
    folder = Path(folder)
    record = summary(audit)
    write_json(folder / "audit.json", record)
    with atomic_write(folder / "audit.csv") as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_csv_row(audit, int(row)) for row in audit.flagged)
    write_split(folder / "split.csv", audit.dataset, audit.part, audit.keep)
    with atomic_write(folder / "audit.html") as temporary:
        temporary.write_text(page(audit), encoding="utf-8")
    return record


def summary(audit: RowAudit) -> dict[str, Any]:
    """Counts and statistics of an audit as plain numbers, the contents of audit.json."""
    dataset = audit.dataset
    by_part = {part: audit.part == part for part in PARTS if (audit.part == part).any()}
    members = np.bincount(audit.group, minlength=len(dataset))
    record: dict[str, Any] = {
        "format": 1,
        "data": {
            "source": dataset.source,
            "fingerprint": dataset.fingerprint,
            "drawn": dataset.drawn,
            "n": len(dataset),
        },
        "classes": list(dataset.classes),
        "flagged": len(audit.flagged),
        "reasons": {
            reason: {"all": int(rows.sum()), **{part: int((rows & here).sum()) for part, here in by_part.items()}}
            for reason, rows in audit.flags.items()
        },
        "duplicate_groups": int((members > 1).sum()),
        "exact_duplicates": audit.summary.to_dict(),
        "left_out_of_train": int((~audit.keep).sum()),
        "label_errors": None,
        "statistics": _statistics(audit),
    }
    if audit.label_errors is not None:
        record["label_errors"] = {
            "n": len(audit.label_errors.rows),
            "share": len(audit.label_errors.rows) / max(1.0, float(audit.label_errors.joint.sum())),
            "joint": np.round(audit.label_errors.joint, 1).tolist(),
        }
    return record


def page(audit: RowAudit) -> str:
    """The page as HTML text, including the images."""
    static = package_files("mien.evaluation") / "static"
    html, css, script = ((static / f"audit.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    # Escape "<", so that no class name can end the script element.
    data = json.dumps(_page_data(audit), separators=(",", ":")).replace("<", "\\u003c")
    return html.replace("/*CSS*/", css).replace("/*JS*/", script).replace("/*DATA*/", data)


def _csv_row(audit: RowAudit, row: int) -> list[object]:
    dataset, label, suggested = audit.dataset, int(audit.dataset.labels[row]), int(audit.suggested[row])
    chances = audit.probabilities[row] if audit.probabilities is not None and label >= 0 else None
    has_probabilities = chances is not None and bool(np.isfinite(chances).all())
    return [
        row,
        audit.part[row],
        dataset.classes[label] if label >= 0 else "",
        "; ".join(audit.reasons(row)),
        int(audit.keep[row]),
        int(audit.group[row]),
        dataset.classes[suggested] if suggested >= 0 else "",
        f"{chances[label]:.3f}" if chances is not None and has_probabilities else "",
        f"{chances[suggested]:.3f}" if chances is not None and has_probabilities and suggested >= 0 else "",
        f"{audit.face_scores[row]:.3f}",
        *(f"{audit.statistics[name][row]:.1f}" for name in ("brightness", "contrast", "sharpness")),
    ]


def _statistics(audit: RowAudit) -> dict[str, Any]:
    """Mean, 5th and 95th percentile of brightness, contrast and sharpness, per class and for all images."""
    labels = audit.dataset.labels
    of_class = {name: labels == i for i, name in enumerate(audit.dataset.classes)}
    table: dict[str, Any] = {}
    for name, here in {**of_class, "all": np.ones(len(labels), bool)}.items():
        if here.any():
            table[name] = {"n": int(here.sum())}
            for column, values in audit.statistics.items():
                low, high = np.percentile(values[here], [5, 95])
                table[name][column] = {
                    "mean": round(float(values[here].mean()), 2),
                    "p5": round(float(low), 2),
                    "p95": round(float(high), 2),
                }
    return table


def _page_data(audit: RowAudit) -> dict[str, Any]:
    dataset, flagged = audit.dataset, audit.flagged
    names, part_names = list(REASONS), [*PARTS, ""]
    items = []
    for row in flagged.tolist():
        label, suggested = int(dataset.labels[row]), int(audit.suggested[row])
        item: dict[str, Any] = {
            "row": row,
            "label": label,
            "part": str(audit.part[row]),
            "group": int(audit.group[row]),
            "keep": bool(audit.keep[row]),
            "reasons": [i for i, name in enumerate(names) if audit.flags[name][row]],
            "face": round(float(audit.face_scores[row]), 2),
            "suggested": suggested,
        }
        if suggested >= 0 and audit.probabilities is not None:
            chances = audit.probabilities[row]
            item["chance"], item["best"] = round(float(chances[label]), 3), round(float(chances[suggested]), 3)
        items.append(item)
    rows = zip(audit.part.tolist(), dataset.labels.tolist(), audit.keep.tolist(), strict=True)
    runs, first = [], 0  # [first row, number of rows, part, label, keep] of rows that are alike
    for (part, label, keep), alike in groupby(rows):
        count = len(list(alike))
        runs.append([first, count, part_names.index(part), label, keep])
        first += count
    drawn = " The faces are drawn by mien; no number measured on them speaks of people." if dataset.drawn else ""
    return {
        "name": Path(dataset.source).name or "data",
        "fingerprint": dataset.fingerprint,
        "n": len(dataset),
        "classes": list(dataset.classes),
        "parts": part_names,
        "reasons": [{"name": n, "text": text, "count": int(audit.flags[n].sum())} for n, text in REASONS.items()],
        "items": items,
        "runs": runs,
        "sheets": _sheets(dataset.images[flagged]),
        "statistics": _statistics(audit),
        "notes": "Rows are counted from 0 as the data are read. Images stay in this file: share it only where you may "
        "share the data." + drawn,
    }


def _sheets(images: np.ndarray) -> list[str]:
    """Data URIs of JPEG sheets of equal size, _PER_SHEET images each, _PER_ROW per row."""
    height, width = images.shape[1:]
    sheets = []
    for start in range(0, len(images), _PER_SHEET):
        block = images[start : start + _PER_SHEET]
        padded = np.full((-(-len(block) // _PER_ROW) * _PER_ROW, height, width), 128, np.uint8)
        padded[: len(block)] = block
        lines = padded.reshape(-1, _PER_ROW, height, width).transpose(0, 2, 1, 3).reshape(-1, _PER_ROW * width)
        buffer = io.BytesIO()
        Image.fromarray(lines).save(buffer, "JPEG", quality=_JPEG_QUALITY)
        sheets.append("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"))
    return sheets
