"""Sending counts what it sent, and a broker that doesn't answer is told in one line."""

import socket
from collections.abc import Callable

import pytest

from connectors.sources.producer import KafkaPythonProducer, LibrdkafkaProducer, Producer
from connectors.sources.simulation import OutgoingRecord, simulate
from datacentre.errors import SourceUnavailable

RECORDS = [
    OutgoingRecord("dot__departures" if n % 3 else "dot__exit_survey", b"%d" % n, b"{}", "late" if n % 5 == 0 else None)
    for n in range(2_500)
]


class Shelf:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None]] = []
        self.flushed = 0

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        self.sent.append((topic, key, value))

    def flush(self) -> None:
        self.flushed = len(self.sent)


@pytest.mark.parametrize("rate", [None, 50_000.0])
def test_everything_is_sent_in_order_flushed_and_counted(rate: float | None) -> None:
    shelf, seen = Shelf(), list[int]()
    sent = simulate(RECORDS, shelf, rate, seen.append)
    assert shelf.sent == [(r.stream, r.key, r.value) for r in RECORDS]
    assert shelf.flushed == sent.records == 2_500
    assert sum(sent.by_stream.values()) == 2_500
    assert sent.by_stream["dot__exit_survey"] == 834
    assert sent.by_defect == {"late": 500}
    assert seen == [1_000, 2_000, 2_500]


def test_nothing_to_send_is_no_failure() -> None:
    assert simulate([], Shelf(), None, lambda _: None).records == 0


@pytest.fixture
def dead_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("client", [KafkaPythonProducer, LibrdkafkaProducer])
def test_a_broker_that_does_not_answer_is_told_in_one_line(
    client: Callable[[str, float], Producer], dead_port: int
) -> None:
    with pytest.raises(SourceUnavailable, match=f"127.0.0.1:{dead_port}") as raised:
        simulate(RECORDS[:3], client(f"127.0.0.1:{dead_port}", 1.0), None, lambda _: None)
    assert "\n" not in str(raised.value)
