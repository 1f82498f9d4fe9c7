"""Extracts of streams over HTTP."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from datacentre.web.http import json_response
from datacentre.web.problem import Problem
from sharing.api.desk import Desk, blank_read
from sharing.api.marts import checked_form
from sharing.api.pieces import rows_response
from sharing.formats import records
from sharing.permission import Permission
from sharing.stream_reader import StreamAnswer

ROWS = 1_000
MOST_ROWS = 20_000


def stream_routes(desk: Desk) -> APIRouter:
    routes = APIRouter()

    @routes.get("/v1/streams/{stream}/extract")
    async def extract(
        stream: str, request: Request, cursor: str = "", limit: int = ROWS, format: str = "json"
    ) -> Response:
        asker = desk.asker(request)

        async def read(permission: Permission) -> StreamAnswer:
            if checked_form(format) and limit < 1:
                raise Problem(400, "limit", "limit is a whole number from 1 on")
            most = min(limit, MOST_ROWS)
            return await run_in_threadpool(desk.shelves.read_stream, permission, stream, cursor, most)

        answer = await desk.answered(asker, blank_read(asker, "extract", stream), read)
        if format == "json":
            rows = records(answer.rows.to_batches())
            return json_response({"rows": rows, "cursor": answer.cursor, "has_more": answer.has_more})
        headers = {"X-Cursor": answer.cursor, "X-Has-More": str(answer.has_more).lower()}
        return rows_response(answer.rows.schema, answer.rows.to_batches(), format, headers)

    return routes
