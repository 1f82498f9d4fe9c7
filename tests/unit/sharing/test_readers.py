"""A person learns who looked her up and who was given rows that name her, and nothing else."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.split import Splitter
from datacentre.contracts import load_contracts
from datacentre.pseudonym import load_or_create
from datacentre.settings import from_environment
from lake.commit import append
from lake.commit_log import CommitLog
from lake.tables import create_table, open_table
from sharing.access_log.log import AccessLog
from sharing.agreements import load_agreements
from sharing.cursor import CursorSeal
from sharing.mart_reader import MartReader, RowRequest
from sharing.permission import Permission
from sharing.person_places import rows_of
from sharing.pseudonyms import load_scope, rotate_scope
from sharing.readers import Held, Reading, Traces, readings_of, releases_holding
from sharing.releases.release import releases_of
from tests.unit.sharing.centre import CASES, COLUMNS, NOBODY, PEMA, Centre
from tests.unit.sharing.releases import House, visit
from tests.unit.stages.conftest import BROKER_TIME_MS, STREAM

PERSON_ROW = 1_234


@pytest.fixture
def person_key(centre: Centre) -> str:
    key = load_or_create(centre.settings.home, True)
    token = load_scope(centre.settings.home, "rcsc").token("person", key.pseudonym(PEMA))
    file = releases_of(centre.settings.home, "rcsc") / "1" / f"{CASES}.parquet"
    table = pq.read_table(file)
    values = table[COLUMNS[CASES][0]].to_pylist()
    values[PERSON_ROW] = token
    table = table.set_column(0, COLUMNS[CASES][0], pa.array(values))
    pq.write_table(table, file, row_group_size=400)
    land_feedback(centre, 50, PEMA)
    land_feedback(centre, 51, NOBODY)
    return key.pseudonym(PEMA)


def land_feedback(centre: Centre, offset: int, cid: str) -> None:
    contract = centre.contracts[STREAM]
    record = {
        "event_id": f"e{offset}",
        "source": "rcsc/tool",
        "event_time": "2025-06-01T09:00:00+06:00",
        "schema": contract.schema_tag,
        "feedback_id": f"F-{offset}",
        "service_code": "cid-first",
        "cid": cid,
        "rating": 4,
    }
    batch = Batch()
    message = (0, offset, BROKER_TIME_MS, record["feedback_id"].encode(), json.dumps(record).encode())
    batch.add(Chunk.of(contract.key, [message]))
    landed = Splitter(contract, load_or_create(centre.settings.home, True)).split(batch.table()).landed
    table = open_table(centre.settings.lake, contract, "landed")
    log = CommitLog(table or create_table(centre.settings.lake, contract, "landed", "cluster/topic"))
    append(log, landed, {0: (offset, offset + 1)}, "rules")


def readings(centre: Centre, person_key: str) -> list[Reading]:
    traces = Traces(centre.settings.home, centre.settings.lake, centre.contracts, centre.agreements)
    scope = load_scope(centre.settings.home, "rcsc")
    return list(traces.of({person_key}, lambda release: {scope.token("person", person_key)}))


def test_she_sees_lookups_rows_and_extracts_that_held_her(centre: Centre, person_key: str) -> None:
    with centre.client() as client:
        rcsc, hospital = centre.headers("rcsc"), centre.headers("jdwnrh")
        client.post("/v1/persons/lookup", json={"cid": PEMA}, headers=hospital)
        client.post("/v1/persons/lookup", json={"cid": NOBODY}, headers=hospital)
        client.post("/v1/persons/lookup", json={"cid": PEMA}, headers=rcsc)
        path, after = f"/v1/marts/{CASES}/rows", ""
        for _ in range(3):  # rows 0..1000, 1000..2000, 2000..2500
            after = client.get(path, params={"after": after}, headers=rcsc).json()["next"]
        cursor = ""
        for _ in range(2):  # certified rows, then those of the live edge
            params = {"cursor": cursor}
            cursor = client.get(f"/v1/streams/{STREAM}/extract", params=params, headers=rcsc).json()["cursor"]
    found = [(r.consumer, r.action, r.dataset, r.is_refused) for r in readings(centre, person_key)]
    assert found == [
        ("jdwnrh", "lookup", "person", False),
        ("rcsc", "lookup", "person", True),
        ("rcsc", "rows", CASES, False),
        ("rcsc", "extract", STREAM, False),
    ]
    assert readings(centre, person_key)[0].fields == ("given_name", "birth_date")


def test_what_nobody_can_look_into_any_more_is_said_to_be_uncertain(centre: Centre, person_key: str) -> None:
    with centre.client() as client:
        client.get(f"/v1/marts/{CASES}/rows", params={"limit": "5"}, headers=centre.headers("rcsc"))
    assert readings(centre, person_key) == []
    shutil.rmtree(releases_of(centre.settings.home, "rcsc") / "1")
    assert [r.is_certain for r in readings(centre, person_key)] == [False]


def test_releases_that_hold_her_are_named(centre: Centre, person_key: str) -> None:
    assert releases_holding(centre.settings, person_key) == [Held("rcsc", 1, CASES, 1)]
    nobody = load_or_create(centre.settings.home, True).pseudonym(NOBODY)
    assert releases_holding(centre.settings, nobody) == []


def test_a_token_is_found_in_text_and_in_lists(tmp_path: Path) -> None:
    lists = pa.array([["a", "b"], [], None, ["t"], ["a"]], pa.list_(pa.string()))
    table = pa.table({"n": range(5), "text": ["t", "a", None, "a", "t"], "lists": lists})
    pq.write_table(table, tmp_path / "mart.parquet", row_group_size=2)
    assert rows_of(tmp_path / "mart.parquet", {"t"}) == [0, 3, 4]


def test_she_is_found_under_the_key_that_a_release_was_made_with(tmp_path: Path) -> None:
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path)})
    key, house = load_or_create(tmp_path, False), House(tmp_path)
    hers = visit(99, person_key=key.pseudonym(PEMA), department_code="OPD-EYE")
    house.publish(fct_hospital_visit=[*(visit(number) for number in range(12)), hers])
    pmo = load_agreements(settings.schemas, load_contracts(settings.schemas))["pmo"]
    allowed = Permission(pmo, "hospital-trial", "k")
    reader, log = MartReader(tmp_path, settings.dbt_project, CursorSeal(tmp_path)), AccessLog(tmp_path)
    for reason in ("first", "a laptop was lost"):
        rotate_scope(tmp_path, "pmo", reason)
        house.compiler().release(pmo, datetime.now(UTC))
        log.write([reader.read(allowed, "fct_hospital_visit", RowRequest()).read])
    log.settle()
    found = readings_of(settings, PEMA)
    assert [(r.consumer, r.dataset, r.is_certain) for r in found] == [("pmo", "fct_hospital_visit", True)] * 2
    assert readings_of(settings, NOBODY) == []
