"""CPU time and resident memory of process trees, from outside, the same way for every engine."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

_SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Reading:
    """`at` seconds on the monotonic clock; CPU seconds (user and system) so far; resident bytes, all processes.

    `machine_cpu_seconds` is what the whole machine has used, this bench and its broker included.
    """

    at: float
    cpu_seconds: float
    rss_bytes: int
    machine_cpu_seconds: float
    broker_cpu_seconds: float


class Meter:
    """Samples process trees until it is closed; what a child used stays counted after its end."""

    def __init__(self, pids: Iterable[int], broker_pid: int | None = None):
        self._roots = [psutil.Process(pid) for pid in pids]
        self._broker = psutil.Process(broker_pid) if broker_pid else None
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
            broker = self._broker.cpu_times() if self._broker else None
            reading = Reading(
                time.monotonic(),
                sum(self._cpu.values()),
                rss,
                _machine_cpu_seconds(),
                broker.user + broker.system if broker else 0.0,
            )
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


def _machine_cpu_seconds() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


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


def others_cores(start: Reading, end: Reading) -> float:
    """Cores that neither the measured processes nor the broker used, on average: how disturbed the figure is."""
    used = end.machine_cpu_seconds - start.machine_cpu_seconds
    own = end.cpu_seconds - start.cpu_seconds + end.broker_cpu_seconds - start.broker_cpu_seconds
    return max(0.0, used - own) / (end.at - start.at)
