"""Where runs are tracked: Weights & Biases, trackio, or nowhere. A tracker has three methods and never stops a run.

`history.csv`, `recipe.json` and `metrics.json` in the run folder hold the same numbers, so nothing depends on a service.
"""

import importlib.util
import netrc
import os
import shutil
import subprocess
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from mien.errors import MienError, MienWarning, install_hint

PROJECT = "mien"


class Tracker(Protocol):
    """start once, log once an epoch, finish once."""

    def start(self, name: str, group: str, config: Mapping[str, Any], folder: Path) -> None: ...

    def log(self, row: Mapping[str, float]) -> None: ...

    def finish(self, summary: Mapping[str, Any], figures: Mapping[str, Path], model: Path | None) -> None: ...


class NoTracker:
    """Tracks nothing."""

    def start(self, name: str, group: str, config: Mapping[str, Any], folder: Path) -> None: ...

    def log(self, row: Mapping[str, float]) -> None: ...

    def finish(self, summary: Mapping[str, Any], figures: Mapping[str, Path], model: Path | None) -> None: ...


class WandbTracker:
    """Weights & Biases: project mien, one group a network, figures as media, the model as a versioned Artifact."""

    def start(self, name: str, group: str, config: Mapping[str, Any], folder: Path) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        offline = os.environ.get("WANDB_MODE") is None and not _has_wandb_key()
        self.run = wandb.init(
            project=PROJECT, name=name, group=group, config=dict(config), dir=str(folder), reinit="finish_previous",
            mode="offline" if offline else None,
            settings=wandb.Settings(console="off", x_disable_stats=True, init_timeout=60),
        )  # fmt: skip
        self.run.define_metric("epoch")
        self.run.define_metric("*", step_metric="epoch")

    def log(self, row: Mapping[str, float]) -> None:
        self.run.log(dict(row))

    def finish(self, summary: Mapping[str, Any], figures: Mapping[str, Path], model: Path | None) -> None:
        import wandb

        self.run.summary.update(dict(summary))
        self.run.log({name: wandb.Image(str(path)) for name, path in figures.items()})
        if model is not None:
            artifact = wandb.Artifact(f"{PROJECT}-{_plain(str(self.run.name))}", type="model", metadata=dict(summary))
            artifact.add_file(str(model))
            self.run.log_artifact(artifact)
        offline, folder = bool(self.run.settings._offline), Path(self.run.dir).parent
        self.run.finish()
        if offline:
            print(f"tracked offline; to send it to Weights & Biases: wandb login && wandb sync {folder}")


class TrackioTracker:
    """trackio: the same calls, kept in a local SQLite file; `trackio show` opens its dashboard."""

    def start(self, name: str, group: str, config: Mapping[str, Any], folder: Path) -> None:
        self.trackio = importlib.import_module("trackio")
        self.run = self.trackio.init(project=PROJECT, name=name, group=group, config=dict(config), embed=False)

    def log(self, row: Mapping[str, float]) -> None:
        self.trackio.log(dict(row))

    def finish(self, summary: Mapping[str, Any], figures: Mapping[str, Path], model: Path | None) -> None:
        self.trackio.log({f"final/{k}": v for k, v in summary.items() if isinstance(v, int | float)})
        self.trackio.log({name: self.trackio.Image(str(path)) for name, path in figures.items()})
        self.trackio.finish()
        print("tracked with trackio; to look: trackio show --project mien")


class Guarded:
    """Another tracker whose first failure becomes a warning and its end: tracking never stops a training."""

    def __init__(self, inner: Tracker) -> None:
        self.inner: Tracker = inner

    def start(self, name: str, group: str, config: Mapping[str, Any], folder: Path) -> None:
        self._try(lambda: self.inner.start(name, group, config, folder))

    def log(self, row: Mapping[str, float]) -> None:
        self._try(lambda: self.inner.log(row))

    def finish(self, summary: Mapping[str, Any], figures: Mapping[str, Path], model: Path | None) -> None:
        self._try(lambda: self.inner.finish(summary, figures, model))

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            name = type(self.inner).__name__.removesuffix("Tracker").lower()
            line = str(error).strip().split("\n")[0] or type(error).__name__
            warnings.warn(f"{name} failed ({line}); the training goes on without it", MienWarning, stacklevel=3)
            self.inner = NoTracker()


TRACKERS: dict[str, Callable[[], Tracker]] = {
    "wandb": WandbTracker,
    "trackio": TrackioTracker,
    "none": NoTracker,
}


def tracker(name: str) -> Tracker:
    """The tracker of that name, guarded. Raises MienError for an unknown name or a package that is not installed."""
    if name not in TRACKERS:
        raise MienError(f"no tracker '{name}'; there are {', '.join(TRACKERS)}")
    if name != "none" and importlib.util.find_spec(name) is None:
        extra = "train" if name == "wandb" else name
        raise MienError(f"{name} is not installed; run: {install_hint(extra)}; or use --tracker none")
    return Guarded(TRACKERS[name]())


def _has_wandb_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        hosts = netrc.netrc(os.environ.get("NETRC")).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    return any("wandb" in host for host in hosts)


def code_version() -> str:
    """mien's version, with the commit where it runs from a git checkout."""
    from mien import __version__

    here = Path(__file__).parent
    if shutil.which("git") and (here.parents[2] / ".git").exists() and (here.parents[2] / "src" / "mien").is_dir():
        found = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True
        )
        if found.returncode == 0 and found.stdout.strip():
            return f"{__version__}+{found.stdout.strip()}"
    return __version__


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
