"""Writes the log. Several processes may: each append holds the lock, and goes on from what the files end with."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from datacentre.errors import CheckFailed
from datacentre.file_lock import locked
from datacentre.signing import Signer
from sharing.access_log import files
from sharing.access_log.entry import Entry, Read
from sharing.access_log.files import End, Tail
from sharing.access_log.head import put_head, read_head

_encoder = msgspec.json.Encoder()


class AccessLog:
    """The log of one home."""

    def __init__(self, home: Path):
        self._home = home
        files.folder(home).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._signer = Signer(home)
        self._last: tuple[Tail, int] | None = None

    def write(self, reads: Sequence[Read]) -> None:
        """Add them, and return when the disk has them; then sign how far the log goes.

        What was cut short by a kill is overwritten: its answer never left. Raises CheckFailed, and writes nothing,
        where the log isn't what was signed: nobody may read while reads can't be logged.
        """
        with locked(files.folder(self._home) / "lock"):
            before = self._tail()
            content, end = _lines(before.end, reads)
            files.append(self._home, before, content)
            put_head(self._home, self._signer, end)
            self._last = Tail(before.file, before.size + len(content), 0, end), before.size + len(content)

    def _tail(self) -> Tail:
        """As remembered from our own last write, where no other process has written since."""
        if self._last is not None:
            known, size = self._last
            file = files.log_file(self._home, known.file)
            is_newest = not files.log_file(self._home, known.file + 1).exists()
            if is_newest and file.exists() and file.stat().st_size == size:
                return _next_file(known)
        return _next_file(self._checked(files.tail(self._home)))

    def _checked(self, found: Tail) -> Tail:
        head = read_head(self._home)
        if head is None and found.end.number == 0:
            return found
        if head is None or found.end.number < head.number or (found.end.number == head.number and found.end != head):
            raise CheckFailed(
                f"{files.folder(self._home)}: the log ends with entry {found.end.number}, which isn't what was signed"
                f" ({'nothing' if head is None else f'up to entry {head.number}'}); run `datacentre audit verify`"
            )
        return found


def _next_file(at: Tail) -> Tail:
    return at if at.size < files.FILE_BYTES else Tail(at.file + 1, 0, 0, at.end)


def _lines(end: End, reads: Sequence[Read]) -> tuple[bytes, End]:
    now, content = datetime.now(UTC), bytearray()
    for read in reads:
        line = _encoder.encode(Entry(end.number + 1, end.hash, now, read))
        content += line + b"\n"
        end = End(end.number + 1, files.line_hash(line))
    return bytes(content), end
