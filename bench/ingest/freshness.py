"""From an event's arrival at the broker to its row being readable, at steady rates over all streams."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bench.ingest import sinks
from bench.ingest.box import Box
from bench.ingest.delta_log import Commit, LogWatch
from bench.ingest.records import INVALID_SHARE
from connectors.sources.producer import LibrdkafkaProducer
from connectors.sources.simulation import DefectShares, generate, simulate
from datacentre.settings import Settings
from lake.tables import table_folder

RATES = (500, 2_000, 5_000)
_WARM_SECONDS = 6.0
_LOOK_SECONDS = 0.01
_DRAIN_SECONDS = 5.0


@dataclass(frozen=True)
class Freshness:
    """Seconds over the rows of all streams that arrived after the warm-up; `worst_stream_p95` is of one stream."""

    client: str
    rate: int
    rows: int
    p50: float
    p95: float
    p99: float
    longest: float
    worst_stream_p95: float
    commits_per_second: float


def measure(box: Box, client: str, rates: tuple[int, ...] = RATES, seconds: float = 20.0) -> list[Freshness]:
    """One sink for all streams, fed at each rate in turn for `seconds` after a warm-up."""
    centre = box.fresh_centre("freshness")
    box.fresh_topics(box.contracts.values())
    logs = {key: sinks.landed_log(centre, key) for key in box.contracts}
    found = []
    with sinks.running(centre, client, 1, []) as jobs:
        for seed in count(1):
            if seed > len(rates):
                break
            rate = rates[seed - 1]
            begun, commits = _feed(box, logs, rate, seconds, seed)
            sinks.require_alive(jobs, centre)
            found.append(_summary(client, rate, begun + _WARM_SECONDS, seconds, _delays(centre, commits, begun)))
    return found


def _feed(
    box: Box, logs: Mapping[str, LogWatch], rate: int, seconds: float, seed: int
) -> tuple[float, dict[str, list[Commit]]]:
    """Send at `rate` and collect the commits of each stream; returns the epoch second at which sending began."""
    records = int(rate * (seconds + _WARM_SECONDS))
    made = generate(
        box.contracts,
        box.settings.reference,
        seed,
        records + records // 10,
        datetime.now(UTC),
        DefectShares.spread(INVALID_SHARE),
    )
    events = list(islice(made, records))
    producer = LibrdkafkaProducer(box.servers)
    sender = threading.Thread(target=simulate, args=(events, producer, float(rate), lambda sent: None))
    commits: dict[str, list[Commit]] = {key: [] for key in logs}
    for log in logs.values():
        log.new()
    begun = time.time()
    sender.start()
    until = time.monotonic() + seconds + _WARM_SECONDS + _DRAIN_SECONDS
    while time.monotonic() < until:
        for key, log in logs.items():
            commits[key] += log.new()
        time.sleep(_LOOK_SECONDS)
    sender.join()
    return begun, commits


def _delays(centre: Settings, commits: Mapping[str, list[Commit]], begun: float) -> dict[str, np.ndarray]:
    """By stream, one row each: broker time (epoch seconds), and seconds until the row's commit was seen."""
    delays = {}
    for key, own in commits.items():
        folder = table_folder(centre.lake, "landed", key)
        parts = [_arrivals(folder / file, commit.seen_time) for commit in own for file in commit.files]
        if parts:
            delays[key] = np.concatenate(parts)
    return delays


def _arrivals(file: Path, seen_time: float) -> np.ndarray:
    column = pq.ParquetFile(file).read(["broker_time"])["broker_time"]
    arrived = column.to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
    return np.column_stack([arrived, seen_time - arrived])


def _summary(client: str, rate: int, since: float, seconds: float, delays: Mapping[str, np.ndarray]) -> Freshness:
    steady = {key: rows[rows[:, 0] >= since] for key, rows in delays.items()}
    waits = {key: rows[:, 1] for key, rows in steady.items() if len(rows)}
    everything = np.concatenate(list(waits.values()))
    p50, p95, p99 = (float(p) for p in np.percentile(everything, [50, 95, 99]))
    commits = sum(len(np.unique(rows.sum(axis=1).round(4))) for rows in steady.values())
    return Freshness(
        client=client,
        rate=rate,
        rows=len(everything),
        p50=p50,
        p95=p95,
        p99=p99,
        longest=float(everything.max()),
        worst_stream_p95=max(float(np.percentile(rows, 95)) for rows in waits.values()),
        commits_per_second=commits / seconds,
    )
