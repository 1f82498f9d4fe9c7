"""Read what is new in one table and send it to its stream, a page at a time."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

import sqlalchemy as sa

from connectors.sources.database.connection import SourceDatabase
from connectors.sources.database.database_mapping import check_detects_deletes, database_section
from connectors.sources.database.frontier import Frontier, find_frontier
from connectors.sources.database.pages import Page, read_page
from connectors.sources.database.position import Position
from connectors.sources.database.rejects import DatabaseRejects
from connectors.sources.database.row_events import Message, RowEvents
from connectors.sources.database.table import SourceTable, check_no_nulls, check_texts, inspect_table
from connectors.sources.database.vanished import mark_present, send_deletions
from connectors.sources.file_source.mapping import Mapping
from connectors.sources.file_source.rejects import RowRejected
from connectors.sources.producer import Producer
from datacentre import names
from datacentre.contracts.model import Contract
from datacentre.control import source_positions
from datacentre.errors import ContractError, SourceUnavailable
from datacentre.file_lock import locked_if_free

PAGE_ROWS = 5_000


@dataclass
class PullOutcome:
    """What one run has done: `rows` = rows that gave events or a deletion + `skipped` + `rejected`.

    `deletions` counts keys deleted by a flag, `vanished` those found by comparing keys. `held_since` is
    the start of an open transaction that rows from then on wait for, `is_held` also tells of one whose
    start isn't shown. `watermark` is that of the last row that was ever read.
    """

    stream: str
    table: str
    rows: int = 0
    events: int = 0
    deletions: int = 0
    vanished: int = 0
    skipped: int = 0
    rejected: int = 0
    dropped_values: int = 0
    rejects_file: Path | None = None
    unmentioned_columns: tuple[str, ...] = ()
    watermark: str | None = None
    is_held: bool = False
    held_since: datetime | None = None


class DatabaseSource:
    """One mapped table on its way into its stream; `outcome` counts over all polls.

    The position moves only when Kafka has acknowledged a page. A crash before that sends the page again,
    with the same event ids.
    """

    def __init__(
        self,
        contract: Contract,
        mapping: Mapping,
        url: str,
        store: sa.Engine,
        rejects: Path,
        page_rows: int = PAGE_ROWS,
    ):
        """`store` is the control store, `rejects` the folder of reject reports."""
        self._mapping, self._store, self._page_rows = mapping, store, page_rows
        self._section = database_section(mapping)
        self._order = [self._section.watermark, *self._section.key]
        self._topic = names.topic(contract.key)
        self._source = f"{contract.key}/{mapping.document.source}/{self._section.label}"
        self._events = RowEvents(contract, mapping)
        self._database = SourceDatabase(url, self._section.url_env)
        report = rejects / f"{contract.key}.{_file_name(self._section.label)}.jsonl"
        self._rejects = DatabaseRejects(report, self._section.label, contract)
        self.outcome = PullOutcome(contract.key, self._section.label)

    def close(self) -> None:
        self._database.close()

    def start_again(self) -> None:
        """Forget the position: every row is read again, with the event ids it had."""
        source_positions.store_position(self._store, self._source, None)

    def poll(self, producer: Producer, told: Callable[[int], None], stopping: Callable[[], bool]) -> None:
        """Send all rows that are final by now; `told` gets the rows done so far, after each page.

        Raises SourceUnavailable when database or broker don't answer, ContractError where mapping and
        table don't fit, CheckFailed for rows that can't be ordered.
        """
        table = self._table()
        frontier = find_frontier(self._database, table, self._section)
        self.outcome.is_held, self.outcome.held_since = frontier.is_held, frontier.held_since
        while frontier.until is not None and not stopping():
            page = self._page(table, frontier)
            if page.rows:
                self._send(page, producer)
                told(self.outcome.rows)
            if not page.has_more:
                return

    def find_vanished(self, producer: Producer, told: Callable[[int], None], stopping: Callable[[], bool]) -> None:
        """Compare the table's keys with those that were sent and delete what is gone."""
        check_detects_deletes(self._mapping)
        scan = mark_present(
            self._database, self._table(), self._events, self._store, self._source, self._page_rows, told, stopping
        )
        if scan is not None:
            self.outcome.vanished += send_deletions(
                producer, self._topic, self._store, self._source, scan, self._page_rows
            )

    def _table(self) -> SourceTable:
        with self._database.connected(self._section.label) as connection:
            table = inspect_table(connection, self._mapping, self._section)
            check_no_nulls(connection, table)
            if self._database.dialect == "sqlite":
                check_texts(connection, table, self._section.zone is not None)
        self.outcome.unmentioned_columns = self._unmentioned(table)
        return table

    def _unmentioned(self, table: SourceTable) -> tuple[str, ...]:
        left_out = [pattern for entry in self._mapping.document.left_out for pattern in entry.columns]
        used = {*self._events.columns, table.watermark, *table.key}
        return tuple(
            name
            for name in table.columns
            if name not in used and not any(fnmatchcase(name, pattern) for pattern in left_out)
        )

    def _position(self) -> Position | None:
        stored = source_positions.load_position(self._store, self._source)
        if not stored:
            return None
        if stored["order"] != self._order:
            raise ContractError(
                f"{self._section.label} was read in the order of {', '.join(stored['order'])} and is now mapped in "
                f"that of {', '.join(self._order)}: read it again with --from-start"
            )
        return Position.from_json(stored)

    def _page(self, table: SourceTable, frontier: Frontier) -> Page:
        after = self._position()
        self.outcome.watermark = after.texts[-1] if after else None
        assert frontier.until is not None
        with self._database.connected(table.label) as connection:
            return read_page(connection, table, self._events.columns, after, frontier.until, self._page_rows)

    def _send(self, page: Page, producer: Producer) -> None:
        last = page.rows[-1].position
        try:
            stored = {"order": self._order, **last.as_json()}
        except TypeError as problem:
            raise ContractError(f"{self._section.label}: {problem}") from None
        messages = self._messages(page)
        deleted = [message.key for message in messages if message.value is None]
        if self._section.detects_deletes:
            # Before they are sent: a key that is deleted during a crash must be known afterwards.
            source_positions.add_keys(self._store, self._source, (m.key for m in messages))
        for message in messages:
            producer.send(self._topic, message.key.encode(), message.value)
        producer.flush()
        if self._section.detects_deletes:
            # The last message of a key decides whether it is still there.
            gone = [key for key, value in {m.key: m.value for m in messages}.items() if value is None]
            source_positions.drop_keys(self._store, self._source, gone)
        source_positions.store_position(self._store, self._source, stored)
        self.outcome.events += len(messages) - len(deleted)
        self.outcome.deletions += len(deleted)
        self.outcome.watermark = last.texts[-1]

    def _messages(self, page: Page) -> list[Message]:
        found: list[Message] = []
        for row in page.rows:
            dropped: list[RowRejected] = []
            try:
                messages = self._events.messages(row, dropped)
            except RowRejected as problem:
                self._rejects.row(row.position, problem)
            else:
                for flaw in dropped:
                    self._rejects.value(row.position, flaw)
                self.outcome.skipped += not messages
                found += messages
        outcome = self.outcome
        outcome.rows += len(page.rows)
        outcome.rejected, outcome.dropped_values = self._rejects.rows, self._rejects.values
        outcome.rejects_file = self._rejects.path
        return found


@contextmanager
def only_puller(folder: Path, stream: str, table: str) -> Iterator[None]:
    """Hold one table for one process on this machine: two would send each row twice, and pass deletions by.

    Raises SourceUnavailable when another one has it.
    """
    with locked_if_free(folder / f"pull.{stream}.{_file_name(table)}.lock") as is_free:
        if not is_free:
            raise SourceUnavailable(f"{table} is being pulled by another process; end that one first")
        yield


def _file_name(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", label)
