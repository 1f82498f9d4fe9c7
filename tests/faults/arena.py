"""The broker of a fault run, fresh topics and fresh homes for every scenario."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from datacentre.contracts import Contract, load_contracts
from datacentre.errors import SourceUnavailable
from datacentre.services import kafka, process
from datacentre.settings import REPOSITORY, Settings, from_environment
from tests.conftest import fresh_topics
from tests.faults.fleet import Fleet
from tests.faults.scenarios import Scenario
from tests.faults.traffic import STREAMS, Traffic, records

SESSION_SECONDS = 3.0
_RATE = 700.0
_SMALL_DISK_MIB = 400
_FLUSH_SECONDS = 0.3
_FLUSH_ROWS = 2_000


class Arena:
    """One broker, killed and restarted on demand; homes on the disk or on a small one of their own."""

    def __init__(self, port: int):
        self.home = Path(tempfile.mkdtemp(prefix="datacentre-faults-"))
        self.settings = from_environment(
            {**os.environ, "DATACENTRE_HOME": str(self.home / "broker"), "DATACENTRE_KAFKA_PORT": str(port)}
            | {"KAFKA_BOOTSTRAP_SERVERS": ""}
        )
        self.contracts: Mapping[str, Contract] = load_contracts(REPOSITORY / "schemas")
        self.records = records(self.contracts, self.settings.reference)
        self._mounts: list[Path] = []

    def start_broker(self) -> None:
        """Short sessions are allowed: the broker's own least is 6 s."""
        configure = kafka._configure

        def with_short_sessions(settings: Settings) -> Path:
            file = configure(settings)
            file.write_text(file.read_text() + "group.min.session.timeout.ms=1000\n")
            return file

        kafka._configure = with_short_sessions
        try:
            kafka.start(self.settings)
        finally:
            kafka._configure = configure

    def kill_broker(self) -> None:
        """SIGKILL, then the same broker over the same log."""
        running = process.running(self.settings.run, kafka.NAME)
        assert running is not None, "the broker is gone already"
        os.kill(running.pid, signal.SIGKILL)
        kafka.stop(self.settings)
        time.sleep(2.0)
        self.start_broker()

    def close(self) -> None:
        kafka.stop(self.settings)
        for mount in self._mounts:
            subprocess.run(["umount", str(mount)], check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def fleet(self, client: str, number: int, scenario: Scenario) -> Fleet:
        """Sinks over an empty home. Raises SourceUnavailable where a small disk can't be mounted."""
        home = self.home / f"{number:02d}-{client}"
        home.mkdir()
        if scenario.small_disk:
            self._mount(home)
        settings = replace(
            self.settings,
            home=home,
            control_url=f"sqlite:///{home / 'control.sqlite'}",
            kafka_client=client,
            session_seconds=SESSION_SECONDS,
            flush_rows=_FLUSH_ROWS,
            flush_seconds=_FLUSH_SECONDS,
        )
        return Fleet(settings, self.contracts, STREAMS, scenario.is_static, scenario.extra)

    def _mount(self, home: Path) -> None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK_MIB}m", "tmpfs", str(home)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SourceUnavailable(f"no small disk: {done.stderr.strip()[:200]}")
        self._mounts.append(home)

    @contextmanager
    def traffic(self, scenario: Scenario) -> Iterator[Traffic]:
        """Records over fresh topics for as long as the block runs."""
        for attempt in range(5):  # a topic being deleted may still be named
            try:
                fresh_topics(self.settings.bootstrap_servers, {key: self.contracts[key] for key in STREAMS})
                break
            except Exception:
                if attempt == 4:
                    raise
                time.sleep(1.0)
        traffic = Traffic(self.settings.bootstrap_servers, self.records, _RATE, scenario.has_transactions)
        with traffic:
            yield traffic

    def clear(self, fleet: Fleet) -> None:
        """Let go of a clean scenario's home; what went wrong stays to be looked at until the end of the run."""
        with suppress(OSError):
            shutil.rmtree(fleet.settings.home / "lake")
