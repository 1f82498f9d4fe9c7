"""A consumer's next rows of a stream, and what the access log says of them."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from datacentre.contracts import Contract
from sharing.access_log.entry import Read
from sharing.cursor import CursorSeal
from sharing.extracts.landed import LandedRows
from sharing.extracts.page import Extract
from sharing.extracts.position import Position
from sharing.extracts.scoping import shared_rows
from sharing.permission import Permission
from sharing.pseudonyms import Scope


@dataclass(frozen=True)
class StreamAnswer:
    """Rows under the consumer's tokens, and the cursor that goes on behind them."""

    rows: pa.Table
    cursor: str
    has_more: bool
    read: Read


@dataclass(frozen=True)
class StreamReader:
    """One stream."""

    lake: Path
    control: sa.Engine
    contract: Contract

    def read(self, seal: CursorSeal, permission: Permission, scope: Scope, cursor: str, limit: int) -> StreamAnswer:
        """Up to `limit` rows; the same cursor gives the same rows again, until more is certified.

        Raises AccessDenied and InvalidCursor.
        """
        stream, consumer = self.contract.key, permission.consumer
        grant = permission.stream(stream)
        position = seal.open(cursor, Position, consumer, stream) if cursor else Position()
        extract = Extract(LandedRows(self.lake, self.contract), self.control, grant.edge == "live", grant.row_filter)
        page = extract.page(position, limit)
        rows = shared_rows(page.rows, self.contract, grant.columns, scope)
        read = Read(
            consumer=consumer,
            key_id=permission.key_id,
            purpose=permission.purpose,
            action="extract",
            dataset=stream,
            version=permission.agreement.id,
            fields=tuple(rows.column_names),
            rows=rows.num_rows,
            part=page.part,
        )
        return StreamAnswer(rows, seal.close(page.position, consumer, stream), page.has_more, read)
