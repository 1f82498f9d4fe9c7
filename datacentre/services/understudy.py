"""The supervisor and its understudy: each starts the other again when it has died, until nothing is wanted any more.

The understudy is a process of its own that imports little, so that it stays small.
"""

import logging
import os
import sys
from collections.abc import Callable
from functools import partial

from datacentre.file_lock import locked
from datacentre.services import process, supervisor
from datacentre.services.supervisor import Part, Supervisor, wanted
from datacentre.settings import Settings, from_environment

NAME = "understudy"
PAIR = (supervisor.NAME, NAME)
_MODULES = {supervisor.NAME: ("datacentre.cli", "supervise"), NAME: ("datacentre.services.understudy",)}


def start_pair(settings: Settings) -> None:
    """Start both; anew where they run, so that they have the settings of now."""
    with wanted(settings.run):  # neither starts the other meanwhile
        stop_pair(settings)
        for name in PAIR:
            _start(settings, name)


def stop_pair(settings: Settings) -> None:
    """End both; the caller holds `wanted`, or nothing is wanted any more: otherwise one starts the other again."""
    process.stop_each(settings.run, PAIR)


def one_of_pair(settings: Settings, name: str) -> dict[str, Part]:
    """It as a part that the other one looks after."""
    return {
        name: Part(
            partial(_start, settings, name),
            lambda: process.stop(settings.run, name),
            lambda: process.running(settings.run, name) is not None,
            partial(_start, settings, name),
        )
    }


def serve(settings: Settings, name: str, work: Callable[[], None]) -> None:
    """Do the work of one of the pair, never beside another process that does: a second one waits until the first has
    ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with locked(settings.run / f"{name}.lock"):
        work()


def _start(settings: Settings, name: str) -> str:
    argv = [sys.executable, "-m", *_MODULES[name]]
    environment = os.environ | {"DATACENTRE_HOME": str(settings.home)}
    process.start(settings.run, name, argv, environment, settings.home)
    return f"{name} runs"


def _main() -> None:
    settings = from_environment()
    serve(settings, NAME, Supervisor(settings.run, {}, one_of_pair(settings, supervisor.NAME)).keep)


if __name__ == "__main__":
    _main()
