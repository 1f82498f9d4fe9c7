"""What a contract says of many records together: measures of an increment, of an hour or of a day.

A rule has no say in where a record goes, and the producer needn't know it: it may be tuned without a new version of the
contract. Shares are 0 to 1. A rule isn't asked where fewer than `minimum_rows` rows could answer it.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked_dataclass

CRITICAL, WARNING = "critical", "warning"
SEVERITIES = (CRITICAL, WARNING)

Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Factor = Annotated[float, Field(strict=True, ge=0)]
Positive = Annotated[float, Field(strict=True, gt=0)]
Count = Annotated[int, Field(strict=True, ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Source = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")]
Span = Literal["increment", "day"]

_ONLY = ConfigDict(extra="forbid")


@checked_dataclass(frozen=True, config=_ONLY)
class Volume:
    """Rows of an hour, as a multiple of the median of the same hour of each of the last `weeks` weeks.

    It speaks of an hour that is over; `minimum_rows` is asked of that median.
    """

    measure: Literal["volume"]
    at_least: Share
    at_most: Annotated[float, Field(strict=True, ge=1)]
    weeks: Annotated[int, Field(strict=True, ge=2, le=8)]
    minimum_rows: Count


@checked_dataclass(frozen=True, config=_ONLY)
class Freshness:
    """Minutes from the newest event of an increment until the broker had it."""

    measure: Literal["freshness"]
    at_most_minutes: Count
    minimum_rows: Count


@checked_dataclass(frozen=True, config=_ONLY)
class ClockSkew:
    """Share of events that are dated more than `allowance_minutes` after the broker had them."""

    measure: Literal["clock_skew"]
    allowance_minutes: Count
    at_most: Share
    minimum_rows: Count


@checked_dataclass(frozen=True, config=_ONLY)
class Unique:
    """Share of rows whose `columns` have landed at an earlier offset, in this increment or before it."""

    measure: Literal["unique"]
    columns: Annotated[tuple[Name, ...], Field(min_length=1)]
    at_most: Share
    minimum_rows: Count


@checked_dataclass(frozen=True, config=_ONLY)
class Known:
    """Share of values of `column` that no stream of `sources` (`<stream>.<column>`) has landed so far.

    A row isn't asked where its broker time is more than `grace_hours` after the last hour that each source has reached.
    """

    measure: Literal["known"]
    column: Name
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    grace_hours: Count
    at_most: Share
    minimum_rows: Count


@checked_dataclass(frozen=True, config=_ONLY)
class Distribution:
    """Population stability index of a column against the days before; `edges` cut numbers into classes."""

    measure: Literal["distribution"]
    column: Name
    at_most: Positive
    over: Span
    minimum_rows: Count
    edges: tuple[float, ...] = ()


@checked_dataclass(frozen=True, config=_ONLY)
class CodeShares:
    """How far the share of a single code has moved against the days before, and the share of codes unused until now."""

    measure: Literal["code_shares"]
    column: Name
    at_most_move: Share
    at_most_unused: Share
    over: Span
    minimum_rows: Count


Measure = Volume | Freshness | ClockSkew | Unique | Known | Distribution | CodeShares
Drift = Distribution | CodeShares
"""Measures that compare the shares of a column's classes with those of the days before."""


@dataclass(frozen=True)
class BatchRule:
    """One rule: its name, whether it holds the increment (critical) or only tells (warning), and what it measures."""

    name: str
    severity: str
    description: str
    measure: Measure

    @property
    def names(self) -> tuple[str, ...]:
        """Of its measures, as the gate, the certificates and the pages call them."""
        name = f"batch.{self.name}"
        return (name, f"{name}.unused") if isinstance(self.measure, CodeShares) else (name,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stream's own columns that the rule reads, bookkeeping ones of the lake aside."""
        if isinstance(self.measure, Unique):
            return self.measure.columns
        return (self.measure.column,) if isinstance(self.measure, Known | Distribution | CodeShares) else ()
