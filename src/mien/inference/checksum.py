"""Checksums of model files: SHA-256 in the file's own metadata, checked when it is opened.

An ONNX file is a protobuf message, to which fields can be appended: the last metadata entry is `mien_sha256`, the
digest of all bytes before it. Files without one (from mien 0.1, or written by other programs) are not checked.
"""

import hashlib
from pathlib import Path

from mien.errors import MienError

KEY = "mien_sha256"
_DIGITS = 64
_ENTRY = b"\x0a" + bytes([len(KEY)]) + KEY.encode() + b"\x12" + bytes([_DIGITS])  # StringStringEntryProto: key, value
_MARK = b"\x72" + bytes([len(_ENTRY) + _DIGITS]) + _ENTRY  # field 14 of ModelProto, metadata_props


def with_checksum(content: bytes) -> bytes:
    """The bytes of an ONNX file with its checksum appended, replacing an existing one."""
    content = _split(content)[0]
    return content + _MARK + hashlib.sha256(content).hexdigest().encode()


def verify_checksum(content: bytes, path: Path) -> None:
    """Raise MienError, naming the path, if an ONNX file has a wrong checksum."""
    before, digits = _split(content)
    if digits and hashlib.sha256(before).hexdigest().encode() != digits:
        raise MienError(
            f"{path} is damaged (its checksum is wrong) or was changed by another program; copy or export it again"
        )


def _split(content: bytes) -> tuple[bytes, bytes]:
    """The bytes that the checksum covers, and its hex digits; b"" if the file has none."""
    end = len(content) - _DIGITS - len(_MARK)
    if end < 0 or content[end : end + len(_MARK)] != _MARK:
        return content, b""
    return content[:end], content[end + len(_MARK) :]
