"""JSON Lines that already are records of the stream: sent byte by byte, the sink judges them."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from connectors.sources.file_source.json_lines import Line, lines
from connectors.sources.file_source.rejects import RejectReport, RowRejected
from connectors.sources.producer import Producer
from datacentre import names
from datacentre.contracts.model import Contract

_MARKS = ("event_id", "source", "schema")
PROGRESS_ROWS = 5_000
_SAMPLE_LINES = 5_000


def holds_complete_records(file: Path) -> bool:
    """Whether the first readable line is a record; true as well where none of the first is readable."""
    for line in islice(lines(file), _SAMPLE_LINES):
        value = _object(line)
        if value is not None:
            return all(mark in value for mark in _MARKS)
    return True


def pass_through(
    contract: Contract,
    file: Path,
    id_prefix: str,
    producer: Producer,
    report: RejectReport,
    progress: Callable[[int], None],
) -> tuple[int, int]:
    """Send every line as it is; returns how many lines there were and how many were sent.

    A malformed line goes too, so that it lands in quarantine; where its key can't be read, the key is
    the file's hash and the line. Only a line longer than a message is reported instead.
    """
    topic = names.topic(contract.key)
    row = sent = 0
    for row, line in enumerate(lines(file), start=1):
        if line.content is None:
            report.row(row, line.number, RowRejected(None, None, line.problem))
        else:
            producer.send(topic, _key(contract, line, id_prefix), line.content)
            sent += 1
        if row % PROGRESS_ROWS == 0:
            progress(row)
    return row, sent


def _key(contract: Contract, line: Line, id_prefix: str) -> bytes:
    value = (_object(line) or {}).get(contract.kafka_key)
    return (value if isinstance(value, str) else f"{id_prefix}-{line.number}").encode()


def _object(line: Line) -> dict[str, Any] | None:
    if line.content is None:
        return None
    try:
        value = msgspec.json.decode(line.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) else None
