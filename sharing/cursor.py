"""Cursors that readers keep: where they stand in a dataset, closed to them.

AES-256-GCM (NIST SP 800-38D) with a key of this home: a reader can neither see offsets nor make a cursor, and one
consumer's cursor opens nothing for another. They don't expire by themselves, and outlive a restart.
"""

import base64
import binascii
import secrets
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from datacentre.errors import ContractError
from datacentre.secret_file import write_once

P = TypeVar("P")
_KEY_BYTES = 32
_NONCE_BYTES = 12


class InvalidCursor(ContractError):
    """A cursor that this centre hasn't made, or for something else."""


def cursor_key_file(home: Path) -> Path:
    """Without it a home makes another one, which opens no cursor of before."""
    return home / "keys" / "cursors.key"


class CursorSeal:
    """Closes and opens positions with the key of a home, made on first use."""

    def __init__(self, home: Path):
        file = cursor_key_file(home)
        if not file.exists():
            write_once(file, secrets.token_bytes(_KEY_BYTES))
        key = file.read_bytes()
        if len(key) != _KEY_BYTES:
            raise ContractError(f"{file}: must have {_KEY_BYTES} bytes; restore it from backup")
        self._cipher = AESGCM(key)

    def close(self, position: object, consumer: str, dataset: str) -> str:
        """A text that is safe in a URL."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        closed = self._cipher.encrypt(nonce, msgspec.msgpack.encode(position), _bound(consumer, dataset))
        return base64.urlsafe_b64encode(nonce + closed).rstrip(b"=").decode()

    def open(self, text: str, kind: type[P], consumer: str, dataset: str) -> P:
        """Raises InvalidCursor where it isn't one of this consumer for this dataset."""
        try:
            whole = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
            plain = self._cipher.decrypt(whole[:_NONCE_BYTES], whole[_NONCE_BYTES:], _bound(consumer, dataset))
            return msgspec.msgpack.decode(plain, type=kind)
        except (InvalidTag, ValueError, binascii.Error, msgspec.DecodeError):
            raise InvalidCursor(
                f"the cursor isn't one of {consumer} for {dataset}; begin without a cursor, or use the last one given"
            ) from None


def _bound(consumer: str, dataset: str) -> bytes:
    return f"{consumer}\n{dataset}".encode()
