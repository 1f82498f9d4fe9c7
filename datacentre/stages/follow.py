"""Check and build for as long as there is something to do, in one process each.

A task that is started anew for each round costs some five seconds of scheduling, forking and reading on two cores,
more than the round; docs/decisions/020 has the figures. Nothing is lost where such a loop ends or is killed: what it
hasn't seen starts another one, or waits for the sweep.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import sqlalchemy as sa

from datacentre.contracts import load_contracts
from datacentre.control.certificates import newest_decision
from datacentre.control.store import opened
from datacentre.services.turns import is_watched, turn, watching
from datacentre.settings import Settings
from datacentre.stages.build import build, is_built_to
from datacentre.stages.check import check
from datacentre.stages.outcome import Outcome
from datacentre.stages.registry import follow_registry
from lake.tables import table_folder

Told = Callable[[Outcome], None]


@dataclass(frozen=True)
class Patience:
    """In seconds: how often to look, how long to wait for something to do, how long to go on at most; and how far apart
    rounds with the registry begin while there is always something to build."""

    look: float = 0.1
    idle: float = 3.0
    longest: float = 300.0
    registry: float = 30.0


@dataclass
class Checked:
    """Streams that got a certificate, and why others could not be read when they last were."""

    certified: set[str] = field(default_factory=set)
    unread: dict[str, str] = field(default_factory=dict)


def check_as_it_lands(settings: Settings, told: Told, patience: Patience = Patience()) -> Checked:
    """Check what has landed, and then what lands, for as long as a `build` follows the certificates.

    Without one it ends once it has certified something, because its end is what starts a build. `told` is given each
    outcome; a stream that can't be read ends it. Raises SourceUnavailable where another check is going.
    """
    seen = Checked()

    def round_() -> bool:
        seen.unread.clear()
        for outcome in check(settings):
            told(outcome)
            if "error" in outcome.detail:
                seen.unread[outcome.stream] = outcome.detail["error"]
            elif outcome.detail["certificates"]:
                seen.certified.add(outcome.stream)
        return not seen.unread and (not seen.certified or is_watched(settings.run, "build"))

    _follow(settings, "check", lambda: _newest_entries(settings), round_, patience)
    return seen


def build_as_certified(settings: Settings, told: Told, patience: Patience = Patience()) -> None:
    """Build what is certified, and then what is being certified; nothing where that is built already. The registry
    follows now and then, and at the end.

    `told` is given each outcome. Raises what `build` raises, and SourceUnavailable where another one is going.
    """
    with opened(settings.control_url) as control:
        builds = _Builds(settings, control, told, patience)
        _follow(settings, "build", builds.seen, builds.round_, patience, builds.beside, builds.last_round)


class _Builds:
    """Rounds of building. Where one follows the other, the registry follows beside the checks between them, and the
    next build takes in what it found; the last one brings it along."""

    def __init__(self, settings: Settings, control: sa.Engine, told: Told, patience: Patience):
        self._settings, self._control, self._told, self._patience = settings, control, told, patience
        self._followed_at = -math.inf
        self._is_new = False
        """Whether the registry has followed since the last build."""

    def seen(self) -> object:
        return newest_decision(self._control)

    def round_(self) -> bool:
        if not self._is_built(with_registry=False):
            self._told(build(self._settings, with_registry=False, takes_registry=self._is_new))
            self._is_new = False
        return True

    def beside(self) -> None:
        """While others have the turn."""
        is_due = time.monotonic() - self._followed_at >= self._patience.registry
        if is_due and not self._is_built(with_registry=True):
            self._followed_at = time.monotonic()
            follow_registry(self._settings, self._control)
            self._is_new = True

    def last_round(self) -> bool:
        if not self._is_built(with_registry=True):
            self._told(build(self._settings))
        return True

    def _is_built(self, with_registry: bool) -> bool:
        return is_built_to(self._settings, self._control, newest_decision(self._control), with_registry)


def _follow(
    settings: Settings,
    stage: str,
    seen: Callable[[], object],
    round_: Callable[[], bool],
    patience: Patience,
    beside: Callable[[], None] = lambda: None,
    last_round: Callable[[], bool] | None = None,
) -> None:
    """Do a round whenever what is `seen` has changed, until nothing does or a round says that it was the last; then
    `last_round`, where that is another one. `beside` is done after each round, when the turn is given up.

    The last look comes after the watch is given up: who came before that said nothing, who comes after it will.
    """
    with watching(settings.run, stage):
        known = None
        for now in _changes(seen, patience):
            known = now
            with turn(settings.run):
                if not round_():
                    break
            beside()
        if last_round is not None:
            known = seen()
            with turn(settings.run):
                last_round()
    if seen() != known:
        with turn(settings.run):
            (last_round or round_)()


def _changes(seen: Callable[[], object], patience: Patience) -> Iterator[object]:
    """What is seen first, and again whenever it is something else."""
    begun = changed = time.monotonic()
    known = None
    while time.monotonic() - begun < patience.longest:
        now = seen()
        if now != known:
            yield now
            known, changed = now, time.monotonic()
        elif time.monotonic() - changed > patience.idle:
            return
        else:
            time.sleep(patience.look)


def _newest_entries(settings: Settings) -> tuple[int, ...]:
    """When an entry was last put into the log of each landed table; 0 for one that isn't there."""
    return tuple(_changed_at(settings, key) for key in load_contracts(settings.schemas))


def _changed_at(settings: Settings, stream: str) -> int:
    with suppress(OSError):
        return (table_folder(settings.lake, "landed", stream) / "_delta_log").stat().st_mtime_ns
    return 0
