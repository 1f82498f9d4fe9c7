"""Our sink on the same topic: whole processes of the program, watched through the lake's own log."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ingest.box import STREAM, Box, centre_environment
from bench.ingest.delta_log import Commit, LogWatch
from bench.ingest.meter import Meter, Reading, between, others_cores, peak_mib
from datacentre.errors import SourceUnavailable
from datacentre.settings import Settings
from lake.tables import table_folder

_LOOK_SECONDS = 0.05
_STALL_SECONDS = 60.0
_COURSE_POINTS = 200
# A proxy of the environment must not get between two processes of one machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class SinkRun:
    """One catching-up from the beginning of the topic, by `processes` processes on an empty lake.

    `consuming_seconds` is from the start of the processes until each says in its metrics how far behind it is,
    `ready_seconds` until a reader can see the first rows. The steady rate leaves
    out what comes before that; `records_per_second_from_start` counts from the start of the processes.
    CPU covers everything from the start of the processes, imports included. Memory is that of all processes
    together: its peak, and its largest values in the middle and in the last third of the run; `rss_mib` is the
    course, as (seconds since the start, MiB).
    """

    client: str
    processes: int
    records: int
    commits: int
    consuming_seconds: float
    ready_seconds: float
    seconds: float
    records_per_second: float
    records_per_second_from_start: float
    cpu_seconds_per_million: float
    steady_cpu_seconds_per_million: float
    peak_mib: float
    middle_mib: float
    end_mib: float
    others_cores: float
    rss_mib: list[tuple[float, float]]


def measure(box: Box, client: str, processes: int, name: str = "ours") -> SinkRun:
    """Land the whole topic once. Raises SourceUnavailable when a sink ends or nothing moves for a minute."""
    centre = box.fresh_centre(name)
    ends = box.end_offsets(box.stream)
    with running(centre, client, processes, [STREAM]) as sinks:
        begun = time.monotonic()
        meter = Meter((job.pid for job in sinks), box.broker_pid)
        metrics = _Metrics(centre, processes)
        commits = list(_until(landed_log(centre), ends, sinks, centre, metrics))
        meter.read()
        readings = meter.close()
    return _summary(client, processes, begun, metrics.consuming_at - begun, commits, readings, sum(ends.values()))


@contextmanager
def running(
    centre: Settings, client: str, processes: int, streams: list[str]
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Sinks of this centre while the block runs; they are asked to end, and waited for, after it."""
    jobs = []
    centre.run.mkdir(parents=True, exist_ok=True)
    for number in range(processes):
        port = str(_metrics_port(centre, number))
        environment = centre_environment(centre, DATACENTRE_KAFKA_CLIENT=client, DATACENTRE_METRICS_PORT=port)
        with (centre.run / f"sink-{number}.log").open("wb") as log:
            command = [sys.executable, "-m", "datacentre.cli", "sink", *streams]
            jobs.append(
                subprocess.Popen(command, env=environment, cwd=centre.home, stdout=log, stderr=subprocess.STDOUT)
            )
    try:
        yield jobs
    finally:
        for job in jobs:
            job.terminate()
        for job in jobs:
            try:
                job.wait(20)
            except subprocess.TimeoutExpired:
                job.kill()
                job.wait()


class _Metrics:
    """Asks each sink for its metrics until all know how far behind they are."""

    def __init__(self, centre: Settings, processes: int):
        self._waiting = [f"http://127.0.0.1:{_metrics_port(centre, n)}/metrics" for n in range(processes)]
        self.consuming_at = time.monotonic()

    def look(self) -> None:
        """Ask those that have not answered with a lag yet."""
        if self._waiting:
            self._waiting = [url for url in self._waiting if not _tells_lag(url)]
            self.consuming_at = time.monotonic()


def _tells_lag(url: str) -> bool:
    try:
        with _opener.open(url, timeout=1) as answer:
            return b"datacentre_sink_lag_records{" in answer.read()
    except OSError:
        return False


def _metrics_port(centre: Settings, number: int) -> int:
    return centre.kafka_port + 10 + number


def landed_log(centre: Settings, key: str = STREAM) -> LogWatch:
    """The log of a stream's `landed` table."""
    return LogWatch(table_folder(centre.lake, "landed", key))


def require_alive(sinks: list["subprocess.Popen[bytes]"], centre: Settings) -> None:
    """Raise SourceUnavailable with the last words of a sink that has ended."""
    for number, job in enumerate(sinks):
        if job.poll() is not None:
            words = Path(centre.run / f"sink-{number}.log").read_text(errors="replace").splitlines()
            raise SourceUnavailable(f"sink {number} has ended: {' '.join(words[-1:])[:300]}")


def _until(
    log: LogWatch,
    ends: dict[int, int],
    sinks: list["subprocess.Popen[bytes]"],
    centre: Settings,
    metrics: "_Metrics",
) -> Iterator[Commit]:
    """Commits as they appear, until the table's positions have reached `ends`."""
    reached: dict[int, int] = {}
    moved_at = time.monotonic()
    while any(reached.get(p, 0) < end for p, end in ends.items()):
        for commit in log.new():
            reached |= commit.positions
            moved_at = time.monotonic()
            yield commit
        require_alive(sinks, centre)
        metrics.look()
        if time.monotonic() - moved_at > _STALL_SECONDS:
            raise SourceUnavailable(f"nothing has landed for {_STALL_SECONDS:.0f} s; positions {reached} of {ends}")
        time.sleep(_LOOK_SECONDS)


def _summary(
    client: str,
    processes: int,
    begun: float,
    consuming_seconds: float,
    commits: list[Commit],
    readings: list[Reading],
    records: int,
) -> SinkRun:
    first = next(c for c in commits if c.files)
    before: dict[int, int] = {}
    for commit in commits[: commits.index(first) + 1]:
        before |= commit.positions
    ended, steady_records = commits[-1].seen_at, records - sum(before.values())
    steady = between(readings, first.seen_at, ended + 1)
    steady_cpu = steady[-1].cpu_seconds - steady[0].cpu_seconds
    third = (ended - begun) / 3
    return SinkRun(
        client=client,
        processes=processes,
        records=records,
        commits=len(commits),
        consuming_seconds=consuming_seconds,
        ready_seconds=first.seen_at - begun,
        seconds=ended - begun,
        records_per_second=steady_records / (ended - first.seen_at),
        records_per_second_from_start=records / (ended - begun),
        cpu_seconds_per_million=readings[-1].cpu_seconds / records * 1e6,
        steady_cpu_seconds_per_million=steady_cpu / steady_records * 1e6,
        peak_mib=peak_mib(readings),
        middle_mib=peak_mib(between(readings, begun + third, begun + 2 * third)),
        end_mib=peak_mib(between(readings, begun + 2 * third, ended)),
        others_cores=others_cores(steady[0], steady[-1]),
        rss_mib=[(r.at - begun, r.rss_bytes / 1024 / 1024) for r in readings[:: 1 + len(readings) // _COURSE_POINTS]],
    )
