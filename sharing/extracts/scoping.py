"""What a consumer sees of landed rows: its columns, every identifier replaced by its scope's token."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from datacentre.contracts import Contract


class Tokens(Protocol):
    """A pseudonym scope: the same value of a kind gives the same token, in another scope another one."""

    def token(self, kind: str, value: str) -> str: ...


def shared_rows(
    rows: pa.Table, contract: Contract, columns: Sequence[str], kinds: Mapping[str, str], tokens: Tokens
) -> pa.Table:
    """`row_id`, `is_certified`, `is_deleted` and the columns that the agreement gives.

    `row_id` is the same whenever a row comes again. A deletion has nothing but its key. `kinds` names the kind of
    each column that identifies something.
    """
    places = zip(rows["kafka_partition"].to_pylist(), rows["kafka_offset"].to_pylist(), strict=True)
    ids = [tokens.token("row", f"{contract.key}/{partition}/{offset}") for partition, offset in places]
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
        arrays[name] = scoped(column, kinds[name], tokens) if name in kinds else column
    return pa.table(arrays)


def scoped(column: pa.ChunkedArray, kind: str, tokens: Tokens) -> pa.Array:
    """Tokens in place of values, also inside lists; what is empty stays empty."""
    known: dict[str, str] = {}

    def one(value: object) -> str | None:
        if value is None:
            return None
        text = str(value)
        if text not in known:
            known[text] = tokens.token(kind, text)
        return known[text]

    values = column.to_pylist()
    if pa.types.is_list(column.type):
        lists = [None if row is None else [one(value) for value in row] for row in values]
        return pa.array(lists, pa.list_(pa.string()))
    return pa.array([one(value) for value in values], pa.string())
