"""Shared by all tests: a separate cache folder, and the location of the real FER2013."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Their lines are those of test_run, test_serve_runs and others; tracing them again takes a quarter of their time.
NOT_TRACED = {
    "test_drawn", "test_main_job", "test_networks", "test_python_api", "test_serve_axe",
    "test_serve_camera", "test_serve_page", "test_serve_states", "test_serve_videos", "test_stored_views",
    "test_train_processes", "test_trainer",
}  # fmt: skip


# Files of a minute or more, which go first: a worker takes a file at a time, and none shall be left with the last one.
LONG = {"test_train_processes", "test_page", "test_main_job", "test_run", "test_serve_axe", "test_evaluation_evaluate"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests out of the coverage that run the lines of others; long files first."""
    items.sort(key=lambda item: item.path.stem not in LONG)
    for item in items:
        if item.path.stem in NOT_TRACED:
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is read from or left in the user's cache, also not by processes that tests start."""
    before = os.environ.get("MIEN_CACHE")
    os.environ["MIEN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["MIEN_CACHE"]
    else:
        os.environ["MIEN_CACHE"] = before


@pytest.fixture(scope="session")
def fer2013() -> Path:
    """The folder with Kaggle's files of the real FER2013, from the environment; skips the test where there is none."""
    folder = os.environ.get("MIEN_DATA")
    if not folder:
        pytest.skip("needs Kaggle's files of FER2013; set MIEN_DATA to their folder")
    return Path(folder)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failure is printed at once, so that a run that is cut short says what failed."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.nodeid} failed at {report.when}:\n{report.longreprtext}", file=sys.stderr, flush=True)
