"""A request's body as candidates, by its media type. Records stay byte by byte as they were sent."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from connectors.sources.gateway import cloud_events
from connectors.sources.gateway.candidate import Candidate
from datacentre.web.problem import Problem

T = TypeVar("T")

JSON = "application/json"
JSON_LINES = "application/x-ndjson"
EVENT = "application/cloudevents+json"
EVENTS = "application/cloudevents-batch+json"
MEDIA_TYPES = (JSON, JSON_LINES, EVENT, EVENTS)

# Each item of an array costs memory before it can be counted; an array has fewer items than commas.
_MOST_COMMAS = 1_000_000
_array = msgspec.json.Decoder(list[msgspec.Raw])
_value = msgspec.json.Decoder(msgspec.Raw)


def candidates(headers: Mapping[str, str], body: bytes) -> Sequence[Candidate]:
    """The records of a body; `headers` in lower case.

    Raises Problem: 415 for a media type that isn't taken, 400 for a body that can't be taken apart,
    413 for one with far too many values.
    """
    kind = _media_type(headers)
    if not body.strip():
        raise Problem(400, "empty", "the body is empty; send at least one record")
    if kind == JSON_LINES:
        return [Candidate(line.strip()) for line in body.split(b"\n") if line.strip()]
    if kind == EVENTS:
        return [cloud_events.from_structured(event) for event in _items(body)]
    if kind == EVENT:
        return [cloud_events.from_structured(_whole(body))]
    if cloud_events.has_binary_headers(headers):
        return [cloud_events.from_binary(headers, _whole(body))]
    if body.lstrip().startswith(b"["):
        return [Candidate(record) for record in _items(body)]
    return [Candidate(_whole(body))]


def _media_type(headers: Mapping[str, str]) -> str:
    kind, *parameters = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    charsets = {p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")}
    encoding = headers.get("content-encoding", "identity").lower()
    if kind not in MEDIA_TYPES or not charsets <= {"utf-8", "utf8"}:
        raise Problem(
            415,
            "media-type",
            f"send one of {', '.join(MEDIA_TYPES)}, in UTF-8",
            {"Accept-Post": ", ".join(MEDIA_TYPES)},
        )
    if encoding != "identity":
        raise Problem(415, "content-encoding", "send the body uncompressed", {"Accept-Encoding": "identity"})
    return kind


def _items(body: bytes) -> list[bytes]:
    if body.count(b",") > _MOST_COMMAS:
        raise Problem(413, "too-large", f"the body holds more than {_MOST_COMMAS} values; send it in parts")
    items = [bytes(item) for item in _decoded(_array, body)]
    if not items:
        raise Problem(400, "empty", "the array is empty; send at least one record")
    return items


def _whole(body: bytes) -> bytes:
    _decoded(_value, body)
    return body.strip()


def _decoded(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise Problem(400, "not-an-array", "this media type takes a JSON array") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Problem(400, "not-json", f"the body can't be read: {problem}") from None
    except RecursionError:
        raise Problem(400, "not-json", "the body can't be read: it is nested too deep") from None
