"""The gateway's routes."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from connectors.sources.gateway.body import MEDIA_TYPES, candidates
from connectors.sources.gateway.gateway import Gateway, Receipt
from connectors.sources.gateway.request_body import read_body
from datacentre.contracts import Contract
from datacentre.contracts.json_schema import json_schema
from datacentre.web.http import Observed, json_response, key_text, problem_response
from datacentre.web.problem import Problem

log = logging.getLogger("datacentre.gateway")
_ANY_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {kind: {"schema": {}} for kind in MEDIA_TYPES}},
    "responses": {
        "202": {"description": "Kafka has acknowledged the records"},
        "422": {"description": "Records break their contract; nothing was sent"},
        "429": {"description": "The gateway holds all it can; send again after Retry-After"},
        "503": {"description": "Kafka did not acknowledge all; send again after Retry-After"},
    },
}


def create_app(gateway: Gateway) -> ASGIApp:
    """The application over a gateway; closes its checks, not its delivery, when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        gateway.close()

    app = FastAPI(title="Push gateway", version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    _add_records(app, gateway)
    _add_catalogue(app, gateway)
    _add_watch(app, gateway)
    for kind in (Problem, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, lambda request, failure: problem_response(_problem(failure)))
    return Observed(app, log, gateway.metrics.count)


def _add_records(app: FastAPI, gateway: Gateway) -> None:
    limits = gateway.in_flight.limits

    @app.post("/v1/streams/{stream}/records", status_code=202, openapi_extra=_ANY_BODY)
    async def push(stream: str, request: Request, partial: bool = False) -> Response:
        contract = _writable(gateway, request, stream)
        with gateway.in_flight.admitted() as share:
            body = await read_body(request, share, limits.body_bytes, limits.body_seconds)
            receipt = await gateway.push(contract, candidates(dict(request.headers), body), share, partial)
        return json_response(receipt, 202)

    @app.delete("/v1/streams/{stream}/records/{key:path}", status_code=202)
    async def delete(stream: str, key: str, request: Request) -> Response:
        contract = _writable(gateway, request, stream)
        with gateway.in_flight.admitted():
            receipt: Receipt = await gateway.delete(contract, key)
        return json_response(receipt, 202)


def _add_catalogue(app: FastAPI, gateway: Gateway) -> None:
    versions = (version for c in gateway.contracts.values() for version in (c, *c.earlier))
    by_tag = {version.schema_tag: version for version in versions}

    @app.get("/v1/streams")
    async def streams(request: Request) -> Response:
        holder = gateway.holder(key_text(request))
        mine = [gateway.contracts[s] for s in holder.streams if s in gateway.contracts]
        return json_response({"agency": holder.agency, "streams": [_entry(request, c) for c in mine]})

    @app.get("/v1/schemas/{tag}")
    async def schema(tag: str) -> Response:
        if tag not in by_tag:
            raise Problem(404, "no-such-schema", f"no schema {tag[:80]!r}; there are {', '.join(by_tag)}")
        return json_response(json_schema(by_tag[tag]))


def _add_watch(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/healthz")
    async def health() -> Response:
        is_there = await run_in_threadpool(gateway.is_kafka_there)
        return json_response({"gateway": "ok", "kafka": "ok" if is_there else "no answer"}, 200 if is_there else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(gateway.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _writable(gateway: Gateway, request: Request, stream: str) -> Contract:
    holder = gateway.holder(key_text(request))
    request.state.caller = f"{holder.agency}/{holder.id}"
    return gateway.writable(holder, stream)


def _entry(request: Request, contract: Contract) -> dict[str, object]:
    return {
        "stream": contract.key,
        "title": contract.title,
        "schema": contract.schema_tag,
        "json_schema": str(request.url_for("schema", tag=contract.schema_tag)),
        "records": str(request.url_for("push", stream=contract.key)),
        "key": contract.kafka_key,
        "deletes_by_key": contract.deletes_by_key,
    }


def _problem(failure: Exception) -> Problem:
    match failure:
        case Problem():
            return failure
        case HTTPException():
            return Problem(failure.status_code, "http", str(failure.detail), failure.headers)
        case RequestValidationError():
            return Problem(400, "parameter", "a query parameter can't be read; `partial` is true or false")
        case _:
            return Problem(500, "mistake", "the gateway failed on this request; it is logged, try again later")
