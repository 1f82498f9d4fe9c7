"""CloudEvents 1.0 to records: id, source, time and dataschema (else type) are the four bookkeeping fields.

Specification: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md. The package's own reader
isn't used: it invents a missing id or time, rewrites times and keeps one of two equal names. Its rules for
attributes are.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec
from cloudevents.core.bindings.http import CE_PREFIX
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.v1.event import OPTIONAL_ATTRIBUTES, REQUIRED_ATTRIBUTES, CloudEvent

from connectors.sources.gateway.candidate import Candidate
from datacentre.web.problem import Problem

_ATTRIBUTES = frozenset([*REQUIRED_ATTRIBUTES, *OPTIONAL_ATTRIBUTES])
_JSON = re.compile(r"(application|text)/([a-z0-9.-]+\+)?json\s*(;.*)?", re.IGNORECASE)
# The row check judges these three, under the record's own names.
_JUDGED_AS_FIELDS = {"id": "-", "source": "-", "time": datetime(2000, 1, 1, tzinfo=UTC)}
_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])


def has_binary_headers(headers: Mapping[str, str]) -> bool:
    """Whether a request with these (lower case) headers is an event in binary mode."""
    return any(name.startswith(CE_PREFIX) for name in headers)


def from_structured(event: bytes) -> Candidate:
    """The record of one event in the JSON format; what can't be read as an event goes on as it is, to be refused."""
    try:
        members = {name: value for name, value in _envelope.decode(event).items() if bytes(value) != b"null"}
        data, encoded = members.pop("data", None), members.pop("data_base64", None)
        attributes = {name: msgspec.json.decode(value) for name, value in members.items()}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Candidate(event, ("cloudevents.unreadable",))
    if encoded is None:
        return _record(attributes, None if data is None else bytes(data), ())
    return _record(attributes, _decoded(encoded), ("cloudevents.data_twice",) if data is not None else ())


def from_binary(headers: Mapping[str, str], data: bytes) -> Candidate:
    """The record of an event whose attributes stand in `ce-` headers; raises Problem (400) for bad escapes."""
    try:
        attributes: dict[str, object] = {
            name.removeprefix(CE_PREFIX): _header_value(value)
            for name, value in headers.items()
            if name.startswith(CE_PREFIX)
        }
    except UnicodeDecodeError:
        raise Problem(400, "not-cloudevents", "a ce- header isn't percent-encoded UTF-8") from None
    return _record(attributes, data, ())


def _header_value(value: str) -> str:
    """HTTP binding 1.0.2, 3.1.3.2: quoted strings are opened first, then percent escapes."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return unquote(value, errors="strict")


def _decoded(encoded: msgspec.Raw) -> bytes | None:
    try:
        return base64.b64decode(msgspec.json.decode(encoded, type=str), validate=True)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None


def _record(attributes: Mapping[str, object], data: bytes | None, broken: tuple[str, ...]) -> Candidate:
    fields = {
        "event_id": attributes.get("id"),
        "source": attributes.get("source"),
        "event_time": attributes.get("time"),
        "schema": _schema(attributes),
    }
    is_object = data is not None and data.strip().startswith(b"{")
    broken += () if is_object else ("cloudevents.data",)
    value = _joined({k: v for k, v in fields.items() if v is not None}, data if data and is_object else b"{}")
    return Candidate(value, (*broken, *_broken_attributes(attributes)))


def _schema(attributes: Mapping[str, object]) -> object:
    """`key@version`: the last part of dataschema, which may be the schema's address; without it, type."""
    address = attributes.get("dataschema")
    return unquote(address.rpartition("/")[2]) if isinstance(address, str) else attributes.get("type")


def _joined(fields: Mapping[str, object], data: bytes) -> bytes:
    """One object of both, the data byte by byte; a name in both stands twice, which the row check refuses."""
    head, rest = msgspec.json.encode(fields)[:-1], data.strip()[1:].lstrip()
    return head + (b"" if rest.startswith(b"}") or not fields else b",") + rest


def _broken_attributes(attributes: Mapping[str, object]) -> tuple[str, ...]:
    kind = attributes.get("datacontenttype", "application/json")
    broken = {"datacontenttype"} if not isinstance(kind, str) or not _JSON.fullmatch(kind) else set()
    try:
        CloudEvent({"specversion": None, **attributes, **_JUDGED_AS_FIELDS})
    except CloudEventValidationError as problem:
        broken |= {name if name in _ATTRIBUTES else "extension_name" for name in problem.errors}
    return tuple(f"cloudevents.{name}" for name in sorted(broken))
