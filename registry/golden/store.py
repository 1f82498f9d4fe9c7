"""The golden records, as lookups read them: one SQLite file, that a refresh writes while others read.

SQLite's write-ahead log lets every reader see one state of it, whatever is written meanwhile. Only the owner of the
home may read the file: it holds direct identifiers.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from registry.golden.person import Person, from_json

_BUSY_SECONDS = 30.0
_TABLES = """
create table if not exists person (person_key text primary key, document blob not null) without rowid;
create table if not exists alias (known_key text primary key, person_key text not null) without rowid;
"""


def golden_file(home: Path) -> Path:
    return home / "registry" / "golden.sqlite"


class GoldenStore:
    """Persons by pseudonym. A pseudonym that was merged into another leads to the person who is left."""

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection

    def find(self, known_key: str) -> Person | None:
        """The person whom a pseudonym leads to; None where the registry knows nobody by it."""
        found = self._connection.execute(
            """select document from person
            where person_key = coalesce((select person_key from alias where known_key = $1), $1)""",
            (known_key,),
        ).fetchone()
        return from_json(found[0]) if found else None

    def write(self, documents: Iterable[tuple[str, bytes]]) -> None:
        """Add persons, or put them in the place of what was there: `person_key` and document each."""
        self._connection.executemany("insert or replace into person values (?, ?)", documents)

    def remove(self, person_keys: Iterable[str]) -> None:
        self._connection.executemany("delete from person where person_key = ?", ((key,) for key in person_keys))

    def set_aliases(self, aliases: Mapping[str, str]) -> None:
        """All of them, merged pseudonym to remaining one: those of before are forgotten."""
        self._connection.execute("delete from alias")
        self._connection.executemany("insert into alias values (?, ?)", aliases.items())


@contextmanager
def reading(home: Path) -> Iterator[GoldenStore]:
    """For one reader; keep it open for many lookups, each sees the newest state."""
    uri = f"{golden_file(home).as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        yield GoldenStore(connection)
    finally:
        connection.close()


@contextmanager
def writing(home: Path) -> Iterator[GoldenStore]:
    """One change of the store, whole or not at all."""
    file = golden_file(home)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma secure_delete = on")
        connection.executescript(_TABLES)
        connection.execute("begin immediate")
        yield GoldenStore(connection)
        connection.execute("commit")
    finally:
        connection.close()
