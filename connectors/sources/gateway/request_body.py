"""Reads a request's body as it comes, within what the gateway may hold."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from connectors.sources.gateway.in_flight import Share
from datacentre.web.problem import Problem


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
