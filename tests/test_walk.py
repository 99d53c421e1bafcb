"""Call graphs of train, evaluate, submit and read only go down the package layers, except for progress callbacks that
the command line passed in."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from mien.cli.main import main
from mien.data import draw_files
from mien.inference.model_file import WEIGHTS

SOURCE = str(WEIGHTS.parents[1])
HEIGHT = {
    "cores": 0,
    "labels": 0,
    "errors": 0,
    "files": 0,
    "data": 1,
    "inference": 2,
    "evaluation": 3,
    "training": 4,
    "cli": 5,
}


def wing_of(frame: FrameType | None) -> str:
    """The wing of the nearest frame of mien, from `frame` outwards."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(SOURCE):
            return Path(path).relative_to(SOURCE).parts[0].removesuffix(".py")
        frame = frame.f_back
    return ""


def climbs(run: Callable[[], Any]) -> tuple[set[tuple[str, str]], set[str]]:
    """Calls into a higher wing while something runs, as (wing of the caller, file and function), and the wings seen."""
    upwards: set[tuple[str, str]] = set()
    seen: set[str] = set()

    def on_event(frame: FrameType, event: str, argument: object) -> None:
        path = frame.f_code.co_filename
        if event != "call" or not path.startswith(SOURCE):
            return
        here, caller = wing_of(frame), wing_of(frame.f_back)
        seen.add(here)
        if HEIGHT.get(here, 5) > HEIGHT.get(caller, 5):
            upwards.add((caller, f"{Path(path).relative_to(SOURCE).as_posix()}:{frame.f_code.co_qualname}"))

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        run()
    finally:
        sys.setprofile(before)
    return upwards, seen


def unwatched(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, while it runs nobody looks at the calls."""

    def run(*args: Any, **options: Any) -> Any:
        hook = sys.getprofile()
        sys.setprofile(None)
        try:
            return function(*args, **options)
        finally:
            sys.setprofile(hook)

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    draw_files(folder / "data", n=60, seed=1)
    return folder


@pytest.mark.parametrize("command", ["train", "evaluate", "submit", "read"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_command_goes_downhill(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    sample = str(next((WEIGHTS.parent / "sample").glob("*.jpg")))
    argv = {
        "train": ["normal", "--data", "data", "--epochs", "1", "--threads", "1", "--tracker", "none"],
        "evaluate": ["nano", "--data", "data"], "submit": ["nano", "--data", "data"], "read": [sample, "--jsonl"],
    }[command]  # fmt: skip
    if command == "train":
        pytest.importorskip("torch")
        from mien.training import finish  # torch's own import is slow where each call is looked at

        monkeypatch.setattr(finish, "export", unwatched(finish.export))  # so is its exporter
    codes: list[int] = []
    upwards, seen = climbs(lambda: codes.append(main([command, *argv])))
    assert codes == [0]
    assert [each for each in upwards if not each[1].startswith("cli/")] == []
    # Of the command line itself: what it handed down, to be told of progress or to be asked for the next picture.
    handed = {"live.py", "progress.py", "train.py", "data.py", "options.py", "read_images.py"}
    assert {name.split(":")[0] for _, name in upwards} <= {f"cli/{name}" for name in handed}
    assert "training" in seen or command != "train"
    assert not {"training", "server"} & seen or command == "train"
