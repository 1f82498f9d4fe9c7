"""Copies of whole tables at one version: of a lake into a backup, and of a backup into a lake.

Parquet files and log entries never change, so a file that an earlier backup has is linked, not copied.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from datacentre.errors import CheckFailed
from lake.positions import partitions_of, transactions
from lake.tables import LAYERS, table_path, unavailable
from lake.upkeep import no_upkeep

_ATTEMPTS = 40
_PAUSE_SECONDS = 0.05
_VERSION_DIGITS = 20
# Entries behind the newest checkpoint: the next check looks there for what was replayed since the one before.
_KEPT_ENTRIES = 1_000
_LAST_CHECKPOINT = "_last_checkpoint"


@dataclass(frozen=True)
class TableState:
    """One table as it is in a backup: its version, and the next offset by partition."""

    layer: str
    stream: str
    version: int
    positions: Mapping[int, int]


def streams_of(lake: Path) -> tuple[str, ...]:
    """Every stream that has landed, in a contract or not."""
    return tuple(sorted(folder.parent.name for folder in (lake / "landed").glob("*/_delta_log")))


@contextmanager
def pinned(lake: Path, stream: str, quiet: AbstractContextManager[None]) -> Iterator[tuple[DeltaTable, ...]]:
    """The stream's tables at versions that fit each other; their files stay until the block ends.

    Vault and quarantine never lack what landed has. They hold more only where a sink never rests between them and
    landed, which is what a crash leaves too. `quiet` keeps replays and backfills away while the tables are opened.
    """
    with ExitStack() as held:
        for layer in LAYERS:
            held.enter_context(no_upkeep(lake, stream, layer))
        with quiet:
            tables = _fitting(lake, stream)
        yield tables


def _fitting(lake: Path, stream: str) -> tuple[DeltaTable, ...]:
    tables: tuple[DeltaTable, ...] = ()
    for _ in range(_ATTEMPTS):
        folders = [lake / layer / stream for layer in LAYERS]
        tables = tuple(_opened(folder) for folder in folders if (folder / "_delta_log").is_dir())
        landed, *others = (_positions(table) for table in tables)
        if all(offset <= landed.get(p, 0) for other in others for p, offset in other.items()):
            break
        time.sleep(_PAUSE_SECONDS)
    return tables


def _opened(folder: Path) -> DeltaTable:
    try:
        return DeltaTable(folder)
    except (DeltaError, OSError) as problem:
        raise unavailable(f"{folder}: can't be read", problem) from None


def _positions(table: DeltaTable) -> dict[int, int]:
    return transactions(table, partitions_of(table, 1))


def state_of(table: DeltaTable) -> TableState:
    folder = table_path(table)
    return TableState(folder.parent.name, folder.name, table.version(), _positions(table))


def copy_table(table: DeltaTable, target: Path, earlier: Path) -> None:
    """Copy the table's version to `target`; `earlier` is the same table in the backup before, if there is one.

    Raises CheckFailed when the copy doesn't name or hold the same files.
    """
    source = table_path(table)
    for path in [*_sizes(table), *_log_entries(source, table.version())]:
        copy_file(source / path, target / path, earlier / path)
    _copy_last_checkpoint(source, target, table.version())
    copied = require_whole(target)
    if (copied.version(), _sizes(copied)) != (table.version(), _sizes(table)):
        raise CheckFailed(f"{target}: the copy of {source} isn't version {table.version()}; take the backup again")


def copy_file(source: Path, target: Path, earlier: Path) -> None:
    """Link to what the backup before has, or to the source on the same disk, or copy. For files that never change."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for known in (earlier, source):
        try:
            os.link(known, target)
            return
        except OSError:  # not there, another disk, or a file system without links
            continue
    shutil.copy2(source, target)


def require_whole(folder: Path) -> DeltaTable:
    """The table, all files of which are there. Raises CheckFailed naming one that is missing or cut short."""
    try:
        table = DeltaTable(folder)
    except (DeltaError, OSError) as problem:
        raise CheckFailed(f"{folder}: not a table that can be restored: {' '.join(str(problem).split())}") from None
    for path, size in _sizes(table).items():
        file = folder / path
        if not file.is_file() or file.stat().st_size != size:
            found = f"has {file.stat().st_size} bytes instead of {size}" if file.is_file() else "is missing"
            raise CheckFailed(f"{file} {found}: this backup is damaged, use another one")
    return table


def _sizes(table: DeltaTable) -> dict[str, int]:
    files = pa.table(table.get_add_actions(flatten=True))
    if files.num_rows == 0:
        return {}
    return dict(zip(files["path"].to_pylist(), files["size_bytes"].to_pylist(), strict=True))


def _log_entries(source: Path, version: int) -> list[str]:
    """Paths of the log's files that this version needs, and those shortly before."""
    log = source / "_delta_log"
    numbered = {f.name: int(f.name[:_VERSION_DIGITS]) for f in log.iterdir() if _is_numbered(f)}
    known = [name for name, number in numbered.items() if number <= version]
    checkpoint = max((numbered[name] for name in known if ".checkpoint" in name), default=0)
    first = min(checkpoint, version - _KEPT_ENTRIES)
    wanted = [n for n in known if numbered[n] >= (checkpoint if ".checkpoint" in n else first)]
    return [f"_delta_log/{name}" for name in sorted(wanted)]


def _is_numbered(file: Path) -> bool:
    return file.name[:_VERSION_DIGITS].isdigit() and file.suffix in (".json", ".parquet")


def _copy_last_checkpoint(source: Path, target: Path, version: int) -> None:
    """Where it tells of a later version it stays behind: readers then look for the checkpoint themselves."""
    file = source / "_delta_log" / _LAST_CHECKPOINT
    if file.exists():
        content = file.read_bytes()
        if json.loads(content)["version"] <= version:
            (target / "_delta_log" / _LAST_CHECKPOINT).write_bytes(content)
