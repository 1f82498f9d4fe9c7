"""What one run of a stage did."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from datacentre.control import outcomes


@dataclass(frozen=True)
class Outcome:
    """One stage over one stream. `interval` is text such as `p0 0..120, p1 0..88`, next offsets excluded.

    `detail` is JSON and holds no personal value.
    """

    stage: str
    stream: str
    interval: str
    rows_in: int
    rows_out: int
    rows_quarantined: int
    seconds: float
    detail: dict[str, Any] = field(default_factory=dict)


def store(engine: sa.Engine, outcome: Outcome) -> int:
    """Keep an outcome that has just come about in the control store; returns its number."""
    ended_at = datetime.now(UTC)
    return outcomes.record(
        engine,
        outcomes.StageOutcome(
            stage=outcome.stage,
            stream=outcome.stream,
            interval=outcome.interval,
            started_at=ended_at - timedelta(seconds=outcome.seconds),
            ended_at=ended_at,
            rows_in=outcome.rows_in,
            rows_out=outcome.rows_out,
            rows_quarantined=outcome.rows_quarantined,
            detail=outcome.detail,
        ),
    )
