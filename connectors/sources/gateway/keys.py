"""API keys of agencies: each may write some streams until a day. Kept as SHA-256 only, shown once.

A key is 256 random bits behind an id, so that a plain hash of it can't be turned back.
"""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from datacentre import secret_file
from datacentre.errors import ContractError

_KEY = re.compile(r"dcg_([0-9a-f]{8})_[0-9a-f]{64}")
_AGENCY = re.compile(r"[a-z][a-z0-9-]{0,31}")
_NOBODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class GatewayKey:
    """What is kept of a key; `sha256` is over its whole text, `revoked_at` is None while it isn't revoked."""

    id: str
    agency: str
    streams: tuple[str, ...]
    sha256: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at


def key_file(home: Path) -> Path:
    return home / "keys" / "gateway.json"


def create_key(file: Path, agency: str, streams: Sequence[str], days: int, now: datetime) -> tuple[GatewayKey, str]:
    """Add a key for an agency; returns it with its text, which is stored nowhere."""
    if not _AGENCY.fullmatch(agency):
        raise ContractError(f"agency {agency!r} must be a short name in lower case letters, digits and -")
    with _locked(file):
        known = read_keys(file)
        taken = {key.id for key in known}
        identity = next(i for i in iter(lambda: secrets.token_hex(4), "") if i not in taken)
        text = f"dcg_{identity}_{secrets.token_hex(32)}"
        key = GatewayKey(identity, agency, tuple(streams), _hash(text), now, now + timedelta(days=days))
        _write(file, [*known, key])
    return key, text


def revoke_key(file: Path, identity: str, now: datetime) -> GatewayKey:
    """Refuse a key from now on; raises ContractError when there is none with this id."""
    with _locked(file):
        keys = {key.id: key for key in read_keys(file)}
        if identity not in keys:
            raise ContractError(f"no gateway key {identity!r}; `datacentre gateway-key list` shows the ids")
        keys[identity] = replace(keys[identity], revoked_at=keys[identity].revoked_at or now)
        _write(file, list(keys.values()))
    return keys[identity]


def read_keys(file: Path) -> list[GatewayKey]:
    """All keys, oldest first, revoked and expired ones too; raises ContractError when the file can't be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[GatewayKey])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as problem:
        raise ContractError(f"{file}: can't be read as gateway keys ({problem}); restore it from backup") from None


class KeyRing:
    """The keys of a file as it is now, so that a key is refused at once when it is revoked."""

    def __init__(self, file: Path):
        self._file = file
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, GatewayKey] = {}

    def holder(self, text: str, now: datetime) -> GatewayKey | None:
        """The valid key with this text; compares in constant time, whether its id is known or not."""
        self._refresh()
        match = _KEY.fullmatch(text)
        key = self._keys.get(match[1]) if match else None
        is_same = hmac.compare_digest(_hash(text), key.sha256 if key else _NOBODY)
        return key if key is not None and is_same and key.is_valid(now) else None

    def _refresh(self) -> None:
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return
        mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if mark != self._seen:
            self._keys = {key.id: key for key in read_keys(self._file)}
            self._seen = mark


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """One writer at a time."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(file: Path, keys: Sequence[GatewayKey]) -> None:
    secret_file.replace(file, msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")
