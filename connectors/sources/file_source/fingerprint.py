"""What a file was when it was read: its hash, and that it didn't change meanwhile."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from datacentre.errors import SourceUnavailable

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 of the file's bytes as they were dropped (64 hex digits), its size and change time."""

    file: Path
    file_hash: str
    size: int
    changed_ns: int

    def check_unchanged(self) -> None:
        """Raise SourceUnavailable when the file isn't the one that was hashed."""
        state = self.file.stat()
        if (state.st_size, state.st_mtime_ns) != (self.size, self.changed_ns):
            raise SourceUnavailable(f"{self.file} changed while it was read; send it again")


def fingerprint(file: Path) -> Fingerprint:
    """Hash the file; raises SourceUnavailable when it is absent or a gzip file that isn't whole.

    A half-copied file must not be sent: the whole one has another hash, so its rows would come twice.
    """
    try:
        state = file.stat()
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
        if file.name.lower().endswith(".gz"):
            _read_through(file)
    except (OSError, EOFError, zlib.error) as problem:
        raise SourceUnavailable(f"{file} can't be read whole: {problem}") from None
    return Fingerprint(file, digest.hexdigest(), state.st_size, state.st_mtime_ns)


def _read_through(file: Path) -> None:
    with gzip.open(file, "rb") as stream:
        while stream.read(_BLOCK_BYTES):
            pass
