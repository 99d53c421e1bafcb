"""How long a film's picture is: what its header says, and whether its file is all there."""

import re
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Containers whose header says how long the film is. ffmpeg computes the length of others from what is in the file.
EXACT_LENGTH = ("mov", "matroska", "avi")
ROUGH_LENGTH = ("flv", "asf", "mxf")
INDEX_ENTRY = [("id", "S4"), ("flags", "<u4"), ("begin", "<u4"), ("length", "<u4")]  # of an AVI
MOST_CHUNKS, MOST_INDEX = 1000, 1 << 26  # chunks looked at before an AVI's list, and bytes of it
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def kind_of(container: "InputContainer") -> str:
    """ffmpeg's first name of a container: "mov", "matroska", "avi", ..."""
    return container.format.name.split(",")[0]


def claimed_end(name: str, container: "InputContainer", stream: "VideoStream") -> float:
    """The timestamp at which the picture ends, in seconds, by the file's header; 0 where that does not say."""
    kind = kind_of(container)
    if kind == "avi":
        if not _is_closed(name) or not stream.average_rate:
            return 0.0
        if stream.frames:  # its duration is no more than the file can hold
            return float(stream.frames / stream.average_rate)
    match = re.match(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if match and kind == "matroska":
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    if stream.duration and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if container.duration is None:
        return 0.0
    known = sum(getattr(each, "bit_rate", None) or 0 for each in container.streams)
    if known and known == container.bit_rate:  # no header says so: ffmpeg divided the file's size by the bit rate
        return 0.0
    # The headers of these count from 0, wherever the film begins.
    begin = 0 if kind in ("matroska", *ROUGH_LENGTH) else container.start_time or 0
    return (begin + container.duration) / 1e6


def ends_whole(name: str, kind: str) -> bool:
    """Whether the bytes of a film's file say that nothing was cut off its end. False too where they cannot say so.

    kind: as by `kind_of`; known are "flv" and "asf". There a picture that is held until the end leaves no trace but in
    the header's length, which is a cut film's too.
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
    """How many frames of an AVI are empty ("the same picture still"), by the list at its end: these ffmpeg leaves out.

    index: of the picture's stream. 0 too where there is no list, as in a film that was cut.
    """
    try:
        with open(name, "rb") as file:
            at = 12  # behind "RIFF", its length, "AVI "
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
    """Whether an AVI's header was filled in at its end. Written to a pipe or cut off, it holds placeholders."""
    try:
        with open(name, "rb") as file:
            return file.read(8)[4:] not in (bytes(4), b"\xff" * 4)
    except OSError:
        return False


def _flv_is_whole(file: IO[bytes], size: int) -> bool:
    """It ends with the length of its last tag, and there such a tag begins."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4), "big")
    if not 11 < length < size - 4:
        return False
    file.seek(size - 4 - length)
    head = file.read(4)
    return head[0] & 0x1F in (8, 9, 18) and int.from_bytes(head[1:], "big") + 11 == length


def _asf_is_whole(file: IO[bytes], size: int) -> bool:
    """It is as long as its header says, and its end was written, not only made room for."""
    file.seek(0)
    head = file.read(65_536)
    at = head.find(ASF_FILE_PROPERTIES) + 40  # behind its name, length and the file's name
    told = int.from_bytes(head[at : at + 8], "little") if at >= 40 else 0
    file.seek(max(0, size - 4096))
    return 0 < told <= size and any(file.read(4096))
