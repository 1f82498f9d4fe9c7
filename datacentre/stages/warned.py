"""The alert of a stream whose increments break rules that only warn."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from datacentre.control.alerts import open_alerts
from datacentre.settings import Settings
from datacentre.stages.alerting import alarm, clear
from datacentre.stages.outcome import Outcome

_KIND = "warned"
QUIET = timedelta(hours=1)
"""An alert is over after so long without a warning: increments come every few seconds, and one in two may warn."""


def tell_warned(settings: Settings, control: sa.Engine, outcomes: Iterable[Outcome]) -> None:
    """Open it for the streams that this round of checks has warned of, and close it for those that are quiet."""
    warned = {o.stream: o.detail["reasons"][-1] for o in outcomes if o.detail.get("warning")}
    for stream, reason in warned.items():
        alarm(settings, control, _KIND, stream, reason)
    for alert in open_alerts(control):
        if alert.kind == _KIND and alert.stream not in warned and datetime.now(UTC) - alert.seen_at > QUIET:
            clear(settings, control, _KIND, alert.stream)
