"""Keep every table of the lake quick, also those whose sinks are at rest."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from datacentre.contracts import choose, load_contracts
from datacentre.control.folding import fold
from datacentre.control.published import last_certificate
from datacentre.control.store import opened
from datacentre.settings import Settings
from datacentre.stages.outcome import Outcome, store
from lake.upkeep import Upkeep, keep_up

RETENTION_HOURS = 168
"""How long replaced files stay for readers of older versions, the pinned sources of published marts among them."""
_FOLDED_AFTER = timedelta(hours=1)


def upkeep(
    settings: Settings,
    streams: Sequence[str] | None = None,
    retention_hours: int = RETENTION_HOURS,
    told: Callable[[int], None] = lambda done: None,
) -> tuple[Upkeep, ...]:
    """Compact, clean the logs and vacuum, one stream after the other; sinks and readers go on meanwhile.

    A table that another process keeps up is left out. `told` hears of each stream that is done. Raises
    SourceUnavailable when the disk refuses. Certificates that were built on an hour ago are folded.
    """
    done: list[Upkeep] = []
    with opened(settings.control_url) as control:
        started = time.monotonic()
        if fewer := fold(control, last_certificate(control), datetime.now(UTC) - _FOLDED_AFTER):
            store(control, Outcome("upkeep", "certificates", "", 0, 0, 0, time.monotonic() - started, {"fewer": fewer}))
        for key, contract in choose(load_contracts(settings.schemas), streams).items():
            started = time.monotonic()
            kept = keep_up(settings.lake, contract, retention_hours)
            told(1)
            done += kept
            if any(k.merged or k.deleted for k in kept):
                files = {k.layer: {"merged": k.merged, "made": k.made, "deleted": k.deleted} for k in kept}
                store(control, Outcome("upkeep", key, "", 0, 0, 0, time.monotonic() - started, files))
    return tuple(done)
