"""A certificate shows when it was changed, and who signed it."""

import json
import stat
from pathlib import Path

import pytest

from datacentre.errors import CheckFailed
from datacentre.signing import public_key_file, signed, verified

DOCUMENT = {"id": 1, "found": {"rows": 3}, "reason": "asked for it — གསལ"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "certificate.json"
    made.write_bytes(signed(DOCUMENT, tmp_path))
    return made


def test_what_was_signed_is_verified(file: Path, tmp_path: Path) -> None:
    assert verified(file, public_key_file(tmp_path)) == DOCUMENT
    assert stat.S_IMODE((tmp_path / "keys" / "signing.pem").stat().st_mode) == 0o600


def test_a_change_is_noticed(file: Path, tmp_path: Path) -> None:
    whole = json.loads(file.read_text())
    whole["document"]["found"]["rows"] = 4
    file.write_text(json.dumps(whole))
    with pytest.raises(CheckFailed, match="was not signed like this"):
        verified(file, public_key_file(tmp_path))


def test_another_centres_key_does_not_do(file: Path, tmp_path: Path) -> None:
    signed(DOCUMENT, tmp_path / "other")
    with pytest.raises(CheckFailed, match="was not signed like this"):
        verified(file, public_key_file(tmp_path / "other"))
