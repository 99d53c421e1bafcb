"""The training loop: one process or many, CPU or GPU, through Lightning Fabric.

Random draws are pure functions of a few integers, and no random state is stored. Shuffling and augmentation depend on
(seed, epoch, image); mixup and dropout on (seed, epoch, step), drawn for the whole batch, of which each process takes
its own rows. So a resumed run takes the same steps as an uninterrupted one, and several processes take the same steps
as one. The data set is one uint8 tensor in memory, or a memory-mapped file if it is large (`mien.data.packed`); there
is no DataLoader and no worker process.
"""

import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from mien.errors import MienError
from mien.training import checkpoint, networks
from mien.training.augment import EXPOSURE, augment, draw, exposure, mixup, mixup_draw
from mien.training.batch_norm import recalibrate_batch_norm, synchronize_batch_norm
from mien.training.dropout import Shard, set_shard
from mien.training.ema import ModelEma
from mien.training.mapped_faces import as_tensor
from mien.training.optim import freeze_backbone, optimizer
from mien.training.pixels import to_input
from mien.training.recipes import Recipe
from mien.training.runtime import without_denormals
from mien.training.schedules import image_size_at, learning_rate
from mien.training.seeds import generator, mix_seeds, seed_dropout
from mien.training.signals import StopRequest, stop_on_signal
from mien.training.state import (
    Callback,
    FaceSet,
    FitResult,
    Progress,
    Sums,
    Teacher,
    TrainState,
    history_row,
    total_over_processes,
)
from mien.training.validation import validate

SAVE_EVERY = 110.0  # seconds between checkpoints inside an epoch
SPARE = 5.0  # an epoch that ends within so many seconds of a checkpoint does not write another


class Trainer:
    """Trains one network with a recipe; use a new Trainer for each `fit`.

    fabric: a launched Fabric; None: this process alone, on the CPU in float32. checkpoint_dir: where checkpoints are
    written; training resumes from the one it holds, if any. compiled: torch.compile the network. max_minutes: stop
    after the epoch that exceeds this time budget (0: no limit). sync_batch_norm: compute batch-norm statistics over the
    whole batch, so that several processes take the same steps as one; otherwise each process uses its own rows, and the
    first process's statistics are kept.
    """

    def __init__(
        self,
        recipe: Recipe,
        fabric: Fabric | None = None,
        seed: int = 1,
        checkpoint_dir: Path | None = None,
        *,
        compiled: bool = False,
        max_minutes: float = 0.0,
        sync_batch_norm: bool = True,
    ) -> None:
        self.recipe = recipe
        self.fabric = fabric or Fabric(accelerator="cpu", devices=1)
        self.seed = seed
        self.checkpoint_dir = checkpoint_dir
        self.compiled = compiled
        self.max_minutes = max_minutes
        self.sync_batch_norm = sync_batch_norm
        self.state = TrainState()
        self.shard = Shard(self.fabric.global_rank, self.fabric.world_size)
        # Steps between reads of the loss. On a GPU each read waits for the device, so read only every 16 steps.
        self.together = 1 if self.fabric.device.type == "cpu" else 16
        self._pending: list[tuple[Tensor, int, int, float]] = []  # (loss and hits, images, step, learning rate)

    def fit(
        self,
        train_set: FaceSet,
        validation_set: FaceSet,
        classes: int,
        *,
        pretrained: dict[str, Tensor] | None = None,
        teacher: Teacher | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> FitResult:
        """Train from the start or from the checkpoint, to the last epoch.

        pretrained: a state dict to start from instead of fresh weights. teacher: maps each batch, as the network
        receives it, to probabilities (M, classes), blended into the target with the recipe's distillation_weight.

        Raises MienError if there are no training images or the loss is not finite, and KeyboardInterrupt, after
        saving a checkpoint, on SIGINT or SIGTERM.
        """
        if len(train_set.images) == 0:
            raise MienError("there are no training images; check the data and the split")
        self.validation_set, self.teacher, self.callbacks = validation_set, teacher, callbacks
        self._load_data(train_set, classes)
        self._build(classes, pretrained)
        self._began = self._saved = time.monotonic()
        state = self.state
        with stop_on_signal() as stop, without_denormals():
            while state.epoch < self.recipe.epochs and not state.done:
                self._train_epoch(stop)
                self._end_epoch(stop)
        return self._result()

    def _load_data(self, train_set: FaceSet, classes: int) -> None:
        device, recipe = self.fabric.device, self.recipe
        self.images = as_tensor(train_set.images, device)
        self.labels = torch.from_numpy(np.asarray(train_set.labels, dtype=np.int64)).to(device)
        if train_set.targets is not None:
            self.targets = torch.from_numpy(np.asarray(train_set.targets, dtype=np.float32)).to(device)
        elif recipe.mixup or self.teacher or train_set.views:
            self.targets = F.one_hot(self.labels, classes).float()
        else:
            self.targets = self.labels
        self.views = train_set.views
        if self.views is not None:
            self._views = self.views.draws().to(device), torch.from_numpy(self.views.probabilities).to(device)
        self.steps = -(-len(self.images) // recipe.batch_size)

    def _build(self, classes: int, pretrained: dict[str, Tensor] | None) -> None:
        """Create network, weight average and optimizer: fresh, pretrained, or from the checkpoint."""
        recipe, device = self.recipe, self.fabric.device
        torch.manual_seed(mix_seeds(self.seed, 0))
        bare = networks.build_from(recipe, classes)
        if pretrained is not None:
            bare.load_state_dict(pretrained)
        bare = bare.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        set_shard(bare, self.shard)
        if self.sync_batch_norm and self.shard.world_size > 1:
            synchronize_batch_norm(bare)
        self.bare = bare
        self.ema = ModelEma(bare, recipe.ema_decay) if recipe.ema_decay else None
        opt = optimizer(bare, recipe)
        if self.checkpoint_dir is not None and checkpoint.exists(self.checkpoint_dir):
            self._resume(self.checkpoint_dir, opt)
        self.model, self.optimizer = self.fabric.setup(bare, opt)
        # The compiled network is for full batches; a smaller last batch takes the uncompiled one.
        self.forward = torch.compile(self.model) if self.compiled else self.model
        self.loss = partial(F.cross_entropy, label_smoothing=recipe.label_smoothing)

    def _resume(self, folder: Path, opt: torch.optim.Optimizer) -> None:
        saved = checkpoint.load(folder)
        checkpoint.check(saved, checkpoint.told(self.recipe, self.seed, len(self.images)), folder)
        try:
            self.bare.load_state_dict(saved["model"])
            opt.load_state_dict(saved["optimizer"])
            if self.ema is not None:
                self.ema.module.load_state_dict(saved["ema"])
            self.state = TrainState.from_state_dict(saved["state"])
        except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
            line = str(error).splitlines()[0]
            raise MienError(f"{folder / checkpoint.NAME} does not match this recipe ({line}); train again") from error
        if not self.fabric.is_global_zero:
            self.state.sums = Sums()

    @property
    def judged(self) -> nn.Module:
        """The network that is evaluated and kept: the weight average if there is one."""
        return self.ema.module if self.ema is not None else self.bare

    def _train_epoch(self, stop: StopRequest) -> None:
        """Run the remaining steps of the current epoch."""
        state, recipe = self.state, self.recipe
        # Move everything to the device before the first step: a copy between steps would wait for the GPU's queue.
        order = torch.randperm(len(self.images), generator=generator(self.seed, state.epoch)).to(self.fabric.device)
        draws = self._draws(state.epoch)
        size = image_size_at(state.epoch, recipe)
        world = self.fabric.world_size
        # Batch norm needs two images: in the whole batch, or in each process's own rows. Every process needs one.
        least = max(2, world) if self.sync_batch_norm else 2 * world
        self.model.train()
        freeze_backbone(self.bare, recipe)
        tick = time.monotonic()
        for step in range(state.step, self.steps):
            batch = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            if len(batch) < least and recipe.batch_size > 1 and len(self.images) > 1:
                continue  # all processes skip it together
            self._train_step(step, batch, draws, size)
            self._tell_step(step)
            now = time.monotonic()
            stopping = self._any_process(stop.requested)
            if now - self._saved > SAVE_EVERY or stopping:
                self._look_at_losses()
                state.sums.seconds += now - tick
                tick = now
                self._save(state.epoch, step + 1)
            if stopping:
                raise KeyboardInterrupt
        self._look_at_losses()
        state.sums.seconds += time.monotonic() - tick

    def _draws(self, epoch: int) -> Tensor:
        """The augmentation draws of an epoch, (N, NUMBERS) in [0, 1): fresh, or those of one stored view per image."""
        n, device = len(self.images), self.fabric.device
        if self.views is None:
            return draw(n, self.seed, epoch).to(device)
        picked, rows = self.views.pick(self.seed, epoch).to(device), torch.arange(n, device=device)
        draws, probabilities = self._views
        self._view_targets = probabilities[rows, picked].float()
        self._mirrored = self.views.turn(self.seed, epoch).to(device)
        return draws[picked, rows]

    def _train_step(self, step: int, batch: Tensor, draws: Tensor, size: int) -> None:
        """One optimizer step. batch: dataset rows of the whole batch, of which this process takes its share."""
        epoch, recipe, fabric = self.state.epoch, self.recipe, self.fabric
        lr = learning_rate(epoch * self.steps + step, recipe.epochs * self.steps, recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)  # older checkpoints lack lr_scale
        step_seed = mix_seeds(self.seed, epoch, step)
        self.shard.rows = len(batch)
        mine = batch[fabric.global_rank :: fabric.world_size]
        x, target = self._inputs(batch, mine, draws, size, step_seed)
        seed_dropout(step_seed, fabric.device)
        forward = self.forward if len(mine) == recipe.batch_size else self.model
        logits = forward(x.contiguous(memory_format=torch.channels_last))
        loss = self.loss(logits, target)
        hits = (logits.argmax(1) == self.labels[mine]).sum()
        self._pending.append((torch.stack([loss.detach().float(), hits.float()]), len(mine), step, lr))
        if len(self._pending) == self.together:
            self._look_at_losses()
        self.optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss * (len(mine) * fabric.world_size / len(batch)))
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(epoch * self.steps + step)

    def _inputs(self, batch: Tensor, mine: Tensor, draws: Tensor, size: int, step_seed: int) -> tuple[Tensor, Tensor]:
        """Network inputs (M, 1, size, size) float32 and targets for `mine`, this process's M rows of the batch."""
        recipe = self.recipe
        rows = mine
        if recipe.mixup:
            partner, own = mixup_draw(len(batch), recipe.mixup, step_seed, batch.device)
            here = slice(self.fabric.global_rank, None, self.fabric.world_size)
            partner, own = partner[here], own[here]
            if self.fabric.world_size > 1:  # partners may be another process's
                rows, partner = torch.cat([mine, batch[partner]]), torch.arange(len(mine), 2 * len(mine)).to(mine)
        x = augment(to_input(self.images[rows], recipe.mean, recipe.std), recipe.augmentation, draws[rows], size)
        target = self.targets[rows]
        if self.views is not None:
            target = torch.lerp(target, self._view_targets[rows], recipe.distillation_weight)
            x = torch.where(self._mirrored[rows][:, None, None, None], x.flip(-1), x)
        if recipe.mixup:
            x, target = mixup(x, target, partner, own)
        if self.teacher is not None:
            target = torch.lerp(target, self.teacher(x), recipe.distillation_weight)
        if recipe.exposure:
            x = exposure(x, recipe.exposure, recipe.mean, recipe.std, draws[mine, EXPOSURE])
        return x, target

    def _look_at_losses(self) -> None:
        """Add the pending losses to the epoch's sums. Raises MienError if one is not finite."""
        if not self._pending:
            return
        sums = self.state.sums
        values = torch.stack([pending[0] for pending in self._pending]).tolist()
        for (loss, hits), (_, n, step, lr) in zip(values, self._pending, strict=True):
            if not math.isfinite(loss):
                raise MienError(
                    f"the loss became {loss} in epoch {self.state.epoch + 1}, step {step + 1}; try a lower "
                    f"{{parameter}} (it was {lr:.2g} there) or, where it ran in half, full precision (32-true)",
                    parameter="learning_rate",
                )
            sums.loss += loss * n
            sums.hits += hits
            sums.images += n
        self._pending.clear()

    def _tell_step(self, step: int) -> None:
        sums = self.state.sums
        n = sums.images or math.nan
        progress = Progress(self.state.epoch + 1, step + 1, self.steps, sums.loss / n, sums.hits / n)
        if self.fabric.is_global_zero:
            for callback in self.callbacks:
                callback.on_step(progress)

    def _end_epoch(self, stop: StopRequest) -> None:
        """Validate, record the epoch, save a checkpoint and notify the callbacks."""
        state, recipe, fabric = self.state, self.recipe, self.fabric
        if fabric.world_size > 1:  # each process has its own batch-norm statistics; validate the ones that are kept
            for statistics in self.judged.buffers():
                statistics.copy_(fabric.broadcast(statistics, src=0))
        recalibrate_batch_norm(self.judged, self.images, recipe, recipe.bn_images, self.seed, fabric)
        last_step = (state.epoch + 1) * self.steps - 1
        lr = learning_rate(last_step, recipe.epochs * self.steps, recipe)
        row = history_row(
            state.epoch + 1, lr, state.sums, validate(self.judged, self.validation_set, recipe, fabric), fabric
        )
        if state.best is None or row["val_accuracy"] > state.best["val_accuracy"]:
            state.best = {"val_accuracy": row["val_accuracy"], "epoch": state.epoch + 1}
            if recipe.checkpoint_metric == "val_accuracy":
                state.best["weights"] = {k: v.clone() for k, v in self.judged.state_dict().items()}
        state.history.append(row)
        late = bool(recipe.early_stopping) and state.epoch + 1 - state.best["epoch"] >= recipe.early_stopping
        spent = state.minutes + (time.monotonic() - self._began) / 60
        over = late or bool(self.max_minutes and spent >= self.max_minutes)
        state.epoch, state.step, state.sums = state.epoch + 1, 0, Sums()
        state.done = self._any_process(over)
        stopping = self._any_process(stop.requested)
        last = state.done or state.epoch == recipe.epochs
        if last or stopping or time.monotonic() - self._saved > SPARE:
            self._save(state.epoch, 0)
        if fabric.is_global_zero:
            for callback in self.callbacks:
                callback.on_epoch(row)
        if stopping and not last:
            raise KeyboardInterrupt

    def _any_process(self, condition: bool) -> bool:
        """Whether the condition holds in any process: all of them stop together."""
        return total_over_processes([float(condition)], self.fabric)[0] > 0

    def _save(self, epoch: int, step: int) -> None:
        self._saved = time.monotonic()
        if self.checkpoint_dir is None or not self.fabric.is_global_zero:
            return
        spent = self.state.minutes + (time.monotonic() - self._began) / 60
        state = {**self.state.state_dict(), "epoch": epoch, "step": step, "minutes": spent}
        full = {
            **checkpoint.told(self.recipe, self.seed, len(self.images)),
            "model": self.bare.state_dict(), "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.module.state_dict() if self.ema is not None else None, "state": state,
        }  # fmt: skip
        checkpoint.save(self.checkpoint_dir, full)

    def _result(self) -> FitResult:
        recipe, kept = self.recipe, self.judged
        epoch = len(self.state.history)
        if recipe.checkpoint_metric == "val_accuracy" and self.state.best is not None:
            kept.load_state_dict(self.state.best["weights"])
            epoch = self.state.best["epoch"]
        n = len(self.images) if recipe.bn_images else 0
        recalibrate_batch_norm(kept, self.images, recipe, n, self.seed, self.fabric)
        return FitResult(kept.eval(), self.state.history, epoch)
