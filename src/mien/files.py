"""Atomic file writes, so that a crash never leaves a partial file; and checks of file names."""

import errno
import json
import os
import re
import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.errors import MienError

MAX_NAME_LENGTH = 500  # longest name that messages repeat in full
STEM_LENGTH = 40  # characters of a name used in its temporary file's name


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`, on failure removed.

    Raises MienError if the folder cannot be created or written, the disk is full, or `path` is a folder.
    """
    path = Path(path)
    if not path.name:
        raise MienError(f"cannot write {path}: it is a folder; give the name of a file in it")
    temporary = path.with_name(f".{path.stem[:STEM_LENGTH]}-{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Opened with 0o666, the file gets the permissions of any new file under the umask.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise MienError(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from error
    try:
        try:
            yield temporary
            _flush(temporary)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError when the disk is full
            full = isinstance(error, OSError) and not isinstance(error, BrokenPipeError)
            if full or (isinstance(error, RuntimeError) and "write" in str(error)):
                reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
                room = getattr(error, "errno", errno.ENOSPC) in (errno.ENOSPC, errno.EDQUOT)
                advice = "make room or choose another folder" if room else "choose another folder"
                raise MienError(f"cannot write {path}: {reason}; {advice}") from error
            raise
        try:
            temporary.replace(path)
        except OSError as error:
            raise MienError(f"cannot write {path}: {error.strerror}; choose another name") from error
        _flush(path.parent)  # flush the rename
    finally:
        temporary.unlink(missing_ok=True)


def remove_abandoned(path: Path) -> None:
    """Remove temporary files that killed writers of `path` left behind. Only for files with a single writer at a
    time."""
    if len(path.stem) > STEM_LENGTH:  # other files' names may start the same
        return
    name = re.compile(rf"\.{re.escape(path.stem)}-[0-9a-f]{{8}}{re.escape(path.suffix)}")
    for other in path.parent.iterdir() if path.parent.is_dir() else ():
        if name.fullmatch(other.name):
            other.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Flush a file, or a folder's entries, to disk."""
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except OSError:  # Windows cannot open folders
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if path.is_file():
            raise error
    finally:
        os.close(handle)


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON, atomically. Raises MienError if the folder cannot be created or written."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def write_short_json(path: str | Path, value: Mapping[str, Any]) -> None:
    """Like write_json with one line per top-level entry, in half the bytes."""
    entries = (f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in value.items())
    with atomic_write(path) as temporary:
        temporary.write_text("{\n" + ",\n".join(entries) + "\n}\n")


def shortened(name: str) -> str:
    """A name for messages: very long ones are reduced to their start and end."""
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 60]}...{name[-40:]}"


def refuse_address(name: str) -> None:
    """Raise MienError, with the command that downloads it, if `name` is an address (http://..., rtsp://...) or a data
    URI and not a file."""
    if re.match(r"data:[\w.+/-]*[;,]", name, re.IGNORECASE) and not os.path.lexists(name):
        raise MienError(
            f"{name[:40]}... is a data URI, but mien reads files; decode the part after the comma into a file"
        )
    match = re.match(r"([a-z][a-z0-9+.-]{1,20}):/{1,3}", name, re.IGNORECASE)
    if not match or os.path.lexists(name):
        return
    scheme, address = match[1].lower(), shlex.quote(name)
    rest = name[match.end() :]
    file_name = shlex.quote(re.split("[?#]", rest)[0].rstrip("/").rpartition("/")[2] or "file")
    if len(name) > MAX_NAME_LENGTH:  # the command would be as long
        name, scheme = shortened(name), ""
    if scheme == "file":
        raise MienError(f"{name} is an address; give only the path: {shlex.quote('/' + rest.lstrip('/'))}")
    playlist = re.search(r"\.(m3u8|mpd)$", re.split("[?#]", rest)[0], re.IGNORECASE)
    if scheme in ("http", "https", "ftp", "ftps") and not playlist:
        command, fetched = f"curl -L -o {file_name} {address}", file_name
    elif scheme in ("s3", "s3a", "s3n"):
        command, fetched = f"aws s3 cp {shlex.quote('s3://' + rest)} .", file_name
    elif scheme in ("gs", "gcs"):
        command, fetched = f"gcloud storage cp {shlex.quote('gs://' + rest)} .", file_name
    elif scheme in ("sftp", "scp", "ssh"):
        host, _, path = rest.partition("/")
        command, fetched = f"scp {shlex.quote(f'{host}:/{path}')} .", file_name
    elif scheme in ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt", "mms", "mmsh", "tcp", "http", "https"):
        length = "" if playlist else "-t 60 "  # live streams never end
        command, fetched = f"ffmpeg -i {address} {length}-c copy film.mkv", "film.mkv"
    else:
        raise MienError(
            f"{name} is an address, but mien reads files; copy it to this machine first, then read the copy"
        )
    raise MienError(f"{name} is an address, but mien reads files; download it first: {command}  then read {fetched}")


def refuse_input(output: Path, data: str | Path) -> None:
    """Raise MienError if an output would overwrite a file of faces that it is made from."""
    place = Path(data)
    inside = place.is_dir() and output.is_file() and place.resolve() in output.resolve().parents
    if (inside and _holds_faces(output)) or (place.is_file() and output.exists() and output.samefile(place)):
        raise MienError(f"{output} is one of the input files; choose another name for the output")


def _holds_faces(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    return b"pixel" in head.lower() or path.suffix.lower() in (".npz", ".parquet", ".gz") or b"\0" in head
