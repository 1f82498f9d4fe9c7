"""Which processes of this home run, since when, and how often they were started again."""

from dataclasses import dataclass
from datetime import datetime

from datacentre.services import airflow, gateway, kafka, postgresql, process, supervisor, understudy
from datacentre.services.restarts import restarts as restarts_of
from datacentre.settings import Settings


@dataclass(frozen=True)
class ProcessState:
    """`state` is `runs`, `dead` (it is to run and doesn't) or `stopped`; `pid` and `since` are None unless it runs.

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
            state = "runs" if found else "dead" if is_wanted else "stopped"
            pid, since = (found.pid, process.started_at(found)) if found else (None, None)
            states.append(ProcessState(part, name, state, pid, since, restarts[part]))
    return tuple(states)


def _names(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Processes by part."""
    return {
        **({postgresql.NAME: (postgresql.NAME,)} if settings.database == "postgresql" else {}),
        **({} if settings.is_external_broker else {kafka.NAME: (kafka.NAME,)}),
        "sink": ("sink",),
        gateway.NAME: (gateway.NAME,),
        "airflow": airflow.PROCESSES,
        **{name: (name,) for name in understudy.PAIR},
    }
