"""Measure both ways: python -m bench.announce [--home FOLDER]

`quiet` is one stream that commits 100 times at random moments, a second apart on average; `busy` is eight streams that
commit every 0.8 s each, as under load. Each way is measured alone.
"""

import logging
import random
import shutil
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import typer
from kafka import KafkaProducer

from bench.announce import centre, watched
from bench.announce.commit_trigger import TOPIC
from datacentre import names
from datacentre.cli.console import one_line_errors, print_table
from datacentre.contracts import load_contracts
from datacentre.services.announce import Announcer
from datacentre.settings import REPOSITORY, Settings

_IDLE_SECONDS = 20
_SETTLE_SECONDS = 5
_BUSY_ROUNDS = 40
_QUIET_COMMITS = 100
_EVERY_SECONDS = 0.8
Commit = Callable[[str], None]


@dataclass(frozen=True)
class Event:
    """An asset event as Airflow has recorded it; `at` in epoch seconds."""

    uri: str
    at: float
    payload: str


@dataclass(frozen=True)
class Run:
    """One pattern of commits by one way; ages in seconds, CPU in seconds by process."""

    way: str
    pattern: str
    commits: int
    events: int
    ages: list[float]
    seconds: float
    cpu: dict[str, float]


class _Posted:
    """The sink's own announcer, and when it has taken which streams to say."""

    def __init__(self, settings: Settings):
        self.commits: list[tuple[str, float]] = []
        self.takes: list[tuple[str, float]] = []
        takes = self.takes

        class Noting(Announcer):
            def _announce(self, streams: set[str]) -> bool:
                takes.extend((stream, time.time()) for stream in streams)
                return super()._announce(streams)

        self._announcer = Noting(settings)

    def commit(self, stream: str) -> None:
        self.commits.append((stream, time.time()))
        self._announcer.landed([stream])

    def close(self) -> None:
        self._announcer.close()

    def ages(self, events: Iterable[Event]) -> list[float]:
        """The n-th event of a stream belongs to the n-th time that the stream was taken."""
        recorded: dict[str, list[float]] = {}
        for event in events:
            recorded.setdefault(event.uri, []).append(event.at)
        told: dict[str, list[tuple[float, float]]] = {}
        for stream, taken in self.takes:
            at = recorded[names.landed_asset(stream)][len(told.setdefault(stream, []))]
            told[stream].append((taken, at))
        return [next(at for taken, at in told[stream] if taken >= made) - made for stream, made in self.commits]


class _Watched:
    """A sink that writes each commit to the topic that the watchers read."""

    def __init__(self, settings: Settings):
        self.made: list[float] = []
        self._producer = KafkaProducer(bootstrap_servers=settings.bootstrap_servers)

    def commit(self, stream: str) -> None:
        self.made.append(time.time())
        self._producer.send(TOPIC, key=stream.encode(), value=str(len(self.made) - 1).encode())

    def close(self) -> None:
        self._producer.close()

    def ages(self, events: Iterable[Event]) -> list[float]:
        return [event.at - self.made[int(event.payload)] for event in events if event.payload]


@one_line_errors
def announce(home: Path = REPOSITORY / "var" / "announce") -> None:
    """Both ways, quiet and busy, one after the other."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    shutil.rmtree(home, ignore_errors=True)
    streams = list(load_contracts(REPOSITORY / "schemas"))
    with centre.running(home.resolve()) as settings:
        time.sleep(_SETTLE_SECONDS)
        idle = _spent(settings, lambda: time.sleep(_IDLE_SECONDS))
        memory = centre.pss_mib(settings, "airflow-triggerer")
        runs = [
            _measure(settings, way, kind, pattern, act, streams)
            for way, kind in (("posted", _Posted), ("watched", _Watched))
            for pattern, act in (("quiet", _quiet), ("busy", _busy))
        ]
    _tell(idle, memory, runs)


def _quiet(commit: Commit, streams: list[str]) -> None:
    chance = random.Random(7)
    for _ in range(_QUIET_COMMITS):
        time.sleep(chance.uniform(0.2, 1.8))
        commit(streams[0])


def _busy(commit: Commit, streams: list[str]) -> None:
    for _ in range(_BUSY_ROUNDS):
        for stream in streams:
            time.sleep(_EVERY_SECONDS / len(streams))
            commit(stream)


def _measure(
    settings: Settings,
    way: str,
    kind: Any,
    pattern: str,
    act: Callable[[Commit, list[str]], None],
    streams: list[str],
) -> Run:
    began = time.time()
    with closing(kind(settings)) as sender:

        def work() -> None:
            act(sender.commit, streams)
            time.sleep(_SETTLE_SECONDS)

        cpu = _spent(settings, work)
        uris = [names.landed_asset(s) if way == "posted" else watched(s) for s in streams]
        events = _events(settings, began, uris)
        ages = sender.ages(events)
        commits = len(sender.commits if way == "posted" else sender.made)
    return Run(way, pattern, commits, len(events), ages, time.time() - began, cpu)


def _spent(settings: Settings, act: Callable[[], None]) -> dict[str, float]:
    before = centre.cpu_seconds(settings)
    act()
    after = centre.cpu_seconds(settings)
    return {name: after[name] - before[name] for name in after}


def _events(settings: Settings, since: float, uris: list[str]) -> list[Event]:
    """Oldest first, from Airflow's metadata."""
    engine = sa.create_engine(settings.airflow_database_url)
    query = sa.text(
        "select a.uri, e.timestamp, e.extra from asset_event e join asset a on a.id = e.asset_id "
        "where a.uri = any(:uris) and e.timestamp >= :since order by e.id"
    )
    with engine.connect() as connection:
        found = connection.execute(query, {"uris": uris, "since": datetime.fromtimestamp(since).astimezone()})
        events = [Event(r.uri, r.timestamp.timestamp(), str((r.extra or {}).get("payload", ""))) for r in found]
    engine.dispose()
    return events


def _tell(idle: dict[str, float], memory: float, runs: list[Run]) -> None:
    names_of = [*idle]
    rows: list[list[object]] = [["at rest", "", None, None, None, None, *_cores(idle, _IDLE_SECONDS)]]
    for run in runs:
        cuts = statistics.quantiles(run.ages, n=20)
        ages = [round(statistics.median(run.ages), 3), round(cuts[18], 3)]
        rows.append([run.way, run.pattern, run.commits, run.events, *ages, *_cores(run.cpu, run.seconds)])
    heads = ["way", "commits", "made", "events", "p50 s", "p95 s", *(f"{n.removeprefix('airflow-')}" for n in names_of)]
    print_table("Commit -> asset event; percent of one core by process", heads, rows)
    print(f"triggerer: {memory:.0f} MiB (PSS)")


def _cores(cpu: dict[str, float], seconds: float) -> list[object]:
    return [round(100 * spent / seconds, 1) for spent in cpu.values()]


if __name__ == "__main__":
    typer.run(announce)
