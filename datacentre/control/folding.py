"""Fold certificates that have been built on: a run of neighbours becomes one.

A centre that is never at rest makes hundreds of thousands a day, and whoever builds, checks or looks reads them all.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from datacentre.control.certificates import Status
from datacentre.control.store import writing
from datacentre.control.tables import certificate


def fold(engine: sa.Engine, built_to: int, before: datetime) -> int:
    """Fold what passed before an instant and has a number up to `built_to`; returns how many certificates are fewer.

    A run is of one partition, without a gap, judged by the same contract and suite. It takes the highest of its
    numbers, which names nothing newer than what was built, and the lowest version of landed.
    """
    c = certificate.c
    runs = _runs(built_to, before)
    with writing(engine) as connection:
        fewer = 0
        for run in connection.execute(runs).all():
            inside = sa.and_(
                c.stream == run.stream,
                c.partition == run.partition,
                c.start_offset >= run.start_offset,
                c.next_offset <= run.next_offset,
                c.status == Status.PASSED,
            )
            fewer += connection.execute(certificate.delete().where(inside, c.id != run.id)).rowcount
            whole = {"start_offset": run.start_offset, "next_offset": run.next_offset}
            said = {"landed_version": run.landed_version, "created_at": run.created_at, "failing": []}
            connection.execute(certificate.update().where(c.id == run.id).values(**whole, **said))
    return fewer


def _runs(built_to: int, before: datetime) -> sa.Select[Any]:
    """One row per run of several; a run begins where a certificate doesn't follow on the one before it."""
    c = certificate.c
    follows = sa.and_(
        _before(c.next_offset) == c.start_offset,
        _before(c.contract_hash) == c.contract_hash,
        _before(c.suite_hash) == c.suite_hash,
    )
    foldable = sa.select(certificate, sa.case((follows, 0), else_=1).label("begins")).where(
        c.status == Status.PASSED, c.id <= built_to, c.created_at < before
    )
    marked = foldable.subquery()
    number = sa.func.sum(marked.c.begins).over(
        partition_by=(marked.c.stream, marked.c.partition), order_by=marked.c.start_offset
    )
    numbered = sa.select(marked, number.label("run")).subquery()
    n = numbered.c
    return (
        sa.select(
            n.stream,
            n.partition,
            sa.func.max(n.id).label("id"),
            sa.func.min(n.start_offset).label("start_offset"),
            sa.func.max(n.next_offset).label("next_offset"),
            sa.func.min(n.landed_version).label("landed_version"),
            sa.func.max(n.created_at).label("created_at"),
        )
        .group_by(n.stream, n.partition, n.run)
        .having(sa.func.count() > 1)
    )


def _before(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Of the certificate that comes before, by offset."""
    c = certificate.c
    return sa.func.lag(column).over(partition_by=(c.stream, c.partition), order_by=c.start_offset)
