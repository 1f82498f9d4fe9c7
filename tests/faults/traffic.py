"""Records of several streams that keep coming, some of them in transactions that are given up."""

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka

from connectors.sources.producer import LibrdkafkaProducer
from connectors.sources.simulation.defects import DefectShares
from connectors.sources.simulation.government import generate
from connectors.sources.simulation.record import OutgoingRecord
from datacentre import names
from datacentre.contracts import Contract

STREAMS = ("dcrc__cid_issuance", "jdwnrh__hospital_visit", "pmo__deliberation_vote")
_BURST_SECONDS = 0.05
_TRANSACTION_RECORDS = 20


def records(contracts: Mapping[str, Contract], reference: Path, count: int = 60_000) -> list[OutgoingRecord]:
    """The simulated government's records of three streams, one in twenty of them broken."""
    shares = DefectShares.spread(0.05, duplicate=0.01, deletion=0.01)
    made = generate(contracts, reference, 7, count, datetime.now(UTC), shares)
    return [r for r in made if r.stream in STREAMS]


class Traffic:
    """Sends the records over and over, about `rate` a second, until it is stopped."""

    def __init__(self, servers: str, made: Sequence[OutgoingRecord], rate: float, transactions: bool = False):
        self._servers, self._made, self._rate = servers, made, rate
        self._stopped = threading.Event()
        self._problem: Exception | None = None
        work = [self._stream, self._transact] if transactions else [self._stream]
        self._threads = [threading.Thread(target=self._guarded, args=(w,), daemon=True) for w in work]
        self.sent = 0
        self.aborted = 0

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Wait until everything sent is acknowledged; raises what went wrong in sending."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        if self._problem is not None:
            raise self._problem

    def _guarded(self, work: "object") -> None:
        try:
            work()  # type: ignore[operator]
        except Exception as problem:
            self._problem = problem

    def _stream(self) -> None:
        producer = LibrdkafkaProducer(self._servers, timeout_seconds=120)
        burst, place = max(1, int(self._rate * _BURST_SECONDS)), 0
        while not self._stopped.wait(_BURST_SECONDS):
            for _ in range(burst):
                record = self._made[place % len(self._made)]
                producer.send(names.topic(record.stream), record.key, record.value)
                place += 1
            self.sent = place
        producer.flush()

    def _transact(self) -> None:
        """Two of three transactions are aborted after their records were written: gaps in every partition."""
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": self._servers, "transactional.id": f"t{time.time_ns()}", "log_level": 0}
        )
        producer.init_transactions(60)
        place = 0
        while not self._stopped.wait(_BURST_SECONDS * 4):
            producer.begin_transaction()
            for record in (self._made[(place + n) % len(self._made)] for n in range(_TRANSACTION_RECORDS)):
                producer.produce(names.topic(record.stream), record.value, record.key)
            producer.flush(60)
            place += _TRANSACTION_RECORDS
            if place // _TRANSACTION_RECORDS % 3:
                producer.abort_transaction(60)
                self.aborted += 1
            else:
                producer.commit_transaction(60)
