"""The gate: hold one increment against its suite.

Great Expectations' results carry raw values, also in their SUMMARY form, so none of them leaves this
module: what goes on is the name of the rule, how many rows broke it, and which (`partition:offset`).
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import great_expectations as gx
import pandas as pd
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation

from datacentre import names
from datacentre.contracts import Contract
from expectations.measure import Measure
from expectations.suite import measure_suite, suite_of

MAX_RECORD_IDS = 1000
# Failing rows come back by their label in the frame, which says nothing about the person.
_RESULT_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}


@dataclass(frozen=True)
class FailedExpectation:
    """A rule that wasn't met.

    `record_ids` are the failing rows as `partition:offset`, at most 1000 of a partition; empty for a
    rule over the batch as a whole. `note` says what was found instead, never a single value.
    """

    name: str
    column: str | None
    severity: str
    unexpected_count: int
    unexpected_percent: float
    record_ids: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class AskedExpectation:
    """A rule that was asked, how many rows it looked at and how many broke it; a few may, where it asks for most."""

    name: str
    rows: int
    unexpected_count: int
    failure: FailedExpectation | None


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one increment; it passes unless a critical expectation failed."""

    passed: bool
    asked: tuple[AskedExpectation, ...]
    suite_hash: str
    statistics: dict[str, float]

    @property
    def failing(self) -> tuple[FailedExpectation, ...]:
        return tuple(a.failure for a in self.asked if a.failure is not None)

    @property
    def critical(self) -> tuple[FailedExpectation, ...]:
        return tuple(f for f in self.failing if f.severity == "critical")

    @property
    def warnings(self) -> tuple[FailedExpectation, ...]:
        return tuple(f for f in self.failing if f.severity != "critical")


def validate(contract: Contract, frame: pd.DataFrame, measures: Sequence[Measure] = ()) -> Verdict:
    """Hold an increment, fetched with `increment_query`, against the stream's suite, and its measures to their limits.

    Deletion rows count for the rules of the batch, not for those of the records.
    """
    started = time.monotonic()
    suite = suite_of(contract)
    frame = frame.reset_index(drop=True)
    live = frame[~frame["is_deleted"].astype(bool)]
    rules = tuple(_with_enough_values(suite.of_records, live))
    if len(live) == len(frame):
        parts = [((*suite.of_batch, *rules), frame)]  # one pass costs Great Expectations less than two
    else:
        parts = [(suite.of_batch, frame)] + ([(rules, live)] if len(live) else [])
    asked = [a for part, rows in parts for a in _asked(contract, part, rows)]
    asked += _measured(contract, measures)
    failures = [a.failure for a in asked if a.failure is not None]
    return Verdict(
        passed=all(f.severity != "critical" for f in failures),
        asked=tuple(asked),
        suite_hash=suite.hash,
        statistics={
            "rows": len(frame),
            "deletions": len(frame) - len(live),
            "expectations": len(asked),
            "failed": len(failures),
            "seconds": round(time.monotonic() - started, 3),
        },
    )


def _with_enough_values(suite: Sequence[Expectation], live: pd.DataFrame) -> Iterator[Expectation]:
    for rule in suite:
        needed = (rule.meta or {}).get("min_values", 0)
        if needed <= live[rule.configuration.kwargs["column"]].notna().sum():
            yield rule


def _measured(contract: Contract, measures: Sequence[Measure]) -> list[AskedExpectation]:
    """A table of one row with a column per measure: the cheapest that Great Expectations can be asked."""
    if not measures:
        return []
    by_column = {f"measure_{place}": measure for place, measure in enumerate(measures)}
    table = pd.DataFrame({column: [measure.value] for column, measure in by_column.items()})
    results = _results(contract, measure_suite(by_column), table)
    met = {result.expectation_config.kwargs["column"] for result in results if result.success}
    return [
        AskedExpectation(m.rule, m.asked, _against(m), None if column in met else _beyond(m))
        for column, m in by_column.items()
    ]


def _against(measure: Measure) -> int:
    return 0 if measure.rows is None else int(measure.rows.num_rows)


def _beyond(measure: Measure) -> FailedExpectation:
    at_least = f"{measure.at_least:.6g} to " if measure.at_least else "at most "
    return FailedExpectation(
        name=measure.rule,
        column=None,
        severity=measure.severity,
        unexpected_count=_against(measure),
        unexpected_percent=0.0 if measure.rows is None else round(100 * measure.value, 3),
        record_ids=() if measure.rows is None else _record_ids(measure.rows.to_pandas()),
        note=f"{measure.of} {measure.value:.6g}, allowed {at_least}{measure.at_most:.6g}",
    )


def _asked(contract: Contract, suite: Sequence[Expectation], frame: pd.DataFrame) -> list[AskedExpectation]:
    order = {(rule.meta or {})["rule"]: place for place, rule in enumerate(suite)}
    asked = [_outcome(result, frame) for result in _results(contract, suite, frame)]
    return sorted(asked, key=lambda a: order[a.name])


def _results(contract: Contract, suite: Sequence[Expectation], frame: pd.DataFrame) -> Sequence[Any]:
    batch = _increments().get_batch(batch_parameters={"dataframe": frame})
    named = gx.ExpectationSuite(name=names.suite(contract.key), expectations=list(suite))
    with _remembered_configurations():
        return list(batch.validate(named, result_format=_RESULT_FORMAT).results)


@contextmanager
def _remembered_configurations() -> Iterator[None]:
    """Let an expectation work its configuration out once, in this thread.

    Great Expectations 1.24 does so at each of some 70 looks at it, a third of the time of a small increment. Nothing
    changes an expectation while it is validated.
    """
    before = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(before)


def _configuration(expectation: Expectation) -> Any:
    remembered = _remembered.get()
    if remembered is None:
        return _work_out(expectation)
    if (known := remembered.get(id(expectation))) is None:
        known = remembered[id(expectation)] = (expectation, _work_out(expectation))
    return known[1]


# Holds the expectation too, or its id would be given away again.
_remembered: ContextVar[dict[int, tuple[Expectation, Any]] | None] = ContextVar("remembered", default=None)
_work_out = cast(Any, Expectation).configuration.fget
cast(Any, Expectation).configuration = property(_configuration)


def _outcome(result: Any, frame: pd.DataFrame) -> AskedExpectation:
    """Rules over values count the rows that have one; those over the batch as a whole look at all rows."""
    found = result.result
    rows = int(found.get("element_count", len(frame))) - int(found.get("missing_count") or 0) if found else 0
    return AskedExpectation(
        name=result.expectation_config.meta["rule"],
        rows=rows,
        unexpected_count=int(found.get("unexpected_count") or 0),
        failure=None if result.success else _failure(result, frame),
    )


def _failure(result: Any, frame: pd.DataFrame) -> FailedExpectation:
    configuration, found = result.expectation_config, result.result
    labels = found.get("unexpected_index_list") or []
    return FailedExpectation(
        name=configuration.meta["rule"],
        column=configuration.kwargs.get("column"),
        severity=configuration.severity.value,
        unexpected_count=int(found.get("unexpected_count") or 0),
        unexpected_percent=round(float(found.get("unexpected_percent") or 0.0), 3),
        record_ids=_record_ids(frame.loc[labels]),
        note=_note(found),
    )


def _note(found: dict[str, Any]) -> str:
    if not found:  # it raised: a column is missing or has another type
        return "could not be evaluated"
    if "unexpected_count" in found:
        return ""
    observed = found.get("observed_value")
    return f"observed {observed:.6g}" if isinstance(observed, int | float) else "observed nothing"


def _record_ids(rows: pd.DataFrame) -> tuple[str, ...]:
    rows = rows[["kafka_partition", "kafka_offset"]].sort_values(["kafka_partition", "kafka_offset"])
    kept = rows.groupby("kafka_partition").head(MAX_RECORD_IDS)
    return tuple(f"{p}:{o}" for p, o in zip(kept["kafka_partition"], kept["kafka_offset"], strict=True))


@cache
def _increments() -> BatchDefinition[Any]:
    """Where frames are handed to Great Expectations; made once in a process, nothing of it on disk."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("landed")
    return source.add_dataframe_asset("increment").add_batch_definition_whole_dataframe("whole")
