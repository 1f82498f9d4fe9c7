"""Agencies push by HTTP to a real server over a real broker; what it takes lands."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import confluent_kafka
import httpx
import pytest
import uvicorn
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from connectors.sink.sink import Progress, Sink
from connectors.sources.gateway.check import Message
from connectors.sources.gateway.delivery import Delivery
from connectors.sources.gateway.gateway import Gateway
from connectors.sources.gateway.in_flight import Limits
from connectors.sources.gateway.keys import create_key, gateway_keys
from connectors.sources.gateway.server import server_configuration
from datacentre.contracts import Contract
from datacentre.errors import SourceUnavailable
from datacentre.services.http_service import GATEWAY
from datacentre.settings import REPOSITORY, Settings
from datacentre.web.api_keys import KeyRing
from lake.tables import open_table
from tests.conftest import command_environment, fresh_topics

pytestmark = pytest.mark.broker
DEPARTURES, VISITS = "dot__departures", "jdwnrh__hospital_visit"
RECORDS = f"/v1/streams/{DEPARTURES}/records"
NO_BROKER = "127.0.0.1:9"  # the discard port: nothing answers there
LINES = (REPOSITORY / "schemas" / "samples" / f"{DEPARTURES}.jsonl").read_bytes().splitlines()
SAMPLE: list[dict[str, Any]] = [json.loads(line) for line in LINES]
BAD = {**SAMPLE[0], "passengers": 900, "purpose": "fun"}
BROKEN = ["purpose.allowed", "passengers.range"]
LIMITS = Limits()

Start = Callable[..., AbstractContextManager[httpx.Client]]


@contextmanager
def serving(home: Path, contracts: dict[str, Contract], delivery: Delivery, limits: Limits) -> Iterator[httpx.Client]:
    """A client, with a key for two streams, of a gateway that runs in a thread of its own."""
    _, key = create_key(gateway_keys(home), "dot", [DEPARTURES, VISITS], 1, datetime.now(UTC))
    configuration = server_configuration(Gateway(contracts, KeyRing(gateway_keys(home)), delivery, limits))
    configuration.port = 0
    server = uvicorn.Server(configuration)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        delivery.close()


@pytest.fixture
def start(centre: Settings, contracts: dict[str, Contract]) -> Start:
    def started(
        bootstrap_servers: str = centre.bootstrap_servers, timeout_seconds: float = 10.0, limits: Limits = LIMITS
    ) -> AbstractContextManager[httpx.Client]:
        return serving(centre.home, contracts, Delivery(bootstrap_servers, timeout_seconds), limits)

    return started


@pytest.fixture
def client(start: Start) -> Iterator[httpx.Client]:
    with start() as client:
        yield client


def land(centre: Settings, contract: Contract) -> Progress:
    sink = Sink(centre, {contract.key: contract})
    return sink.run(until_caught_up=True, stopping=lambda: False, told=lambda progress: None)


def in_topic(centre: Settings, topic: str) -> list[tuple[bytes, bytes | None]]:
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": centre.bootstrap_servers, "group.id": "look", "enable.partition.eof": False}
    )
    try:
        parts = consumer.list_topics(topic).topics[topic].partitions
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in parts])
        ends = [consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p))[1] for p in parts]
        messages = consumer.consume(sum(ends), 20) if sum(ends) else []
        return [(m.key(), m.value()) for m in messages]
    finally:
        consumer.close()


def events(records: Sequence[dict[str, Any]]) -> list[CloudEvent]:
    marks = ("event_id", "source", "event_time", "schema")
    return [
        CloudEvent(
            {
                "id": r["event_id"],
                "source": r["source"],
                "time": datetime.fromisoformat(r["event_time"]),
                "type": "bt.dot.departed",
                "dataschema": f"http://127.0.0.1:18090/v1/schemas/{r['schema']}",
                "datacontenttype": "application/json",
            },
            {name: value for name, value in r.items() if name not in marks},
        )
        for r in records
    ]


def send_array(client: httpx.Client) -> None:
    assert client.post(RECORDS, json=SAMPLE).status_code == 202


def send_one_by_one(client: httpx.Client) -> None:
    assert {client.post(RECORDS, json=record).status_code for record in SAMPLE} == {202}


def send_lines(client: httpx.Client) -> None:
    body = b"\n".join(LINES) + b"\n"
    assert client.post(RECORDS, content=body, headers={"content-type": "application/x-ndjson"}).status_code == 202


def send_structured(client: httpx.Client) -> None:
    for message in map(to_structured_event, events(SAMPLE)):
        assert client.post(RECORDS, content=message.body, headers=message.headers).status_code == 202


def send_binary(client: httpx.Client) -> None:
    for message in map(to_binary_event, events(SAMPLE)):
        assert client.post(RECORDS, content=message.body, headers=message.headers).status_code == 202


def send_batch(client: httpx.Client) -> None:
    body = b"[" + b",".join(to_structured_event(event).body for event in events(SAMPLE)) + b"]"
    headers = {"content-type": "application/cloudevents-batch+json"}
    assert client.post(RECORDS, content=body, headers=headers).status_code == 202


@pytest.mark.parametrize(
    "send",
    [send_array, send_one_by_one, send_lines, send_structured, send_binary, send_batch],
    ids=lambda f: f.__name__,
)
def test_every_form_lands_as_the_same_records(
    send: Callable[[httpx.Client], None], client: httpx.Client, centre: Settings, contracts: dict[str, Contract]
) -> None:
    send(client)
    progress = land(centre, contracts[DEPARTURES])
    assert (progress.landed[DEPARTURES], progress.quarantined[DEPARTURES]) == (len(SAMPLE), 0)
    table = open_table(centre.lake, contracts[DEPARTURES], "landed")
    assert table is not None
    rows = table.to_pyarrow_table().to_pylist()
    told = {r["event_id"]: (r["source"], r["event_time"], r["schema_version"], r["record_key"]) for r in rows}
    assert told == {
        r["event_id"]: (r["source"], datetime.fromisoformat(r["event_time"]), "1.0.0", r["flight_id"]) for r in SAMPLE
    }


def test_a_record_that_is_sent_reaches_kafka_byte_by_byte(client: httpx.Client, centre: Settings) -> None:
    body = LINES[0].replace(b",", b" ,\n  ")
    answer = client.post(RECORDS, content=body, headers={"content-type": "application/json"})
    assert answer.json() == {"stream": DEPARTURES, "schema": SAMPLE[0]["schema"], "accepted": 1, "refused": []}
    assert in_topic(centre, DEPARTURES) == [(SAMPLE[0]["flight_id"].encode(), body)]


def test_one_broken_record_refuses_the_whole_request(client: httpx.Client, centre: Settings) -> None:
    answer = client.post(RECORDS, json=[SAMPLE[0], BAD, SAMPLE[1], {**SAMPLE[2], "schema": "dot__departures@9.0.0"}])
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["refused"] == [
        {"index": 1, "broken_rules": BROKEN},
        {"index": 3, "broken_rules": ["record.unknown_contract"]},
    ]
    assert in_topic(centre, DEPARTURES) == []


def test_partial_sends_the_good_ones(client: httpx.Client, centre: Settings) -> None:
    answer = client.post(f"{RECORDS}?partial=true", json=[SAMPLE[0], BAD, SAMPLE[1]])
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert answer.json()["refused"] == [{"index": 1, "broken_rules": BROKEN}]
    assert sorted(json.loads(v or b"")["event_id"] for _, v in in_topic(centre, DEPARTURES)) == sorted(
        r["event_id"] for r in SAMPLE[:2]
    )
    assert client.post(f"{RECORDS}?partial=true", json=[BAD]).status_code == 422
    assert client.post(f"{RECORDS}?partial=perhaps", json=[BAD]).status_code == 400


def test_the_gateway_refuses_what_the_sink_would_quarantine(
    client: httpx.Client, centre: Settings, contracts: dict[str, Contract]
) -> None:
    """The same bytes, straight into the topic, break the same rules in the sink."""
    spoiled = [
        b'{"schema":"dot__departures@1.0.0"}',
        b"[]",
        b"null",
        b"{",
        LINES[0][:-1] + b',"gate":1}',
        LINES[0][:-1] + b',"passengers":2}',
        LINES[0].replace(b'"passengers":61', b'"passengers":"61"'),
        LINES[0].replace(b"india", b"\xff"),
        json.dumps({**SAMPLE[0], "event_time": (datetime.now(UTC) + timedelta(days=3)).isoformat()}).encode(),
    ]
    answer = client.post(RECORDS, content=b"\n".join(spoiled), headers={"content-type": "application/x-ndjson"})
    refused = {entry["index"]: entry["broken_rules"] for entry in answer.json()["refused"]}
    producer = confluent_kafka.Producer({"bootstrap.servers": centre.bootstrap_servers})
    for value in spoiled:
        producer.produce(DEPARTURES, value, b"", partition=0)
    producer.flush(20)
    land(centre, contracts[DEPARTURES])
    table = open_table(centre.lake, contracts[DEPARTURES], "quarantine")
    assert table is not None
    rows = table.to_pyarrow_table().to_pylist()
    # What has a readable flight was sent without it as key here.
    other_key = {"record.key_mismatch"}
    assert {r["kafka_offset"]: sorted(set(r["broken_rules"]) - other_key) for r in rows} == {
        index: sorted(rules) for index, rules in refused.items()
    }
    assert set(refused) == set(range(len(spoiled)))


def test_no_value_comes_back_in_a_refusal(client: httpx.Client) -> None:
    visit = json.loads((REPOSITORY / "schemas" / "samples" / f"{VISITS}.jsonl").read_bytes().splitlines()[0])
    answer = client.post(
        f"/v1/streams/{VISITS}/records", json={**visit, "cid": "1234", "event": "Pema", "phone": "Pema"}
    )
    assert answer.status_code == 422
    assert answer.json()["refused"][0]["broken_rules"] == ["event.allowed", "phone.pattern"]
    assert "1234" not in answer.text and "Pema" not in answer.text
    assert "Pema" not in client.get("/metrics").text


def test_a_retry_lands_twice_and_counts_once(
    client: httpx.Client, centre: Settings, contracts: dict[str, Contract]
) -> None:
    """Staging keeps one row of each source and event_id."""
    for _ in range(3):
        assert client.post(RECORDS, json=SAMPLE).status_code == 202
    land(centre, contracts[DEPARTURES])
    table = open_table(centre.lake, contracts[DEPARTURES], "landed")
    assert table is not None
    rows = table.to_pyarrow_table(columns=["source", "event_id"])
    assert rows.num_rows == 3 * len(SAMPLE)
    assert rows.group_by(["source", "event_id"]).aggregate([]).num_rows == len(SAMPLE)


def test_a_deletion_is_a_null_value_where_the_contract_says_so(client: httpx.Client, centre: Settings) -> None:
    assert client.delete(f"/v1/streams/{VISITS}/records/V-2025%2F1").status_code == 202
    assert in_topic(centre, VISITS) == [(b"V-2025/1", None)]
    answer = client.delete(f"{RECORDS}/KB140")
    assert (answer.status_code, answer.json()["type"]) == (405, "urn:datacentre:problem:no-deletion")
    assert in_topic(centre, DEPARTURES) == []


def test_keys_open_their_own_streams_only(client: httpx.Client, centre: Settings) -> None:
    revoked = client.headers["authorization"].removeprefix("Bearer ")
    assert client.post(RECORDS, json=SAMPLE[0], headers={"authorization": "", "x-api-key": revoked}).status_code == 202
    answer = client.post(RECORDS, json=SAMPLE[0], headers={"authorization": "Bearer dcg_1"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert client.post("/v1/streams/pmo__policy_action/records", json={}).status_code == 403
    assert client.post("/v1/streams/dot__arrivals/records", json={}).status_code == 404
    assert in_topic(centre, "pmo__policy_action") == []


def test_a_key_is_told_its_streams_and_where_their_schemas_are(client: httpx.Client) -> None:
    (first, second) = client.get("/v1/streams").json()["streams"]
    assert (first["stream"], second["deletes_by_key"]) == (DEPARTURES, True)
    schema = httpx.get(first["json_schema"]).json()
    assert schema["properties"]["schema"] == {
        "description": schema["properties"]["schema"]["description"],
        "const": first["schema"],
    }
    assert client.post(first["records"], json=SAMPLE[0]).status_code == 202


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "text/plain"}, b"{}", 415),
        ({"content-type": "application/json"}, b"{", 400),
        ({"content-type": "application/json"}, b"[" + b"{}," * 10_001 + b"{}]", 413),
        ({"content-type": "application/json"}, b" " * (10 * 1024 * 1024 + 1), 413),
    ],
)
def test_a_request_that_can_not_be_read_is_a_problem_document(
    headers: dict[str, str], body: bytes, status: int, client: httpx.Client
) -> None:
    answer = client.post(RECORDS, content=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_of_unknown_length_has_a_limit_too(client: httpx.Client) -> None:
    endless = (b" " * 1024 * 1024 for _ in range(12))
    assert client.post(RECORDS, content=endless, headers={"content-type": "application/json"}).status_code == 413


def test_unknown_paths_are_problem_documents(client: httpx.Client) -> None:
    for answer in (client.get("/v2"), client.get(RECORDS)):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


def test_a_record_longer_than_a_message_is_refused(client: httpx.Client, centre: Settings) -> None:
    visit = json.loads((REPOSITORY / "schemas" / "samples" / f"{VISITS}.jsonl").read_bytes().splitlines()[0])
    padded = json.dumps(visit).encode()[:-1] + b" " * 1_000_000 + b"}"
    answer = client.post(f"/v1/streams/{VISITS}/records", content=padded, headers={"content-type": "application/json"})
    assert answer.json()["refused"] == [{"index": 0, "broken_rules": ["record.too_large"]}]
    longest = json.dumps(visit).encode()[:-1] + b" " * (999_000 - len(json.dumps(visit))) + b"}"
    answer = client.post(f"/v1/streams/{VISITS}/records", content=longest, headers={"content-type": "application/json"})
    assert answer.status_code == 202


def test_a_burst_is_held_back_and_nothing_that_was_taken_is_lost(start: Start, centre: Settings) -> None:
    with start(limits=Limits(in_flight_records=25)) as client:
        chunks = [[{**r, "event_id": f"b{n}-{r['event_id']}"} for r in SAMPLE[:10]] for n in range(24)]
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda chunk: client.post(RECORDS, json=chunk), chunks))
        busy = [a for a in answers if a.status_code == 429]
        taken = [n for n, a in enumerate(answers) if a.status_code == 202]
        assert busy and taken and len(busy) + len(taken) == len(chunks)
        assert {a.headers["retry-after"] for a in busy} == {"1"}
        assert "datacentre_gateway_in_flight_records 0.0" in client.get("/metrics").text
        assert client.post(RECORDS, json=SAMPLE[:20]).status_code == 202
    sent = {json.loads(v or b"")["event_id"].partition("-")[0] for _, v in in_topic(centre, DEPARTURES)}
    assert sent >= {f"b{n}" for n in taken}
    assert not sent & {f"b{n}" for n, a in enumerate(answers) if a.status_code == 429}


def test_bytes_are_held_back_too(start: Start) -> None:
    with start(limits=Limits(in_flight_bytes=1_000)) as client:
        assert client.post(RECORDS, json=SAMPLE).status_code == 429
        assert client.post(RECORDS, json=SAMPLE[0]).status_code == 202


def test_a_slow_body_is_not_waited_for(start: Start) -> None:
    with start(limits=Limits(body_seconds=0.3)) as client:

        def slow() -> Iterator[bytes]:
            yield b"["
            threading.Event().wait(1.5)
            yield b"]"

        answer = client.post(RECORDS, content=slow(), headers={"content-type": "application/json"})
        assert answer.status_code == 408


def test_without_a_broker_nothing_is_promised(start: Start) -> None:
    with start(bootstrap_servers=NO_BROKER, timeout_seconds=1.5) as client:
        answer = client.post(RECORDS, json=SAMPLE)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert client.get("/healthz").status_code == 503
        assert 'records_accepted_total{stream="dot__departures"}' not in client.get("/metrics").text


def test_a_topic_that_is_gone_is_told_and_its_return_is_noticed(
    client: httpx.Client, centre: Settings, contracts: dict[str, Contract]
) -> None:
    assert client.post(RECORDS, json=SAMPLE).status_code == 202
    fresh_topics(centre.bootstrap_servers, contracts)
    answers = [client.post(RECORDS, json=SAMPLE).status_code for _ in range(3)]
    assert answers[-1] == 202
    assert len(in_topic(centre, DEPARTURES)) == len(SAMPLE) * answers.count(202)


def test_a_client_that_died_is_replaced(centre: Settings, contracts: dict[str, Contract]) -> None:
    delivery = Delivery(centre.bootstrap_servers)
    delivery._warned(confluent_kafka.KafkaError(confluent_kafka.KafkaError._FATAL))
    asyncio.run(delivery.send(DEPARTURES, [Message(b"k", b"v")]))
    delivery.close()
    assert in_topic(centre, DEPARTURES) == [(b"k", b"v")]


def test_metrics_tell_what_happened(client: httpx.Client) -> None:
    client.post(RECORDS, json=SAMPLE)
    client.post(RECORDS, json=[BAD])
    client.delete(f"/v1/streams/{VISITS}/records/V-1")
    told = client.get("/metrics").text.splitlines()
    route = 'route="/v1/streams/{stream}/records"'
    for line in (
        f'datacentre_gateway_records_accepted_total{{stream="{DEPARTURES}"}} {len(SAMPLE)}.0',
        f'datacentre_gateway_records_refused_total{{rule="passengers.range",stream="{DEPARTURES}"}} 1.0',
        f'datacentre_gateway_deletions_accepted_total{{stream="{VISITS}"}} 1.0',
        f'datacentre_gateway_requests_total{{method="POST",{route},status="422"}} 1.0',
        "datacentre_gateway_ack_seconds_count 2.0",
        "datacentre_gateway_in_flight_bytes 0.0",
    ):
        assert line in told, line
    assert not [line for line in told if "V-1" in line]
    assert client.get("/healthz").json() == {"gateway": "ok", "kafka": "ok"}


def test_the_command_serves_and_ends_what_it_has_begun(centre: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that was answered with 202 is in the topic, though the gateway is told to stop in the middle."""
    for name, value in command_environment(centre).items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = replace(centre, gateway_port=taken.getsockname()[1])
        with pytest.raises(SourceUnavailable, match="Address already in use"):
            GATEWAY.start(settings)
    command = [sys.executable, "-m", "datacentre.cli", "gateway-key", "create", "dot", "--stream", DEPARTURES, "--json"]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    GATEWAY.start(settings)
    answers: list[tuple[int, int]] = []

    def push(worker: int) -> None:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{settings.gateway_port}", headers={"x-api-key": made["key"]}
        ) as own:
            for n in range(worker, 100_000, 4):
                try:
                    answer = own.post(RECORDS, json={**SAMPLE[0], "event_id": f"n{n}"})
                except httpx.TransportError:
                    return
                answers.append((n, answer.status_code))

    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(push, worker) for worker in range(4)]
        while len(answers) < 100:
            assert not any(future.done() for future in running)
        assert GATEWAY.stop(settings)
        for future in running:
            future.result()
    assert not GATEWAY.answers(settings)
    taken_in = {f"n{n}" for n, status in answers if status == 202}
    assert {status for _, status in answers} == {202}
    assert {json.loads(v or b"")["event_id"] for _, v in in_topic(centre, DEPARTURES)} >= taken_in
    log = (settings.run / "gateway.log").read_text()
    assert made["key"] not in log
    assert SAMPLE[0]["flight_id"] not in log
