"""Every cell of every mart leads back to the records that were sent, and no step of the way names anybody."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.cli.main import app
from datacentre.contracts import Contract
from datacentre.control.certificates import Judgement, Status, record
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.errors import ContractError
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings, from_environment
from datacentre.stages.build import build
from datacentre.stages.person_trace import places_of
from datacentre.stages.trace import trace
from lake.mart_origins import Mart, load_marts, trace_row
from lake.marts import published

CID, TRANSFER, VISIT = "dcrc__cid_issuance", "dcrc__census_transfer", "jdwnrh__hospital_visit"
PEMA, NOBODY = "99900000099", "99900000098"
SAID = {"given_name": "Pema", "family_name": "Example", "birth_date": "1990-05-17", "sex": "F"}
SAID |= {"permanent_gewog_code": "BT1405", "village": "Example village"}


def cards() -> Iterator[dict[str, Any]]:
    """Twenty that were handed over on the day, one that waits for the printer, and two for one lost card."""
    for n in range(20):
        yield step(CID, f"CID-{n}", "submitted", "2025-01-10", cid=f"999000001{n:02}", application_type="renewal")
        yield step(CID, f"CID-{n}", "approved", "2025-01-10")
        yield step(CID, f"CID-{n}", "handed_over", "2025-01-10")
    yield step(CID, "CID-STUCK", "submitted", "2025-01-10", cid=PEMA, application_type="renewal", **SAID)
    yield step(CID, "CID-STUCK", "approved", "2025-01-10")
    for number in ("CID-TWICE-1", "CID-TWICE-2"):
        yield step(CID, number, "submitted", "2025-03-10", cid=PEMA, application_type="lost")


def transfers() -> Iterator[dict[str, Any]]:
    """One that moved Pema to BT0803, and one that would move her from where she was before."""
    moved = {"from_gewog_code": "BT1405", "to_gewog_code": "BT0803"}
    yield step(TRANSFER, "CT-1", "submitted", "2025-02-10", applicant_cid=PEMA, **moved)
    yield step(TRANSFER, "CT-1", "registered", "2025-02-11")
    yield step(TRANSFER, "CT-2", "submitted", "2025-03-10", applicant_cid=PEMA, **moved | {"to_gewog_code": "BT0104"})


def step(stream: str, number: str, name: str, day: str, **fields: Any) -> dict[str, Any]:
    marks = {"event_id": f"{number}-{name}", "source": "dcrc/bcrs", "event_time": day, "schema": f"{stream}@1.0.0"}
    return {**marks, "application_id": number, "step": name, **fields}


def visits() -> Iterator[dict[str, Any]]:
    marks = {"event_id": "0123456789abcdef-7-1", "source": "jdwnrh/his", "schema": f"{VISIT}@1.0.0"}
    yield {**marks, "event_time": "2025-03-01", "visit_id": "V-1", "event": "arrived", "cid": PEMA, "sex": "F"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Contract]) -> Settings:
    """A centre with these stories and the samples of the other streams, built once."""
    home = tmp_path_factory.mktemp("trace")
    settings = from_environment({"DATACENTRE_HOME": str(home)})
    stories = {CID: [*cards()], TRANSFER: [*transfers()], VISIT: [*visits()]}
    for key, contract in contracts.items():
        samples = (settings.schemas / "samples" / f"{key}.jsonl").read_text().splitlines()
        hours_ago = 2 if key == CID else 1
        land(settings, contract, stories.get(key) or [json.loads(line) for line in samples], hours_ago)
    build(settings)
    return settings


def land(settings: Settings, contract: Contract, records: list[dict[str, Any]], hours_ago: int) -> None:
    """Land and certify records in partition 0, one each second."""
    begun, batch = int((time.time() - hours_ago * 3600) * 1000), Batch()
    rows = [
        (0, n, begun + n * 1000, str(r[contract.kafka_key]).encode(), json.dumps(r).encode())
        for n, r in enumerate(records)
    ]
    batch.add(Chunk.of(contract.key, rows))
    batch.advance(0, 0, len(rows))
    places = dict.fromkeys(range(contract.partitions), 0)
    topic = Topic(contract.key, "test/test", places, places)
    writer = StreamWriter(settings.lake, contract, load_or_create(settings.home, is_in_use=False), topic)
    assert writer.commit(batch).quarantined == 0, contract.key
    with opened(settings.control_url) as control:
        record(control, contract.key, [OffsetRange(0, 0, len(rows))], Judgement(Status.PASSED, "", (), "c", "s", 1))


def test_each_mart_says_what_its_rows_are_made_of(settings: Settings) -> None:
    """Of each mart one row is followed to records that came by the certificate and the commit named."""
    marts = load_marts(settings.dbt_project)
    assert set(marts) == {file.stem for file in (settings.dbt_project / "models" / "marts").glob("*.sql")}
    for name, mart in marts.items():
        key = first_key(published(settings.marts), mart)
        traced = trace(settings, name, [f"{column}={value}" for column, value in key.items() if value is not None])
        assert traced.published == published(settings.marts).name
        assert traced.build is not None
        assert traced.streams or traced.reference_lists, name
        for stream in traced.streams:
            assert stream.records, name
            assert {r.commit for r in stream.records} == {c.version for c in stream.commits}, name
            assert {r.certificate for r in stream.records} == {c.id for c in stream.certificates}, name


def first_key(file: Path, mart: Mart) -> dict[str, str | None]:
    """The key of the first row, as text."""
    columns = ", ".join(f"{column}::text" for column in mart.key)
    with duckdb.connect(str(file), read_only=True) as connection:
        row = connection.execute(f"select {columns} from marts.{mart.name} order by all limit 1").fetchone()
    assert row is not None, mart.name
    return dict(zip(mart.key, row, strict=True))


def test_a_case_is_traced_to_the_records_that_were_sent(settings: Settings) -> None:
    traced = trace(settings, "fct_stuck_case", ["CID-STUCK"])
    (stream,) = traced.streams
    assert traced.through == {"fct_service_case": 1}
    assert [(r.offset, r.event_id) for r in stream.records] == [(60, "CID-STUCK-submitted"), (61, "CID-STUCK-approved")]
    assert {r.contract_version for r in stream.records} == {"1.0.0"}


def test_of_many_records_the_first_are_read_and_all_are_counted(settings: Settings) -> None:
    file, marts = published(settings.marts), load_marts(settings.dbt_project)
    with duckdb.connect(str(file), read_only=True) as connection:
        found = trace_row(connection, marts, "fct_service_case", ["application_id=CID-STUCK"], most=1)
    assert found.counts == {"dcrc__cid_issuance": 2}
    assert [(record.offset, record.event_id) for record in found.records] == [(60, "CID-STUCK-submitted")]


def test_a_cell_of_the_score_is_traced_to_the_form_that_asked(settings: Settings) -> None:
    traced = trace(settings, "agg_stop_asking", ["jdwnrh", "field=sex"])
    assert traced.through == {"agg_once_only_month": 1, "fct_asked_field": 1}
    ((asked,),) = [stream.records for stream in traced.streams]
    assert asked.record_key == "V-1"
    assert asked.came_from == "row 7 of the file whose SHA-256 begins with 0123456789abcdef"


@pytest.mark.parametrize(
    ("mart", "asked", "message"),
    [
        ("fct_service_case", ["CID-99"], "no row has CID-99; its key is stream_key, application_id"),
        ("fct_service_case", [f"stream_key={CID}"], "more than one row has"),
        ("fct_service_case", ["office_code=X"], "'office_code' is no column of its key"),
        ("fct_nothing", ["X"], "no mart 'fct_nothing'; there are agg_"),
    ],
)
def test_what_is_not_one_row_is_refused(settings: Settings, mart: str, asked: list[str], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        trace(settings, mart, asked)


def test_a_person_is_found_in_every_mart_that_names_her(settings: Settings) -> None:
    key = load_or_create(settings.home, is_in_use=True)
    assert places_of(settings, key.pseudonym(PEMA)).datasets == {
        "dim_person": 1,
        "dim_residence_history": 2,
        "fct_duplicate_case": 2,
        "fct_hospital_visit": 1,
        "fct_service_case": 5,
        "fct_stuck_case": 1,
        "fct_transfer_conflict": 1,
    }
    assert places_of(settings, key.pseudonym(NOBODY)).datasets == {}


def test_a_trace_holds_no_identifier(settings: Settings) -> None:
    runner = CliRunner(env={"DATACENTRE_HOME": str(settings.home)})
    for arguments in (
        ["trace", "fct_service_case", "CID-STUCK"],
        ["trace", "fct_service_case", "CID-STUCK", "--json"],
        ["trace", "--person", "-"],
    ):
        answer = runner.invoke(app, arguments, input=f"{PEMA}\n")
        assert answer.exit_code == 0, answer.output
        assert "fct_service_case" in answer.output
        assert [value for value in (PEMA, *SAID.values()) if len(value) > 1 and value in answer.output] == []
