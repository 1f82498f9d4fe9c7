"""Locks that the kernel lets go of when their process ends, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Wait for the lock, and hold it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_if_free(file: Path) -> Iterator[bool]:
    """Hold the lock; False while another process does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        yield take(lock)


def take(lock: IO[str], how: int = fcntl.LOCK_EX) -> bool:
    """Take it without waiting, until the file is closed; False while another process holds it."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
