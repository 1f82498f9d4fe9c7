"""The files of the log: numbered, of JSON lines, beside the signed head that says how far they go.

Under `<home>/access/`: `00000001.jsonl` and so on, `head.json`, `lock`.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from datacentre.errors import CheckFailed
from sharing.access_log.entry import Entry

FILE_BYTES = 64 * 1024 * 1024
NOTHING = "0" * 64
"""What the first entry has as the hash before it."""
_TAIL_BYTES = 1024 * 1024
_decoder = msgspec.json.Decoder(Entry)


@dataclass(frozen=True)
class End:
    """Up to where a log goes: its entries, the hash of the last one's line."""

    number: int
    hash: str


@dataclass(frozen=True)
class Tail:
    """The end of the newest file: its number, its whole lines' bytes, and what stands behind them."""

    file: int
    size: int
    torn: int
    end: End


def folder(home: Path) -> Path:
    return home / "access"


def log_file(home: Path, number: int) -> Path:
    return folder(home) / f"{number:08d}.jsonl"


def files(home: Path) -> list[int]:
    """The numbers of the files that are there, in order."""
    return sorted(int(f.stem) for f in folder(home).glob("*.jsonl"))


def line_hash(line: bytes) -> str:
    """`line` without its end."""
    return hashlib.sha256(line).hexdigest()


def decoded(line: bytes, place: str) -> Entry:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise CheckFailed(f"{place}: not an entry of the access log ({problem}); `datacentre audit verify`") from None


def tail(home: Path) -> Tail:
    """Where the next entry goes, read from the last lines. Raises CheckFailed for a last line that is no entry."""
    known = files(home)
    if not known:
        return Tail(1, 0, 0, End(0, NOTHING))
    file = log_file(home, known[-1])
    size = file.stat().st_size
    with file.open("rb") as content:
        content.seek(max(0, size - _TAIL_BYTES))
        last = content.read()
    whole, end, torn = last.rpartition(b"\n")
    if not end:  # its first entry was cut short: the one before is at the end of the file before
        before = _end_of(log_file(home, known[-2])) if len(known) > 1 else End(0, NOTHING)
        return Tail(known[-1], 0, len(torn), before)
    line = whole.rpartition(b"\n")[2]
    entry = decoded(line, str(file))
    return Tail(known[-1], size - len(torn), len(torn), End(entry.number, line_hash(line)))


def _end_of(file: Path) -> End:
    line = file.read_bytes().removesuffix(b"\n").rpartition(b"\n")[2]
    return End(decoded(line, str(file)).number, line_hash(line))


def lines(home: Path) -> Iterator[tuple[str, bytes]]:
    """Every whole line without its end, and its place for messages; what was cut short at the very end is left out."""
    known = files(home)
    for number in known:
        file = log_file(home, number)
        with file.open("rb") as content:
            for position, line in enumerate(content, start=1):
                if line.endswith(b"\n"):
                    yield f"{file}:{position}", line[:-1]
                elif number != known[-1]:
                    raise CheckFailed(f"{file}:{position}: is cut short, and the log goes on after it")


def append(home: Path, at: Tail, content: bytes) -> None:
    """Put whole lines behind the whole lines; what was cut short there is overwritten."""
    descriptor = os.open(log_file(home, at.file), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        if at.torn:
            os.ftruncate(descriptor, at.size)
        view = memoryview(content)
        written = 0
        while written < len(content):
            written += os.pwrite(descriptor, view[written:], at.size + written)
    finally:
        os.close(descriptor)


def flush(home: Path, number: int) -> None:
    """Wait until the disk has what was appended to a file."""
    descriptor = os.open(log_file(home, number), os.O_WRONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
