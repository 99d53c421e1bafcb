"""HTTP connections with limits on time and number, as a subclass of uvicorn's h11 protocol, which has none.

A connection has limited seconds to send a request's headers and body, for the answer, and to receive the answer. If
there are too many connections, the one that has been idle or incomplete for longest is closed, so that clients who hold
connections open cannot block others.
"""

import asyncio
import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from mien.server.problems import KINDS, MEDIA_TYPE

KEEP_ALIVE = 15  # seconds that uvicorn keeps an idle connection open


@dataclass(frozen=True)
class Limits:
    """Times in seconds. connections: the most that may be open at once."""

    connections: int
    headers: float
    body: float
    answer: float
    taking: float


class Phase(Enum):
    """What a connection is waiting for."""

    IDLE = "the next request"
    HEADERS = "the rest of a request's headers"
    BODY = "the rest of a request's body"
    ANSWER = "the server"
    TAKING = "the client to take in the answer"


class BoundedProtocol(H11Protocol):
    """One connection. limits: shared by all; the other arguments are uvicorn's."""

    def __init__(self, *, limits: Limits, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.limits = limits
        self.phase = Phase.HEADERS
        self.since = 0.0  # start of the phase
        self.closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timed_cycle: object = None
        self._stalled = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin(Phase.HEADERS)
        others = [each for each in self.connections if isinstance(each, BoundedProtocol) and not each.closed]
        if len(others) > self.limits.connections:
            self._make_room(others)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._timer:
            self._timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = True
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled = False
        self._watch()

    def shutdown(self) -> None:
        stopping = self.app_state.get("stopping")
        if stopping is not None:
            stopping.set()
        super().shutdown()

    def _watch(self) -> None:
        """Start the timer of the connection's current phase, if it has just begun."""
        phase = self._current()
        if not self.closed and (phase is not self.phase or self.cycle is not self._timed_cycle):
            self._begin(phase)

    def _current(self) -> Phase:
        if self._stalled:
            return Phase.TAKING
        if self.cycle is not None and not self.cycle.response_complete:
            return Phase.BODY if self.cycle.more_body else Phase.ANSWER
        if self.cycle is not None and self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY
        return Phase.HEADERS if self.cycle is None or self.conn.trailing_data[0] else Phase.IDLE

    def _begin(self, phase: Phase) -> None:
        if self._timer:
            self._timer.cancel()
        self.phase, self.since, self._timed_cycle = phase, self.loop.time(), self.cycle
        seconds = {
            Phase.IDLE: KEEP_ALIVE + 5.0,
            Phase.HEADERS: self.limits.headers,
            Phase.BODY: self.limits.body + 2.0,  # the app answers 408 before
            Phase.ANSWER: self.limits.answer,
            Phase.TAKING: self.limits.taking,
        }[phase]
        self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self.phase is Phase.HEADERS and self.conn.trailing_data[0]:
            self._refuse("too-slow", f"the headers did not arrive within {self.limits.headers:g} s")
        self.drop()

    def drop(self) -> None:
        """Close the connection at once, discarding unsent data."""
        self.closed = True
        self.transport.abort()

    def _make_room(self, others: "list[BoundedProtocol]") -> None:
        """Close the connection that has waited longest for its client; if all wait for the server, close this new
        one."""
        order = (Phase.IDLE, Phase.HEADERS, Phase.TAKING, Phase.BODY)
        waiting = [each for each in others if each.phase in order and each is not self]
        if waiting:
            min(waiting, key=lambda each: (order.index(each.phase), each.since)).drop()
        else:
            self._refuse("busy", f"all {self.limits.connections} connections are in use")
            self.drop()

    def _refuse(self, kind: str, detail: str) -> None:
        """Answer with a problem before the app has received a request."""
        status, title, _ = KINDS[kind]
        body = json.dumps({"type": f"/docs#{kind}", "title": title, "status": status, "detail": detail}).encode()
        head = (
            f"HTTP/1.1 {status} {title}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
            "Retry-After: 1\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
