"""Keep tables quick: small files become large ones, old log entries and files nobody names go.

None of it stops the sinks: they append beside it, and a commit that meets one of these tries again.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deltalake import WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from datacentre.contracts import Contract
from datacentre.crash_points import inside
from datacentre.errors import SourceUnavailable
from datacentre.file_lock import locked_if_free
from lake.tables import LAYERS, open_table, table_path, unavailable

_TARGET_BYTES = 64 * 1024 * 1024
_SMALL_FILES = 8
_DRAFT_SECONDS = 3600.0
_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.2
# Small row groups bound what a merge holds: 116 MB beside 237 for 1.8 million rows, and less time.
_LEAN = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=64 * 1024)


@dataclass(frozen=True)
class Upkeep:
    """What was done to one table: files merged away and made, and files deleted that nothing named."""

    stream: str
    layer: str
    merged: int
    made: int
    deleted: int


def keep_up(lake: Path, contract: Contract, retention_hours: int) -> tuple[Upkeep, ...]:
    """Compact, clean the log and vacuum the stream's tables; a table that another process keeps up is left out.

    Files that were replaced stay for `retention_hours`, so that readers of older versions can finish. Raises
    SourceUnavailable when the disk or store refuses.
    """
    return tuple(done for layer in LAYERS if (done := _keep_up_table(lake, contract, layer, retention_hours)))


def _keep_up_table(lake: Path, contract: Contract, layer: str, retention_hours: int) -> Upkeep | None:
    with only_keeper(lake, contract.key, layer) as is_alone:
        table = open_table(lake, contract, layer) if is_alone else None
        if table is None:
            return None
        merged = made = 0
        try:
            if len(table.file_uris()) >= _SMALL_FILES:
                with inside("compaction"):
                    metrics = table.optimize.compact(
                        target_size=_TARGET_BYTES, max_concurrent_tasks=1, writer_properties=_LEAN
                    )
                merged, made = metrics["numFilesRemoved"], metrics["numFilesAdded"]
            with inside("log_cleanup"):
                table.cleanup_metadata()
            _remove_drafts(table_path(table) / "_delta_log")
            with inside("vacuum"):
                deleted = table.vacuum(
                    retention_hours=retention_hours, dry_run=False, enforce_retention_duration=False, full=True
                )
        except CommitFailedError:  # an erasure came first; the next round does it
            return None
        except (DeltaError, OSError) as problem:
            raise unavailable(f"{contract.key}: upkeep of {layer} failed", problem) from problem
        return Upkeep(contract.key, layer, merged, made, len(deleted))


def _remove_drafts(log: Path) -> None:
    """What a commit has left that was killed before its entry was in place."""
    for draft in log.glob("*.tmp"):
        with suppress(FileNotFoundError):  # its commit has ended meanwhile
            if time.time() - draft.stat().st_mtime > _DRAFT_SECONDS:
                draft.unlink()


def only_keeper(lake: Path, key: str, layer: str) -> AbstractContextManager[bool]:
    """Hold one table's upkeep; False while another process does."""
    return locked_if_free(lake / "locks" / f"upkeep.{layer}.{key}")


@contextmanager
def no_upkeep(lake: Path, key: str, layer: str) -> Iterator[None]:
    """Keep compaction and vacuum away from one table; waits for what is under way.

    Raises SourceUnavailable when it doesn't end within two minutes.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with only_keeper(lake, key, layer) as is_alone:
            if is_alone:
                yield
                return
        if time.monotonic() > deadline:
            raise SourceUnavailable(f"{key}: upkeep of {layer} doesn't end; try again later")
        time.sleep(_POLL_SECONDS)
