"""Whether a commit costs the same after thousands of them, with upkeep running beside the commits."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import median

from bench.ingest import records
from bench.ingest.box import STREAM, Box
from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from lake.upkeep import keep_up

COMMITS = 10_000
_ROWS = 100
_HUNDRED = 100
_RETENTION_HOURS = 1


@dataclass(frozen=True)
class CommitCost:
    """Milliseconds of one commit of 100 records to vault, quarantine and landed; medians over a hundred commits."""

    commits: int
    first_hundred_ms: float
    last_hundred_ms: float
    ratio: float
    longest_ms: float
    upkeep_seconds: float
    median_ms: list[float]


def measure(box: Box, commits: int = COMMITS) -> CommitCost:
    """Commit through the sink's own writer, without a broker; upkeep every hundred commits in a thread."""
    centre = box.fresh_centre("commits")
    contract = box.stream
    topic = Topic(STREAM, "bench/bench", {0: 0}, {0: commits * _ROWS})
    writer = StreamWriter(centre.lake, contract, load_or_create(centre.home, False), topic)
    source = _batches(box, commits)
    spent, upkeep = [], _Upkeep(box, centre)
    for number, batch in enumerate(source):
        begun = time.perf_counter()
        writer.commit(batch)
        spent.append((time.perf_counter() - begun) * 1000)
        if number % _HUNDRED == _HUNDRED - 1:
            upkeep.begin()
    upkeep.end()
    hundreds = [median(spent[at : at + _HUNDRED]) for at in range(0, commits, _HUNDRED)]
    # The very first commits open files and compile; the first hundred is taken after a dozen of them.
    first = median(spent[12 : 12 + _HUNDRED])
    return CommitCost(commits, first, hundreds[-1], hundreds[-1] / first, max(spent[12:]), upkeep.seconds, hundreds)


class _Upkeep:
    """Compaction, log cleanup and vacuum in a thread, one round at a time."""

    def __init__(self, box: Box, centre: Settings):
        self._lake, self._contract = centre.lake, box.stream
        self._thread: threading.Thread | None = None
        self.seconds = 0.0

    def begin(self) -> None:
        """Start a round unless one is running."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._round)
            self._thread.start()

    def end(self) -> None:
        """Wait for the round that is running."""
        if self._thread is not None:
            self._thread.join()

    def _round(self) -> None:
        begun = time.perf_counter()
        keep_up(self._lake, self._contract, _RETENTION_HOURS)
        self.seconds += time.perf_counter() - begun


def _batches(box: Box, commits: int) -> Iterator[Batch]:
    source = records.read(records.corpus(box, commits * _ROWS))
    now = int(time.time() * 1000)
    for number in range(commits):
        rows = islice(source, _ROWS)
        start = number * _ROWS
        batch = Batch()
        batch.add(Chunk.of(STREAM, ((0, start + at, now, key, value) for at, (key, value) in enumerate(rows))))
        batch.advance(0, start, start + _ROWS)
        yield batch
