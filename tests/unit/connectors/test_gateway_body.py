"""What a body holds, by its media type; CloudEvents as the official package writes them."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.gateway.body import EVENT, EVENTS, JSON, JSON_LINES, candidates
from datacentre.web.problem import Problem

TAG = "dot__departures@1.0.0"
OWN: dict[str, Any] = {"flight_id": "KB140-2026-03-01", "passengers": 23}
RECORD = {"event_id": "e1", "source": "dot/airline", "event_time": "2026-03-01T10:00:00Z", "schema": TAG, **OWN}
ATTRIBUTES = {"specversion": "1.0", "id": "e1", "source": "dot/airline", "time": "2026-03-01T10:00:00Z", "type": TAG}


def read(kind: str, body: bytes, **headers: str) -> list[tuple[bytes, tuple[str, ...]]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [tuple(c) for c in candidates({"content-type": kind, **named}, body)]


def read_event(event: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    ((value, broken),) = read(EVENT, json.dumps(event).encode())
    return json.loads(value), broken


def refusal(kind: str, body: bytes, **headers: str) -> Problem:
    with pytest.raises(Problem) as told:
        read(kind, body, **headers)
    return told.value


def official(**attributes: Any) -> CloudEvent:
    return CloudEvent({"type": TAG, "time": datetime(2026, 3, 1, 10, tzinfo=UTC), **attributes}, OWN)


def test_records_keep_their_bytes() -> None:
    first, second = b'{"b": 1.0,\n "a":"\\u0041"}', b'{"a":12345678901234567890,"a":2}'
    assert read(JSON, b" " + first + b"\n") == [(first, ())]
    assert read(JSON, b"[" + first + b" , " + second + b"]") == [(first, ()), (second, ())]
    assert read(JSON_LINES, second + b"\r\n\n" + second) == [(second, ())] * 2


def test_a_broken_line_is_left_to_the_row_check() -> None:
    assert read(JSON_LINES, b'{"a":1}\n{"a"\n') == [(b'{"a":1}', ()), (b'{"a"', ())]


def test_a_structured_event_is_one_record() -> None:
    message = to_structured_event(official(id="e1", source="dot/airline"))
    assert [json.loads(v) for v, _ in read(message.headers["content-type"], message.body)] == [RECORD]


def test_a_binary_event_is_one_record() -> None:
    message = to_binary_event(official(id="é 1%", source="dot/airline", datacontenttype="application/json"))
    headers = {name.lower(): value for name, value in message.headers.items() if name.lower() != "content-type"}
    ((value, broken),) = read(JSON, message.body, **headers)
    assert (json.loads(value), broken) == ({**RECORD, "event_id": "é 1%"}, ())


def test_a_batch_keeps_its_order() -> None:
    events = [json.loads(to_structured_event(official(id=f"e{n}", source="dot")).body) for n in range(3)]
    values = [json.loads(value) for value, _ in read(EVENTS, json.dumps(events).encode())]
    assert [value["event_id"] for value in values] == ["e0", "e1", "e2"]


def test_dataschema_names_the_schema_before_type_does() -> None:
    for address in (TAG, f"http://127.0.0.1:18090/v1/schemas/{TAG}", "https://x/v1/schemas/dot__departures%401.0.0"):
        value, broken = read_event({**ATTRIBUTES, "type": "bt.dot.departed", "dataschema": address, "data": OWN})
        assert (value["schema"], broken) == (TAG, ())


def test_times_and_data_are_not_rewritten() -> None:
    data = b'{"passengers":1.50e1, "note":"\\u0041"}'
    envelope = json.dumps({**ATTRIBUTES, "time": "2026-03-01T10:00:00.123456789+06:00"}).encode()
    ((value, _),) = read(EVENT, envelope[:-1] + b',"data":' + data + b"}")
    assert value.endswith(data[1:])
    assert b'"2026-03-01T10:00:00.123456789+06:00"' in value


def test_an_attribute_that_is_not_there_is_not_invented() -> None:
    value, broken = read_event({"specversion": "1.0", "type": TAG, "source": "dot/airline", "data": OWN})
    assert (value, broken) == ({"source": "dot/airline", "schema": TAG, **OWN}, ())


def test_a_field_in_data_too_stands_twice_for_the_row_check_to_refuse() -> None:
    event = json.dumps({**ATTRIBUTES, "data": {"event_id": "e2"}}).encode()
    ((value, _),) = read(EVENT, event)
    assert value.count(b'"event_id"') == 2


def test_extensions_are_taken_and_left_out() -> None:
    value, broken = read_event({**ATTRIBUTES, "traceparent": "00-ab-cd-01", "subject": "KB140", "data": OWN})
    assert (value, broken) == (RECORD, ())


def test_base64_data_is_opened() -> None:
    encoded = base64.b64encode(json.dumps(OWN).encode()).decode()
    assert read_event({**ATTRIBUTES, "data_base64": encoded}) == (RECORD, ())


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"specversion": "0.3"}, "cloudevents.specversion"),
        ({"specversion": None}, "cloudevents.specversion"),
        ({"type": None, "dataschema": TAG}, "cloudevents.type"),
        ({"type": 5, "dataschema": TAG}, "cloudevents.type"),
        ({"subject": ""}, "cloudevents.subject"),
        ({"datacontenttype": "text/csv"}, "cloudevents.datacontenttype"),
        ({"Not_Lower": 1}, "cloudevents.extension_name"),
        ({"data": "text"}, "cloudevents.data"),
        ({"data": [OWN]}, "cloudevents.data"),
        ({"data": None}, "cloudevents.data"),
        ({"data_base64": "e30="}, "cloudevents.data_twice"),
        ({"data": None, "data_base64": "%"}, "cloudevents.data"),
    ],
)
def test_what_breaks_the_specification_is_named(changed: dict[str, Any], rule: str) -> None:
    assert read_event({**ATTRIBUTES, "data": OWN, **changed})[1] == (rule,)


@pytest.mark.parametrize("event", [b"5", b'"text"', b"[1]", b'{"id":"\xff"}'])
def test_what_is_no_event_goes_on_to_be_refused(event: bytes) -> None:
    assert read(EVENTS, b"[" + event + b"]") == [(event, ("cloudevents.unreadable",))]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/csv", b"{}", 415),
        ("", b"{}", 415),
        (f"{JSON}; charset=latin-1", b"{}", 415),
        (JSON, b"", 400),
        (JSON, b" \n", 400),
        (JSON, b"[]", 400),
        (JSON, b'{"a":1', 400),
        (JSON, b'{"a":1} {"a":2}', 400),
        (JSON, b"[" * 100_000, 400),
        (JSON_LINES, b"\n\n", 400),
        (EVENTS, b"{}", 400),
        (JSON, b"[" + b"1," * 1_000_001 + b"1]", 413),
    ],
)
def test_a_body_that_can_not_be_taken_apart_is_refused_whole(kind: str, body: bytes, status: int) -> None:
    assert refusal(kind, body).status == status


def test_a_compressed_body_is_refused() -> None:
    assert refusal(JSON, b"{}", content_encoding="gzip").headers == {"Accept-Encoding": "identity"}


def test_utf_8_may_be_named() -> None:
    assert read(f'{JSON}; charset="UTF-8"', b"{}") == [(b"{}", ())]


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=5))
def test_any_data_object_comes_through(data: dict[str, Any]) -> None:
    own = {name: value for name, value in data.items() if name not in RECORD}
    ((value, _),) = read(EVENT, msgspec.json.encode({**ATTRIBUTES, "data": own}))
    assert msgspec.json.decode(value) == {k: v for k, v in RECORD.items() if k not in OWN} | own
