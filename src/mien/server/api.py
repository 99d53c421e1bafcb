"""The routes under /v1: pictures in, JSON out."""

import asyncio
import base64
import hashlib
import io
import json
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, get_origin

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from PIL import Image

from mien import __version__
from mien.errors import MienError
from mien.inference.face import Face
from mien.labels import color
from mien.server import runs, schemas
from mien.server.batcher import Batcher, for_client, unreadable
from mien.server.compare import compare_runs
from mien.server.problems import KINDS, MEDIA_TYPE, Problem
from mien.server.settings import Settings, runs_folder
from mien.server.upload import Intake, Upload, pictures_of, video_of

_BINARY: dict[str, Any] = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}


def _body(what: str, most: int, media: str = "image", field: str = "pictures") -> dict[str, Any]:
    """The OpenAPI description of a body that the route reads itself. most: files in a form."""
    files = {"type": "array", "items": _BINARY, "minItems": 1, "maxItems": most}
    form = {"type": "object", "properties": {field: files}, "required": [field]}
    parts = {"schema": form, "encoding": {field: {"contentType": f"{media}/*"}}}
    content = {f"{media}/*": {"schema": _BINARY}, "multipart/form-data": parts}
    return {"requestBody": {"required": True, "description": what, "content": content}}


def problems(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may fail with these problems."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status, title, _ = KINDS[kind]
        description = f"{responses[status]['description']}; {title.lower()}" if status in responses else title
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses[status] = {"description": description, "content": content}
    return responses


CLASSIFIED = ("emotion", "confidence", "probabilities")
ALWAYS = ("bad-request", "no-token", "not-allowed-here")
UPLOAD = (*ALWAYS, "too-slow", "too-large", "wrong-type", "unreadable-picture", "busy", "took-too-long")


def routes(settings: Settings) -> APIRouter:
    """The router of /v1; its routes use the Batcher in `request.app.state.batcher`."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(check_query)])
    _add_read_and_classify(router, settings)
    _add_explain_and_videos(router, settings)
    _add_model_and_runs(router, settings)
    return router


def _add_read_and_classify(router: APIRouter, settings: Settings) -> None:
    @router.post(
        "/read", tags=["reading"], response_model=schemas.ReadAnswer, responses=problems(*UPLOAD, "too-many-faces"),
        openapi_extra=_body("A picture as it is, or several as files of a form.", settings.max_pictures),
    )  # fmt: skip
    async def read(
        request: Request, crops: bool = Query(False, description="Send each face back as the model saw it")
    ) -> Response:
        """Find the faces in each picture and read their emotions.

        Of several pictures each answers for itself: with its faces, or with its problem. A single picture that cannot
        be read is answered 422.
        """
        batcher: Batcher = request.app.state.batcher
        intake: Intake = request.app.state.intake
        with intake.body() as body:
            pictures = await pictures_of(request, settings, batcher, body)
            with batcher.place():
                readings = await batcher.read([picture.data for picture in pictures])
        answers: list[dict[str, Any]] = []
        for picture, reading in zip(pictures, readings, strict=True):
            if reading.error:
                answers.append({"name": picture.name, "problem": _problem(picture, reading.error, pictures, settings)})
                continue
            faces = [
                {"number": i, **face.to_dict(), **({"crop": png(face.crop)} if crops else {})}
                for i, face in enumerate(in_reading_order(reading.faces), 1)
            ]
            size = {"width": reading.width, "height": reading.height}
            answers.append({"name": picture.name, **size, "note": reading.note, "faces": faces})
        return _json({"model": batcher.reader.model.name, "pictures": answers})

    @router.post(
        "/classify", tags=["reading"], response_model=schemas.ClassifyAnswer, responses=problems(*UPLOAD),
        openapi_extra=_body("A face already cropped, or several as files of a form; any size.", settings.max_pictures),
    )  # fmt: skip
    async def classify(request: Request) -> Response:
        """Read the emotions of faces that are already cropped, as those of FER2013 are: no face is looked for."""
        batcher: Batcher = request.app.state.batcher
        intake: Intake = request.app.state.intake
        with intake.body() as body:
            pictures = await pictures_of(request, settings, batcher, body)
            with batcher.place():
                readings = await batcher.read([picture.data for picture in pictures], already_cropped=True)
        answers: list[dict[str, Any]] = []
        for picture, reading in zip(pictures, readings, strict=True):
            if reading.error:
                answers.append({"name": picture.name, "problem": _problem(picture, reading.error, pictures, settings)})
                continue
            face = reading.faces[0].to_dict()
            answers.append({"name": picture.name, "note": reading.note, **{key: face[key] for key in CLASSIFIED}})
        return _json({"model": batcher.reader.model.name, "faces": answers})


def _add_explain_and_videos(router: APIRouter, settings: Settings) -> None:
    @router.post(
        "/explain", tags=["reading"], response_model=schemas.ExplainAnswer, responses=problems(*UPLOAD),
        openapi_extra=_body("One face already cropped, such as the crop that /v1/read?crops=true sends back.", 1),
    )  # fmt: skip
    async def explain(
        request: Request, emotion: str = Query("", description="Which class to explain; the likeliest where empty")
    ) -> Response:
        """Which parts of a face spoke for an emotion: a heat map by occlusion."""
        batcher: Batcher = request.app.state.batcher
        model = batcher.reader.model
        intake: Intake = request.app.state.intake
        with intake.body() as body:
            pictures = await pictures_of(request, settings, batcher, body)
            if len(pictures) > 1:
                raise Problem("bad-request", f"one face at a time, not {len(pictures)}")
            if emotion and emotion not in model.classes:
                raise Problem("bad-request", f"query.emotion: one of {', '.join(model.classes)}")
            with batcher.place():
                try:
                    explanation, note = await batcher.explain(pictures[0].data, emotion)
                except MienError as error:
                    raise Problem("unreadable-picture", unreadable(error, pictures[0].data)) from error
        saliency = np.round(explanation.saliency.astype(np.float64), 4).tolist()
        figures = {
            "probability": explanation.probability,
            "probability_drop": explanation.probability_drop,
            "saliency": saliency,
        }
        old_names = {"belief": explanation.probability, "drop": explanation.probability_drop, "heat": saliency}
        return _json(
            {
                "model": model.name,
                "emotion": explanation.emotion,
                "note": note,
                **figures,
                **old_names,
                "overlay": png(explanation.overlay),
            }
        )

    @router.post(
        "/videos", tags=["reading"], response_model=schemas.VideoAnswer,
        responses=problems(*[kind for kind in UPLOAD if kind != "unreadable-picture"], "unreadable-video"),
        openapi_extra=_body("A video as it is, or as the one file of a form.", 1, "video", "video"),
    )  # fmt: skip
    async def videos(
        request: Request,
        every: float = Query(0.2, ge=0.04, le=60, description="Seconds of the video between two frames that are read"),
    ) -> Response:
        """Read a video: a timeline of its faces, each with the same id from frame to frame and smoothed probabilities.

        What lies beyond the server's limits of length and time is left out, and `note` says so.
        """
        batcher: Batcher = request.app.state.batcher
        intake: Intake = request.app.state.intake
        with intake.body() as body:
            video = await video_of(request, settings, batcher, body)
            gone = threading.Event()
            with batcher.place():
                watch = asyncio.create_task(_set_when_left(request, gone))
                try:
                    timeline = await batcher.read_video(video.data, every, gone)
                except MienError as error:
                    raise Problem("unreadable-video", for_client(str(error))) from error
                finally:
                    watch.cancel()
                    gone.set()
        return _json(runs.plain({"model": batcher.reader.model.name, "name": video.name, **timeline}))


def _add_model_and_runs(router: APIRouter, settings: Settings) -> None:
    @router.get("/model", tags=["server"], response_model=schemas.ModelAnswer, responses=problems(*ALWAYS))
    async def model(request: Request) -> Response:
        """The model's card: classes, size, accuracy, how it was trained; and the server's limits."""
        return _json(card(request.app.state.batcher, settings))

    @router.get("/runs", tags=["studies"], response_model=schemas.RunsAnswer, responses=problems(*ALWAYS))
    async def list_runs(request: Request) -> Response:
        """The runs in the run folder, finished and running, in one table. Send If-None-Match to be told of changes."""
        folder, batcher = runs_folder(settings), request.app.state.batcher
        rows = await asyncio.wrap_future(batcher.files.submit(runs.summaries, folder))
        return _tagged(request, {"folder": folder.name, "runs": rows})

    @router.get(
        "/runs/{name:path}",
        tags=["studies"],
        response_model=schemas.RunAnswer,
        responses=problems(*ALWAYS, "not-found"),
    )
    async def read_run(request: Request, name: str) -> Response:
        """One run: its learning curves, verdict, evaluations and recipe."""
        job = request.app.state.batcher.files.submit(runs.detail, runs_folder(settings), name)
        run = await asyncio.wrap_future(job)
        if run is None:
            raise Problem("not-found", "there is no run of that name; /v1/runs lists them")
        return _tagged(request, run)

    @router.get(
        "/compare", tags=["studies"], response_model=schemas.CompareAnswer, responses=problems(*ALWAYS, "not-found")
    )
    async def compare(
        request: Request,
        run: Annotated[list[str], Query(min_length=2, max_length=32, description="Names of two runs or more")],
    ) -> Response:
        """Runs against the first of them: differences in accuracy with intervals, where they saw the same images."""
        job = request.app.state.batcher.files.submit(compare_runs, runs_folder(settings), tuple(run))
        answer = await asyncio.wrap_future(job)
        if answer is None:
            raise Problem("not-found", "there is no run of one of these names; /v1/runs lists them")
        return _tagged(request, answer)


def in_reading_order(faces: Sequence[Face]) -> list[Face]:
    """Sort faces into lines, each from left to right: a face belongs to a line if its center is within the line's first
    face."""
    left = sorted(faces, key=lambda face: face.box[1] + face.box[3] / 2)
    ordered: list[Face] = []
    while left:
        _, top, _, height = left[0].box
        line = [face for face in left if face.box[1] + face.box[3] / 2 <= top + height]
        ordered += sorted(line, key=lambda face: face.box[0] + face.box[2] / 2)
        left = left[len(line) :]
    return ordered


def card(batcher: Batcher, settings: Settings) -> dict[str, Any]:
    """The answer of /v1/model."""
    model = batcher.reader.model
    metadata = model.metadata
    training = _object(metadata.get("training", ""))
    return {
        "name": model.name,
        "mien": __version__,
        "classes": list(model.classes),
        "colors": [color(name, i) for i, name in enumerate(model.classes)],
        "input_size": model.input_size,
        "parameters": int(metadata["parameters"]) if metadata.get("parameters", "").isdecimal() else None,
        "temperature": model.temperature,
        "flip": settings.flip,
        "license": metadata.get("license"),
        "accuracy": _number(training.get("validation_accuracy")),
        "training": training,
        "sha256": _sha256(model.path, model.path.stat().st_mtime_ns if model.path.exists() else 0),
        "limits": {"bytes": settings.max_bytes, "pixels": settings.max_pixels, "pictures": settings.max_pictures,
                   "faces": settings.max_faces, "seconds": settings.timeout,
                   "video_bytes": settings.max_video_bytes, "video_seconds": settings.max_video_seconds},
    }  # fmt: skip


def png(array: np.ndarray) -> str:
    """(H, W) or (H, W, 3) uint8 -> PNG in base64."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG", compress_level=1)
    return base64.b64encode(file.getvalue()).decode("ascii")


async def _set_when_left(request: Request, gone: threading.Event) -> None:
    """Set the event when the client disconnects. Its body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()


async def check_query(request: Request) -> None:
    """Raise Problem bad-request for an unknown or repeated name in the query."""
    known = {each.alias: each.field_info.annotation for each in request.scope["route"].dependant.query_params}
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            listed = f"it knows {', '.join(known)}" if known else "it takes none"
            raise Problem("bad-request", f"query: no parameter {name[:40]!r} here; {listed}")
        if names.count(name) > 1 and get_origin(known[name]) is not list:
            raise Problem("bad-request", f"query.{name}: given {names.count(name)} times; give it once")


def _problem(picture: Upload, error: MienError, pictures: Sequence[Upload], settings: Settings) -> dict[str, Any]:
    problem = Problem("unreadable-picture", unreadable(error, picture.data))
    if len(pictures) == 1:
        raise problem
    return problem.to_dict(settings.root_path)


def _json(value: dict[str, Any]) -> JSONResponse:
    return JSONResponse(value, headers={"Cache-Control": "no-store"})


def _tagged(request: Request, value: dict[str, Any]) -> Response:
    """The answer with an ETag: repeated requests get no content while nothing has changed."""
    body = json.dumps(runs.plain(value), allow_nan=False).encode()
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:20]}"', "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return runs.plain(value) if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


@lru_cache(maxsize=4)
def _sha256(path: Path, stamp: int) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
