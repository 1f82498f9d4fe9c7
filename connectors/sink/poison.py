"""Stop a stream when more than a set share of a window of its records breaks a rule.

Nothing of the batch that shows it is written, so no offset moves. What stops the stream is a file, which every
sink looks at before each commit: `<home>/stops/<stream>.json`. `datacentre resume` takes it away.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datacentre.errors import CheckFailed, DataCentreError

WINDOW = 2_000
LEAST = 500
_SHOWN_OFFSETS = 10
Ranges = Mapping[int, tuple[int, int]]
_log = logging.getLogger(__name__)


class Poisoned(CheckFailed):
    """The stream is stopped: too many of its records break a rule."""


@dataclass(frozen=True)
class Stop:
    """Why a stream stands still; holds no value of any record.

    `first_offsets` are `partition:offset` of the first bad records, `seen` the range of offsets
    `[start, next)` by partition in which they came.
    """

    stream: str
    reason: str
    by_rule: dict[str, int]
    first_offsets: list[str]
    seen: dict[str, list[int]]
    stopped_at: str


class Stops:
    """The stop files of one home."""

    def __init__(self, home: Path):
        self._folder = home / "stops"

    def find(self, stream: str) -> Stop | None:
        try:
            return Stop(**json.loads(self._file(stream).read_text()))
        except FileNotFoundError:
            return None

    def is_stopped(self, stream: str) -> bool:
        return self._file(stream).exists()

    def problem(self, stream: str) -> Poisoned | None:
        """What to tell of a stopped stream, and how to go on; None when it isn't stopped."""
        stop = self.find(stream)
        return None if stop is None else _problem(stop)

    def stop(self, stop: Stop) -> Poisoned:
        """Stop the stream, log the alert, and return what to tell of it."""
        _write(self._file(stop.stream), asdict(stop))
        problem = _problem(stop)
        _log.error("%s", problem)
        return problem

    def resume(self, stream: str, accept: bool) -> Stop:
        """Let the stream go on; with `accept`, what was seen is not judged again but goes to quarantine.

        Raises CheckFailed when it isn't stopped.
        """
        stop = self.find(stream)
        if stop is None:
            raise CheckFailed(f"{stream} isn't stopped")
        if accept:
            known = self.accepted(stream)
            reached = {int(p): following for p, (_, following) in stop.seen.items()}
            together = {p: max(known.get(p, 0), reached.get(p, 0)) for p in known | reached}
            _write(self._accepted_file(stream), {str(p): following for p, following in sorted(together.items())})
        self._file(stream).unlink(missing_ok=True)
        return stop

    def accepted(self, stream: str) -> dict[int, int]:
        """By partition, the offset below which bad records have been accepted."""
        try:
            return {int(p): following for p, following in json.loads(self._accepted_file(stream).read_text()).items()}
        except FileNotFoundError:
            return {}

    def leave_out(self, stream: str, problem: DataCentreError) -> None:
        """Note why a sink doesn't take the stream, for those who only see its files."""
        with suppress(OSError):  # a full disk may be the very reason
            _write(self._left_out_file(stream), str(problem))

    def take_up(self, stream: str) -> None:
        """A sink takes the stream."""
        self._left_out_file(stream).unlink(missing_ok=True)

    def left_out(self, stream: str) -> str | None:
        """Why the sink that was started last doesn't take the stream; None where it does."""
        try:
            return str(json.loads(self._left_out_file(stream).read_text()))
        except FileNotFoundError:
            return None

    def _left_out_file(self, stream: str) -> Path:
        return self._folder / f"{stream}.left_out"

    def _file(self, stream: str) -> Path:
        return self._folder / f"{stream}.json"

    def _accepted_file(self, stream: str) -> Path:
        return self._folder / f"{stream}.accepted"


class Guard:
    """Judges one stream's batches in the order in which this process commits them."""

    def __init__(self, stops: Stops, stream: str, percent: float):
        """At a `percent` of 100 nothing is ever stopped."""
        self._stops, self._stream, self._percent = stops, stream, percent
        self._window = np.zeros(0, bool)

    def require_running(self) -> None:
        """Raises Poisoned while the stream is stopped, by whichever sink."""
        if self._stops.is_stopped(self._stream) and (problem := self._stops.problem(self._stream)) is not None:
            self._window = np.zeros(0, bool)
            raise problem

    def judge(self, batch: pa.Table, rejected: pa.Table, ranges: Ranges) -> np.ndarray:
        """The window as it is after this batch, for `passed`; raises Poisoned, having stopped the stream.

        `batch` holds the records in order, `rejected` the quarantine rows among them.
        """
        self.require_running()
        bad = self._is_bad(batch, rejected)
        window = np.concatenate([self._window, bad])
        counts = _worst(window, len(self._window)) if bad.any() else None
        if counts is not None and counts[0] * 100 > self._percent * counts[1]:
            self._window = np.zeros(0, bool)
            raise self._stops.stop(self._stop(counts, rejected, ranges))
        return window[-WINDOW:]

    def passed(self, window: np.ndarray) -> None:
        """The batch that `judge` gave this window for is in the lake."""
        self._window = window

    def _is_bad(self, batch: pa.Table, rejected: pa.Table) -> np.ndarray:
        """Which records of the batch count: rejected, and not accepted before."""
        bad = np.zeros(batch.num_rows, bool)
        if rejected.num_rows == 0:
            return bad
        accepted = self._stops.accepted(self._stream)
        partitions, offsets = batch["kafka_partition"].to_numpy(), batch["kafka_offset"].to_numpy()
        of_rejected, where = rejected["kafka_partition"].to_numpy(), rejected["kafka_offset"].to_numpy()
        for partition in np.unique(of_rejected):
            counted = where[(of_rejected == partition) & (where >= accepted.get(int(partition), 0))]
            bad |= (partitions == partition) & np.isin(offsets, counted)
        return bad

    def _stop(self, counts: tuple[int, int], rejected: pa.Table, ranges: Ranges) -> Stop:
        bad, size = counts
        places = zip(rejected["kafka_partition"].to_pylist(), rejected["kafka_offset"].to_pylist(), strict=True)
        rules = Counter(rule for broken in rejected["broken_rules"].to_pylist() for rule in broken)
        return Stop(
            stream=self._stream,
            reason=f"{bad:,} of {size:,} records in a row broke a rule, more than {self._percent:g} %",
            by_rule=dict(rules.most_common()),
            first_offsets=[f"{p}:{o}" for p, o in sorted(places)[:_SHOWN_OFFSETS]],
            seen={str(p): list(r) for p, r in sorted(ranges.items())},
            stopped_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _worst(window: np.ndarray, first_new: int) -> tuple[int, int] | None:
    """Bad records and size of the worst window that ends in a new record and has at least `LEAST` of them."""
    ends = np.arange(max(first_new + 1, LEAST), len(window) + 1)
    if len(ends) == 0:
        return None
    sums = np.concatenate([[0], np.cumsum(window)])
    starts = np.maximum(ends - WINDOW, 0)
    bad, sizes = sums[ends] - sums[starts], ends - starts
    worst = int(np.argmax(bad / sizes))
    return int(bad[worst]), int(sizes[worst])


def _problem(stop: Stop) -> Poisoned:
    rules = ", ".join(f"{rule} {count:,}" for rule, count in list(stop.by_rule.items())[:3])
    return Poisoned(
        f"{stop.stream}: stopped at {stop.stopped_at}: {stop.reason} ({rules}; first at {stop.first_offsets[0]}). "
        f"None of that batch was written. Repair the producer or the contract, then: datacentre resume "
        f"{stop.stream}; or let what was seen go to quarantine with --accept-poison"
    )


def _write(file: Path, document: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(document, indent=1))
    draft.replace(file)
