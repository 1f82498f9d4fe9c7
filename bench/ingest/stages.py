"""Where the CPU of a commit goes: the writer's own steps, timed one by one, without a broker."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from typing import Any
from unittest.mock import patch

from bench.ingest import records
from bench.ingest.box import STREAM, Box
from connectors.sink.batch import Batch, Chunk
from connectors.sink.scan import warm
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.pseudonym import load_or_create

BATCH_ROWS = 43_000
_BATCHES = 12
_CHUNK_ROWS = 6_000
_PARTITIONS = 4

# Functions by the name that they get in the report; none is called inside of another.
_STEPS = {
    "pass over the bytes": "connectors.sink.scan.kernel.scan",
    "texts gathered into columns": "connectors.sink.scan.kernel.gather",
    "pseudonyms": "connectors.sink.scan.pseudonyms.Pseudonyms.of",
    "record rules and dates, in DuckDB": "connectors.sink.version_check.VersionCheck._query",
    "doubtful rows, in DuckDB": "connectors.sink.version_check.VersionCheck.exact",
    "Parquet": "lake.commit.write_file",
    "Delta log": "lake.commit_log.CommitLog.append",
}


@dataclass(frozen=True)
class Stage:
    """CPU microseconds that one step takes per record, in batches of `BATCH_ROWS` hospital records."""

    step: str
    microseconds: float


def measure(box: Box) -> list[Stage]:
    """Commit batches of distinct records through the sink's own writer; the first one warms up."""
    centre = box.fresh_centre("stages")
    places = dict.fromkeys(range(_PARTITIONS), 0)
    topic = Topic(STREAM, "bench/bench", places, places)
    writer = StreamWriter(centre.lake, box.stream, load_or_create(centre.home, False), topic)
    warm.wait()
    batches = _batches(box)
    writer.commit(next(batches))
    spent = dict.fromkeys(_STEPS, 0.0)
    whole = 0.0
    with ExitStack() as patched:
        for step, place in _STEPS.items():
            patched.enter_context(_timed(step, place, spent))
        for batch in batches:
            begun = time.process_time()
            writer.commit(batch)
            whole += time.process_time() - begun
    rest = whole - sum(spent.values())
    rows = BATCH_ROWS * (_BATCHES - 1)
    return [Stage(step, seconds / rows * 1e6) for step, seconds in {**spent, "everything else": rest}.items()]


def _timed(step: str, place: str, spent: dict[str, float]) -> Any:
    """A patch of `place` that adds its thread's CPU seconds to `spent[step]`."""
    patching = patch(place)
    real = patching.get_original()[0]

    @wraps(real)
    def timed(*arguments: Any, **options: Any) -> Any:
        begun = time.thread_time()
        try:
            return real(*arguments, **options)
        finally:
            spent[step] += time.thread_time() - begun

    patching.new = timed
    return patching


def _batches(box: Box) -> Iterator[Batch]:
    source = records.read(records.corpus(box, BATCH_ROWS * _BATCHES))
    now = int(time.time() * 1000)
    for start in range(0, BATCH_ROWS * _BATCHES, BATCH_ROWS):
        batch = Batch()
        for at in range(0, BATCH_ROWS, _CHUNK_ROWS):
            rows = islice(source, min(_CHUNK_ROWS, BATCH_ROWS - at))
            partition = at // _CHUNK_ROWS % _PARTITIONS
            numbered = ((partition, start + at + n, now, key, value) for n, (key, value) in enumerate(rows))
            batch.add(Chunk.of(STREAM, numbered))
        for partition in range(_PARTITIONS):
            batch.advance(partition, start, start + BATCH_ROWS)
        yield batch
