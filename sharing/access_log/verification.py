"""Read the log, and tell whether it is what was written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datacentre.errors import CheckFailed
from datacentre.file_lock import locked
from datacentre.signing import public_key_file
from sharing.access_log import files
from sharing.access_log.entry import Entry
from sharing.access_log.files import NOTHING, End
from sharing.access_log.head import read_checkpoint, read_head


@dataclass(frozen=True)
class Verified:
    """A log that holds: its entries, and how many of them at the end no head has signed yet (a kill's rest: their
    answers never left)."""

    entries: int
    unsigned: int


def entries(home: Path) -> Iterator[Entry]:
    """All, oldest first; raises CheckFailed where a line is no entry. Doesn't compare hashes."""
    for place, line in files.lines(home):
        yield files.decoded(line, place)


def verify(home: Path, public_key: Path | None = None, checkpoint: Path | None = None) -> Verified:
    """Compare every entry with the one before, and the last with the signed head.

    Finds an entry that was changed, removed, added or moved, and a tail that was cut; `checkpoint`, a head that was
    given out earlier, must be on the way: then a log and a head that were both put back are found too. Raises
    CheckFailed with the place.
    """
    with locked(files.folder(home) / "lock"):
        head = read_head(home, public_key)
    wanted = [end for end in (head, checkpoint and _given_out(home, checkpoint, public_key)) if end]
    last = End(0, NOTHING)
    met = {last}
    for place, line in files.lines(home):
        last = _following(last, place, line)
        met |= {last} & set(wanted)
    for end in wanted:
        if end not in met:
            raise CheckFailed(
                f"{files.folder(home)}: entry {end.number} isn't what was signed; the log has {last.number} entries."
                " It was cut or written anew: compare it with a backup"
            )
    if head is None and last.number:
        raise CheckFailed(f"{files.folder(home)}: the signed head is gone; restore it from backup")
    return Verified(last.number, last.number - (head.number if head else 0))


def _given_out(home: Path, checkpoint: Path, public_key: Path | None) -> End:
    return read_checkpoint(checkpoint, public_key or public_key_file(home))


def _following(last: End, place: str, line: bytes) -> End:
    entry = files.decoded(line, place)
    if entry.number != last.number + 1:
        raise CheckFailed(f"{place}: entry {entry.number} follows entry {last.number}; one was removed or moved")
    if entry.previous != last.hash:
        raise CheckFailed(f"{place}: entry {last.number} before it was changed")
    return End(entry.number, files.line_hash(line))
