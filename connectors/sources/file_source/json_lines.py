"""JSON Lines files, plain or gzip: their lines, and the lines as rows."""

import gzip
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import msgspec

from connectors.sources.file_source.table import Row, as_cell

# A broker takes messages up to 1 MiB unless told otherwise, and a line is at most one message.
_LONGEST_LINE = 1_000_000
_SAMPLE_LINES = 5_000


class Line(NamedTuple):
    """One line that isn't blank, without its line end; `content` is None where it is too long."""

    number: int
    content: bytes | None

    @property
    def problem(self) -> str:
        return f"the line is longer than {_LONGEST_LINE} bytes"


def lines(file: Path) -> Iterator[Line]:
    """The lines of a file, numbered as an editor does; memory stays bounded by the longest line."""
    with _open(file) as stream:
        number = 0
        while part := stream.readline(_LONGEST_LINE + 2):
            number += 1
            content: bytes | None = part.rstrip(b"\r\n")
            if len(part.rstrip(b"\r\n")) > _LONGEST_LINE:
                content = None
                while part and not part.endswith(b"\n"):
                    part = stream.readline(_LONGEST_LINE)
            if content is None or content.strip():
                yield Line(number, content)


class JsonLinesTable:
    """A JSON Lines file as rows; its columns are the keys of the first lines."""

    def __init__(self, file: Path):
        self.file = file
        seen: dict[str, None] = {}
        for line in islice(lines(file), _SAMPLE_LINES):
            value = _decoded(line)
            seen.update(dict.fromkeys(value) if isinstance(value, dict) else {})
        self._columns = tuple(seen)

    @property
    def columns(self) -> tuple[str, ...]:
        return self._columns

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        known = frozenset(wanted)
        for number, line in enumerate(lines(self.file), start=1):
            value = _decoded(line)
            if isinstance(value, str):
                yield Row(number, line.number, (), value)
                continue
            others = tuple(value.keys() - known)
            yield Row(number, line.number, [as_cell(value.get(name)) for name in wanted], None, others)


def _decoded(line: Line) -> dict[str, Any] | str:
    """The line's object, or what is wrong with it."""
    if line.content is None:
        return line.problem
    content = line.content.removeprefix(b"\xef\xbb\xbf") if line.number == 1 else line.content
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        return f"not JSON: {problem}"
    return value if isinstance(value, dict) else "not a JSON object"


def _open(file: Path) -> IO[bytes]:
    if file.name.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.open(file, "rb"))
    return file.open("rb")
