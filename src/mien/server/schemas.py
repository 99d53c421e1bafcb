"""The shapes of the answers, for the OpenAPI document. Nothing is validated by them on the way out."""

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """Problem details, RFC 9457; sent as application/problem+json."""

    type: str = Field(description="Address of the entry that explains this kind of problem", examples=["/docs#busy"])
    title: str
    status: int
    detail: str


class Face(BaseModel):
    """One face. Faces are numbered in reading order: line by line, from left to right."""

    number: int = Field(ge=1)
    emotion: str = Field(description="The likeliest class")
    confidence: float = Field(ge=0, le=1, description="Its probability, calibrated by the model's temperature")
    probabilities: dict[str, float] = Field(description="Every class; they add up to 1")
    box: list[int] = Field(
        min_length=4, max_length=4, description="x, y, width, height in pixels of the upright picture"
    )
    score: float | None = Field(description="The face detector's, 0 to 1; null for faces that came cropped")
    landmarks: dict[str, list[float]] = Field(description="x, y of eyes, nose and corners of the mouth")
    quality: dict[str, Any] | None = Field(
        default=None,
        description="size, sharpness, brightness, contrast, tilt, turned, cut, and flags for what stands out",
    )
    crop: str | None = Field(
        default=None, description="With crops=true: the gray face as the model saw it, PNG in base64"
    )


class Picture(BaseModel):
    """One picture of a request: its faces, or the problem that kept it from being read."""

    name: str = Field(description="The file's name, as it was sent; empty for a raw body")
    width: int | None = None
    height: int | None = None
    note: str | None = Field(default=None, description="What to know of the picture, such as further frames; else null")
    faces: list[Face] | None = None
    problem: Problem | None = None


class ReadAnswer(BaseModel):
    model: str
    pictures: list[Picture] = Field(description="In the order in which they were sent")


class ClassifiedFace(BaseModel):
    """One cropped face, or the problem that kept it from being read."""

    name: str
    note: str | None = Field(default=None, description="What to know of the picture, such as further frames; else null")
    emotion: str | None = None
    confidence: float | None = None
    probabilities: dict[str, float] | None = None
    problem: Problem | None = None


class ClassifyAnswer(BaseModel):
    model: str
    faces: list[ClassifiedFace] = Field(description="In the order in which they were sent")


class ExplainAnswer(BaseModel):
    """Occlusion sensitivity: the face is covered piece by piece, and the probability of the emotion watched."""

    model: str
    emotion: str
    note: str | None = Field(default=None, description="What to know of the picture, such as further frames; else null")
    probability: float = Field(description="The emotion's, with nothing covered")
    probability_drop: float = Field(description="How much of it goes when the hottest spot is covered")
    saliency: list[list[float]] = Field(description="Rows of the heat map, 0 to 1, of the size the model sees")
    belief: float = Field(deprecated=True, description="probability, by its name in mien 0.1")
    drop: float = Field(deprecated=True, description="probability_drop, by its name in mien 0.1")
    heat: list[list[float]] = Field(deprecated=True, description="saliency, by its name in mien 0.1")
    overlay: str = Field(description="The heat laid over the face, 288x288 PNG in base64")


class TrackedFace(BaseModel):
    """A face of a frame, with its probabilities smoothed over time."""

    id: int = Field(description="The same from frame to frame; who leaves and comes back gets a new one")
    emotion: str
    confidence: float = Field(ge=0, le=1)
    probabilities: dict[str, float]
    box: list[int] = Field(min_length=4, max_length=4, description="x, y, width, height in pixels of the upright frame")
    score: float | None
    landmarks: dict[str, list[float]]
    quality: dict[str, Any] | None = Field(default=None, description="As of the faces in pictures")


class VideoFrame(BaseModel):
    time: float = Field(description="Seconds from the start of the video")
    faces: list[TrackedFace]


class VideoAnswer(BaseModel):
    """The timeline of a video: the frames that were read, in order."""

    model: str
    name: str
    width: int
    height: int
    length: float | None = Field(description="Seconds, where the file tells and the whole video was read")
    every: float = Field(description="Seconds between two frames that were read")
    note: str | None = Field(description="What was left out, in a sentence; null where nothing was")
    frames: list[VideoFrame]


class Limits(BaseModel):
    video_bytes: int
    video_seconds: float
    bytes: int
    pixels: int
    pictures: int
    faces: int
    seconds: float


class ModelAnswer(BaseModel):
    """The model's card."""

    name: str
    mien: str = Field(description="Version of mien")
    classes: list[str]
    colors: list[str] = Field(description="One for each class, for charts")
    input_size: int
    parameters: int | None
    temperature: float
    flip: bool = Field(description="Whether answers are means over each face and its mirror image")
    license: str | None
    accuracy: float | None = Field(description="On the set that it was chosen on (validation), where the file tells it")
    training: dict[str, Any] = Field(description="How it was trained, as the model file tells it")
    sha256: str = Field(description="Of the model file")
    limits: Limits


class RunSummary(BaseModel):
    """A run's row in the table; null where something is not known (yet)."""

    name: str
    recipe: str | None
    group: str | None
    network: str | None
    seed: int | None
    status: str = Field(description="running, done, or stopped: unfinished with nothing new for a while")
    epochs: int
    planned_epochs: int | None
    parameters: int | None
    drawn: bool = Field(description="Trained on drawn faces: a demonstration, not a result")
    train_accuracy: float | None
    val_accuracy: float | None
    val_loss: float | None
    gap: float | None
    best_val_accuracy: float | None
    best_epoch: int | None
    accuracy: float | None = Field(description="Of the kept weights on the validation set")
    accuracy_interval: list[float] | None = Field(description="95 % interval of accuracy: low, high")
    macro_f1: float | None
    ece: float | None
    test_accuracy: float | None
    verdict: str | None
    verdict_title: str | None
    seconds: float | None
    updated: str
    curve: list[float | None] = Field(description="Validation accuracy over the epochs, thinned out")
    error: str | None


class RunsAnswer(BaseModel):
    folder: str
    runs: list[RunSummary]


class RunAnswer(RunSummary):
    classes: list[str]
    history: dict[str, list[float | None]] = Field(description="history.csv by column")
    kept_epoch: int | None
    temperature: float | None
    verdict_detail: dict[str, Any] | None
    evaluations: dict[str, Any]
    settings: dict[str, Any]
    data: dict[str, Any]
    machine: dict[str, Any]
    mien: Any


class Difference(BaseModel):
    """Of a run's accuracy from that of the first run."""

    accuracy: float = Field(description="The run's minus the first one's")
    interval: list[float] = Field(description="95 % interval: low, high")
    method: str = Field(
        description="paired bootstrap, where predictions of both runs are stored; else Newcombe, unpaired"
    )
    p_value: float | None = Field(description="McNemar's exact test; null without stored predictions")
    only_first: int | None = Field(description="Images that the first run alone has right")
    only_this: int | None = Field(description="Images that this run alone has right")
    verdict: str = Field(description="better, worse or undecided: by whether the interval excludes 0")


class ComparedRun(BaseModel):
    name: str
    n: int | None
    accuracy: float | None
    accuracy_interval: list[float] | None
    macro_f1: float | None
    reason: str | None = Field(description="Why it is not comparable with the first run; null where it is")
    difference: Difference | None


class CompareAnswer(BaseModel):
    part: str
    view: str
    runs: list[ComparedRun] = Field(description="The first is the one that the others are compared with")


class Health(BaseModel):
    status: str
