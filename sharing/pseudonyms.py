"""A consumer's own pseudonyms: keyed tokens in place of whatever identifies, under a key that can be rotated."""

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from datacentre.errors import ContractError
from datacentre.file_lock import locked
from datacentre.pseudonym import PseudonymKey
from datacentre.secret_file import replace, write_once

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SECRET_BYTES = 32
_BETWEEN = "\0"


@dataclass(frozen=True)
class ScopeKey:
    """One key of a scope: `secret` is hexadecimal, `since` an instant (ISO 8601), `reason` why it took over.

    With a crosswalk the consumer is told which of its tokens became which.
    """

    id: str
    secret: str
    since: str
    reason: str
    has_crosswalk: bool = False


@dataclass(frozen=True)
class Scope:
    """The same value of a kind gives the same token; another kind, scope or key gives another one.

    `keys` are all that the scope has had, oldest first.
    """

    name: str
    key: PseudonymKey
    keys: tuple[ScopeKey, ...]

    @property
    def key_id(self) -> str:
        return self.key.id

    @property
    def has_crosswalk(self) -> bool:
        """Whether whoever had tokens of the key before may learn those of this one."""
        return self.keys[-1].has_crosswalk

    def token(self, kind: str, value: str) -> str:
        """32 hexadecimal digits: the first half of HMAC-SHA256 over kind and value, as RFC 2104, section 5, allows."""
        return self.key.pseudonym(f"{kind}{_BETWEEN}{value}")[:32]

    def under(self, key_id: str) -> "Scope":
        """The scope with one of its keys; raises ContractError for a key that it never had."""
        for key in self.keys:
            if key.id == key_id:
                return Scope(self.name, _usable(key), self.keys)
        raise ContractError(f"scope {self.name}: has no key {key_id}; it has {', '.join(k.id for k in self.keys)}")


def token_sql(kind: str, value: str, inner: str = "$inner", outer: str = "$outer") -> str:
    """The token as DuckDB SQL; `kind` and `value` are expressions of text, the others those of the key's pads."""
    message = f"encode({kind} || chr(0) || {value})"
    return f"left(sha256({outer}::blob || unhex(sha256({inner}::blob || {message}))), 32)"


def load_scope(home: Path, scope: str) -> Scope:
    """The scope with its newest key; the first key is made on first use.

    Raises ContractError when the file can't be read, or is gone although releases were made with it: new tokens would
    part every consumer from what it has.
    """
    file = scope_file(home, scope)
    if not file.exists():
        if _is_released(home, scope):
            raise ContractError(f"{file}: the scope's key is gone, and releases rest on it; restore it from backup")
        write_once(file, _document([_new_key("first use")]))
    return _read(file, scope)


def rotate_scope(home: Path, scope: str, reason: str, has_crosswalk: bool = False) -> Scope:
    """Give the scope a new key from now on; the old ones are kept for crosswalks and for tracing what was given.

    Raises ContractError without a reason.
    """
    if not reason.strip():
        raise ContractError(f"scope {scope}: say why its key is rotated")
    file = scope_file(home, scope)
    with locked(file.with_suffix(".lock")):
        before = load_scope(home, scope)
        replace(file, _document([*before.keys, _new_key(reason.strip(), has_crosswalk)]))
    return _read(file, scope)


def scope_file(home: Path, scope: str) -> Path:
    """Raises ContractError for a name that no scope can have."""
    if not _NAME.fullmatch(scope):
        raise ContractError(f"pseudonym scope {scope[:80]!r} must be lower case letters, digits and hyphens")
    return home / "keys" / "scopes" / f"{scope}.json"


def _read(file: Path, scope: str) -> Scope:
    try:
        keys = tuple(ScopeKey(**key) for key in json.loads(file.read_text())["keys"])
        return Scope(scope, _usable(keys[-1]), keys)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as problem:
        raise ContractError(f"{file}: not a scope's keys ({problem}); restore it from backup") from None


def _usable(key: ScopeKey) -> PseudonymKey:
    secret = bytes.fromhex(key.secret)
    if len(secret) != _SECRET_BYTES:
        raise ContractError(f"pseudonym key {key.id}: the secret must have {_SECRET_BYTES} bytes")
    return PseudonymKey(key.id, secret)


def _new_key(reason: str, has_crosswalk: bool = False) -> ScopeKey:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return ScopeKey(f"s{secrets.token_hex(4)}", secrets.token_hex(_SECRET_BYTES), now, reason, has_crosswalk)


def _document(keys: Iterable[ScopeKey]) -> bytes:
    return json.dumps({"keys": [asdict(key) for key in keys]}, indent=1).encode()


def _is_released(home: Path, scope: str) -> bool:
    manifests = (home / "releases").glob("*/*/manifest.json")
    return any(json.loads(m.read_bytes()).get("pseudonym_scope") == scope for m in manifests)
