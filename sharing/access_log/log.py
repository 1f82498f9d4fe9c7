"""Writes the log. Several processes may: each append holds the lock, and goes on from what the files end with."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from datacentre.errors import CheckFailed
from datacentre.file_lock import locked
from datacentre.signing import Signer
from sharing.access_log import files
from sharing.access_log.entry import Entry, Read
from sharing.access_log.files import End, Tail
from sharing.access_log.head import first_head, put_head, read_head

_encoder = msgspec.json.Encoder()


class AccessLog:
    """The log of one home."""

    def __init__(self, home: Path):
        self._home = home
        files.folder(home).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._signer = Signer(home)
        self._last: Tail | None = None
        self._settled: End | None = None

    def write(self, reads: Sequence[Read]) -> None:
        """Add them: from then on they outlive this process, and after `settle` a power failure too.

        What was cut short by a kill is overwritten: its answer never left. Raises CheckFailed, and writes nothing,
        where the log isn't what was signed: nobody may read while reads can't be logged.
        """
        with self._locked():
            before = self._tail()
            content, end = _lines(before.end, reads)
            files.append(self._home, before, content)
            self._last = Tail(before.file, before.size + len(content), 0, end)

    def settle(self) -> None:
        """Wait until the disk has what was written here, and sign how far the log goes. Doesn't keep others from
        writing meanwhile."""
        last = self._last
        if last is None or last.end == self._settled:
            return
        files.flush(self._home, last.file)
        with self._locked():
            head = read_head(self._home)
            if head is not None and head.number < last.end.number:
                put_head(self._home, self._signer, last.end)
        self._settled = last.end

    def _locked(self) -> AbstractContextManager[None]:
        return locked(files.folder(self._home) / "lock")

    def _tail(self) -> Tail:
        """As remembered from our own last write, where no other process has written since."""
        known = self._last
        if known is not None:
            file = files.log_file(self._home, known.file)
            is_newest = not files.log_file(self._home, known.file + 1).exists()
            if is_newest and file.exists() and file.stat().st_size == known.size:
                return self._next_file(known)
        return self._next_file(self._checked(files.tail(self._home)))

    def _checked(self, found: Tail) -> Tail:
        head = read_head(self._home)
        if head is None and found.end.number == 0:
            first_head(self._home, self._signer)
            return found
        if head is None or found.end.number < head.number or (found.end.number == head.number and found.end != head):
            raise CheckFailed(
                f"{files.folder(self._home)}: the log ends with entry {found.end.number}, which isn't what was signed"
                f" ({'nothing' if head is None else f'up to entry {head.number}'}); run `datacentre audit verify`"
            )
        return found

    def _next_file(self, at: Tail) -> Tail:
        if at.size < files.FILE_BYTES:
            return at
        files.flush(self._home, at.file)
        return Tail(at.file + 1, 0, 0, at.end)


def _lines(end: End, reads: Sequence[Read]) -> tuple[bytes, End]:
    now, content = datetime.now(UTC), bytearray()
    for read in reads:
        line = _encoder.encode(Entry(end.number + 1, end.hash, now, read))
        content += line + b"\n"
        end = End(end.number + 1, files.line_hash(line))
    return bytes(content), end
