"""Carry out the deletions that agencies have sent: the vault forgets who the records were about."""

import time

from datacentre.contracts import load_contracts
from datacentre.control.store import opened
from datacentre.settings import Settings
from datacentre.stages.outcome import Outcome, store
from lake.forget import forget_deleted


def forget(settings: Settings) -> tuple[Outcome, ...]:
    """One outcome per stream that had something to forget; `rows_out` counts the vault rows deleted."""
    outcomes = []
    with opened(settings.control_url) as control:
        for key, contract in load_contracts(settings.schemas).items():
            started = time.monotonic()
            count = forget_deleted(settings.lake, contract)
            if count:
                outcome = Outcome("forget", key, "", count, count, 0, time.monotonic() - started)
                store(control, outcome)
                outcomes.append(outcome)
    return tuple(outcomes)
