"""Quarantine as a workbench, from a real broker to the marts; and streams that are stopped for bad records."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace

import confluent_kafka
import duckdb
import pytest
from typer.testing import CliRunner

from connectors.sink.poison import Poisoned, Stops
from connectors.sink.sink import Sink
from connectors.topics import describe_topics
from datacentre.cli.main import app
from datacentre.contracts import Contract, load_contracts
from datacentre.contracts.versions import publish
from datacentre.control.freshness import newest_freshness
from datacentre.control.store import opened
from datacentre.settings import KAFKA_CLIENTS, REPOSITORY, Settings
from datacentre.stages.build import build
from datacentre.stages.check import check
from datacentre.stages.land import land
from datacentre.stages.replay import dismiss, replay
from datacentre.stages.verify import verify
from lake.marts import published
from lake.positions import landed_positions
from lake.quarantine import Selection
from lake.tables import lake_id
from tests.conftest import command_environment

pytestmark = pytest.mark.broker
STREAM = "pmo__deliberation_vote"
OTHER = "dot__departures"
Message = tuple[bytes, bytes]


def vote(number: int, version: str = "1.0.0", given: str = "agree") -> Message:
    participant = f"{number:016x}"
    fields = {
        "event_id": f"v{number}",
        "source": "pmo/deliberation",
        "event_time": "2026-03-01T10:00:00Z",
        "schema": f"{STREAM}@{version}",
        "conversation_id": "evening-clinics",
        "statement_id": "s1",
        "participant_key": participant,
        "vote": given,
        **({"statement_text": f"thought {number}"} if number % 2 else {}),
    }
    return participant.encode(), json.dumps(fields).encode()


def produce(centre: Settings, messages: Iterable[Message], stream: str = STREAM) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": centre.bootstrap_servers, "acks": "all"})
    for key, value in messages:
        producer.produce(stream, key=key, value=value)
    producer.flush(30)


def reconciles(centre: Settings) -> None:
    assert [r.differences for r in verify(centre, [STREAM])] == [(), ()]


@pytest.fixture
def own_schemas(centre: Settings) -> Settings:
    """A centre whose contracts a test may change."""
    shutil.copytree(REPOSITORY / "schemas", centre.home / "schemas")
    return replace(centre, schemas=centre.home / "schemas")


def publish_next_version(centre: Settings) -> Contract:
    file = centre.contracts / f"{STREAM}.yaml"
    file.write_text(file.read_text().replace("version: 1.0.0", "version: 1.1.0", 1))
    contract = load_contracts(centre.schemas)[STREAM]
    publish(contract, file, centre.schemas)
    return contract


def fresh_rows(centre: Settings) -> int:
    """Rows that the last build has shown for the first time."""
    with opened(centre.control_url) as control:
        return newest_freshness(control)[STREAM].rows


def votes_in_marts(centre: Settings) -> tuple[int, int]:
    """Votes in the staging model and in the mart."""
    with closing(duckdb.connect(str(published(centre.marts)), read_only=True)) as marts:
        counts = [
            marts.execute(f"select count(*) from {table}").fetchall()[0][0]
            for table in (f"staging.stg_{STREAM}", "marts.fct_deliberation_vote")
        ]
    return counts[0], counts[1]


def test_records_of_a_version_published_late_reach_the_marts(own_schemas: Settings) -> None:
    centre = own_schemas
    produce(centre, (vote(n, "1.1.0" if n % 3 == 0 else "1.0.0") for n in range(300)))
    produce(centre, (vote(n, given="perhaps") for n in range(300, 310)))
    land(centre, [STREAM])
    check(centre, [STREAM])
    build(centre)
    assert votes_in_marts(centre) == (200, 200)
    assert fresh_rows(centre) == 200
    assert replay(centre, STREAM, "tshering").rows_out == 0

    contract = publish_next_version(centre)
    before = landed_positions(centre.lake, contract)
    outcome = replay(centre, STREAM, "tshering")
    assert (outcome.rows_in, outcome.rows_out, outcome.rows_quarantined) == (110, 100, 10)
    assert landed_positions(centre.lake, contract) == before
    reconciles(centre)
    (checked,) = check(centre, [STREAM])
    assert (checked.rows_in, checked.rows_out) == (100, 100)
    build(centre)
    assert votes_in_marts(centre) == (300, 300)
    assert fresh_rows(centre) == 100

    again = replay(centre, STREAM, "tshering")
    assert (again.rows_out, again.rows_quarantined) == (0, 10)
    assert check(centre, [STREAM]) == ()
    assert dismiss(centre, STREAM, "tshering", "not a vote", Selection(rule="vote.allowed")).rows_in == 10
    reconciles(centre)
    produce(centre, (vote(n, "1.1.0") for n in range(400, 420)))
    land(centre, [STREAM])
    reconciles(centre)


def caught_up(sink: Sink) -> None:
    sink.run(until_caught_up=True, stopping=lambda: False, told=lambda progress: None)


@pytest.mark.parametrize("client", KAFKA_CLIENTS)
def test_a_poisoned_stream_stops_and_the_others_go_on(
    centre: Settings, contracts: dict[str, Contract], client: str, caplog: pytest.LogCaptureFixture
) -> None:
    centre = replace(centre, kafka_client=client)
    chosen = {key: contracts[key] for key in (STREAM, OTHER)}
    produce(centre, (vote(n, given="perhaps") for n in range(1_400)))
    produce(centre, [(b"f-1", b"{}")] * 3, OTHER)
    sink = Sink(centre, chosen)
    caught_up(sink)
    assert isinstance(sink.failures[STREAM], Poisoned)
    assert sink.progress.quarantined == {OTHER: 3}
    assert sum(landed_positions(centre.lake, chosen[STREAM]).values()) == 0
    assert f"{STREAM}: stopped" in caplog.text
    status = CliRunner().invoke(app, ["status", "--json"], env=command_environment(centre))
    stopped = {s["stream"]: s["stopped_at"] for s in json.loads(status.stdout)["streams"]}
    assert [key for key, at in stopped.items() if at] == [STREAM]

    later = Sink(centre, chosen)
    assert "datacentre resume" in str(later.failures[STREAM])
    caught_up(later)
    assert later.progress.records == 0

    Stops(centre.home).resume(STREAM, accept=False)
    judged_again = Sink(centre, chosen)
    assert judged_again.failures == {}
    caught_up(judged_again)
    assert isinstance(judged_again.failures[STREAM], Poisoned)


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "nothing came of it"
        time.sleep(0.1)


@pytest.mark.parametrize("client", KAFKA_CLIENTS)
def test_running_sinks_stop_and_go_on_together(centre: Settings, contracts: dict[str, Contract], client: str) -> None:
    """Two members of the group, one stream: one of them stops it, both go on after `resume`."""
    centre = replace(centre, kafka_client=client)
    contract = contracts[STREAM]
    lake_id(centre.lake)  # made once for both: they are threads of one process here
    sinks, ending = [Sink(centre, {STREAM: contract}) for _ in range(2)], threading.Event()
    threads = [
        threading.Thread(target=s.run, args=(False, ending.is_set, lambda progress: None), daemon=True) for s in sinks
    ]
    for thread in threads:
        thread.start()
    try:
        produce(centre, (vote(n) for n in range(100)))
        wait_for(lambda: sum(s.progress.records for s in sinks) == 100)
        produce(centre, (vote(n, given="perhaps") for n in range(100, 3_100)))
        wait_for(lambda: all(STREAM in s.failures for s in sinks))
        stops, rounds = Stops(centre.home), 0
        topic = describe_topics(centre.bootstrap_servers, [contract])[STREAM]
        while landed_positions(centre.lake, contract) != topic.end_offsets:
            if stops.is_stopped(STREAM):
                stops.resume(STREAM, accept=True)
                rounds += 1
            time.sleep(0.2)
            assert rounds < 20
        produce(centre, (vote(n) for n in range(4_000, 4_050)))
        wait_for(lambda: sum(s.progress.landed[STREAM] for s in sinks) == 150)
    finally:
        ending.set()
        for thread in threads:
            thread.join(30)
    assert sum(s.progress.quarantined[STREAM] for s in sinks) == 3_000
    assert sinks[0].failures == sinks[1].failures == {}
    reconciles(centre)


def test_the_commands_speak_json_and_end_with_one_line(centre: Settings) -> None:
    produce(centre, [vote(1), vote(2, given="perhaps"), (b"k", b'{"vote": "agree",,}')])
    land(centre, [STREAM])

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(words), env=command_environment(centre))
        assert result.exit_code == code, result.output
        return result.output

    listed = json.loads(run("quarantine", "list", STREAM, "--json"))
    assert {(c["rule"], c["records"]) for c in listed["counts"]} == {("vote.allowed", 1), ("record.not_json", 1)}
    places = {r["broken_rules"][0]: (str(r["partition"]), str(r["offset"])) for r in listed["records"]}
    shown = run("quarantine", "show", STREAM, *places["vote.allowed"])
    assert '>   "vote": "perhaps"   <- vote.allowed' in shown
    assert "<- vote.allowed" not in shown.split('"vote"')[0]
    assert "not JSON at character 17" in run("quarantine", "show", STREAM, *places["record.not_json"])
    day = listed["counts"][0]["day"]
    assert json.loads(run("quarantine", "list", STREAM, "--day", "2001-01-01", "--json"))["counts"] == []
    assert json.loads(run("quarantine", "replay", STREAM, "--day", day, "--json"))[0]["rows_out"] == 0
    place = ":".join(places["record.not_json"])
    gone = json.loads(run("quarantine", "dismiss", STREAM, "--offset", place, "--reason", "a test", "--json"))
    assert gone[0]["rows_in"] == 1
    after = json.loads(run("quarantine", "show", STREAM, *places["record.not_json"], "--json"))["record"]
    assert (after["status"], after["reason"]) == ("dismissed", "a test")
    run("quarantine", "show", STREAM, "0", "999999", code=5)
    run("quarantine", "list", "--day", "yesterday", code=2)
    run("resume", STREAM, code=5)
