"""Commits beside the reading: one thread decodes and writes while the loop polls for more."""

import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.sink.batch import Batch
from connectors.sink.memory import give_back_free_memory
from connectors.sink.writer import Committed, StreamWriter

_TIDY_BYTES = 96 * 1024 * 1024


@dataclass(frozen=True)
class Done:
    """What became of a batch: `result`, or the `problem` that kept it out of the lake."""

    stream: str
    batch: Batch
    seconds: float
    result: Committed | None = None
    problem: Exception | None = None


class Committer:
    """Takes at most one batch per stream at a time, so that no batch overtakes a failed one."""

    def __init__(self, writers: Mapping[str, StreamWriter]):
        self._writers = writers
        self._waiting: queue.SimpleQueue[tuple[str, Batch] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._pending: dict[str, Batch] = {}
        self._thread: threading.Thread | None = None

    @property
    def pending(self) -> Mapping[str, Batch]:
        """Batches handed in and not yet collected, by stream."""
        return self._pending

    def submit(self, stream: str, batch: Batch) -> None:
        if stream in self._pending:
            raise AssertionError(f"{stream}: a batch is being committed already")
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="sink-committer", daemon=True)
            self._thread.start()
        self._pending[stream] = batch
        self._waiting.put((stream, batch))

    def collect(self, timeout_seconds: float = 0.0) -> Done | None:
        """The next batch that is through, if one is within the timeout."""
        try:
            done = self._done.get(timeout=timeout_seconds) if timeout_seconds else self._done.get_nowait()
        except queue.Empty:
            return None
        del self._pending[done.stream]
        return done

    def close(self) -> None:
        """End the thread after what was handed in."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        passed_bytes = 0
        while (item := self._waiting.get()) is not None:
            stream, batch = item
            started = time.monotonic()
            result, problem = None, None
            try:
                result = self._writers[stream].commit(batch)
            except Exception as caught:  # whatever it is, the loop has to hear of it
                problem = caught
            self._done.put(Done(stream, batch, time.monotonic() - started, result, problem))
            passed_bytes += batch.size_bytes
            del batch, item
            if passed_bytes >= _TIDY_BYTES:
                passed_bytes = 0
                give_back_free_memory()
