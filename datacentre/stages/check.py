"""Check what has landed and certify it, range by range."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from datacentre.contracts import Contract, choose, load_contracts
from datacentre.control.certificates import (
    Failing,
    Judgement,
    OverlappingCertificate,
    Status,
    pending,
    record,
)
from datacentre.control.ranges import OffsetRange, interval
from datacentre.control.reopened import last_checked, reopen
from datacentre.control.store import opened
from datacentre.control.validations import Result, Validation
from datacentre.errors import DataCentreError
from datacentre.settings import Settings
from datacentre.stages.held import tell_held
from datacentre.stages.outcome import Outcome, store
from datacentre.stages.warned import tell_warned
from expectations.batch import measure_batch
from expectations.extra import find_extra
from expectations.landed import Increment, fetch, increments
from lake.decisions import ranges_of
from lake.positions import landed_positions
from lake.quarantine import landed_replays_since
from lake.replace import replaced_since


def check(settings: Settings, streams: Sequence[str] | None = None) -> tuple[Outcome, ...]:
    """Certify every landed range that no certificate covers; one outcome per stream that had any.

    A failing increment is held with its reason and record ids, and doesn't stop what comes after:
    `detail["held"]` names its certificates. One that only breaks warnings is certified, and told by an alert. A stream
    that can't be read doesn't stop the others: its outcome has no rows and an `error` in `detail`.
    """
    contracts = choose(load_contracts(settings.schemas), streams)
    done: list[Outcome] = []
    with opened(settings.control_url) as control:
        for key in contracts:
            try:
                done += _check_stream(settings, control, contracts[key])
                tell_held(settings, control, key)
            except DataCentreError as problem:
                done.append(_unread(key, problem))
        tell_warned(settings, control, done)
    return tuple(done)


def _unread(key: str, problem: DataCentreError) -> Outcome:
    return Outcome("check", key, "", 0, 0, 0, 0.0, {"certificates": [], "held": [], "error": str(problem)})


def _check_stream(settings: Settings, control: sa.Engine, contract: Contract) -> list[Outcome]:
    _reopen_replayed(settings, control, contract)
    # Positions first: the files that are read afterwards hold at least that much.
    ranges = pending(control, contract.key, landed_positions(settings.lake, contract))
    if not ranges:
        return []
    started = time.monotonic()
    tally = _Tally()
    for increment in increments(settings.lake, contract, ranges):
        _certify(control, increment, tally)
    outcome = tally.outcome(contract, ranges, time.monotonic() - started)
    store(control, outcome)
    return [outcome]


def _reopen_replayed(settings: Settings, control: sa.Engine, contract: Contract) -> None:
    """Check anew where replays or backfills have landed since the last check, for those that ended before they said
    so."""
    if (version := last_checked(control, contract.key)) is None:
        return
    for landed_version, offsets in landed_replays_since(settings.lake, contract, version):
        ranges = [OffsetRange(*r) for r in ranges_of(offsets)]
        reopen(control, contract.key, ranges, landed_version, "check", "a replay landed in it")
    for landed_version, changed in replaced_since(settings.lake, contract, version):
        ranges = [OffsetRange(*r) for r in changed]
        reopen(control, contract.key, ranges, landed_version, "check", "a backfill changed it")


def _certify(control: sa.Engine, increment: Increment, tally: "_Tally") -> None:
    """One increment passes or is held as a whole; each of its ranges gets a certificate."""
    rows, judgement = _judge(control, increment)
    try:
        numbers = record(control, increment.contract.key, increment.ranges, judgement)
    except OverlappingCertificate as overtaken:
        tally.overtaken.append(str(overtaken))
    else:
        tally.add(rows, judgement, numbers)


def _judge(control: sa.Engine, increment: Increment) -> tuple[int, Judgement]:
    contract = increment.contract
    extra = find_extra(contract.key) if increment.pinned.files else None
    rows = fetch(increment, {} if extra is None else extra.COLUMNS)
    if rows is None or rows.frame.empty:
        reason = "no landed row in these offsets"
        return 0, Judgement(Status.PASSED, reason, (), contract.hash, "", increment.pinned.version)
    # These take seconds to import: only when there is something to check.
    from expectations.demands import demands_of
    from expectations.gate import validate

    measures = measure_batch(control, contract, increment.ranges, rows.observed)
    verdict = validate(contract, rows.frame, measures)
    failing = tuple(Failing(f.name, f.severity, f.unexpected_count, f.record_ids, f.note) for f in verdict.failing)
    return len(rows.frame), Judgement(
        status=Status.PASSED if verdict.passed else Status.HELD,
        reason=_reason(failing),
        failing=failing,
        contract_hash=contract.hash,
        suite_hash=verdict.suite_hash,
        landed_version=increment.pinned.version,
        validation=Validation(
            suite_hash=verdict.suite_hash,
            demands=demands_of(contract),
            results=tuple(Result(a.name, a.rows, a.unexpected_count, a.failure is None) for a in verdict.asked),
            is_passed=verdict.passed,
            rows=len(rows.frame),
            deletions=int(verdict.statistics["deletions"]),
            seconds=verdict.statistics["seconds"],
        ),
    )


def _reason(failing: Iterable[Failing]) -> str:
    """`critical: step.allowed (3 rows); warning: extra.overall_rating_mean (observed 4.95)`."""
    by_severity: dict[str, list[str]] = {}
    for item in failing:
        found = item.note or f"{item.unexpected_count} rows"
        by_severity.setdefault(item.severity, []).append(f"{item.expectation} ({found})")
    return "; ".join(f"{s}: {', '.join(items)}" for s, items in sorted(by_severity.items())) or "all met"


class _Tally:
    """What the increments of one stream add up to."""

    def __init__(self) -> None:
        self.rows = 0
        self.certified_rows = 0
        self.certificates: list[int] = []
        self.held: list[int] = []
        self.reasons: list[str] = []
        self.failing: dict[str, Counter[str]] = {"critical": Counter(), "warning": Counter()}
        self.overtaken: list[str] = []

    def add(self, rows: int, judgement: Judgement, numbers: Sequence[int]) -> None:
        self.rows += rows
        if judgement.status == Status.PASSED:
            self.certified_rows += rows
            self.certificates += numbers
        else:
            self.held += numbers
        if judgement.failing:
            self.reasons.append(judgement.reason)
        for item in judgement.failing:
            self.failing.setdefault(item.severity, Counter())[item.expectation] += item.unexpected_count

    def outcome(self, contract: Contract, ranges: Sequence[OffsetRange], seconds: float) -> Outcome:
        detail: dict[str, Any] = {
            "certificates": self.certificates,
            "held": self.held,
            "held_rows": self.rows - self.certified_rows,
            "reasons": self.reasons,
            **{severity: dict(counts) for severity, counts in self.failing.items()},
            "overtaken": self.overtaken,
        }
        return Outcome(
            stage="check",
            stream=contract.key,
            interval=interval(ranges),
            rows_in=self.rows,
            rows_out=self.certified_rows,
            rows_quarantined=0,
            seconds=round(seconds, 3),
            detail=detail,
        )
