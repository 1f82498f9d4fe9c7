"""Where a record goes and which rules it broke, told by its bytes."""

import hashlib
import hmac
import json
from typing import Any

import pyarrow as pa
import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.split import Split, Splitter
from datacentre.contracts import Contract
from datacentre.pseudonym import PseudonymKey

KEY = PseudonymKey("k1", b"s" * 32)
RECEIVED_MS = 1_780_000_000_000  # 2026-05-28
VISIT = b"JDW-000001"
STREAM = "jdwnrh__hospital_visit"


@pytest.fixture(scope="module")
def visit(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


@pytest.fixture(scope="module")
def splitter(visit: Contract) -> Splitter:
    return Splitter(visit, KEY)


def record(contract: Contract, **changed: Any) -> bytes:
    """A good booking with some fields changed; `...` leaves one out."""
    fields = {
        "event_id": "e1",
        "source": "jdwnrh/his",
        "event_time": "2026-03-01T10:00:00+06:00",
        "schema": contract.schema_tag,
        "visit_id": VISIT.decode(),
        "event": "booked",
        "cid": "10000000005",
        "department_code": "OPD-MED",
        "slot_date": "2026-03-05",
        "slot_minutes": 15,
        "age_years": 44,
    } | changed
    return json.dumps({k: v for k, v in fields.items() if v is not ...}).encode()


def split(splitter: Splitter, *messages: tuple[bytes | None, bytes | None]) -> Split:
    batch = Batch()
    batch.add(Chunk.of(STREAM, ((0, offset, RECEIVED_MS, *message) for offset, message in enumerate(messages))))
    return splitter.split(batch.table())


def broken(splitter: Splitter, value: bytes | None, key: bytes | None = VISIT) -> list[str]:
    """The rules one message broke; empty when it landed."""
    parts = split(splitter, (key, value))
    assert parts.landed.num_rows + parts.quarantine.num_rows == 1
    return [] if parts.landed.num_rows else parts.quarantine["broken_rules"][0].as_py()


def test_a_good_record_lands_typed(splitter: Splitter, visit: Contract) -> None:
    row = split(splitter, (VISIT, record(visit))).landed.to_pylist()[0]
    assert row["event_time"].isoformat() == "2026-03-01T04:00:00+00:00"
    assert row["event_date"].isoformat() == "2026-03-01"
    assert (row["age_years"], row["schema_version"], row["record_key"]) == (44, "1.0.0", "JDW-000001")


def test_identifiers_go_to_the_vault_alone(splitter: Splitter, visit: Contract) -> None:
    parts = split(splitter, (VISIT, record(visit)), (VISIT, record(visit, event="cancelled", cid=...)))
    assert not {f.name for f in visit.identifiers} & set(parts.landed.column_names)
    assert parts.landed["has_identity"].to_pylist() == [True, False]
    assert parts.vault["kafka_offset"].to_pylist() == [0]
    assert parts.vault["cid"].to_pylist() == ["10000000005"]


def test_the_pseudonym_is_hmac_sha256(splitter: Splitter, visit: Contract) -> None:
    landed = split(splitter, (VISIT, record(visit))).landed
    expected = hmac.new(KEY.secret, b"10000000005", hashlib.sha256).hexdigest()
    assert landed["person_key"].to_pylist() == [expected]
    assert landed["pseudonym_key_id"].to_pylist() == ["k1"]


def test_each_member_of_a_list_gets_a_pseudonym(contracts: dict[str, Contract]) -> None:
    transfer = contracts["dcrc__census_transfer"]
    value = {
        "event_id": "t1",
        "source": "dcrc/bcrs",
        "event_time": "2026-03-01",
        "schema": transfer.schema_tag,
        "application_id": "CT-1",
        "step": "submitted",
        "member_cids": ["10000000005", "10000000006"],
    }
    landed = split(Splitter(transfer, KEY), (b"CT-1", json.dumps(value).encode())).landed
    expected = [hmac.new(KEY.secret, c.encode(), hashlib.sha256).hexdigest() for c in value["member_cids"]]
    assert landed["member_person_keys"].to_pylist() == [expected]


def test_a_date_without_a_clock_time_stays_a_date(splitter: Splitter, visit: Contract) -> None:
    row = split(splitter, (VISIT, record(visit, event_time="2026-03-01"))).landed.to_pylist()[0]
    assert row["event_time"] is None
    assert row["event_date"].isoformat() == "2026-03-01"


def test_the_local_day_is_the_country_s(splitter: Splitter, visit: Contract) -> None:
    late = record(visit, event_time="2026-03-01T20:00:00Z")  # two in the morning in Thimphu
    assert split(splitter, (VISIT, late)).landed["event_date"][0].as_py().isoformat() == "2026-03-02"


def test_all_broken_rules_are_named(splitter: Splitter, visit: Contract) -> None:
    value = record(visit, age_years="44", event="died", phone="12", slot_minutes=900, remark="x")
    assert broken(splitter, value) == [
        "record.unknown_field",
        "event.allowed",
        "phone.pattern",
        "age_years.type",
        "slot_minutes.range",
    ]


def test_a_number_that_is_no_number_is_as_good_as_none(splitter: Splitter, visit: Contract) -> None:
    parts = split(splitter, (VISIT, record(visit, cid="1140700012", patient_name="Pema")))
    assert parts.landed["person_key"].to_pylist() == [None]
    assert parts.vault["cid"].to_pylist() == ["1140700012"]
    nothing_else = dict.fromkeys(("hospital_number", "patient_name"), ...)
    assert broken(splitter, record(visit, cid="1140700012", **nothing_else)) == ["identity_present"]
    assert broken(splitter, record(visit, cid="11407000123", **nothing_else)) == []
    assert broken(splitter, record(visit, cid=11407000123, patient_name="Pema")) == ["cid.type"]


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        (b'{"event_id": "e1"', ["record.not_json"]),
        (b"", ["record.not_json"]),
        (b"{} {}", ["record.not_json"]),
        (b'{"event_id":"e1",}', ["record.not_json"]),
        (b'{"event_id":"e1", }', ["record.not_json"]),
        (b"\xff\xfe", ["record.not_utf8"]),
        (b"[1]", ["record.not_object"]),
        (b'"text"', ["record.not_object"]),
        (b"{}", ["schema.required"]),
        (b'{"schema":"jdwnrh__hospital_visit@9.9.9"}', ["record.unknown_contract"]),
        (b'{"schema":"dot__departures@1.0.0"}', ["record.unknown_contract"]),
    ],
)
def test_a_message_that_is_no_record_is_quarantined(splitter: Splitter, value: bytes, rules: list[str]) -> None:
    assert broken(splitter, value) == rules


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"visit_id": ...}, "visit_id.required"),
        ({"visit_id": None}, "visit_id.required"),
        ({"age_years": 44.5}, "age_years.type"),
        ({"age_years": True}, "age_years.type"),
        ({"age_years": [44]}, "age_years.type"),
        ({"age_years": -1}, "age_years.range"),
        ({"age_years": 2**63}, "age_years.type"),
        ({"event_time": "yesterday"}, "event_time.type"),
        ({"event_time": "2026-03-01T25:00:00Z"}, "event_time.type"),
        ({"event_time": "2026-03-01 10:00:00"}, "event_time.type"),
        ({"event_time": 1772337600}, "event_time.type"),
        ({"event_time": "0000-01-01"}, "event_time.type"),
        ({"slot_date": "2026-02-30"}, "slot_date.type"),
        ({"slot_date": "2026-02-03"}, "booking_not_after_slot"),
        ({"event_time": "2026-07-01T00:00:00Z", "slot_date": "2026-08-01"}, "event_not_after_broker_time"),
        ({"department_code": "OPD-NONE"}, "department_code.allowed"),
        ({"cid": ...}, "identity_present"),
    ],
)
def test_a_broken_field_names_its_rule(splitter: Splitter, visit: Contract, changed: dict[str, Any], rule: str) -> None:
    assert broken(splitter, record(visit, **changed)) == [rule]


@pytest.mark.parametrize(
    "changed",
    [{"age_years": 44.0}, {"event_time": "2026-03-01t10:00:00z"}, {"sex": None}, {"patient_name": 'a,}"\\,]\u0f40'}],
)
def test_what_json_allows_is_kept(splitter: Splitter, visit: Contract, changed: dict[str, Any]) -> None:
    assert broken(splitter, record(visit, **changed)) == []


def test_a_name_that_stands_twice_is_refused(splitter: Splitter, visit: Contract) -> None:
    assert broken(splitter, record(visit)[:-1] + b',"event":"booked"}') == ["record.duplicate_key"]


def test_the_kafka_key_must_be_the_case(splitter: Splitter, visit: Contract) -> None:
    assert broken(splitter, record(visit), key=b"JDW-000009") == ["record.key_mismatch"]
    assert broken(splitter, record(visit), key=None) == ["record.null_key"]
    assert broken(splitter, record(visit), key=b"\xff") == ["record.key_not_utf8"]


def test_a_null_value_deletes_only_where_the_contract_says_so(
    splitter: Splitter, contracts: dict[str, Contract]
) -> None:
    row = split(splitter, (VISIT, None)).landed.to_pylist()[0]
    assert (row["is_deleted"], row["record_key"], row["event_id"]) == (True, "JDW-000001", None)
    assert broken(splitter, None, key=None) == ["record.null_key", "record.null_value"]
    departures = Splitter(contracts["dot__departures"], KEY)
    assert broken(departures, None, key=b"F-1") == ["record.null_value"]


def test_quarantine_keeps_the_bytes(splitter: Splitter) -> None:
    row = split(splitter, (b"\xff", b"\xfe\x00")).quarantine.to_pylist()[0]
    assert (row["record_key"], row["value"], row["status"]) == (b"\xff", b"\xfe\x00", "open")


def test_one_row_out_per_message_in(splitter: Splitter, visit: Contract) -> None:
    messages = [(VISIT, record(visit)), (VISIT, b"{} {}"), (VISIT, b"\n"), (None, None), (VISIT, None)]
    parts = split(splitter, *messages)
    offsets = pa.concat_arrays(
        [parts.landed["kafka_offset"].combine_chunks(), parts.quarantine["kafka_offset"].combine_chunks()]
    )
    assert sorted(offsets.to_pylist()) == list(range(len(messages)))


def test_a_field_named_like_a_lake_column_of_another_table_keeps_its_value(
    contracts: dict[str, Contract],
) -> None:
    action = contracts["pmo__policy_action"]
    value = {
        "event_id": "a1",
        "source": "pmo",
        "event_time": "2026-03-01T10:00:00Z",
        "schema": action.schema_tag,
        "action_id": "ACT-1",
        "title": "Open evening clinics",
        "owner_agency": "jdwnrh",
        "target_metric": "hospital.wait_minutes",
        "effective_from": "2026-04-01",
        "revision": 1,
        "status": "planned",
    }
    parts = split(Splitter(action, KEY), (b"ACT-1", json.dumps(value).encode()))
    assert parts.quarantine["broken_rules"].to_pylist() == []
    assert parts.landed["status"].to_pylist() == ["planned"]


def test_every_contract_compiles(contracts: dict[str, Contract]) -> None:
    for contract in contracts.values():
        assert broken(Splitter(contract, KEY), b"{") == ["record.not_json"]
