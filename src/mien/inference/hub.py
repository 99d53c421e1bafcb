"""Models from a model hub: hf:OWNER/NAME@REVISION, downloaded by huggingface_hub, with SHA-256 verification.

Nothing is downloaded unless a model is named like that. A revision is a branch, a tag or a commit. The same commit must
always give the same file: digests are stored in `hub.json` in the cache folder.
"""

import hashlib
import json
import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from mien.data import cache
from mien.errors import MienError
from mien.files import write_json

MODEL = "model.onnx"
CONFIG = "config.json"
SUMS = "hub.json"
_NAME = re.compile(r"hf:([\w.-]+/[\w.-]+)@([\w./-]+)")


def fetch_model(source: str | Path) -> Path:
    """The file of hf:OWNER/NAME@REVISION, from the hub or from huggingface_hub's cache.

    Raises MienError for an invalid name, a missing repository, revision or file, an unreachable hub, and a file whose
    SHA-256 differs from its config.json or from an earlier download of the same commit. Needs the package
    huggingface_hub.
    """
    text = str(source).replace("\\", "/")
    match = _NAME.fullmatch(text)
    if not match:
        raise MienError(f"'{text}' is not a model on a hub; write hf:OWNER/NAME@REVISION, with a branch, tag or commit")
    repository, revision = match.groups()
    path = _download(repository, revision, MODEL, text)
    config = _download(repository, revision, CONFIG, text, needed=False)
    assert path is not None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    promised = _promised(config) if config else None
    if promised not in (None, digest):
        raise MienError(f"{text}: the SHA-256 of {MODEL} is not the one in its {CONFIG}; it is damaged, do not use it")
    _compare_sum(f"{repository}@{path.parent.name}", digest, text)
    return path


def _download(repository: str, revision: str, name: str, source: str, needed: bool = True) -> Path | None:
    """Path of a file of the hub, from the cache if its commit is there; None if it is missing and not `needed`."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    endpoint = os.environ.get("HF_ENDPOINT")  # read here, so that programs can set it after importing huggingface_hub
    offline = not _has_address(endpoint or "https://huggingface.co")
    try:
        with _quiet():
            return Path(
                hf_hub_download(repository, name, revision=revision, endpoint=endpoint, local_files_only=offline)
            )
    except LocalEntryNotFoundError as error:
        reason = "the hub cannot be reached and the model is not in the cache; check the network"
        raise MienError(f"{source}: {reason}") from error
    except EntryNotFoundError as error:
        if not needed:
            return None
        raise MienError(f"{source} contains no {name}; upload a folder written by `mien publish`") from error
    except RevisionNotFoundError as error:
        raise MienError(f"{source}: {repository} has no revision {revision}") from error
    except GatedRepoError as error:
        raise MienError(f"{source}: access is restricted; log in with `hf auth login` and request access") from error
    except RepositoryNotFoundError as error:
        reason = "there is no such repository, or it is private (`hf auth login`)"
        raise MienError(f"{source}: {reason}") from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise MienError(f"{source} cannot be downloaded: {str(error).splitlines()[0]}") from error


def _has_address(endpoint: str) -> bool:
    """Whether the hub's name resolves: without a network the cache is used at once, not after five tries."""
    if getproxies():  # proxies resolve names themselves
        return True
    try:
        return bool(socket.getaddrinfo(urlsplit(endpoint).hostname, None))
    except OSError:
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress huggingface_hub's message about each attempt."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _promised(config: Path) -> str | None:
    """The model file's SHA-256 in mien's config.json, None if there is none."""
    try:
        sums = json.loads(config.read_text(encoding="utf-8")).get("sha256", {})
        return sums.get(MODEL) if isinstance(sums, dict) else None
    except (OSError, ValueError, AttributeError):
        return None


def _compare_sum(key: str, digest: str, source: str) -> None:
    """Store the SHA-256 of a commit's model, or raise MienError if a different one is stored."""
    folder = cache.own_folder(create=True)
    if folder is None:
        return
    try:
        sums = json.loads((folder / SUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        sums = {}
    kept = sums.get(key) if isinstance(sums, dict) else None
    if kept not in (None, digest):
        raise MienError(
            f"{source}: the same commit brought another file before (SHA-256 {kept[:12]}..., now {digest[:12]}...); "
            f"do not use it unless you know why; {folder / SUMS} keeps the sums"
        )
    if kept is None:
        with suppress(MienError):  # a full or read-only disk should not prevent using the model
            write_json(folder / SUMS, {**(sums if isinstance(sums, dict) else {}), key: digest})
