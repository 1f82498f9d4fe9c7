"""The service's routes, and what each refusal looks like."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, Counter, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from datacentre.errors import AccessDenied, CheckFailed, ContractError, DataCentreError, SourceUnavailable
from datacentre.web.http import Observed, json_response, problem_response
from datacentre.web.problem import Problem
from sharing.access_log.entry import Read
from sharing.api.desk import Desk, blank_read
from sharing.api.marts import mart_routes
from sharing.api.persons import person_routes
from sharing.api.streams import stream_routes
from sharing.cursor import InvalidCursor
from sharing.lookup import NotANumber
from sharing.permission import Permission
from sharing.release_rows import ReleaseGone

log = logging.getLogger("datacentre.serve")
_AGAIN = {"Retry-After": "5"}


@dataclass(frozen=True)
class _CatalogueAnswer:
    document: dict[str, Any]
    read: Read


def create_app(desk: Desk) -> ASGIApp:
    """The application over a desk, whose log stays the caller's to close."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        desk.shelves.lookup.persons.close()

    app = FastAPI(title="The common data centre", version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    _add_catalogue(app, desk)
    for routes in (mart_routes, stream_routes, person_routes):
        app.include_router(routes(desk))
    registry = CollectorRegistry()
    requests = Counter("datacentre_serve_requests", "Answered", ("method", "route", "status"), registry=registry)
    _add_watch(app, registry)
    for kind in (Problem, DataCentreError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, lambda request, failure: problem_response(_problem(failure)))
    return Observed(app, log, lambda *labels: requests.labels(*labels).inc())


def _add_catalogue(app: FastAPI, desk: Desk) -> None:
    @app.get("/v1/catalogue")
    async def catalogue(request: Request) -> Response:
        asker = desk.asker(request)

        async def read(permission: Permission) -> _CatalogueAnswer:
            return _CatalogueAnswer(*await run_in_threadpool(desk.shelves.catalogue.of, permission))

        return json_response((await desk.answered(asker, blank_read(asker, "catalogue", ""), read)).document)


def _add_watch(app: FastAPI, registry: CollectorRegistry) -> None:
    @app.get("/healthz")
    async def health() -> Response:
        return json_response({"serve": "ok"})

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")


def _problem(failure: Exception) -> Problem:
    match failure:
        case Problem():
            return failure
        case ReleaseGone():
            return Problem(410, "release-gone", str(failure))
        case AccessDenied():
            return Problem(403, "denied", str(failure))
        case InvalidCursor():
            return Problem(400, "cursor", str(failure))
        case NotANumber():
            return Problem(400, "cid", str(failure))
        case SourceUnavailable():
            return Problem(503, "unavailable", str(failure), _AGAIN)
        case CheckFailed() | ContractError():
            log.error("%s", failure)
            return Problem(503, "held-back", "the centre can't answer safely now; its engineers are told", _AGAIN)
        case HTTPException():
            return Problem(failure.status_code, "http", str(failure.detail), failure.headers)
        case RequestValidationError():
            named = ", ".join(str(error["loc"][-1]) for error in failure.errors())
            return Problem(400, "parameter", f"can't be read: {named}")
        case _:
            return Problem(500, "mistake", "the service failed on this request; it is logged, try again later")
