"""When a batch is due, and when reading stops."""

import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.flow import Flow
from connectors.sink.metrics import SinkMetrics
from connectors.sink.progress import Progress
from datacentre.errors import SourceUnavailable
from datacentre.settings import Settings, from_environment
from tests.conftest import two_free_ports


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    own = from_environment({"DATACENTRE_HOME": str(tmp_path)})
    return replace(own, flush_rows=100, flush_bytes=10_000, flush_seconds=60.0)


def batch(rows: int, value: bytes = b"v") -> Batch:
    made = Batch()
    made.add(Chunk.of("s", ((0, n, 0, b"k", value) for n in range(rows))))
    made.advance(0, 0, rows)
    return made


def test_a_batch_is_due_by_rows_by_bytes_or_by_age(settings: Settings) -> None:
    assert Flow(settings).due(batch(99)) is None
    assert Flow(settings).due(batch(100)) == "rows"
    assert Flow(settings).due(batch(20, b"x" * 1_000)) == "bytes"
    assert Flow(replace(settings, flush_seconds=1e-9)).due(batch(1)) == "age"
    assert Flow(replace(settings, flush_seconds=1e-9)).due(Batch()) is None


def test_a_range_without_rows_is_due_by_age_too(settings: Settings) -> None:
    gap = Batch()
    gap.advance(0, 0, 7)
    assert Flow(replace(settings, flush_seconds=1e-9)).due(gap) == "age"


def test_only_the_stream_that_waits_is_paused(settings: Settings) -> None:
    batches = {"slow": batch(100), "quick": batch(5)}
    assert Flow(settings).paused(batches, {}) == set()
    assert Flow(settings).paused(batches, {"slow": batch(100)}) == {"slow"}
    assert Flow(settings).paused({**batches, "slow": batch(5)}, {"slow": batch(100)}) == set()


def test_all_are_paused_at_the_budget_until_half_of_it_is_free(settings: Settings) -> None:
    flow, big = Flow(settings), batch(9, b"x" * 1_000)
    full = {"a": big, "b": big}
    assert flow.paused(full, {"a": big, "b": big}) == {"a", "b"}
    assert flow.paused(full, {}) == {"a", "b"}, "18 of 30 kB are held: more than half"
    assert flow.paused({"a": big, "b": Batch()}, {}) == set()


def test_metrics_are_served_on_loopback(settings: Settings) -> None:
    port = two_free_ports()
    metrics = SinkMetrics(port)
    progress = Progress(commits=3)
    progress.landed["s"] = 40
    progress.flushes["age"] = 2
    metrics.show(progress, {("s", 0): 7}, {"s": batch(5)}, left_out=[])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    with pytest.raises(SourceUnavailable, match=f"port {port} for metrics is taken"):
        SinkMetrics(port)
    metrics.close()
    assert 'datacentre_sink_landed_rows{stream="s"} 40.0' in text
    assert 'datacentre_sink_lag_records{partition="0",stream="s"} 7.0' in text
    assert 'datacentre_sink_flushes{reason="age"} 2.0' in text
    assert "datacentre_sink_commits 3.0" in text
