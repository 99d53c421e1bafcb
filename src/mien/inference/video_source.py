"""Video sources: recognize video files, and open files and cameras with PyAV."""

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import MienError
from mien.files import shortened

if TYPE_CHECKING:
    from av.container import InputContainer

CAMERA = "camera:"
SUFFIXES = frozenset((
    ".mp4", ".m4v", ".mov", ".qt", ".avi", ".divx", ".mkv", ".webm", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".m2p",
    ".vob", ".vro", ".evo", ".ts", ".mts", ".m2ts", ".m2t", ".trp", ".tp", ".mod", ".tod", ".mxf", ".wmv", ".asf",
    ".flv", ".f4v", ".ogv", ".ogm", ".ogx", ".3gp", ".3g2", ".insv", ".lrv", ".360", ".dv", ".rm", ".rmvb", ".wtv",
    ".dav", ".nut", ".mjpg", ".mjpeg", ".y4m", ".ivf", ".obu", ".h264", ".264", ".h265", ".265", ".hevc", ".av1",
))  # fmt: skip
AMBIGUOUS = frozenset((".ts", ".mod", ".tp", ".360"))  # TypeScript, music, ...: in folders the contents decide
IN_BOXES = frozenset((".heic", ".heif", ".hif", ".avif", ".avifs"))  # pictures in MP4-like containers
PICTURES = (b"\xff\xd8", b"GIF8", b"\x89PNG", b"BM")  # picture headers that can be mistaken for a transport stream

# ffmpeg's demuxers for single films. Others (playlists, lists) open further files or addresses named in a film.
DEMUXERS = (
    "mov", "mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "live_flv", "asf", "ogg", "mxf",
    "dv", "rm", "wtv", "dhav", "nut", "mjpeg", "yuv4mpegpipe", "ivf", "obu", "av1", "h264", "hevc", "m4v", "gif", "vc1",
)  # fmt: skip


def is_video(name: str) -> bool:
    """Whether an argument names a video file or a camera, by its suffix or its contents."""
    suffix = Path(name).suffix.lower()
    if name.startswith(CAMERA) or (suffix in SUFFIXES and not os.path.isdir(name)):
        return True
    return suffix not in IN_BOXES and name != "-" and os.path.isfile(name) and looks_like_video(name)


def looks_like_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file starts like a video: MP4, Matroska, AVI, MPEG, ASF, Flash, Ogg, MXF or RealMedia."""
    try:
        with open(path, "rb") as file:
            head = file.read(400)
    except OSError:
        return False
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return head[8:12] not in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
    if head[:4] == b"RIFF":
        return head[8:12] in (b"AVI ", b"AVIX")
    starts = (b"\x1aE\xdf\xa3", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"0&\xb2u\x8ef\xcf\x11", b"FLV\x01", b"OggS",
              b"\x06\x0e+4\x02\x05\x01\x01", b".RMF")  # fmt: skip
    if head.startswith(PICTURES):
        return False
    transport = any(len(head) > at + 188 and head[at] == head[at + size] == 0x47 for at, size in ((0, 188), (4, 192)))
    return head.startswith(starts) or transport


def open_container(name: str) -> "InputContainer":
    """Open a video file. Raises MienError, naming it, if it is missing or not a video."""
    import av

    if not name:
        raise MienError("the name of the video is empty; give a path")
    if not os.path.lexists(name):
        raise MienError(f"cannot open {shortened(name)}: no such file")
    if os.path.isdir(name):
        raise MienError(f"{name} is a folder; to read the videos in it, run: mien read {name}")
    if not os.path.isfile(name):  # reading a pipe or device could block or never end
        raise MienError(f"{name} is not a regular file")
    try:
        with open(name, "rb") as file:
            if not file.read(1):
                raise MienError(f"{name} is empty (0 bytes)")
    except OSError as error:
        raise MienError(f"cannot open {name}: {error.strerror}") from error
    # "file:" and an absolute path, so that no name is taken for a protocol.
    forced = "mjpeg" if Path(name).suffix.lower() in (".mjpeg", ".mjpg") else None
    options = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "file"}
    try:
        return av.open(f"file:{os.path.abspath(name)}", "r", forced, options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise MienError(f"{name} is not a video in a known format, or it is damaged or truncated") from error


def open_camera(name: str) -> "InputContainer":
    """Open "camera:0" by the system's interface: v4l2, avfoundation or dshow. Raises MienError if that fails."""
    import av

    number = name.removeprefix(CAMERA)
    if not re.fullmatch("[0-9]{1,4}", number):
        raise MienError(f"no camera {number!r}; give its number: camera:0")
    fault: Exception | None = None
    for device, format_name, options in _camera_sources(int(number)):
        try:
            return av.open(device, "r", format=format_name, options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            fault = error
    raise MienError(f"no camera {number}: it is not connected, used by another program, or not permitted") from fault


def source_command(name: str) -> str:
    """The ffmpeg command that converts a film to a format readable everywhere."""
    target = str(Path(name).with_name(f"{Path(name).stem}-h264.mp4"))
    return f"ffmpeg -i {shlex.quote(name)} -c:v libx264 -c:a aac {shlex.quote(target)}"


def codec_in(path: str) -> str:
    """The video codec's name in the file, for codecs that ffmpeg does not know: 'braw', 'V_QUICKTIME', ..."""
    size, window = os.path.getsize(path), 2_000_000
    with open(path, "rb") as file:
        data = file.read(window)
        file.seek(max(0, size - window))
        data += file.read(window)
    match = re.search(rb"hdlr.{8}vide.*?stsd.{12}([ -~]{4})", data, re.DOTALL) or re.search(rb"V_[A-Z0-9/_]+", data)
    return match[match.lastindex or 0].decode("ascii").strip() if match else "(unknown)"


def _camera_sources(number: int) -> list[tuple[str, str, dict[str, str]]]:
    """What to try, in order: device, ffmpeg's input format, its options."""
    if sys.platform == "darwin":
        # Most cameras refuse its default of 29.97 frames per second.
        return [(f"{number}:none", "avfoundation", options) for options in ({"framerate": "30"}, {})]
    if sys.platform == "win32":
        from av.device import enumerate_input_devices

        cameras = [device for device in enumerate_input_devices("dshow") if "video" in device.media_types]
        return [(f"video={device.name}", "dshow", {}) for device in cameras[number : number + 1]]
    return [(f"/dev/video{number}", "video4linux2", {})]
