"""`python -m tests.faults.mutations [RECORDS]`: damaged records through a real broker and a real sink.

Ends with one line per stream and exits with 1 unless every record is landed, or in quarantine with a reason.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import duckdb

from connectors.sink.sink import Sink
from connectors.sources.producer import LibrdkafkaProducer
from connectors.topics import create_topics
from datacentre.cli.console import print_table
from datacentre.contracts import load_contracts
from datacentre.services import kafka
from datacentre.settings import KAFKA_CLIENTS, Settings, from_environment
from datacentre.stages.verify import PartitionReport, verify
from lake.snapshot import snapshot
from tests.conftest import two_free_ports
from tests.mutations import mutated


def main() -> int:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="datacentre-mutations-") as folder:
        environment = {"DATACENTRE_HOME": folder, "DATACENTRE_KAFKA_PORT": str(two_free_ports())}
        settings = replace(from_environment(environment), poison_percent=100.0)
        kafka.start(settings)
        try:
            send(settings, records)
            return max([landed(settings, client, records) for client in KAFKA_CLIENTS])
        finally:
            kafka.stop(settings)


def send(settings: Settings, records: int) -> None:
    contracts = load_contracts(settings.schemas)
    create_topics(settings.bootstrap_servers, contracts.values())
    producer = LibrdkafkaProducer(settings.bootstrap_servers)
    for number, (key, contract) in enumerate(contracts.items()):
        share = records // len(contracts) + (number < records % len(contracts))
        for record_key, value in mutated(contract, share, seed=2026):
            producer.send(key, record_key, value)
    producer.flush()


def landed(settings: Settings, client: str, records: int) -> int:
    """Land all of it in a lake of its own; 0 when every record is accounted for."""
    own = replace(settings, home=Path(settings.home) / client, kafka_client=client)
    contracts = load_contracts(own.schemas)
    started = time.monotonic()
    Sink(own, contracts).run(until_caught_up=True, stopping=lambda: False, told=lambda progress: None)
    seconds = time.monotonic() - started
    reports = verify(own)
    rows, is_good = [], sum(r.topic for r in reports) == records
    for key, contract in contracts.items():
        mine = [r for r in reports if r.stream == key]
        files = list(snapshot(own.lake, contract, "quarantine").files)
        (unexplained,) = duckdb.execute(
            "select count(*) filter (len(broken_rules) = 0) from read_parquet($files)", {"files": files}
        ).fetchall()[0]
        differences = sum(len(r.differences) for r in mine)
        is_good = is_good and differences == unexplained == 0 and accounted(mine)
        counts = (sum(getattr(r, name) for r in mine) for name in ("topic", "landed", "quarantined"))
        rows.append([key, *counts, unexplained, differences])
    columns = ["stream", "topic", "landed", "quarantined", "without a reason", "differences"]
    print_table(f"{records:,} damaged records by {client} in {seconds:.1f} s", columns, rows)
    return 0 if is_good else 1


def accounted(reports: list[PartitionReport]) -> bool:
    return all(r.topic == r.landed + r.quarantined for r in reports)


if __name__ == "__main__":
    sys.exit(main())
