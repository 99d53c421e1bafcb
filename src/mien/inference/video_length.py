"""The length of a film according to its header, and whether its file is complete."""

import re
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Containers whose header states the length. For others ffmpeg computes it from the file.
EXACT_LENGTH = ("mov", "matroska", "avi")
ROUGH_LENGTH = ("flv", "asf", "mxf")
INDEX_ENTRY = [("id", "S4"), ("flags", "<u4"), ("begin", "<u4"), ("length", "<u4")]  # of an AVI's index
MOST_CHUNKS, MOST_INDEX = 1000, 1 << 26  # most chunks read before an AVI's index, and most bytes of the index
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def kind_of(container: "InputContainer") -> str:
    """ffmpeg's first name of a container: "mov", "matroska", "avi", ..."""
    return container.format.name.split(",")[0]


def claimed_end(name: str, container: "InputContainer", stream: "VideoStream") -> float:
    """The end of the video in seconds, according to the file's header; 0 if it does not say."""
    kind = kind_of(container)
    if kind == "avi":
        if not _is_closed(name) or not stream.average_rate:
            return 0.0
        if stream.frames:  # its duration may be only a limit of the file
            return float(stream.frames / stream.average_rate)
    match = re.match(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if match and kind == "matroska":
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    if stream.duration and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if container.duration is None:
        return 0.0
    stream_bit_rate = sum(getattr(each, "bit_rate", None) or 0 for each in container.streams)
    # Equal: not from a header, ffmpeg divided the file's size by the bit rate.
    if stream_bit_rate and stream_bit_rate == container.bit_rate:
        return 0.0
    # The headers of these count from 0, wherever the film starts.
    start = 0 if kind in ("matroska", *ROUGH_LENGTH) else container.start_time or 0
    return (start + container.duration) / 1e6


def ends_whole(name: str, kind: str) -> bool:
    """Whether the bytes of a film's file show that its end is not missing. False if they cannot tell.

    kind: from `kind_of`; supported are "flv" and "asf". In these a frame held until the end leaves no trace except in
    the header's length, just like a truncated film.
    """
    check = {"flv": _flv_is_whole, "asf": _asf_is_whole}.get(kind)
    if check is None:
        return False
    try:
        with open(name, "rb") as file:
            return check(file, file.seek(0, 2))
    except OSError:
        return False


def stills(name: str, index: int) -> int:
    """Number of empty frames in an AVI ("the same picture still"), from the index at its end; ffmpeg omits them.

    index: of the video stream. Also 0 if there is no index, as in a truncated film.
    """
    try:
        with open(name, "rb") as file:
            at = 12  # after "RIFF", its length, "AVI "
            for _ in range(MOST_CHUNKS):
                file.seek(at)
                head = file.read(8)
                length = int.from_bytes(head[4:], "little")
                if not head.strip(b"\0"):
                    break
                if head[:4] == b"idx1":
                    data = file.read(min(length, MOST_INDEX))
                    entries = np.frombuffer(data[: len(data) - len(data) % 16], INDEX_ENTRY)
                    own = np.isin(entries["id"], [b"%02ddc" % index, b"%02ddb" % index])
                    return int((own & (entries["length"] == 0)).sum())
                at += 8 + length + length % 2
    except OSError:
        pass
    return 0


def _is_closed(name: str) -> bool:
    """Whether an AVI's header was completed. If written to a pipe or truncated, it holds placeholders."""
    try:
        with open(name, "rb") as file:
            return file.read(8)[4:] not in (bytes(4), b"\xff" * 4)
    except OSError:
        return False


def _flv_is_whole(file: IO[bytes], size: int) -> bool:
    """The file ends with the length of its last tag, and a tag of that length starts there."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4), "big")
    if not 11 < length < size - 4:
        return False
    file.seek(size - 4 - length)
    head = file.read(4)
    return head[0] & 0x1F in (8, 9, 18) and int.from_bytes(head[1:], "big") + 11 == length


def _asf_is_whole(file: IO[bytes], size: int) -> bool:
    """The file is as long as its header says, and its end is not only allocated but written."""
    file.seek(0)
    head = file.read(65_536)
    at = head.find(ASF_FILE_PROPERTIES) + 40  # after its name, length and the file's name
    stated_size = int.from_bytes(head[at : at + 8], "little") if at >= 40 else 0
    file.seek(max(0, size - 4096))
    return 0 < stated_size <= size and any(file.read(4096))
