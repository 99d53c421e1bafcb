"""A quarter of an hour of one GPU: four unlike members of an ensemble, their stored views, and students of these.

Where the data are, make one file of the pixels and labels, without loss (some 50 MiB of FER2013):

    python benchmarks/gpu_members.py pack data/ -o runs/gpu/fer2013.npz

It travels to the GPU with src/ and benchmarks/; results/ and the shipped weights (src/mien/inference/weights) need not.
Nothing is fetched there. It needs torch, numpy, pillow, onnxruntime, safetensors and lightning-fabric (a wheel of
250 kB, where it is not there: `pip download --no-deps lightning-fabric -d runs/gpu/wheels`, and there `pip install
--no-index --no-deps --target /tmp/site runs/gpu/wheels/*.whl`, with /tmp/site in PYTHONPATH). `--limit` is what a
command takes at most, in seconds, with all that it starts; the later ones find what the first left in runs/gpu:

    export PYTHONPATH=src:/tmp/site
    python benchmarks/gpu_members.py train runs/gpu/fer2013.npz -o runs/gpu/members --copy-to OUT --limit 400
    python benchmarks/gpu_members.py views runs/gpu/fer2013.npz runs/gpu/members -o runs/gpu/views --limit 85
    python benchmarks/gpu_members.py join runs/gpu/views/views-*.npz -o OUT/views.npz
    python benchmarks/gpu_members.py train runs/gpu/fer2013.npz -o OUT --stored-views OUT/views.npz --limit 200 \
        --members champion:21 nano:21

`train` measures some steps of all members at once first and gives all of them as many epochs as fit, at most their
recipe's. OUT gets NAME-SEED.safetensors (weights in float16, history, logits on PublicTest; 1 to 8 MB) now and then
and at the end, and views.npz (40 views of each image, each with its mirror image, or as many as the time allows: 14
MB). Then, where the data are:

    python benchmarks/gpu_members.py finish OUT/*.safetensors --data data/         run folders, evaluated
    mien export runs/vgg-1 -o results/champion/vgg-1.onnx --float16                to be committed, with its record
    python benchmarks/members.py data/ results/champion/*.onnx

The study's line b (72 short trainings, some 13 hours of two cores) may fit into such a quarter of an hour too, which
has not been measured:

    python benchmarks/gpu_members.py dataset runs/gpu/fer2013.npz -o /tmp/fer2013.npz
    timeout 520 python -m mien study --data /tmp/fer2013.npz --lines b --jobs 12 --threads 1 --precision 32-true \
        --tracker none --runs /tmp/study --output /tmp/report
    tar -cJf OUT/study.tar.xz -C /tmp/study --exclude='checkpoint*' --exclude=figures --exclude='*.onnx' .

Unpacked where the study's runs are, they count as trained there, for it is the same data set.

A dry run on a CPU: `--accelerator cpu --images 64 --batch-size 32 --epochs 2`.
"""

import argparse
import contextlib
import dataclasses
import json
import lzma
import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError

START = time.monotonic()
MEMBERS = ("vgg:1", "resnet:2", "inception:3", "repvgg:4")
STUDENT = {"rotate": 15.0, "translate": 0.12, "scale": 0.18, "brightness_contrast": 0.3, "random_erasing": 0.25}
# Students learn for long (Beyer et al. 2022), from stored views, in all kinds of light. Their images have one size, for
# torch.compile.
TAUGHT: dict[str, Any] = {
    "epochs": 500, "batch_size": 512, "mixup": 0.4, "label_smoothing": 0.0, "teacher": "", "distillation_weight": 0.95,
    "exposure": 0.3, "progressive_resizing_from": 48, "bn_images": 512, **STUDENT,
}  # fmt: skip
TAUGHT_EACH: dict[str, dict[str, Any]] = {
    "champion": {"learning_rate": 0.2, "weight_decay": 4e-4, "ema_decay": 0.999, "fc_drop": 0.1},
    "nano": {"learning_rate": 8e-3, "weight_decay": 0.02, "ema_decay": 0.998, "mixup": 0.2},
}
EVERY = 45.0  # seconds between files
MEASURED = 24  # steps
RESERVE = 20.0  # seconds behind the last epoch: logits, the file, the end of the process
RETRACED = 20.0  # seconds that torch.compile takes once more for the same network, its kernels in the cache
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 0, "pb": 0}]


def predict_pixel(left: Any, above: Any, corner: Any) -> Any:
    """The median edge detector of LOCO-I (Weinberger et al. 2000), as lossless JPEG has it."""
    low, high = np.minimum(left, above), np.maximum(left, above)
    return np.where(corner >= high, low, np.where(corner <= low, high, left + above - corner))


def pack(data: Path, output: Path) -> None:
    """A data set as one file: each picture once, as what its prediction leaves, in LZMA."""
    from mien.data import load

    dataset = load(data)
    faces, index = np.unique(dataset.images, axis=0, return_inverse=True)
    padded = np.pad(faces.astype(np.int16), ((0, 0), (1, 0), (1, 0)))
    predicted = predict_pixel(padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1])
    rest = (faces - predicted).astype(np.uint8)
    packed = lzma.compress(rest.tobytes(), format=lzma.FORMAT_RAW, filters=_FILTERS)
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output, "wb") as file:
        np.savez(
            file, packed=np.frombuffer(packed, np.uint8), shape=faces.shape, index=index.ravel().astype(np.uint16),
            labels=dataset.labels.astype(np.int8), usage=dataset.usage.astype(str), classes=np.array(dataset.classes),
        )  # fmt: skip
    assert unpack_all(output).fingerprint == dataset.fingerprint
    print(f"{output}: {len(dataset.labels):,} images, {output.stat().st_size / 2**20:.1f} MiB")


Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


def unpack_all(path: Path) -> Any:
    """The data set that was packed."""
    from mien.data import Dataset

    file = np.load(path)
    n, height, width = file["shape"]
    raw = lzma.decompress(file["packed"].tobytes(), format=lzma.FORMAT_RAW, filters=_FILTERS)
    rest = np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(n, height, width).transpose(1, 2, 0))
    faces = np.zeros((height + 1, width + 1, n), np.int16)
    for i in range(height):
        for j in range(width):
            predicted = predict_pixel(faces[i + 1, j], faces[i, j + 1], faces[i, j])
            faces[i + 1, j + 1] = (predicted + rest[i, j]) & 255
    images = np.ascontiguousarray(faces[1:, 1:].transpose(2, 0, 1).astype(np.uint8))[file["index"]]
    return Dataset(images, file["labels"].astype(np.int64), file["usage"], tuple(file["classes"].tolist()), path.name)


def unpack(path: Path) -> tuple[Part, Part]:
    """Images and labels of Training, to train on, and of PublicTest, to look at."""
    dataset = unpack_all(path)
    train, validation = (dataset.usage == usage for usage in ("Training", "PublicTest"))
    return (dataset.images[train], dataset.labels[train]), (dataset.images[validation], dataset.labels[validation])


def tell(args: argparse.Namespace, text: str) -> None:
    """A line for the screen and for log.txt beside the results."""
    line = f"{time.monotonic() - args.start:6.1f} s  {text}"
    print(line, flush=True)
    with open(args.log / f"log-{args.command}.txt", "a") as file:
        file.write(line + "\n")


def left(args: argparse.Namespace) -> float:
    """Seconds until the limit."""
    return float(args.limit - (time.monotonic() - args.start))


def train_member(args: argparse.Namespace, number: int, barrier: threading.Barrier, ends: Any) -> None:
    """One process: a member from its first step to its file. Where it fails, the others do not wait for it."""
    try:
        train_one(args, number, barrier, ends)
    except BaseException:
        barrier.abort()
        raise


def recipe_of(args: argparse.Namespace, name: str) -> Any:
    """A member's recipe, or a student's where there are stored views; with the options' changes."""
    from mien.training.recipes import recipe

    chosen = recipe(name)
    if args.stored_views:
        chosen = dataclasses.replace(chosen, **TAUGHT | TAUGHT_EACH.get(name, {}))
    changes = {"batch_size": args.batch_size, "epochs": args.epochs}
    return dataclasses.replace(chosen, **{field: value for field, value in changes.items() if value})


def train_one(args: argparse.Namespace, number: int, barrier: threading.Barrier, ends: Any) -> None:
    """Load, measure, choose the epochs, train, write. ends: of each member, seconds from the common start of the
    measurement to its end, and the share of them between epochs."""
    import torch._inductor.config

    from mien.inference.normalization import normalize_input
    from mien.labels import EMOTIONS
    from mien.training import predict
    from mien.training.run import launch
    from mien.training.runtime import Runtime, best_precision, machine
    from mien.training.state import FaceSet, Progress, Row
    from mien.training.stored_views import check_views, load_views
    from mien.training.trainer import Trainer

    word = args.members[number]
    name, seed = word.split(":")[0], int(word.split(":")[1])
    chosen = recipe_of(args, name)
    (images, labels), (shown, shown_labels) = unpack(args.data)
    images, labels = images[: args.images or None], labels[: args.images or None]
    shown, shown_labels = shown[: args.images or None], shown_labels[: args.images or None]
    images = normalize_input(images, chosen.input_normalization)
    shown = normalize_input(shown, chosen.input_normalization)
    validation, views = FaceSet(shown, shown_labels), None
    if args.stored_views:
        views = load_views(args.stored_views)
        check_views(views, chosen, EMOTIONS, images)
    precision = best_precision(args.accelerator)
    fabric = launch(Runtime(accelerator=args.accelerator), precision)
    compiled = args.compiled and fabric.device.type == "cuda"
    tell(args, f"{word} begins, {precision}, {'compiled' if compiled else 'not compiled'}")

    def measure(compiled: bool) -> None:
        """Train two short epochs while all the others do."""
        looks: list[float] = []
        seconds: list[float] = []

        class Clock:
            def on_step(self, progress: Progress) -> None: ...

            def on_epoch(self, row: Row) -> None:
                looks.append(time.monotonic())
                seconds.append(row["seconds"])
                if len(looks) == 2:  # compiled, and the fastest convolutions are known
                    try:
                        barrier.wait(timeout=min(120.0, max(left(args) / 3, 1.0)))
                    except threading.BrokenBarrierError:
                        tell(args, f"{word} did not wait for the others any longer")
                    looks[-1] = time.monotonic()

        few = min(len(images), MEASURED * chosen.batch_size)
        trial = Trainer(dataclasses.replace(chosen, epochs=4), fabric, seed, compiled=compiled)
        trial.fit(FaceSet(images[:few], labels[:few]), validation, len(EMOTIONS), callbacks=(Clock(),))
        took = looks[3] - looks[1]
        ends[2 * number], ends[2 * number + 1] = took, 1 - (seconds[2] + seconds[3]) / took

    ways = ["CUDA graphs", "torch.compile", ""] if compiled else [""]
    for way in ways:
        compiled, torch._inductor.config.triton.cudagraphs = bool(way), way == "CUDA graphs"
        try:
            measure(compiled)
            break
        except Exception as error:
            if not way:
                raise
            tell(args, f"{word} goes on without {way}: {str(error).splitlines()[:1]}")
    with contextlib.suppress(threading.BrokenBarrierError):
        barrier.wait(timeout=max(left(args) / 3, 1.0))
    # The GPU is busy until the slowest has done its share, so that is what two short epochs of all of them take.
    took, between = max(ends[::2]), sum(ends[1::2]) / (len(ends) / 2)
    short = min(MEASURED, -(-len(images) // chosen.batch_size))
    epoch = took / 2 * ((1 - between) * -(-len(images) // chosen.batch_size) / short + between)
    fits = int((left(args) - RESERVE - (RETRACED if compiled else 0)) / (1.07 * epoch))
    chosen = dataclasses.replace(chosen, epochs=max(1, min(chosen.epochs, fits)))
    tell(args, f"{word}: its measurement took {ends[2 * number]:.2f} s, that of all {took:.2f} s, {epoch:.2f} s an "
               f"epoch of all: {chosen.epochs} epochs")  # fmt: skip

    def write(model: Any, history: list[Row], last: bool) -> None:
        both = {"single": shown, "mirrored": np.ascontiguousarray(shown[:, :, ::-1])}
        logits = {view: predict.logits(model, faces, chosen.mean, chosen.std) for view, faces in both.items()}
        about: dict[str, Any] = {
            "recipe": dataclasses.asdict(chosen), "seed": seed, "precision": precision, "compiled": compiled,
            "history": history, "machine": machine(), "finished": len(history) == chosen.epochs,
        }  # fmt: skip
        if views:
            about["stored_views"] = {"file": args.stored_views.name, **views.about()}
        save(args, f"{name}-{seed}", model.state_dict(), logits, about)
        if last:
            plain = predict.logits(model, images, chosen.mean, chosen.std)
            about["training_accuracy"] = float((plain.argmax(1) == labels).mean())
            save(args, f"{name}-{seed}", model.state_dict(), logits, about)
        accuracy = {view: f"{(z.argmax(1) == shown_labels).mean():.2%}" for view, z in logits.items()}
        tell(args, f"{word} epoch {len(history)} of {chosen.epochs}: PublicTest {accuracy['single']}, "
                   f"training {about.get('training_accuracy', history[-1]['train_accuracy']):.2%}")  # fmt: skip

    history: list[Row] = []
    written = time.monotonic()

    class Keeper:
        def on_step(self, progress: Progress) -> None: ...

        def on_epoch(self, row: Row) -> None:
            nonlocal written
            history.append(row)
            if time.monotonic() - written > EVERY and len(history) < chosen.epochs:
                write(trainer.judged, history, last=False)
                written = time.monotonic()

    minutes = max(left(args) - RESERVE, 1.0) / 60
    trainer = Trainer(chosen, fabric, seed, compiled=compiled, max_minutes=minutes)
    fitted = trainer.fit(FaceSet(images, labels, views=views), validation, len(EMOTIONS), callbacks=(Keeper(),))
    write(fitted.model, fitted.history, last=True)


def save(args: argparse.Namespace, name: str, weights: Any, logits: Any, about: dict[str, Any]) -> None:
    """Weights (matrices and kernels in float16), logits on PublicTest and the record, in one file, in both folders."""
    import torch
    from safetensors.torch import save_file

    tensors = {f"weights.{key}": (t.half() if t.is_floating_point() and t.ndim > 1 else t).cpu().contiguous()
               for key, t in weights.items()}  # fmt: skip
    tensors |= {f"logits.{view}": torch.from_numpy(np.ascontiguousarray(z)) for view, z in logits.items()}
    for folder in {args.output, args.copy_to or args.output}:
        temporary = folder / f".{name}"
        save_file(tensors, temporary, metadata={"about": json.dumps(about)})
        temporary.replace(folder / f"{name}.safetensors")


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Weights, logits and record of a file of `train`."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        about = json.loads(file.metadata()["about"])
    weights = {k.removeprefix("weights."): t for k, t in tensors.items() if k.startswith("weights.")}
    logits = {k.removeprefix("logits."): t.numpy() for k, t in tensors.items() if k.startswith("logits.")}
    return {k: t.float() if t.is_floating_point() else t for k, t in weights.items()}, logits, about


def ask_members(args: argparse.Namespace, number: int) -> None:
    """One process: what the members say of the views of every args.processes-th seed."""
    import torch

    from mien.evaluation.calibration import fit_temperature
    from mien.inference.normalization import normalize_input
    from mien.labels import EMOTIONS
    from mien.training import networks
    from mien.training.distillation import opinion_of
    from mien.training.recipes import Recipe, recipe
    from mien.training.runtime import gpu
    from mien.training.stored_views import StoredViews, ask, digest_of, on_device

    student = recipe("champion", **STUDENT)
    (images, _), (_, shown_labels) = unpack(args.data)
    images = normalize_input(images[: args.images or None], student.input_normalization)
    device = gpu(args.accelerator) or torch.device("cpu")
    answers = []
    paths = sorted(args.members.glob("*.safetensors"))
    for path in paths:
        weights, logits, about = read(path)
        own = Recipe(**about["recipe"])
        network = networks.build_from(own, len(EMOTIONS))
        network.load_state_dict(weights)
        temperature = fit_temperature(logits["single"], shown_labels[: len(logits["single"])])
        opinion = opinion_of(network, own.mean, own.std, temperature, 0, device)
        # Views are of normalized images, as it saw them in training.
        same = own.input_normalization == student.input_normalization
        answers.append(on_device(opinion, "none" if same else own.input_normalization, args.mirror, device))
    names, digest = tuple(path.stem for path in paths), digest_of(images)
    tell(args, f"process {number} asks {', '.join(names)}")
    said: list[NDArray[np.float16]] = []
    seeds = list(range(1 + number, 1 + args.views, args.processes))
    took, output = 0.0, args.output / f"views-{number + 1}.npz"
    for count, seed in enumerate(seeds, start=1):
        began = time.monotonic()
        said.append(ask(answers, images, student, len(EMOTIONS), 1, seed, device=device))
        took = time.monotonic() - began
        last = count == len(seeds) or left(args) < 1.3 * took + 4
        if last or count % 4 == 0:
            probabilities = np.concatenate(said, axis=1)
            views = StoredViews(probabilities, student.augmentation, tuple(seeds[:count]), EMOTIONS, digest, names,
                                args.mirror)  # fmt: skip
            views.save(output)
            tell(args, f"process {number}: {count} of {len(seeds)} views, {took:.1f} s each, "
                       f"{output.stat().st_size / 2**20:.1f} MiB")  # fmt: skip
        if last:
            break


def run_together(args: argparse.Namespace, target: Any, rows: list[tuple[Any, ...]]) -> None:
    """Processes side by side, ended at the limit; exits with 1 where one failed."""
    for folder in {args.output, args.log}:
        folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    cores = max(1, (os.cpu_count() or 1) // len(rows))
    os.environ["MIEN_KERNELS"] = "0"  # they are for CPUs, and take a compiler's time
    os.environ["OMP_NUM_THREADS"] = os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = str(cores)
    processes = [context.Process(target=target, args=(args, *row)) for row in rows]
    for process in processes:
        process.start()
    for process in processes:
        process.join(max(left(args) + 5, 0.1))
        if process.is_alive():
            process.kill()
            process.join()
    codes = [process.exitcode for process in processes]
    tell(args, f"done: {codes}")
    sys.exit(any(codes))


def finish_member(path: Path, data: Path, runs: Path) -> None:
    """A file of `train` as a run folder, exported and evaluated as `mien train` does it."""
    from mien.data import load
    from mien.evaluation import history
    from mien.files import write_json
    from mien.training.finish import finish
    from mien.training.recipes import Recipe
    from mien.training.run import _record, load_run
    from mien.training.runtime import Runtime
    from mien.training.state import FitResult
    from mien.training.tracking import tracker
    from mien.training.training_set import select
    from mien.training.weights import save_weights

    weights, _, about = read(path)
    folder = runs / path.stem
    if (folder / "recipe.json").exists():
        sys.exit(f"{folder} holds a run already; move it away")
    dataset = load(data)
    recipe, parts, _ = select(Recipe(**about["recipe"]), dataset, about["seed"])
    runtime = Runtime(accelerator="gpu", compiled=about["compiled"])
    record = _record(recipe, dataset, parts, about["seed"], "", runtime, about["precision"])
    folder.mkdir(parents=True, exist_ok=True)
    taught = {"stored_views": about["stored_views"]} if "stored_views" in about else {}
    write_json(folder / "recipe.json", {**record, "machine": about["machine"], **taught})
    history.write(about["history"], folder / "history.csv")
    save_weights(weights, folder / "weights.safetensors")
    run = load_run(folder)
    watch = tracker("none")
    finish(run, dataset, ["validation"], FitResult(run.model(), about["history"], len(about["history"])), watch)
    print(f"{folder}: {run.metrics()['evaluations']['validation']['single']['accuracy']:.2%} on PublicTest, training "
          f"{about.get('training_accuracy', float('nan')):.2%}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packer = commands.add_parser("pack")
    packer.add_argument("data", type=Path)
    packer.add_argument("-o", "--output", type=Path, required=True)
    writer = commands.add_parser("dataset", help="the packed data set as a file that mien reads")
    writer.add_argument("data", type=Path)
    writer.add_argument("-o", "--output", type=Path, required=True)
    trainer, asker = commands.add_parser("train"), commands.add_parser("views")
    for command in (trainer, asker):
        command.add_argument("data", type=Path)
        command.add_argument("-o", "--output", type=Path, required=True)
        command.add_argument("--limit", type=float, required=True, help="seconds")
        command.add_argument("--accelerator", default="auto")
        command.add_argument("--images", type=int, default=0, help="the first N alone (default: all)")
    trainer.add_argument("--copy-to", type=Path)
    trainer.add_argument("--members", nargs="+", default=MEMBERS, metavar="RECIPE:SEED")
    trainer.add_argument("--epochs", type=int, default=0, help="at most (default: the recipe's)")
    trainer.add_argument("--batch-size", type=int, default=0)
    trainer.add_argument("--stored-views", type=Path, help="train students of this file of `join`")
    trainer.add_argument("--compiled", action=argparse.BooleanOptionalAction, default=True)
    asker.add_argument("members", type=Path)
    asker.add_argument("--views", type=int, default=40)
    asker.add_argument("--processes", type=int, default=8)
    asker.add_argument("--mirror", action=argparse.BooleanOptionalAction, default=True)
    finisher = commands.add_parser("finish")
    finisher.add_argument("files", nargs="+", type=Path)
    finisher.add_argument("--data", type=Path, default=Path("data"))
    finisher.add_argument("--runs", type=Path, default=Path("runs"))
    joiner = commands.add_parser("join")
    joiner.add_argument("files", nargs="+", type=Path)
    joiner.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    args.start = START
    if args.command == "pack":
        pack(args.data, args.output)
    elif args.command == "dataset":
        from mien.data import packed

        packed.pack(unpack_all(args.data), args.output)
    elif args.command == "train":
        args.log = args.copy_to or args.output
        context, n = multiprocessing.get_context("spawn"), len(args.members)
        barrier, ends = context.Barrier(n), context.Array("d", 2 * n)
        run_together(args, train_member, [(number, barrier, ends) for number in range(n)])
    elif args.command == "views":
        args.log = args.output
        run_together(args, ask_members, [(number,) for number in range(args.processes)])
    elif args.command == "finish":
        for path in args.files:
            finish_member(path, args.data, args.runs)
    else:
        from mien.training.stored_views import join_views, load_views

        views = join_views([load_views(path) for path in args.files])
        views.save(args.output)
        print(f"{args.output}: {views.probabilities.shape[1]} views of {len(views.probabilities):,} images")


if __name__ == "__main__":
    try:
        main()
    except (OSError, MienError) as error:
        print(f"gpu_members: {error}", file=sys.stderr)
        sys.exit(2)
