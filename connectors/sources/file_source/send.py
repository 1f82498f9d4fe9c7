"""Send one dropped file to its stream."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from connectors.sources.file_source.complete_records import (
    PROGRESS_ROWS,
    holds_complete_records,
    pass_through,
)
from connectors.sources.file_source.csv_table import CsvTable
from connectors.sources.file_source.fingerprint import fingerprint
from connectors.sources.file_source.json_lines import JsonLinesTable
from connectors.sources.file_source.mapping import FileFormat, Mapping
from connectors.sources.file_source.mapping_file import check_columns
from connectors.sources.file_source.parquet_table import ParquetTable
from connectors.sources.file_source.rejects import RejectReport, RowRejected, printable
from connectors.sources.file_source.row_plan import (
    Record,
    RowPlan,
    mapped_plan,
    own_names_plan,
    required_columns,
)
from connectors.sources.file_source.table import Row, Table
from connectors.sources.producer import Producer
from datacentre import names
from datacentre.contracts.model import Contract
from datacentre.errors import ContractError

_ID_DIGITS = 16
_JSON_LINES = (".jsonl", ".jsonl.gz")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class SendOutcome:
    """What became of a file: `rows` = rows that gave events + `skipped` + `rejected`.

    `skipped` rows tell of no event that the mapping knows; `dropped_values` were given up by the
    mapping's rule while their row went on; `unmentioned_columns` are in the file, but neither mapped
    nor left out. `rejects_file` is None when nothing was rejected or dropped.
    """

    stream: str
    file: Path
    file_hash: str
    rows: int
    events: int
    rejected: int
    rejects_file: Path | None
    skipped: int = 0
    dropped_values: int = 0
    unmentioned_columns: tuple[str, ...] = ()


def send_file(
    contract: Contract,
    file: Path,
    mapping: Mapping | None,
    producer: Producer,
    rejects: Path,
    progress: Callable[[int], None],
) -> SendOutcome:
    """Send all rows of a file and return when the broker has them.

    An event's id is made of the file's hash, the row and the event's position in the mapping, so that
    sending the same file again makes no duplicates downstream. Without a mapping the columns carry the
    contract's names, or the file is JSON Lines of complete records, which pass byte by byte. `progress`
    gets the number of rows done so far. Raises ContractError when file, mapping and contract don't fit
    (nothing was sent then), SourceUnavailable when the file isn't whole or changed while it was read.
    """
    if mapping is not None and mapping.stream != contract.key:
        raise mapping.located.error(("stream",), f"the mapping is for {mapping.stream}, not {contract.key}")
    if mapping is not None and mapping.document.database is not None:
        raise mapping.located.error(("database",), "the mapping is for a database: use datacentre pull")
    seal = fingerprint(file)
    id_prefix = seal.file_hash[:_ID_DIGITS]
    unmentioned: tuple[str, ...] = ()
    skipped = 0
    with RejectReport(rejects, file) as report:
        if mapping is None and file.name.lower().endswith(_JSON_LINES) and holds_complete_records(file):
            rows, events = pass_through(contract, file, id_prefix, producer, report, progress)
        else:
            table = open_table(file, mapping.document.file if mapping else FileFormat())
            plan, unmentioned = _plan(contract, table, mapping)
            sending = _Sending(contract, plan, id_prefix, producer, report, mapping is None)
            sending.send(table, progress)
            rows, events, skipped = sending.rows, sending.events, sending.skipped
        progress(rows)
        producer.flush()
        seal.check_unchanged()
        return SendOutcome(
            contract.key, file, seal.file_hash, rows, events, report.rows, report.path,
            skipped, report.values, unmentioned,
        )  # fmt: skip


def open_table(file: Path, form: FileFormat) -> Table:
    """The reader for a file, by its name; raises ContractError for another kind of file."""
    name = file.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return CsvTable(file, form)
    if name.endswith(_JSON_LINES):
        return JsonLinesTable(file)
    if name.endswith(".parquet"):
        return ParquetTable(file)
    raise ContractError(f"{file}: must be .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet")


def _plan(contract: Contract, table: Table, mapping: Mapping | None) -> tuple[RowPlan, tuple[str, ...]]:
    if mapping is None:
        return own_names_plan(contract, _own_columns(contract, table)), ()
    check_columns(mapping, table.columns, table.file)
    left_out = [pattern for entry in mapping.document.left_out for pattern in entry.columns]
    unmentioned = tuple(
        name
        for name in table.columns
        if name not in mapping.columns and not any(fnmatchcase(name, pattern) for pattern in left_out)
    )
    return mapped_plan(mapping.document, contract), unmentioned


def _own_columns(contract: Contract, table: Table) -> tuple[str, ...]:
    """The columns to read when they carry the contract's names."""
    known = tuple(field.name for field in contract.fields)
    if missing := sorted(required_columns(contract).difference(table.columns)):
        raise ContractError(
            f"{table.file}: has no column {', '.join(missing)}, which {contract.key} requires; "
            "a file with names of its own needs a mapping"
        )
    if isinstance(table, JsonLinesTable):
        # Keys differ from line to line, so that a line with an unknown one is rejected alone.
        return known
    if unknown := [repr(name) for name in table.columns if name not in known]:
        raise ContractError(f"{table.file}: {contract.key} has no field {', '.join(unknown)}")
    return table.columns


class _Sending:
    """The rows of one table on their way; counts what becomes of them."""

    def __init__(
        self,
        contract: Contract,
        plan: RowPlan,
        id_prefix: str,
        producer: Producer,
        report: RejectReport,
        refuses_others: bool,
    ):
        self._topic = names.topic(contract.key)
        self._key_field = contract.kafka_key
        self._plan = plan
        self._id_prefix = id_prefix
        self._producer = producer
        self._report = report
        self._refuses_others = refuses_others
        self.rows = self.events = self.skipped = 0

    def send(self, table: Table, progress: Callable[[int], None]) -> None:
        for row in table.rows(self._plan.columns):
            self.rows += 1
            try:
                self._send_row(row)
            except RowRejected as problem:
                self._report.row(row.number, row.line, problem)
            if self.rows % PROGRESS_ROWS == 0:
                progress(self.rows)

    def _send_row(self, row: Row) -> None:
        if row.problem is not None:
            raise RowRejected(None, None, row.problem)
        if row.others and self._refuses_others:
            raise RowRejected(min(row.others), None, "the contract has no such field")
        dropped: list[RowRejected] = []
        # All events of a row are made before the first is sent: a row goes whole or not at all.
        records = self._plan.records(row.cells, dropped)
        messages = [self._message(row, position, record) for position, record in records]
        for problem in dropped:
            self._report.value(row.number, row.line, problem)
        for key, value in messages:
            self._producer.send(self._topic, key, value)
        self.events += len(messages)
        self.skipped += not messages

    def _message(self, row: Row, position: int, record: Record) -> tuple[bytes, bytes]:
        identified = {"event_id": f"{self._id_prefix}-{row.number}-{position}", **record}
        try:
            return identified[self._key_field].encode(), _encode(identified)
        except UnicodeEncodeError as problem:
            name, value = next(((n, v) for n, v in identified.items() if not _is_encodable(v)), (None, None))
            raise RowRejected(name, value, f"can't be written as JSON: {printable(str(problem))}") from None


def _is_encodable(value: object) -> bool:
    try:
        _encode(value)
    except UnicodeEncodeError:
        return False
    return True
