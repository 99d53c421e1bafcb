"""What all six notebooks share: where the data and the runs are, how a network, a run and an effect are shown."""

import io
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from IPython.display import SVG, Image, Markdown, display
from PIL import Image as Picture

import mien
from mien.data import Dataset, draw, draw_files
from mien.evaluation import claims, diagnose, face_figures, history, plots, results
from mien.evaluation.curves import WIDE_GAP, read_curves
from mien.training import networks
from mien.training.recipes import FIELDS, recipe
from mien.training.run import Run
from mien.training.study_report import kept_effects

HERE = Path(__file__).parent
DATA = Path(os.environ.get("MIEN_DATA", HERE / "../data"))  # Kaggle's files; without them, faces are drawn
RUNS = Path(os.environ.get("MIEN_RUNS", HERE / "../runs/notebooks"))  # short trainings go there
STUDY = HERE / "../results/study"  # the long ones, as they are committed
EPOCHS = int(os.environ.get("MIEN_EPOCHS", "0"))  # cuts the short trainings, to try a notebook
TRACKER = os.environ.get("MIEN_TRACKER", "none")  # wandb, trackio, tensorboard

# A warning's message without its place in the code.
warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}")


def faces() -> Dataset:
    """FER2013 from DATA; where that is not there, 3,000 faces that mien draws."""
    folder = DATA
    if not any(folder.glob("*.csv")):
        folder = RUNS / "drawn-faces"
        if not any(folder.glob("*.csv")):
            draw_files(folder, n=3000, seed=0)
    dataset = mien.load_dataset(folder)
    what = "drawn by mien: a demo, its numbers say nothing of people" if dataset.drawn else "of FER2013"
    print(f"{len(dataset):,} faces {what}")
    return dataset


def show(path: Path, width: int = 760, pixels: int = 980) -> None:
    """A figure, of so many pixels across and with few colors: notebooks stay small."""

    def save(picture: Picture.Image, file: io.BytesIO) -> None:
        picture.quantize(64, Picture.Quantize.MAXCOVERAGE).save(file, "PNG", optimize=True)  # keeps rare colors

    display(Image(_small(path, pixels, save), width=width))


def _small(path: Path, pixels: int, save: Callable[[Picture.Image, io.BytesIO], None]) -> bytes:
    """A picture, of so many pixels across, as bytes of the kind that `save` writes."""
    buffer = io.BytesIO()
    with Picture.open(path) as picture:
        save(picture.convert("RGB").resize((pixels, round(picture.height * pixels / picture.width))), buffer)
    return buffer.getvalue()


def sample_faces(dataset: Dataset | None = None, columns: int = 8) -> None:
    """Some faces of each class: of a data set, or, without one, drawn by mien."""
    dataset = dataset or draw(300, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.png"
        face_figures.contact_sheet(
            dataset.images, dataset.labels, dataset.classes, path, "Some faces of each class", columns, dataset.drawn
        )
        small = _small(path, 520, lambda picture, file: picture.convert("L").save(file, "JPEG", quality=80))
    display(Image(small, width=520))


def network(name: str) -> torch.nn.Sequential:
    """A network of the study with random weights, as its recipe builds it."""
    torch.manual_seed(1)
    return networks.build_from(recipe(name), 7)


def layers(model: torch.nn.Sequential) -> list[tuple[str, tuple[int, ...], int]]:
    """Name, shape of what comes out for one face, and weights of each layer."""
    rows, x = [], torch.zeros(1, 1, 48, 48)
    model.eval()
    with torch.no_grad():
        for layer in model:
            x = layer(x)
            rows.append((type(layer).__name__, tuple(x.shape[1:]), sum(p.numel() for p in layer.parameters())))
    return rows


def print_layers(model: torch.nn.Sequential) -> None:
    """The layers as a table."""
    rows = layers(model)
    print(f"{'layer':<20}{'comes out as':>16}{'weights':>12}")
    for name, shape, weights in rows:
        print(f"{name:<20}{' x '.join(map(str, shape)):>16}{weights or '':>12,}" if weights else
              f"{name:<20}{' x '.join(map(str, shape)):>16}")  # fmt: skip
    print(f"{'in all':<36}{sum(row[2] for row in rows):>12,}")


def draw_layers(model: torch.nn.Sequential) -> None:
    """The layers as blocks: height for the side of the maps, width for their number, color for the weights."""
    shades = {"Conv": "#30638e", "Linear": "#d1495b", "Batch": "#edae49", "Drop": "#8d99ae", "Channel": "#8d99ae"}
    blocks, x = [], 70.0
    for name, shape, weights in layers(model):
        if name in ("ReLU", "Flatten", "Identity"):
            continue
        side = shape[1] if len(shape) == 3 else 3
        height, width = 12 + 2.4 * side, 6 + shape[0] ** 0.5
        shade = next((color for key, color in shades.items() if name.startswith(key)), "#cfe0ec")
        label = f"{shape[0]}" if len(shape) == 1 else f"{shape[0]}×{shape[1]}×{shape[2]}"
        tip = f"{name}, {label}" + (f", {weights:,} weights" if weights else "")
        blocks.append(
            f'<rect x="{x:.0f}" y="{80 - height / 2:.0f}" width="{width:.0f}" height="{height:.0f}" rx="2" '
            f'fill="{shade}"><title>{tip}</title></rect>'
            f'<text x="{x + width / 2:.0f}" y="176" transform="rotate(-60 {x + width / 2:.0f} 176)" '
            f'text-anchor="end" font-size="9">{name} {label}</text>'
        )
        x += width + 12
    display(SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="{x + 20:.0f}" height="300" '
                f'font-family="sans-serif" fill="#22223b">{"".join(blocks)}</svg>'))  # fmt: skip


def knobs(name: str, *fields: str) -> None:
    """What a recipe sets, of these fields, and what each is for: all can be changed."""
    chosen = recipe(name)
    for field in fields:
        print(f"{field:<20}{getattr(chosen, field)!s:<12}{FIELDS[field].metadata['help']}")


def short_training(name: str, dataset: Dataset, **fields: object) -> Run:
    """A training of a minute on a share of the faces, with the recipe's fields as given; prints its epochs."""
    if EPOCHS:
        fields["epochs"] = EPOCHS
    run = mien.train(name, dataset, runs=RUNS, tracker=TRACKER, **fields)
    for row in history.read(run.folder / "history.csv"):
        print(f"epoch {row['epoch']:>2}   train loss {row['train_loss']:.3f}, accuracy {row['train_accuracy']:.1%}"
              f"   validation loss {row['val_loss']:.3f}, accuracy {row['val_accuracy']:.1%}")  # fmt: skip
    return run


def committed(name: str, seed: int = 1) -> Path | None:
    """The records of a long training; None, with a line that says so, where it is not yet run."""
    folder = STUDY / "runs" / f"{name}-{seed}"
    if (folder / "metrics.json").is_file():
        return folder
    print(f"{name} has not yet been run at full length: mien study --data data/")
    return None


def curves(name: str, seed: int = 1) -> None:
    """Curves of a long training with its verdict."""
    folder = committed(name, seed)
    if folder is None:
        return
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "curves.png"
        rows = history.read(folder / "history.csv")
        title = f"{name}, {len(rows)} epochs on FER2013, seed {seed}"
        if predictions_of(folder) is None:
            title += ", by mien 0.1"
        plots.learning_curves(rows, path, title, verdict_of(folder))
        show(path)


def predictions_of(folder: Path) -> Path | None:
    """A run's predictions for its validation faces; None where it kept none."""
    return results.stored_predictions(folder, "validation")


def verdict_of(folder: Path) -> diagnose.Verdict:
    return diagnose.diagnose_record(history.read(folder / "history.csv"), results.read_record(folder / "metrics.json"))


def explain_verdict(name: str, seed: int = 1) -> None:
    """The numbers that a verdict is made of, in the order in which it looks at them."""
    folder = committed(name, seed)
    if folder is None:
        return
    rows = history.read(folder / "history.csv")
    c = read_curves(rows)
    record = results.read_record(folder / "metrics.json")
    support = {score["name"]: score["support"] for score in record["evaluations"]["validation"]["single"]["per_class"]}
    low = min(rows, key=lambda row: row["val_loss"])
    good = diagnose.good_level(support) or diagnose.LOW_LEVEL
    print(f"guessing the largest class  {diagnose.chance_level(support):.1%}")
    print(f"a good level here           {good:.0%}")
    print(f"ends at                     training {c.train[-1]:.1%}, validation {c.val[-1]:.1%}")
    print(f"gap                         {100 * c.gap:+.1f} points; over {100 * WIDE_GAP:.0f} is wide")
    print(f"validation loss is lowest   in epoch {low['epoch']} of {len(rows)}: {low['val_loss']:.3f}, "
          f"then {rows[-1]['val_loss']:.3f} at the end")  # fmt: skip
    print(f"\n{verdict_of(folder)}")


def wrong_guesses(folder: Path | None, dataset: Dataset, count: int = 6) -> list[int]:
    """What is taken for what most often, and the surest wrong guesses; returns the rows of these in the data set."""
    path = predictions_of(folder) if folder else None
    if path is None:
        print("this run kept no predictions")
        return []
    columns = results.read_predictions(path)
    wrong = columns["label"] != columns["predicted"]
    names = dataset.classes
    pairs = Counter(zip(columns["label"][wrong].tolist(), columns["predicted"][wrong].tolist(), strict=True))
    print(f"{wrong.sum():,} of {len(wrong):,} validation faces are named wrongly; most often")
    for (label, predicted), times in pairs.most_common(5):
        of_class = int((columns["label"] == label).sum())
        print(f"  {names[label]:<9} is taken for {names[predicted]:<9}{times:>5} times, {times / of_class:.0%} of them")
    order = [i for i in columns["confidence"].argsort()[::-1] if wrong[i]][:count]
    print("the surest wrong guesses")
    for i in order:
        print(f"  row {columns['row'][i]:>6}: labeled {names[columns['label'][i]]:<9} read as "
              f"{names[columns['predicted'][i]]:<9} with {columns['confidence'][i]:.0%}")  # fmt: skip
    return [int(columns["row"][i]) for i in order]


def show_rows(dataset: Dataset, rows: list[int]) -> None:
    """The faces of these rows, enlarged, side by side."""
    if not rows:
        return
    strip = Picture.fromarray(dataset.images[rows].transpose(1, 0, 2).reshape(48, -1))
    buffer = io.BytesIO()
    strip.resize((strip.width * 2, 96)).save(buffer, "PNG")
    display(Image(buffer.getvalue()))


def effects(*pairs: tuple[str, str, str]) -> None:
    """What a change does, with its 95 % interval over seeds and images, from the committed runs.

    pairs: words for it, the training without it, the training with it.
    """
    bootstrap = kept_effects(STUDY)
    lines = ["| change | validation accuracy, points | gap, points | seeds |", "|---|--:|--:|---|"]
    for label, first, second in pairs:
        if first not in bootstrap.arms or second not in bootstrap.arms:
            lines.append(f"| {label} | not yet run | not yet run | – |")
            continue
        words = []
        for measure in ("validation", "gap"):
            effect = bootstrap.effect(first, second, measure)
            words.append(f"{100 * effect.estimate:+.1f} ({100 * effect.low:+.1f} to {100 * effect.high:+.1f})")
        seeds = claims.seeds_in_words([bootstrap.arms[first], bootstrap.arms[second]])
        lines.append(f"| {label} | {words[0]} | {words[1]} | {seeds} |")
    display(Markdown("\n".join(lines)))
