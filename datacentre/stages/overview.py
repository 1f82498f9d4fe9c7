"""The centre at one moment: how far each stream is, how fresh the marts are, what waits for somebody."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa

from connectors.sink.poison import Stops
from connectors.topic_ends import TopicEnds
from datacentre.contracts import Contract, load_contracts
from datacentre.control.alerts import Alert, open_alerts
from datacentre.control.certificates import Certificate, held
from datacentre.control.coverage import Coverage, coverage
from datacentre.control.freshness import Freshness, newest_freshness
from datacentre.control.outcomes import recent
from datacentre.control.published import LAST_CERTIFICATE
from datacentre.control.store import open_store
from datacentre.errors import DataCentreError, SourceUnavailable
from datacentre.settings import Settings
from lake.positions import landed_positions_and_bases

_Place = tuple[dict[int, int], dict[int, int]]
"""Positions and bases of a stream's landed table."""


@dataclass(frozen=True)
class StreamState:
    """Counts are offsets over all partitions; what broker or table don't tell is None.

    `promised_seconds` is the contract's, from the broker to the marts. `freshness` is of the last version of the
    marts that showed new rows. `stopped_at` is when too many bad records stopped the stream.
    """

    stream: str
    topic_end: int | None
    landed: int | None
    lag: int | None
    certified: int
    held: int
    newest_certificate: int
    promised_seconds: int
    freshness: Freshness | None
    stopped_at: str | None

    @property
    def is_late(self) -> bool:
        return self.freshness is not None and self.freshness.produced_p95 > self.promised_seconds


@dataclass(frozen=True)
class Marts:
    """The published version, and the highest certificate that is in it."""

    version: str
    last_certificate: int
    published_at: datetime


@dataclass(frozen=True)
class Overview:
    """`problems` says what could not be asked, one line each; what it would have told is empty.

    `free_bytes` is what the disk of the home has left.
    """

    at: datetime
    problems: tuple[str, ...]
    is_broker_up: bool
    free_bytes: int
    streams: tuple[StreamState, ...]
    marts: Marts | None = None
    held: tuple[Certificate, ...] = ()
    alerts: tuple[Alert, ...] = ()

    @property
    def newest_certificate(self) -> int:
        return max((s.newest_certificate for s in self.streams), default=0)


class Observer:
    """Looks as often as it is asked and keeps its connections in between; one thread only."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._ends = TopicEnds(settings.bootstrap_servers)
        self._stops = Stops(settings.home)
        self._store: sa.Engine | None = None
        settings.home.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        self._ends.close()
        if self._store is not None:
            self._store.dispose()

    def look(self) -> Overview:
        """Raises ContractError for contracts that can't be read; a part of the centre that doesn't answer is told."""
        contracts = load_contracts(self._settings.schemas)
        ends, silence = self._topic_ends(contracts)
        places, damage = self._places(contracts)
        streams = tuple(self._stream(c, places.get(key), ends.get(key)) for key, c in contracts.items())
        free = shutil.disk_usage(self._settings.home).free
        seen = Overview(datetime.now(UTC), (*silence, *damage), not silence, free, streams)
        try:
            return _with_control(seen, self._control())
        except SourceUnavailable as problem:
            return replace(seen, problems=(*seen.problems, str(problem)))
        except sa.exc.OperationalError as problem:
            return replace(seen, problems=(*seen.problems, f"control store: {' '.join(str(problem.orig).split())}"))

    def _topic_ends(self, streams: Iterable[str]) -> tuple[dict[str, dict[int, int]], tuple[str, ...]]:
        """Ends by stream and partition, or why there are none."""
        try:
            return self._ends.read(streams), ()
        except SourceUnavailable as problem:
            return {}, (str(problem),)

    def _places(self, contracts: Mapping[str, Contract]) -> tuple[dict[str, _Place], tuple[str, ...]]:
        """Where the lake is, by stream, and which tables can't be read."""
        found: dict[str, _Place] = {}
        problems: list[str] = []
        for key, contract in contracts.items():
            try:
                found[key] = landed_positions_and_bases(self._settings.lake, contract)
            except DataCentreError as problem:
                problems.append(str(problem))
        return found, tuple(problems)

    def _stream(self, contract: Contract, place: _Place | None, ends: Mapping[int, int] | None) -> StreamState:
        positions, bases = place or ({}, {})
        landed = None if place is None else sum(positions.values())
        end = None if ends is None else sum(offset + bases.get(p, 0) for p, offset in ends.items())
        stop = self._stops.find(contract.key)
        return StreamState(
            stream=contract.key,
            topic_end=end,
            landed=landed,
            lag=None if end is None or landed is None else max(0, end - landed),
            certified=0,
            held=0,
            newest_certificate=0,
            promised_seconds=contract.freshness_seconds,
            freshness=None,
            stopped_at=stop.stopped_at if stop else None,
        )

    def _control(self) -> sa.Engine:
        if self._store is None:
            self._store = open_store(self._settings.control_url)
        return self._store


def _with_control(seen: Overview, control: sa.Engine) -> Overview:
    """With what the control store knows."""
    covered, fresh = coverage(control), newest_freshness(control)
    streams = tuple(_covered(s, covered.get(s.stream), fresh.get(s.stream)) for s in seen.streams)
    return replace(seen, streams=streams, marts=_marts(control), held=held(control), alerts=open_alerts(control))


def _covered(stream: StreamState, covered: Coverage | None, freshness: Freshness | None) -> StreamState:
    known = covered or Coverage(0, 0, 0)
    return replace(
        stream,
        certified=known.certified,
        held=known.held,
        newest_certificate=known.newest,
        freshness=freshness,
    )


def _marts(control: sa.Engine) -> Marts | None:
    builds = recent(control, "build", "marts", limit=1)
    if not builds:
        return None
    return Marts(str(builds[0].detail["published"]), int(builds[0].detail[LAST_CERTIFICATE]), builds[0].ended_at)
