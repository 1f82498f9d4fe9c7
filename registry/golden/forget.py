"""Take a person out of the registry, and out of the bytes of its files.

What others said of her goes too: the rows of their cases that name her. A rebuild doesn't bring her back: the vault no
longer holds the identifiers that a statement needs.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from datacentre.file_lock import locked
from registry.golden.asked import forget_askings
from registry.golden.mapping import PersonMapping
from registry.golden.refresh import lock_file, opened_work, shelve_rest, tell_pending
from registry.golden.shelf import shelf_file
from registry.golden.statements import work_file
from registry.golden.store import golden_file, writing
from registry.identity.tables import forget_keys
from registry.identity.told_rows import SUBJECT

_HERS = """(person_key = $person or resolved_key = $person
    or (stream_key, kafka_partition, kafka_offset) in (select (stream_key, kafka_partition, kafka_offset) from own_row))
    """

OwnRows = Mapping[str, Mapping[int, np.ndarray]]
"""Offsets by stream and partition of the records that are the person's own, with and without her number."""


def forget_person(home: Path, person_key: str, own: OwnRows, mapping: PersonMapping) -> int:
    """Delete her statements and her golden record; returns how many statements there were. Safe to repeat.

    Waits while a refresh runs. The golden record of whoever else those records were linked to is made anew.
    """
    with locked(lock_file(home)):
        if not work_file(home).exists():
            return 0
        with opened_work(home) as work:
            count = _delete(work, home, person_key, own)
            tell_pending(work, home, mapping)
        with writing(home) as store:
            store.remove([person_key])
        _rewrite(work_file(home))
        for file in (shelf_file(home), golden_file(home)):
            _compact(file)
    return count


def _delete(work: duckdb.DuckDBPyConnection, home: Path, person_key: str, own: OwnRows) -> int:
    _name_own_rows(work, own)
    given = {"person": person_key}
    work.execute(
        f"create or replace temp table touched_record as select distinct record_hash from statement where {_HERS}",
        given,
    )
    work.execute("begin")
    others = f"""select distinct resolved_key from statement
        where {_HERS} and resolved_key <> $person except select person_key from pending"""
    work.execute(f"insert into pending {others}", given)
    count = work.execute(f"delete from statement where {_HERS}", given).fetchall()[0][0]
    for table in ("registered", "pending"):
        work.execute(f"delete from {table} where person_key = $person", given)
    forget_askings(work, person_key)
    forget_keys(work, person_key)
    work.execute("insert into unshelved from touched_record")
    work.execute("commit")
    shelve_rest(work, home)
    work.execute(f"delete from shelved_at where subject = {SUBJECT.format('$person')}", given)
    return int(count)


def _name_own_rows(work: duckdb.DuckDBPyConnection, own: OwnRows) -> None:
    places = [(key, p, int(o)) for key, rows in own.items() for p, offsets in rows.items() for o in offsets]
    names = ("stream_key", "kafka_partition", "kafka_offset")
    types = (pa.string(), pa.int32(), pa.int64())
    columns = zip(*places, strict=True) if places else ((), (), ())
    rows = pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})
    work.register("own_places", rows)
    work.execute("create or replace temp table own_row as from own_places")
    work.unregister("own_places")


def _rewrite(file: Path) -> None:
    """Copy the database: deleted rows stay in its blocks."""
    draft = file.with_name(f"{file.name}.draft")
    draft.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        for name, path in (("old", file), ("new", draft)):
            quoted = str(path).replace("'", "''")
            connection.execute(f"attach '{quoted}' as {name}")
        connection.execute("copy from database old to new")
    draft.chmod(0o600)
    draft.replace(file)


def _compact(file: Path) -> None:
    if not file.exists():
        return
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("pragma secure_delete = on")
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")
