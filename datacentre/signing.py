"""Sign documents with this home's Ed25519 key (RFC 8032), and check them."""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from datacentre.errors import CheckFailed, ContractError
from datacentre.secret_file import write_once


class Signer:
    """Signs with this home's key; the key is made on first use, readable by its owner only."""

    def __init__(self, home: Path):
        self._key = _private_key(home)

    def signed(self, document: Mapping[str, Any]) -> bytes:
        """The document and its signature as JSON."""
        signature = self._key.sign(_canonical(document))
        whole = {"document": dict(document), "signature": base64.b64encode(signature).decode()}
        return json.dumps(whole, indent=1, ensure_ascii=False).encode() + b"\n"


def signed(document: Mapping[str, Any], home: Path) -> bytes:
    """`Signer.signed` for a single document."""
    return Signer(home).signed(document)


def verified(file: Path, public_key: Path) -> dict[str, Any]:
    """The document of a signed file. Raises CheckFailed when it isn't what was signed with that key."""
    try:
        key = form.load_pem_public_key(public_key.read_bytes())
    except (OSError, ValueError) as problem:
        raise ContractError(f"{public_key}: not a public key ({problem})") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ContractError(f"{public_key}: not an Ed25519 public key")
    try:
        whole = json.loads(file.read_bytes())
        document: dict[str, Any] = whole["document"]
        key.verify(base64.b64decode(whole["signature"]), _canonical(document))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise CheckFailed(f"{file}: not a signed document ({problem})") from None
    except InvalidSignature:
        raise CheckFailed(f"{file}: was not signed like this with the key {public_key}") from None
    return document


def public_key_file(home: Path) -> Path:
    """What others need to check; give it out by another way than the documents."""
    return home / "keys" / "signing.pub.pem"


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _private_key(home: Path) -> Ed25519PrivateKey:
    file = home / "keys" / "signing.pem"
    if not file.exists():
        _create(file)
    try:
        key = form.load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError) as problem:
        raise ContractError(f"{file}: not a private key ({problem}); restore it from backup") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ContractError(f"{file}: not an Ed25519 key; restore it from backup")
    public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    _publish(public_key_file(home), public)
    return key


def _publish(file: Path, public: bytes) -> None:
    """For everybody to read; whole at any time, for several processes may start at once."""
    if not file.exists() or file.read_bytes() != public:
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_bytes(public)
        draft.replace(file)


def _create(file: Path) -> None:
    key = Ed25519PrivateKey.generate()
    write_once(file, key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
