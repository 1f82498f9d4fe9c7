"""CPU time and resident memory of process trees, from outside, the same way for every engine."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

_SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Reading:
    """`at` seconds on the monotonic clock; CPU seconds (user and system) so far; resident bytes, all processes."""

    at: float
    cpu_seconds: float
    rss_bytes: int


class Meter:
    """Samples process trees until it is closed; what a child used stays counted after its end."""

    def __init__(self, pids: Iterable[int]):
        self._roots = [psutil.Process(pid) for pid in pids]
        self._cpu: dict[tuple[int, float], float] = {}
        self.readings: list[Reading] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def read(self) -> Reading:
        """Take a sample now."""
        with self._lock:
            rss = sum(self._look(process) for root in self._roots for process in _tree(root))
            reading = Reading(time.monotonic(), sum(self._cpu.values()), rss)
            self.readings.append(reading)
            return reading

    def close(self) -> list[Reading]:
        """Stop sampling; return all samples."""
        self._closing.set()
        self._thread.join()
        return self.readings

    def _sample(self) -> None:
        while not self._closing.wait(_SAMPLE_SECONDS):
            self.read()

    def _look(self, process: psutil.Process) -> int:
        try:
            with process.oneshot():
                times = process.cpu_times()
                self._cpu[(process.pid, process.create_time())] = times.user + times.system
                return int(process.memory_info().rss)
        except psutil.Error:
            return 0


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def peak_mib(readings: Iterable[Reading]) -> float:
    """Largest resident memory, in MiB."""
    return max((r.rss_bytes for r in readings), default=0) / 1024 / 1024


def between(readings: Iterable[Reading], start: float, end: float) -> list[Reading]:
    """The samples taken from `start` to `end` on the monotonic clock."""
    return [r for r in readings if start <= r.at <= end]
