"""Records from a real broker into the lake."""

import os
import subprocess
import sys
from dataclasses import replace

import confluent_kafka
import confluent_kafka.admin
import pyarrow as pa
import pytest
from kafka import KafkaAdminClient

from connectors.sink.batch import Chunk
from connectors.sink.consent import NO_CONSENT, Consent
from connectors.sink.progress import Progress
from connectors.sink.sink import Sink
from connectors.topics import describe_topics
from datacentre.contracts import Contract
from datacentre.errors import CheckFailed, SourceUnavailable
from datacentre.settings import KAFKA_CLIENTS, Settings
from datacentre.stages.verify import verify
from lake.commit import append
from lake.commit_log import CommitLog
from lake.tables import open_table
from tests.conftest import fresh_topics
from tests.votes import STREAM, produce, vote

pytestmark = pytest.mark.broker


@pytest.fixture(params=KAFKA_CLIENTS)
def centre(centre: Settings, request: pytest.FixtureRequest) -> Settings:
    """Every test of this file runs over both clients."""
    return replace(centre, kafka_client=request.param)


def land(centre: Settings, contract: Contract, consent: Consent = NO_CONSENT) -> Progress:
    sink = Sink(centre, {STREAM: contract}, consent)
    return sink.run(until_caught_up=True, stopping=lambda: False, told=lambda progress: None)


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


def test_every_record_lands_or_is_quarantined_once(centre: Settings, contract: Contract) -> None:
    produce(centre, (vote(contract, n) for n in range(12_000)))
    progress = land(centre, contract)
    assert (progress.landed[STREAM], progress.quarantined[STREAM]) == (10_800, 1_200)
    reports = verify(centre, [STREAM])
    assert [r.differences for r in reports] == [(), ()]
    assert sum(r.topic for r in reports) == 12_000
    assert land(centre, contract).records == 0


def test_the_sink_is_no_larger_than_it_must_be(centre: Settings, contract: Contract) -> None:
    """pandas would add most of a second to its start and 60 MB to its memory; Arrow imports it at a wrong touch."""
    produce(centre, (vote(contract, n) for n in range(1_000)))
    command = [sys.executable, "-X", "importtime", "-m", "datacentre.cli", "sink", STREAM, "--until-caught-up"]
    variables = {
        "DATACENTRE_HOME": str(centre.home),
        "KAFKA_BOOTSTRAP_SERVERS": centre.bootstrap_servers,
        "DATACENTRE_KAFKA_CLIENT": centre.kafka_client,
    }
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert {"pyarrow.lib", "deltalake"} <= imported
    # A name alone was asked for and not found.
    packages = {name.partition(".")[0] for name in imported if "." in name}
    assert packages & {"pandas", "great_expectations", "dbt", "airflow"} == set()
    assert sum(r.landed for r in verify(centre, [STREAM])) == 900


def test_aborted_transactions_are_skipped_and_their_gaps_passed(centre: Settings, contract: Contract) -> None:
    produce(centre, (vote(contract, n) for n in range(100)), "t1").commit_transaction(30)
    produce(centre, (vote(contract, n) for n in range(100, 300)), "t2").abort_transaction(30)
    produce(centre, (vote(contract, n) for n in range(300, 350)), "t3").commit_transaction(30)
    assert land(centre, contract).records == 150
    reports = verify(centre, [STREAM])
    assert [r.differences for r in reports] == [(), ()]
    assert sum(r.topic for r in reports) == 150


def test_two_sinks_with_the_same_settings_do_no_harm(centre: Settings, contract: Contract) -> None:
    produce(centre, (vote(contract, n) for n in range(3_000)))
    first, second = Sink(centre, {STREAM: contract}), Sink(centre, {STREAM: contract})
    first.run(until_caught_up=True, stopping=lambda: False, told=lambda progress: None)
    second.run(until_caught_up=True, stopping=lambda: False, told=lambda progress: None)
    assert [r.differences for r in verify(centre, [STREAM])] == [(), ()]


def test_a_recreated_topic_fails_closed(centre: Settings, contract: Contract, contracts: dict[str, Contract]) -> None:
    produce(centre, (vote(contract, n) for n in range(100)))
    land(centre, contract)
    fresh_topics(centre.bootstrap_servers, contracts)
    produce(centre, (vote(contract, n) for n in range(50)))
    with pytest.raises(CheckFailed, match="recreated"):
        land(centre, contract)


def test_a_recreated_topic_goes_on_when_told(
    centre: Settings, contract: Contract, contracts: dict[str, Contract]
) -> None:
    produce(centre, (vote(contract, n) for n in range(100)))
    land(centre, contract)
    fresh_topics(centre.bootstrap_servers, contracts)
    produce(centre, (vote(contract, n) for n in range(100, 150)))
    progress = land(centre, contract, Consent(new_topic=True))
    assert progress.records == 50
    produce(centre, (vote(contract, n) for n in range(150, 170)))
    assert land(centre, contract).records == 20
    reports = verify(centre, [STREAM])
    assert [r.differences for r in reports] == [(), ()]
    assert sum(r.topic for r in reports) == 70
    assert sum(r.landed + r.quarantined for r in reports) == 170, "the old topic's records stay"


def test_offsets_lost_to_retention_fail_closed_and_are_skipped_when_told(centre: Settings, contract: Contract) -> None:
    produce(centre, (vote(contract, n) for n in range(100)))
    land(centre, contract)
    produce(centre, (vote(contract, n) for n in range(100, 200)))
    client = confluent_kafka.admin.AdminClient({"bootstrap.servers": centre.bootstrap_servers})
    ends = describe_topics(centre.bootstrap_servers, [contract])[STREAM].end_offsets
    deleted = client.delete_records([confluent_kafka.TopicPartition(STREAM, p, end) for p, end in ends.items()])
    assert all(future.result() for future in deleted.values())
    produce(centre, (vote(contract, n) for n in range(200, 230)))
    with pytest.raises(CheckFailed, match=r"offsets \d+ to \d+ are lost: retention removed them .*--skip-lost"):
        land(centre, contract)
    assert land(centre, contract, Consent(skip_lost=True)).records == 30
    assert [r.differences for r in verify(centre, [STREAM])] == [(), ()]
    table = open_table(centre.lake, contract, "landed")
    assert table is not None
    assert any("lost: partition" in entry.get("note", "") for entry in table.history())


def test_a_stream_that_does_not_fit_leaves_the_others_alone(
    centre: Settings, contract: Contract, contracts: dict[str, Contract]
) -> None:
    other = contracts["pmo__policy_action"]
    broken = replace(contract, fields=contract.fields[:-1])
    produce(centre, (vote(contract, n) for n in range(10)))
    land(centre, contract)
    sink = Sink(centre, {STREAM: broken, other.key: other})
    sink.run(until_caught_up=True, stopping=lambda: False, told=lambda progress: None)
    assert list(sink.failures) == [STREAM]
    with pytest.raises(CheckFailed, match="columns differ"):
        sink.require_all_streams()


def test_a_lake_ahead_of_its_topic_is_told(centre: Settings, contract: Contract) -> None:
    """The broker came back with fewer records than it had acknowledged."""
    produce(centre, (vote(contract, n) for n in range(100)))
    land(centre, contract)
    table = open_table(centre.lake, contract, "landed")
    assert table is not None
    rows = pa.schema(table.schema().to_arrow()).empty_table()
    append(CommitLog(table), rows, {0: (0, 10_000)}, "rules")
    with pytest.raises(CheckFailed, match=r"partition 0 up to offset 9999, the topic ends at"):
        Sink(centre, {STREAM: contract})


def test_a_missing_topic_is_created_from_the_contract(centre: Settings, contract: Contract) -> None:
    admin = KafkaAdminClient(bootstrap_servers=centre.bootstrap_servers)
    admin.delete_topics([STREAM])
    admin.close()
    assert land(centre, contract).records == 0
    assert [r.differences for r in verify(centre, [STREAM])] == [(), ()]


def test_verify_names_what_is_not_landed_yet(centre: Settings, contract: Contract) -> None:
    produce(centre, (vote(contract, n) for n in range(1_000)))
    land(centre, contract)
    produce(centre, [vote(contract, 1)] * 3)
    (found,) = [d for r in verify(centre, [STREAM]) for d in r.differences]
    assert found.startswith("in the topic, not yet landed: 3 (")
    assert not [d for r in verify(centre, [STREAM], scope="landed") for d in r.differences]


def test_a_full_disk_is_told_before_anything_is_written(
    centre: Settings, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    produce(centre, [vote(contract, 1)])
    monkeypatch.setattr("connectors.sink.sink._FREE_BYTES", 2**60)
    with pytest.raises(SourceUnavailable, match=r"the disk has [\d,]+ bytes free"):
        land(centre, contract)
    assert not list(centre.lake.rglob("*.parquet"))


def test_a_record_the_sink_is_not_placed_for_is_left_to_its_owner(centre: Settings, contract: Contract) -> None:
    """After a revocation a client may still hand over what it had fetched."""
    produce(centre, (vote(contract, n) for n in range(50)))
    sink = Sink(centre, {STREAM: contract})
    sink._next[(STREAM, 0)] = 10

    class Late:
        def poll(self, timeout_seconds: float) -> list[Chunk]:
            return [Chunk.of(STREAM, ((p, o, 0, b"k", b"v") for o in (9, 10))) for p in (0, 1)]

        def positions(self) -> dict[tuple[str, int], int]:
            return {(STREAM, 0): 11, (STREAM, 1): 11}

    sink._take(Late())  # type: ignore[arg-type]
    batch = sink._batches[STREAM]
    rows = batch.table()
    assert (rows["kafka_partition"].to_pylist(), rows["kafka_offset"].to_pylist()) == ([0], [10])
    assert batch.ranges == {0: (10, 11)}
