"""The parts of HTTP that services share: the key of a request, answers, counting and logging."""

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datacentre.web.problem import MEDIA_TYPE, Problem

_WATCHED = ("/healthz", "/metrics")


def json_response(value: object, status: int = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def problem_response(problem: Problem) -> Response:
    return Response(msgspec.json.encode(problem.document()), problem.status, problem.headers, MEDIA_TYPE)


def key_text(request: Request) -> str:
    """The key of a request, from either header; empty when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


class Observed:
    """Logs each request by its route, never by its path, which may hold a case's key, and hands method, route and
    status to `count`.

    Who asked is what the route has put into `request.state.caller`. A mistake of ours is logged by its place alone:
    its message may hold a record's value.
    """

    def __init__(self, app: ASGIApp, log: logging.Logger, count: Callable[[str, str, int], None]):
        self._app, self._log, self._count = app, log, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as mistake:
            self._log.error("%s at %s", type(mistake).__name__, _places(mistake))
        self._note(scope, status, time.monotonic() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._count(scope["method"], route, status)
        caller = scope.get("state", {}).get("caller", "-")
        level = logging.DEBUG if route in _WATCHED else logging.INFO
        self._log.log(level, "%s %s %s by %s in %.0f ms", scope["method"], route, status, caller, seconds * 1000)


def _places(mistake: Exception) -> str:
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(mistake.__traceback__)[-3:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
