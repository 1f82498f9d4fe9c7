"""What a running centre takes of the machine, and how far its sinks are behind."""

import threading
import time
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass

import psutil

from bench.soak.centre import processes
from connectors.topics import describe_topics
from datacentre.contracts import Contract
from datacentre.errors import SourceUnavailable
from datacentre.settings import Settings
from lake.positions import landed_bases, landed_positions

_SAMPLE_SECONDS = 5.0


@dataclass(frozen=True)
class Sample:
    """`at` in seconds since the watch began. Memory is proportional (PSS, in MiB): a page that forked tasks share with
    their scheduler counts once. `lag` in records over all streams, None while the broker doesn't answer."""

    at: float
    mib: Mapping[str, float]
    cpu_seconds: float
    lag: int | None

    @property
    def all_mib(self) -> float:
        return sum(self.mib.values())


class Watch:
    """Takes a sample every five seconds until it is closed."""

    def __init__(self, settings: Settings, contracts: Mapping[str, Contract]):
        self._settings, self._contracts = settings, contracts
        self._cpu: dict[tuple[int, float], float] = {}
        self._began = time.monotonic()
        self.samples: list[Sample] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def close(self) -> list[Sample]:
        self._closing.set()
        self._thread.join()
        return self.samples

    def _run(self) -> None:
        while True:
            mib = self._memory()
            self.samples.append(Sample(self.now, mib, sum(self._cpu.values()), self._lag()))
            if self._closing.wait(_SAMPLE_SECONDS):
                return

    def _memory(self) -> dict[str, float]:
        """MiB by recorded process, its children included; one that is recorded itself counts as its own only."""
        roots = processes(self._settings)
        return {name: self._look(pid, set(roots.values()) - {pid}) for name, pid in roots.items()}

    def _look(self, pid: int, others: Set[int]) -> float:
        total = 0.0
        with suppress(psutil.Error):
            one = psutil.Process(pid)
            times = one.cpu_times()
            self._cpu[one.pid, one.create_time()] = times.user + times.system
            total += one.memory_full_info().pss / 2**20
            total += sum(self._look(child.pid, others) for child in one.children() if child.pid not in others)
        return total

    def _lag(self) -> int | None:
        try:
            topics = describe_topics(self._settings.bootstrap_servers, self._contracts.values())
        except SourceUnavailable:
            return None
        behind = 0
        for key, topic in topics.items():
            contract = self._contracts[key]
            ends = topic.in_lake(landed_bases(self._settings.lake, contract)).end_offsets
            landed = landed_positions(self._settings.lake, contract)
            behind += sum(end - landed.get(partition, 0) for partition, end in ends.items())
        return behind
