"""Keys of consumers: each reads for some purposes of its agreement until a day."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from datacentre.errors import ContractError
from datacentre.web.api_keys import ApiKey, KeyFile
from sharing.agreements.model import Agreement


@dataclass(frozen=True, kw_only=True)
class AccessKey(ApiKey):
    """A key of a consumer, and the purposes that it may name."""

    consumer: str
    purposes: tuple[str, ...]


def access_keys(home: Path) -> KeyFile[AccessKey]:
    return KeyFile(home / "keys" / "access.json", AccessKey, "dca", "access-key")


def create_access_key(
    keys: KeyFile[AccessKey], agreement: Agreement, purposes: Sequence[str], days: int, now: datetime
) -> tuple[AccessKey, str]:
    """Add a key; returns it with its text, which is stored nowhere. Raises ContractError for a purpose that the
    agreement doesn't name."""
    unknown = sorted(set(purposes) - set(agreement.purposes))
    if unknown or not purposes:
        raise ContractError(
            f"agreement {agreement.id} knows no purpose {', '.join(unknown) or 'at all without its name'};"
            f" it has {', '.join(agreement.purposes)}"
        )

    def of_consumer(key: ApiKey) -> AccessKey:
        return AccessKey(**asdict(key), consumer=agreement.consumer, purposes=tuple(purposes))

    return keys.create(of_consumer, days, now)
