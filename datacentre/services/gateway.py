"""The push gateway as a background process of this home."""

import os
import sys
import time
import urllib.error
import urllib.request

from datacentre.errors import SourceUnavailable
from datacentre.services import process
from datacentre.settings import Settings

NAME = "gateway"
_START_SECONDS = 30.0
_POLL_SECONDS = 0.2


def start(settings: Settings) -> process.ServiceProcess:
    """Start it and wait until it answers. Raises SourceUnavailable with its last words when it doesn't."""
    started = launch(settings)
    deadline = time.monotonic() + _START_SECONDS
    while not answers(settings):
        if process.running(settings.run, NAME) is None or time.monotonic() > deadline:
            process.stop(settings.run, NAME)
            said = " ".join(process.last_lines(started, 1)) or "no answer"
            raise SourceUnavailable(f"the gateway does not start: {said} (log: {started.log})")
        time.sleep(_POLL_SECONDS)
    return started


def launch(settings: Settings) -> process.ServiceProcess:
    """Start it, without waiting for an answer."""
    argv = [sys.executable, "-m", "datacentre.cli", NAME]
    own = {"DATACENTRE_HOME": str(settings.home), "DATACENTRE_GATEWAY_PORT": str(settings.gateway_port)}
    return process.start(settings.run, NAME, argv, os.environ | own, settings.home)


def stop(settings: Settings) -> bool:
    """End it when what it has begun is done; False when none runs."""
    return process.stop(settings.run, NAME, grace_seconds=20.0)


def is_running(settings: Settings) -> bool:
    return process.running(settings.run, NAME) is not None


def answers(settings: Settings) -> bool:
    """Whether this home's gateway runs and has a broker."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{settings.gateway_port}/healthz", timeout=3.0) as answer:
            return is_running(settings) and bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
