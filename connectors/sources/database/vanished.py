"""Deletions that leave no row behind: Kafka keys that were sent, and that no row of the table has any more."""

from collections.abc import Callable

import sqlalchemy as sa

from connectors.sources.database.connection import SourceDatabase
from connectors.sources.database.pages import read_key_page
from connectors.sources.database.position import Value
from connectors.sources.database.row_events import RowEvents
from connectors.sources.database.table import SourceTable
from connectors.sources.file_source.rejects import RowRejected
from connectors.sources.producer import Producer
from datacentre.control import source_positions


def mark_present(
    database: SourceDatabase,
    table: SourceTable,
    events: RowEvents,
    store: sa.Engine,
    source: str,
    page_rows: int,
    told: Callable[[int], None],
    stopping: Callable[[], bool],
) -> int | None:
    """Go through all rows by key and note each one's Kafka key; the scan's number, None when stopped.

    A row whose Kafka key can't be read was never sent and is passed over.
    """
    scan = source_positions.begin_scan(store, source)
    after: tuple[Value, ...] | None = None
    while not stopping():
        with database.connected(table.label) as connection:
            rows, after = read_key_page(connection, table, events.columns, after, page_rows)
        keys = []
        for row in rows:
            try:
                if not events.is_deleted(row):
                    keys.append(events.kafka_key(row))
            except RowRejected:
                continue
        source_positions.mark_keys(store, source, keys, scan)
        told(len(rows))
        if after is None:
            return scan
    return None


def send_deletions(producer: Producer, topic: str, store: sa.Engine, source: str, scan: int, page_rows: int) -> int:
    """Delete every key that the scan has not seen; one is forgotten when the broker has its deletion."""
    count = 0
    while keys := source_positions.unseen_keys(store, source, scan, page_rows):
        for key in keys:
            producer.send(topic, key.encode(), None)
        producer.flush()
        source_positions.drop_keys(store, source, keys)
        count += len(keys)
    return count
