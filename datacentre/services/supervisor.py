"""Start again what has died: the parts that `up` has started and `down` has not stopped."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from datacentre.errors import DataCentreError
from datacentre.file_lock import locked
from datacentre.services.restarts import note_restart, restarts

NAME = "supervisor"
_WANTED = "wanted.state"
_LOOK_SECONDS = 1.0
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
    with locked(run / "wanted.lock"):
        before = wanted_now(run)
        names = set(before)
        yield names
        if names != before:
            draft = (run / _WANTED).with_suffix(".new")
            draft.write_text(json.dumps(sorted(names)))
            draft.replace(run / _WANTED)


def wanted_now(run: Path) -> frozenset[str]:
    """The same names, only to be looked at: it doesn't wait for a supervisor that is starting something."""
    try:
        return frozenset(json.loads((run / _WANTED).read_text()))
    except FileNotFoundError:
        return frozenset()


class Supervisor:
    """Looks after the wanted `parts`, and after the `companion` while any is wanted. What ends at once after every
    start is started ever more seldom, at last once a minute."""

    def __init__(
        self,
        run: Path,
        parts: Mapping[str, Part],
        companion: Mapping[str, Part],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._run, self._parts, self._companion, self._clock = run, parts, companion, clock
        self._pauses: dict[str, float] = {}
        self._started: dict[str, float] = {}

    def keep(self) -> None:
        """Look once a second, until nothing is wanted any more."""
        while wanted_now(self._run):
            self.look()
            time.sleep(_LOOK_SECONDS)

    def look(self) -> list[str]:
        """Start what is to run, doesn't and is due; returns the names."""
        with wanted(self._run) as names:
            due = {name: part for name, part in self._parts.items() if name in names}
            due |= self._companion if names else {}
            return [name for name, part in due.items() if self._revive(name, part)]

    def _revive(self, name: str, part: Part) -> bool:
        now, started = self._clock(), self._started.get(name)
        if part.is_running():
            if started is not None and now - started > _SETTLED_SECONDS:
                self._pauses.pop(name, None)
            return False
        pause = self._pauses.get(name, 0.0)
        if started is not None and now - started < pause:
            return False
        self._started[name] = now
        self._pauses[name] = min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, 2 * pause))
        try:
            part.revive()
        except (DataCentreError, OSError) as problem:
            _log.error("%s has died and can't be started: %s", name, problem)
            return False
        with suppress(OSError):  # on a full disk it is started, not counted
            note_restart(self._run, name, time.time())
        _log.warning("%s had died; started again, the %d. time", name, restarts(self._run)[name])
        return True
