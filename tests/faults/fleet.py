"""Sinks of one client as real processes: started with orders, killed, frozen, and looked at."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datacentre.contracts import Contract
from datacentre.settings import REPOSITORY, Settings
from lake.positions import landed_positions
from tests.conftest import command_environment

# A proxy of the environment must not get between two processes of one machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_PATIENCE_SECONDS = 90.0


class Unexpected(Exception):
    """A sink ended, hung or stood still where it should have gone on."""


@dataclass
class SinkProcess:
    """One started sink; `crash_at` is the order it was given, see `datacentre.crash_points`."""

    instance: str
    crash_at: str
    popen: subprocess.Popen[bytes]
    log: Path
    metrics_port: int
    started_at: float = field(default_factory=time.monotonic)

    def commits(self) -> int:
        """Batches it has landed, as its metrics tell, or as it told when it came to its crash point."""
        told = re.findall(r"passed:.*after_landed_commit (\d+)", self.log.read_text(errors="replace"))
        return int(told[-1]) if told else self.metric("datacentre_sink_commits")

    def metric(self, name: str) -> int:
        try:
            with _opener.open(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=1.0) as answer:
                found = re.search(rf"^{name} ([0-9.e+]+)$", answer.read().decode(), re.MULTILINE)
        except OSError:
            return 0
        return int(float(found[1])) if found else 0

    @property
    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    @property
    def was_killed(self) -> bool:
        return self.popen.poll() == -signal.SIGKILL

    @property
    def is_frozen(self) -> bool:
        try:
            stat = Path(f"/proc/{self.popen.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    def age(self) -> float:
        return time.monotonic() - self.started_at

    def send(self, number: signal.Signals) -> None:
        if not self.has_ended:
            self.popen.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.popen.wait()

    def last_words(self) -> str:
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-6:])[-900:]


class Fleet:
    """The sinks of one lake. A sink without a static instance is a dynamic member of the group."""

    def __init__(
        self,
        settings: Settings,
        contracts: Mapping[str, Contract],
        streams: Sequence[str],
        is_static: bool = True,
        extra: Mapping[str, str] | None = None,
    ):
        self.settings = settings
        self.client = settings.kafka_client
        self.contracts = {key: contracts[key] for key in streams}
        self.extra = dict(extra or {})
        self._is_static = is_static
        self._started = 0
        self.running: list[SinkProcess] = []
        (settings.home / "logs").mkdir(parents=True, exist_ok=True)

    def start(self, instance: str, crash_at: str = "", *arguments: str) -> SinkProcess:
        port = _free_port()
        log = self.settings.home / "logs" / f"{self._started:04d}.{instance}.log"
        self._started += 1
        environment = {
            **command_environment(self.settings),
            "DATACENTRE_KAFKA_CLIENT": self.client,
            "DATACENTRE_SESSION_SECONDS": str(self.settings.session_seconds),
            "DATACENTRE_FLUSH_ROWS": str(self.settings.flush_rows),
            "DATACENTRE_FLUSH_SECONDS": str(self.settings.flush_seconds),
            "DATACENTRE_POISON_PERCENT": "100",
            "DATACENTRE_METRICS_PORT": str(port),
            "DATACENTRE_CRASH_AT": crash_at,
            "DATACENTRE_SINK_INSTANCE": instance if self._is_static else "",
            **self.extra,
        }
        command = [sys.executable, "-m", "datacentre.cli", "sink", *self.contracts, *arguments]
        with log.open("wb") as output:
            popen = subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdout=output, stderr=output)
        process = SinkProcess(instance, crash_at, popen, log, port)
        self.running.append(process)
        return process

    def replace(self, old: SinkProcess, crash_at: str = "") -> SinkProcess:
        """Start the next process of the same instance in the place of one that has ended."""
        self.running.remove(old)
        return self.start(old.instance, crash_at)

    def require_running(self) -> None:
        for process in self.running:
            if process.has_ended:
                self.unexpected(process, f"ended with {process.popen.returncode}")

    def unexpected(self, process: SinkProcess, what: str) -> None:
        raise Unexpected(f"{self.client} {process.instance} ({process.crash_at}): {what}: {process.last_words()}")

    def positions(self) -> dict[tuple[str, int], int]:
        return {
            (k, p): o for k, c in self.contracts.items() for p, o in landed_positions(self.settings.lake, c).items()
        }

    def wait_for_progress(self, seconds: float = _PATIENCE_SECONDS, busy: float = 0.8) -> None:
        """Until most partitions have moved: somebody serves them. Raises Unexpected when they stand still."""
        before = self.positions()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            now = self.positions()
            moved = [at for at in now if now[at] > before.get(at, 0)]
            if now and len(moved) >= busy * len(now):
                return
            time.sleep(0.2)
        stuck = {at: o for at, o in self.positions().items() if o <= before.get(at, 0)}
        words = "; ".join(f"{p.instance} {p.popen.poll()} {p.last_words()[-300:]}" for p in self.running)
        raise Unexpected(f"{self.client}: no progress within {seconds:.0f} s on {stuck}: {words}")

    def end(self, seconds: float = 60.0) -> list[SinkProcess]:
        """Ask all to end; returns those that had to be killed after `seconds`."""
        for process in self.running:
            process.send(signal.SIGCONT)
            process.send(signal.SIGTERM)
        until = time.monotonic() + seconds
        while any(not p.has_ended for p in self.running) and time.monotonic() < until:
            time.sleep(0.05)
        stubborn = [p for p in self.running if not p.has_ended]
        for process in stubborn:
            process.kill()
        self.running.clear()
        return stubborn

    def catch_up(self, seconds: float = 180.0) -> None:
        """One sink without orders lands the rest."""
        last = self.start("last", "", "--until-caught-up")
        try:
            code = last.popen.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            last.kill()
            raise Unexpected(f"{self.client}: not caught up within {seconds:.0f} s: {last.last_words()}") from None
        self.running.remove(last)
        if code:
            self.unexpected(last, f"ended with {code}")


def _free_port() -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port <= 65_534:
            return port


def end_child(popen: subprocess.Popen[bytes]) -> None:
    """End a helper process that a test has started."""
    if popen.poll() is None:
        os.kill(popen.pid, signal.SIGTERM)
        popen.wait()
