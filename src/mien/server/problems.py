"""Error responses: problem details by RFC 9457, one short object, never a traceback."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"

# slug -> (status, title, what the docs page says of it); a problem's type is the address of its entry there.
KINDS: dict[str, tuple[int, str, str]] = {
    "bad-request": (400, "The request cannot be understood", "Its parts, its query or its body are not as documented."),
    "no-token": (401, "A token is needed", "Send the server's token as Authorization: Bearer TOKEN."),
    "not-allowed-here": (403, "Not allowed from here", "A page or name that the server does not answer."),
    "not-found": (404, "There is nothing here", "No such address, or no run of that name."),
    "wrong-method": (405, "Wrong method", "The address exists, but not for this method; the Allow header says which."),
    "too-slow": (408, "The request came too slowly", "Its headers or its body did not arrive within the time limit."),
    "too-large": (413, "The request is too large", "Its body has more bytes than the server takes at once."),
    "wrong-type": (415, "Wrong type of body", "Send image/... or multipart/form-data; videos to /v1/videos."),
    "unreadable-picture": (422, "Not a readable picture", "Damaged, cut short, empty, too large, or no known format."),
    "unreadable-video": (422, "Not a readable video", "Damaged, cut short, empty, of an unknown codec, or too large."),
    "too-many-faces": (422, "Too many faces", "The picture shows more faces than the server reads in one."),
    "failed": (500, "Something went wrong", "A fault of the server, told in its log; the request was not at fault."),
    "busy": (503, "The server is busy", "Its queue is full; try again after the seconds in Retry-After."),
    "took-too-long": (503, "It took too long", "No answer within the time limit; send less, or try later."),
    "not-ready": (503, "Not ready", "The server is starting or stopping."),
}  # fmt: skip

_BY_STATUS = {400: "bad-request", 401: "no-token", 403: "not-allowed-here", 404: "not-found", 405: "wrong-method",
              408: "too-slow", 413: "too-large", 415: "wrong-type", 500: "failed", 503: "busy"}  # fmt: skip


class Problem(Exception):
    """An error of a request or of the server. kind: a key of KINDS."""

    def __init__(self, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers = kind, detail, dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind][0]

    def to_dict(self, root_path: str = "") -> dict[str, Any]:
        """The problem object of RFC 9457."""
        status, title, _ = KINDS[self.kind]
        return {"type": f"{root_path}/docs#{self.kind}", "title": title, "status": status, "detail": self.detail}


def respond(problem: Problem, root_path: str = "") -> JSONResponse:
    """The problem as an HTTP response."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    return JSONResponse(problem.to_dict(root_path), problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI, root_path: str) -> None:
    """Turn errors of routes into problem responses; errors of the server itself are handled by SecurityMiddleware."""

    def of_problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return respond(error, root_path)

    def of_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        kind = _BY_STATUS.get(error.status_code, "failed" if error.status_code >= 500 else "bad-request")
        allowed = (error.headers or {}).get("Allow", "other methods")
        detail = {
            404: f"there is nothing at {_shown(request.url.path)}; the addresses are listed at {root_path}/docs",
            405: f"{request.method} is not for {_shown(request.url.path)}; it takes {allowed}",
        }.get(error.status_code, str(error.detail) or HTTPStatus(error.status_code).phrase)
        return respond(Problem(kind, detail, error.headers), root_path)

    def of_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0] if error.errors() else {"loc": ("request",), "msg": "not as documented"}
        where = ".".join(str(part) for part in first["loc"])
        return respond(Problem("bad-request", f"{where}: {first['msg']}"), root_path)

    app.add_exception_handler(Problem, of_problem)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)


def _shown(path: str) -> str:
    """A path, safe to quote in an error."""
    clean = "".join(c if c.isprintable() else "?" for c in path)
    return clean if len(clean) <= 80 else clean[:77] + "..."
