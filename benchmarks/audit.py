"""How good mien data audit is, judged by the ten people who voted on every face of FER2013 for FER+ (Barsoum et al.
2016).

    python benchmarks/audit.py data/ [--votes data/fer2013new.csv] [--probabilities FILE.npz] [-o results/audit]

Audits FER2013 and asks of the rows that it flags: what share do people call wrong, against all rows? Writes
ferplus.json and ferplus.md. Label errors are looked for twice: among the PublicTest rows with a shipped model, which
did not train on them (--model), and among the Training rows with out-of-fold probabilities (--probabilities, as mien
data audit takes them). Without those, a quick classifier of this script makes some, in minutes on one core: histograms
of oriented gradients, random Fourier features and ridge regression, in five folds that keep duplicates together. No
picture is written.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data import Dataset, ferplus, load
from mien.evaluation.audit_rows import RowAudit, add_label_errors, audit_rows
from mien.evaluation.classifier import open_classifier
from mien.evaluation.face_scores import NO_FACE
from mien.evaluation.label_errors import read_probabilities

QUICK = "histograms of oriented gradients, random Fourier features, ridge regression, 5 folds with duplicates together"
COMPONENTS, FEATURES, WIDTH, RIDGE, FOLDS = 150, 4000, 0.5, 0.3, 5
THRESHOLDS = (0.1, 0.15, 0.2, NO_FACE, 0.3, 0.4, 0.5)
Rows = NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="FER2013: a folder with Kaggle's files, or fer2013.csv")
    parser.add_argument("--votes", help="FER+'s fer2013new.csv (default: beside the data)")
    parser.add_argument("--probabilities", type=Path, help="out-of-fold probabilities (default: a quick classifier's)")
    parser.add_argument("--model", default="champion", help="judged on PublicTest (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/audit"))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    dataset = load(args.data)
    votes_path = args.votes or ferplus.find(dataset)
    began, cpu = time.perf_counter(), time.process_time()
    audit = audit_rows(dataset, threads=args.threads)
    seconds = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu, "threads": args.threads}
    rows, votes = ferplus.align(dataset, votes_path)
    labeled = dataset.labels[rows] >= 0
    rows, votes = rows[labeled], votes[labeled]
    public = np.flatnonzero((dataset.usage == "PublicTest") & (dataset.labels >= 0))
    probabilities = np.full((len(dataset), len(dataset.classes)), np.nan)
    probabilities[public] = open_classifier(args.model, args.threads).probabilities(dataset.images[public])
    of_model = judge_label_errors(add_label_errors(audit, probabilities), rows, votes)
    training = np.flatnonzero(dataset.usage == "Training")
    if args.probabilities:
        probabilities, origin = read_probabilities(args.probabilities), args.probabilities.name
    else:
        probabilities, origin = quick_probabilities(dataset, training, audit.group), QUICK
    audit = add_label_errors(audit, probabilities)
    record = {
        "audit_seconds": seconds,
        "rows": len(rows),
        "flags": {reason: int(flags.sum()) for reason, flags in audit.flags.items()},
        "left_out_of_train": int((~audit.keep).sum()),
        "label_errors": [
            {"rows": "PublicTest", "probabilities": f"{args.model}, which was trained on Training alone", **of_model},
            {"rows": "Training", "probabilities": origin, **judge_label_errors(audit, rows, votes)},
        ],
        "near_duplicates": judge_near_duplicates(audit, rows, votes),
        "not_a_face": judge_faces(audit, rows, votes),
    }
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "ferplus.json").write_text(json.dumps(record, indent=2) + "\n")
    (args.output / "ferplus.md").write_text(report(record))
    print(report(record))


def judge_label_errors(audit: RowAudit, rows: Rows, votes: Rows) -> dict[str, Any]:
    """What people say of the labels that the audit flags, and of all those that it has probabilities for."""
    assert audit.label_errors is not None
    assert audit.probabilities is not None
    known = np.isfinite(audit.probabilities[rows]).all(axis=1)
    rows, votes = rows[known], votes[known]
    labels, majority = audit.dataset.labels[rows], ferplus.majority(votes)
    of_seven = votes[:, [ferplus.TAGS.index(tag) for tag in ferplus.SEVEN]]
    for_label = of_seven[np.arange(len(rows)), labels]
    other = (majority >= 0) & (majority != labels)  # more than half of the counted votes name another emotion
    flagged = audit.flags["label error"][rows]
    believed = audit.probabilities[rows].argmax(axis=1)
    least_believed = np.isin(rows, audit.label_errors.rows[: max(1, len(audit.label_errors.rows) // 4)])
    named = flagged & (majority >= 0) & (majority < len(audit.dataset.classes))

    def shares(where: NDArray[np.bool_]) -> dict[str, float]:
        return {
            "n": int(where.sum()),
            "majority_names_another": float(other[where].mean()),
            "at_most_one_vote_for_label": float((for_label[where] <= 1).mean()),  # FER+'s code takes one vote for noise
            "mean_votes_for_label": float(for_label[where].mean()),
        }

    return {
        "accuracy_of_probabilities": float((believed == labels).mean()),
        "all": shares(np.ones(len(rows), bool)),
        "not_flagged": shares(~flagged),
        "model_disagrees": shares(believed != labels),
        "flagged": shares(flagged),
        "flagged_least_believed_quarter": shares(least_believed),
        "suggestion_is_majority": float((believed == majority)[named].mean()),
    }


def judge_near_duplicates(audit: RowAudit, rows: Rows, votes: Rows) -> dict[str, Any]:
    """How often people give both images of a pair the same emotion, against random pairs."""
    majority = ferplus.majority(votes)
    place = np.full(len(audit.dataset), -1)
    place[rows] = np.arange(len(rows))
    pairs = place[audit.near.pairs]
    pairs = pairs[(pairs >= 0).all(axis=1)]
    strangers = np.stack([np.arange(len(rows)), np.random.default_rng(0).permutation(len(rows))], axis=1)

    def agreement(two: Rows) -> float:
        first, second = majority[two[:, 0]], majority[two[:, 1]]
        return float((first == second)[(first >= 0) & (second >= 0)].mean())

    return {
        "pairs": len(pairs),
        "same_majority": agreement(pairs),
        "same_majority_of_random_pairs": agreement(strangers),
    }


def judge_faces(audit: RowAudit, rows: Rows, votes: Rows) -> dict[str, Any]:
    """What people say of images with a low face score; images of one gray are left out."""
    pictures = ~audit.flags["single gray"][rows]
    rows, not_face = rows[pictures], votes[pictures, ferplus.TAGS.index("NF")]
    most = 2 * not_face > votes[pictures].sum(axis=1)
    thresholds = []
    for threshold in THRESHOLDS:
        under = audit.face_scores[rows] < threshold
        thresholds.append(
            {
                "face_score_under": threshold,
                "n": int(under.sum()),
                "majority_not_a_face": float(most[under].mean()),
                "any_not_a_face": float((not_face[under] > 0).mean()),
                "share_of_all_not_a_face_found": float((under & most).sum() / most.sum()),
            }
        )
    return {"majority_not_a_face_of_all": float(most.mean()), "thresholds": thresholds}


def report(record: dict[str, Any]) -> str:
    """The record as a page of Markdown."""
    faces, near = record["not_a_face"], record["near_duplicates"]
    names = {
        "all": "all",
        "not_flagged": "not flagged",
        "model_disagrees": "the model merely disagrees",
        "flagged": "flagged as label error",
        "flagged_least_believed_quarter": "flagged, the least believed quarter",
    }
    lines = [
        "# mien data audit, judged by FER+'s ten votes",
        "",
        f"Written by `python benchmarks/audit.py`. {record['rows']:,} rows of FER2013 have a label and votes. The "
        f"audit without",
        f"label errors took {record['audit_seconds']['cpu']:.0f} s of processor time, "
        f"{record['audit_seconds']['wall']:.0f} s in all, "
        f"with {record['audit_seconds']['threads']} threads.",
        "",
    ]
    for errors in record["label_errors"]:
        lines += [
            f"## Label errors among {errors['rows']}",
            "",
            f"Probabilities: {errors['probabilities']}; accuracy {errors['accuracy_of_probabilities']:.1%}.",
            "",
            "Most people: more than half of the votes, without those for an emotion that one alone names, as FER+ "
            "counts them.",
            "",
            "| rows | n | most people name another emotion | at most one of ten names the label | votes for the label, "
            "of ten |",
            "|---|---|---|---|---|",
        ]
        for key, name in names.items():
            row = errors[key]
            lines.append(
                f"| {name} | {row['n']:,} | {row['majority_names_another']:.1%} | "
                f"{row['at_most_one_vote_for_label']:.1%} | "
                f"{row['mean_votes_for_label']:.1f} |"
            )
        lines += [
            "",
            "Where most people name one of the seven emotions for a flagged row, it is the suggested one in "
            f"{errors['suggestion_is_majority']:.1%}.",
            "",
        ]
    lines += [
        "## Non-faces",
        "",
        f"Most people call {faces['majority_not_a_face_of_all']:.2%} of all rows no face. Images of one gray are left "
        f"out here.",
        "",
        "| face score under | rows | most people: no face | anybody: no face | share of all non-faces found |",
        "|---|---|---|---|---|",
    ]
    for row in faces["thresholds"]:
        mark = " (used)" if row["face_score_under"] == NO_FACE else ""
        lines.append(
            f"| {row['face_score_under']}{mark} | {row['n']:,} | {row['majority_not_a_face']:.1%} | "
            f"{row['any_not_a_face']:.1%} | "
            f"{row['share_of_all_not_a_face_found']:.1%} |"
        )
    lines += [
        "",
        "## Near duplicates",
        "",
        f"People give both images of a pair the same emotion in {near['same_majority']:.1%} of {near['pairs']:,} pairs "
        f"with votes, and in {near['same_majority_of_random_pairs']:.1%} of random pairs.",
        "",
        "## All flags",
        "",
        "| reason | rows |",
        "|---|---|",
        *(f"| {reason} | {count:,} |" for reason, count in record["flags"].items()),
        "",
        f"{record['left_out_of_train']:,} training rows are suggested to be left out.",
        "",
    ]
    return "\n".join(lines)


def quick_probabilities(dataset: Dataset, training: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Out-of-fold probabilities of the Training rows, (T, C): a kernel classifier on gradients, in FOLDS folds."""
    images, labels = dataset.images[training], dataset.labels[training]
    features = kernel_features(images)
    targets = np.eye(len(dataset.classes), dtype=np.float32)[labels]
    _, member = np.unique(group[training], return_inverse=True)
    fold = np.random.default_rng(0).integers(0, FOLDS, member.max() + 1)[member]
    gram, moment = features.T @ features, features.T @ targets
    scores = np.empty((len(training), len(dataset.classes)))
    for k in range(FOLDS):
        held_out = fold == k
        own = features[held_out]
        matrix = gram - own.T @ own + RIDGE * np.eye(FEATURES, dtype=np.float32)
        scores[held_out] = own @ np.linalg.solve(matrix, moment - own.T @ targets[held_out])
    best: tuple[float, NDArray[np.float64]] | None = None
    for sharpness in (2, 3, 4, 5, 6, 8, 10, 12):  # the softmax of regression scores, at the likeliest temperature
        chances = np.exp(sharpness * (scores - scores.max(axis=1, keepdims=True)))
        chances /= chances.sum(axis=1, keepdims=True)
        loss = -float(np.log(chances[np.arange(len(labels)), labels] + 1e-12).mean())
        if best is None or loss < best[0]:
            best = (loss, chances)
    assert best is not None
    return best[1]


def kernel_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Random Fourier features of gradient histograms, (N, FEATURES) float32, the mean of each image and its mirror
    image."""
    upright, mirrored = gradient_histograms(images), gradient_histograms(images[:, :, ::-1])
    mean = upright.mean(axis=0)
    upright -= mean
    mirrored -= mean
    _, directions = np.linalg.eigh(upright.T @ upright / len(upright))
    upright, mirrored = upright @ directions[:, -COMPONENTS:], mirrored @ directions[:, -COMPONENTS:]
    scale = WIDTH / np.sqrt((upright**2).sum(axis=1).mean())
    rng = np.random.default_rng(0)
    waves = (scale * rng.standard_normal((COMPONENTS, FEATURES))).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, FEATURES).astype(np.float32)
    total = np.cos(upright @ waves + phases)
    total += np.cos(mirrored @ waves + phases)
    total *= np.float32((0.5 / FEATURES) ** 0.5)
    return np.asarray(total, dtype=np.float32)


def gradient_histograms(images: NDArray[np.uint8], cell: int = 6, bins: int = 9) -> NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal and Triggs 2005), (N, F) float32; cells of 6 pixels, blocks of 2 x 2
    cells."""
    n = images.shape[1] // cell
    blocks = []
    for start in range(0, len(images), 2000):
        gray = np.pad(images[start : start + 2000].astype(np.float32), ((0, 0), (1, 1), (1, 1)), mode="edge")
        across = gray[:, 1:-1, 2:] - gray[:, 1:-1, :-2]
        down = gray[:, 2:, 1:-1] - gray[:, :-2, 1:-1]
        strength = np.hypot(across, down)
        angle = (np.arctan2(down, across) % np.pi) / np.pi * bins
        low = np.floor(angle)
        part = angle - low
        histogram = np.zeros((len(gray), n, n, bins), np.float32)
        for k in range(bins):
            weight = strength * ((low % bins == k) * (1 - part) + ((low + 1) % bins == k) * part)
            histogram[..., k] = weight.reshape(len(gray), n, cell, n, cell).sum(axis=(2, 4))
        corners = [histogram[:, i : n - 1 + i, j : n - 1 + j] for i in (0, 1) for j in (0, 1)]
        block = np.concatenate(corners, axis=-1)
        block /= np.sqrt((block * block).sum(axis=-1, keepdims=True)) + 20
        blocks.append(np.minimum(block, 0.2).reshape(len(gray), -1))
    return np.concatenate(blocks)


if __name__ == "__main__":
    main()
