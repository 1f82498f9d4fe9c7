"""The signed head of the log: up to which entry it goes. A log whose tail was cut is shorter than its head says."""

import json
import os
from pathlib import Path
from typing import Any

from datacentre.errors import CheckFailed
from datacentre.signing import Signer, public_key_file, verified
from sharing.access_log.files import NOTHING, End, folder

_BYTES = 512
"""One sector of a disk, which is written whole or not at all, also when power fails."""


def head_file(home: Path) -> Path:
    return folder(home) / "head.json"


def first_head(home: Path, signer: Signer) -> None:
    """Of a log without entries, on the disk before there is one: from then on a log without a head is a cut one."""
    put_head(home, signer, End(0, NOTHING))
    for place in (head_file(home), folder(home)):
        descriptor = os.open(place, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def put_head(home: Path, signer: Signer, end: End) -> None:
    """Written in place, once the disk has the entries that it speaks of."""
    descriptor = os.open(head_file(home), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, _padded(json.loads(signer.signed({"number": end.number, "hash": end.hash}))), 0)
    finally:
        os.close(descriptor)


def read_head(home: Path, public_key: Path | None = None) -> End | None:
    """None where nothing was ever logged. Raises CheckFailed where it isn't as it was signed."""
    file = head_file(home)
    if not file.exists():
        return None
    end = read_checkpoint(file, public_key or public_key_file(home))
    if file.read_bytes() != _padded(json.loads(file.read_bytes())):
        raise CheckFailed(f"{file}: was changed after it was signed")
    return end


def read_checkpoint(file: Path, public_key: Path) -> End:
    """A head that was given out earlier; raises CheckFailed where it isn't as it was signed."""
    document = verified(file, public_key)
    return End(int(document["number"]), str(document["hash"]))


def _padded(whole: dict[str, Any]) -> bytes:
    return json.dumps(whole, separators=(",", ":")).encode().ljust(_BYTES - 1) + b"\n"
