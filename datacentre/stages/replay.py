"""Work off the quarantine: replay what today's rules find good, dismiss what never will be."""

import time
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from uuid import uuid4

from connectors.sink.patch import NO_PATCH, read_patch
from connectors.sink.replay import Replay, Replayer, only_replay
from datacentre.contracts import choose, load_contracts
from datacentre.control.ranges import OffsetRange, interval
from datacentre.control.reopened import reopen
from datacentre.control.store import opened
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from datacentre.stages.outcome import Outcome, store
from lake.decisions import Decision, decide, ranges_of
from lake.forget import forget_deleted
from lake.quarantine import EVERYTHING, Selection, open_offsets
from lake.tables import has_tables, open_table

_SHOWN_RANGES = 20


def replay(
    settings: Settings, stream: str, who: str, selection: Selection = EVERYTHING, patch_file: Path | None = None
) -> Outcome:
    """Judge the stream's open records again, land those that are good now, and have their offsets checked anew.

    With a patch file they are repaired first; quarantine keeps their own bytes beside the patch.

    Replays that were cut short are finished first. `rows_out` counts the records landed now, `rows_quarantined`
    those judged that stay open, `rows_in` both. Raises SourceUnavailable while another replay of the stream
    runs, CheckFailed where one was begun under other rules and can't be finished under today's.
    """
    started = time.monotonic()
    contract = choose(load_contracts(settings.schemas), [stream])[stream]
    patch = NO_PATCH if patch_file is None else read_patch(patch_file, contract)
    key = load_or_create(settings.home, has_tables(settings.lake))
    with opened(settings.control_url) as control, only_replay(settings.lake, stream):
        replayer = Replayer(settings.lake, contract, key, who)
        landed: list[Replay] = []
        for done in chain(replayer.earlier(), replayer.replay(selection, patch)):
            ranges = [OffsetRange(*r) for r in ranges_of(done.offsets)]
            reopen(control, stream, ranges, done.version, who, f"replay {done.id} landed in it")
            landed += [done] if done.is_new else []
        forget_deleted(settings.lake, contract)  # a replayed record may be one that was deleted by key since
        outcome = _outcome(stream, replayer, landed, time.monotonic() - started)
        if outcome.rows_in:
            store(control, outcome)
    return outcome


def _outcome(stream: str, replayer: Replayer, landed: list[Replay], seconds: float) -> Outcome:
    ranges = [OffsetRange(*r) for done in landed for r in ranges_of(done.offsets)]
    rows = sum(done.rows for done in landed)
    more = f", {len(ranges) - _SHOWN_RANGES} more" if len(ranges) > _SHOWN_RANGES else ""
    return Outcome(
        stage="replay",
        stream=stream,
        interval=interval(ranges[:_SHOWN_RANGES]) + more,
        rows_in=rows + replayer.still_bad,
        rows_out=rows,
        rows_quarantined=replayer.still_bad,
        seconds=seconds,
        detail={"replays": [done.id for done in landed]},
    )


def dismiss(settings: Settings, stream: str, who: str, reason: str, selection: Selection = EVERYTHING) -> Outcome:
    """Close open records of the stream for good; they stay in quarantine with who decided, when and why.

    `rows_in` counts the records dismissed.
    """
    started = time.monotonic()
    contract = choose(load_contracts(settings.schemas), [stream])[stream]
    offsets = open_offsets(settings.lake, contract, selection)
    count = sum(len(o) for o in offsets.values())
    table = open_table(settings.lake, contract, "quarantine")
    if table is not None and count:
        decision = Decision("dismissed", decided_by=who, decided_at=datetime.now(UTC), reason=reason)
        decide(table, offsets, "open", decision, f"dismissal/{uuid4().hex}")
    outcome = Outcome("dismiss", stream, "", count, 0, count, time.monotonic() - started, {"who": who})
    if count:
        with opened(settings.control_url) as control:
            store(control, outcome)
    return outcome
