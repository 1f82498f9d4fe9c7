"""A reader of a stream gets every certified row once, whenever it was certified, and the live edge marked as such."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from datacentre.contracts import Contract, load_contracts
from datacentre.contracts.columns import landed_schema
from datacentre.control import certificates
from datacentre.control.certificates import Judgement, Status
from datacentre.control.folding import fold
from datacentre.control.ranges import OffsetRange
from datacentre.control.reopened import reopen
from datacentre.control.store import opened
from datacentre.errors import ContractError
from datacentre.settings import REPOSITORY, Settings, from_environment
from lake.commit import append
from lake.commit_log import CommitLog
from lake.tables import create_table
from sharing.extracts.landed import LandedRows
from sharing.extracts.page import Extract
from sharing.extracts.position import Position
from sharing.extracts.scoping import shared_rows
from sharing.pseudonyms import load_scope
from tests.unit.stages.conftest import STREAM, Land, lander

Place = tuple[int, int, bool]
SEEDS = range(2)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contracts(REPOSITORY / "schemas")[STREAM]


@pytest.fixture
def centre(tmp_path: Path) -> Settings:
    return from_environment({"DATACENTRE_HOME": str(tmp_path)})


@pytest.fixture
def land(centre: Settings, contract: Contract) -> Land:
    return lander(centre, contract)


@pytest.fixture
def control(centre: Settings) -> Iterator[sa.Engine]:
    with opened(centre.control_url) as engine:
        yield engine


def certify(control: sa.Engine, *ranges: OffsetRange, status: Status = Status.PASSED) -> tuple[int, ...]:
    return certificates.record(control, STREAM, ranges, Judgement(status, "", (), "", "", 0))


def extract(centre: Settings, contract: Contract, control: sa.Engine, is_live: bool = False) -> Extract:
    return Extract(LandedRows(centre.lake, contract), control, is_live, None)


def read_on(source: Extract, position: Position, most: int = 7) -> tuple[list[Place], Position]:
    """All that is there now."""
    found: list[Place] = []
    while True:
        page = source.page(position, most)
        assert page.rows.num_rows <= most
        rows = page.rows.select(["kafka_partition", "kafka_offset", "certificate_id"]).to_pylist()
        found += [(r["kafka_partition"], r["kafka_offset"], r["certificate_id"] > 0) for r in rows]
        position = page.position
        if not page.has_more:
            return found, position


def test_a_range_that_is_certified_late_comes_late(
    centre: Settings, contract: Contract, control: sa.Engine, land: Land
) -> None:
    land(0, 0, 30)
    (held,) = certify(control, OffsetRange(0, 0, 10), status=Status.HELD)
    certify(control, OffsetRange(0, 10, 30))
    source = extract(centre, contract, control)
    found, position = read_on(source, Position())
    assert found == [(0, n, True) for n in range(10, 30)]
    assert read_on(source, position) == ([], position)
    certificates.release(control, held, "an engineer", "looked at")
    found, _ = read_on(source, position)
    assert found == [(0, n, True) for n in range(10)]


def test_the_live_edge_comes_uncertified_and_once_more_as_certified(
    centre: Settings, contract: Contract, control: sa.Engine, land: Land
) -> None:
    land(0, 0, 20)
    land(1, 0, 5)
    certify(control, OffsetRange(0, 0, 12))
    source = extract(centre, contract, control, is_live=True)
    found, position = read_on(source, Position())
    assert found == [(0, n, n < 12) for n in range(20)] + [(1, n, False) for n in range(5)]
    assert read_on(source, position)[0] == []
    certify(control, OffsetRange(0, 12, 20))
    assert read_on(source, position)[0] == [(0, n, True) for n in range(12, 20)]


def test_what_is_kept_out_for_good_is_not_even_live(
    centre: Settings, contract: Contract, control: sa.Engine, land: Land
) -> None:
    land(0, 0, 20)
    (held,) = certify(control, OffsetRange(0, 5, 10), status=Status.HELD)
    certificates.quarantine(control, held, "an engineer", "sent twice")
    found, _ = read_on(extract(centre, contract, control, is_live=True), Position())
    assert found == [(0, n, False) for n in range(20) if not 5 <= n < 10]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("is_live", [False, True])
def test_every_row_comes_as_certified_whatever_is_decided_in_between(
    centre: Settings, contract: Contract, control: sa.Engine, land: Land, seed: int, is_live: bool
) -> None:
    """Pages of any size, between landings, certificates of any order, holds, releases and ranges that are reopened."""
    chance, ends = random.Random(seed), {0: 0, 1: 0}
    source, position = extract(centre, contract, control, is_live), Position()
    unchecked: list[OffsetRange] = []
    held: list[int] = []
    seen: list[Place] = []
    for _ in range(14):
        partition, count = chance.randint(0, 1), chance.randint(1, 12)
        land(partition, ends[partition], ends[partition] + count)
        unchecked.append(OffsetRange(partition, ends[partition], ends[partition] + count))
        ends[partition] += count
        unchecked.sort(reverse=True)  # a check takes a partition's ranges in order
        if chance.random() < 0.7:
            certify(control, unchecked.pop())
        elif chance.random() < 0.5:
            held += certify(control, unchecked.pop(), status=Status.HELD)
        if held and chance.random() < 0.4:
            certificates.release(control, held.pop(), "an engineer", "")
        if chance.random() < 0.2 and (known := certificates.certified_ranges(control, STREAM)):
            r = chance.choice(known)
            middle = OffsetRange(r.partition, (r.start_offset + r.next_offset) // 2, r.next_offset)
            unchecked += reopen(control, STREAM, [middle], 1, "an engineer", "replayed")
        if chance.random() < 0.2:
            fold(control, certificates.newest_decision(control), datetime.now(UTC) + timedelta(hours=1))
        for _ in range(chance.randint(0, 3)):
            page = source.page(position, chance.randint(1, 9))
            position = page.position
            rows = page.rows.select(["kafka_partition", "kafka_offset", "certificate_id"]).to_pylist()
            seen += [(r["kafka_partition"], r["kafka_offset"], r["certificate_id"] > 0) for r in rows]
    seen += read_on(source, position)[0]
    certified = {
        (r.partition, offset, True)
        for r in certificates.certified_ranges(control, STREAM)
        for offset in range(r.start_offset, r.next_offset)
    }
    everything = {(p, offset) for p, end in ends.items() for offset in range(end)}
    assert certified <= set(seen)
    assert {place[:2] for place in seen} <= everything
    if is_live:
        assert {place[:2] for place in seen} == everything
    uncertified = [place for place in seen if not place[2]]
    assert len(uncertified) == len(set(uncertified))


def test_a_reader_behind_folded_certificates_reads_on_where_it_stands(
    centre: Settings, contract: Contract, control: sa.Engine, land: Land
) -> None:
    """One round of folding moves what was read under a higher number; only what was certified anew comes again."""
    land(0, 0, 40)
    land(1, 0, 20)
    for start in range(0, 40, 10):
        certify(control, OffsetRange(0, start, start + 10))
    (last,) = certify(control, OffsetRange(1, 0, 20))
    source = extract(centre, contract, control)
    found, position = [], Position()
    for _ in range(3):
        page = source.page(position, 7)
        position, found = page.position, [*found, *page.rows["kafka_offset"].to_pylist()]
    assert found == list(range(21)) and position.place == (3, 0, 21)
    fold(control, last, datetime.now(UTC) + timedelta(hours=1))
    rest, position = read_on(source, position)
    assert rest == [(0, n, True) for n in range(21, 40)] + [(1, n, True) for n in range(20)]
    again = reopen(control, STREAM, [OffsetRange(0, 5, 8)], 1, "an engineer", "replayed")
    certify(control, *again)
    assert read_on(source, position)[0] == [(0, n, True) for n in range(5, 8)]


def test_what_was_checked_again_comes_also_when_it_was_folded(
    centre: Settings, contract: Contract, control: sa.Engine, land: Land
) -> None:
    land(0, 0, 40)
    certify(control, OffsetRange(0, 0, 5))
    (held,) = certify(control, OffsetRange(0, 5, 8), status=Status.HELD)
    certify(control, OffsetRange(0, 8, 40))
    source = extract(centre, contract, control)
    _, position = read_on(source, Position())
    certificates.recheck(control, held, "an engineer", "the rule was wrong")
    (last,) = certify(control, OffsetRange(0, 5, 8))
    assert fold(control, last, datetime.now(UTC) + timedelta(hours=1)) == 2
    found, position = read_on(source, position)
    assert found == [(0, n, True) for n in range(5, 8)]
    assert read_on(source, position) == ([], position)


def test_rows_show_what_was_agreed_under_tokens(centre: Settings, contract: Contract, land: Land) -> None:
    land(0, 0, 2)
    rows = extract(centre, contract, sa.create_engine("sqlite://"), True).landed
    landed = rows.read([certificates.CertifiedRange(0, 0, 0, 2)], None)
    scope = load_scope(centre.home, "rcsc")
    shared = shared_rows(landed, contract, ["event_time", "feedback_id", "person_key", "rating"], scope).to_pylist()
    assert shared[0] == {
        "row_id": scope.token("row", f"{STREAM}/0/0"),
        "is_certified": False,
        "is_deleted": False,
        "event_time": datetime(2025, 6, 1, 3, tzinfo=UTC),
        "feedback_id": scope.token("feedback", "F-0-0"),
        "person_key": None,
        "rating": 4,
    }
    with pytest.raises(ContractError, match="kafka_offset"):
        shared_rows(landed, contract, ["kafka_offset"], scope)


def test_a_filter_leaves_out_rows_and_the_reader_goes_on(
    centre: Settings, contract: Contract, control: sa.Engine, land: Land
) -> None:
    land(0, 0, 40)
    land(0, 40, 42, 5)
    certify(control, OffsetRange(0, 0, 42))
    source = Extract(LandedRows(centre.lake, contract), control, False, "rating = 5")
    page = source.page(Position(), 7)
    assert page.rows["kafka_offset"].to_pylist() == [40, 41]
    assert page.part.startswith("c1 p0 0..7, c1 p0 7..14")


def test_a_deletion_comes_where_its_key_was_shown(centre: Settings, contracts: dict[str, Contract]) -> None:
    contract = contracts["jdwnrh__hospital_visit"]
    log = CommitLog(create_table(centre.lake, contract, "landed", "cluster/topic"))
    places = [("V-1", "OPD-EYE"), ("V-2", "OPD-MED"), ("V-1", None), ("V-2", None)]
    columns = {
        "kafka_partition": [0] * 4,
        "kafka_offset": list(range(4)),
        "ingest_date": [date(2026, 3, 1)] * 4,
        "record_key": [key for key, _ in places],
        "visit_id": [key if department else None for key, department in places],
        "is_deleted": [department is None for _, department in places],
        "department_code": [department for _, department in places],
    }
    schema = landed_schema(contract)
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(4, f.type) for f in schema]
    append(log, pa.Table.from_arrays(arrays, schema=schema), {0: (0, 4)}, "rules")
    whole, rows = [certificates.CertifiedRange(1, 0, 0, 4)], LandedRows(centre.lake, contract)
    assert rows.read(whole, None).num_rows == 4
    found = rows.read(whole, "department_code = 'OPD-EYE'")
    assert found["kafka_offset"].to_pylist() == [0, 2]
    scope = load_scope(centre.home, "pmo")
    shared = shared_rows(found, contract, ["visit_id", "department_code"], scope).to_pylist()
    assert [(row["visit_id"], row["is_deleted"]) for row in shared] == [
        (scope.token("visit", "V-1"), False),
        (scope.token("visit", "V-1"), True),
    ]
