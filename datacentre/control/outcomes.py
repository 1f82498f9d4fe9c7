"""What each run of a stage did, kept for the status page and for whoever looks back."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from datacentre.control.store import number_of, writing
from datacentre.control.tables import stage_outcome


@dataclass(frozen=True)
class StageOutcome:
    """One run of one stage over one stream; `interval` is text such as `p0 0..120, p1 0..88`."""

    stage: str
    stream: str
    interval: str
    started_at: datetime
    ended_at: datetime
    rows_in: int
    rows_out: int
    rows_quarantined: int
    detail: dict[str, Any]


def record(engine: sa.Engine, outcome: StageOutcome) -> int:
    """Store the outcome and return its number. `detail` must be JSON and free of personal values."""
    with writing(engine) as connection:
        return number_of(connection.execute(stage_outcome.insert().values(asdict(outcome))))


def recent(
    engine: sa.Engine, stage: str | None = None, stream: str | None = None, limit: int = 100
) -> tuple[StageOutcome, ...]:
    """The newest outcomes first, of one stage and stream or of all."""
    c = stage_outcome.c
    query = sa.select(*(col for col in c if col.name != "id")).order_by(c.id.desc()).limit(limit)
    if stage is not None:
        query = query.where(c.stage == stage)
    if stream is not None:
        query = query.where(c.stream == stream)
    with engine.connect() as connection:
        return tuple(StageOutcome(**row) for row in connection.execute(query).mappings())
