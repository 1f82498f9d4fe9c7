"""Which processes of this home run, since when, and how often they were started again."""

from dataclasses import dataclass
from datetime import datetime

from datacentre.services import airflow, kafka, postgresql, process, supervisor, understudy
from datacentre.services.http_service import GATEWAY, SERVE
from datacentre.services.restarts import restarts as restarts_of
from datacentre.settings import Settings


@dataclass(frozen=True)
class ProcessState:
    """`state` is `runs`, `frozen` (it lives and does nothing), `dead` (it is to run and doesn't) or `stopped`; with the
    last two `pid` and `since` are None.

    `restarts` counts those of its part since `up`: Airflow's processes are one part.
    """

    part: str
    name: str
    state: str
    pid: int | None
    since: datetime | None
    restarts: int


def process_states(settings: Settings) -> tuple[ProcessState, ...]:
    """In the order of their start; a broker or database that this home doesn't run has no line."""
    run = settings.run
    wanted, restarts = supervisor.wanted_now(run), restarts_of(run)
    states = []
    for part, names in _names(settings).items():
        is_wanted = bool(wanted) if part in understudy.PAIR else part in wanted
        for name in names:
            found = process.running(run, name)
            pid, since = (found.pid, process.started_at(found)) if found else (None, None)
            states.append(ProcessState(part, name, _state(found, is_wanted), pid, since, restarts[part]))
    return tuple(states)


def _state(found: process.ServiceProcess | None, is_wanted: bool) -> str:
    if found is None:
        return "dead" if is_wanted else "stopped"
    return "frozen" if process.is_frozen(found) else "runs"


def _names(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Processes by part."""
    return {
        **({postgresql.NAME: (postgresql.NAME,)} if settings.database == "postgresql" else {}),
        **({} if settings.is_external_broker else {kafka.NAME: (kafka.NAME,)}),
        "sink": ("sink",),
        GATEWAY.name: (GATEWAY.name,),
        SERVE.name: (SERVE.name,),
        "airflow": airflow.PROCESSES,
        **{name: (name,) for name in understudy.PAIR},
    }
