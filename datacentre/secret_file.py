"""Files that only their owner may read, written whole or not at all."""

import os
from pathlib import Path


def write_once(file: Path, content: bytes) -> None:
    """Keep what is there: of two starting processes the first wins, and both then read the same."""
    draft = _draft(file, content)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def replace(file: Path, content: bytes) -> None:
    """Put it in the place of what is there, if anything."""
    _draft(file, content).replace(file)


def _draft(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    return draft
