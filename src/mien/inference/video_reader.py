"""Read the faces of a film or a camera, frame by frame, with stable ids."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from mien.errors import MienError
from mien.inference.reader import Reader
from mien.inference.tracker import TrackedFace, Tracker
from mien.inference.video import Video, open_video, read_frames, require_seconds
from mien.inference.video_frame import Frame

EVERY = 0.2  # seconds between two frames that are read


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a video and its faces.

    index: counted from 0. time: seconds from the start. duration: seconds on screen; 0 for a camera. faces: sorted by
    id. was_read: whether faces were detected in this frame; if not, they are those of the last frame that was read.
    """

    index: int
    time: float
    duration: float
    faces: tuple[TrackedFace, ...]
    was_read: bool
    _frame: Frame = field(repr=False, compare=False)

    @property
    def image(self) -> Image.Image:
        """The image, RGB and upright. Computed on access."""
        return self._frame.image


def read_video(
    source: str | os.PathLike[str],
    *,
    every: float = EVERY,
    baseline: float = 0.0,
    every_frame: bool = False,
    reader: Reader | None = None,
    model: str | Path | None = None,
    **options: Any,
) -> Iterator[VideoFrame]:
    """Read the faces of a video file, or of a camera ("camera:0"), frame by frame. Memory does not grow with its
    length.

    every: seconds of video between two frames that are read; 0 reads every frame. baseline: seconds over which each
    face's own mean is taken; afterwards `face.change` is its difference from it. every_frame: also yield the frames in
    between (for example to draw on). reader: an existing Reader; without it, model and options are those of Reader.
    Raises MienError if the source is not a film that can be decoded. Warns (MienWarning) at the end if frames are
    missing, and as open_video does.
    """
    require_seconds("every", every)
    require_seconds("baseline", baseline)
    given = [*options] if model is None else ["model", *options]
    if reader is not None and given:
        raise MienError(
            f"{', '.join(given)}: give these options to the Reader, or do not give a reader", parameter="reader"
        )
    if reader is None:
        reader = Reader("default" if model is None else model, **options)
    if not isinstance(reader, Reader):
        raise MienError(f"give a Reader, such as mien.Reader(), not {reader!r:.60}", parameter="reader")
    with open_video(source, reader.max_pixels) as video:
        yield from read_faces(reader, video, every, baseline, every_frame)


def read_faces(
    reader: Reader, video: Video, every: float = EVERY, baseline: float = 0.0, every_frame: bool = False
) -> Iterator[VideoFrame]:
    """Like read_video, for an open film. Call it once per film."""
    tracker = Tracker(baseline)
    faces: tuple[TrackedFace, ...] = ()
    for frame, due in read_frames(video, every):
        if due:
            faces = tuple(tracker.update(reader.read(frame.image), frame.time, max(frame.duration, every)))
        if due or every_frame:
            yield VideoFrame(frame.index, frame.time, frame.duration, faces, due, frame)
