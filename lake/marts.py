"""The marts database: its sources before a build, its published versions after one.

A build reads a copy of the certified rows and works in `work.duckdb`; a good one is copied to
`centre-<number>.duckdb` and a pointer is swapped. Readers keep the version they opened, and a failed build leaves the
last good one readable.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import sqlalchemy as sa

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.control.certificates import CertifiedRange
from datacentre.errors import CheckFailed, SourceUnavailable
from datacentre.file_lock import locked_if_free
from lake.certified_rows import CATALOG, range_table
from lake.identity_rows import follow_identity, followed_event, make_identity_tables
from lake.snapshot import Snapshot

_POINTER = "CURRENT"
_KEPT = 3


def work_file(marts: Path) -> Path:
    return marts / "work.duckdb"


def discard(file: Path) -> None:
    """Remove a database with its write-ahead log: what is built anew in place keeps the room of what was there, and the
    tables of models that are gone."""
    for part in (file, file.with_name(f"{file.name}.wal")):
        part.unlink(missing_ok=True)


@contextmanager
def only_writer(marts: Path) -> Iterator[None]:
    """Hold the marts for one build; raises SourceUnavailable when another one has them."""
    with locked_if_free(marts / "lock") as is_free:
        if not is_free:
            raise SourceUnavailable(f"{marts}: another build is running; try again when it is done")
        yield


def prepare(file: Path, copy: Path, streams: Iterable[str], reference: Path) -> None:
    """Point the sources of the marts at the copy of the certified rows.

    Creates schema `lake` (one view per stream: its landed columns and `certificate_id`), schema `registry` (what
    citizens were asked, and of which cases that is new) and schema `reference` (one table per list). The views work
    where `copy` is attached as `certified`. `lake.certified_range` and `lake.identity_built` stay as the build before
    has pinned them: that is how the models tell what is new.
    """
    with duckdb.connect(str(file)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema if not exists lake")
        connection.execute("create schema if not exists reference")
        no_ranges = range_table({})
        connection.execute("create table if not exists lake.certified_range as from no_ranges")
        del no_ranges
        _use_identity(connection)
        connection.execute(f"attach {_literal(copy)} as {CATALOG} (read_only)")
        for key in streams:
            connection.execute(f"create or replace view lake.{key} as from {CATALOG}.main.{key}")
        connection.execute("create schema if not exists registry")
        for name in ("asked_field", "asked_record"):
            connection.execute(f"create or replace view registry.{name} as from {CATALOG}.main.{name}")
        for path in sorted(reference.glob("*.csv")):
            connection.execute(f"create or replace table reference.{path.stem} as from read_csv({_literal(path)})")


def pin(
    file: Path,
    contracts: Mapping[str, Contract],
    snapshots: Mapping[str, Snapshot],
    certified: Mapping[str, Sequence[CertifiedRange]],
) -> None:
    """Point the sources at pinned files of the lake, cut to `lake.certified_range`: a published version needs no
    copy."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        ranges = range_table(certified)
        connection.execute("create or replace table lake.certified_range as from ranges")
        connection.execute("drop schema if exists registry cascade")
        _use_identity(connection)
        number = followed_event(connection)
        connection.execute("create or replace table lake.identity_built as select $1::bigint as event_number", [number])
        for key, contract in contracts.items():
            connection.execute(_view(contract, snapshots[key]))
        del ranges


def follow_persons(file: Path, control: sa.Engine) -> int:
    """Bring `lake.person_link` and `lake.person_alias` to the newest event of identity; returns its number.

    `lake.identity_built` stays as the build before has pinned it.
    """
    with duckdb.connect(str(file)) as connection:
        _use_identity(connection)
        return follow_identity(connection, control)


def _use_identity(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("use lake")
    make_identity_tables(connection)
    connection.execute("create table if not exists lake.identity_built (event_number bigint)")


def _view(contract: Contract, pinned: Snapshot) -> str:
    columns = ", ".join(f'l."{name}"' for name in landed_schema(contract).names)
    return f"""create or replace view lake.{contract.key} as
        select {columns}, c.certificate_id
        from ({_rows(contract, pinned)}) as l
        join lake.certified_range as c
          on c.stream = '{contract.key}' and l.kafka_partition = c.kafka_partition
          and l.kafka_offset >= c.start_offset and l.kafka_offset < c.next_offset"""


def _rows(contract: Contract, pinned: Snapshot) -> str:
    if not pinned.files:
        with duckdb.connect() as connection:
            empty = landed_schema(contract).empty_table()
            described = connection.sql("describe from empty").fetchall()
            del empty
        nulls = ", ".join(f'null::{kind} as "{name}"' for name, kind, *_ in described)
        return f"select {nulls} where false"
    files = ", ".join(_literal(f) for f in pinned.files)
    options = "hive_partitioning = true, union_by_name = true, hive_types = {'ingest_date': date}"
    return f"from read_parquet([{files}], {options})"


def _literal(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def publish(marts: Path) -> Path:
    """Make the built database the current version; returns the new immutable file."""
    numbers = sorted(_versions(marts))
    target = marts / f"centre-{(numbers[-1] if numbers else 0) + 1:08d}.duckdb"
    draft = target.with_suffix(".draft")
    shutil.copyfile(work_file(marts), draft)
    draft.chmod(0o440)
    draft.rename(target)
    pointer = marts / f"{_POINTER}.draft"
    pointer.write_text(target.name)
    pointer.replace(marts / _POINTER)
    for number in numbers[: -(_KEPT - 1)]:
        _versions(marts)[number].unlink()
    return target


def published(marts: Path) -> Path:
    """The current version; raises CheckFailed when nothing was built yet."""
    pointer = marts / _POINTER
    if not pointer.exists():
        raise CheckFailed(f"{marts}: nothing is built yet; run datacentre check, then datacentre build")
    return marts / pointer.read_text()


def _versions(marts: Path) -> dict[int, Path]:
    return {int(f.stem.removeprefix("centre-")): f for f in marts.glob("centre-*.duckdb")}
