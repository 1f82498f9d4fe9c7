"""A row of the database, as the messages that it becomes."""

import hashlib
from dataclasses import dataclass

import msgspec

from connectors.sources.database.database_mapping import database_section, key_plan
from connectors.sources.database.pages import SourceRow
from connectors.sources.file_source.mapping import Mapping
from connectors.sources.file_source.rejects import RowRejected
from connectors.sources.file_source.row_plan import RowPlan, Test, condition_test, mapped_plan
from datacentre.contracts.model import Contract

_ID_DIGITS = 32
_LONGEST_RECORD = 1_000_000  # what a broker takes unless told otherwise
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Message:
    """One message; `value` None deletes the key."""

    key: str
    value: bytes | None


class RowEvents:
    """Turns rows into messages. An event's id is made of table, key, watermark and its place in the
    mapping, so that the same state of a row has the same ids however often it is read.
    """

    def __init__(self, contract: Contract, mapping: Mapping):
        section = database_section(mapping)
        self._label = section.label
        self._key_field = contract.kafka_key
        self._plan = mapped_plan(mapping.document, contract)
        self.columns: tuple[str, ...] = self._plan.columns
        self._key_plan: RowPlan | None = None
        self._is_deleted: Test = lambda cells: False
        if section.deleted is not None or section.detects_deletes:
            self._key_plan = key_plan(mapping, contract)
        if section.deleted is not None:
            column = section.deleted.column
            self.columns = tuple(dict.fromkeys((*self._plan.columns, column)))
            self._is_deleted = condition_test(section.deleted, self.columns.index(column), ("",))

    def is_deleted(self, row: SourceRow) -> bool:
        return self._is_deleted(row.cells)

    def kafka_key(self, row: SourceRow) -> str:
        """The row's Kafka key; raises RowRejected when it can't be read."""
        assert self._key_plan is not None
        ((_, record),) = self._key_plan.records(row.cells, [])
        return str(record[self._key_field])

    def messages(self, row: SourceRow, dropped: list[RowRejected]) -> list[Message]:
        """All messages of a row, or none of them: raises RowRejected."""
        if self.is_deleted(row):
            return [Message(self.kafka_key(row), None)]
        stem = hashlib.sha256(_encode([self._label, *row.position.texts])).hexdigest()[:_ID_DIGITS]
        found = []
        for position, record in self._plan.records(row.cells, dropped):
            identified = {"event_id": f"{stem}-{position}", **record}
            found.append(Message(identified[self._key_field], _encoded(identified)))
        return found


def _encoded(record: dict[str, object]) -> bytes:
    try:
        value = _encode(record)
    except UnicodeEncodeError:
        raise RowRejected(None, None, "holds text that can't be written as JSON") from None
    if len(value) > _LONGEST_RECORD:
        raise RowRejected(None, None, f"the record is longer than {_LONGEST_RECORD:,} bytes")
    return value
