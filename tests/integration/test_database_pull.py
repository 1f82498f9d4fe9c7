"""Rows of a real PostgreSQL through a real broker into the lake."""

import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
import sqlalchemy as sa

from connectors.sink.sink import Progress, Sink
from connectors.sources.database import DatabaseSource, PullOutcome, frontier, overridden, read_database_mapping
from connectors.sources.file_source import Mapping
from connectors.sources.producer import LibrdkafkaProducer
from datacentre.contracts import Contract
from datacentre.control import source_positions
from datacentre.control.store import opened
from datacentre.errors import CheckFailed, ContractError
from datacentre.settings import REPOSITORY, Settings
from datacentre.stages.verify import verify
from lake.tables import open_table
from tests.conftest import command_environment

pytestmark = pytest.mark.broker
STREAM = "jdwnrh__hospital_visit"
EXAMPLE = REPOSITORY / "schemas" / "mappings" / "his_visit_journal.yaml"
# The table of the documentation, so that what it shows is what was tried.
TABLE = re.findall(r"```sql\n(.*?)```", (REPOSITORY / "docs" / "database_source.md").read_text(), re.S)[0]
CITIZEN = "99900000017"


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


@pytest.fixture
def mapping(contracts: dict[str, Contract]) -> Mapping:
    return overridden(read_database_mapping(EXAMPLE, contracts), None, 0.0)


@pytest.fixture
def journal(database: sa.Engine) -> sa.Engine:
    run(database, TABLE)
    return database


def run(engine: sa.Engine, statement: str, **values: Any) -> Any:
    with engine.connect() as connection:
        result = connection.execute(sa.text(statement), values)
        return result.all() if result.returns_rows else result.rowcount


def enter(target: sa.Engine | sa.Connection, visits: Sequence[str], code: str = "ARRIVE") -> None:
    """Journal entries in one transaction, and so with one watermark."""
    statement = sa.text(
        "insert into his.visit_journal (visit_no, entry_code, happened_at, citizen_no, department)"
        " select v, :code, '2026-03-01 10:00+06', :citizen, 'OPD-MED' from unnest(cast(:visits as text[])) as v"
    )
    values = {"visits": list(visits), "code": code, "citizen": CITIZEN}
    if isinstance(target, sa.Connection):
        target.execute(statement, values)
    else:
        with target.connect() as connection:
            connection.execute(statement, values)


def visits(first: int, count: int) -> list[str]:
    return [f"V-{number:06d}" for number in range(first, first + count)]


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One that stays open until the test commits it."""
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        yield connection
        connection.rollback()


@contextmanager
def source(
    centre: Settings, contract: Contract, mapping: Mapping, url: sa.URL, page_rows: int = 1_000
) -> Iterator[DatabaseSource]:
    with opened(centre.control_url) as store:
        shown = url.render_as_string(hide_password=False)
        made = DatabaseSource(contract, mapping, shown, store, centre.home / "rejects", page_rows)
        with closing(made):
            yield made


def pull(
    centre: Settings,
    contract: Contract,
    mapping: Mapping,
    url: sa.URL,
    page_rows: int = 1_000,
    finds_vanished: bool = False,
) -> PullOutcome:
    producer = LibrdkafkaProducer(centre.bootstrap_servers)
    with source(centre, contract, mapping, url, page_rows) as made:
        made.poll(producer, lambda rows: None, lambda: False)
        if finds_vanished:
            made.find_vanished(producer, lambda rows: None, lambda: False)
        return made.outcome


def received(centre: Settings) -> list[tuple[str, dict[str, Any] | None]]:
    """All (key, record) of the stream's topic."""
    options = {"bootstrap.servers": centre.bootstrap_servers, "group.id": "test", "enable.auto.commit": False}
    consumer = confluent_kafka.Consumer(options)
    found: list[tuple[str, dict[str, Any] | None]] = []
    partitions = consumer.list_topics(STREAM, 10).topics[STREAM].partitions
    for partition in partitions:
        low, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(STREAM, partition), 10)
        consumer.assign([confluent_kafka.TopicPartition(STREAM, partition, low)])
        for _ in range(low, high):
            message = consumer.poll(10)
            assert message is not None and message.error() is None
            value = message.value()
            found.append((message.key().decode(), None if value is None else json.loads(value)))
    consumer.close()
    return found


def event_ids(centre: Settings) -> Counter[str]:
    return Counter(record["event_id"] for _, record in received(centre) if record is not None)


def keys(centre: Settings) -> Counter[str]:
    return Counter(key for key, _ in received(centre))


def land(centre: Settings, contract: Contract) -> Progress:
    return Sink(centre, {STREAM: contract}).run(True, lambda: False, lambda progress: None)


def landed_rows(centre: Settings, contract: Contract) -> list[dict[str, Any]]:
    table = open_table(centre.lake, contract, "landed")
    assert table is not None
    return list(table.to_pyarrow_table(columns=["record_key", "event_id", "is_deleted"]).to_pylist())


def test_initial_load_increment_and_update_land_once(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    enter(journal, visits(0, 2_500))
    first = pull(centre, contract, mapping, journal.url)
    assert (first.rows, first.events, first.rejected) == (2_500, 2_500, 0)
    assert pull(centre, contract, mapping, journal.url).rows == 0

    enter(journal, visits(2_500, 300))
    assert pull(centre, contract, mapping, journal.url).events == 300

    run(journal, "update his.visit_journal set department = 'OPD-DEN' where entry_no <= 10")
    assert pull(centre, contract, mapping, journal.url).events == 10

    ids = event_ids(centre)
    assert (len(ids), set(ids.values())) == (2_810, {1})
    by_visit = [r["department_code"] for k, r in received(centre) if r is not None and k == "V-000003"]
    assert by_visit == ["OPD-MED", "OPD-DEN"], "the corrected row is a new event, after the first"

    progress = land(centre, contract)
    assert (progress.landed[STREAM], progress.quarantined[STREAM]) == (2_810, 0)
    assert len({row["event_id"] for row in landed_rows(centre, contract)}) == 2_810
    assert not [d for report in verify(centre, [STREAM]) for d in report.differences]


@pytest.mark.parametrize("page_rows", [1, 10, 25])
def test_equal_watermarks_across_a_page_border(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine, page_rows: int
) -> None:
    enter(journal, visits(0, 25))
    enter(journal, visits(25, 3))
    assert len(run(journal, "select distinct written_at from his.visit_journal")) == 2
    assert pull(centre, contract, mapping, journal.url, page_rows).rows == 28
    assert keys(centre) == Counter(visits(0, 28))


def test_crash_between_acknowledgement_and_position_makes_no_new_event(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(journal, visits(0, 950))
    store_position = source_positions.store_position
    stored: list[Any] = []

    def dies_at_the_third(engine: sa.Engine, name: str, position: Any) -> None:
        if len(stored) == 2:
            raise KeyboardInterrupt
        stored.append(position)
        store_position(engine, name, position)

    with monkeypatch.context() as patch:
        patch.setattr(source_positions, "store_position", dies_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            pull(centre, contract, mapping, journal.url, page_rows=100)
    assert len(event_ids(centre)) == 300, "three pages had been acknowledged"

    assert pull(centre, contract, mapping, journal.url, page_rows=100).rows == 750
    ids = event_ids(centre)
    assert len(ids) == 950
    assert Counter(ids.values()) == {1: 850, 2: 100}, "only the page in between came twice, with the ids it had"


def test_killed_at_random_every_row_arrives_and_no_id_is_new(
    centre: Settings, contract: Contract, journal: sa.Engine
) -> None:
    for start in range(0, 12_000, 4_000):
        enter(journal, visits(start, 4_000))
    command = ["pull", str(EXAMPLE), "--page-rows", "20", "--lag-seconds", "0"]
    kills = 0
    for sent_before_the_kill in (40, 900, 2_500):
        process = start_command(centre, journal.url, command)
        while process.poll() is None and len(sent_offsets(centre)) < sent_before_the_kill:
            time.sleep(0.02)
        kills += process.poll() is None
        process.kill()
        process.communicate()
    assert kills == 3, "each was killed while it worked"
    ended = start_command(centre, journal.url, command)
    assert ended.wait(60) == 0, ended.communicate()
    ids = event_ids(centre)
    assert len(ids) == 12_000
    assert keys(centre).keys() == set(visits(0, 12_000))
    assert sum(ids.values()) <= 12_000 + 3 * 20, "a kill repeats a page at most"


def sent_offsets(centre: Settings) -> range:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": centre.bootstrap_servers, "group.id": "looks"})
    partitions = consumer.list_topics(STREAM, 10).topics[STREAM].partitions
    ends = [consumer.get_watermark_offsets(confluent_kafka.TopicPartition(STREAM, p), 10)[1] for p in partitions]
    consumer.close()
    return range(sum(ends))


def start_command(centre: Settings, url: sa.URL, arguments: Sequence[str]) -> subprocess.Popen[str]:
    environment = command_environment(centre) | {
        "HIS_DATABASE_URL": url.render_as_string(hide_password=False),
        "KAFKA_BOOTSTRAP_SERVERS": centre.bootstrap_servers,
        "DATACENTRE_SCHEMAS": str(REPOSITORY / "schemas"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "datacentre.cli", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_catches_up_after_downtime_in_bounded_pages(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    enter(journal, visits(0, 10))
    pull(centre, contract, mapping, journal.url)
    for start in range(10, 20_010, 2_000):
        enter(journal, visits(start, 2_000))
    pages: list[int] = []
    with source(centre, contract, mapping, journal.url, page_rows=500) as made:
        made.poll(LibrdkafkaProducer(centre.bootstrap_servers), pages.append, lambda: False)
    assert pages == list(range(500, 20_001, 500))
    progress = land(centre, contract)
    assert progress.landed[STREAM] == 20_010
    assert {row["record_key"] for row in landed_rows(centre, contract)} == set(visits(0, 20_010))


@contextmanager
def late_commit(engine: sa.Engine) -> Iterator[sa.Connection]:
    """An entry with an early watermark that nobody sees yet, and a later one that is committed."""
    with transaction(engine) as late:
        enter(late, ["V-LATE"])
        time.sleep(0.01)
        enter(engine, ["V-PROMPT"])
        yield late


def test_a_transaction_that_commits_late_is_not_passed_by(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    enter(journal, ["V-BEFORE"])
    with late_commit(journal) as late:
        outcome = pull(centre, contract, mapping, journal.url)
        assert (outcome.rows, outcome.is_held) == (1, True)
        assert outcome.held_since is not None
        late.commit()
    assert pull(centre, contract, mapping, journal.url).rows == 2
    assert keys(centre) == Counter(["V-BEFORE", "V-LATE", "V-PROMPT"])


def test_without_looking_at_open_transactions_the_late_row_is_lost(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    """Why `open_transactions: ignore` needs a lag longer than any transaction."""
    blind = changed(mapping, open_transactions="ignore")
    with late_commit(journal) as late:
        assert pull(centre, contract, blind, journal.url).rows == 1
        late.commit()
    assert pull(centre, contract, blind, journal.url).rows == 0
    assert keys(centre) == Counter(["V-PROMPT"])


def test_a_transaction_that_has_not_written_yet_counts_too(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    with transaction(journal) as late:
        late.execute(sa.text("select now()"))
        time.sleep(0.01)
        enter(journal, ["V-PROMPT"])
        assert pull(centre, contract, mapping, journal.url).rows == 0
        assert pull(centre, contract, changed(mapping, open_transactions="writing"), journal.url).rows == 1
        enter(late, ["V-LATE"])
        late.commit()
    assert pull(centre, contract, mapping, journal.url).rows == 0, "`writing` had passed it by: its lag was too short"


def test_a_role_that_may_not_see_when_others_began_waits_for_them(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier, "_PATIENCE_SECONDS", 0.3)
    with reader(journal) as url, late_commit(journal) as late:
        outcome = pull(centre, contract, mapping, url)
        assert (outcome.rows, outcome.is_held, outcome.held_since) == (0, True, None)
        late.commit()
        assert pull(centre, contract, mapping, url).rows == 2
    assert keys(centre) == Counter(["V-LATE", "V-PROMPT"])


@contextmanager
def reader(engine: sa.Engine) -> Iterator[sa.URL]:
    """A role that may read the journal and nothing else."""
    run(engine, "create role his_reader login; grant usage on schema his to his_reader")
    run(engine, "grant select on his.visit_journal to his_reader")
    yield engine.url.set(username="his_reader")
    run(engine, "drop owned by his_reader; drop role his_reader")


def test_a_prepared_transaction_holds_the_reading(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier, "_PATIENCE_SECONDS", 0.2)
    with transaction(journal) as late:
        enter(late, ["V-LATE"])
        late.exec_driver_sql("prepare transaction 'two-phase'")
    enter(journal, ["V-PROMPT"])
    assert pull(centre, contract, mapping, journal.url).is_held
    run(journal, "commit prepared 'two-phase'")
    assert pull(centre, contract, mapping, journal.url).rows == 2
    assert keys(centre) == Counter(["V-LATE", "V-PROMPT"])


def test_a_watermark_that_is_the_transaction_needs_no_clock(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    run(journal, "alter table his.visit_journal add column written_in xid8 not null default pg_current_xact_id()")
    run(journal, "alter table his.visit_journal alter column written_at set default '2020-01-01'")
    by_transaction = changed(mapping, watermark="written_in")
    with reader(journal) as url, late_commit(journal) as late:
        assert pull(centre, contract, by_transaction, url).rows == 0
        late.commit()
        enter(journal, visits(0, 30))
        assert pull(centre, contract, by_transaction, url, page_rows=7).rows == 32
        assert pull(centre, contract, by_transaction, url).rows == 0
    assert keys(centre) == Counter(["V-LATE", "V-PROMPT", *visits(0, 30)])


def test_many_writers_at_once_lose_nothing(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    """Transactions begin, write and commit in any order while the source polls all the time."""

    def write(writer: int) -> None:
        chance = random.Random(writer)
        for turn in range(60):
            with transaction(journal) as open_one:
                enter(open_one, [f"V-{writer}-{turn}"])
                time.sleep(chance.choice([0, 0, 0.002, 0.05]))
                open_one.commit()

    with ThreadPoolExecutor(5) as threads:
        writers = [threads.submit(write, writer) for writer in range(5)]
        with source(centre, contract, overridden(mapping, None, 0.01), journal.url, page_rows=7) as made:
            producer = LibrdkafkaProducer(centre.bootstrap_servers)
            while not all(writer.done() for writer in writers):
                made.poll(producer, lambda rows: None, lambda: False)
            time.sleep(0.05)
            made.poll(producer, lambda rows: None, lambda: False)
    assert [writer.exception() for writer in writers] == [None] * 5
    assert keys(centre) == Counter(f"V-{writer}-{turn}" for writer in range(5) for turn in range(60))


def test_position_and_keys_in_a_control_store_on_postgresql(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    shared = replace(centre, control_url=journal.url.render_as_string(hide_password=False))
    enter(journal, visits(0, 30))
    assert pull(shared, contract, mapping, journal.url, page_rows=7, finds_vanished=True).rows == 30
    run(journal, "delete from his.visit_journal where entry_no = 5")
    enter(journal, visits(30, 2))
    outcome = pull(shared, contract, mapping, journal.url, page_rows=7, finds_vanished=True)
    assert (outcome.rows, outcome.vanished) == (2, 1)


def test_a_lag_leaves_the_newest_rows_for_later(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    enter(journal, ["V-NEW"])
    assert pull(centre, contract, overridden(mapping, None, 60), journal.url).rows == 0
    run(journal, "alter table his.visit_journal disable trigger touch")
    run(journal, "update his.visit_journal set written_at = written_at - interval '61 s'")
    assert pull(centre, contract, overridden(mapping, None, 60), journal.url).rows == 1


def test_deletions_by_flag_and_by_vanished_keys(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    for _ in range(2):
        enter(journal, visits(0, 20))
    pull(centre, contract, mapping, journal.url)
    enter(journal, ["V-000003"], code="ERASE")
    run(journal, "delete from his.visit_journal where visit_no in ('V-000007', 'V-000008')")
    run(journal, "delete from his.visit_journal where entry_no = (select min(entry_no) from his.visit_journal)")
    outcome = pull(centre, contract, mapping, journal.url, page_rows=6, finds_vanished=True)
    assert (outcome.events, outcome.deletions, outcome.vanished) == (0, 1, 2)
    again = pull(centre, contract, mapping, journal.url, finds_vanished=True)
    assert (again.deletions, again.vanished) == (0, 0), "each key is deleted once"

    deleted = [key for key, record in received(centre) if record is None]
    assert sorted(deleted) == ["V-000003", "V-000007", "V-000008"]
    progress = land(centre, contract)
    assert (progress.landed[STREAM], progress.quarantined[STREAM]) == (43, 0)
    rows = landed_rows(centre, contract)
    assert sorted(row["record_key"] for row in rows if row["is_deleted"]) == sorted(deleted)


def test_a_key_that_comes_back_lives_again(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    enter(journal, ["V-BACK"])
    pull(centre, contract, mapping, journal.url)
    run(journal, "delete from his.visit_journal")
    assert pull(centre, contract, mapping, journal.url, finds_vanished=True).vanished == 1
    enter(journal, ["V-BACK"])
    assert pull(centre, contract, mapping, journal.url, finds_vanished=True).vanished == 0
    assert [record is None for _, record in received(centre)] == [False, True, False]


def test_a_key_that_was_deleted_during_a_crash_is_found(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(journal, ["V-CRASH"])

    def dies(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(source_positions, "store_position", dies)
        with pytest.raises(KeyboardInterrupt):
            pull(centre, contract, mapping, journal.url)
    run(journal, "delete from his.visit_journal")
    assert pull(centre, contract, mapping, journal.url, finds_vanished=True).vanished == 1


def test_rows_that_can_not_be_mapped_are_reported_without_identifiers(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    enter(journal, visits(0, 3))
    enter(journal, ["V-CODE"], code="TELEPORT")
    run(journal, "alter table his.visit_journal alter column born_on type text")
    enter(journal, ["V-BORN"])
    run(journal, "update his.visit_journal set born_on = '31.02.1990' where visit_no = 'V-BORN'")
    outcome = pull(centre, contract, mapping, journal.url)
    assert (outcome.rows, outcome.events, outcome.rejected) == (5, 3, 2)
    assert outcome.rejects_file is not None
    text = outcome.rejects_file.read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    assert [(e["table"], e["key"], e["column"]) for e in entries] == [
        ("his.visit_journal", ["4"], "entry_code"),
        ("his.visit_journal", ["5"], "born_on"),
    ]
    assert entries[0]["reason"] == "event: is none of the values that the mapping names"
    assert entries[1]["reason"] == "birth_date: can't be read as date"
    assert CITIZEN not in text and "1990" not in text
    assert pull(centre, contract, mapping, journal.url).rows == 0, "the rest went on, and so did the position"


@pytest.mark.parametrize(
    ("spoiling", "told"),
    [
        ("alter table his.visit_journal rename column mobile to phone", "his.visit_journal has no column 'mobile'"),
        ("alter table his.visit_journal drop column written_at", "no column 'written_at'"),
        ("alter table his.visit_journal rename to journal", "the database has no table 'his.visit_journal'"),
        ("alter table his.visit_journal drop constraint visit_journal_pkey", "may hold the same entry_no twice"),
        ("alter table his.visit_journal alter written_at type timestamp", "carries no zone: name it"),
        ("alter table his.visit_journal alter written_at drop default, alter written_at type date", "neither a"),
    ],
)
def test_a_table_that_does_not_fit_is_told_with_the_mappings_line(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine, spoiling: str, told: str
) -> None:
    run(journal, spoiling)
    with pytest.raises(ContractError, match=re.escape(told)) as caught:
        pull(centre, contract, mapping, journal.url)
    assert re.match(rf"{re.escape(str(EXAMPLE))}:\d+: ", str(caught.value))


def test_an_empty_watermark_is_told_before_anything_is_sent(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    enter(journal, visits(0, 3))
    run(journal, "alter table his.visit_journal disable trigger touch")
    run(journal, "alter table his.visit_journal alter written_at drop not null")
    assert pull(centre, contract, mapping, journal.url).rows == 3
    run(journal, "update his.visit_journal set written_at = null where visit_no = 'V-000001'")
    with pytest.raises(CheckFailed, match=r"his\.visit_journal\.written_at is null"):
        pull(centre, contract, mapping, journal.url)


def test_a_local_clock_is_read_in_the_zone_that_the_mapping_names(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    run(
        journal,
        "alter table his.visit_journal alter written_at type timestamp using written_at at time zone 'Asia/Thimphu',"
        " alter written_at set default now() at time zone 'Asia/Thimphu'",
    )
    local = changed(mapping, zone="Asia/Thimphu")
    enter(journal, ["V-ONE"])
    assert pull(centre, contract, local, journal.url).rows == 1
    enter(journal, ["V-TWO"])
    assert pull(centre, contract, local, journal.url).rows == 1
    assert pull(centre, contract, changed(mapping, zone="UTC"), journal.url).rows == 0


def test_a_query_is_read_like_a_table_and_its_key_is_watched(
    centre: Settings, contract: Contract, mapping: Mapping, journal: sa.Engine
) -> None:
    enter(journal, visits(0, 40))
    query = "select * from his.visit_journal where citizen_no like '999%' and department::text <> 'none';"
    named = changed(mapping, table=None, query=query, name="his-visits")
    assert pull(centre, contract, named, journal.url, page_rows=9).rows == 40
    doubled = changed(named, query="select j.* from his.visit_journal j, generate_series(1, 2)", name="doubled")
    with pytest.raises(CheckFailed, match="doubled has two rows with the same entry_no and written_at"):
        pull(centre, contract, doubled, journal.url, page_rows=9)


def test_an_unreachable_database_is_one_line_without_its_password(centre: Settings, tmp_path: Path) -> None:
    url = sa.make_url("postgresql://his:s3cret%21pass@127.0.0.1:9/his")
    process = start_command(centre, url, ["pull", "his_visit_journal"])
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 3
    (line,) = stderr.strip().splitlines()
    assert "HIS_DATABASE_URL" in line and "127.0.0.1:9" in line and "his.visit_journal" in line
    assert "s3cret" not in stdout + stderr


def test_follows_over_an_outage_until_it_is_ended(centre: Settings, journal: sa.Engine, postgres: sa.URL) -> None:
    enter(journal, visits(0, 5))
    command = ["pull", "his_visit_journal", "--follow", "0.2", "--lag-seconds", "0", "--detect-deletes", "--json"]
    process = start_command(centre, journal.url, command)
    try:
        wait_for(lambda: len(sent_offsets(centre)) == 5)
        second = start_command(centre, journal.url, ["pull", "his_visit_journal"])
        assert second.wait(30) == 3
        assert "being pulled by another process" in second.communicate()[1]

        enter(journal, visits(5, 5))
        wait_for(lambda: len(sent_offsets(centre)) == 10)
        with away(journal, postgres):
            time.sleep(1.5)
        enter(journal, visits(10, 5))
        wait_for(lambda: len(sent_offsets(centre)) == 15)
    finally:
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    outcome = json.loads(stdout)
    assert (outcome["rows"], outcome["events"], outcome["vanished"]) == (15, 15, 0)
    warnings = [line for line in stderr.splitlines() if "waiting" in line]
    assert 1 <= len(warnings) <= 2, "an outage is told when it begins, not at every poll"


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def away(engine: sa.Engine, server: sa.URL) -> Iterator[None]:
    """The database is not there for a while."""
    name = engine.url.database
    engine.dispose()
    control = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    run(control, f"alter database {name} allow_connections false")
    run(control, "select pg_terminate_backend(pid) from pg_stat_activity where datname = :name", name=name)
    yield
    run(control, f"alter database {name} allow_connections true")
    control.dispose()


def changed(mapping: Mapping, **options: Any) -> Mapping:
    section = mapping.document.database
    assert section is not None
    document = mapping.document.model_copy(update={"database": section.model_copy(update=options)})
    return replace(mapping, document=document)
