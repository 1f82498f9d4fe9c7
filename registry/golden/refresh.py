"""Bring the registry to what is certified: statements first, then the golden records of whom they touch.

One process at a time. A refresh that is cut short leaves the persons whom it hadn't written in `pending`; the next one
writes them.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import sqlalchemy as sa

from datacentre.contracts import Contract
from datacentre.control.identity import newest_event
from datacentre.errors import SourceUnavailable
from datacentre.file_lock import locked_if_free
from datacentre.pseudonym import load_or_create
from lake.asked_rows import follow_askings
from lake.certified_rows import CATALOG
from lake.identity_rows import aliases, followed_event, make_identity_tables
from registry.golden.asked import hand_over_all, make_asked_tables, note_askings
from registry.golden.changes import note_changes
from registry.golden.derive import derive_statements, replace_statements
from registry.golden.documents import write_documents
from registry.golden.mapping import PersonMapping
from registry.golden.shelf import Shelf, opened_shelf, shelf_file
from registry.golden.statements import make_tables, work_file
from registry.golden.store import writing
from registry.golden.survivorship import believe
from registry.identity.resolve import Resolver

_MEMORY = "2GB"
_THREADS = 2
_SQLITE = ("", "-wal", "-shm")
_GENERATION = 4
"""To be raised where this code would make other tables of the same rows; they are then made anew."""
_AT_ONCE = 60_000
"""Persons whose golden records are made together; it bounds the memory."""
_MANY = 40_000
"""As many are quicker found by looking through all statements."""


@dataclass(frozen=True)
class Refreshed:
    """How many rows were looked at, persons touched, and golden records written."""

    rows: int
    persons: int
    written: int


@contextmanager
def only_refresh(home: Path) -> Iterator[None]:
    """Hold the registry; raises SourceUnavailable while another process does."""
    with locked_if_free(lock_file(home)) as is_free:
        if not is_free:
            raise SourceUnavailable(f"{home / 'registry'}: another refresh is running; try again when it is done")
        yield


def lock_file(home: Path) -> Path:
    return home / "registry" / "lock"


@contextmanager
def opened_work(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The work database, readable by its owner only; made where there is none."""
    file = work_file(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    shutil.rmtree(file.with_name(f"{file.name}.tmp"), ignore_errors=True)  # what a killed process had on disk
    with duckdb.connect(str(file), config={"memory_limit": _MEMORY, "threads": _THREADS}) as connection:
        file.chmod(0o600)
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set preserve_insertion_order = false")
        make_tables(connection)
        make_asked_tables(connection)
        make_identity_tables(connection)
        yield connection


def refresh(
    home: Path,
    lake: Path,
    copy: Path,
    mapping: PersonMapping,
    contracts: Mapping[str, Contract],
    control: sa.Engine | None = None,
) -> Refreshed:
    """Follow the copy of the certified rows, and the events of identity of a control store; without one nobody is
    linked. What was asked is left in the copy. Where nothing is new it costs a look at the certificates.

    Raises SourceUnavailable while another refresh runs; ContractError where the pseudonym key is gone.
    """
    with only_refresh(home):
        _require_made_by(home, _fingerprint(mapping, contracts))
        with opened_work(home) as connection:
            quoted = str(copy).replace("'", "''")
            connection.execute(f"attach '{quoted}' as {CATALOG} (read_only)")
            rows = _state(connection, home, lake, mapping, contracts, control)
            persons, written = tell_pending(connection, home, mapping)
        follow_askings(copy, work_file(home))
    return Refreshed(rows, persons, written)


def begin_anew(home: Path) -> None:
    """Have the next refresh make everything from the lake; lookups find what there is until then."""
    with only_refresh(home):
        _discard(home)


def _require_made_by(home: Path, fingerprint: str) -> None:
    """Discard tables that were made of other contracts, or by another mapping or program."""
    with opened_work(home) as connection:
        if connection.execute("from made_from where fingerprint = $1", [fingerprint]).fetchall():
            return
    _discard(home)
    with opened_work(home) as connection:
        connection.execute("insert into made_from values ($1, false)", [fingerprint])


def _discard(home: Path) -> None:
    work, shelf = work_file(home), shelf_file(home)
    for file in (work, work.with_name(f"{work.name}.wal"), *(shelf.with_name(f"{shelf.name}{e}") for e in _SQLITE)):
        file.unlink(missing_ok=True)


def _fingerprint(mapping: PersonMapping, contracts: Mapping[str, Contract]) -> str:
    told = [str(_GENERATION), duckdb.__version__, mapping.text, *(contracts[key].hash for key in mapping.streams)]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def _state(
    connection: duckdb.DuckDBPyConnection,
    home: Path,
    lake: Path,
    mapping: PersonMapping,
    contracts: Mapping[str, Contract],
    control: sa.Engine | None,
) -> int:
    """The statements of what has changed, whole or not at all; how many rows were looked at."""
    shelve_rest(connection, home)
    connection.execute("begin")
    is_changed = note_changes(connection, mapping, contracts, datetime.now(UTC).date())
    if not is_changed and (control is None or newest_event(control) == followed_event(connection)):
        connection.execute("commit")
        return 0
    is_first = _count(connection, "statement") == 0
    key = load_or_create(home, is_in_use=True)
    if is_changed:
        connection.execute("create or replace temp table draft as from statement limit 0")
        with opened_shelf(home, connection) as shelf:
            shelf.of_records("draft")
        derive_statements(connection, lake, mapping, contracts, key)
    else:
        _touch_nothing(connection)
    replace_statements(connection)
    _register(connection, mapping, "restated")
    if control is not None:
        with opened_shelf(home, connection) as shelf:
            resolver = Resolver(connection, shelf, control, home, mapping, key)
            resolver.apply_decisions()
            _register(connection, mapping, "restated")
            resolver.match()
    connection.execute("insert into pending select person_key from touched_person except from pending")
    connection.execute("insert into unshelved from touched_record")
    connection.execute("commit")
    with opened_shelf(home, connection) as shelf:
        if is_first:
            shelf.fill()
        else:
            shelf.put("restated")
    connection.execute("delete from unshelved")
    return _count(connection, "row_of_record")


def _touch_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    """As a refresh leaves its tables where only events of identity are new."""
    connection.execute("create or replace temp table touched_record (record_hash ubigint)")
    connection.execute("create or replace temp table touched_person (person_key text)")
    for empty, like in (("restated", "statement"), ("said_before", "statement"), ("row_of_record", "heard")):
        connection.execute(f"create or replace temp table {empty} as from {like} limit 0")


def shelve_rest(connection: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Bring the shelf to the statements of `unshelved`; a refresh that was cut short has left its own there."""
    count = _count(connection, "unshelved")
    with opened_shelf(home, connection) as shelf:
        if count > _MANY or (shelf.is_empty() and _count(connection, "statement")):
            shelf.fill()
        elif count:
            connection.execute(
                "create or replace temp table touched_record as select distinct record_hash from unshelved"
            )
            connection.execute(
                "create or replace temp table restated as from statement where record_hash in (from touched_record)"
            )
            shelf.put("restated")
    connection.execute("delete from unshelved")


def _register(
    connection: duckdb.DuckDBPyConnection, mapping: PersonMapping, statements: str, is_all: bool = False
) -> None:
    """Note whom statements of confirmed cases name in a role that registers, and whom `registered` doesn't have yet.

    Where they are all statements of `asked_person`, whoever of those isn't registered any more goes.
    """
    roles = ", ".join(
        f"('{key}', '{name}')"
        for key, stream in mapping.streams.items()
        for name, role in stream.roles.items()
        if role.registers
    )
    connection.execute(
        f"""create or replace temp table registering as select distinct resolved_key as person_key
        from {statements}
        where is_confirmed and resolved_key is not null and (stream_key, named_as) in ({roles})"""
    )
    if is_all:
        connection.execute(
            """delete from registered where person_hash in
            (select hash(person_key) from (from asked_person except from registering))"""
        )
    # The large table is looked through once for the few, not the other way round.
    connection.execute(
        """delete from registering where hash(person_key) in
        (select person_hash from registered where person_hash in (select hash(person_key) from registering))"""
    )
    connection.execute("insert into registered select person_key, hash(person_key) from registering")


def tell_pending(connection: duckdb.DuckDBPyConnection, home: Path, mapping: PersonMapping) -> tuple[int, int]:
    """Write the golden records of whoever is pending; how many that were, and how many have one."""
    count = _count(connection, "pending")
    is_told = connection.execute("select is_told from made_from").fetchall() == [(True,)]
    if count == 0 and is_told:
        return 0, 0
    written = 0
    with opened_shelf(home, connection) as shelf, writing(home) as store:
        if not is_told:
            store.clear()
            hand_over_all(connection)
        store.set_aliases(aliases(connection))
        for _ in _parts(connection, count):
            _gather(connection, shelf, count)
            note_askings(connection, mapping, is_first=not is_told)
            _register(connection, mapping, "spoken", is_all=True)
            believe(connection, mapping)
            written += write_documents(connection, store, load_or_create(home, is_in_use=True))
    connection.execute("begin")
    connection.execute("delete from pending")
    connection.execute("update made_from set is_told = true")
    connection.execute("commit")
    return count, written


def _gather(connection: duckdb.DuckDBPyConnection, shelf: Shelf, pending: int) -> None:
    """All statements of the persons asked for, as `spoken`: of many out of the columns, of few from the shelf."""
    if pending > _MANY:
        connection.execute(
            "create or replace temp table spoken as from statement where resolved_key in (from asked_person)"
        )
        return
    connection.execute("create or replace temp table spoken as from statement limit 0")
    shelf.of_persons("spoken")
    connection.execute("delete from spoken where resolved_key not in (from asked_person)")


def _parts(connection: duckdb.DuckDBPyConnection, count: int) -> Iterator[int]:
    """Leave one part of the pending persons after the other as `asked_person`, in the order of their keys."""
    connection.execute(
        f"""create or replace temp table pending_part as
        select person_key, (row_number() over (order by person_key) - 1) // {_AT_ONCE} as part from pending"""
    )
    for part in range((count + _AT_ONCE - 1) // _AT_ONCE):
        connection.execute(
            "create or replace temp table asked_person as select person_key from pending_part where part = $1", [part]
        )
        yield part


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])
