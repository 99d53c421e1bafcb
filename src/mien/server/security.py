"""Security middleware: which requests are accepted, security headers, and request counts."""

import hashlib
import hmac
import logging
import socket
import time
from ipaddress import ip_address
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.server.metrics import Metrics
from mien.server.problems import Problem, respond
from mien.server.settings import Settings

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class SecurityMiddleware:
    """ASGI middleware: normalizes the path under a prefix, rejects forbidden requests, adds headers, counts
    requests."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self._token = _digest(settings.token)
        name = socket.gethostname().lower()
        self._machine = (name, f"{name.partition('.')[0]}.local")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        root = self.settings.root_path
        # A proxy may strip the prefix or not: the app always sees it.
        if root and not (scope["path"] + "/").startswith(root + "/"):
            scope["path"] = root + scope["path"]
        scope["root_path"] = root
        began, status, counted = time.perf_counter(), 0, False

        def count() -> None:
            nonlocal counted
            if not counted:
                counted = True
                self.metrics.request(_route(scope, root), status or 500, time.perf_counter() - began)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if status == 401:
                    headers["WWW-Authenticate"] = "Bearer"
            elif not message.get("more_body", False):
                count()  # before sending, so that whoever has the answer can rely on the count
            await send(message)

        try:
            problem = self.reject_reason(scope)
            if problem:
                await respond(problem, root)(scope, receive, send_with_headers)
            else:
                await self.app(scope, receive, send_with_headers)
        except Exception:
            # The traceback goes to the log; the client only learns that the request was not at fault.
            logging.getLogger("uvicorn.error").exception("an error while answering %s", scope["method"])
            if status:
                raise  # part of the answer is sent: the connection must not look complete
            fault = Problem("failed", "an error in the server; its log has the details")
            await respond(fault, root)(scope, receive, send_with_headers)
        finally:
            count()

    def reject_reason(self, scope: Scope) -> Problem | None:
        """Why a request is rejected; None if it is accepted."""
        headers = Headers(scope=scope)
        if not self._is_own_name(_host(headers.get("host", ""))):
            # DNS rebinding: another site's page can point its own name at this machine.
            return Problem("not-allowed-here", "the name in Host is none of this server (its setting: allow_host)")
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and self._from_elsewhere(headers):
            return Problem("not-allowed-here", "pages of other origins may not ask (but for the setting: cors)")
        path = scope["path"].removeprefix(self.settings.root_path)
        if self.settings.token and is_guarded(path) and scope["method"] != "OPTIONS":
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(_digest(given.strip()), self._token):
                return Problem("no-token", "the Authorization header lacks the server's token, or has another")
        return None

    def _is_own_name(self, host: str) -> bool:
        """Whether a Host header may name this server.

        On a non-local address, accept any IP address, name without a dot and name of this machine: no other site's page
        can point those here. With a token, accept any name, because such a page would lack the token.
        """
        names = (*LOCAL_NAMES, self.settings.host.lower(), *(name.lower() for name in self.settings.hosts))
        if host in names or host.endswith(".localhost"):
            return True
        if self.settings.local:
            return False
        return (
            bool(self.settings.token) or _is_address(host) or (host != "" and "." not in host) or host in self._machine
        )

    def _from_elsewhere(self, headers: Headers) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self.settings.cors:
            return False
        if site:
            return site not in ("same-origin", "none")
        return origin is not None and not _same_origin(origin, headers.get("host", ""))


def is_guarded(path: str) -> bool:
    """Whether an address requires the token, if the server has one: all except pages, their files and health."""
    return path.startswith("/v1/") or path == "/metrics"


def _same_origin(origin: str, host: str) -> bool:
    """Whether a page's origin is the server named by Host: same name and same port.

    The scheme is not compared: behind a proxy that adds TLS, the server sees a different one.
    """
    scheme, mark, address = origin.lower().partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme)
    if not mark or default is None:
        return False
    return address.removesuffix(default) == host.lower().removesuffix(default)


def _host(text: str) -> str:
    """The name or address in "name:port" or "[address]:port"."""
    if text.startswith("["):
        return text[1:].partition("]")[0].lower()
    return text.partition(":")[0].lower().rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _digest(text: str) -> bytes:
    # Equal lengths, so that the comparison does not leak the token's length.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _route(scope: Scope, root: str) -> str:
    """The address as named in the metrics."""
    template: Any = getattr(scope.get("route"), "path", None)
    path = template if isinstance(template, str) else scope["path"].removeprefix(root)
    if path in ("/", "/docs", "/sample.jpg") or path.startswith("/static"):
        return "page"
    return path.replace("{name:path}", "{name}")
