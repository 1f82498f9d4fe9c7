"""The alert of a stream's held increments."""

import sqlalchemy as sa

from datacentre.control.certificates import held
from datacentre.settings import Settings
from datacentre.stages.alerting import alarm, clear

_KIND = "held"


def tell_held(settings: Settings, control: sa.Engine, stream: str) -> None:
    """Open it while an increment waits for an engineer, and close it when none does."""
    if waiting := held(control, stream):
        newest = waiting[-1]
        text = f"{len(waiting)} increments are held, the newest is {newest.id} ({newest.range}): {newest.reason}"
        alarm(settings, control, _KIND, stream, text)
    else:
        clear(settings, control, _KIND, stream)
