"""A key opens its agency's streams until it expires or is revoked, and can't be read from the disk."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.sources.gateway.keys import GatewayKey, create_key, gateway_keys
from datacentre.errors import ContractError
from datacentre.web.api_keys import KeyFile, KeyRing

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STREAMS = ("dot__departures", "dot__exit_survey")


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile[GatewayKey]:
    return gateway_keys(tmp_path)


def test_a_key_opens_what_it_was_made_for(keys: KeyFile[GatewayKey]) -> None:
    key, text = create_key(keys, "dot", STREAMS, 30, NOW)
    assert KeyRing(keys).holder(text, NOW) == key
    assert (key.agency, key.streams, key.expires_at) == ("dot", STREAMS, NOW + timedelta(days=30))


def test_the_key_itself_is_not_on_the_disk(keys: KeyFile[GatewayKey]) -> None:
    _, text = create_key(keys, "dot", STREAMS, 30, NOW)
    secret = text.rpartition("_")[2]
    assert len(secret) == 64
    assert not [f for f in keys.file.parent.rglob("*") if secret.encode() in f.read_bytes()]
    assert stat.S_IMODE(keys.file.stat().st_mode) == 0o600


@pytest.mark.parametrize("spoiled", ["", "dcg_", "key", "dcg_00000000_" + "0" * 64, "\udcff", "é" * 77])
def test_another_text_opens_nothing(keys: KeyFile[GatewayKey], spoiled: str) -> None:
    create_key(keys, "dot", STREAMS, 30, NOW)
    assert KeyRing(keys).holder(spoiled.encode("utf-8", "replace").decode(), NOW) is None


def test_a_known_id_with_another_secret_opens_nothing(keys: KeyFile[GatewayKey]) -> None:
    _, text = create_key(keys, "dot", STREAMS, 30, NOW)
    last = "0" if text[-1] != "0" else "1"
    assert KeyRing(keys).holder(text[:-1] + last, NOW) is None


def test_a_key_ends_on_its_day(keys: KeyFile[GatewayKey]) -> None:
    key, text = create_key(keys, "dot", STREAMS, 1, NOW)
    ring = KeyRing(keys)
    assert ring.holder(text, key.expires_at - timedelta(microseconds=1)) is not None
    assert ring.holder(text, key.expires_at) is None


def test_a_running_gateway_learns_of_new_and_revoked_keys(keys: KeyFile[GatewayKey]) -> None:
    ring = KeyRing(keys)
    key, text = create_key(keys, "dot", STREAMS, 30, NOW)
    other, other_text = create_key(keys, "rcsc", ("rcsc__service_feedback",), 30, NOW)
    assert ring.holder(text, NOW) == key
    keys.revoke(key.id, NOW)
    assert ring.holder(text, NOW) is None
    assert ring.holder(other_text, NOW) == other


def test_the_first_revocation_counts(keys: KeyFile[GatewayKey]) -> None:
    key, _ = create_key(keys, "dot", STREAMS, 30, NOW)
    keys.revoke(key.id, NOW)
    assert keys.revoke(key.id, NOW + timedelta(days=1)).revoked_at == NOW


def test_an_unknown_id_is_told(keys: KeyFile[GatewayKey]) -> None:
    with pytest.raises(ContractError, match="gateway-key list"):
        keys.revoke("12345678", NOW)


def test_an_agency_is_a_short_name(keys: KeyFile[GatewayKey]) -> None:
    with pytest.raises(ContractError, match="short name"):
        create_key(keys, "Department of Tourism", STREAMS, 30, NOW)
    assert not keys.file.exists()


def test_a_spoiled_file_opens_nothing_and_is_told(keys: KeyFile[GatewayKey]) -> None:
    _, text = create_key(keys, "dot", STREAMS, 30, NOW)
    keys.file.write_text("[{}]")
    with pytest.raises(ContractError, match=r"gateway\.json"):
        KeyRing(keys).holder(text, NOW)


def test_keys_made_at_once_are_all_kept(keys: KeyFile[GatewayKey]) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda n: create_key(keys, f"a{n}", STREAMS, 30, NOW)[0].id, range(24)))
    assert sorted(made) == sorted(key.id for key in keys.read())
