"""A service of this home that answers HTTP, as a background process."""

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from datacentre.errors import SourceUnavailable
from datacentre.services import process
from datacentre.settings import Settings

_START_SECONDS = 30.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class HttpService:
    """`name` is its command too; `port` reads its port from settings, `port_variable` tells it to the process."""

    name: str
    port_variable: str
    port: Callable[[Settings], int]

    def address(self, settings: Settings) -> str:
        return f"http://127.0.0.1:{self.port(settings)}"

    def start(self, settings: Settings) -> process.ServiceProcess:
        """Start it and wait until it answers. Raises SourceUnavailable with its last words when it doesn't."""
        started = self.launch(settings)
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers(settings):
            if process.running(settings.run, self.name) is None or time.monotonic() > deadline:
                process.stop(settings.run, self.name)
                said = " ".join(process.last_lines(started, 1)) or "no answer"
                raise SourceUnavailable(f"the {self.name} does not start: {said} (log: {started.log})")
            time.sleep(_POLL_SECONDS)
        return started

    def launch(self, settings: Settings) -> process.ServiceProcess:
        """Start it, without waiting for an answer."""
        argv = [sys.executable, "-m", "datacentre.cli", self.name]
        own = {"DATACENTRE_HOME": str(settings.home), self.port_variable: str(self.port(settings))}
        return process.start(settings.run, self.name, argv, os.environ | own, settings.home)

    def stop(self, settings: Settings) -> bool:
        """End it when what it has begun is done; False when none runs."""
        return process.stop(settings.run, self.name, grace_seconds=20.0)

    def is_running(self, settings: Settings) -> bool:
        return process.running(settings.run, self.name) is not None

    def answers(self, settings: Settings) -> bool:
        """Whether this home's runs and says that it is well."""
        try:
            with urllib.request.urlopen(f"{self.address(settings)}/healthz", timeout=3.0) as answer:
                return self.is_running(settings) and bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


GATEWAY = HttpService("gateway", "DATACENTRE_GATEWAY_PORT", lambda settings: settings.gateway_port)
SERVE = HttpService("serve", "DATACENTRE_SERVE_PORT", lambda settings: settings.serve_port)
