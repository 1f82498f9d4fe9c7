"""What goes wrong on the way: how often, and what then arrives instead."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

import msgspec

from connectors.sources.simulation.record import Fields
from connectors.sources.simulation.spoiling import Spoiler
from datacentre.contracts.model import Contract
from datacentre.errors import ContractError

INVALID_KINDS = (
    "malformed_json",
    "not_utf8",
    "wrong_type",
    "unknown_code",
    "impossible_date",
    "missing_required",
    "unknown_contract",
)
"""Kinds that break the contract: each of these records belongs into quarantine."""

_HOUR, _DAY = 3600, 86_400


@dataclass(frozen=True)
class DefectShares:
    """Share of events (0 to 1) that each defect happens to; an event has one defect at most.

    Kinds up to `unknown_contract` break the contract. The others don't: `duplicate` sends an event
    twice, `late` holds it back for an hour to three days, `out_of_order` for up to a quarter of an
    hour, `correction` sends a second event that replaces it, `deletion` sends its key with a null value
    after the case's end (only streams that delete by key).
    """

    malformed_json: float = 0.0
    not_utf8: float = 0.0
    wrong_type: float = 0.0
    unknown_code: float = 0.0
    impossible_date: float = 0.0
    missing_required: float = 0.0
    unknown_contract: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    out_of_order: float = 0.0
    correction: float = 0.0
    deletion: float = 0.0

    def __post_init__(self) -> None:
        shares = asdict(self)
        if any(not 0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
            raise ContractError(f"defect shares must be 0 to 1 each and 1 at most together: {shares}")

    @classmethod
    def spread(cls, total: float, **others: float) -> "DefectShares":
        """`total` spread evenly over the invalid kinds; `others` are shares of kinds that stay valid."""
        return cls(**dict.fromkeys(INVALID_KINDS, total / len(INVALID_KINDS)), **others)

    @property
    def added(self) -> float:
        """Records sent beside every event, on average."""
        return self.duplicate + self.correction + self.deletion


class Arrival(NamedTuple):
    """What the broker gets `delay` seconds after the event, or after the case's end for a deletion."""

    delay: int
    value: bytes | None
    defect: str | None


class Defects:
    """Draws a defect for an event and says what arrives."""

    def __init__(self, contracts: Mapping[str, Contract], shares: DefectShares, random: Random):
        named = {kind: share for kind, share in asdict(shares).items() if share > 0}
        self._kinds = list(named)
        self._bounds = list(accumulate(named.values()))
        self._total = self._bounds[-1] if named else 0.0
        self._contracts, self._random = contracts, random
        self._spoilers = {key: Spoiler(contract, random) for key, contract in contracts.items()}
        self._replaceable = {key: _replaceable(contract) for key, contract in contracts.items()}
        self._encode = msgspec.json.Encoder().encode

    def draw(self) -> str | None:
        uniform = self._random.random()
        return None if uniform >= self._total else self._kinds[bisect_right(self._bounds, uniform)]

    def arrivals(self, kind: str, stream: str, record: Fields) -> list[Arrival]:
        """The event itself, if it arrives at all, and what arrives beside it."""
        if kind in INVALID_KINDS:
            return [Arrival(0, self._spoilers[stream].spoil(kind, record), kind)]
        value, rnd = self._encode(record), self._random.random
        if kind == "late":
            return [Arrival(_HOUR + int(rnd() * (3 * _DAY - _HOUR)), value, kind)]
        if kind == "out_of_order":
            return [Arrival(20 + int(rnd() * 880), value, kind)]
        arrivals = [Arrival(0, value, None)]
        if kind == "duplicate":
            arrivals.append(Arrival(1 + int(rnd() * 120), value, kind))
        elif kind == "correction":
            arrivals.append(Arrival(600 + int(rnd() * 2 * _DAY), self._encode(self._corrected(stream, record)), kind))
        elif self._contracts[stream].deletes_by_key:
            arrivals.append(Arrival(4 * _DAY + int(rnd() * 6 * _DAY), None, kind))
        return arrivals

    def _corrected(self, stream: str, record: Fields) -> Fields:
        """A new event of the same time that names the one it replaces and changes one field."""
        corrected = {**record, "event_id": f"{record['event_id']}-c", "corrects_event_id": record["event_id"]}
        options = self._replaceable[stream]
        names = [name for name in options if record.get(name) is not None] or list(options)
        if names:
            name = names[int(self._random.random() * len(names))]
            corrected[name] = next(value for value in options[name] if value != record.get(name))
        return corrected


_CORRECTED = (
    "office_code",
    "transfer_reason",
    "referral",
    "visits_needed",
    "nights",
    "passengers",
    "vote",
    "target_value",
)


def _replaceable(contract: Contract) -> dict[str, tuple[Any, ...]]:
    """Fields a clerk may have entered wrongly, each with two valid values."""
    fields = (field for field in contract.fields if field.name in _CORRECTED)
    return {field.name: field.allowed[:2] if field.allowed else (1, 2) for field in fields}
