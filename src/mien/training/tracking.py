"""Experiment tracking: Weights & Biases, trackio, TensorBoard, MLflow, or none. A tracker never stops a training.

`history.csv`, `recipe.json` and `metrics.json` in the run folder hold the same numbers, so nothing depends on a
service.
"""

import importlib
import importlib.util
import netrc
import os
import shutil
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError, MienWarning, install_hint

PROJECT = "mien"


@dataclass(frozen=True)
class RunInfo:
    """What a tracker needs at the start of a run.

    name, group: for display. config: the hyperparameters and the rest of the run's record. folder: the run folder. id:
    the tracker's id of a resumed run, "" for a new one.
    """

    name: str
    group: str
    config: Mapping[str, Any]
    folder: Path
    id: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a tracker receives at the end of a run.

    summary: numbers and strings. labels, predicted: class indices (N,) of the validation part. figures: PNG files by
    name. files: files of the model artifact.
    """

    summary: Mapping[str, Any]
    classes: Sequence[str] = ()
    labels: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    predicted: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    figures: Mapping[str, Path] = field(default_factory=dict)
    files: Sequence[Path] = ()


class Tracker(Protocol):
    """Interface: start once, log once per epoch, finish once."""

    def start(self, run: RunInfo) -> str:
        """Start or resume; returns the tracker's id of the run, "" if it has none."""

    def log(self, row: Mapping[str, float]) -> None:
        """Log one row of the history."""

    def finish(self, outcome: Outcome) -> str:
        """End; returns a line that tells the user how to look at the run, or ""."""


class NoTracker:
    """Tracks nothing."""

    def start(self, run: RunInfo) -> str:
        return ""

    def log(self, row: Mapping[str, float]) -> None: ...

    def finish(self, outcome: Outcome) -> str:
        return ""


class WandbTracker:
    """Weights & Biases: one group per network, the confusion matrix, figures, and the model as a versioned artifact.

    The project is WANDB_PROJECT, or mien. Without an API key, runs are kept offline. A resumed run keeps its id;
    offline, each session is a folder of its own with that id, and `wandb sync` merges them.
    """

    def start(self, run: RunInfo) -> str:
        import wandb

        # wandb reads its environment once per process; passing the mode makes a later run's WANDB_MODE count too.
        mode = os.environ.get("WANDB_MODE") or (None if _has_wandb_key() else "offline")
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT, name=run.name, group=run.group, config=dict(run.config),
            dir=str(run.folder), reinit="finish_previous", mode=mode,  # type: ignore[arg-type]
            id=run.id or None, resume="allow" if run.id else None,
            settings=wandb.Settings(console="off", x_disable_stats=True, init_timeout=60, silent=True),
        )  # fmt: skip
        self.run.define_metric("epoch")
        self.run.define_metric("*", step_metric="epoch")
        return str(self.run.id)

    def log(self, row: Mapping[str, float]) -> None:
        self.run.log(dict(row))

    def finish(self, outcome: Outcome) -> str:
        import wandb

        self.run.summary.update(dict(outcome.summary))
        media: dict[str, Any] = {name: wandb.Image(str(path)) for name, path in outcome.figures.items()}
        if len(outcome.labels):
            media["confusion_matrix"] = wandb.plot.confusion_matrix(
                y_true=outcome.labels.tolist(), preds=outcome.predicted.tolist(), class_names=list(outcome.classes)
            )
        self.run.log(media)
        if outcome.files:
            name = f"{PROJECT}-{_plain(str(self.run.name))}"
            artifact = wandb.Artifact(name, type="model", metadata=dict(outcome.summary))
            for path in outcome.files:
                artifact.add_file(str(path))
            self.run.log_artifact(artifact)
        offline, folder = bool(self.run.settings._offline), Path(self.run.dir).parent
        self.run.finish()
        if not offline:
            return ""
        return f"tracked offline; to upload it to Weights & Biases, run: wandb login && wandb sync {folder}"


class TrackioTracker:
    """trackio: runs in a local SQLite file; `trackio show` opens its dashboard."""

    def start(self, run: RunInfo) -> str:
        self.trackio = importlib.import_module("trackio")
        resume = "allow" if run.id else "never"
        self.trackio.init(
            project=PROJECT,
            name=run.id or run.name,
            group=run.group,
            config=dict(run.config),
            embed=False,
            resume=resume,
        )
        return run.id or run.name

    def log(self, row: Mapping[str, float]) -> None:
        self.trackio.log(dict(row))

    def finish(self, outcome: Outcome) -> str:
        numbers = {f"final/{k}": v for k, v in outcome.summary.items() if isinstance(v, int | float)}
        self.trackio.log(numbers)
        self.trackio.log({name: self.trackio.Image(str(path)) for name, path in outcome.figures.items()})
        save = getattr(self.trackio, "save", None)  # older versions of trackio have no save
        if save is not None:
            for path in outcome.files:
                save(str(path), project=PROJECT)
        self.trackio.finish()
        return f"tracked with trackio; to view it, run: trackio show --project {PROJECT}"


class TensorBoardTracker:
    """TensorBoard: event files in tensorboard/ in the run folder; `tensorboard --logdir` opens its page."""

    def start(self, run: RunInfo) -> str:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = run.folder / "tensorboard"
        self.writer = SummaryWriter(str(self.folder))
        if not run.id:
            config = "\n".join(f"    {key}: {value}" for key, value in run.config.items())
            self.writer.add_text("config", f"    group: {run.group}\n{config}")
        return run.name

    def log(self, row: Mapping[str, float]) -> None:
        epoch = int(row["epoch"])
        for name, value in row.items():
            if name != "epoch":
                self.writer.add_scalar(name, value, epoch)

    def finish(self, outcome: Outcome) -> str:
        numbers = {k: v for k, v in outcome.summary.items() if isinstance(v, int | float)}
        for name, value in numbers.items():
            self.writer.add_scalar(f"final/{name}", value)
        from PIL import Image

        for name, path in outcome.figures.items():
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            self.writer.add_image(name, pixels, dataformats="HWC")
        self.writer.close()
        return f"tracked with TensorBoard; to view it, run: tensorboard --logdir {self.folder.parent}"


class MlflowTracker:
    """MLflow: a run of the experiment mien (or MLFLOW_EXPERIMENT_NAME) on the server at MLFLOW_TRACKING_URI.

    Without that variable, runs are kept in files, in mlruns/ beside the run folder; MLflow 3 requires
    MLFLOW_ALLOW_FILE_STORE=true for that, which `mien train` sets.
    """

    def start(self, run: RunInfo) -> str:
        from mlflow import MlflowClient

        self.place = os.environ.get("MLFLOW_TRACKING_URI") or (run.folder.parent / "mlruns").resolve().as_uri()
        self.client = MlflowClient(tracking_uri=self.place)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        experiment = self.client.get_experiment_by_name(name)
        if run.id:
            self.id = run.id
            self.client.update_run(self.id, status="RUNNING")
            return self.id
        number = experiment.experiment_id if experiment else self.client.create_experiment(name)
        self.id = str(self.client.create_run(number, tags={"group": run.group}, run_name=run.name).info.run_id)
        for key, value in run.config.items():
            self.client.log_param(self.id, key, str(value)[:500])
        return self.id

    def log(self, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "epoch":
                self.client.log_metric(self.id, name, value, step=int(row["epoch"]))

    def finish(self, outcome: Outcome) -> str:
        for name, value in outcome.summary.items():
            if isinstance(value, int | float):
                self.client.log_metric(self.id, f"final/{name}", float(value))
            else:
                self.client.set_tag(self.id, name, str(value))
        for path in outcome.figures.values():
            self.client.log_artifact(self.id, str(path), "figures")
        for path in outcome.files:
            self.client.log_artifact(self.id, str(path), "model")
        self.client.set_terminated(self.id)
        return f"tracked with MLflow; to view it, run: mlflow ui --backend-store-uri {self.place}"


class Guarded:
    """Wraps a tracker: its first failure becomes a warning and ends the tracking, never the training."""

    def __init__(self, inner: Tracker) -> None:
        self.inner: Tracker = inner

    def start(self, run: RunInfo) -> str:
        return self._try(lambda: self.inner.start(run)) or ""

    def log(self, row: Mapping[str, float]) -> None:
        self._try(lambda: self.inner.log(row))

    def finish(self, outcome: Outcome) -> str:
        return self._try(lambda: self.inner.finish(outcome)) or ""

    def _try(self, call: Callable[[], str | None]) -> str | None:
        try:
            return call()
        except Exception as error:
            name = type(self.inner).__name__.removesuffix("Tracker").lower()
            line = str(error).strip().split("\n")[0] or type(error).__name__
            warnings.warn(f"{name} failed ({line}); training continues without it", MienWarning, stacklevel=3)
            self.inner = NoTracker()
            return None


# name -> (class, the extra of mien that installs its package)
TRACKERS: dict[str, tuple[Callable[[], Tracker], str]] = {
    "wandb": (WandbTracker, "train"),
    "trackio": (TrackioTracker, "trackio"),
    "tensorboard": (TensorBoardTracker, "tensorboard"),
    "mlflow": (MlflowTracker, "mlflow"),
    "none": (NoTracker, ""),
}


def tracker(name: str) -> Tracker:
    """The tracker of that name, wrapped in `Guarded`. Raises MienError for an unknown name or a package that is not
    installed."""
    if name not in TRACKERS:
        raise MienError(f"no tracker '{name}'; there are {', '.join(TRACKERS)}", parameter="tracker")
    make, extra = TRACKERS[name]
    if extra and importlib.util.find_spec(name) is None:
        raise MienError(
            f"{name} is not installed; run: {install_hint(extra)}; or choose none as {{parameter}}", parameter="tracker"
        )
    return Guarded(make())


def _has_wandb_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        hosts = netrc.netrc(os.environ.get("NETRC")).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    return any("wandb" in host for host in hosts)


def code_version() -> str:
    """mien's version, with the commit if it runs from a git checkout."""
    from mien import __version__

    here = Path(__file__).parent
    if shutil.which("git") and (here.parents[2] / ".git").exists() and (here.parents[2] / "src" / "mien").is_dir():
        described = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True
        )
        if described.returncode == 0 and described.stdout.strip():
            return f"{__version__}+{described.stdout.strip()}"
    return __version__


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
