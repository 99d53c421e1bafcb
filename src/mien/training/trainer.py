"""The training loop: one process or many, CPU or GPU, through Lightning Fabric.

All randomness of a step is a function of (seed, epoch, step, process): the order of an epoch, augmentation, dropout.
So a run that was killed and resumed takes the very steps an uninterrupted one takes, and no random state is stored.
The whole data set lives in memory as one uint8 tensor; there is no DataLoader and no worker process.
"""

import copy
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from mien.errors import MienError
from mien.training import checkpoint, networks
from mien.training.augment import augment, mix
from mien.training.batch_norm import settle
from mien.training.opinions import Opinions
from mien.training.optim import average, averaged_parts, class_weights, climb, descend, learning_rate, optimizer
from mien.training.predict import normalise
from mien.training.recipes import Recipe
from mien.training.seeds import generator, mix_seeds, seed_dropout

SAVE_EVERY = 110.0  # seconds between checkpoints inside an epoch
SPARE = 5.0  # seconds after a checkpoint in which the end of an epoch is no reason for another

Row = dict[str, float]


@dataclass(frozen=True)
class Fitted:
    """What a training leaves: the kept weights, one row an epoch, and which epoch was kept (counted from 1)."""

    model: nn.Module
    history: list[Row]
    epoch: int


def fit(
    r: Recipe,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
    seed: int,
    folder: Path | None = None,
    fabric: Fabric | None = None,
    start: dict[str, Tensor] | None = None,
    compiled: bool = False,
    on_epoch: Callable[[Row], None] = lambda row: None,
    on_step: Callable[[int, int, int], None] = lambda epoch, step, steps: None,
    max_minutes: float = 0.0,
    target: np.ndarray | None = None,
    teacher: Callable[[Tensor], Tensor] | None = None,
) -> Fitted:
    """Train by a recipe.

    train, validation: (images (N, 48, 48) uint8, labels (N,) int). folder: where checkpoints go; if it holds one, the
    training goes on from there. fabric: a launched Fabric; None is this process alone on the CPU in float32.
    start: weights to begin with instead of fresh ones. on_epoch gets each row of the history; on_step gets
    (epoch, step, steps an epoch). max_minutes: end the run after the epoch in which this budget is spent (0: never).
    target: probabilities (N, classes) that the loss compares with, in place of the labels. teacher: takes each batch as
    the network gets it to probabilities (M, classes), which have the recipe's teacher_share in the target.

    Raises MienError when the loss stops being a number, and KeyboardInterrupt after saving when asked to stop by
    SIGINT or SIGTERM.
    """
    fabric = fabric or Fabric(accelerator="cpu", devices=1)
    device = fabric.device
    images = torch.from_numpy(np.ascontiguousarray(train[0])).to(device)
    labels = torch.from_numpy(np.asarray(train[1], dtype=np.int64)).to(device)
    aim = labels if target is None else torch.from_numpy(np.asarray(target, dtype=np.float32)).to(device)
    if (r.mixup or r.self_share or teacher) and target is None:
        aim = F.one_hot(labels, classes).float()
    if len(images) == 0:
        raise MienError("there are no training images; check the data and the split")

    torch.manual_seed(mix_seeds(seed, 0))
    bare = networks.build(r.network, classes, r.conv_drop, r.fc_drop, r.drop_kind)
    if start is not None:
        bare.load_state_dict(start)
    bare = bare.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(bare).requires_grad_(False) if r.ema else None
    opt = optimizer(bare, r)
    state: dict[str, Any] = {"epoch": 0, "step": 0, "sums": [0.0] * 4, "history": [], "best": None, "minutes": 0.0}
    if folder is not None and (folder / checkpoint.NAME).is_file():
        state = checkpoint.load(folder)
        bare.load_state_dict(state["model"])
        opt.load_state_dict(state["optimizer"])
        if averaged is not None:
            averaged.load_state_dict(state["averaged"])
    parts = averaged_parts(averaged, bare) if averaged is not None else ([], [])
    model, opt = fabric.setup(bare, opt)
    forward = torch.compile(model) if compiled else model
    weight = class_weights(labels, classes, r.class_weighting)
    weight = weight.to(device) if weight is not None else None
    compare = partial(F.cross_entropy, weight=weight, label_smoothing=r.label_smoothing)

    steps = -(-len(images) // r.batch_size)
    history: list[Row] = state["history"]
    best: dict[str, Any] | None = state["best"]
    # train loss, train hits, images, seconds so far in the running epoch
    sums = list(state["sums"]) if fabric.is_global_zero else [0.0] * 4
    opinions = Opinions(state.get("opinions"), len(images) if r.self_share else 0, classes)
    minutes_before = state["minutes"]
    began = last_save = time.monotonic()

    def save(epoch: int, step: int) -> None:
        if folder is None or not fabric.is_global_zero:
            return
        full = {
            "model": bare.state_dict(), "optimizer": opt.state_dict(), "epoch": epoch, "step": step, "sums": sums,
            "done": done, "averaged": averaged.state_dict() if averaged is not None else None, "history": history, "best": best,
            "opinions": opinions.state(), "minutes": minutes_before + (time.monotonic() - began) / 60,
        }  # fmt: skip
        checkpoint.save(folder, full)

    together = _steps_together(device)
    # (loss and hits, images, step, learning rate) of steps that are not in the sums yet
    pending: list[tuple[Tensor, int, int, float]] = []

    def count(epoch: int) -> None:
        if not pending:
            return
        for (value, hits), (_, n, step, lr) in zip(torch.stack([p[0] for p in pending]).tolist(), pending, strict=True):
            if not np.isfinite(value):
                raise MienError(
                    f"the loss became {value} in epoch {epoch + 1}, step {step + 1}; try a lower --learning-rate "
                    f"(it was {lr:.2g} there) or --precision 32-true"
                )
            sums[0] += value * n
            sums[1] += hits
            sums[2] += n
        pending.clear()

    done = bool(state.get("done"))
    with _polite_stop() as asked:
        epoch, first = state["epoch"], state["step"]
        while epoch < r.epochs and not done:
            order = torch.randperm(len(images), generator=generator(seed, epoch))
            size = picture_size(epoch, r)
            model.train()
            lr = learning_rate(epoch * steps + max(first - 1, 0), r.epochs * steps, r)
            tick = time.monotonic()
            for step in range(first, steps):
                batch = order[step * r.batch_size : (step + 1) * r.batch_size]
                mine = batch[fabric.global_rank :: fabric.world_size]
                if len(batch) < 2 * fabric.world_size and r.batch_size > 1 and len(images) > 1:
                    continue  # batch norm cannot normalise one picture; all processes skip it together
                lr = learning_rate(epoch * steps + step, r.epochs * steps, r)
                for group in opt.param_groups:
                    group["lr"] = lr
                here = mix_seeds(seed, epoch, step, fabric.global_rank)
                seed_dropout(here, device)
                x = augment(normalise(images[mine], r.mean, r.std), r.augmentation, generator(here), size)
                y, t = labels[mine], aim[mine]
                if r.mixup:
                    x, t = mix(x, t, r.mixup, here)
                if teacher is not None:
                    t = torch.lerp(t, teacher(x), r.teacher_share)
                if r.self_share:
                    t = opinions.into(t, mine, r.self_share * epoch / r.epochs)
                # A compiled network is compiled for full batches; the odd last one takes the plain path.
                run = forward if len(mine) == r.batch_size else model
                x = x.contiguous(memory_format=torch.channels_last)
                z = run(x)
                loss = compare(z, t)
                hits = (z.argmax(1) == y).sum()
                pending.append((torch.stack([loss.detach().float(), hits.float()]), len(mine), step, lr))
                if len(pending) == together:
                    count(epoch)
                opt.zero_grad(set_to_none=True)
                share = len(mine) * fabric.world_size / len(batch)
                fabric.backward(loss * share)
                if r.sam:
                    before = climb(opt, r.sam)
                    opt.zero_grad(set_to_none=True)
                    seed_dropout(here, device)
                    fabric.backward(compare(run(x), t) * share)
                    descend(before)
                opt.step()
                if averaged is not None:
                    average(*parts, r.ema, epoch * steps + step)
                if r.self_share:
                    opinions.note(mine, z)
                on_step(epoch, step + 1, steps)
                now = time.monotonic()
                if now - last_save > SAVE_EVERY or asked():
                    count(epoch)
                    sums[3] += now - tick
                    tick = last_save = now
                    save(epoch, step + 1)
                if asked():
                    raise KeyboardInterrupt
            count(epoch)
            sums[3] += time.monotonic() - tick
            opinions.turn()
            judged = averaged if averaged is not None else bare
            if fabric.world_size > 1:  # each process has its own batch-norm statistics; judged are those that are kept
                for held in judged.buffers():
                    held.copy_(fabric.broadcast(held, src=0))
            settle(judged, images, r, r.settle, seed, fabric)
            row = _row(epoch + 1, lr, sums, _evaluate(judged, validation, r, fabric), fabric)
            if best is None or row["val_accuracy"] > best["val_accuracy"]:
                best = {"val_accuracy": row["val_accuracy"], "epoch": epoch + 1}
                if r.keep == "best":
                    best["weights"] = {k: v.clone() for k, v in judged.state_dict().items()}
            history.append(row)
            spent = minutes_before + (time.monotonic() - began) / 60
            late = bool(r.early_stopping) and epoch + 1 - best["epoch"] >= r.early_stopping
            epoch, first, sums = epoch + 1, 0, [0.0] * 4
            done = _agree(late or bool(max_minutes and spent >= max_minutes), fabric)
            if done or epoch == r.epochs or asked() or time.monotonic() - last_save > SPARE:
                save(epoch, 0)
                last_save = time.monotonic()
            on_epoch(row)
            if asked():
                raise KeyboardInterrupt

    kept = averaged if averaged is not None else bare
    kept_epoch = len(history)
    if r.keep == "best" and best is not None:
        kept.load_state_dict(best["weights"])
        kept_epoch = best["epoch"]
    settle(kept, images, r, len(images) if r.settle else 0, seed, fabric)
    return Fitted(kept.eval(), history, kept_epoch)


def picture_size(epoch: int, r: Recipe) -> int:
    """Side of the training pictures in an epoch: from start_size to 48 in steps of 8 over the first 60 %."""
    sizes = [*range(r.start_size, 48, 8), 48]
    return sizes[min(len(sizes) - 1, int(epoch / r.epochs / 0.6 * (len(sizes) - 1)))]


def _steps_together(device: torch.device) -> int:
    """After how many steps their losses are looked at: on a GPU after some, so that it does not wait for this process each time."""
    return 1 if device.type == "cpu" else 16


@torch.no_grad()
def _evaluate(model: nn.Module, data: tuple[np.ndarray, np.ndarray], r: Recipe, fabric: Fabric) -> tuple[float, float]:
    """Mean cross-entropy and accuracy. Each process takes its share, none twice: exact for any number of them."""
    mine = np.array_split(np.arange(len(data[0])), fabric.world_size)[fabric.global_rank]
    sums = torch.zeros(3, dtype=torch.float64)
    batch = 256 if fabric.device.type == "cpu" else 2048
    model.eval()
    for start in range(0, len(mine), batch):
        rows = mine[start : start + batch]
        faces = torch.from_numpy(data[0][rows]).to(fabric.device)
        y = torch.from_numpy(np.asarray(data[1][rows], dtype=np.int64)).to(fabric.device)
        with fabric.autocast():
            z = model(normalise(faces, r.mean, r.std).contiguous(memory_format=torch.channels_last)).float()
        sums += torch.tensor(
            [F.cross_entropy(z, y, reduction="sum").item(), (z.argmax(1) == y).sum().item(), len(rows)],
            dtype=torch.float64,
        )
    loss, hits, n = _total(sums, fabric)
    return (loss / n, hits / n) if n else (float("nan"), float("nan"))


def _row(epoch: int, lr: float, sums: list[float], validation: tuple[float, float], fabric: Fabric) -> Row:
    loss, hits, n = _total(torch.tensor(sums[:3], dtype=torch.float64), fabric)
    return {
        "epoch": epoch,
        "train_loss": loss / n,
        "train_accuracy": hits / n,
        "val_loss": validation[0],
        "val_accuracy": validation[1],
        "generalisation_gap": hits / n - validation[1],
        "learning_rate": lr,
        "images_per_second": n / max(sums[3], 1e-9),
        "seconds": sums[3],
    }


def _total(sums: Tensor, fabric: Fabric) -> list[float]:
    if fabric.world_size == 1:
        return sums.tolist()
    return fabric.all_reduce(sums.to(fabric.device), reduce_op="sum").tolist()  # type: ignore[union-attr]


def _agree(stop: bool, fabric: Fabric) -> bool:
    """All processes stop together, when the first one wants to."""
    return _total(torch.tensor([float(stop)], dtype=torch.float64), fabric)[0] > 0


@contextmanager
def _polite_stop() -> Iterator[Callable[[], bool]]:
    """While it lasts, the first SIGINT or SIGTERM only raises a flag; a second SIGINT interrupts at once."""
    stop = False

    def ask(number: int, frame: Any) -> None:
        nonlocal stop
        if stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop = True

    try:
        before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: signals are somebody else's
        before = {}
    try:
        yield lambda: stop
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
