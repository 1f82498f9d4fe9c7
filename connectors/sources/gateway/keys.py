"""Keys of agencies: each may write some streams until a day."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from datacentre.errors import ContractError
from datacentre.web.api_keys import ApiKey, KeyFile

_AGENCY = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, kw_only=True)
class GatewayKey(ApiKey):
    """A key of an agency, and the streams that it may write."""

    agency: str
    streams: tuple[str, ...]


def gateway_keys(home: Path) -> KeyFile[GatewayKey]:
    return KeyFile(home / "keys" / "gateway.json", GatewayKey, "dcg", "gateway-key")


def create_key(
    keys: KeyFile[GatewayKey], agency: str, streams: Sequence[str], days: int, now: datetime
) -> tuple[GatewayKey, str]:
    """Add a key for an agency; returns it with its text, which is stored nowhere."""
    if not _AGENCY.fullmatch(agency):
        raise ContractError(f"agency {agency!r} must be a short name in lower case letters, digits and -")

    def of_agency(key: ApiKey) -> GatewayKey:
        return GatewayKey(**asdict(key), agency=agency, streams=tuple(streams))

    return keys.create(of_agency, days, now)
