"""The statements once more, as rows of a B-tree by person and by record: what an increment looks up.

DuckDB keeps columns: to fetch a few statements of ten thousand persons it unpacks the whole table, so that an
increment would cost the registry's size. Here it costs what it touches. The table `statement` is the truth.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

_TABLES = """
create table if not exists shelved (subject integer not null, record integer not null, part integer not null,
    document text not null, primary key (subject, record, part)) without rowid;
create index if not exists shelved_by_record on shelved (record);
"""
_SUBJECT = "(hash(resolved_key) >> 1)::bigint"
_RECORD = "(record_hash >> 1)::bigint"
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
        self._look_up(target, "record", f"select distinct {_RECORD} from {records}")

    def of_subjects(self, target: str, subjects: str) -> None:
        """Add to a table the statements of persons, which another one names by their number, `subject`."""
        self._look_up(target, "subject", f"select distinct subject from {subjects}")

    def of_persons(self, target: str) -> None:
        """Add to a table the statements of `asked_person`."""
        asked = _SUBJECT.replace("resolved_key", "person_key")
        self._look_up(target, "subject", f"select distinct {asked} from asked_person")

    def _look_up(self, target: str, column: str, query: str) -> None:
        wanted = self._work.execute(f"{query} order by 1").fetchall()
        find = f"select document from shelved where {column} = ?"
        found = pa.table({"document": [d for key in wanted for (d,) in self._shelf.execute(find, key)]})
        if found.num_rows:
            self._work.register("found_on_shelf", found)
            self._work.execute(
                f"""insert into {target} by name select {self._values} from
                (select from_json(document, '["VARCHAR"]') as v from found_on_shelf)"""
            )
            self._work.unregister("found_on_shelf")

    def put(self, table: str) -> None:
        """Put the statements of a table in the place of those of `touched_record`; what is the same isn't written."""
        records = self._work.execute(f"select distinct {_RECORD} from touched_record order by 1").fetchall()
        find = "select subject, record, part, document from shelved where record = ?"
        known = {row[:3]: row[3] for key in records for row in self._shelf.execute(find, key)}
        wanted = {row[:3]: row[3] for row in self._rows(table).fetchall()}
        self._shelf.executemany(
            "delete from shelved where subject = ? and record = ? and part = ?", sorted(known.keys() - wanted.keys())
        )
        changed = ((*place, document) for place, document in wanted.items() if known.get(place) != document)
        self._shelf.executemany("insert or replace into shelved values (?, ?, ?, ?)", changed)

    def fill(self) -> None:
        """Begin anew with all of `statement`; the index is made at the end, in one go."""
        self._shelf.execute("drop index if exists shelved_by_record")
        self._shelf.execute("delete from shelved")
        rows = self._rows("statement")
        while batch := rows.fetchmany(_BATCH):
            self._shelf.executemany("insert into shelved values (?, ?, ?, ?)", batch)
        for statement in _TABLES.split(";"):
            self._shelf.execute(statement)

    def _rows(self, table: str) -> duckdb.DuckDBPyConnection:
        """A table's statements as rows of the shelf, in the order of its key."""
        return self._work.execute(
            f"""select coalesce({_SUBJECT}, {_RECORD}), {_RECORD}, row_number() over (partition by record_hash
                order by kafka_partition, kafka_offset, named_as, list_position), {self._document}
            from {table} order by 1, 2, 3"""
        )


@contextmanager
def opened_shelf(home: Path, work: duckdb.DuckDBPyConnection) -> Iterator[Shelf]:
    """One change of the shelf, whole or not at all."""
    file = shelf_file(home)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma secure_delete = on")
        connection.execute("pragma cache_size = -131072")  # 128 MB: pages of one change aren't written twice
        connection.executescript(_TABLES)
        connection.execute("begin immediate")
        yield Shelf(connection, work)
        connection.execute("commit")
    finally:
        connection.close()
