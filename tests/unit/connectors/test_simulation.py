"""Simulated records: valid unless spoiled on purpose, spoiled in the way they say, alike for one seed."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest

from connectors.sink.row_check import compile_row_check
from connectors.sources.simulation import INVALID_KINDS, STREAM_SHARES, DefectShares, OutgoingRecord, generate
from datacentre.contracts import load_contracts
from datacentre.errors import ContractError
from datacentre.settings import REPOSITORY

CONTRACTS = load_contracts(REPOSITORY / "schemas")
REFERENCE = REPOSITORY / "schemas" / "reference"
UNTIL = datetime(2025, 11, 19, 9, 30, tzinfo=UTC)
VALID_KINDS = DefectShares(duplicate=0.03, late=0.05, out_of_order=0.05, correction=0.03, deletion=0.02)


def simulated(
    defects: DefectShares = DefectShares(),  # noqa: B008
    seed: int = 7,
    records: int = 12_000,
    days: int = 60,
    until: datetime = UNTIL,
) -> list[OutgoingRecord]:
    return list(generate(CONTRACTS, REFERENCE, seed, records, until, defects, days))


def broken_rules(records: Iterable[OutgoingRecord]) -> list[tuple[OutgoingRecord, list[str]]]:
    """Each record with the rules the sink's own check says it broke, received at UNTIL."""
    by_stream: defaultdict[str, list[OutgoingRecord]] = defaultdict(list)
    for record in records:
        by_stream[record.stream].append(record)
    checked = []
    for stream, of_stream in by_stream.items():
        batch = pa.table(
            {
                "kafka_partition": pa.array([0] * len(of_stream), pa.int32()),
                "kafka_offset": pa.array(range(len(of_stream)), pa.int64()),
                "broker_time": pa.array([UNTIL] * len(of_stream), pa.timestamp("us", "UTC")),
                "record_key": pa.array([record.key for record in of_stream], pa.binary()),
                "value": pa.array([record.value for record in of_stream], pa.binary()),
            }
        )
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            connection.register("batch", batch)
            check = compile_row_check(CONTRACTS[stream])
            pads = {"inner": b"i" * 64, "outer": b"o" * 64}
            named = {name: pad for name, pad in pads.items() if f"${name}" in check}
            query = f"select kafka_offset, broken_rules from ({check}) order by 1"
            rows = connection.execute(query, named).fetchall()
        checked += [(of_stream[offset], rules) for offset, rules in rows]
    return checked


@pytest.fixture(scope="module")
def clean() -> list[OutgoingRecord]:
    return simulated()


@pytest.fixture(scope="module")
def disturbed() -> list[OutgoingRecord]:
    return simulated(VALID_KINDS)


def happened(record: OutgoingRecord) -> tuple[datetime, bool]:
    """When the event happened, and whether the clock time is known."""
    text = json.loads(record.value or b"")["event_time"]
    if len(text) == 10:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC), False
    return datetime.fromisoformat(text).astimezone(UTC), True


def test_clean_records_keep_every_rule_of_their_contract(clean: list[OutgoingRecord]) -> None:
    assert [(record.value, rules) for record, rules in broken_rules(clean) if rules] == []


def test_records_that_stay_valid_are_valid_whatever_delays_or_repeats_them(
    disturbed: list[OutgoingRecord],
) -> None:
    kinds = {record.defect for record in disturbed}
    assert kinds == {None, "duplicate", "late", "out_of_order", "correction", "deletion"}
    assert [(record, rules) for record, rules in broken_rules(disturbed) if rules] == []


@pytest.mark.parametrize("kind", INVALID_KINDS)
def test_every_spoiled_record_breaks_a_rule_of_its_kind(kind: str) -> None:
    expected = {
        "malformed_json": ("record.not_json", "record.not_object"),
        "not_utf8": ("record.not_utf8",),
        "wrong_type": (".type",),
        "unknown_code": (".allowed",),
        "impossible_date": (".type", "event_not_after_broker_time"),
        "missing_required": (".required",),
        "unknown_contract": ("record.unknown_contract",),
    }[kind]
    records = simulated(replace(DefectShares(), **{kind: 1.0}), records=3_000)
    assert {record.defect for record in records} == {kind}
    for record, rules in broken_rules(records):
        assert any(rule.endswith(expected) for rule in rules), (record.value, rules)


def test_all_streams_come_in_about_their_shares(clean: list[OutgoingRecord]) -> None:
    counts = Counter(record.stream for record in clean)
    assert abs(len(clean) - 12_000) < 1_200
    for stream, share in STREAM_SHARES.items():
        assert counts[stream] == pytest.approx(share * 12_000, rel=0.25, abs=25), stream


@pytest.mark.parametrize(("records", "days"), [(500, 1), (2_000, 7)])
def test_small_and_short_runs_still_hold_all_streams(records: int, days: int) -> None:
    """Wednesday afternoon: one day back is enough for something to happen everywhere."""
    assert {record.stream for record in simulated(records=records, days=days)} == set(STREAM_SHARES)


def test_records_arrive_in_event_time_order_and_none_is_later_than_the_end(
    clean: list[OutgoingRecord],
) -> None:
    times = [happened(record) for record in clean]
    exact = [at for at, is_exact in times if is_exact]
    assert exact == sorted(exact)
    assert exact[-1] <= UNTIL
    assert min(at for at, _ in times) >= UNTIL - timedelta(days=61)


def test_the_same_arguments_give_the_same_bytes(disturbed: list[OutgoingRecord]) -> None:
    assert simulated(VALID_KINDS) == disturbed


def test_other_runs_have_other_event_ids_but_the_same_citizens(clean: list[OutgoingRecord]) -> None:
    later = simulated(until=UNTIL + timedelta(hours=5))
    assert not _texts(clean, "event_id") & _texts(later, "event_id")
    assert not _texts(clean, "visit_id") & _texts(later, "visit_id")
    shared = _texts(clean, "cid") & _texts(later, "cid")
    assert len(shared) > 0.5 * len(_texts(clean, "cid"))


def test_event_ids_are_unique_within_their_source(clean: list[OutgoingRecord]) -> None:
    ids = Counter((v["source"], v["event_id"]) for v in (json.loads(r.value or b"") for r in clean))
    assert ids.most_common(1)[0][1] == 1


def test_kafka_key_is_the_contracts_key_field(clean: list[OutgoingRecord]) -> None:
    for record in clean:
        assert json.loads(record.value or b"")[CONTRACTS[record.stream].kafka_key] == record.key.decode()


def test_spread_shares_reach_their_total() -> None:
    records = simulated(DefectShares.spread(0.1, duplicate=0.05))
    kinds = Counter(record.defect for record in records)
    spoiled = sum(kinds[kind] for kind in INVALID_KINDS)
    assert spoiled == pytest.approx(0.1 * len(records), rel=0.2)
    assert kinds["duplicate"] == pytest.approx(0.05 * len(records), rel=0.3)
    assert set(kinds) == {None, "duplicate", *INVALID_KINDS}


def test_duplicates_repeat_an_earlier_record_byte_for_byte(disturbed: list[OutgoingRecord]) -> None:
    seen: set[tuple[bytes, bytes | None]] = set()
    for record in disturbed:
        if record.defect == "duplicate":
            assert (record.key, record.value) in seen
        seen.add((record.key, record.value))


def test_corrections_name_an_earlier_event_of_their_key_and_change_it(
    disturbed: list[OutgoingRecord],
) -> None:
    seen: dict[str, dict[str, object]] = {}
    for record in disturbed:
        if record.value is None:
            continue
        value = json.loads(record.value)
        if record.defect == "correction":
            original = seen[value["corrects_event_id"]]
            bookkeeping = ("event_id", "corrects_event_id")
            changed = {n for n in value if n not in bookkeeping and value[n] != original.get(n)}
            assert len(changed) == 1
            assert original["event_time"] == value["event_time"]
        seen[value["event_id"]] = value


def test_deletions_come_last_for_their_key_and_only_where_the_contract_allows(
    disturbed: list[OutgoingRecord],
) -> None:
    gone: set[tuple[str, bytes]] = set()
    for record in disturbed:
        assert (record.stream, record.key) not in gone or record.value is None
        if record.value is None:
            assert record.defect == "deletion"
            assert CONTRACTS[record.stream].deletes_by_key
            gone.add((record.stream, record.key))
    assert gone


def test_late_records_arrive_behind_later_ones(disturbed: list[OutgoingRecord]) -> None:
    newest, behind = datetime.min.replace(tzinfo=UTC), []
    for record in disturbed:
        if record.value is None:
            continue
        at, is_exact = happened(record)
        if record.defect == "late" and is_exact:
            behind.append(newest - at)
        elif is_exact:
            newest = max(newest, at)
    behind.sort()
    assert behind[len(behind) // 2] > timedelta(hours=12)
    assert timedelta(days=1) < behind[-1] < timedelta(days=4)


@pytest.mark.parametrize("shares", [{"late": -0.1}, {"late": 0.6, "duplicate": 0.6}])
def test_impossible_shares_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ContractError, match="defect shares"):
        DefectShares(**shares)


def test_a_missing_contract_is_named() -> None:
    contracts = {key: c for key, c in CONTRACTS.items() if key != "dot__departures"}
    with pytest.raises(ContractError, match="dot__departures"):
        next(generate(contracts, REFERENCE, 1, 10, UNTIL, DefectShares()))


def _texts(records: Iterable[OutgoingRecord], field: str) -> set[str]:
    values = (json.loads(record.value or b"{}").get(field) for record in records)
    return {value for value in values if value}
