"""The parts of HTTP that routes share: the key, the body, problem documents, counting and logging."""

import asyncio
import logging
import time
import traceback
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.sources.gateway.in_flight import Share
from connectors.sources.gateway.metrics import Metrics
from connectors.sources.gateway.problem import MEDIA_TYPE, Problem

log = logging.getLogger("datacentre.gateway")
_WATCHED = ("/healthz", "/metrics")


def json_response(value: object, status: int = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def problem_response(problem: Problem) -> Response:
    return Response(msgspec.json.encode(problem.document()), problem.status, problem.headers, MEDIA_TYPE)


def key_text(request: Request) -> str:
    """The key of a request, from either header; empty when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


async def read_body(request: Request, share: Share, most: int, seconds: float) -> bytes:
    """The whole body, held in the share as it comes. Raises Problem: 413, 429, 408, or 400 when it ends early."""
    announced = request.headers.get("content-length", "0")
    size = int(announced) if announced.isdecimal() else 0
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(seconds):
            _hold(share, size, most)
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                _hold(share, size, most)
                chunks.append(chunk)
    except TimeoutError:
        raise Problem(408, "too-slow", f"the body was not there after {seconds:.0f} s; send less at once") from None
    except ClientDisconnect:
        raise Problem(400, "cut-off", "the connection ended before the body did") from None
    return b"".join(chunks)


def _hold(share: Share, size: int, most: int) -> None:
    if size > most:
        raise Problem(413, "too-large", f"a body holds up to {most} bytes; send the records in parts")
    share.hold(size=size)


class Observed:
    """Counts and logs each request by its route, never by its path: a path may hold a case's key.

    A mistake of ours is logged by its place alone: its message may hold a record's value.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app, self._metrics = app, metrics

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
            log.error("%s at %s", type(mistake).__name__, _places(mistake))
        self._note(scope, status, time.monotonic() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.requests.labels(scope["method"], route, status).inc()
        agency = scope.get("state", {}).get("agency", "-")
        level = logging.DEBUG if route in _WATCHED else logging.INFO
        log.log(level, "%s %s %s by %s in %.0f ms", scope["method"], route, status, agency, seconds * 1000)


def _places(mistake: Exception) -> str:
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(mistake.__traceback__)[-3:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
