"""A person is erased from every byte of the centre; the facts stay."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import confluent_kafka
import duckdb
import pytest
from typer.testing import CliRunner

from connectors.sources.file_source.rejects import RejectReport, RowRejected
from datacentre.cli.main import app
from datacentre.contracts import Contract
from datacentre.control.source_positions import add_keys
from datacentre.control.store import opened
from datacentre.settings import Settings
from datacentre.stages.backup import backup, complete
from datacentre.stages.build import build
from datacentre.stages.check import check
from datacentre.stages.land import land
from datacentre.stages.replay import dismiss, replay
from datacentre.stages.restore import restore
from datacentre.stages.validation_docs import draw_validation
from datacentre.stages.verify import verify
from lake.marts import published
from lake.quarantine import Selection
from lake.snapshot import snapshot
from tests.conftest import command_environment
from tests.identifier_search import files_holding, topics_holding
from tests.integration.test_topic_settings import own_settings

pytestmark = pytest.mark.broker
ZANGMO, CHILD = "11705551234", "11705559999"
NAME, PHONE, NUMBER = "Zangmolhaden", "+97517553311", "70055123"
ISSUANCE, TRANSFER, VISIT, FEEDBACK = (
    "dcrc__cid_issuance",
    "dcrc__census_transfer",
    "jdwnrh__hospital_visit",
    "rcsc__service_feedback",
)
STREAMS = [ISSUANCE, TRANSFER, VISIT, FEEDBACK]
TIME = {"event_time": "2026-03-02T09:15:00+06:00"}
STEP = {"application_type": "first", "sex": "F", "channel": "office", "office_code": "DCRC-BT14", **TIME}
MOVE = {"from_gewog_code": "BT0104", "to_gewog_code": "BT1405", "household_number": "BT0104-77", **TIME}
ARRIVAL = {"event": "booked", "sex": "F", "department_code": "OPD-GEN", "visit_type": "new", **TIME}
RECORDS = [
    # Before the identifier was assigned, and after.
    (ISSUANCE, "A-1", {"step": "submitted", "given_name": NAME, "birth_date": "1990-05-17", **STEP}),
    (ISSUANCE, "A-1", {"step": "approved", "cid": ZANGMO, "given_name": NAME, **STEP}),
    (ISSUANCE, "A-2", {"step": "submitted", "cid": CHILD, "given_name": "Dorji", "guardian_cid": ZANGMO, **STEP}),
    (TRANSFER, "T-1", {"step": "submitted", "applicant_cid": CHILD, "member_cids": [ZANGMO, "11705558888"], **MOVE}),
    (VISIT, "V-1", {"cid": ZANGMO, "hospital_number": NUMBER, "patient_name": NAME, "phone": PHONE, **ARRIVAL}),
    (VISIT, "V-2", {"hospital_number": NUMBER, "patient_name": NAME, "phone": PHONE, **ARRIVAL}),
    (FEEDBACK, "F-1", {"cid": CHILD, "comment": f"ask {ZANGMO}", **TIME}),
    # Of her own case, without her identifier.
    (ISSUANCE, "A-1", {"step": "no such step", "given_name": NAME, **STEP}),
]
MALFORMED = b'{"cid": "' + ZANGMO.encode() + b'", "patient_name": '
ESCAPED = b'{"cid": "' + "".join(f"\\u00{ord(d):x}" for d in ZANGMO).encode() + b'"}'


def messages(contracts: dict[str, Contract], records: list) -> Iterator[tuple[str, bytes, bytes]]:
    common = {"source": "test/erasure"}
    needed = {FEEDBACK: {"service_code": "cid-renewal", "office_code": "DCRC-BT14", "channel": "sms", "rating": 4}}
    for number, (stream, key, fields) in enumerate(records):
        contract = contracts[stream]
        bookkeeping = {"event_id": f"e{number}", "schema": contract.schema_tag, contract.kafka_key: key, **common}
        yield stream, key.encode(), json.dumps(bookkeeping | needed.get(stream, {}) | fields).encode()


def produce(centre: Settings, sent: Iterator[tuple[str, bytes, bytes]]) -> None:
    options = {"bootstrap.servers": centre.bootstrap_servers, "compression.type": "zstd", "linger.ms": 100}
    producer = confluent_kafka.Producer(options)
    for stream, key, value in sent:
        producer.produce(stream, key=key, value=value)
    producer.flush(30)


@pytest.fixture
def peopled(centre: Settings, broker: Settings, contracts: dict[str, Contract]) -> Settings:
    """A centre that holds Zangmo in every store; the broker's files stand in its home."""
    (centre.home / "kafka").symlink_to(broker.home / "kafka")
    produce(centre, messages(contracts, RECORDS))
    produce(centre, iter([(VISIT, b"V-9", MALFORMED), (VISIT, b"V-9", ESCAPED)]))
    land(centre, STREAMS)
    dismiss(centre, VISIT, "clerk", f"no visit of {ZANGMO}", Selection(rule="schema.required"))
    with RejectReport(centre.home / "rejects" / "visits.jsonl", centre.home / "visits.csv") as report:
        report.row(1, 2, RowRejected("cid", "117", "too short"))
        report.row(2, 3, RowRejected("slot_date", f"9 March, {ZANGMO}", "no date"))
    centre.run.mkdir()
    (centre.run / "sink.log").write_text(f"started\nsent {ZANGMO} by mistake\nended\n")
    with opened(centre.control_url) as control:
        add_keys(control, "dcrc/bcrs", [f"{ZANGMO}/1"])
    check(centre, STREAMS)
    build(centre)
    draw_validation(centre)
    backup(centre)
    backup(centre)
    return centre


def erase(centre: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in command_environment(centre).items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(
        app, ["erase", "--cid", "-", "--reason", "asked for it", "--authority", "Court of Thimphu"], input=f"{ZANGMO}\n"
    )
    assert said.exit_code == 0, said.output
    return said.output.split()[-1]


def vault_rows(centre: Settings, contract: Contract) -> list[dict]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "from read_parquet($files) order by kafka_partition, kafka_offset",
            {"files": list(snapshot(centre.lake, contract, "vault").files)},
        ).to_arrow_table()
    return rows.to_pylist()


def facts(centre: Settings) -> list[tuple]:
    queries = (
        f"select visit_id, person_key, event_id from staging.stg_{VISIT} order by all",
        f"select application_id, person_key, step from staging.stg_{ISSUANCE} order by all",
    )
    with closing(duckdb.connect(str(published(centre.marts)), read_only=True)) as marts:
        return [row for query in queries for row in marts.execute(query).fetchall()]


def test_no_byte_of_her_is_left_and_the_facts_stay(
    peopled: Settings, contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    centre = peopled
    before = files_holding(centre.home, ZANGMO)
    stores = {path.split("/")[0].removesuffix("-wal") for path in before}
    assert stores == {"lake", "kafka", "rejects", "run", "control.sqlite", "backups"}
    assert {path.split("/")[1] for path in before if path.startswith("lake/")} == {"vault", "quarantine"}
    assert topics_holding(centre.bootstrap_servers, STREAMS, ZANGMO) == set(STREAMS)
    known = facts(centre)

    certificate = erase(centre, monkeypatch)
    assert VISIT in draw_validation(centre).read_text()

    for text in (ZANGMO, NAME, PHONE):
        assert files_holding(centre.home, text) == set(), text
        assert topics_holding(centre.bootstrap_servers, STREAMS, text) == set(), text
    assert [d for r in verify(centre, STREAMS) for d in r.differences] == []
    build(centre)
    assert facts(centre) == known
    (child,) = [row for row in vault_rows(centre, contracts[ISSUANCE]) if row["given_name"]]
    assert (child["cid"], child["given_name"], child["guardian_cid"]) == (CHILD, "Dorji", None)
    (moved,) = vault_rows(centre, contracts[TRANSFER])
    assert (moved["applicant_cid"], moved["member_cids"]) == (CHILD, ["11705558888"])

    assert own_settings(centre.bootstrap_servers, STREAMS, "segment.ms", "file.delete.delay.ms") == {}

    said = CliRunner().invoke(app, ["erase", "verify", certificate])
    assert said.exit_code == 0
    document = json.loads(said.output)
    assert (document["reason"], document["authority"]) == ("asked for it", "Court of Thimphu")
    assert document["found"]["rows"][VISIT] == {"own": 2, "of_others": 0, "quarantined": 2}
    assert document["found"]["rows"][ISSUANCE] == {"own": 2, "of_others": 1, "quarantined": 1}
    assert document["found"]["backups"] == 2
    for number, made in enumerate(complete(centre.backups)):
        restored = replace(centre, home=centre.home / f"restored-{number}")
        restore(replace(restored, control_url=restored.own_control_url), made)
        assert files_holding(restored.home, ZANGMO) == set()
        assert vault_rows(restored, contracts[ISSUANCE]) == vault_rows(centre, contracts[ISSUANCE])

    for stream in STREAMS:
        replay(centre, stream, "clerk")
    assert files_holding(centre.home, ZANGMO) == set()
    produce(centre, messages(contracts, RECORDS[1:2]))
    land(centre, STREAMS)
    assert files_holding(centre.home, ZANGMO) != set()  # what an agency sends anew is a new record
    assert [d for r in verify(centre, STREAMS) for d in r.differences] == []
