"""Text that may be no UTF-8: the encoding in which most of its words mean emotions."""

import re

from mien.labels import emotion_of

_OTHERS = {
    "cp1252": "Windows-1252", "cp1251": "Windows-1251", "cp1250": "Windows-1250", "cp1253": "Windows-1253",
    "cp1254": "Windows-1254", "gb18030": "GB 18030", "big5": "Big5", "shift_jis": "Shift JIS", "euc_kr": "EUC-KR",
}  # fmt: skip
_LOOKED_AT = 1 << 16  # bytes


def decode(raw: bytes) -> tuple[str, str]:
    """Bytes as text, and the encoding where it is not UTF-8 ("" if it is): the one in which most words mean emotions;
    Windows-1252 where none does in any."""
    try:
        return raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        pass
    # Lines with letters beyond ASCII decide; the cut may fall into a letter.
    lines = b"\n".join({line for line in raw.splitlines() if not line.isascii()})[:_LOOKED_AT]

    def emotions(encoding: str) -> int:
        words = set(re.findall(r"[^\W\d_]+", lines.decode(encoding, "ignore")))
        return sum(emotion_of(word) is not None for word in words)

    best = max(_OTHERS, key=emotions)  # the first of equals
    return raw.decode(best, "replace"), _OTHERS[best]
