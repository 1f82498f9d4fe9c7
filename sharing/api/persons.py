"""Lookups and prefilled forms over HTTP. A number comes in a body: an address would be kept by proxies."""

import asyncio
from dataclasses import asdict

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from datacentre.web.http import json_response
from datacentre.web.problem import Problem
from sharing.api.desk import Asker, Desk, blank_read
from sharing.forms import PrefillAnswer, PrefilledField
from sharing.lookup import Known, LookupAnswer, NotANumber
from sharing.permission import Permission

_MOST_BYTES = 4_096
_BODY_SECONDS = 10.0


class _Question(msgspec.Struct):
    cid: str


_question = msgspec.json.Decoder(_Question)


def person_routes(desk: Desk) -> APIRouter:
    routes = APIRouter()
    shelves = desk.shelves

    @routes.post("/v1/persons/lookup")
    async def lookup(request: Request) -> Response:
        asker = desk.asker(request)
        person_key = await _person(desk, asker, request, "lookup", "person")

        async def read(permission: Permission) -> LookupAnswer:
            return shelves.lookup.answer(permission, person_key)

        answer = await desk.answered(asker, blank_read(asker, "lookup", "person", person_key), read)
        return json_response({"purpose": asker.purpose, "attributes": list(map(_shown, answer.attributes))})

    @routes.post("/v1/forms/{form}/prefill")
    async def fill(form: str, request: Request) -> Response:
        asker = desk.asker(request)
        person_key = await _person(desk, asker, request, "prefill", form)

        async def read(permission: Permission) -> PrefillAnswer:
            return shelves.prefill(permission, form, person_key)

        answer = await desk.answered(asker, blank_read(asker, "prefill", form, person_key), read)
        return json_response({"form": answer.form.id, "fields": list(map(_shown_field, answer.fields))})

    return routes


async def _person(desk: Desk, asker: Asker, request: Request, action: str, dataset: str) -> str:
    """The pseudonym of the number in the body; a body that holds none is logged as refused."""
    refusal: Problem | NotANumber
    try:
        return desk.shelves.lookup.person_key(_question.decode(await _body(request)).cid)
    except (msgspec.DecodeError, UnicodeDecodeError):
        refusal = Problem(400, "question", 'send a JSON object such as {"cid": "11 digits"}')
    except (NotANumber, Problem) as problem:
        refusal = problem
    raise await desk.refused(blank_read(asker, action, dataset), refusal)


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise Problem(413, "too-large", f"a question has up to {_MOST_BYTES} bytes")
    except TimeoutError:
        raise Problem(408, "too-slow", f"the question was not there after {_BODY_SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise Problem(400, "cut-off", "the connection ended before the question did") from None
    return body


def _shown(known: Known) -> dict[str, object]:
    """Without what isn't held."""
    return {name: value for name, value in asdict(known).items() if value is not None}


def _shown_field(field: PrefilledField) -> dict[str, object]:
    shown: dict[str, object] = {"name": field.name, "title": field.title, "state": field.state}
    return shown | ({} if field.known is None else _shown(field.known))
