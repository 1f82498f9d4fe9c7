"""The golden records, as lookups read them: one SQLite file, that a refresh writes while others read.

SQLite's write-ahead log lets every reader see one state of it, whatever is written meanwhile. Only the owner of the
home may read the file: it holds direct identifiers.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from itertools import chain
from pathlib import Path

from registry.golden.person import Person, from_json

_BUSY_SECONDS = 30.0
_TABLES = """
create table if not exists person (person_key text primary key, document blob not null);
create table if not exists conflicted (person_key text primary key) without rowid;
create table if not exists alias (known_key text primary key, person_key text not null) without rowid;
create table if not exists member (person_key text primary key, household_key text not null, number text not null,
    since text not null) without rowid;
create index if not exists member_of_household on member (household_key);
"""


@dataclass(frozen=True)
class HouseholdMember:
    """A person of a household, by the number that the census gives it; `since` is a date in ISO 8601."""

    person_key: str
    household_key: str
    number: str
    since: str


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

    def conflicted(self) -> Iterator[Person]:
        """Everybody of whom sources of the same rank say what can't both be so."""
        keys = self._connection.execute("select person_key from conflicted order by person_key").fetchall()
        yield from (person for (key,) in keys if (person := self.find(key)) is not None)

    def household(self, household_key: str) -> tuple[HouseholdMember, ...]:
        rows = self._connection.execute(
            "select * from member where household_key = ? order by since, person_key", (household_key,)
        )
        return tuple(HouseholdMember(*row) for row in rows)

    def count(self) -> int:
        return int(self._connection.execute("select count(*) from person").fetchone()[0])

    def write(self, documents: Iterable[tuple[str, bytes] | tuple[str, bytes, bool]]) -> list[str]:
        """Add persons, or put them in the place of what was there: `person_key`, document, and whether it has
        conflicts. Returns whose they are."""
        conflicted: list[tuple[str]] = []
        agreed: list[tuple[str]] = []

        def noted() -> Iterator[tuple[str, bytes]]:
            for person_key, document, *rest in documents:
                (conflicted if rest and rest[0] else agreed).append((person_key,))
                yield person_key, document

        self._connection.executemany(
            "insert into person values (?, ?) on conflict (person_key) do update set document = excluded.document",
            noted(),
        )
        self._connection.executemany("delete from conflicted where person_key = ?", agreed)
        self._connection.executemany("insert or ignore into conflicted values (?)", conflicted)
        return [key for (key,) in chain(agreed, conflicted)]

    def place_members(self, person_keys: Iterable[str], members: Iterable[HouseholdMember]) -> None:
        """The households that these persons are in, and no others; what is the same isn't written."""
        now = {member.person_key: astuple(member) for member in members}
        find = "select * from member where person_key = ?"
        before = {row[0]: row for key in person_keys for row in self._connection.execute(find, (key,))}
        gone = ((key,) for key in before.keys() - now.keys())
        self._connection.executemany("delete from member where person_key = ?", gone)
        changed = (row for key, row in now.items() if before.get(key) != row)
        self._connection.executemany("insert or replace into member values (?, ?, ?, ?)", changed)

    def remove(self, person_keys: Iterable[str]) -> None:
        gone = [(key,) for key in person_keys]
        for table in ("person", "conflicted", "member"):
            self._connection.executemany(f"delete from {table} where person_key = ?", gone)

    def clear(self) -> None:
        """Everybody goes; aliases stay, they follow from decisions."""
        for table in ("person", "conflicted", "member"):
            self._connection.execute(f"delete from {table}")

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
        connection.execute("pragma page_size = 8192")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma secure_delete = on")
        connection.execute("pragma cache_size = -131072")  # 128 MB: pages of one change aren't written twice
        connection.executescript(_TABLES)
        connection.execute("begin immediate")
        yield GoldenStore(connection)
        connection.execute("commit")
    finally:
        connection.close()
