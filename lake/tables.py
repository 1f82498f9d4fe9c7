"""Open a stream's Delta tables, or create them from its contract."""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from deltalake import DeltaTable
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import DeltaError, TableNotFoundError

from datacentre.contracts import Contract
from datacentre.contracts.columns import table_schema
from datacentre.errors import CheckFailed, ContractError, SourceUnavailable
from datacentre.file_lock import locked

# Identifiers must never reach the log: statistics are kept for these columns only.
LAYERS = ("landed", "quarantine", "vault")
STATISTICS = ("kafka_partition", "kafka_offset")
PARTITION = "ingest_date"
CHECKPOINT_COMMITS = 100
CHECKPOINT_INTERVAL = "delta.checkpointInterval"
_RETENTION = "interval 1 day"
_TRANSACTION_RETENTION = "delta.setTransactionRetentionDuration"
TOPIC = "datacentre.topic"
"""Table property: `<cluster id>/<topic id>` whose offsets the table holds."""
_BASES = "datacentre.offset_bases"
_EARLIER_TOPICS = "datacentre.earlier_topics"


def table_folder(lake: Path, layer: str, key: str) -> Path:
    return lake / layer / key


def table_path(table: DeltaTable) -> Path:
    return Path(unquote(urlsplit(table.table_uri).path))


def open_table(lake: Path, contract: Contract, layer: str) -> DeltaTable | None:
    """The stream's table of this layer, or None when nothing was ever written.

    Columns that the contract has gained are added, null for the rows of before. Raises ContractError when the
    table has other columns or types than the contract, and CheckFailed when it is set to forget transactions:
    the offsets in them are what makes a restart exact.
    """
    folder = table_folder(lake, layer, contract.key)
    try:
        table = DeltaTable(folder)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as problem:
        raise unavailable(f"{folder}: can't be read", problem) from None
    return fitting(table, folder, contract, layer)


def fitting(table: DeltaTable, folder: Path, contract: Contract, layer: str) -> DeltaTable:
    """The same table, once its columns are those of the contract; raises as `open_table` does."""
    require_memory(folder, table.metadata().configuration)
    have, want = _columns(pa.schema(table.schema().to_arrow())), _columns(table_schema(contract, layer))
    changed = sorted(name for name, kind in have.items() if want.get(name) != kind)
    if changed:
        raise ContractError(f"{folder}: columns differ from contract {contract.schema_tag}: {', '.join(changed)}")
    if gained := [name for name in want if name not in have]:
        _add_columns(table, contract, layer, gained)
    return table


def unavailable(what: str, problem: Exception) -> SourceUnavailable:
    """The error to raise where the disk or store refuses, in one line."""
    return SourceUnavailable(f"{what}: {' '.join(str(problem).split())[:200]}")


def require_memory(folder: Path, configuration: Mapping[str, str | None]) -> None:
    """Raise CheckFailed for a table that is told to forget transactions."""
    if _TRANSACTION_RETENTION in configuration:
        raise CheckFailed(f"{folder}: {_TRANSACTION_RETENTION} is set; unset it, offsets would be forgotten")


def _add_columns(table: DeltaTable, contract: Contract, layer: str, gained: Sequence[str]) -> None:
    fields = DeltaSchema.from_arrow(table_schema(contract, layer)).fields
    try:
        table.alter.add_columns([f for f in fields if f.name in gained])
    except DeltaError:  # another process of the new contract was faster, or a commit came in between
        table.update_incremental()
        have = _columns(pa.schema(table.schema().to_arrow()))
        if left := [name for name in gained if name not in have]:
            _add_columns(table, contract, layer, left)


def create_table(lake: Path, contract: Contract, layer: str, topic: str) -> DeltaTable:
    """Create the table, bound to one topic (`<cluster id>/<topic id>`); opens it when somebody was faster."""
    with _only_creator(lake):
        return open_table(lake, contract, layer) or _create(lake, contract, layer, topic)


def _create(lake: Path, contract: Contract, layer: str, topic: str) -> DeltaTable:
    folder = table_folder(lake, layer, contract.key)
    try:
        return DeltaTable.create(
            folder,
            schema=table_schema(contract, layer),
            partition_by=[PARTITION],
            configuration={
                "delta.dataSkippingStatsColumns": ",".join(STATISTICS),
                CHECKPOINT_INTERVAL: str(CHECKPOINT_COMMITS),
                "delta.logRetentionDuration": _RETENTION,
                "delta.deletedFileRetentionDuration": _RETENTION,
                TOPIC: topic,
            },
            raise_if_key_not_exists=False,
        )
    except (DeltaError, OSError) as problem:
        raise unavailable(f"{folder}: can't be created", problem) from None


def _only_creator(lake: Path) -> AbstractContextManager[None]:
    """One process at a time: deltalake takes a second creation of the same table for a change of it."""
    return locked(lake / "locks" / "create")


def has_tables(lake: Path) -> bool:
    """Whether any stream has landed in this lake."""
    return any((lake / "landed").glob("*/_delta_log/*.json"))


def lake_id(lake: Path) -> str:
    """Eight hex digits that tell this lake from others on the same broker; made on first use."""
    file = lake / "id"
    if not file.exists():
        lake.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"id.{os.getpid()}")
        draft.write_text(secrets.token_hex(4))
        with suppress(FileExistsError):
            os.link(draft, file)  # the first of two starting processes wins
        draft.unlink()
    return file.read_text()


def bound_topic(table: DeltaTable) -> str:
    """`<cluster id>/<topic id>` whose offsets this table holds."""
    return table.metadata().configuration[TOPIC]


def offset_bases(table: DeltaTable) -> dict[int, int]:
    """By partition, what is added to the topic's offsets to get the lake's; empty for the first topic of a table."""
    written = json.loads(table.metadata().configuration.get(_BASES, "{}"))
    return {int(p): base for p, base in written.items()}


def bind_topic(table: DeltaTable, topic: str, bases: Mapping[int, int]) -> None:
    """Go on with another topic; the one before is kept in the table's properties with its bases."""
    earlier = json.loads(table.metadata().configuration.get(_EARLIER_TOPICS, "[]"))
    earlier.append({"topic": bound_topic(table), "bases": offset_bases(table)})
    properties = {TOPIC: topic, _BASES: json.dumps(bases), _EARLIER_TOPICS: json.dumps(earlier)}
    table.alter.set_table_properties(properties, raise_if_not_exists=False)
    table.update_incremental()


def _columns(schema: pa.Schema) -> dict[str, str]:
    return {f.name: str(f.type).replace("<item: ", "<element: ") for f in schema}
