"""The earlier study's claims, each confirmed, refuted or undecided by comparisons defined before the trainings were
run.

A comparison is decided by its 95 % interval (statistics.rule). On a ground, a claim is refuted if one of its
comparisons is, and confirmed if all are. Grounds: the seven networks trained the study's way, the same trained the
modern way, and networks that differ in one change only.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mien.evaluation import statistics
from mien.evaluation.effects import EARLY, Arm, Bootstrap, Measure
from mien.evaluation.statistics import Difference
from mien.files import atomic_write

Ground = Literal["study", "modern", "alone"]
GROUNDS: dict[Ground, str] = {
    "study": "the study's way", "modern": "the modern way", "alone": "one change alone"
}  # fmt: skip
NOT_RUN = "not yet run"
MIN_SEEDS = 3  # with fewer seeds, a ruling is about these trainings, not the network
BARE, FULL = "ablation-bare", "ablation-full"


@dataclass(frozen=True)
class Comparison:
    """The expected sign of a measure of the second training minus the first, or of the second alone if first is None.
    Trainings are named like their run folders, without the seed."""

    ground: Ground
    first: str | None
    second: str
    measure: Measure
    expected: statistics.Claim


@dataclass(frozen=True)
class Ruled:
    """A comparison with its effect and ruling; both None if a training is not finished. without_copies: the effect on
    validation images without an exact copy in the training set, if the measure is validation accuracy."""

    claim: str
    comparison: Comparison
    effect: Difference | None = None
    ruling: statistics.Ruling | None = None
    seeds: str = ""
    seed_count: int = 0
    without_copies: float | None = None


def _mended(ground: Ground, first: str, second: str) -> tuple[Comparison, ...]:
    """Overfitting is reduced if the gap shrinks and validation accuracy does not fall."""
    return (
        Comparison(ground, first, second, "gap", "decreases"),
        Comparison(ground, first, second, "validation", "does not decrease"),
    )


def _claims() -> dict[str, tuple[Comparison, ...]]:
    families: tuple[tuple[Ground, str], ...] = (("study", "study-"), ("modern", ""))
    claims: dict[str, list[Comparison]] = {
        name: []
        for name in (
            "the baseline underfits", "depth overfits", "more epochs raise only training accuracy",
            "dropout mends overfitting", "global pooling mends overfitting", "small rotations do nothing",
            "batch norm speeds training", "batch norm lessens overfitting", "the hybrid is best",
        )
    }  # fmt: skip
    for ground, prefix in families:
        baseline, deep, hybrid = f"{prefix}baseline", f"{prefix}deep", f"{prefix}hybrid"
        claims["the baseline underfits"] += [
            Comparison(ground, None, baseline, "gap over 10 points", "decreases"),
            Comparison(ground, baseline, deep, "validation", "increases"),
        ]
        claims["depth overfits"] += [
            Comparison(ground, None, deep, "gap over 10 points", "increases"),
            Comparison(ground, baseline, deep, "gap", "increases"),
        ]
        claims["more epochs raise only training accuracy"] += [
            Comparison(ground, None, deep, "later training", "increases"),
            Comparison(ground, None, deep, "later validation", "does not increase"),
        ]
        claims["dropout mends overfitting"] += _mended(ground, deep, f"{prefix}dropout")
        claims["global pooling mends overfitting"] += _mended(ground, deep, f"{prefix}globalpool")
        claims["the hybrid is best"] += [
            Comparison(ground, f"{prefix}{other}", hybrid, "validation", "increases")
            for other in ("normal", "baseline", "deep", "dropout", "dropout_heavy", "globalpool")
        ]
    alone = {
        "dropout mends overfitting": (
            ("study-deep", "deep-dropout-channel"), (BARE, f"{BARE}-dropout-channel"), (f"{FULL}-no-dropout", FULL),
        ),
        "global pooling mends overfitting": (
            ("study-deep", "deep-global-pooling"), (BARE, f"{BARE}-global-pooling"), (f"{FULL}-no-global-pooling", FULL)
        ),
        "batch norm lessens overfitting": (
            ("study-deep", "deep-batch-norm"), (BARE, f"{BARE}-batch-norm"), (f"{FULL}-no-batch-norm", FULL),
        ),
    }  # fmt: skip
    for claim, pairs in alone.items():
        claims[claim] += [comparison for first, second in pairs for comparison in _mended("alone", first, second)]
    claims["small rotations do nothing"] += [
        Comparison("alone", first, second, "validation", "does nothing")
        for first, second in ((BARE, f"{BARE}-rotate-5"), (f"{FULL}-no-rotation", f"{FULL}-rotate-5"))
    ]
    claims["batch norm speeds training"] += [
        Comparison("alone", first, second, "early training", "increases")
        for first, second in alone["batch norm lessens overfitting"]
    ]
    return {name: tuple(comparisons) for name, comparisons in claims.items()}


CLAIMS = _claims()


def judge(bootstrap: Bootstrap) -> list[Ruled]:
    """Rule on all comparisons of all claims whose trainings are among the bootstrap's arms."""
    judged = []
    for claim, comparisons in CLAIMS.items():
        for comparison in comparisons:
            names = [name for name in (comparison.first, comparison.second) if name is not None]
            if not all(name in bootstrap.arms for name in names):
                judged.append(Ruled(claim, comparison))
                continue
            effect = bootstrap.effect(comparison.first, comparison.second, comparison.measure)
            arms = [bootstrap.arms[name] for name in names]
            paired = comparison.measure == "validation" and comparison.first is not None
            judged.append(
                Ruled(
                    claim,
                    comparison,
                    effect,
                    statistics.rule(effect, comparison.expected),
                    seeds_in_words(arms),
                    min(len(arm.seeds) for arm in arms),
                    bootstrap.effect_without_copies(names[0], names[1]) if paired else None,
                )
            )
    return judged


def seeds_in_words(arms: Sequence[Arm]) -> str:
    """Number of seeds of each arm, marked if from version 0.1: "3", "3 and 1 (0.1)"."""
    words = [f"{len(arm.seeds)}{' (0.1)' if arm.version == '0.1' else ''}" for arm in arms]
    return " and ".join(dict.fromkeys(words))


def verdict(judged: Sequence[Ruled], claim: str, ground: Ground) -> str:
    """The ruling of a claim on a ground, in words: "confirmed", "refuted", "undecided", "not yet run", and "–" where
    the claim is not about such trainings."""
    mine = [ruled for ruled in judged if ruled.claim == claim and ruled.comparison.ground == ground]
    if not mine:
        return "–"
    rulings = [ruled.ruling for ruled in mine]
    word = (
        "refuted" if "refuted" in rulings else NOT_RUN if None in rulings
        else "undecided" if "undecided" in rulings else "confirmed"
    )  # fmt: skip
    if word == NOT_RUN:
        finished = sum(ruling is not None for ruling in rulings)
        return f"{NOT_RUN} ({finished} of {len(rulings)} comparisons)" if finished else NOT_RUN
    fewest = min(ruled.seed_count for ruled in mine if ruled.ruling is not None)
    so_far = f", so far by {fewest} seed{'s' * (fewest > 1)}" if fewest < MIN_SEEDS else ""
    return f"**{word}**{so_far}"


_WHAT: dict[Measure, str] = {
    "validation": "validation accuracy",
    "gap": "gap",
    "early training": f"training accuracy in epoch {EARLY}",
    "gap over 10 points": "gap, less 10 points",
    "later training": "training accuracy gained in the second half of the epochs",
    "later validation": "validation accuracy gained in the second half of the epochs",
}
RULE = (
    "The rule was written down before this version's trainings were run, and which comparisons stand for a claim when "
    "four of them were finished. Each comparison has a 95 % interval "
    "from 10,000 bootstrap samples over seeds and validation images. A comparison is confirmed where its interval lies "
    "on the expected side of 0, and refuted where it lies on the other; that something does nothing is confirmed by an "
    "interval within one point of 0 and refuted by one outside of that; that it does not fall or rise, the same on one "
    "side. A claim is refuted where one of its comparisons is, and confirmed where all are. With fewer than three "
    "seeds the ruling is of these trainings alone, and says so. The gap is training less validation accuracy; training "
    "accuracy is measured while training, with dropout on, as the study measured it, so that dropout narrows the gap "
    "by itself: it counts as mending only where validation accuracy does not fall. Validation images that are exact "
    "copies of training images count as all others (study.md says how many they are); a network that memorizes gains "
    "most by them, so the effect without them stands beside it."
)
INTERVALS = (
    " Intervals are of each comparison by itself, not adjusted for being many: of a hundred, five miss. Accuracies of "
    "which no image's outcome is kept (while training, and of an epoch before the last) are drawn from their binomial "
    "distribution and not paired, so that what the second half of the epochs gained has a wider interval than it "
    "needs. Seeds that are drawn again are never further apart than those that were trained: an interval of one seed "
    "is over images alone, and one of two or three is too narrow by as much as seeds differ more than images do (of "
    "seeds alone, that of one training would hold the truth in 50 and 75 of 100 cases, not in 95)."
)
OLD_RUNS = (
    " Rows marked (0.1) are of version 0.1, which kept no predictions: their intervals are wider, as they are not of "
    "the same images."
)


def claims_markdown(judged: Sequence[Ruled]) -> str:
    """The claims as a Markdown table."""
    lines = [f"| claim | {' | '.join(GROUNDS.values())} |", "|---|---|---|---|"]
    for claim in CLAIMS:
        lines.append(f"| {claim} | {' | '.join(verdict(judged, claim, ground) for ground in GROUNDS)} |")
    return "\n".join(lines) + "\n"


def comparisons_markdown(judged: Sequence[Ruled]) -> str:
    """The rule, and every comparison behind the claims as a Markdown table; effects in points."""
    old = any("(0.1)" in ruled.seeds for ruled in judged)
    lines = [
        RULE + INTERVALS + OLD_RUNS * old,
        "",
        "| claim | trained | compared | measure | expected | effect (95 %) | copies excluded | seeds | ruling |",
        "|---|---|---|---|---|--:|--:|---|---|",
    ]
    for ruled in judged:
        comparison = ruled.comparison
        pair = comparison.second if comparison.first is None else f"{comparison.second} less {comparison.first}"
        effect = "–"
        if ruled.effect is not None:
            values = (ruled.effect.estimate, ruled.effect.low, ruled.effect.high)
            effect = "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * value for value in values))
        unique = "–" if ruled.without_copies is None else f"{100 * ruled.without_copies:+.1f}"
        lines.append(
            f"| {ruled.claim} | {GROUNDS[comparison.ground]} | {pair} | {_WHAT[comparison.measure]} "
            f"| {comparison.expected} | {effect} | {unique} | {ruled.seeds or '–'} | {ruled.ruling or NOT_RUN} |"
        )
    return "\n".join(lines) + "\n"


def write_claims(judged: Sequence[Ruled], folder: Path) -> None:
    """Write claims.md (the table), comparisons.md, and claims.csv (one line per comparison, effects as shares)."""
    with atomic_write(folder / "claims.md") as temporary:
        temporary.write_text(claims_markdown(judged))
    with atomic_write(folder / "comparisons.md") as temporary:
        temporary.write_text(comparisons_markdown(judged))
    columns = (
        "claim",
        "ground",
        "first",
        "second",
        "measure",
        "expected",
        "estimate",
        "low",
        "high",
        "without_copies",
        "seeds",
        "ruling",
    )
    with atomic_write(folder / "claims.csv") as temporary, open(temporary, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(columns)
        for ruled in judged:
            comparison, effect = ruled.comparison, ruled.effect
            numbers = ("", "", "") if effect is None else (f"{value:.6f}" for value in (effect.estimate, effect.low,
                                                                                        effect.high))  # fmt: skip
            unique = "" if ruled.without_copies is None else f"{ruled.without_copies:.6f}"
            out.writerow([ruled.claim, comparison.ground, comparison.first or "", comparison.second, comparison.measure,
                          comparison.expected, *numbers, unique, ruled.seeds, ruled.ruling or NOT_RUN])  # fmt: skip


# Pairs of the forest plot by heading: label, first, second.
Pair = tuple[str, str, str]


def forest_pairs(mends: Sequence[str], added: Sequence[str], removed: Mapping[str, str]) -> dict[str, list[Pair]]:
    """The comparisons of the forest plot. mends: changes of the deep network in line d. added: regularizers added alone
    to the bare hybrid. removed: regularizer removed from the full hybrid -> the training that has it."""
    networks: list[Pair] = []
    for label, first, second in (
        ("deep, not baseline", "baseline", "deep"), ("dropout, not deep", "deep", "dropout"),
        ("heavy dropout, not deep", "deep", "dropout_heavy"), ("globalpool, not deep", "deep", "globalpool"),
        ("hybrid, not deep", "deep", "hybrid"),
    ):  # fmt: skip
        networks.append((label, f"study-{first}", f"study-{second}"))
    return {
        "networks, trained the study's way": networks,
        "networks, trained the modern way": [
            (label, first.removeprefix("study-"), second.removeprefix("study-")) for label, first, second in networks
        ],
        "the deep network, with": [(name, "study-deep", f"deep-{name}") for name in mends],
        "the bare hybrid, with": [(name, BARE, f"{BARE}-{name}") for name in added],
        "the full hybrid, with against without": [(name, f"{FULL}-no-{name}", having) for name, having in
                                                  removed.items()],
    }  # fmt: skip
