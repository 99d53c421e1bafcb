"""The scans of a JPEG: a small file may hold so many that it takes minutes to decode."""

import re
from typing import BinaryIO

from mien.errors import MienError

MAX_SCANS = 100  # cameras and programs write up to 64
SCANS_A_PIXEL = 20  # scans times pixels may be this many times max_pixels: a scan of few bytes still visits every pixel
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")  # in compressed data FF stands before 00 and D0 to D7


def check_scans(file: BinaryIO, pixels: int, name: str, max_pixels: int) -> None:
    """Raise MienError for a JPEG whose scans, each of which visits every pixel, would take minutes to decode.

    The file is left where it was. pixels: width times height of the picture.
    """
    place = file.tell()
    file.seek(0)
    scans = count_scans(file.read())
    file.seek(place)
    if scans > MAX_SCANS or scans * pixels > SCANS_A_PIXEL * max_pixels:
        raise MienError(f"{name} is a JPEG of {scans:,} scans, which would take very long to decode; save it anew")


def count_scans(data: bytes) -> int:
    """The scans of a JPEG, counted as libjpeg reads it: up to its end, behind which a phone keeps a film."""
    scans, at = 0, 2
    while marker := _MARKER.search(data, at):
        code, at = marker[1][0], marker.end()
        if code == 0xD9:
            break
        if code not in (0x01, 0xD8):  # these two stand alone
            scans += code == 0xDA
            at += int.from_bytes(data[at : at + 2])
    return scans
