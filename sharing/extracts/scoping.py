"""What a consumer sees of landed rows: its columns, every identifier replaced by its scope's token."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from datacentre.contracts import Contract
from datacentre.errors import ContractError
from sharing.pseudonyms import Scope
from sharing.scoped_columns import stream_leaving


def shared_rows(rows: pa.Table, contract: Contract, columns: Sequence[str], scope: Scope) -> pa.Table:
    """`row_id`, `is_certified`, `is_deleted` and the columns that the agreement gives.

    `row_id` is the same whenever a row comes again, until the scope's key is rotated. A deletion has nothing but its
    key. Raises ContractError for a column that may never leave.
    """
    leaving = stream_leaving(contract)
    if kept := sorted(set(columns) - set(leaving.columns)):
        raise ContractError(f"{contract.key}: {', '.join(kept)} may not leave; take it out of the agreement")
    places = zip(rows["kafka_partition"].to_pylist(), rows["kafka_offset"].to_pylist(), strict=True)
    ids = [scope.token("row", f"{contract.key}/{partition}/{offset}") for partition, offset in places]
    is_certified = [number > 0 for number in rows["certificate_id"].to_pylist()]
    arrays = {
        "row_id": pa.array(ids, pa.string()),
        "is_certified": pa.array(is_certified, pa.bool_()),
        "is_deleted": rows["is_deleted"],
    }
    for name in columns:
        column = rows[name]
        if name == contract.kafka_key:
            column = pc.if_else(rows["is_deleted"], rows["record_key"], column)
        if name in leaving.as_tokens:
            column = scoped(column, leaving.as_tokens[name], scope)
        arrays[name] = pc.floor_temporal(column, unit="hour") if name in leaving.by_the_hour else column
    return pa.table(arrays)


def scoped(column: pa.ChunkedArray, kind: str, scope: Scope) -> pa.Array:
    """Tokens in place of values, also inside lists; what is empty stays empty."""
    known: dict[str, str] = {}

    def one(value: object) -> str | None:
        if value is None:
            return None
        text = str(value)
        if text not in known:
            known[text] = scope.token(kind, text)
        return known[text]

    values = column.to_pylist()
    if pa.types.is_list(column.type):
        lists = [None if row is None else [one(value) for value in row] for row in values]
        return pa.array(lists, pa.list_(pa.string()))
    return pa.array([one(value) for value in values], pa.string())
