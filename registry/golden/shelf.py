"""The statements once more, all of a person in one row of a B-tree: what an increment looks up.

DuckDB keeps columns: to fetch a few statements of ten thousand persons it unpacks the whole table, so that an
increment would cost the registry's size. Here it costs what it touches. The table `statement` is the truth.

A person's row is written whole. Statements as rows of their own made SQLite share them out anew among neighbouring
pages, five of them per person. Under which persons a record's statements stand is kept in columns, `shelved_at` of the
work database.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import duckdb
import pyarrow as pa

_TABLE = "create table if not exists shelved (subject integer primary key, statements text not null)"
"""`statements` are lines, ordered: record, tab, JSON array of a statement's columns."""
_SUBJECT = "(hash(resolved_key) >> 1)::bigint"
_RECORD = "(record_hash >> 1)::bigint"
_PLACE = f"{_RECORD} as record, coalesce({_SUBJECT}, {_RECORD}) as subject"
_BATCH = 5_000


def shelf_file(home: Path) -> Path:
    return home / "registry" / "statements.sqlite"


class Shelf:
    """Looks statements up for DuckDB, and follows it."""

    def __init__(self, shelf: sqlite3.Connection, work: duckdb.DuckDBPyConnection):
        self._shelf, self._work = shelf, work
        columns = work.execute("select column_name, column_type from (describe statement)").fetchall()
        self._document = "json_array(" + ", ".join(f"{name}::text" for name, _ in columns) + ")::text"
        self._values = ", ".join(f"v[{n}]::{kind} as {name}" for n, (name, kind) in enumerate(columns, 1))

    def is_empty(self) -> bool:
        return not self._shelf.execute("select exists (select 1 from shelved)").fetchone()[0]

    def of_records(self, target: str, records: str = "touched_record") -> None:
        """Add to a table the statements of records, which another one names by `record_hash`."""
        wanted = self._places(records)
        self._add(target, (x for subject, of in wanted.items() for x in self._lines(subject) if _record(x) in of))

    def of_subjects(self, target: str, subjects: str) -> None:
        """Add to a table the statements of persons, which another one names by their number, `subject`."""
        wanted = self._work.execute(f"select distinct subject from {subjects} order by 1").fetchall()
        self._add(target, (line for (subject,) in wanted for line in self._lines(subject)))

    def of_persons(self, target: str) -> None:
        """Add to a table the statements of `asked_person`."""
        asked = _SUBJECT.replace("resolved_key", "person_key")
        self.of_subjects(target, f"(select {asked} as subject from asked_person)")

    def _lines(self, subject: int) -> list[str]:
        row = self._shelf.execute("select statements from shelved where subject = ?", (subject,)).fetchone()
        return row[0].split("\n") if row else []

    def _add(self, target: str, lines: Iterable[str]) -> None:
        found = pa.table({"document": pa.array([line.partition("\t")[2] for line in lines], pa.string())})
        if found.num_rows:
            self._work.register("found_on_shelf", found)
            self._work.execute(
                f"""insert into {target} by name select {self._values} from
                (select from_json(document, '["VARCHAR"]') as v from found_on_shelf)"""
            )
            self._work.unregister("found_on_shelf")

    def put(self, table: str) -> None:
        """Put the statements of a table in the place of those of `touched_record`; what is the same isn't written."""
        left = self._places("touched_record")
        self._note_places(table)
        come = {subject: [*lines] for subject, lines in self._rows(table)}
        for subject in sorted(left.keys() | come.keys()):
            before, gone = self._lines(subject), left.get(subject, ())
            now = sorted([*(line for line in before if _record(line) not in gone), *come.get(subject, ())])
            if now and now != before:
                self._shelf.execute("insert or replace into shelved values (?, ?)", (subject, "\n".join(now)))
            elif before and not now:
                self._shelf.execute("delete from shelved where subject = ?", (subject,))

    def fill(self) -> None:
        """Begin anew with all of `statement`."""
        self._work.execute("delete from shelved_at")
        self._work.execute(f"insert into shelved_at select distinct {_PLACE} from statement")
        self._shelf.execute("delete from shelved")
        rows = ((subject, "\n".join(sorted(lines))) for subject, lines in self._rows("statement"))
        self._shelf.executemany("insert into shelved values (?, ?)", rows)

    def _places(self, records: str) -> dict[int, set[str]]:
        """By subject, in the order of the shelf, the records of which it may have statements."""
        rows = self._work.execute(
            f"""select distinct subject, record from shelved_at
            where record in (select {_RECORD} from {records}) order by all"""
        ).fetchall()
        return {subject: {str(record) for _, record in of} for subject, of in groupby(rows, key=itemgetter(0))}

    def _note_places(self, table: str) -> None:
        """Before they are written. A place that is left later stays noted: nothing is found there."""
        self._work.execute(
            f"""insert into shelved_at
            select {_PLACE} from {table}
            except select record, subject from shelved_at where record in (select {_RECORD} from {table})"""
        )

    def _rows(self, table: str) -> Iterator[tuple[int, Iterator[str]]]:
        """The lines of a table's statements by subject, in order of the subjects."""
        rows = self._work.execute(
            f"""select coalesce({_SUBJECT}, {_RECORD}) as subject, {_RECORD} || chr(9) || {self._document}
            from {table} order by subject"""
        )
        found = chain.from_iterable(iter(lambda: rows.fetchmany(_BATCH), []))
        for subject, lines in groupby(found, key=itemgetter(0)):
            yield subject, (line for _, line in lines)


def _record(line: str) -> str:
    return line.partition("\t")[0]


@contextmanager
def opened_shelf(home: Path, work: duckdb.DuckDBPyConnection) -> Iterator[Shelf]:
    """One change of the shelf, whole or not at all."""
    file = shelf_file(home)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("pragma page_size = 8192")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma secure_delete = on")
        connection.execute("pragma cache_size = -131072")  # 128 MB: pages of one change aren't written twice
        connection.execute(_TABLE)
        connection.execute("begin immediate")
        yield Shelf(connection, work)
        connection.execute("commit")
    finally:
        connection.close()
