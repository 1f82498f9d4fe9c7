"""Keep records as long as their contract says, in topics and in the lake."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from connectors.topic_settings import keep_to_contract
from datacentre.contracts import choose, load_contracts
from datacentre.control.store import opened
from datacentre.settings import Settings
from datacentre.stages.build import build_anew
from datacentre.stages.outcome import Outcome, store
from lake.retain import let_go, oldest_kept


def retain(settings: Settings, streams: Sequence[str] | None = None) -> tuple[Outcome, ...]:
    """One outcome per stream of which anything changed: `rows_out` counts the landed rows that went.

    `detail` has the rows by layer, and the topic's settings that were changed. Rows go from the marts at the next
    build. Safe beside running sinks and to repeat. Raises SourceUnavailable without a broker, or when other writers
    kept coming first.
    """
    chosen = choose(load_contracts(settings.schemas), streams)
    today = datetime.now(UTC).date()
    changed = keep_to_contract(settings.bootstrap_servers, chosen.values())
    outcomes = []
    with opened(settings.control_url) as control:
        for key, contract in chosen.items():
            started = time.monotonic()
            gone = let_go(settings.lake, contract, today)
            if gone or key in changed:
                outcome = Outcome(
                    stage="retain",
                    stream=key,
                    interval=f"before {oldest_kept(contract, today)}",
                    rows_in=sum(gone.values()),
                    rows_out=gone.get("landed", 0),
                    rows_quarantined=gone.get("quarantine", 0),
                    seconds=time.monotonic() - started,
                    detail={"rows": gone, "topic": changed.get(key, {})},
                )
                store(control, outcome)
                outcomes.append(outcome)
    if any(o.rows_out for o in outcomes):
        build_anew(settings)
    return tuple(outcomes)
