"""Every file of a home: search all for one person, and take the person out of logs, reports and SQLite stores."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lake.person import Person
from lake.stored_bytes import SQLITE, stored_bytes

_BUSY_SECONDS = 30.0
_ERASED = b"[erased]"


@dataclass(frozen=True)
class Search:
    """How many files and bytes were looked through, and which files hold the person."""

    files: int
    bytes: int
    holding: tuple[Path, ...]


def search(folder: Path, person: Person, left_out: Sequence[str] = (), elsewhere: Iterable[Path] = ()) -> Search:
    """Look through every file below the folder, but for those below its subfolders `left_out`, and below the folders
    `elsewhere`. A file that has several names is read once."""
    files = size = 0
    holding = []
    places = [_files(folder, left_out), *(_files(place, ()) for place in elsewhere if folder not in place.parents)]
    for file in _once(chain.from_iterable(places)):
        with suppress(FileNotFoundError):  # gone since it was listed
            files, size = files + 1, size + file.stat().st_size
            if any(person.holds(piece) for piece in stored_bytes(file)):
                holding.append(file)
    return Search(files, size, tuple(holding))


def _once(files: Iterable[Path]) -> Iterator[Path]:
    """Backups and the lake share files by hard links."""
    seen = set()
    for file in files:
        with suppress(FileNotFoundError):
            status = file.stat()
            name = (status.st_dev, status.st_ino)
            if status.st_nlink > 1 and name in seen:
                continue
            seen.add(name)
            yield file


def _files(folder: Path, left_out: Sequence[str]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, followlinks=True):
        if Path(place) == folder:
            folders[:] = [f for f in folders if f not in left_out]
        yield from (file for name in sorted(names) if (file := Path(place) / name).is_file())


def take_out(file: Path, person: Person) -> None:
    """Blank the lines of a text file that hold the person, or mask the values of an SQLite store.

    Other files stay as they are. A text file is written in place: another process may be appending to it.
    """
    with file.open("rb") as opened:
        is_sqlite = opened.read(len(SQLITE)) == SQLITE
    if is_sqlite:
        _mask(file, person)
    elif _is_text(file):
        _blank_lines(file, person)


def _is_text(file: Path) -> bool:
    """Whether it is UTF-8; files that are half binary can't be repaired line by line."""
    try:
        with file.open(encoding="utf-8") as opened:
            while opened.read(1024 * 1024):
                pass
    except UnicodeDecodeError:
        return False
    return True


def _blank_lines(file: Path, person: Person) -> None:
    with file.open("r+b") as opened:
        place = 0
        for line in iter(opened.readline, b""):
            text = line.rstrip(b"\r\n")
            if person.holds(text):
                opened.seek(place)
                opened.write(_ERASED.ljust(len(text))[: len(text)])
            place += len(line)
            opened.seek(place)
        opened.flush()
        os.fsync(opened.fileno())


def _mask(file: Path, person: Person) -> None:
    with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        # Without these the old text would stay in freed pages and in the write-ahead log.
        connection.execute("pragma secure_delete = on")
        connection.execute("begin immediate")
        for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            _mask_table(connection, table, person)
        connection.execute("commit")
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")


def _mask_table(connection: sqlite3.Connection, table: str, person: Person) -> None:
    columns = [name for _, name, *_ in connection.execute(f'pragma table_info("{table}")')]
    for column in columns:
        rows = connection.execute(
            f"""select rowid, "{column}" from "{table}" where typeof("{column}") in ('text', 'blob')"""
        ).fetchall()
        for rowid, value in rows:
            data = value if isinstance(value, bytes) else value.encode()
            if person.holds(data):
                masked = person.masked(data)
                new = masked if isinstance(value, bytes) else masked.decode()
                connection.execute(f'update "{table}" set "{column}" = ? where rowid = ?', (new, rowid))
