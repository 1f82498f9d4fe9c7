"""Make the tables of the store, and bring those of an older release to today's shape."""

import sqlalchemy as sa

from datacentre.control.tables import alert, metadata

_CHANNELS = ("webhook", "mail")


def create_tables(connection: sa.Connection) -> None:
    """Safe to repeat; the caller keeps other writers away."""
    present = sa.inspect(connection)
    is_old = not present.has_table("alert_told") and present.has_table("alert")
    metadata.create_all(connection)
    if is_old:
        _tell_channels_apart(connection)


def _tell_channels_apart(connection: sa.Connection) -> None:
    """`alert.told_at` of an open alert, set once every channel had taken it, becomes a row of `alert_told` for each.

    The index of open alerts becomes unique: of several open ones the newest stays.
    """
    is_open = alert.c.resolved_at.is_(None)
    newest = sa.select(sa.func.max(alert.c.id)).where(is_open).group_by(alert.c.kind, alert.c.stream)
    older = alert.update().where(is_open, alert.c.id.not_in(newest.scalar_subquery()))
    connection.execute(older.values(resolved_at=alert.c.seen_at))
    told = "select id, :channel, 'open', told_at from alert where told_at is not null and resolved_at is null"
    for channel in _CHANNELS:
        connection.execute(sa.text(f"insert into alert_told {told}"), {"channel": channel})
    connection.execute(sa.text("drop index alert_open"))
    connection.execute(sa.text("alter table alert drop column told_at"))
    for index in alert.indexes:
        index.create(connection)
