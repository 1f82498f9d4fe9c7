"""The sweep: every few seconds, judge what no stage can say of itself, and tell what was not told yet."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path

import sqlalchemy as sa

from connectors.sink.poison import Stops
from datacentre.contracts import load_contracts
from datacentre.control.alerts import open_alerts
from datacentre.control.store import opened
from datacentre.errors import DataCentreError
from datacentre.services.restarts import KEPT, restarts_by_part
from datacentre.settings import Settings
from datacentre.stages.alerting import LATE, alarm, clear, tell_untold
from datacentre.stages.lateness import judge_lateness

POISON, LEFT_OUT, RESTARTS = "poison", "left out", "restarts"
_PAUSE_SECONDS = 15.0
_RESTARTS_SECONDS = 600.0
_log = logging.getLogger(__name__)


def sweep_on(settings: Settings) -> None:
    """Sweep for ever; what fails is logged, and tried again by the next sweep."""
    while True:
        try:
            sweep(settings)
        except DataCentreError as problem:
            _log.error("the sweep failed: %s", problem)
        except Exception:
            _log.exception("the sweep failed")
        time.sleep(_PAUSE_SECONDS)


def sweep(settings: Settings) -> None:
    """Late streams, stopped streams and parts that die again and again are alerts until they are well.

    A home whose store is a SQLite file that isn't there yet is left alone: to make one would decide for SQLite.
    """
    if not _has_store(settings):
        return
    contracts = load_contracts(settings.schemas)
    with opened(settings.control_url) as control:
        _settle(settings, control, RESTARTS, *_restarting(settings))
        stops = Stops(settings.home)
        _settle(settings, control, POISON, _told(contracts, stops.problem), set())
        _settle(settings, control, LEFT_OUT, _told(contracts, stops.left_out), set())
        lateness = judge_lateness(settings, control, contracts)
        _settle(settings, control, LATE, lateness.late, lateness.undecided)
        tell_untold(settings, control)


def _has_store(settings: Settings) -> bool:
    url = sa.make_url(settings.control_url)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def _settle(settings: Settings, control: sa.Engine, kind: str, found: Mapping[str, str], undecided: Set[str]) -> None:
    """Open an alert for each that was found, and end those of the others that are decided."""
    for stream, text in found.items():
        alarm(settings, control, kind, stream, text)
    for alert in open_alerts(control):
        if alert.kind == kind and alert.stream not in found and alert.stream not in undecided:
            clear(settings, control, kind, alert.stream)


def _told(streams: Iterable[str], problem_of: Callable[[str], object | None]) -> dict[str, str]:
    """By stream, what stands in its way, where something does."""
    return {stream: str(problem) for stream in streams if (problem := problem_of(stream)) is not None}


def _restarting(settings: Settings) -> tuple[dict[str, str], set[str]]:
    """The parts that died three times within ten minutes, and those that did not but have died in the last ten."""
    since, found, undecided = time.time() - _RESTARTS_SECONDS, {}, set()
    for name, known in restarts_by_part(settings.run).items():
        if len(known.last) == KEPT and known.last[0] > since:
            found[name] = f"started again {known.count} times, the last {KEPT} within ten minutes; see the logs in run/"
        elif known.last[-1] > since:
            undecided.add(name)
    return found, undecided
