"""FER2013 from Kaggle, by kagglehub. Needs an account there, which has accepted the competition's rules."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from mien.errors import MienError, install_hint
from mien.files import atomic_write

COMPETITION = "challenges-in-representation-learning-facial-expression-recognition-challenge"
_URL = f"https://www.kaggle.com/competitions/{COMPETITION}"
_FILES = ("train.csv", "test.csv", "icml_face_data.csv", "fer2013.tar.gz", "example_submission.csv")

HOW = f"""\
How to get FER2013:
  1. Make an account at https://www.kaggle.com and accept the rules at
     {_URL}/rules
  2. Make a token at https://www.kaggle.com/settings/api and let it be found, by
       export KAGGLE_API_TOKEN=...         or the file ~/.kaggle/access_token,
       export KAGGLE_USERNAME=... KAGGLE_KEY=...         or the file ~/.kaggle/kaggle.json
  3. {install_hint("data")}
     and then: mien data fetch
Without kagglehub: download train.csv, test.csv and icml_face_data.csv by hand from
     {_URL}/data
and put them into the folder data/. Without any of it: mien data draw data/drawn makes faces for a demo."""


def fetch(directory: str | Path = "data", on_ask: Callable[[], None] = lambda: None) -> list[Path]:
    """Download the competition's files into `directory` and return their paths; those that are there stay.

    on_ask is called before Kaggle is asked.

    kagglehub keeps its own copy under ~/.cache/kagglehub ($KAGGLEHUB_CACHE); the files are hard links to it where
    the file system allows, so they take no second place. Never asks for anything: without kagglehub, a token, the
    competition's rules accepted, or a connection, it raises MienError, and `HOW` tells all the steps.
    """
    directory = Path(directory)
    try:
        import kagglehub
    except ImportError as error:
        raise MienError(f"kagglehub is not installed; run: {install_hint('data')}") from error
    on_ask()
    try:
        source = Path(kagglehub.competition_download(COMPETITION))
    except Exception as error:
        raise MienError(_reason(error)) from error
    downloaded = {file.name: file for file in sorted(source.rglob("*")) if file.name in _FILES}
    if "train.csv" not in downloaded and "icml_face_data.csv" not in downloaded and "fer2013.tar.gz" not in downloaded:
        raise MienError(
            f"Kaggle's download in {source} holds none of {', '.join(_FILES)}; delete that folder, try again"
        )
    return [_place(file, directory / name) for name, file in downloaded.items()]


def _place(file: Path, target: Path) -> Path:
    if target.exists():
        return target
    with atomic_write(target) as temporary:
        try:
            temporary.unlink()
            os.link(file, temporary)
        except OSError:
            shutil.copyfile(file, temporary)
    return target


def _reason(error: Exception) -> str:
    """What went wrong with Kaggle, and what to do, on one line."""
    kind, text = type(error).__name__, " ".join(str(error).split())
    status = getattr(getattr(error, "response", None), "status_code", None)
    if kind in ("UnauthenticatedError", "CredentialError") or status == 401:
        return "Kaggle wants a token and found none that it takes; make one at https://www.kaggle.com/settings/api"
    if status == 403:
        return f"Kaggle refuses the download; accept the competition's rules at {_URL}/rules, then try again"
    if "Connection" in kind or "Timeout" in kind or "Proxy" in kind:
        return f"Kaggle cannot be reached ({kind}); check the connection, or download by hand from {_URL}/data"
    return f"the download from Kaggle failed ({kind}: {text[:200]}); try again, or download by hand from {_URL}/data"
