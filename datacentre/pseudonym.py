"""The keyed pseudonym: HMAC-SHA256 (RFC 2104) over a direct identifier, with a key that has an id."""

import hmac
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from datacentre.errors import ContractError
from datacentre.secret_file import write_once

_BLOCK = 64
_SECRET_BYTES = 32


@dataclass(frozen=True)
class PseudonymKey:
    """A secret of 32 bytes and the public id that is stored beside every pseudonym."""

    id: str
    secret: bytes

    def pseudonym(self, identifier: str) -> str:
        """64 hexadecimal digits."""
        return hmac.digest(self.secret, identifier.encode(), "sha256").hex()

    def pads(self) -> tuple[bytes, bytes]:
        """The inner and outer padded keys of RFC 2104, 64 bytes each."""
        block = self.secret.ljust(_BLOCK, b"\0")
        return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def load_or_create(home: Path, is_in_use: bool) -> PseudonymKey:
    """The key of this home; made on first use, readable by its owner only.

    Raises ContractError when it can't be read, or is gone although the lake already holds pseudonyms
    (`is_in_use`): a new key would split every person.
    """
    file = home / "keys" / "pseudonym.json"
    if not file.exists():
        if is_in_use:
            raise ContractError(f"{file}: the pseudonym key is gone, and the lake needs it; restore it from backup")
        _create(file)
    try:
        document = json.loads(file.read_text())
        key = PseudonymKey(str(document["id"]), bytes.fromhex(document["secret"]))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ContractError(f"{file}: not a pseudonym key ({problem}); restore it from backup") from None
    if len(key.secret) != _SECRET_BYTES:
        raise ContractError(f"{file}: the secret must have {_SECRET_BYTES} bytes; restore it from backup")
    return key


def _create(file: Path) -> None:
    document = json.dumps({"id": f"k{secrets.token_hex(4)}", "secret": secrets.token_hex(_SECRET_BYTES)})
    write_once(file, document.encode())
