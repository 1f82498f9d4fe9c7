"""Order, identity and refusals of the database source, on SQLite; the real PostgreSQL is in tests/integration."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.database import DatabaseSource, PullOutcome, overridden, pages, read_database_mapping
from connectors.sources.database.connection import SourceDatabase
from connectors.sources.database.position import Position
from connectors.sources.database.table import SourceTable
from connectors.sources.file_source import read_mapping, send_file
from datacentre.contracts.load import load_contracts
from datacentre.control.store import opened
from datacentre.errors import CheckFailed, ContractError
from datacentre.settings import REPOSITORY

CONTRACTS = load_contracts(REPOSITORY / "schemas")
VISITS = CONTRACTS["jdwnrh__hospital_visit"]
MAPPING = """\
stream: jdwnrh__hospital_visit
source: test/clinic
description: A test.
provenance: Written for this test.
licence: none
database:
  url_env: CLINIC_URL
  table: visit
  watermark: changed
  key: [id]
  lag_seconds: 0
  deleted: {column: gone, equals: "1"}
  detects_deletes: true
left_out:
  - columns: [note]
    why: Free text.
events:
  - event_time: {column: happened}
    fields:
      event: {constant: arrived}
      visit_id: {column: visit_no}
      cid: {column: cid}
      age_years: {column: age, on_failure: drop_value}
"""
TABLE = """
create table visit (
    id integer primary key, visit_no text, happened text, cid text, age, gone integer default 0, note text,
    extra text, changed text not null default (strftime('%Y-%m-%d %H:%M:%f+00:00', 'now', '-1 second'))
)
"""


class Sent:
    """A producer that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes | None, bytes | None]] = []

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        self.messages.append((topic, key, value))

    def flush(self) -> None:
        pass

    @property
    def ids(self) -> list[str]:
        return [json.loads(value)["event_id"] for _, _, value in self.messages if value is not None]


class Clinic:
    """A SQLite database of visits, and the source that reads it."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.sent = Sent()
        self.run(TABLE)

    def run(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self._folder / "clinic.sqlite")) as connection, connection:
            connection.execute(statement, values)

    def enter(self, count: int, changed: str | None = None) -> None:
        for number in range(count):
            self.run("insert into visit (visit_no, happened) values (?, '2026-03-01T10:00:00Z')", f"V-{number:03d}")
        if changed is not None:
            self.run("update visit set changed = ?", changed)

    def pull(
        self, page_rows: int = 10, text: str = MAPPING, vanished: bool = False, again: bool = False
    ) -> PullOutcome:
        mapping = read_database_mapping(written(self._folder, text), CONTRACTS)
        url = f"sqlite:///{self._folder / 'clinic.sqlite'}"
        with (
            opened(f"sqlite:///{self._folder / 'control.sqlite'}") as store,
            closing(DatabaseSource(VISITS, mapping, url, store, self._folder / "rejects", page_rows)) as source,
        ):
            if again:
                source.start_again()
            source.poll(self.sent, lambda rows: None, lambda: False)
            if vanished:
                source.find_vanished(self.sent, lambda rows: None, lambda: False)
            return source.outcome


def written(folder: Path, text: str) -> Path:
    file = folder / "clinic.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


def test_only_what_is_new_is_sent(clinic: Clinic) -> None:
    clinic.enter(25)
    first = clinic.pull()
    assert (first.rows, first.events, first.unmentioned_columns) == (25, 25, ("extra",))
    assert clinic.pull().rows == 0
    clinic.run("update visit set changed = strftime('%Y-%m-%d %H:%M:%f+00:00', 'now', '-0.1 second') where id = 3")
    assert clinic.pull().rows == 1
    assert len(set(clinic.sent.ids)) == 26, "the changed row is a new event"
    assert {(topic, key) for topic, key, _ in clinic.sent.messages[-1:]} == {("jdwnrh__hospital_visit", b"V-002")}


def test_reading_again_gives_the_same_ids(clinic: Clinic) -> None:
    clinic.enter(25)
    clinic.pull(page_rows=4)
    clinic.pull(page_rows=7, again=True)
    assert clinic.sent.ids[:25] == clinic.sent.ids[25:]
    assert len(set(clinic.sent.ids)) == 25


def test_a_position_of_another_order_is_not_used(clinic: Clinic) -> None:
    clinic.enter(3)
    clinic.pull()
    text = MAPPING.replace("watermark: changed", "watermark: happened")
    with pytest.raises(ContractError, match=r"in the order of changed, id .* that of happened, id.*--from-start"):
        clinic.pull(text=text)
    assert clinic.pull(text=text, again=True).rows == 3


def test_rows_within_the_lag_wait(clinic: Clinic) -> None:
    clinic.enter(3)
    assert clinic.pull(text=MAPPING.replace("lag_seconds: 0", "lag_seconds: 30")).rows == 0
    assert clinic.pull().rows == 3


def test_deletion_by_flag_and_by_absence(clinic: Clinic) -> None:
    clinic.enter(5)
    clinic.pull()
    clinic.run("update visit set gone = 1, happened = null, changed = datetime('now') || '.000+00:00' where id = 1")
    clinic.run("update visit set changed = strftime('%Y-%m-%d %H:%M:%f+00:00', 'now', '-0.01 second') where gone")
    clinic.run("delete from visit where id = 4")
    outcome = clinic.pull(vanished=True)
    assert (outcome.events, outcome.deletions, outcome.vanished) == (0, 1, 1)
    assert [(key, value) for _, key, value in clinic.sent.messages[5:]] == [(b"V-000", None), (b"V-003", None)]
    assert clinic.pull(vanished=True).vanished == 0


def test_what_can_not_be_mapped_is_told_by_table_and_key(clinic: Clinic) -> None:
    clinic.enter(3)
    clinic.run("update visit set happened = 'yesterday' where id = 1")
    clinic.run("update visit set age = 'old' where id = 2")
    clinic.run("update visit set visit_no = '' where id = 3")
    outcome = clinic.pull()
    assert (outcome.rows, outcome.events, outcome.rejected, outcome.dropped_values) == (3, 1, 2, 1)
    assert outcome.rejects_file is not None
    entries = [json.loads(line) for line in outcome.rejects_file.read_text(encoding="utf-8").splitlines()]
    assert [(e["table"], e["key"], e["column"], e["dropped"]) for e in entries] == [
        ("visit", ["1"], "happened", "row"),
        ("visit", ["2"], "age", "value"),
        ("visit", ["3"], "visit_no", "row"),
    ]
    assert entries[0]["reason"] == "event_time: not a timestamp YYYY-MM-DDThh:mm:ss"


@pytest.mark.parametrize(
    ("changed", "zone", "told"),
    [
        ("2026-03-01 10:00", None, "written YYYY-MM-DD hh:mm:ss with its zone"),
        ("2026-03-01 10:00:00", None, "with its zone, or name the `zone`"),
        ("2026-03-01 10:00:00Z", "Asia/Thimphu", "without a zone, as the mapping names one"),
        (1772359200, None, "written YYYY"),
    ],
)
def test_a_watermark_that_is_no_clock_is_refused(clinic: Clinic, changed: Any, zone: str | None, told: str) -> None:
    clinic.enter(2, changed)
    text = MAPPING.replace("key: [id]", f"key: [id]\n  zone: {zone}") if zone else MAPPING
    with pytest.raises(CheckFailed, match=f"visit.changed must be .*{told}"):
        clinic.pull(text=text)


@pytest.mark.parametrize("other", ["2026-03-01T11:00:00Z", "2026-03-01 11:00:00.5Z", "2026-13-01 11:00:00Z"])
def test_watermarks_that_sort_differently_as_text_are_refused(clinic: Clinic, other: str) -> None:
    clinic.enter(3, "2026-03-01 10:00:00Z")
    assert clinic.pull().rows == 3
    clinic.run("update visit set changed = ? where id = 2", other)
    with pytest.raises(CheckFailed, match="not written in the same way in all rows"):
        clinic.pull()


def test_a_local_clock_of_the_named_zone(clinic: Clinic) -> None:
    local = datetime.now(timezone(timedelta(hours=6)))
    clinic.enter(2, f"{local - timedelta(minutes=1):%Y-%m-%d %H:%M:%S}")
    text = MAPPING.replace("key: [id]", "key: [id]\n  zone: Asia/Thimphu")
    assert clinic.pull(text=text).rows == 2
    clinic.run("update visit set changed = ?", f"{local + timedelta(minutes=1):%Y-%m-%d %H:%M:%S}")
    assert clinic.pull(text=text).rows == 0, "not over yet in Thimphu"


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("  table: visit\n", "", 6, "exactly one of table, query"),
        ("table: visit", "query: select 1", 6, "a query needs a name"),
        ("key: [id]", "key: []", 10, "at least 1 item"),
        ("key: [id]", "key: [cid]", 10, "column 'cid' gives cid, a direct identifier"),
        ("lag_seconds: 0", "lag_seconds: -1", 11, "greater than or equal to 0"),
        ("lag_seconds: 0", "zone: Moon", 11, "unknown time zone 'Moon'"),
        ("database:", "file: {delimiter: ';'}\ndatabase:", 1, "file and database exclude each other"),
        ("visit_id: {column: visit_no}", "visit_id: {constant: V-1}", 17, "a deletion needs visit_id to be read"),
        ("watermark: changed", "watermark: [changed]", 9, "valid string"),
    ],
)
def test_a_mistake_in_the_mapping_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, told: str
) -> None:
    assert old in MAPPING
    file = written(tmp_path, MAPPING.replace(old, new))
    with pytest.raises(ContractError) as caught:
        read_database_mapping(file, CONTRACTS)
    assert str(caught.value).startswith(f"{file}:{line}: "), str(caught.value)
    assert told in str(caught.value)


def test_only_a_contract_that_says_so_is_deleted_from(tmp_path: Path) -> None:
    contract = CONTRACTS["dot__departures"]
    wanted = {f.name for f in contract.fields if f.required} - {"event_id", "source", "event_time", "schema"}
    fields = "".join(f"      {name}: {{column: {name}}}\n" for name in sorted(wanted))
    head = MAPPING[: MAPPING.index("    fields:")].replace(VISITS.key, contract.key)
    text = f"{head}    fields:\n{fields}"
    with pytest.raises(ContractError, match=r"database\.deleted: dot__departures allows no deletion by key"):
        read_database_mapping(written(tmp_path, text), CONTRACTS)


def test_files_and_databases_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    database = read_mapping(written(tmp_path, MAPPING), CONTRACTS)
    with pytest.raises(ContractError, match="use datacentre pull"):
        send_file(VISITS, tmp_path / "a.csv", database, Sent(), tmp_path / "r", lambda rows: None)
    with pytest.raises(ContractError, match="use datacentre send"):
        overridden(read_mapping(REPOSITORY / "schemas/mappings/noshow_appointments.yaml", CONTRACTS), None, 1.0)


@pytest.mark.parametrize(
    "url",
    [
        "no-url-s3cret",
        "postgresql://his:s3cret@host:port/his",
        "tapes://his:s3cret@host/his",
        "oracle+cx_oracle://his:s3cret@host/his",
    ],
)
def test_a_url_that_can_not_be_used_is_named_by_its_variable(url: str) -> None:
    with pytest.raises(ContractError, match="HIS_URL: ") as caught:
        SourceDatabase(url, "HIS_URL")
    assert "s3cret" not in str(caught.value)


VALUES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.text(max_size=8),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.uuids(),
    st.dates(),
    st.datetimes(),
    st.datetimes(datetime(1900, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=6))])),
    st.binary(max_size=8),
)


@given(st.builds(Position, VALUES, st.tuples(VALUES, VALUES)))
def test_a_position_is_stored_without_loss(position: Position) -> None:
    stored = Position.from_json(json.loads(json.dumps(position.as_json())))
    assert stored == position
    assert [type(value) for value in stored.key] == [type(value) for value in position.key]


def test_a_position_has_the_same_texts_in_every_time_zone() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    local = noon.astimezone(timezone(timedelta(hours=6)))
    assert Position(noon, (7,)).texts == Position(local, (7,)).texts == ("7", "2026-03-01T12:00:00+00:00")
    assert Position(date(2026, 3, 1), (Decimal("7.0"),)).texts == ("7.0", "2026-03-01")


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from("abc")), unique=True, max_size=40)


@given(rows=ROWS, limit=st.integers(1, 9), bound=st.integers(0, 4), has_row_values=st.booleans())
def test_pages_hold_every_row_once_in_order(
    rows: list[tuple[int, int, str]], limit: int, bound: int, has_row_values: bool
) -> None:
    """Few watermarks and keys of two parts, so that most pages end between equal ones."""
    found = [row.position for page in all_pages(rows, limit, bound, has_row_values) for row in page.rows]
    assert [(p.watermark, *p.key) for p in found] == sorted(row for row in rows if row[0] < bound)


def all_pages(rows: list[tuple[int, int, str]], limit: int, bound: int, has_row_values: bool) -> Iterator[pages.Page]:
    engine = sa.create_engine("sqlite://")
    table = SourceTable("t", sa.table("t"), ("w", "a", "b"), "w", ("a", "b"), (), True, False)
    until: Callable[[Any], Any] = lambda column: column < bound  # noqa: E731
    with pytest.MonkeyPatch.context() as patch, engine.connect() as connection:
        patch.setattr(pages, "_ROW_VALUES", frozenset({"sqlite"} if has_row_values else ()))
        connection.exec_driver_sql("create table t (w integer, a integer, b text)")
        if rows:
            connection.exec_driver_sql("insert into t values (?, ?, ?)", rows)
        after: Position | None = None
        while True:
            page = pages.read_page(connection, table, ["b"], after, until, limit)
            assert len(page.rows) <= limit
            yield page
            if not page.has_more:
                break
            after = page.rows[-1].position
    engine.dispose()
