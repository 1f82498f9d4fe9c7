"""What of a stream may leave, and how."""

import pytest

from datacentre.contracts import load_contracts
from datacentre.contracts.columns import landed_schema
from datacentre.settings import REPOSITORY
from sharing.scoped_columns import stream_leaving

CONTRACTS = load_contracts(REPOSITORY / "schemas")


@pytest.mark.parametrize("key", CONTRACTS)
def test_only_the_centre_sees_offsets_keys_and_broker_times(key: str) -> None:
    hidden = {"kafka_partition", "kafka_offset", "broker_time", "ingest_date", "record_key", "pseudonym_key_id"}
    hidden |= {f.name for f in CONTRACTS[key].identifiers} | {"source", "certificate_id"}
    assert not hidden & set(stream_leaving(CONTRACTS[key]).columns)


@pytest.mark.parametrize("key", CONTRACTS)
def test_every_landed_column_is_sorted_once(key: str) -> None:
    leaving = stream_leaving(CONTRACTS[key])
    assert sorted((*leaving.columns, *leaving.never)) == sorted(landed_schema(CONTRACTS[key]).names)


def test_a_visit_leaves_under_tokens_and_by_the_hour() -> None:
    leaving = stream_leaving(CONTRACTS["jdwnrh__hospital_visit"])
    assert leaving.as_tokens == {
        "visit_id": "visit",
        "person_key": "person",
        "hospital_person_key": "person",
        "event_id": "event",
        "corrects_event_id": "event",
    }
    assert set(leaving.by_the_hour) == {"event_time", "slot_at"}
    assert {"department_code", "slot_date", "event_date"} <= set(leaving.as_is)


def test_members_of_a_transfer_leave_as_tokens() -> None:
    assert stream_leaving(CONTRACTS["dcrc__census_transfer"]).as_tokens["member_person_keys"] == "person"
