"""dbt behind the stages: what fails is named and leaves readers alone, and what is promised of it holds."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.control.certificates import Judgement, Status, record
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import Settings, from_environment
from datacentre.stages.build import build, run_dbt
from datacentre.stages.dbt_pages import self_contained, write_pages
from datacentre.stages.examination import examine
from datacentre.stages.release import release
from lake.marts import published, work_file
from sharing.releases.release import current_release

FRESH = "rcsc__service_feedback"
VOTES = "select count(*) from marts.fct_deliberation_vote"
_DAY_MS = 24 * 3600 * 1000


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Contract]) -> Settings:
    """A centre with the sample records of every stream certified, built once; all streams but one are silent."""
    home = tmp_path_factory.mktemp("dbt")
    plain = from_environment({"DATACENTRE_HOME": str(home / "home")})
    settings = replace(plain, dbt_project=shutil.copytree(plain.dbt_project, home / "dbt_project"))
    now = int(time.time() * 1000)
    for key, contract in contracts.items():
        land(settings, contract, now if key == FRESH else now - 8 * _DAY_MS)
    build(settings)
    return settings


def land(settings: Settings, contract: Contract, received_ms: int) -> None:
    """Land and certify a stream's samples in partition 0."""
    lines = (settings.schemas / "samples" / f"{contract.key}.jsonl").read_bytes().splitlines()
    keys = [str(json.loads(line)[contract.kafka_key]).encode() for line in lines]
    batch = Batch()
    batch.add(
        Chunk.of(contract.key, [(0, n, received_ms, k, v) for n, (k, v) in enumerate(zip(keys, lines, strict=True))])
    )
    batch.advance(0, 0, len(lines))
    places = dict.fromkeys(range(contract.partitions), 0)
    topic = Topic(contract.key, "test/test", places, places)
    StreamWriter(settings.lake, contract, PseudonymKey("k1", b"s" * 32), topic).commit(batch)
    with opened(settings.control_url) as control:
        record(control, contract.key, [OffsetRange(0, 0, len(lines))], Judgement(Status.PASSED, "", (), "c", "s", 1))


def answer(file: Path, query: str) -> int:
    with duckdb.connect(str(file), read_only=True) as connection:
        return int(connection.execute(query).fetchall()[0][0])


def test_what_fails_is_named_and_the_next_good_run_heals(settings: Settings) -> None:
    before, votes = published(settings.marts), answer(published(settings.marts), VOTES)
    assert votes > 0
    model = settings.dbt_project / "models" / "marts" / "fct_deliberation_vote.sql"
    good, refusing = model.read_text(), settings.dbt_project / "tests" / "assert_nothing.sql"
    refusing.write_text("select 1 as row_too_many\n")
    model.write_text(good.replace("        vote,\n", "        no_such_column as vote,\n"))
    with pytest.raises(CheckFailed) as broken:
        build(settings)
    assert "models/marts/fct_deliberation_vote.sql: " in str(broken.value)
    assert "no_such_column" in str(broken.value)
    assert "tests/assert_nothing.sql: " in str(broken.value)

    model.write_text("{{ config(materialized='incremental' }}\n" + good)
    with pytest.raises(CheckFailed, match=r"models/marts/fct_deliberation_vote\.sql"):
        build(settings)
    assert published(settings.marts) == before
    assert answer(before, VOTES) == votes

    model.write_text(good)
    refusing.unlink()
    with duckdb.connect(str(work_file(settings.marts))) as work:
        work.execute("create schema if not exists marts")
        work.execute("create table marts.of_a_model_that_is_gone as select 1 as one")
    build(settings)
    assert published(settings.marts) != before
    assert answer(published(settings.marts), VOTES) == votes
    gone = "select count(*) from duckdb_tables() where table_name = 'of_a_model_that_is_gone'"
    assert answer(published(settings.marts), gone) == 0


def test_a_stream_that_is_silent_is_found(settings: Settings) -> None:
    run_dbt(settings, ["source", "freshness", "--select", f"source:lake.{FRESH}"])
    with pytest.raises(CheckFailed, match="dot__departures: its newest record is of 20"):
        run_dbt(settings, ["source", "freshness", "--select", "source:lake.dot__departures"])


def test_examining_finds_what_an_increment_does_not_look_at(settings: Settings) -> None:
    with pytest.raises(CheckFailed) as silent:  # its tests pass
        examine(settings)
    assert "dot__departures" in str(silent.value)
    assert FRESH not in str(silent.value)
    with duckdb.connect(str(work_file(settings.marts))) as work:
        work.execute("insert into marts.fct_deliberation_vote from (from marts.fct_deliberation_vote limit 1)")
    build(settings)
    with pytest.raises(CheckFailed, match=r"models/marts/fct_deliberation_vote\.yml: unique_together"):
        examine(settings)


def test_an_increment_tests_the_rows_that_are_new(settings: Settings) -> None:
    with duckdb.connect(str(work_file(settings.marts))) as work:
        work.execute(
            "insert into marts.fct_departure select * replace (1000 as certificate_id) from marts.fct_departure"
        )
    with pytest.raises(CheckFailed, match=r"models/marts/fct_departure\.yml: unique_together") as failed:
        build(settings)
    assert "fct_deliberation_vote" not in str(failed.value)  # it has a row too many, as old as the others


def test_pages_are_one_file_that_loads_nothing_from_elsewhere(settings: Settings) -> None:
    page = write_pages(settings).read_text(encoding="utf-8")
    assert self_contained(page) == page
    for said in ("One row per visit to a hospital department", "Royal Civil Service Commission", "innovation_lab"):
        assert said in page


@pytest.mark.parametrize(
    "piece",
    [
        '<script src="https://cdn.example/x.js">',
        "<link rel=stylesheet href=//fonts.example/x.css>",
        'i.src="//cdn.example/x.js"',
        "url(https://fonts.example/x.woff)",
        '@import "https://fonts.example/x.css"',
    ],
)
def test_a_page_that_loads_from_elsewhere_is_refused(piece: str) -> None:
    with pytest.raises(CheckFailed, match="example"):
        self_contained(f"<html>{piece}</html>")
    assert self_contained('<a href="https://example.org">x</a> i.src="//cdn.example/2/sp.js"') == (
        '<a href="https://example.org">x</a> i.src=""'
    )


def test_releases_are_made_of_what_was_built(settings: Settings) -> None:
    build(settings)
    outcomes = release(settings)
    assert [o.detail.get("error") for o in outcomes] == [None] * len(outcomes)
    assert {o.stream: o.rows_out > 0 for o in outcomes} == {"jdwnrh": True, "pmo": True, "rcsc": True}
    manifest = current_release(settings.home, "rcsc").manifest
    assert manifest["from"]["marts_version"] == published(settings.marts).name
    assert manifest["from"]["lake_versions"][FRESH] > 0
