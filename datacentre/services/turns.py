"""Who works on the flow: `check` and `build` go on while there is work, and take turns with two cores.

All of it rests on file locks, which end with the process that holds them.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from datacentre.errors import SourceUnavailable
from datacentre.file_lock import locked_if_free, take

_LONGEST_WAIT_SECONDS = 15.0
_PAUSE_SECONDS = 0.02


@contextmanager
def watching(run: Path, stage: str) -> Iterator[None]:
    """Say that this stage sees by itself what there is to do; raises SourceUnavailable where another process does."""
    with locked_if_free(run / f"{stage}.watch.lock") as is_free:
        if not is_free:
            raise SourceUnavailable(f"{run}: another {stage} is going; try again when it has ended")
        yield


def is_watched(run: Path, stage: str) -> bool:
    """Whether a process is `watching`."""
    with _lock_file(run, f"{stage}.watch") as file:
        return not take(file, fcntl.LOCK_SH)


@contextmanager
def turn(run: Path) -> Iterator[None]:
    """Work alone. Who waits comes before who has just had a turn.

    A courtesy, not a lock: after 15 seconds of waiting it goes on beside the other.
    """
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    with ExitStack() as held:
        working = held.enter_context(_lock_file(run, "turn"))
        with _lock_file(run, "next_turn") as waiting:
            _wait_for(waiting, deadline)
            _wait_for(working, deadline)
        yield


def _wait_for(file: IO[str], deadline: float) -> None:
    while not take(file) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)


def _lock_file(run: Path, name: str) -> IO[str]:
    run.mkdir(parents=True, exist_ok=True)
    return (run / f"{name}.lock").open("w")
