"""API keys: what a holder may do until a day. Kept as SHA-256 only, shown once.

A key is 256 random bits behind an id, so that a plain hash of it can't be turned back.
"""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from datacentre import secret_file
from datacentre.errors import ContractError

_NOBODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """What is kept of a key; `sha256` is over its whole text, `revoked_at` is None while it isn't revoked."""

    id: str
    sha256: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def state(self, now: datetime) -> str:
        """As lists show it: valid, revoked or expired."""
        return "valid" if self.is_valid(now) else "revoked" if self.revoked_at else "expired"


K = TypeVar("K", bound=ApiKey)


@dataclass(frozen=True)
class KeyFile(Generic[K]):
    """Keys of one kind in a file. Their texts begin with `prefix`; `command` is what makes, lists and revokes them."""

    file: Path
    kind: type[K]
    prefix: str
    command: str

    def create(self, make: Callable[[ApiKey], K], days: int, now: datetime) -> tuple[K, str]:
        """Add a key; `make` says what it is for. Returns it with its text, which is stored nowhere."""
        with self._locked():
            known = self.read()
            taken = {key.id for key in known}
            identity = next(i for i in iter(lambda: secrets.token_hex(4), "") if i not in taken)
            text = f"{self.prefix}_{identity}_{secrets.token_hex(32)}"
            expires = now + timedelta(days=days)
            key = make(ApiKey(id=identity, sha256=_hash(text), created_at=now, expires_at=expires))
            self._write([*known, key])
        return key, text

    def revoke(self, identity: str, now: datetime) -> K:
        """Refuse a key from now on; raises ContractError when there is none with this id."""
        with self._locked():
            keys = {key.id: key for key in self.read()}
            if identity not in keys:
                raise ContractError(f"no key {identity!r}; `datacentre {self.command} list` shows the ids")
            keys[identity] = replace(keys[identity], revoked_at=keys[identity].revoked_at or now)
            self._write(list(keys.values()))
        return keys[identity]

    def read(self) -> list[K]:
        """All keys, oldest first, revoked and expired ones too; raises ContractError when the file can't be read."""
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=list[self.kind])  # type: ignore[name-defined]
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as problem:
            raise ContractError(f"{self.file}: can't be read as keys ({problem}); restore it from backup") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time."""
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.file.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, keys: Sequence[K]) -> None:
        secret_file.replace(self.file, msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")


class KeyRing(Generic[K]):
    """The keys of a file as it is now, so that a key is refused at once when it is revoked."""

    def __init__(self, keys: KeyFile[K]):
        self._file = keys
        self._text = re.compile(rf"{keys.prefix}_([0-9a-f]{{8}})_[0-9a-f]{{64}}")
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, K] = {}

    def holder(self, text: str, now: datetime) -> K | None:
        """The valid key with this text; compares in constant time, whether its id is known or not."""
        key = self.known(text)
        return key if key is not None and key.is_valid(now) else None

    def known(self, text: str) -> K | None:
        """The key with this text, whether it is still valid or not."""
        self._refresh()
        match = self._text.fullmatch(text)
        key = self._keys.get(match[1]) if match else None
        is_same = hmac.compare_digest(_hash(text), key.sha256 if key else _NOBODY)
        return key if is_same else None

    def _refresh(self) -> None:
        try:
            stat = self._file.file.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return
        mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if mark != self._seen:
            self._keys = {key.id: key for key in self._file.read()}
            self._seen = mark


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
