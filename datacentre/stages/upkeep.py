"""Keep every table of the lake quick, also those whose sinks are at rest."""

import time
from collections.abc import Callable, Sequence

from datacentre.contracts import choose, load_contracts
from datacentre.control.store import opened
from datacentre.settings import Settings
from datacentre.stages.outcome import Outcome, store
from lake.upkeep import Upkeep, keep_up

RETENTION_HOURS = 168
"""How long replaced files stay for readers of older versions, the pinned sources of published marts among them."""


def upkeep(
    settings: Settings,
    streams: Sequence[str] | None = None,
    retention_hours: int = RETENTION_HOURS,
    told: Callable[[int], None] = lambda done: None,
) -> tuple[Upkeep, ...]:
    """Compact, clean the logs and vacuum, one stream after the other; sinks and readers go on meanwhile.

    A table that another process keeps up is left out. `told` hears of each stream that is done. Raises
    SourceUnavailable when the disk refuses.
    """
    done: list[Upkeep] = []
    with opened(settings.control_url) as control:
        for key, contract in choose(load_contracts(settings.schemas), streams).items():
            started = time.monotonic()
            kept = keep_up(settings.lake, contract, retention_hours)
            told(1)
            done += kept
            if any(k.merged or k.deleted for k in kept):
                files = {k.layer: {"merged": k.merged, "made": k.made, "deleted": k.deleted} for k in kept}
                store(control, Outcome("upkeep", key, "", 0, 0, 0, time.monotonic() - started, files))
    return tuple(done)
