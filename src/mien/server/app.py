"""The FastAPI app of `mien serve`: routes, page and lifespan."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

from mien import __version__
from mien.inference.reader import Reader
from mien.server import api, problems, schemas
from mien.server.batcher import Batcher
from mien.server.metrics import Metrics
from mien.server.security import SecurityMiddleware, is_guarded
from mien.server.settings import VARIABLE, Settings, check, from_json
from mien.server.upload import Intake

STATIC = Path(__file__).parent / "static"
SAMPLE = Path(__file__).parents[1] / "inference" / "sample" / "astronaut.jpg"
ABOUT = (
    "Faces and their emotions, read on this machine. Pictures are worked on in memory, and neither stored nor logged. "
    "Errors are problem details (RFC 9457)."
)
BODIES = 8  # limit of request bodies in memory, as a multiple of the largest request
REVALIDATE = {"Cache-Control": "no-cache"}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The server as an ASGI app. Opens its model on startup.

    Raises MienError for invalid settings.
    """
    settings = check(settings or Settings())
    metrics = Metrics(Path(settings.metrics) if settings.metrics else None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        app.state.batcher = batcher = Batcher(open_reader(settings), settings, metrics)
        app.state.intake = Intake(BODIES * settings.max_bytes + 2 * settings.max_video_bytes, metrics)
        # Warm up: the first picture takes longest.
        await asyncio.wrap_future(batcher.pool.submit(batcher.warm_up, SAMPLE.read_bytes()))
        try:
            yield {"stopping": batcher.stopping}
        finally:
            batcher.close()

    app = FastAPI(
        title="mien", version=__version__, description=ABOUT, lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url="/openapi.json", redirect_slashes=False,
    )  # fmt: skip
    problems.install(app, settings.root_path)
    app.include_router(api.routes(settings))
    _add_server_routes(app, metrics)
    _add_pages(app)
    app.add_middleware(SecurityMiddleware, settings=settings, metrics=metrics)
    if settings.cors:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.cors), allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"], expose_headers=["Retry-After"],
        )  # fmt: skip
    app.openapi = lambda: app.openapi_schema or _openapi(app, settings)  # type: ignore[method-assign]
    return app


def from_environment() -> FastAPI:
    """The app in a worker process, with settings from an environment variable."""
    return create_app(from_json(os.environ.get(VARIABLE, "{}")))


def open_reader(settings: Settings) -> Reader:
    """The reader for these settings. Raises MienError for a model that cannot be opened."""
    return Reader(settings.model, flip=settings.flip, max_pixels=settings.max_pixels)


def _add_server_routes(app: FastAPI, metrics: Metrics) -> None:
    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", tags=["server"], response_model=schemas.Health)
    async def healthz() -> Response:
        """Whether the process lives."""
        return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})

    @app.head("/readyz", include_in_schema=False)
    @app.get("/readyz", tags=["server"], response_model=schemas.Health, responses=api.problems("busy", "not-ready"))
    async def readyz(request: Request) -> Response:
        """Whether the next picture would be taken: the model is there, and a place is free."""
        batcher: Batcher | None = getattr(request.app.state, "batcher", None)
        if batcher is None or batcher.stopping.is_set():
            raise problems.Problem("not-ready", "the server is starting or stopping", {"Retry-After": "2"})
        if batcher.inside >= batcher.settings.max_concurrent:
            wait = str(batcher.retry_after())
            raise problems.Problem("busy", "all places are taken", {"Retry-After": wait})
        return JSONResponse({"status": "ready"}, headers={"Cache-Control": "no-store"})

    @app.get("/metrics", tags=["server"], response_class=PlainTextResponse, responses=api.problems("no-token"))
    async def show_metrics() -> Response:
        """Counters in Prometheus' text format, of all workers together."""
        return PlainTextResponse(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_pages(app: FastAPI) -> None:
    def add(path: str, file: Path, media_type: str) -> None:
        @app.api_route(path, methods=["GET", "HEAD"], include_in_schema=False)
        async def page() -> Response:
            return FileResponse(file, media_type=media_type, headers=REVALIDATE)

    add("/", STATIC / "index.html", "text/html; charset=utf-8")
    add("/docs", STATIC / "docs.html", "text/html; charset=utf-8")
    add("/favicon.ico", STATIC / "icon.svg", "image/svg+xml")
    add("/sample.jpg", SAMPLE, "image/jpeg")
    app.mount("/static", _Static(directory=STATIC), name="static")


class _Static(StaticFiles):
    """Static files that browsers revalidate."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update(REVALIDATE)
        return response


def _openapi(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document: FastAPI's, plus problems, the model's classes, and the token if there is one."""
    from fastapi.openapi.utils import get_openapi

    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document["components"]["schemas"]
    components["Problem"] = schemas.Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    for operation in (each for path in document["paths"].values() for each in path.values()):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]  # FastAPI's default; here such a request is answered 400
    emotion = document["paths"]["/v1/explain"]["post"]["parameters"][0]["schema"]
    emotion["enum"] = ["", *app.state.batcher.reader.model.classes]
    if settings.token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            if is_guarded(path):
                for operation in operations.values():
                    operation["security"] = [{"token": []}]
    if settings.root_path:
        document["servers"] = [{"url": settings.root_path}]
    # Kinds of problems, for the page that documents them.
    document["x-problems"] = {
        kind: {"status": status, "title": title, "about": about}
        for kind, (status, title, about) in problems.KINDS.items()
    }
    app.openapi_schema = document
    return document
