"""CSV files, plain or gzip."""

import csv
import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from connectors.sources.file_source.mapping import FileFormat
from connectors.sources.file_source.table import Cell, Row
from datacentre.errors import ContractError


class CsvTable:
    """A CSV file with one header row.

    Bytes that the encoding doesn't know become lone surrogates, so that only a row whose mapped value
    holds one is rejected. Blank lines are no rows. Raises ContractError for a header that can't serve.
    """

    def __init__(self, file: Path, form: FileFormat):
        self.file = file
        self._form = form
        with self._reader() as reader:
            try:
                header: list[str] = next(iter(reader), [])
            except csv.Error as problem:
                raise ContractError(f"{file}:1: the header can't be read: {problem}") from None
        if not any(header):
            raise ContractError(f"{file}:1: has no header row")
        if doubles := sorted({name for name in header if header.count(name) > 1}):
            raise ContractError(f"{file}:1: columns stand twice in the header: {', '.join(doubles)}")
        self._columns = tuple(header)

    @property
    def columns(self) -> tuple[str, ...]:
        return self._columns

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        width = len(self._columns)
        pick = _picker([self._columns.index(name) for name in wanted])
        with self._reader() as reader:
            next(reader)
            number, line = 0, reader.line_num + 1
            while True:
                problem: str | None = None
                try:
                    values = next(reader)
                except StopIteration:
                    return
                except csv.Error as flaw:
                    values, problem = [], f"not CSV: {flaw}"
                if values or problem:
                    number += 1
                    if problem is None and len(values) != width:
                        problem = f"has {len(values)} values, the header has {width}"
                    yield Row(number, line, (), problem) if problem else Row(number, line, pick(values))
                line = reader.line_num + 1

    @contextmanager
    def _reader(self) -> Iterator[Any]:
        with self._open() as stream:
            try:
                yield csv.reader(stream, delimiter=self._form.delimiter, quotechar=self._form.quote, strict=True)
            except UnicodeError as problem:
                raise ContractError(f"{self.file}: is not in {self._form.encoding}: {problem}") from None

    def _open(self) -> IO[str]:
        encoding, errors = self._form.encoding, "surrogateescape"
        if self.file.name.lower().endswith(".gz"):
            return gzip.open(self.file, "rt", encoding=encoding, errors=errors, newline="")
        return self.file.open("r", encoding=encoding, errors=errors, newline="")


def _picker(positions: Sequence[int]) -> Callable[[list[str]], Sequence[Cell]]:
    if len(positions) == 1:
        only = positions[0]
        return lambda values: (values[only],)
    return itemgetter(*positions)
