"""Rows of marts over HTTP."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from datacentre.web.http import json_response
from datacentre.web.problem import Problem
from sharing.api.desk import Desk, blank_read
from sharing.api.pieces import rows_response
from sharing.formats import MEDIA_TYPES, records
from sharing.mart_reader import MartAnswer, RowRequest
from sharing.permission import Permission

JSON_ROWS = 1_000
MOST_JSON_ROWS = 50_000


def mart_routes(desk: Desk) -> APIRouter:
    routes = APIRouter()

    @routes.get("/v1/marts/{mart}/rows")
    async def rows(
        mart: str,
        request: Request,
        columns: str = "",
        limit: int | None = None,
        after: str = "",
        format: str = "json",
    ) -> Response:
        asker = desk.asker(request)

        async def read(permission: Permission) -> MartAnswer:
            wanted = RowRequest(tuple(filter(None, columns.split(","))), _limit(limit, checked_form(format)), after)
            return await run_in_threadpool(desk.shelves.marts.read, permission, mart, wanted)

        answer = await desk.answered(asker, blank_read(asker, "rows", mart), read)
        if format == "json":
            return json_response(await run_in_threadpool(_document, answer))
        headers = {"X-Release": str(answer.release)} | ({"X-Next": answer.following} if answer.following else {})
        batches = answer.mart.batches(answer.start, answer.stop)
        return rows_response(answer.mart.schema, batches, format, headers)

    return routes


def checked_form(form: str) -> str:
    if form not in MEDIA_TYPES:
        raise Problem(400, "format", f"format is one of {', '.join(MEDIA_TYPES)}")
    return form


def _limit(limit: int | None, form: str) -> int | None:
    """JSON comes by pages; the other forms whole where no limit is named."""
    if limit is not None and limit < 1:
        raise Problem(400, "limit", "limit is a whole number from 1 on")
    return min(limit or JSON_ROWS, MOST_JSON_ROWS) if form == "json" else limit


def _document(answer: MartAnswer) -> dict[str, object]:
    return {
        "release": answer.release,
        "rows": records(answer.mart.batches(answer.start, answer.stop)),
        "next": answer.following or None,
    }
