"""Start again what has died: the parts that `up` has started and `down` has not stopped."""

import fcntl
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datacentre.errors import DataCentreError

NAME = "supervisor"
_WANTED = "wanted.state"
_RESTARTS = "restarts.state"
_SETTLED_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """One part of the running centre. `start` returns what there is to tell, once the part answers; it may be called
    while it runs. `stop` returns whether there was anything to stop. `revive` starts it without waiting long."""

    start: Callable[[], str]
    stop: Callable[[], bool]
    is_running: Callable[[], bool]
    revive: Callable[[], object]


@contextmanager
def wanted(run: Path) -> Iterator[set[str]]:
    """The names of the parts that are to run, to be read and changed; a supervisor starts nothing meanwhile."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / "wanted.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        names = set(_read(run / _WANTED, []))
        before = set(names)
        yield names
        if names != before:
            _write(run / _WANTED, sorted(names))


def restarts(run: Path) -> Counter[str]:
    """How often each part was started again since `up` first started it."""
    return Counter(_read(run / _RESTARTS, {}))


class Supervisor:
    """Looks after the wanted parts. What ends at once after every start is started ever more seldom, at last
    once a minute."""

    def __init__(self, run: Path, parts: Mapping[str, Part], clock: Callable[[], float] = time.monotonic):
        self._run, self._parts, self._clock = run, parts, clock
        self._pauses: dict[str, float] = {}
        self._started: dict[str, float] = {}

    def look(self) -> list[str]:
        """Start the wanted parts that don't run and are due; returns their names."""
        with wanted(self._run) as names:
            return [name for name in self._parts if name in names and self._revive(name)]

    def _revive(self, name: str) -> bool:
        now, started = self._clock(), self._started.get(name)
        if self._parts[name].is_running():
            if started is not None and now - started > _SETTLED_SECONDS:
                self._pauses.pop(name, None)
            return False
        pause = self._pauses.get(name, 0.0)
        if started is not None and now - started < pause:
            return False
        self._started[name] = now
        self._pauses[name] = min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, 2 * pause))
        try:
            self._parts[name].revive()
        except DataCentreError as problem:
            _log.error("%s has died and can't be started: %s", name, problem)
            return False
        count = restarts(self._run)
        count[name] += 1
        _write(self._run / _RESTARTS, count)
        _log.warning("%s had died; started again, the %d. time", name, count[name])
        return True


def forget_restarts(run: Path, name: str) -> None:
    """Count a part's restarts from 0."""
    count = restarts(run)
    if count.pop(name, None) is not None:
        _write(run / _RESTARTS, count)


def _read(file: Path, default: Any) -> Any:
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return default


def _write(file: Path, content: object) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(content))
    draft.replace(file)
