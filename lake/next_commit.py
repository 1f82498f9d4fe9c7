"""Commits that come through only as the very next version: what they were made from is still so."""

import time
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from datacentre.errors import SourceUnavailable
from lake.commit import write_files
from lake.tables import PARTITION, table_path

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.02
Actions = Sequence[AddAction | RemoveAction]


def append_once(table: DeltaTable, rows: pa.Table, app: str, metadata: Mapping[str, str]) -> int:
    """Append `rows` unless transaction `app` is in the table already; returns the version that holds them.

    The transactions of topic-partitions stay as they are.
    """
    files = write_files(table_path(table), rows)
    return commit_once(table, lambda: files, app, metadata)


def commit_once(table: DeltaTable, prepare: Callable[[], Actions], app: str, metadata: Mapping[str, str]) -> int:
    """Commit what `prepare` makes of the table as it now is, tied to transaction `app`; returns its version.

    Where `app` has been committed, or there is nothing to commit, nothing happens; the version is then that
    commit's, or 0. A commit that meets another one is prepared anew. Raises SourceUnavailable when other writers
    kept winning.
    """
    for attempt in range(_ATTEMPTS):
        table.update_incremental()
        if (done := table.transaction_version(app)) is not None:
            return done
        actions = list(prepare())
        if not actions:
            return 0
        version = table.version() + 1
        properties = CommitProperties(
            custom_metadata=dict(metadata), app_transactions=[Transaction(app, version)], max_commit_retries=0
        )
        try:
            table.create_write_transaction(
                actions, "append", table.schema(), partition_by=[PARTITION], commit_properties=properties
            )
        except CommitFailedError:
            time.sleep(_PAUSE_SECONDS * attempt)
        else:
            table.update_incremental()
            return version
    raise SourceUnavailable(f"{table_path(table)}: other writers came first {_ATTEMPTS} times; run it again")
